// The allocation procedure (physical specification, 1.14).
//
//   fast pass (LOW) ── fails ──> wake daemons ── pass (MIN, …) ── fails ──> may it wait? ── no ──> ENOMEM
//        │                                           │                          │ yes
//        v                                           v                          v
//      page                                        page        Try: WouldSleep · else compaction, reclaim, killer
//
// The plain passes are shared by allocPagesTry and allocPages; only the generator goes on after them.

import { ENOMEM, kassert, panic, sleepUntil, WouldSleep, type Err, type OrErr, type Pfn } from '../../base/index.ts'
import type { Sleep } from '../../base/index.ts'
import { takeBlock, countFree } from './buddy.ts'
import { directCompact, type CompactResult } from './compact.ts'
import { resetCompactionDeferral } from './compaction.ts'
import { MAX_ORDER, PAGE_ALLOC_COSTLY_ORDER, RECLAIM_DISTANCE } from './configuration.ts'
import { NR_ALLOC_BATCH, NUMA_FOREIGN, NUMA_HIT, NUMA_LOCAL, NUMA_MISS, NUMA_OTHER, PGALLOC } from './counters.ts'
import { checkNew, makeCompound } from './free.ts'
import {
  __GFP_COLD,
  __GFP_COMP,
  __GFP_FS,
  __GFP_HARDWALL,
  __GFP_HIGH,
  __GFP_MEMALLOC,
  __GFP_NO_KSWAPD,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_REPEAT,
  __GFP_THISNODE,
  __GFP_WAIT,
  __GFP_WRITE,
  __GFP_ZERO,
  ALLOC_CMA,
  ALLOC_CPUSET,
  ALLOC_FAIR,
  ALLOC_HARDER,
  ALLOC_HIGH,
  ALLOC_NO_WATERMARKS,
  ALLOC_WMARK_MASK,
  GFP_THISNODE,
  GFP_TRANSHUGE,
  GFP_ZONEMASK,
  gfpMigrateType,
  gfpText,
  MIGRATE_MOVABLE,
  MIGRATE_UNMOVABLE,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from './gfp.ts'
import { forgetHotRequest, takeHotPage } from './hotPage.ts'
import { PG_pfmemalloc, PG_reserved } from './pageFlags.ts'
import { drainAllPages, takeFromPcp } from './pcp.ts'
import type { Phys } from './phys.ts'
import { directReclaim, wakeupKswapd, zoneReclaim, ZONE_RECLAIM_FULL, ZONE_RECLAIM_NOSCAN } from './reclaimHooks.ts'
import type { ReclaimRequest } from './reclaimer.ts'
import { zoneWatermarkOk } from './watermark.ts'
import { Zonelist, type Zone } from './zone.ts'

const NONE = -1
/** A pass that could go on only after zone reclaim, which may sleep. */
const MUST_SLEEP = -2
const NO_ZONES = new Zonelist([])

/** One request on its way through the passes. */
export class AllocRequest {
  gfp = 0
  order = 0
  migratetype = 0
  /** Highest zone index allowed. */
  highZone = 0
  zonelist: Zonelist = NO_ZONES
  nodemask: ReadonlySet<number> | null = null
  /** The first zone that would do: its index is the classzone, its node the preferred one. */
  preferred: Zone | null = null
}

// The Try functions' request: borrowed until they return, and they do not nest.
const triedRequest = new AllocRequest()

/**
 * Allocates 2^order contiguous pages near the running CPU, without sleeping. Hot.
 *
 * @param gfp  what may be done for it; with __GFP_WAIT the answer may be WouldSleep instead of ENOMEM
 * @returns    pfn of the first page (count 1), WouldSleep, or ENOMEM
 * @manual alloc_pages, Linux
 */
export function allocPagesTry(phys: Phys, gfp: number, order: number): Pfn | WouldSleep | Err {
  return allocPagesNodeTry(phys, phys.cpuNode[phys.machine.current.cpu.id]!, gfp, order, null)
}

/** The same near a node, perhaps on the nodes of a mask only. */
export function allocPagesNodeTry(
  phys: Phys,
  nid: number,
  givenGfp: number,
  order: number,
  nodemask: ReadonlySet<number> | null = null,
): Pfn | WouldSleep | Err {
  if (order === 0 && nodemask === null) {
    const hot = takeHotPage(phys, nid, givenGfp)
    if (hot >= 0) return phys.frames.pfnAt(hot)
  }
  return allocUnusualTry(phys, nid, givenGfp, order, nodemask)
}

/** Apart, so that the common case stays small enough to become part of its callers. */
function allocUnusualTry(
  phys: Phys,
  nid: number,
  givenGfp: number,
  order: number,
  nodemask: ReadonlySet<number> | null,
): Pfn | WouldSleep | Err {
  const request = triedRequest
  if (!prepare(phys, request, nid, givenGfp, order, nodemask)) return finishFailed(phys, request)
  const f = plainPasses(phys, request)
  if (f >= 0) return finish(phys, request, f)
  if (f === MUST_SLEEP || mayGoOn(phys, request)) return WouldSleep
  warnFailed(phys, request)
  return finishFailed(phys, request)
}

/**
 * Allocates 2^order contiguous pages near the running CPU.
 *
 * @returns pfn of the first page (count 1) or ENOMEM
 * @errors  ENOMEM
 * @locks   sleeps with __GFP_WAIT; otherwise atomic ok
 * @manual alloc_pages, Linux
 */
export function* allocPages(phys: Phys, gfp: number, order: number): Sleep<OrErr<Pfn>> {
  return yield* allocPagesNode(phys, phys.localNode, gfp, order)
}

/** The same near a node (negative: the running CPU's), perhaps on the nodes of a mask only. */
export function* allocPagesNode(
  phys: Phys,
  nid: number,
  givenGfp: number,
  order: number,
  nodemask: ReadonlySet<number> | null = null,
): Sleep<OrErr<Pfn>> {
  const request = new AllocRequest()
  if ((givenGfp & phys.gfpAllowedMask & __GFP_WAIT) !== 0) assertMaySleep(phys)
  if (!prepare(phys, request, nid < 0 ? phys.localNode : nid, givenGfp, order, nodemask))
    return finishFailed(phys, request)
  let f = plainPasses(phys, request)
  if (f < 0 && (f === MUST_SLEEP || mayGoOn(phys, request))) f = yield* slowPath(phys, request)
  else if (f < 0) warnFailed(phys, request)
  return f >= 0 ? finish(phys, request, f) : finishFailed(phys, request)
}

/** Panics unless the running context may sleep. */
export function assertMaySleep(phys: Phys): void {
  const cpu = phys.machine.current.cpu
  if (cpu.interruptLevel > 0) panic('nothing sleeps in interrupt context')
  if (cpu.preemptionDepth > 0) panic('nothing sleeps with preemption disabled')
  if (!cpu.interruptsEnabled) panic('nothing sleeps with interrupts disabled')
}

/** Fills the request; false if it fails at once (no zone, or an injected failure). */
function prepare(
  phys: Phys,
  request: AllocRequest,
  nid: number,
  givenGfp: number,
  order: number,
  nodemask: ReadonlySet<number> | null,
): boolean {
  forgetHotRequest(phys)
  const gfp = givenGfp & phys.gfpAllowedMask
  const highZone = phys.config.gfpZone[gfp & GFP_ZONEMASK]!
  if (highZone < 0) panic('zone bits of a request exclude each other', gfpText(gfp))
  let type = MIGRATE_UNMOVABLE
  if (!phys.isMobilityGroupingDisabled) {
    type = gfpMigrateType(gfp)
    if (type === 3) {
      phys.log.warn(`a request cannot be movable and reclaimable: ${gfpText(gfp)}`)
      type = MIGRATE_MOVABLE
    }
  }
  const node = phys.nodes[nid]
  if (node === undefined) panic('a node id is below MAX_NUMNODES', `${nid}`)
  const zonelist = node.zonelists[(gfp & __GFP_THISNODE) === 0 ? 0 : 1]
  request.gfp = gfp
  request.order = order
  request.migratetype = type
  request.highZone = highZone
  request.zonelist = zonelist
  request.nodemask = nodemask
  request.preferred = null
  if (phys.failAfter > 0 && (gfp & __GFP_NOFAIL) === 0 && --phys.failAfter === 0) return false
  let i = zonelist.first[highZone]!
  if (nodemask !== null && i >= 0) {
    const zones = zonelist.zones
    while (i < zones.length && (zones[i]!.index > highZone || !nodemask.has(zones[i]!.node))) i++
    if (i === zones.length) i = -1
  }
  if (i < 0) return false
  request.preferred = zonelist.zones[i]!
  return true
}

/** The passes that need no sleep. @returns a frame, NONE or MUST_SLEEP */
function plainPasses(phys: Phys, request: AllocRequest): number {
  if (request.order >= MAX_ORDER) return NONE
  const cma = request.migratetype === MIGRATE_MOVABLE ? ALLOC_CMA : 0
  const f = pass(phys, request, WMARK_LOW | ALLOC_CPUSET | ALLOC_FAIR | cma, __GFP_HARDWALL)
  if (f !== NONE) return f
  if ((request.gfp & GFP_THISNODE) === GFP_THISNODE) return NONE
  return minPasses(phys, request)
}

/** Slow path, steps 2 to 4: wake the daemons, then down to the min watermark, or below it. */
function minPasses(phys: Phys, request: AllocRequest): number {
  const { gfp, zonelist } = request
  if ((gfp & __GFP_NO_KSWAPD) === 0) {
    for (const zone of zonelist.zones)
      if (zone.index <= request.highZone && (request.nodemask === null || request.nodemask.has(zone.node)))
        wakeupKswapd(phys, zone, request.order, request.preferred!.index)
  }
  const flags = slowFlags(phys, request)
  const f = pass(phys, request, flags & ~ALLOC_NO_WATERMARKS, 0)
  if (f !== NONE || (flags & ALLOC_NO_WATERMARKS) === 0) return f
  return unlimitedPass(phys, request)
}

/** A pass without watermarks, near the running CPU. */
function unlimitedPass(phys: Phys, request: AllocRequest): number {
  const { zonelist } = request
  request.zonelist = phys.nodes[phys.localNode]!.zonelists[(request.gfp & __GFP_THISNODE) === 0 ? 0 : 1]
  const f = pass(phys, request, ALLOC_NO_WATERMARKS, 0)
  request.zonelist = zonelist
  return f
}

/** How the slow path's passes behave (physical specification, 1.13). */
function slowFlags(phys: Phys, request: AllocRequest): number {
  const { gfp } = request
  const task = phys.task
  const inInterrupt = phys.machine.current.cpu.interruptLevel > 0
  let flags = WMARK_MIN | ALLOC_CPUSET
  if ((gfp & __GFP_HIGH) !== 0) flags |= ALLOC_HIGH
  if ((gfp & (__GFP_WAIT | __GFP_NO_KSWAPD)) === 0) {
    if ((gfp & __GFP_NOMEMALLOC) === 0) flags |= ALLOC_HARDER
    flags &= ~ALLOC_CPUSET
  } else if (task?.isRealtime === true && !inInterrupt) flags |= ALLOC_HARDER
  if ((gfp & __GFP_NOMEMALLOC) === 0) {
    if ((gfp & __GFP_MEMALLOC) !== 0 || task?.isMemalloc === true || (task?.isOomVictim === true && !inInterrupt))
      flags |= ALLOC_NO_WATERMARKS
  }
  if (request.migratetype === MIGRATE_MOVABLE) flags |= ALLOC_CMA
  return flags
}

/** Slow path, step 5: is there anything left that sleeping could do? */
function mayGoOn(phys: Phys, request: AllocRequest): boolean {
  const { gfp } = request
  const task = phys.task
  if (request.order >= MAX_ORDER || (gfp & GFP_THISNODE) === GFP_THISNODE || (gfp & __GFP_WAIT) === 0) return false
  if (task === null) return true
  const isNofail = (gfp & __GFP_NOFAIL) !== 0
  if (task.isMemalloc === true) return isNofail
  return task.isOomVictim !== true || isNofail
}

/** One pass over the zonelist; with FAIR it may be several, as the batches run out. */
function pass(phys: Phys, request: AllocRequest, givenFlags: number, extraGfp: number): number {
  let flags = givenFlags
  for (;;) {
    const f = scan(phys, request, flags, extraGfp)
    if (f !== NONE || (flags & ALLOC_FAIR) === 0) return f
    flags &= ~ALLOC_FAIR
    if (fairSkipped) resetAllocBatches(phys, request.preferred!)
    else if (phys.nrOnlineNodes <= 1) return NONE
  }
}

// Answer of the last scan: was a zone passed over only because its fair share was used up?
let fairSkipped = false

function scan(phys: Phys, request: AllocRequest, flags: number, extraGfp: number): number {
  const { order, highZone, nodemask, migratetype } = request
  const gfp = request.gfp | extraGfp
  const zones = request.zonelist.zones
  const preferred = request.preferred!
  const classzone = preferred.index
  fairSkipped = false
  for (let i = 0; i < zones.length; i++) {
    const zone = zones[i]!
    if (zone.index > highZone || (nodemask !== null && !nodemask.has(zone.node))) continue
    if ((flags & ALLOC_FAIR) !== 0) {
      if (zone.node !== preferred.node) break
      if (zone.isFairDepleted) {
        fairSkipped = true
        continue
      }
    }
    if (
      (flags & (ALLOC_NO_WATERMARKS | ALLOC_WMARK_MASK)) === WMARK_LOW &&
      (gfp & __GFP_WRITE) !== 0 &&
      phys.reclaimer !== null &&
      !phys.reclaimer.zoneDirtyOk(zone)
    )
      continue
    if ((flags & ALLOC_NO_WATERMARKS) === 0) {
      const mark = zone.watermark[flags & ALLOC_WMARK_MASK]!
      if (!zoneWatermarkOk(zone, order, mark, classzone, flags)) {
        if (phys.tunables.zoneReclaimMode === 0 || phys.reclaimer === null) continue
        if (phys.distance(preferred.node, zone.node) >= RECLAIM_DISTANCE) continue
        if ((gfp & __GFP_WAIT) === 0) continue
        return MUST_SLEEP
      }
    }
    const f = takeFromZone(phys, zone, preferred, order, gfp, migratetype, flags)
    if (f >= 0) return f
  }
  return NONE
}

/** Takes and prepares a block of one zone; bad or unbackable blocks are dropped on the way. */
function takeFromZone(
  phys: Phys,
  zone: Zone,
  preferred: Zone,
  order: number,
  gfp: number,
  migratetype: number,
  flags: number,
): number {
  const frames = phys.frames
  for (;;) {
    let f: number
    if (order === 0) f = takeFromPcp(phys, zone, migratetype, (gfp & __GFP_COLD) !== 0)
    else {
      zone.lock.acquire()
      f = takeBlock(phys, zone, order, migratetype)
      if (f >= 0) countFree(zone, frames.freeType[f]!, -(1 << order))
      zone.lock.release()
    }
    if (f < 0) return NONE
    const stat = zone.stat
    stat[NR_ALLOC_BATCH]! -= 1 << order
    if (stat[NR_ALLOC_BATCH]! <= 0) zone.isFairDepleted = true
    phys.events.counts[PGALLOC + zone.index]! += 1 << order
    if (zone.node === preferred.node) stat[NUMA_HIT]!++
    else {
      stat[NUMA_MISS]!++
      preferred.stat[NUMA_FOREIGN]!++
    }
    stat[zone.node === phys.cpuNode[phys.machine.current.cpu.id] ? NUMA_LOCAL : NUMA_OTHER]!++
    if (!checkNew(phys, f, order)) continue
    if (phys.mayLackBacking && !isBacked(phys, f, order)) {
      retireUnbacked(phys, zone, f, order)
      continue
    }
    frames.refcount[f] = 1
    frames.private[f] = 0
    frames.attrs[f] = 0
    if ((flags & ALLOC_NO_WATERMARKS) !== 0) frames.flags[f]! |= PG_pfmemalloc
    if ((gfp & __GFP_ZERO) !== 0) zeroBlock(phys, f, order)
    if (order > 0 && (gfp & __GFP_COMP) !== 0) makeCompound(phys, f, order)
    return f
  }
}

function zeroBlock(phys: Phys, f: number, order: number): void {
  const memory = phys.machine.memory
  if (memory === null) return
  const pfn = phys.frames.pfnAt(f)
  for (let i = 0; i < 1 << order; i++) memory.zeroFrame(pfn + i)
}

function isBacked(phys: Phys, f: number, order: number): boolean {
  const memory = phys.machine.memory!
  const pfn = phys.frames.pfnAt(f)
  for (let i = 0; i < 1 << order; i++) if (memory.frameOffset(pfn + i) < 0) return false
  return true
}

/** RAM the host cannot back does not exist for the kernel: the block leaves service, like a hole. */
function retireUnbacked(phys: Phys, zone: Zone, f: number, order: number): void {
  for (let i = f; i < f + (1 << order); i++) {
    phys.frames.flags[i] = PG_reserved
    phys.frames.refcount[i] = 1
  }
  zone.managed -= 1 << order
  phys.totalramPages -= 1 << order
  phys.nrUnbackedPages += 1 << order
}

/** A new round of fair shares for the zones of the preferred node, up to the preferred one. */
function resetAllocBatches(phys: Phys, preferred: Zone): void {
  const zones = phys.nodes[preferred.node]!.zones
  for (let i = 0; i <= preferred.index; i++) {
    const zone = zones[i]!
    zone.stat[NR_ALLOC_BATCH] = zone.watermark[WMARK_HIGH]! - zone.watermark[WMARK_LOW]!
    zone.isFairDepleted = false
  }
}

// slowPath, from step 6 on: everything that may sleep. The plain passes have just failed.
//   1. zone reclaim, if that is what stopped them   2. compaction, asynchronous at first
//   3. direct reclaim, then once without per-CPU lists   4. again, or the killer, or one last compaction
function* slowPath(phys: Phys, request: AllocRequest): Sleep<number> {
  const { gfp, order } = request
  const isTransparentHuge = (gfp & GFP_TRANSHUGE) === GFP_TRANSHUGE
  let compactMode: 'MIGRATE_ASYNC' | 'MIGRATE_SYNC_LIGHT' = 'MIGRATE_ASYNC'
  let reclaimed = 0
  let isFirst = true
  for (;;) {
    const mayHelp = !isFirst || phys.tunables.zoneReclaimMode !== 0
    const again = mayHelp ? yield* sleepingPasses(phys, request, isFirst) : NONE
    if (again >= 0) return again
    isFirst = false
    if (!mayGoOn(phys, request)) break
    const flags = slowFlags(phys, request) & ~ALLOC_NO_WATERMARKS

    if (order > 0) {
      const result: CompactResult = yield* directCompact(phys, request, compactMode, flags)
      const f = passAfterCompaction(phys, request, flags, result.tried)
      if (f >= 0) return f
      if (isTransparentHuge && (result.deferred || result.contended)) break
      if (!isTransparentHuge) compactMode = 'MIGRATE_SYNC_LIGHT'
    }

    const progress = yield* directReclaim(phys, reclaimRequest(request))
    reclaimed += progress
    if (progress > 0) {
      let f = pass(phys, request, flags, 0)
      if (f < 0) {
        drainAllPages(phys)
        f = pass(phys, request, flags, 0)
      }
      if (f >= 0) return f
    }

    if (!shouldRetry(request, reclaimed)) {
      if (order > 0) {
        const result: CompactResult = yield* directCompact(phys, request, compactMode, flags)
        const f = passAfterCompaction(phys, request, flags, result.tried)
        if (f >= 0) return f
      }
      break
    }
    if (progress === 0) {
      const f = yield* outOfMemoryStep(phys, request)
      if (f >= 0) return f
      if (f === OOM_NO_PROGRESS) break
    }
    yield* sleepUntil(phys.machine.clock.now + 20e6)
  }
  warnFailed(phys, request)
  return NONE
}

/** The passes that have failed, where a zone may be reclaimed on the way (zone_reclaim_mode). */
function* sleepingPasses(phys: Phys, request: AllocRequest, isFirst: boolean): Sleep<number> {
  if (phys.tunables.zoneReclaimMode === 0) return minPasses(phys, request)
  const flags = slowFlags(phys, request)
  const marked = flags & ~ALLOC_NO_WATERMARKS
  let f = isFirst ? yield* reclaimingScan(phys, request, (marked & ~ALLOC_WMARK_MASK) | WMARK_LOW) : NONE
  if (f < 0) f = yield* reclaimingScan(phys, request, marked)
  return f >= 0 || flags === marked ? f : unlimitedPass(phys, request)
}

/** A scan that reclaims near zones below their mark before it goes on to the next. */
function* reclaimingScan(phys: Phys, request: AllocRequest, flags: number): Sleep<number> {
  const { gfp, order, highZone, nodemask, migratetype } = request
  const preferred = request.preferred!
  for (const zone of request.zonelist.zones) {
    if (zone.index > highZone || (nodemask !== null && !nodemask.has(zone.node))) continue
    if (!meetsMark(zone, order, preferred, flags)) {
      if (phys.distance(preferred.node, zone.node) >= RECLAIM_DISTANCE) continue
      const result = yield* zoneReclaim(phys, zone, gfp, order)
      if (result === ZONE_RECLAIM_NOSCAN || result === ZONE_RECLAIM_FULL) continue
      if (!meetsMark(zone, order, preferred, flags)) continue
    }
    const f = takeFromZone(phys, zone, preferred, order, gfp, migratetype, flags)
    if (f >= 0) return f
  }
  return NONE
}

function meetsMark(zone: Zone, order: number, preferred: Zone, flags: number): boolean {
  return zoneWatermarkOk(zone, order, zone.watermark[flags & ALLOC_WMARK_MASK]!, preferred.index, flags)
}

/** The pass after a compaction: did it help? */
function passAfterCompaction(phys: Phys, request: AllocRequest, flags: number, tried: boolean): number {
  if (!tried) return NONE
  const f = pass(phys, request, flags, 0)
  if (f >= 0) {
    resetCompactionDeferral(phys, phys.zoneOf(f), request.order, true)
    phys.events.add('compact_success')
  } else phys.events.add('compact_fail')
  return f
}

function reclaimRequest(request: AllocRequest): ReclaimRequest {
  return {
    gfp: request.gfp,
    order: request.order,
    zones: request.zonelist.zones.filter(
      (zone) => zone.index <= request.highZone && (request.nodemask === null || request.nodemask.has(zone.node)),
    ),
  }
}

/** Slow path, step 8: small requests go on for ever, large ones only while reclaim has not yet made up for them. */
function shouldRetry(request: AllocRequest, reclaimed: number): boolean {
  const { gfp, order } = request
  if ((gfp & __GFP_NORETRY) !== 0) return false
  if ((gfp & __GFP_NOFAIL) !== 0) return true
  if (order <= PAGE_ALLOC_COSTLY_ORDER) return true
  return (gfp & __GFP_REPEAT) !== 0 && reclaimed < 1 << order
}

const OOM_PROGRESS = -3
const OOM_NO_PROGRESS = -4

/** The step before giving up: one more pass at the high watermark, then perhaps the killer. */
function* outOfMemoryStep(phys: Phys, request: AllocRequest): Sleep<number> {
  const { gfp, order } = request
  const zones = reclaimRequest(request).zones
  if (zones.some((zone) => zone.isOomLocked)) {
    yield* sleepUntil(phys.machine.clock.now + 1e6)
    return OOM_PROGRESS
  }
  for (const zone of zones) zone.isOomLocked = true
  try {
    const f = pass(phys, request, WMARK_HIGH | ALLOC_CPUSET, __GFP_HARDWALL)
    if (f >= 0) return f
    if ((gfp & __GFP_NOFAIL) === 0) {
      if (phys.task?.isDumpingCore === true) return OOM_NO_PROGRESS
      if (order > PAGE_ALLOC_COSTLY_ORDER) return OOM_NO_PROGRESS
      if (request.highZone < phys.config.zoneNormal) return OOM_NO_PROGRESS
      if ((gfp & __GFP_FS) === 0) return OOM_PROGRESS
      if ((gfp & __GFP_THISNODE) !== 0) return OOM_NO_PROGRESS
    }
    const helps = phys.reclaimer !== null && (yield* phys.reclaimer.outOfMemory(reclaimRequest(request)))
    return helps || (gfp & __GFP_NOFAIL) !== 0 ? OOM_PROGRESS : OOM_NO_PROGRESS
  } finally {
    for (const zone of zones) zone.isOomLocked = false
  }
}

function finish(phys: Phys, request: AllocRequest, f: number): Pfn {
  const page = phys.frames.pfnAt(f)
  const trace = phys.machine.trace
  if (trace.on) traceAlloc(phys, request, page)
  return page
}
function finishFailed(phys: Phys, request: AllocRequest): Err {
  const trace = phys.machine.trace
  if (trace.on) traceAlloc(phys, request, -1)
  return ENOMEM
}
function traceAlloc(phys: Phys, request: AllocRequest, page: number): void {
  phys.machine.trace.emit('mm_page_alloc', {
    page: page >= 0,
    pfn: Math.max(page, 0),
    order: request.order,
    migratetype: request.migratetype,
    gfp_flags: gfpText(request.gfp),
  })
}

/** "<comm>: page allocation failure", once for each second and unless NOWARN. */
function warnFailed(phys: Phys, request: AllocRequest): void {
  if ((request.gfp & __GFP_NOWARN) !== 0) return
  const now = phys.machine.clock.now
  if (now - phys.lastFailureWarning < 1e9) return
  phys.lastFailureWarning = now
  phys.log.warn(
    `${phys.task?.name ?? 'kernel'}: page allocation failure: order:${request.order}, mode:0x${request.gfp.toString(16)}`,
  )
}

/** Makes the n-th allocation from now fail (0: none). */
export function failNthAllocation(phys: Phys, n: number): void {
  kassert(n >= 0, 'a count is not negative')
  phys.failAfter = n
  forgetHotRequest(phys)
}

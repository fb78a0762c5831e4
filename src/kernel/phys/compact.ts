// Compaction: movable pages walk up, free pages gather below (physical specification, 1.15).
//
//   zone start                                              zone end
//   |  migrate scanner ──>  used pages out      <── free scanner  |
//   |  whole pageblocks, 32 pages a round       free pages in     |
//   It is over when the scanners meet, or a block of the order is free.

import { ENOMEM, isErr, type Pfn, type Sleep } from '../../base/index.ts'
import type { AllocRequest } from './alloc.ts'
import {
  COMPACT_COMPLETE,
  COMPACT_CONTINUE,
  COMPACT_DEFERRED,
  COMPACT_PARTIAL,
  COMPACT_SKIPPED,
  compactionSuitable,
  deferCompaction,
  isCompactionDeferred,
  resetCompactionDeferral,
  traceStatus,
} from './compaction.ts'
import { COMPACT_CLUSTER_MAX } from './configuration.ts'
import { BUDDY_MAPCOUNT } from './frames.ts'
import { freePages } from './free.ts'
import { __GFP_FS, __GFP_IO, MIGRATE_CMA, MIGRATE_MOVABLE, WMARK_LOW } from './gfp.ts'
import { isolateFreePage } from './isolate.ts'
import { isolateMigratepagesRange, migratePages, putBackMovablePages, traceIsolated } from './migrate.ts'
import { pageblockType } from './pageblock.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'
import { asMemalloc } from './reclaimHooks.ts'
import { zoneWatermarkOk } from './watermark.ts'
import type { Zone } from './zone.ts'

export interface CompactResult {
  /** Something was compacted, or was found not to need it: another pass may succeed. */
  readonly tried: boolean
  readonly deferred: boolean
  /** Somebody else needed the processor. Nobody can here: kernel code is not preempted. */
  readonly contended: boolean
}
type CompactMode = 'MIGRATE_ASYNC' | 'MIGRATE_SYNC_LIGHT' | 'MIGRATE_SYNC'

/** Compaction on behalf of one request that has failed. */
export function* directCompact(
  phys: Phys,
  request: AllocRequest,
  mode: CompactMode,
  flags: number,
): Sleep<CompactResult> {
  const status = yield* asMemalloc(phys, tryToCompactPages(phys, request, mode, flags))
  const tried = status > COMPACT_SKIPPED
  if (tried) phys.events.add('compact_stall')
  return { tried, deferred: status === COMPACT_DEFERRED, contended: false }
}

/** Compacts the zones of a request until one meets its low watermark. @returns the highest COMPACT_ code of any zone */
function* tryToCompactPages(phys: Phys, request: AllocRequest, mode: CompactMode, flags: number): Sleep<number> {
  const { gfp, order } = request
  const mayCompact = order > 0 && (gfp & __GFP_FS) !== 0 && (gfp & __GFP_IO) !== 0
  if (!mayCompact || phys.reclaimer === null) return COMPACT_SKIPPED
  const trace = phys.machine.trace
  if (trace.on) trace.emit('mm_compaction_try_to_compact_pages', { order, gfp_mask: gfp, mode })
  const classzone = request.preferred!.index
  let best = COMPACT_DEFERRED
  for (const zone of request.zonelist.zones) {
    if (zone.index > request.highZone || (request.nodemask !== null && !request.nodemask.has(zone.node))) continue
    if (isCompactionDeferred(phys, zone, order)) continue
    const status = yield* compactZone(phys, zone, order, mode, flags, classzone)
    best = Math.max(best, status)
    if (zoneWatermarkOk(zone, order, zone.watermark[WMARK_LOW]!, classzone, flags)) {
      resetCompactionDeferral(phys, zone, order, false)
      break
    }
    if (mode !== 'MIGRATE_ASYNC' && status === COMPACT_COMPLETE) deferCompaction(phys, zone, order)
  }
  return best
}

/** Compacts every zone of every online node, or of one, as far as it goes (vm.compact_memory). */
export function* compactMemory(phys: Phys, nid = -1): Sleep<void> {
  phys.reclaimer?.drainLru()
  for (const zone of phys.populatedZones)
    if (nid < 0 || zone.node === nid) yield* compactZone(phys, zone, -1, 'MIGRATE_SYNC', 0, 0)
  // What was moved away lies on per-CPU lists, where it merges with nothing.
  drainAllPages(phys)
}

// compactZone
//   1. worth it?   2. scanners where they stopped last time   3. rounds of at most 32 pages   4. give unused targets back
function* compactZone(
  phys: Phys,
  zone: Zone,
  order: number,
  mode: CompactMode,
  flags: number,
  classzone: number,
): Sleep<number> {
  const suitable = compactionSuitable(phys, zone, order, flags, classzone)
  if (suitable !== COMPACT_CONTINUE) return suitable
  const state = zone.compaction
  const isWhole = order < 0 || state.migratePfn < zone.startPfn || state.migratePfn >= zone.endPfn
  const run = new CompactRun(phys, zone, mode)
  if (!isWhole) {
    run.migratePfn = state.migratePfn
    run.freePfn = state.freePfn
  }
  traceRun(phys, 'mm_compaction_begin', run, -1)

  let status = COMPACT_CONTINUE
  for (;;) {
    status = finished(phys, run, order, flags, classzone, isWhole)
    traceStatus(phys, 'mm_compaction_finished', zone, order, status)
    if (status !== COMPACT_CONTINUE) break
    const list = run.nextPages()
    if (list === null) {
      status = COMPACT_PARTIAL
      break
    }
    if (list.length === 0) continue
    const before = list.length
    const result = yield* migratePages(phys, list, run, mode, 'compaction')
    phys.events.add('compact_isolated', before)
    const trace = phys.machine.trace
    if (trace.on)
      trace.emit('mm_compaction_migratepages', { nr_migrated: before - list.length, nr_failed: list.length })
    putBackMovablePages(phys, list)
    // Without targets the scanners have met.
    if (isErr(result)) {
      status = run.haveMet ? COMPACT_COMPLETE : COMPACT_PARTIAL
      break
    }
  }
  for (const page of run.targets) freePages(phys, page, 0)
  const isOver = status === COMPACT_COMPLETE
  state.migratePfn = isOver ? -1 : run.migratePfn
  state.freePfn = isOver ? -1 : run.freePfn
  traceRun(phys, 'mm_compaction_end', run, status)
  return status
}

function finished(
  phys: Phys,
  run: CompactRun,
  order: number,
  flags: number,
  classzone: number,
  isWhole: boolean,
): number {
  if (phys.task?.hasFatalSignal === true) return COMPACT_PARTIAL
  // Half a zone compacted from where we stopped last time says nothing of the other half.
  if (run.haveMet) return isWhole ? COMPACT_COMPLETE : COMPACT_PARTIAL
  if (order < 0) return COMPACT_CONTINUE
  const { zone } = run
  if (!zoneWatermarkOk(zone, order, zone.watermark[WMARK_LOW]!, classzone, flags)) return COMPACT_CONTINUE
  for (let o = order; o < zone.nrFree.length; o++) if (zone.nrFree[o]! > 0) return COMPACT_PARTIAL
  return COMPACT_CONTINUE
}

/** One run over a zone: both scanners, and the free pages the second has gathered. It is the migration's target. */
class CompactRun {
  readonly phys: Phys
  readonly zone: Zone
  readonly mode: CompactMode
  /** Pageblocks below are done. */
  migratePfn: number
  /** Pageblocks from here up have been searched for free pages. */
  freePfn: number
  /** Free pages with count 1. */
  targets: Pfn[] = []

  constructor(phys: Phys, zone: Zone, mode: CompactMode) {
    this.phys = phys
    this.zone = zone
    this.mode = mode
    this.migratePfn = zone.startPfn
    this.freePfn = Math.ceil(zone.endPfn / phys.pageblockPages) * phys.pageblockPages
  }
  get haveMet(): boolean {
    return this.freePfn <= this.migratePfn
  }

  /** Up to 32 pages of the next pageblock; null on a fatal signal. */
  nextPages(): Pfn[] | null {
    const { phys } = this
    const pages = phys.pageblockPages
    const block = this.migratePfn - (this.migratePfn % pages)
    const end = Math.min(block + pages, this.freePfn, this.zone.endPfn)
    const list: Pfn[] = []
    const f = phys.frames.indexOf(this.migratePfn)
    if (f < 0 || phys.frames.zone[f] !== this.zone.slot || !this.#isSource(f)) {
      this.migratePfn = Math.max(end, this.migratePfn + 1)
      return list
    }
    const start = this.migratePfn
    const next = isolateMigratepagesRange(phys, start, end, COMPACT_CLUSTER_MAX, list)
    if (next === 0) return null
    phys.events.add('compact_migrate_scanned', next - start)
    this.migratePfn = next
    return list
  }
  #isSource(f: number): boolean {
    if (this.mode !== 'MIGRATE_ASYNC') return true
    const type = pageblockType(this.phys, f)
    return type === MIGRATE_MOVABLE || type === MIGRATE_CMA
  }

  // The target of a migration. Compaction moves within a zone, so getting a page never sleeps.
  *get(): Sleep<Pfn | typeof ENOMEM> {
    if (this.targets.length === 0) this.#gather()
    return this.targets.pop() ?? ENOMEM
  }
  put(page: Pfn): void {
    this.targets.push(page)
  }

  /** Goes down until at least 32 free pages are had, or the scanners meet. */
  #gather(): void {
    const { phys, zone } = this
    const { frames, pageblockPages } = phys
    while (this.targets.length < COMPACT_CLUSTER_MAX) {
      const block = this.freePfn - pageblockPages
      // The migrate scanner's own pageblock is no target.
      if (block < this.migratePfn) {
        this.freePfn = Math.min(this.freePfn, this.migratePfn)
        return
      }
      this.freePfn = block
      const first = frames.indexOf(block)
      if (first < 0 || !this.#isTarget(first)) continue
      const before = this.targets.length
      zone.lock.acquire()
      for (let f = first; f < first + pageblockPages;) {
        if (frames.mapcount[f] !== BUDDY_MAPCOUNT || frames.zone[f] !== zone.slot) {
          f++
          continue
        }
        const order = frames.private[f]!
        if (isolateFreePage(phys, zone, f, order) > 0) {
          for (let i = f; i < f + 2 ** order; i++) {
            frames.refcount[i] = 1
            this.targets.push(frames.pfnAt(i))
          }
        }
        f += 2 ** order
      }
      zone.lock.release()
      phys.events.add('compact_free_scanned', pageblockPages)
      const taken = this.targets.length - before
      traceIsolated(phys, 'mm_compaction_isolate_freepages', block, block + pageblockPages, taken)
    }
  }
  #isTarget(first: number): boolean {
    const { frames } = this.phys
    if (frames.zone[first] !== this.zone.slot) return false
    if (frames.mapcount[first] === BUDDY_MAPCOUNT && frames.private[first]! >= this.phys.pageblockOrder) return false
    const type = pageblockType(this.phys, first)
    return type === MIGRATE_MOVABLE || type === MIGRATE_CMA
  }
}

function traceRun(phys: Phys, name: string, run: CompactRun, status: number): void {
  const trace = phys.machine.trace
  if (!trace.on) return
  const fields = {
    zone_start: run.zone.startPfn,
    migrate_pfn: run.migratePfn,
    free_pfn: run.freePfn,
    zone_end: run.zone.endPfn,
    mode: run.mode === 'MIGRATE_ASYNC' ? 'async' : 'sync',
  }
  trace.emit(name, status < 0 ? fields : { ...fields, status })
}

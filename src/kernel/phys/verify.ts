import { panic } from '../../base/index.ts'
import { MAX_ORDER } from './configuration.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES } from './counters.ts'
import { BUDDY_MAPCOUNT, type Frames } from './frames.ts'
import { MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_PCPTYPES, MIGRATE_TYPES } from './gfp.ts'
import { pageblockType } from './pageblock.ts'
import { PG_guard, PG_reserved, PG_tail, pageFlagsText } from './pageFlags.ts'
import type { Phys } from './phys.ts'
import type { Zone } from './zone.ts'

// What the walk over the lists says of a frame.
const UNSEEN = 0
const LISTED = 1
const PER_CPU = 2

/**
 * Recomputes the invariants of the room's door, zone by zone, from the lists and the frame table.
 *
 * Costs a walk over all frames. Panics name the invariant and the first frame or zone that breaks it.
 */
export function verify(phys: Phys): void {
  const seen = new Uint8Array(phys.frames.count)
  for (const zone of phys.populatedZones) {
    const pages = walkLists(phys, zone, seen)
    const perCpu = walkPerCpuLists(phys, zone, seen)
    check(
      zone.stat[NR_FREE_PAGES] === pages.counted,
      'NR_FREE_PAGES is the sum of the blocks not on ISO lists',
      () => `${zone.lock.name}: ${zone.stat[NR_FREE_PAGES]} ${pages.counted}`,
    )
    check(
      zone.stat[NR_FREE_CMA_PAGES] === pages.cma,
      'NR_FREE_CMA_PAGES is the sum of the blocks on CMA lists',
      () => `${zone.lock.name}: ${zone.stat[NR_FREE_CMA_PAGES]} ${pages.cma}`,
    )
    check(!zone.lock.isHeld, 'no zone lock is held between operations', () => zone.lock.name)
    const { used, guarded } = walkFrames(phys, zone, seen)
    const sum = pages.counted + pages.isolated + perCpu + used + guarded
    check(
      zone.managed === sum,
      'managed is the free, isolated, per-CPU and owned pages',
      () => `${zone.lock.name}: ${zone.managed} ${sum} (owned ${used})`,
    )
    checkIsolatedBlocks(phys, zone)
  }
}

function check(condition: boolean, rule: string, detail: () => string): void {
  if (!condition) panic(rule, detail())
}

function walkLists(phys: Phys, zone: Zone, seen: Uint8Array): { counted: number; isolated: number; cma: number } {
  const { frames } = phys
  const { lruNext, lruPrev, mapcount, private: orders, refcount } = frames
  const pages = { counted: 0, isolated: 0, cma: 0 }
  for (let order = 0; order < MAX_ORDER; order++) {
    let blocks = 0
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const list = zone.freeList(order, type)
      for (let f = lruNext[list]!; f !== list; f = lruNext[f]!) {
        const at = (): string => `${zone.lock.name}: pfn ${frames.pfnAt(f)} order ${order} type ${type}`
        const size = 2 ** order
        blocks++
        check(lruPrev[lruNext[f]!] === f, 'list links agree in both directions', at)
        check(f % size === 0, 'a block of order o begins at a multiple of 2^o', at)
        check(mapcount[f] === BUDDY_MAPCOUNT && orders[f] === order, 'the head of a listed block knows its order', at)
        check(frames.freeType[f] === type, 'a listed block knows its type', at)
        const end = frames.pfnAt(f) + size
        check(zone.spans(frames.pfnAt(f)) && zone.spans(end - 1), 'a block lies in its zone', at)
        // One test a page; only what fails is told apart.
        for (let i = f; i < f + size; i++) {
          const isFree =
            frames.zone[i] === zone.slot && refcount[i] === 0 && (i === f || mapcount[i] === -1) && seen[i] === UNSEEN
          if (!isFree) {
            check(seen[i] === UNSEEN, 'no two blocks overlap', at)
            check(i === f || mapcount[i] === -1, 'only the head of a block is marked', at)
            panic('pages of a block have count 0 and are of its zone', at())
          }
          checkFreePage(phys, i)
          seen[i] = LISTED
        }
        checkMerged(phys, zone, f, order, type)
        checkType(phys, f, order, type)
        if (type === MIGRATE_ISOLATE) pages.isolated += size
        else pages.counted += size
        if (type === MIGRATE_CMA) pages.cma += size
      }
    }
    check(
      zone.nrFree[order] === blocks,
      'nrFree is the number of blocks on the lists of its order',
      () => `${zone.lock.name}: order ${order}, ${zone.nrFree[order]} ${blocks}`,
    )
  }
  return pages
}

/** A free page has nothing that an owner gives it. */
function checkFreePage(phys: Phys, f: number): void {
  const { flags, owner, wireCount, loanCount, pvHead } = phys.frames
  if (flags[f] === 0 && owner[f] === 0 && wireCount[f] === 0 && loanCount[f] === 0 && pvHead[f] === 0) return
  panic(
    'a free page has no flag, owner, mapping, wiring or loan',
    `pfn ${phys.frames.pfnAt(f)}: ${pageFlagsText(flags[f]!)} owner ${owner[f]}`,
  )
}

function checkMerged(phys: Phys, zone: Zone, f: number, order: number, type: number): void {
  if (order >= MAX_ORDER - 1) return
  const { frames } = phys
  const buddy = f ^ (1 << order)
  const isFree =
    frames.zone[buddy] === zone.slot && frames.mapcount[buddy] === BUDDY_MAPCOUNT && frames.private[buddy] === order
  if (!isFree) return
  const mayStayApart =
    order >= phys.pageblockOrder && (type === MIGRATE_ISOLATE || frames.freeType[buddy] === MIGRATE_ISOLATE)
  check(mayStayApart, 'merging is complete', () => `pfn ${frames.pfnAt(f)} and its buddy, order ${order}`)
}

function checkType(phys: Phys, f: number, order: number, type: number): void {
  const at = (): string => `pfn ${phys.frames.pfnAt(f)} order ${order} type ${type}`
  for (let i = f; i < f + 2 ** order; i += phys.pageblockPages) {
    const block = pageblockType(phys, i)
    check((block === MIGRATE_CMA) === (type === MIGRATE_CMA), 'CMA blocks, and no others, are on CMA lists', at)
    check((block === MIGRATE_ISOLATE) === (type === MIGRATE_ISOLATE), 'isolated blocks are on ISO lists', at)
  }
}

function walkPerCpuLists(phys: Phys, zone: Zone, seen: Uint8Array): number {
  const { frames } = phys
  let sum = 0
  zone.pcp.forEach((pcp, cpu) => {
    let count = 0
    for (let type = 0; type < MIGRATE_PCPTYPES; type++) {
      const list = pcp.lists + type
      for (let f = frames.lruNext[list]!; f !== list; f = frames.lruNext[f]!) {
        const at = (): string => `${zone.lock.name}, CPU ${cpu}: pfn ${frames.pfnAt(f)}`
        check(frames.zone[f] === zone.slot && seen[f] === UNSEEN, 'a per-CPU page is of the zone and on one list', at)
        check(frames.refcount[f] === 0 && frames.mapcount[f] === -1, 'a per-CPU page is free', at)
        checkFreePage(phys, f)
        seen[f] = PER_CPU
        count++
      }
    }
    check(pcp.count === count, 'the count of per-CPU pages is right', () => `${zone.lock.name}: ${pcp.count} ${count}`)
    sum += count
  })
  return sum
}

/** Pages of the zone that somebody owns, and guard pages. A page leaked for being bad counts as owned. */
function walkFrames(phys: Phys, zone: Zone, seen: Uint8Array): { used: number; guarded: number } {
  const { frames } = phys
  const { flags: states, zone: zones } = frames
  let used = 0
  let guarded = 0
  forEachRun(frames, zone, (first, end) => {
    for (let f = first; f < end; f++) {
      if (seen[f] !== UNSEEN || zones[f] !== zone.slot) continue
      const flags = states[f]!
      if (frames.mapcount[f] === BUDDY_MAPCOUNT) panic('a marked head is on a list', `pfn ${frames.pfnAt(f)}`)
      if ((flags & PG_reserved) !== 0) continue
      if ((flags & PG_guard) !== 0) {
        guarded += 2 ** frames.private[f]!
        f += 2 ** frames.private[f]! - 1
        continue
      }
      used++
      if ((flags & PG_tail) !== 0 && (frames.refcount[f] !== 0 || frames.private[f]! >= f))
        panic('a tail points back to its head', `pfn ${frames.pfnAt(f)}`)
    }
  })
  return { used, guarded }
}

/** Calls `visit` with every run of frames that the zone spans: one for each section. */
function forEachRun(frames: Frames, zone: Zone, visit: (first: number, end: number) => void): void {
  for (let pfn = zone.startPfn; pfn < zone.endPfn;) {
    const next = Math.min((Math.floor(pfn / frames.sectionPages) + 1) * frames.sectionPages, zone.endPfn)
    const first = frames.indexOf(pfn)
    if (first >= 0) visit(first, first + next - pfn)
    pfn = next
  }
}

function checkIsolatedBlocks(phys: Phys, zone: Zone): void {
  const { frames } = phys
  let isolated = 0
  forEachRun(frames, zone, (first, end) => {
    for (let f = first; f < end;) {
      const next = Math.min((Math.floor(f / phys.pageblockPages) + 1) * phys.pageblockPages, end)
      while (f < next && frames.zone[f] !== zone.slot) f++
      if (f < next && pageblockType(phys, f) === MIGRATE_ISOLATE) isolated++
      f = next
    }
  })
  check(
    zone.nrIsolatePageblock === isolated,
    'the number of isolated pageblocks is right',
    () => `${zone.lock.name}: ${zone.nrIsolatePageblock} ${isolated}`,
  )
}

// Taking pageblocks out of use for a while (physical specification, 1.16).
//
//   type M, free blocks on M lists, counted  ── isolate ──>  type ISO, free blocks on ISO lists, not counted
//                                            <── unset ────  with the type the caller names: the old one is not kept

import { EBUSY, kassert, type Err } from '../../base/index.ts'
import { countFree, moveFreepagesBlock, splitFreeBlockAt, unlistBlock } from './buddy.ts'
import { MAX_ORDER, ZONE_MOVABLE } from './configuration.ts'
import { BUDDY_MAPCOUNT } from './frames.ts'
import { freePages } from './free.ts'
import { MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_MOVABLE, MIGRATE_TYPES, WMARK_LOW } from './gfp.ts'
import { isOwned } from './migrate.ts'
import { pageblockType, setPageblockMigratetype } from './pageblock.ts'
import { PG_hwpoison } from './pageFlags.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'
import { zoneWatermarkOk } from './watermark.ts'
import type { Zone } from './zone.ts'

/** Isolates the pageblock of a page. @errors EBUSY it holds pages that cannot be moved */
export function setMigratetypeIsolate(phys: Phys, pfn: number): 0 | Err {
  return isolateBlock(phys, pfn, AT_START | AT_END)
}

// Where a range of pageblocks begins and ends: free blocks do not reach across.
const AT_START = 1
const AT_END = 2

function isolateBlock(phys: Phys, pfn: number, edges: number): 0 | Err {
  const f = phys.frames.frameOf(pfn)
  const zone = phys.zoneOf(f)
  const first = pfn - (pfn % phys.pageblockPages)
  let inBalloon = 0
  for (const notify of phys.isolateNotifiers) inBalloon += notify(first, phys.pageblockPages)
  zone.lock.acquire()
  const isBusy = hasUnmovablePages(phys, zone, f, inBalloon)
  if (!isBusy) {
    splitAtEdges(phys, zone, f, edges)
    const old = pageblockType(phys, f)
    setPageblockMigratetype(phys, pfn, MIGRATE_ISOLATE)
    zone.nrIsolatePageblock++
    countFree(zone, old, -moveFreepagesBlock(phys, zone, f, MIGRATE_ISOLATE))
  }
  zone.lock.release()
  if (isBusy) return EBUSY
  drainAllPages(phys, zone)
  return 0
}

/** More than `allowed` pages of the block are in use and not owned (see migrate.ts)? Movable blocks are not looked into. */
function hasUnmovablePages(phys: Phys, zone: Zone, f: number, allowed: number): boolean {
  const { refcount, mapcount, private: orders } = phys.frames
  if (zone.index === ZONE_MOVABLE) return false
  const type = pageblockType(phys, f)
  if (type === MIGRATE_MOVABLE || type === MIGRATE_CMA) return false
  const first = f & ~(phys.pageblockPages - 1)
  let found = 0
  for (let i = first; i < first + phys.pageblockPages; i++) {
    if (refcount[i] === 0) {
      if (mapcount[i] === BUDDY_MAPCOUNT) i += 2 ** orders[i]! - 1
      continue
    }
    if (!isOwned(phys, i)) found++
    if (found > allowed) return true
  }
  return false
}

/** Cuts free blocks in two that reach across an edge of frame `f`'s pageblock. Zone lock held. */
function splitAtEdges(phys: Phys, zone: Zone, f: number, edges: number): void {
  const first = f & ~(phys.pageblockPages - 1)
  if ((edges & AT_START) !== 0) splitFreeBlockAt(phys, zone, first)
  if ((edges & AT_END) !== 0) splitFreeBlockAt(phys, zone, first + phys.pageblockPages)
}

/** Ends the isolation of a page's pageblock, which becomes `type`. Nothing happens if it is not isolated. */
export function unsetMigratetypeIsolate(phys: Phys, pfn: number, type: number): void {
  unsetBlock(phys, pfn, type, AT_START | AT_END)
}

function unsetBlock(phys: Phys, pfn: number, type: number, edges: number): void {
  const { frames } = phys
  const f = frames.frameOf(pfn)
  const zone = phys.zoneOf(f)
  zone.lock.acquire()
  if (pageblockType(phys, f) !== MIGRATE_ISOLATE) {
    zone.lock.release()
    return
  }
  splitAtEdges(phys, zone, f, edges)
  // A block that could not merge with its neighbour while isolated is freed again, so that it can now.
  const first = f & ~(phys.pageblockPages - 1)
  const order = frames.mapcount[first] === BUDDY_MAPCOUNT ? frames.private[first]! : -1
  const mayMerge =
    order >= phys.pageblockOrder &&
    order < MAX_ORDER - 1 &&
    pageblockType(phys, first ^ (1 << order)) !== MIGRATE_ISOLATE
  if (mayMerge) {
    unlistBlock(phys, zone, first, order)
    frames.refcount[first] = 1
  } else countFree(zone, type, moveFreepagesBlock(phys, zone, f, type))
  setPageblockMigratetype(phys, pfn, type)
  zone.nrIsolatePageblock--
  zone.lock.release()
  if (mayMerge) freePages(phys, frames.pfnAt(first), order)
}

/**
 * Isolates every pageblock of [start, end), which begins and ends at pageblocks; all or nothing.
 *
 * @param type  what the blocks isolated so far become if one cannot be
 * @errors      EBUSY
 */
export function startIsolatePageRange(phys: Phys, start: number, end: number, type: number): 0 | Err {
  assertAligned(phys, start, end)
  for (let block = start; block < end; block += phys.pageblockPages) {
    const page = firstValidPage(phys, block)
    if (page < 0 || isolateBlock(phys, page, edgesOf(phys, block, start, end)) === 0) continue
    undoIsolatePageRange(phys, start, block, type)
    return EBUSY
  }
  return 0
}

/** Ends the isolation of [start, end): the blocks become `type`. */
export function undoIsolatePageRange(phys: Phys, start: number, end: number, type: number): void {
  assertAligned(phys, start, end)
  for (let block = start; block < end; block += phys.pageblockPages) {
    const page = firstValidPage(phys, block)
    if (page >= 0) unsetBlock(phys, page, type, edgesOf(phys, block, start, end))
  }
}

/** Which ends of a pageblock are ends of [start, end). */
function edgesOf(phys: Phys, block: number, start: number, end: number): number {
  return (block === start ? AT_START : 0) | (block + phys.pageblockPages === end ? AT_END : 0)
}

function assertAligned(phys: Phys, start: number, end: number): void {
  kassert(
    start % phys.pageblockPages === 0 && end % phys.pageblockPages === 0,
    'whole pageblocks are isolated',
    `[${start}, ${end})`,
  )
}
function firstValidPage(phys: Phys, block: number): number {
  for (let pfn = block; pfn < block + phys.pageblockPages; pfn++) if (phys.frames.indexOf(pfn) >= 0) return pfn
  return -1
}

/** Is every page of [start, end) in an isolated pageblock, and free? @errors EBUSY no */
export function testPagesIsolated(phys: Phys, start: number, end: number, skipHwpoisoned: boolean): 0 | Err {
  const { frames } = phys
  let zone: Zone | null = null
  for (let pfn = start; pfn < end; pfn += phys.pageblockPages - (pfn % phys.pageblockPages)) {
    const f = frames.indexOf(pfn)
    if (f < 0) continue
    if (pageblockType(phys, f) !== MIGRATE_ISOLATE) return EBUSY
    zone ??= phys.zoneOf(f)
  }
  if (zone === null) return EBUSY
  zone.lock.acquire()
  let pfn = start
  while (pfn < end) {
    const f = frames.indexOf(pfn)
    if (f < 0) pfn++
    else if (frames.mapcount[f] === BUDDY_MAPCOUNT) {
      const order = frames.private[f]!
      if (frames.freeType[f] !== MIGRATE_ISOLATE) {
        // Freed to a wrong list by somebody who had looked at the type before it changed.
        countFree(zone, frames.freeType[f]!, -(2 ** order))
        frames.unlink(f)
        frames.pushFront(zone.freeLists + order * MIGRATE_TYPES + MIGRATE_ISOLATE, f)
        frames.freeType[f] = MIGRATE_ISOLATE
      }
      pfn += 2 ** order
    } else if (frames.refcount[f] === 0 && frames.freeType[f] === MIGRATE_ISOLATE) pfn++
    else if (skipHwpoisoned && (frames.flags[f]! & PG_hwpoison) !== 0) pfn++
    else break
  }
  zone.lock.release()
  return pfn < end ? EBUSY : 0
}

/**
 * Takes a listed block off the buddy lists whole. Zone lock held. Unless the block is isolated, the zone must stay
 * above its low watermark.
 *
 * @returns pages taken: 2^order or 0
 */
export function isolateFreePage(phys: Phys, zone: Zone, f: number, order: number): number {
  if (pageblockType(phys, f) !== MIGRATE_ISOLATE) {
    if (!zoneWatermarkOk(zone, 0, zone.watermark[WMARK_LOW]! + 2 ** order, 0, 0)) return 0
    countFree(zone, phys.frames.freeType[f]!, -(2 ** order))
  }
  unlistBlock(phys, zone, f, order)
  if (order >= phys.pageblockOrder - 1) {
    for (let i = 0; i < 2 ** order; i += phys.pageblockPages) {
      const type = pageblockType(phys, f + i)
      if (type !== MIGRATE_ISOLATE && type !== MIGRATE_CMA)
        setPageblockMigratetype(phys, phys.frames.pfnAt(f + i), MIGRATE_MOVABLE)
    }
  }
  return 2 ** order
}

/**
 * Takes all of [start, end), which must be free without a gap, as single pages with count 1.
 *
 * @returns first pfn after the last block taken (may exceed `end`), 0 with nothing taken
 */
export function isolateFreepagesRange(phys: Phys, start: number, end: number): number {
  const { frames } = phys
  const zone = phys.zoneOfPfn(start)
  let pfn = start
  zone.lock.acquire()
  while (pfn < end) {
    const f = frames.indexOf(pfn)
    if (f < 0 || frames.mapcount[f] !== BUDDY_MAPCOUNT || frames.zone[f] !== zone.slot) break
    const pages = isolateFreePage(phys, zone, f, frames.private[f]!)
    if (pages === 0) break
    frames.refcount.fill(1, f, f + pages)
    pfn += pages
  }
  zone.lock.release()
  if (pfn >= end) return pfn
  for (let p = start; p < pfn; p++) freePages(phys, p, 0)
  return 0
}

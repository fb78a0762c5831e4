// The buddy lists of one zone (physical specification, 1.8 and 1.9). Frames are named by frame index here.
//
//   order 2:  [ 8 9 a b ]           a free block: its head has the buddy mark and private = order
//   order 1:  [ 8 9 ][ a b ]        halves of it are buddies: their indexes differ in one bit
//
// Everything here is called with the zone lock held and never sleeps.

import { kassert } from '../../base/index.ts'
import { MAX_ORDER } from './configuration.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES } from './counters.ts'
import { BUDDY_MAPCOUNT } from './frames.ts'
import {
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_RESERVE,
  MIGRATE_TYPES,
  MIGRATE_UNMOVABLE,
} from './gfp.ts'
import { pageblockType, setPageblockMigratetype } from './pageblock.ts'
import { PG_guard } from './pageFlags.ts'
import type { Phys } from './phys.ts'
import type { Zone } from './zone.ts'

/** What a request may take when its own type has run out, best first. RESERVE follows last, apart. */
const FALLBACKS: readonly Int8Array[] = [
  Int8Array.of(MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE),
  Int8Array.of(MIGRATE_UNMOVABLE, MIGRATE_MOVABLE),
  Int8Array.of(MIGRATE_CMA, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE),
  Int8Array.of(),
  Int8Array.of(),
  Int8Array.of(),
]

/** Adds n pages (negative: takes) to the zone's free counters, as pages of a list of `type`. */
export function countFree(zone: Zone, type: number, n: number): void {
  zone.stat[NR_FREE_PAGES]! += n
  if (type === MIGRATE_CMA) zone.stat[NR_FREE_CMA_PAGES]! += n
}

/**
 * Gives a block back: merges it with free buddies as far as possible and puts the result on a list of `type`,
 * whatever lists the merged buddies were on. Pages of isolated blocks do not count as free and do not merge
 * beyond their pageblock.
 */
export function freeOneBlock(phys: Phys, zone: Zone, frame: number, givenOrder: number, type: number): void {
  if (type !== MIGRATE_ISOLATE) countFree(zone, type, 1 << givenOrder)
  mergeBlock(phys, zone, frame, givenOrder, type)
}

/** The same without counting the block itself. */
export function mergeBlock(phys: Phys, zone: Zone, frame: number, givenOrder: number, type: number): void {
  const frames = phys.frames
  const { mapcount, private: orders, zone: zones } = frames
  const slot = zone.slot
  let f = frame
  let order = givenOrder
  const ceiling = type === MIGRATE_ISOLATE ? phys.pageblockOrder : MAX_ORDER - 1

  while (order < ceiling) {
    const buddy = f ^ (1 << order)
    if (zones[buddy] !== slot || orders[buddy] !== order) break
    // An isolated pageblock is not counted: it stays apart until its isolation ends.
    if (order >= phys.pageblockOrder && frames.freeType[buddy] === MIGRATE_ISOLATE) break
    if (mapcount[buddy] === BUDDY_MAPCOUNT) {
      frames.unlink(buddy)
      zone.nrFree[order]!--
      mapcount[buddy] = -1
    } else if ((frames.flags[buddy]! & PG_guard) !== 0) {
      frames.flags[buddy]! &= ~PG_guard
      if (type !== MIGRATE_ISOLATE) countFree(zone, type, 1 << order)
    } else break
    orders[buddy] = 0
    f &= buddy
    order++
  }
  mapcount[f] = BUDDY_MAPCOUNT
  orders[f] = order
  frames.freeType[f] = type
  zone.nrFree[order]!++
  const list = zone.freeLists + order * MIGRATE_TYPES + type
  // If the parent's buddy is free, this block will soon merge with its own: use others first.
  if (order < MAX_ORDER - 2) {
    const uncle = (f & ~(1 << order)) ^ (2 << order)
    if (mapcount[uncle] === BUDDY_MAPCOUNT && orders[uncle] === order + 1 && zones[uncle] === slot) {
      frames.pushBack(list, f)
      return
    }
  }
  frames.pushFront(list, f)
}

/** Takes the front block of a list off; its head stays unmarked. */
export function unlistBlock(phys: Phys, zone: Zone, f: number, order: number): void {
  kassert(phys.frames.private[f] === order, 'a listed block knows its order')
  phys.frames.unlink(f)
  phys.frames.mapcount[f] = -1
  phys.frames.private[f] = 0
  zone.nrFree[order]!--
}

/** Splits a block of order `high` down to `low`: upper halves go to lists of `type`, the lowest part is kept. */
export function expand(phys: Phys, zone: Zone, f: number, low: number, high: number, type: number): void {
  const frames = phys.frames
  for (let order = high - 1; order >= low; order--) {
    const upper = f + (1 << order)
    frames.private[upper] = order
    frames.freeType[upper] = type
    if (order < phys.guardpageMinorder) {
      frames.flags[upper]! |= PG_guard
      countFree(zone, type, -(1 << order))
      continue
    }
    frames.mapcount[upper] = BUDDY_MAPCOUNT
    frames.pushFront(zone.freeLists + order * MIGRATE_TYPES + type, upper)
    zone.nrFree[order]!++
  }
}

/** The smallest sufficient block on the lists of one type, cut to size. @returns its first frame, -1 if none */
export function takeSmallest(phys: Phys, zone: Zone, order: number, type: number): number {
  const frames = phys.frames
  for (let o = order; o < MAX_ORDER; o++) {
    const list = zone.freeLists + o * MIGRATE_TYPES + type
    const f = frames.lruNext[list]!
    if (f === list) continue
    unlistBlock(phys, zone, f, o)
    expand(phys, zone, f, order, o, type)
    frames.freeType[f] = type
    return f
  }
  return -1
}

/**
 * Takes up to `wanted` single pages from the lists of one type and puts them at the end of `list`, as so many calls of
 * takeSmallest would, but without splitting what is taken whole. Counts them. @returns how many
 */
export function takeMany(phys: Phys, zone: Zone, type: number, wanted: number, list: number): number {
  const { frames } = phys
  const { lruNext, lruPrev, freeType } = frames
  let taken = 0
  for (let order = 0; order < MAX_ORDER && taken < wanted;) {
    const free = zone.freeLists + order * MIGRATE_TYPES + type
    const head = lruNext[free]!
    if (head === free) {
      order++
      continue
    }
    unlistBlock(phys, zone, head, order)
    const pages = Math.min(1 << order, wanted - taken)
    let last = lruPrev[list]!
    for (let f = head; f < head + pages; f++) {
      freeType[f] = type
      lruPrev[f] = last
      lruNext[last] = f
      last = f
    }
    lruNext[last] = list
    lruPrev[list] = last
    taken += pages
    // The rest, in the blocks that halving leaves.
    for (let at = pages; at < 1 << order; at += at & -at)
      listBlock(phys, zone, head + at, 31 - Math.clz32(at & -at), type)
  }
  countFree(zone, type, -taken)
  return taken
}

/**
 * Takes a block for a request of `type`: own lists, then stealing from the largest block of another type, then the
 * reserve. The free counters are the caller's. @returns its first frame (freeType set), -1 if there is none
 */
export function takeBlock(phys: Phys, zone: Zone, order: number, type: number): number {
  let f = takeSmallest(phys, zone, order, type)
  let used = type
  if (f < 0 && type !== MIGRATE_RESERVE) {
    f = takeFallback(phys, zone, order, type)
    if (f < 0) {
      used = MIGRATE_RESERVE
      f = takeSmallest(phys, zone, order, MIGRATE_RESERVE)
    }
  }
  const trace = phys.machine.trace
  if (trace.on) {
    trace.emit('mm_page_alloc_zone_locked', {
      pfn: f < 0 ? 0 : phys.frames.pfnAt(f),
      order,
      migratetype: used,
      percpu_refill: order === 0 ? 1 : 0,
    })
  }
  return f
}

// takeFallback: the largest block of the best other type.
//   1. CMA lends: the remainder stays CMA
//   2. anything else is stolen: perhaps the pageblock changes its type; the remainder always goes to the thief
function takeFallback(phys: Phys, zone: Zone, order: number, type: number): number {
  const frames = phys.frames
  const choices = FALLBACKS[type]!
  for (let o = MAX_ORDER - 1; o >= order; o--) {
    for (let i = 0; i < choices.length; i++) {
      const from = choices[i]!
      const list = zone.freeLists + o * MIGRATE_TYPES + from
      const f = frames.lruNext[list]!
      if (f === list) continue
      const rest = from === MIGRATE_CMA ? MIGRATE_CMA : type
      if (from !== MIGRATE_CMA) steal(phys, zone, f, o, type)
      unlistBlock(phys, zone, f, o)
      expand(phys, zone, f, order, o, rest)
      frames.freeType[f] = rest
      const trace = phys.machine.trace
      if (trace.on) {
        trace.emit('mm_page_alloc_extfrag', {
          pfn: frames.pfnAt(f),
          alloc_order: order,
          fallback_order: o,
          pageblock_order: phys.pageblockOrder,
          alloc_migratetype: type,
          fallback_migratetype: from,
          fragmenting: o < phys.pageblockOrder ? 1 : 0,
          change_ownership: pageblockType(phys, f) === type ? 1 : 0,
        })
      }
      return f
    }
  }
  return -1
}

/** Decides how much of the pageblock follows a block stolen by `type`. */
function steal(phys: Phys, zone: Zone, f: number, order: number, type: number): void {
  const blockOrder = phys.pageblockOrder
  if (order >= blockOrder) {
    const pfn = phys.frames.pfnAt(f)
    for (let i = 0; i < 2 ** (order - blockOrder); i++)
      setPageblockMigratetype(phys, pfn + i * phys.pageblockPages, type)
    return
  }
  const takesMuch =
    order >= blockOrder >> 1 ||
    type === MIGRATE_UNMOVABLE ||
    type === MIGRATE_RECLAIMABLE ||
    phys.isMobilityGroupingDisabled
  if (!takesMuch) return
  const moved = moveFreepagesBlock(phys, zone, f, type)
  if (moved >= 2 ** (blockOrder - 1) || phys.isMobilityGroupingDisabled)
    setPageblockMigratetype(phys, phys.frames.pfnAt(f), type)
}

/**
 * Moves the free blocks of frame `f`'s pageblock to lists of `type`. A larger block whose head lies here moves
 * whole. @returns pages moved; 0 if the pageblock reaches beyond the zone
 */
export function moveFreepagesBlock(phys: Phys, zone: Zone, f: number, type: number): number {
  const frames = phys.frames
  const first = f & ~(phys.pageblockPages - 1)
  const last = first + phys.pageblockPages - 1
  if (!zone.spans(frames.pfnAt(last))) return 0
  let at = zone.spans(frames.pfnAt(first)) ? first : f
  let moved = 0
  while (at <= last) {
    if (frames.mapcount[at] !== BUDDY_MAPCOUNT || frames.zone[at] !== zone.slot) {
      at++
      continue
    }
    const order = frames.private[at]!
    frames.unlink(at)
    frames.pushFront(zone.freeLists + order * MIGRATE_TYPES + type, at)
    frames.freeType[at] = type
    at += 1 << order
    moved += 1 << order
  }
  return moved
}

/** The head frame of the free block that contains frame `f`, -1 if it is not free. */
export function freeBlockHead(phys: Phys, f: number): number {
  const frames = phys.frames
  for (let order = 0; order < MAX_ORDER; order++) {
    const head = f & ~((1 << order) - 1)
    if (frames.mapcount[head] === BUDDY_MAPCOUNT) return frames.private[head]! >= order ? head : -1
  }
  return -1
}

/**
 * Cuts the free block in parts that reaches across the edge before frame `edge`, if there is one. The parts stay on lists
 * of its type, and nothing is counted; the caller sees to it that they cannot merge again at once.
 *
 *   edge:        v                      v
 *   [ order 10        ]   ──►   [ 9    ][ 9    ]
 */
export function splitFreeBlockAt(phys: Phys, zone: Zone, edge: number): void {
  const { frames } = phys
  if (edge >= frames.count || frames.mapcount[edge] === BUDDY_MAPCOUNT) return
  let head = freeBlockHead(phys, edge)
  if (head < 0 || frames.zone[head] !== zone.slot) return
  let order = frames.private[head]!
  if (head + (1 << order) <= edge) return
  const type = frames.freeType[head]!
  unlistBlock(phys, zone, head, order)
  while (head !== edge) {
    order--
    const upper = head + (1 << order)
    const isAbove = edge >= upper
    listBlock(phys, zone, isAbove ? head : upper, order, type)
    if (isAbove) head = upper
  }
  listBlock(phys, zone, head, order, type)
}
function listBlock(phys: Phys, zone: Zone, f: number, order: number, type: number): void {
  const { frames } = phys
  frames.mapcount[f] = BUDDY_MAPCOUNT
  frames.private[f] = order
  frames.freeType[f] = type
  frames.pushFront(zone.freeLists + order * MIGRATE_TYPES + type, f)
  zone.nrFree[order]!++
}

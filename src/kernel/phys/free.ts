// Giving pages back, and the reference count that decides when (physical specification, 1.5 and 1.14).

import { kassert, panic, type Pfn } from '../../base/index.ts'
import { freeOneBlock } from './buddy.ts'
import { PGFREE } from './counters.ts'
import {
  PAGE_FLAGS_CHECK_AT_FREE,
  pageFlagsText,
  PG_anon,
  PG_head,
  PG_lru,
  PG_queued,
  PG_reserved,
  PG_tail,
} from './pageFlags.ts'
import { giveHotPage } from './hotPage.ts'
import { pageblockType } from './pageblock.ts'
import { freeToPcp } from './pcp.ts'
import type { Phys } from './phys.ts'

/**
 * Drops one reference of the block's head; the last one frees all 2^order pages. The caller's order is trusted.
 *
 * @locks  atomic ok
 * @manual __free_pages, Linux
 */
export function freePages(phys: Phys, pfn: Pfn | number, order: number): void {
  const f = phys.frames.frameOf(pfn)
  if (order === 0 && giveHotPage(phys, f)) return
  if (dropReference(phys, f)) freeBlock(phys, f, order, false)
}

/** As freePages(pfn, 0), for a page whose contents are not in any cache: it is used last. */
export function freeColdPage(phys: Phys, pfn: Pfn | number): void {
  const f = phys.frames.frameOf(pfn)
  if (dropReference(phys, f)) freeBlock(phys, f, 0, true)
}

/** Frees a list of single pages whose counts the caller has already brought to zero or one. */
export function freePageList(phys: Phys, pfns: readonly number[], cold: boolean): void {
  const trace = phys.machine.trace
  for (const pfn of pfns) {
    const f = phys.frames.frameOf(pfn)
    if (phys.frames.refcount[f]! > 0 && !dropReference(phys, f)) continue
    if (trace.on) trace.emit('mm_page_free_batched', { pfn, order: 0, cold: cold ? 1 : 0 })
    freeBlock(phys, f, 0, cold)
  }
}

/** Takes one more reference to a page (of a compound page: to its head). */
export function getPage(phys: Phys, pfn: Pfn | number): void {
  const f = compoundHead(phys, phys.frames.frameOf(pfn))
  if (phys.frames.refcount[f]! <= 0) panic('a page with references gets another one', `pfn ${pfn}`)
  phys.frames.refcount[f]!++
}

/** Drops one reference; the last one frees the page, a compound page with all its tails. */
export function putPage(phys: Phys, pfn: Pfn | number): void {
  const page = phys.frames.frameOf(pfn)
  if (giveHotPage(phys, page)) return
  const f = compoundHead(phys, page)
  if (!dropReference(phys, f)) return
  if ((phys.frames.flags[f]! & PG_lru) !== 0) phys.releaseLru?.(f)
  freeBlock(phys, f, compoundOrder(phys, f), false)
}

/** The frame that holds a compound page's state; any other frame holds its own. */
export function compoundHead(phys: Phys, f: number): number {
  return (phys.frames.flags[f]! & PG_tail) === 0 ? f : phys.frames.private[f]!
}

/** log2 of the pages of the compound page headed by `f`; 0 if it is none. */
export function compoundOrder(phys: Phys, f: number): number {
  // A compound page's first tail is on no list: its link holds the order.
  return (phys.frames.flags[f]! & PG_head) === 0 ? 0 : phys.frames.lruPrev[f + 1]!
}

/** Makes the block a compound page: the head carries the count, tails point to it. */
export function makeCompound(phys: Phys, f: number, order: number): void {
  const frames = phys.frames
  frames.flags[f]! |= PG_head
  for (let i = 1; i < 1 << order; i++) {
    frames.flags[f + i]! |= PG_tail
    frames.private[f + i] = f
    frames.refcount[f + i] = 0
  }
  frames.lruPrev[f + 1] = order
}

/**
 * Makes single pages of a block, each with count 1, each to be freed by itself.
 *
 * @manual split_page, Linux
 */
export function splitPage(phys: Phys, pfn: Pfn | number, order: number): void {
  const frames = phys.frames
  const f = frames.frameOf(pfn)
  kassert((frames.flags[f]! & (PG_head | PG_tail)) === 0, 'a compound page is not split', `pfn ${pfn}`)
  kassert(frames.refcount[f]! > 0, 'a page that is split is in use', `pfn ${pfn}`)
  for (let i = 1; i < 1 << order; i++) frames.refcount[f + i] = 1
}

function dropReference(phys: Phys, f: number): boolean {
  const left = --phys.frames.refcount[f]!
  if (left > 0) return false
  if (left < 0) {
    phys.frames.refcount[f] = 0
    kassert(false, 'a page is freed once', `pfn ${phys.frames.pfnAt(f)}`)
  }
  return true
}

/** Frees a block whose count is zero: checks it, then per-CPU lists or buddy lists. A bad block is leaked whole. */
export function freeBlock(phys: Phys, f: number, order: number, cold: boolean): void {
  const trace = phys.machine.trace
  if (trace.on) trace.emit('mm_page_free', { pfn: phys.frames.pfnAt(f), order })
  if (!checkFree(phys, f, order)) return
  const zone = phys.zoneBySlot[phys.frames.zone[f]!]!
  phys.events.counts[PGFREE]! += 1 << order
  if (order === 0) {
    freeToPcp(phys, zone, f, cold)
    return
  }
  const type = pageblockType(phys, f)
  phys.frames.freeType[f] = type
  zone.lock.acquire()
  freeOneBlock(phys, zone, f, order, type)
  zone.lock.release()
}

/** Free-time check of every page of the block; clears what a free page does not keep. */
function checkFree(phys: Phys, head: number, order: number): boolean {
  const { flags, mapcount, refcount, owner, wireCount, loanCount, pvHead } = phys.frames
  if ((flags[head]! & PG_head) !== 0 && !unmakeCompound(phys, head, order)) return false
  const end = head + (1 << order)
  for (let f = head; f < end; f++) {
    if ((flags[f]! & PG_anon) !== 0) owner[f] = 0
    if ((flags[f]! & PG_queued) !== 0) phys.queues!.dequeue(f)
    if (
      mapcount[f] !== -1 ||
      owner[f] !== 0 ||
      refcount[f] !== 0 ||
      (flags[f]! & (PAGE_FLAGS_CHECK_AT_FREE | PG_head | PG_tail)) !== 0 ||
      wireCount[f] !== 0 ||
      loanCount[f] !== 0 ||
      pvHead[f] !== 0
    ) {
      badPage(phys, f)
      return false
    }
  }
  for (let f = head; f < end; f++) {
    flags[f] = 0
    phys.frames.private[f] = 0
  }
  return true
}

function unmakeCompound(phys: Phys, head: number, order: number): boolean {
  const { flags, private: heads, lruPrev } = phys.frames
  let isGood = lruPrev[head + 1] === order
  for (let f = head + 1; isGood && f < head + (1 << order); f++)
    isGood = (flags[f]! & PG_tail) !== 0 && heads[f] === head
  if (!isGood) {
    badPage(phys, head)
    return false
  }
  flags[head]! &= ~PG_head
  for (let f = head + 1; f < head + (1 << order); f++) flags[f]! &= ~PG_tail
  lruPrev[head + 1] = -1
  return true
}

/** Allocation-time check: a free page has no flag, no reference, no map, no owner. A bad block is leaked whole. */
export function checkNew(phys: Phys, head: number, order: number): boolean {
  const { flags, mapcount, refcount, owner } = phys.frames
  for (let f = head; f < head + (1 << order); f++) {
    if (flags[f] === 0 && mapcount[f] === -1 && refcount[f] === 0 && owner[f] === 0) continue
    badPage(phys, f)
    return false
  }
  return true
}

/** Reports a page that is not what its lists say; at most 60 reports a minute. */
function badPage(phys: Phys, f: number): void {
  const frames = phys.frames
  const window = phys.badPageWindow
  const now = phys.machine.clock.now
  phys.nrBadPages++
  if (now - window.start >= 60e9) {
    window.start = now
    window.reports = 0
  }
  if (++window.reports > 60) return
  phys.log.warn(
    `BUG: Bad page state pfn:${frames.pfnAt(f).toString(16)} count:${frames.refcount[f]} ` +
      `mapcount:${frames.mapcount[f]! + 1} mapping:${frames.owner[f]} flags:${pageFlagsText(frames.flags[f]!)}`,
  )
}

/**
 * Hands [startPfn, endPfn) to the buddy allocator for the first time, in the largest aligned chunks that fit
 * (physical specification, 1.8.4). Boot only.
 */
export function releaseBootPages(phys: Phys, startPfn: number, endPfn: number): void {
  const { frames } = phys
  for (let pfn = startPfn; pfn < endPfn;) {
    let order = 10
    while (pfn % (1 << order) !== 0 || pfn + (1 << order) > endPfn) order--
    const f = frames.frameOf(pfn)
    for (let i = f; i < f + (1 << order); i++) {
      frames.flags[i]! &= ~PG_reserved
      frames.refcount[i] = 0
    }
    phys.zoneOf(f).managed += 1 << order
    phys.totalramPages += 1 << order
    freeBlock(phys, f, order, false)
    pfn += 1 << order
  }
}

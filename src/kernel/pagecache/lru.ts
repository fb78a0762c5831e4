// Ageing of file pages: five lists for each zone, and the per-CPU batches on the way to them.
//
//   new page -> add batch -> inactive <-> active          unevictable
//                              head        (activate, deactivate batches)
//                              tail <- rotate batch       reclaim takes from the tail
//
// A page in a batch has one reference for it. Front of a list is its head.

import { type Pfn } from '../../base/index.ts'
import {
  freeColdPage,
  getPage,
  NR_INACTIVE_ANON,
  PG_active,
  PG_dirty,
  PG_locked,
  PG_lru,
  PG_mlocked,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_unevictable,
  PG_writeback,
  putPage,
  type Phys,
} from '../phys/index.ts'
import { AS_UNEVICTABLE, PVEC_SIZE } from './constants.ts'
import { assertPage } from './assertPage.ts'
import type { PageCache } from './pageCache.ts'

// List numbers; their counters are NR_INACTIVE_ANON + number.
export const LRU_INACTIVE_ANON = 0
export const LRU_ACTIVE_ANON = 1
export const LRU_INACTIVE_FILE = 2
export const LRU_ACTIVE_FILE = 3
export const LRU_UNEVICTABLE = 4
const NR_LRU_LISTS = 5

/** Frames on their way to a list, of one CPU. */
class Batch {
  readonly frames = new Int32Array(PVEC_SIZE)
  count = 0
}
class CpuBatches {
  readonly add = new Batch()
  readonly activate = new Batch()
  readonly deactivate = new Batch()
  readonly rotate = new Batch()
}

export class Lru {
  /** First of the five lists of each zone, by zone slot. */
  readonly #firstList: number[] = []
  readonly cpus: readonly CpuBatches[]
  constructor(phys: Phys) {
    for (const zone of phys.zones) {
      const first = phys.frames.newList()
      for (let i = 1; i < NR_LRU_LISTS; i++) phys.frames.newList()
      this.#firstList[zone.slot] = first
    }
    phys.releaseLru = (f) => releaseLru(phys, f)
    this.cpus = phys.machine.cpus.map(() => new CpuBatches())
  }
  /** The name of a list, for `Frames.listPfns` and the like. */
  list(zoneSlot: number, lru: number): number {
    return this.#firstList[zoneSlot] + lru
  }
}

/** Which list a page on a list is on. */
export function pageLru(cache: PageCache, f: number): number {
  return lruOf(cache.frames.flags[f]!)
}
function lruOf(flags: number): number {
  if ((flags & PG_unevictable) !== 0) return LRU_UNEVICTABLE
  return ((flags & PG_swapbacked) === 0 ? LRU_INACTIVE_FILE : 0) + ((flags & PG_active) === 0 ? 0 : 1)
}
function enlist(cache: PageCache, f: number, atTail: boolean): void {
  const { frames } = cache
  const lru = pageLru(cache, f)
  const list = cache.lru.list(frames.zone[f], lru)
  if (atTail) frames.pushBack(list, f)
  else frames.pushFront(list, f)
  cache.count(f, NR_INACTIVE_ANON + lru, 1)
}
function unlist(cache: PageCache, f: number): void {
  unlistFrame(cache.phys, f)
}
function unlistFrame(phys: Phys, f: number): void {
  phys.zoneOf(f).stat[NR_INACTIVE_ANON + lruOf(phys.frames.flags[f]!)]!--
  phys.frames.unlink(f)
}

// A batch is drained when a page comes that finds it full (add), or when it has become full (the others).
function intoBatch(cache: PageCache, batch: Batch, f: number): void {
  cache.frames.refcount[f]++
  batch.frames[batch.count++] = f
}
function drain(cache: PageCache, batch: Batch, move: (cache: PageCache, f: number) => void): void {
  const { count } = batch
  for (let i = 0; i < count; i++) move(cache, batch.frames[i])
  batch.count = 0
  for (let i = 0; i < count; i++) putCachePage(cache, cache.frames.pfnAt(batch.frames[i]))
}
function localBatches(cache: PageCache): CpuBatches {
  return cache.lru.cpus[cache.phys.machine.current.cpu.id]!
}

/** Queues a new cache page for its list; PG_active says which. */
export function lruCacheAdd(cache: PageCache, pfn: Pfn): void {
  const batch = localBatches(cache).add
  if (batch.count === PVEC_SIZE) drain(cache, batch, moveToLru)
  intoBatch(cache, batch, cache.frames.frameOf(pfn))
}
function moveToLru(cache: PageCache, f: number): void {
  const { frames, trace } = cache
  assertPage(cache, !cache.has(f, PG_lru), 'a page is put on a list once', f)
  if (((cache.objectOf(f)?.flags ?? 0) & AS_UNEVICTABLE) !== 0 || cache.has(f, PG_mlocked)) {
    frames.flags[f] = (frames.flags[f] | PG_unevictable) & ~PG_active
  }
  frames.flags[f] |= PG_lru
  enlist(cache, f, false)
  if (trace.on) trace.emit('mm_lru_insertion', { pfn: frames.pfnAt(f), lru: pageLru(cache, f), flags: frames.flags[f] })
}

/**
 * Somebody used the page: one step up. The second use while inactive activates it.
 *
 * @locks  none, atomic ok
 */
export function markPageAccessed(cache: PageCache, pfn: Pfn): void {
  const { flags } = cache.frames
  const f = cache.frames.frameOf(pfn)
  const word = flags[f]!
  if ((word & PG_referenced) === 0) {
    flags[f] = word | PG_referenced
    return
  }
  if ((word & (PG_active | PG_unevictable)) !== 0) return
  if ((word & PG_lru) !== 0) activatePage(cache, pfn)
  else activateInBatch(cache, f)
  flags[f] &= ~PG_referenced
  if ((word & PG_swapbacked) === 0) cache.inactiveAge[cache.frames.zone[f]]!++
}
/** Queues a page on an inactive list for activation. */
export function activatePage(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (!cache.has(f, PG_lru) || cache.has(f, PG_active | PG_unevictable)) return
  const batch = localBatches(cache).activate
  intoBatch(cache, batch, f)
  if (batch.count === PVEC_SIZE) drain(cache, batch, activate)
}
function activate(cache: PageCache, f: number): void {
  const { frames, trace } = cache
  if (!cache.has(f, PG_lru) || cache.has(f, PG_active | PG_unevictable)) return
  unlist(cache, f)
  frames.flags[f] |= PG_active
  enlist(cache, f, false)
  if (trace.on) trace.emit('mm_lru_activate', { pfn: frames.pfnAt(f) })
  cache.phys.events.add('pgactivate')
}
/** A page that is still in this CPU's add batch is made active where it is. */
function activateInBatch(cache: PageCache, f: number): void {
  const batch = localBatches(cache).add
  for (let i = batch.count - 1; i >= 0; i--) {
    if (batch.frames[i] !== f) continue
    cache.frames.flags[f] |= PG_active
    return
  }
}

/** A page that could not be dropped: queued to be reclaimed soon. */
export function deactivateFilePage(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (cache.has(f, PG_unevictable)) return
  const batch = localBatches(cache).deactivate
  intoBatch(cache, batch, f)
  if (batch.count === PVEC_SIZE) drain(cache, batch, deactivate)
}
function deactivate(cache: PageCache, f: number): void {
  const { frames } = cache
  if (!cache.has(f, PG_lru) || cache.has(f, PG_unevictable) || cache.isMapped(f)) return
  const wasActive = cache.has(f, PG_active)
  const isBusy = cache.has(f, PG_dirty | PG_writeback)
  unlist(cache, f)
  frames.flags[f] &= ~(PG_active | PG_referenced)
  if (isBusy) frames.flags[f] |= PG_reclaim
  else cache.phys.events.add('pgrotated')
  enlist(cache, f, !isBusy)
  if (wasActive) cache.phys.events.add('pgdeactivate')
}

/** A page that was to be reclaimed after its write: queued to be the next one. */
export function rotateReclaimablePage(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (cache.has(f, PG_locked | PG_dirty | PG_active | PG_unevictable) || !cache.has(f, PG_lru)) return
  const batch = localBatches(cache).rotate
  intoBatch(cache, batch, f)
  if (batch.count === PVEC_SIZE) drain(cache, batch, rotate)
}
function rotate(cache: PageCache, f: number): void {
  if (!cache.has(f, PG_lru) || cache.has(f, PG_active | PG_unevictable)) return
  unlist(cache, f)
  enlist(cache, f, true)
  cache.phys.events.add('pgrotated')
}

/** Puts the running CPU's batches on the lists. */
export function lruAddDrain(cache: PageCache): void {
  drainBatches(cache, localBatches(cache))
}
/** Puts every CPU's batches on the lists. */
export function lruAddDrainAll(cache: PageCache): void {
  for (const batches of cache.lru.cpus) drainBatches(cache, batches)
}
function drainBatches(cache: PageCache, batches: CpuBatches): void {
  drain(cache, batches.add, moveToLru)
  drain(cache, batches.rotate, rotate)
  drain(cache, batches.deactivate, deactivate)
  drain(cache, batches.activate, activate)
}

/** Takes a page off its list for somebody who works on it; false if it is on none. Adds a reference. */
export function isolateLruPage(cache: PageCache, pfn: Pfn): boolean {
  const f = cache.frames.frameOf(pfn)
  if (!cache.has(f, PG_lru)) return false
  unlist(cache, f)
  cache.frames.refcount[f]++
  cache.frames.flags[f] &= ~PG_lru
  return true
}
/** Puts an isolated page back and drops the reference of the isolation. */
export function putbackLruPage(cache: PageCache, pfn: Pfn): void {
  lruCacheAdd(cache, pfn)
  putCachePage(cache, pfn)
}

/** Drops a reference to a page that may be on a list; the last one takes it off and frees it. */
export function putCachePage(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (cache.frames.refcount[f] === 1) releaseLru(cache.phys, f)
  putPage(cache.phys, pfn)
}
/** How many frames nothing but batches keeps: their object has given them up. */
export function strayPages({ frames, lru }: PageCache): number {
  const kept = new Map<number, number>()
  for (const { add, activate, deactivate, rotate } of lru.cpus)
    for (const batch of [add, activate, deactivate, rotate])
      for (let i = 0; i < batch.count; i++) kept.set(batch.frames[i]!, (kept.get(batch.frames[i]!) ?? 0) + 1)
  let stray = 0
  for (const [f, references] of kept) if (frames.refcount[f] === references) stray++
  return stray
}
/** Takes a page off its list for good: it is about to be freed. */
function releaseLru(phys: Phys, f: number): void {
  const { flags } = phys.frames
  if ((flags[f]! & PG_lru) !== 0) unlistFrame(phys, f)
  flags[f]! &= ~(PG_lru | PG_active | PG_unevictable)
}
/** The same for a page whose contents nobody will want: it is used again last. */
export function putColdCachePage(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (cache.frames.refcount[f] === 1) releaseLru(cache.phys, f)
  freeColdPage(cache.phys, pfn)
}
/** Takes a reference. */
export function getCachePage(cache: PageCache, pfn: Pfn): void {
  getPage(cache.phys, pfn)
}
/** Drops one reference of each; this CPU's batches are drained first, so that they do not keep the pages. */
export function pagevecRelease(cache: PageCache, pages: readonly number[], count: number): void {
  lruAddDrain(cache)
  for (let i = 0; i < count; i++) putCachePage(cache, pages[i] as Pfn)
}

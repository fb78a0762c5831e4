// Reading ahead: pages are read before they are asked for. All of it is a hint; failures are silent.
//
//            start                start + size - asyncSize        start + size
//              |--------------------------M------------------------|
//                                         marker: PG_readahead. Who reads it starts the next window.
//
// Sequential reads double the window up to the file's maximum; a random read leaves the state alone.

import { isErr, PAGE_SHIFT, PAGE_SIZE, pfn, PGOFF_MAX, type Pfn, type Sleep } from '../../base/index.ts'
import {
  __GFP_COLD,
  __GFP_NORETRY,
  __GFP_NOWARN,
  allocPages,
  GFP_KERNEL,
  PG_readahead,
  PG_writeback,
} from '../phys/index.ts'
import { addToPageCacheLru } from './addToPageCache.ts'
import type { FileObject } from './fileObject.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { pageCacheNextHole, pageCachePrevHole } from './pageCacheHole.ts'
import type { ReadaheadState } from './readaheadState.ts'

/** Largest window, and largest chunk of a forced readahead, whatever the file says: 2 MiB. */
const MAX_READAHEAD_PAGES = 512

/**
 * A page that is wanted was not there: reads it and those after it. Afterwards it may still be missing (no memory,
 * beyond the end, readahead off, a window pushed past it): look again, and read it alone.
 *
 * @param requested  pages from `index` that the caller wants
 * @locks            sleeps for memory and for the file system's taking of the requests
 * @manual           page_cache_sync_readahead, Linux
 */
export function* pageCacheSyncReadahead(
  cache: PageCache,
  object: FileObject,
  ra: ReadaheadState,
  index: number,
  requested: number,
): Sleep<void> {
  if (ra.raPages === 0) return
  if (ra.isRandom) yield* forcePageCacheReadahead(cache, object, index, requested)
  else yield* readaheadOnDemand(cache, object, ra, false, index, requested)
}

/**
 * A page that is wanted carries the marker: starts the next window. The page need not be up to date yet. The marker is
 * gone afterwards, unless readahead is off or the bit means PG_reclaim, the page being written.
 *
 * @locks  sleeps
 * @manual page_cache_async_readahead, Linux
 */
export function* pageCacheAsyncReadahead(
  cache: PageCache,
  object: FileObject,
  ra: ReadaheadState,
  page: Pfn,
  index: number,
  requested: number,
): Sleep<void> {
  const f = cache.frames.frameOf(page)
  if (ra.raPages === 0 || cache.has(f, PG_writeback)) return
  cache.frames.flags[f] &= ~PG_readahead
  if (object.device.isReadCongested) return
  yield* readaheadOnDemand(cache, object, ra, true, index, requested)
}

/** Reads what it is told, in chunks, at most 2 MiB of it; no marker, no state. */
export function* forcePageCacheReadahead(
  cache: PageCache,
  object: FileObject,
  index: number,
  pages: number,
): Sleep<void> {
  yield* submitReadahead(cache, object, index, Math.min(pages, MAX_READAHEAD_PAGES), 0)
}

/** A page that should have been readable was not: a quarter of the window from now on, down to none. */
export function shrinkReadahead(ra: ReadaheadState): void {
  ra.raPages = Math.floor(ra.raPages / 4)
}

/**
 * Allocates and starts reading what is not cached of `size` pages from `start`, up to the end of the file. The page
 * `asyncSize` before the end of the window gets the marker if this call allocates it.
 *
 * @returns pages that were read
 */
export function* submitReadahead(
  cache: PageCache,
  object: FileObject,
  start: number,
  size: number,
  asyncSize: number,
): Sleep<number> {
  const { frames, trace } = cache
  if (trace.on)
    trace.emit('page_cache_ra_unbounded', {
      i_ino: object.ino,
      s_dev: object.dev,
      index: start,
      nr_to_read: size,
      lookahead_size: asyncSize,
    })
  if (object.sizeBytes === 0) return 0
  const last = Math.floor((object.sizeBytes - 1) / PAGE_SIZE)
  const list: number[] = []
  for (let k = 0; k < size && start + k <= last; k++) {
    if (object.pages.get(start + k) > 0) continue
    const page = yield* allocPages(cache.phys, object.gfp | __GFP_COLD | __GFP_NORETRY | __GFP_NOWARN, 0)
    if (isErr(page)) break
    const f = frames.frameOf(page)
    frames.pgoff[f] = start + k
    if (k === size - asyncSize) frames.flags[f] |= PG_readahead
    list.push(page)
  }
  const { length } = list
  // Lists are taken from the end: lowest index last.
  if (length > 0) yield* readPageList(cache, object, list.reverse())
  return length
}

function* readPageList(cache: PageCache, object: FileObject, list: number[]): Sleep<void> {
  if (object.ops.readPages !== undefined) {
    yield* object.ops.readPages(object, list)
    for (const left of list) putCachePage(cache, pfn(left))
    return
  }
  for (let taken = list.pop(); taken !== undefined; taken = list.pop()) {
    const page = pfn(taken)
    const index = cache.frames.pgoff[cache.frames.frameOf(page)]
    const isAdded = (yield* addToPageCacheLru(cache, page, object, index, GFP_KERNEL)) === 0
    if (isAdded) yield* object.ops.readPage(object, page)
    putCachePage(cache, page)
  }
}

/** Decides what to read, by the state of the file and by what is cached; the first case that fits. */
function* readaheadOnDemand(
  cache: PageCache,
  object: FileObject,
  ra: ReadaheadState,
  isMarker: boolean,
  index: number,
  requested: number,
): Sleep<void> {
  const max = Math.min(ra.raPages, MAX_READAHEAD_PAGES)
  if (index === 0) openWindow(ra, index, requested, max)
  else if (index === ra.start + ra.size - ra.asyncSize || index === ra.start + ra.size) {
    setWindow(ra, ra.start + ra.size, nextSize(ra.size, max))
  } else if (isMarker) {
    // Somebody else's marker, or the state was lost: go on after what is cached.
    const hole = pageCacheNextHole(object, index + 1, max)
    if (hole === 0 || hole - index > max) return
    setWindow(ra, hole, nextSize(hole - index + requested, max))
  } else if (requested > max || follows(ra, index)) openWindow(ra, index, requested, max)
  else if (!continueHistory(object, ra, index, requested, max)) {
    yield* submitReadahead(cache, object, index, requested, 0)
    return
  }
  if (index === ra.start && ra.size === ra.asyncSize) {
    // The window would run into its own marker at once: take two in one.
    ra.asyncSize = nextSize(ra.size, max)
    ra.size += ra.asyncSize
  }
  yield* submitReadahead(cache, object, ra.start, ra.size, ra.asyncSize)
}

function setWindow(ra: ReadaheadState, start: number, size: number): void {
  ra.start = start
  ra.size = size
  ra.asyncSize = size
}
function openWindow(ra: ReadaheadState, index: number, requested: number, max: number): void {
  setWindow(ra, index, initialSize(requested, max))
  if (ra.size > requested) ra.asyncSize = ra.size - requested
}
/** Is it the page of the previous read, or the next one? */
function follows(ra: ReadaheadState, index: number): boolean {
  const step = index - (ra.prevPos < 0 ? PGOFF_MAX : Math.floor(ra.prevPos / 2 ** PAGE_SHIFT))
  return step === 0 || step === 1
}
/** The pages before are cached: somebody reads the file in order, through another open file perhaps. */
function continueHistory(
  object: FileObject,
  ra: ReadaheadState,
  index: number,
  requested: number,
  max: number,
): boolean {
  const hole = pageCachePrevHole(object, index - 1, max)
  let history = hole === PGOFF_MAX ? index : index - 1 - hole
  if (history <= requested) return false
  // From the very start of the file: a strong sign.
  if (history >= index) history *= 2
  ra.start = index
  ra.size = Math.min(history + requested, max)
  ra.asyncSize = 1
  return true
}

function initialSize(requested: number, max: number): number {
  let size = 1
  while (size < requested) size *= 2
  if (size <= Math.floor(max / 32)) return size * 4
  return size <= Math.floor(max / 4) ? size * 2 : max
}
function nextSize(size: number, max: number): number {
  return Math.min(size < Math.floor(max / 16) ? size * 4 : size * 2, max)
}

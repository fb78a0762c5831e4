// The resident pages of a file, for who must not sleep: entering them, dirtying them, taking them away. The pages
// themselves, their locks, tags, lists and accounts are the page cache's.

import { isErr, kassert, PGOFF_MAX, type Err, type Pfn } from '../../base/index.ts'
import { unmapMappingRange } from '../object/index.ts'
import {
  addToPageCacheLruTry,
  dropIdlePages,
  lruAddDrainAll,
  lruCacheAdd,
  putCachePage,
  replacePageCachePageTry,
  setPageDirty,
  transferModified,
  trylockPage,
  unlockPage,
} from '../pagecache/index.ts'
import {
  NR_SHMEM,
  PG_dirty,
  PG_locked,
  PG_referenced,
  PG_swapbacked,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import type { Files } from './files.ts'
import type { FileObject } from './vnodePager.ts'

/**
 * Enters a frame whose bytes are right as the page at `pgoff`, where there is none; takes over the caller's reference.
 *
 * @param isSwapBacked  the page's only home is memory: it counts as shared memory, and cannot be dropped and read again
 * @returns             0; ENOMEM: the frame is free again
 */
export function addFilePage(files: Files, object: FileObject, pgoff: number, pfn: Pfn, isSwapBacked: boolean): 0 | Err {
  const { cache } = files
  const failed = addToPageCacheLruTry(cache, pfn, object, pgoff)
  if (isErr(failed)) {
    putCachePage(cache, pfn)
    return failed
  }
  const f = cache.frames.frameOf(pfn)
  cache.frames.flags[f]! |= isSwapBacked ? PG_uptodate | PG_swapbacked : PG_uptodate
  if (isSwapBacked) {
    cache.count(f, NR_SHMEM, 1)
    files.phys.queues?.activate(f)
  }
  unlockPage(cache, pfn)
  putCachePage(cache, pfn)
  return 0
}

/** The page at `pgoff` if it is there and can be used at once: up to date, and nobody works on it. Else -1. Hot. */
export function usablePage(files: Files, object: FileObject, pgoff: number): Pfn | -1 {
  const value = object.pages.get(pgoff)
  if (value <= 0) return -1
  const { frames } = files.phys
  const flags = frames.flags[frames.frameOf(value - 1)]!
  return (flags & (PG_uptodate | PG_locked)) === PG_uptodate ? ((value - 1) as Pfn) : -1
}

/** Takes pages `[lo, hi)` away, dirty or not, but those that somebody works on. @returns how many there were */
export function removeFilePages(files: Files, object: FileObject, lo: number, hi: number): number {
  object.pager.forget?.(object, lo, hi)
  const before = object.nrPages
  if (before > 0 || object.nrShadows > 0) dropIdlePages(files.cache, object, lo, Math.min(hi, PGOFF_MAX))
  return before - object.nrPages
}

/** Unmaps pages `[lo, hi)` everywhere and takes them away. Private copies stay unless `dropPrivateCopies`. */
export function dropFilePages(
  files: Files,
  object: FileObject,
  lo: number,
  hi: number,
  dropPrivateCopies: boolean,
): number {
  unmapMappingRange(object, lo, hi, dropPrivateCopies)
  return removeFilePages(files, object, lo, hi)
}

/**
 * A copy takes the place of a page that somebody has on loan; both are not mapped. Takes over the caller's reference to
 * the copy.
 *
 * @returns false: somebody works on the page
 */
export function replaceFilePage(files: Files, old: Pfn, fresh: Pfn): boolean {
  const { cache } = files
  const { flags } = cache.frames
  const from = cache.frames.frameOf(old)
  const to = cache.frames.frameOf(fresh)
  if (cache.has(from, PG_writeback) || !trylockPage(cache, old)) return false
  // No batch keeps the old page when the loan ends.
  lruAddDrainAll(cache)
  transferModified(cache, old)
  const wasDirty = cache.has(from, PG_dirty)
  flags[to]! |= PG_locked | (flags[from]! & (PG_uptodate | PG_swapbacked | PG_referenced))
  const isReplaced = replacePageCachePageTry(cache, old, fresh) === 0
  if (isReplaced) {
    if (wasDirty) setPageDirty(cache, fresh)
    flags[from]! &= ~(PG_dirty | PG_swapbacked)
    lruCacheAdd(cache, fresh)
    unlockPage(cache, fresh)
    putCachePage(cache, fresh)
  } else flags[to]! &= ~(PG_locked | PG_uptodate | PG_swapbacked | PG_referenced)
  unlockPage(cache, old)
  return isReplaced
}

/** A file that is given up has no pages left. */
export function assertGone(object: FileObject): void {
  kassert(object.nrPages === 0 && object.nrShadows === 0, 'a file that is given up has no pages left')
}

// A page enters an object. The index gets its memory from the host, so that only an injected fault can fail, and
// nothing here really sleeps; the generators are the manual's functions, which may.

import { EEXIST, ENOMEM, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import { getPage, NR_FILE_PAGES, PG_active, PG_locked, PG_swapbacked } from '../phys/index.ts'
import { assertPage } from './assertPage.ts'
import type { Exceptional } from './constants.ts'
import type { FileObject } from './fileObject.ts'
import { lruCacheAdd } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { workingsetActivation, workingsetRefault } from './workingSet.ts'

/**
 * Puts a locked page at a free index of an object; a shadow there is thrown away. The object takes a reference. The
 * page stays locked, is not put on a list and not marked up to date.
 *
 * @param gfp  how the index may get memory
 * @returns    0; EEXIST: there is a page; ENOMEM: no index node. On error nothing has changed but the page's index
 * @locks      page lock held; sleeps if `gfp` allows
 * @manual     add_to_page_cache_locked, Linux
 */
// oxlint-disable-next-line require-yield
export function* addToPageCacheLocked(
  cache: PageCache,
  page: Pfn,
  object: FileObject,
  index: number,
  _gfp: number,
): Sleep<0 | Err> {
  return addToPageCacheLockedTry(cache, page, object, index)
}

/** The same as a plain function. */
export function addToPageCacheLockedTry(cache: PageCache, page: Pfn, object: FileObject, index: number): 0 | Err {
  return insert(cache, page, object, index)
}

/**
 * Puts a new page at a free index: locked by this call, and queued for the inactive list, or for the active one if the
 * shadow it displaced says that it belongs to the working set.
 *
 * @returns 0, EEXIST or ENOMEM; on error the page is unlocked
 * @locks   sleeps if `gfp` allows
 */
// oxlint-disable-next-line require-yield
export function* addToPageCacheLru(
  cache: PageCache,
  page: Pfn,
  object: FileObject,
  index: number,
  _gfp: number,
): Sleep<0 | Err> {
  return addToPageCacheLruTry(cache, page, object, index)
}

/** The same as a plain function. Hot. */
export function addToPageCacheLruTry(cache: PageCache, page: Pfn, object: FileObject, index: number): 0 | Err {
  const { frames } = cache
  const f = frames.frameOf(page)
  // Nobody else knows the page yet.
  frames.flags[f] |= PG_locked
  const failed = insert(cache, page, object, index)
  if (failed !== 0) {
    frames.flags[f] &= ~PG_locked
    return failed
  }
  const shadow = cache.displaced
  if (shadow !== null && workingsetRefault(cache, shadow)) {
    frames.flags[f] |= PG_active
    workingsetActivation(cache, f)
  } else frames.flags[f] &= ~PG_active
  lruCacheAdd(cache, page)
  return 0
}

/** Stores the page; what shadow it displaced is in `cache.displaced` until the next call. */
function insert(cache: PageCache, page: Pfn, object: FileObject, index: number): 0 | Err {
  const { frames, trace } = cache
  const f = frames.frameOf(page)
  assertPage(cache, cache.has(f, PG_locked), 'a page is locked when it enters an object', f)
  assertPage(cache, !cache.has(f, PG_swapbacked), 'a page of a file is not backed by swap', f)
  frames.pgoff[f] = index
  cache.displaced = null
  if (!reserveIndexNode(cache)) return ENOMEM
  const old = object.pages.get(index)
  if (old > 0) return EEXIST
  if (old < 0) {
    cache.displaced = old as Exceptional
    object.nrShadows--
  }
  getPage(cache.phys, page)
  frames.owner[f] = object.id
  object.pages.set(index, page + 1)
  object.nrPages++
  cache.count(f, NR_FILE_PAGES, 1)
  if (trace.on) traceFilemap(cache, 'mm_filemap_add_to_page_cache', object, f)
  return 0
}

/** False when a test wants the index to be without memory. */
export function reserveIndexNode(cache: PageCache): boolean {
  return cache.failIndexNodeAfter === 0 || --cache.failIndexNodeAfter > 0
}

/** The two tracepoints of pages that come and go. */
export function traceFilemap(cache: PageCache, name: string, object: FileObject, f: number): void {
  const { frames, trace } = cache
  trace.emit(name, { pfn: frames.pfnAt(f), i_ino: object.ino, index: frames.pgoff[f], s_dev: object.dev })
}

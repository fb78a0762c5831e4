import type { Pfn } from '../../base/index.ts'
import { NR_FILE_PAGES, NR_SHMEM, PG_dirty, PG_locked, PG_swapbacked } from '../phys/index.ts'
import { traceFilemap } from './addToPageCache.ts'
import { assertPage } from './assertPage.ts'
import type { Exceptional } from './constants.ts'
import { accountCleaned } from './dirty.ts'
import type { FileObject } from './fileObject.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'

/**
 * Takes a page out of its object: no shadow is left, the tags of its slot are cleared, the object's reference is
 * dropped. The page stays locked, keeps its index, and is as up to date as it was. A page that is still dirty stays
 * so, but is taken off the accounts.
 *
 * @locks  page lock and a reference of the caller's; the page is not mapped. Never sleeps
 * @manual delete_from_page_cache, Linux
 */
export function deleteFromPageCache(cache: PageCache, page: Pfn): void {
  const object = removeFromIndex(cache, page, null)
  object.ops.freePage?.(object, page)
  putCachePage(cache, page)
}

/**
 * The part of a removal that happens at one instant; the object's reference is not dropped and the file system not told.
 *
 * @param shadow  what stays in the slot, or null
 */
export function removeFromIndex(cache: PageCache, page: Pfn, shadow: Exceptional | null): FileObject {
  const { frames, trace } = cache
  const f = frames.frameOf(page)
  assertPage(cache, cache.has(f, PG_locked), 'a page is locked when it leaves its object', f)
  assertPage(cache, !cache.isMapped(f), 'a page that leaves its object is not mapped', f)
  const object = cache.objectOf(f)
  assertPage(cache, object !== null, 'a page that leaves an object has one', f)
  if (trace.on) traceFilemap(cache, 'mm_filemap_delete_from_page_cache', object, f)
  const index = frames.pgoff[f]!
  const old = object.pages.delete(index)
  assertPage(cache, old === page + 1, 'a page is where its index says', f)
  if (shadow !== null) {
    object.pages.set(index, shadow)
    object.nrShadows++
  }
  object.nrPages--
  if (cache.has(f, PG_dirty)) accountCleaned(cache, object, f)
  frames.owner[f] = 0
  cache.count(f, NR_FILE_PAGES, -1)
  if (cache.has(f, PG_swapbacked)) cache.count(f, NR_SHMEM, -1)
  return object
}

import { ENOMEM, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import { getPage, NR_FILE_PAGES, NR_SHMEM, PG_locked, PG_swapbacked } from '../phys/index.ts'
import { reserveIndexNode } from './addToPageCache.ts'
import { assertPage } from './assertPage.ts'
import { removeFromIndex } from './deleteFromPageCache.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'

/**
 * Puts a new page in the place of an old one; a look-up finds one or the other. Contents, tags, up-to-dateness and
 * list are not carried over.
 *
 * @param gfp  how the index may get memory
 * @returns    0 or ENOMEM
 * @locks      both pages locked, the old one in an object and not mapped; sleeps
 * @manual     replace_page_cache_page, Linux
 */
// oxlint-disable-next-line require-yield
export function* replacePageCachePage(cache: PageCache, old: Pfn, fresh: Pfn, _gfp: number): Sleep<0 | Err> {
  return replacePageCachePageTry(cache, old, fresh)
}

/** The same as a plain function. */
export function replacePageCachePageTry(cache: PageCache, old: Pfn, fresh: Pfn): 0 | Err {
  const { frames } = cache
  const f = frames.frameOf(fresh)
  assertPage(cache, cache.has(f, PG_locked), 'a page is locked when it enters an object', f)
  assertPage(cache, frames.owner[f] === 0, 'a page that replaces another has no object', f)
  if (!reserveIndexNode(cache)) return ENOMEM
  getPage(cache.phys, fresh)
  frames.pgoff[f] = frames.pgoff[frames.frameOf(old)]!
  const object = removeFromIndex(cache, old, null)
  frames.owner[f] = object.id
  object.pages.set(frames.pgoff[f], fresh + 1)
  object.nrPages++
  cache.count(f, NR_FILE_PAGES, 1)
  if (cache.has(f, PG_swapbacked)) cache.count(f, NR_SHMEM, 1)
  object.ops.freePage?.(object, old)
  putCachePage(cache, old)
  return 0
}

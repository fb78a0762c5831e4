import { EEXIST, EIO, ENOMEM, isErr, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import { __GFP_COLD, allocPages, PG_uptodate } from '../phys/index.ts'
import { addToPageCacheLru } from './addToPageCache.ts'
import type { FileObject } from './fileObject.ts'
import { findGetPage } from './findGetEntry.ts'
import { lockPage } from './lockPage.ts'
import { markPageAccessed, putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import type { PageFiller } from './readCachePages.ts'
import { unlockPage } from './unlockPage.ts'
import { waitOnPageLocked } from './waitOnPage.ts'

/**
 * One page of a file, filled. A page whose fill failed stays in the object, not up to date, and is filled again by the
 * next caller.
 *
 * @param filler  fills the locked page and unlocks it; a negative answer is an error
 * @returns       the page, up to date, not locked, with one more reference
 * @errors        ENOMEM, EIO, or the filler's
 * @locks         sleeps
 * @manual        read_cache_page, Linux
 */
export function* readCachePage(
  cache: PageCache,
  object: FileObject,
  index: number,
  filler: PageFiller,
): Sleep<OrErr<Pfn>> {
  return yield* readPageWith(cache, object, index, filler, object.gfp)
}

/**
 * The same with the file system's readPage, and with `gfp` for the page and the index.
 *
 * @manual read_cache_page_gfp, Linux
 */
export function* readCachePageGfp(cache: PageCache, object: FileObject, index: number, gfp: number): Sleep<OrErr<Pfn>> {
  return yield* readPageWith(cache, object, index, (page) => object.ops.readPage(object, page), gfp)
}

function* readPageWith(
  cache: PageCache,
  object: FileObject,
  index: number,
  filler: PageFiller,
  gfp: number,
): Sleep<OrErr<Pfn>> {
  for (;;) {
    let page = findGetPage(cache, object, index)
    if (page === null) {
      const fresh = yield* allocPages(cache.phys, gfp | __GFP_COLD, 0)
      if (isErr(fresh)) return ENOMEM
      const failed = yield* addToPageCacheLru(cache, fresh, object, index, gfp)
      if (failed !== 0) {
        putCachePage(cache, fresh)
        if (failed === EEXIST) continue
        return failed
      }
      page = fresh
    } else if (!cache.has(cache.frames.frameOf(page), PG_uptodate)) {
      // Waits for somebody else's read too.
      yield* lockPage(cache, page)
      const f = cache.frames.frameOf(page)
      const isGone = !cache.belongsTo(f, object)
      if (isGone || cache.has(f, PG_uptodate)) {
        unlockPage(cache, page)
        if (!isGone) return accessed(cache, page)
        putCachePage(cache, page)
        continue
      }
    } else return accessed(cache, page)

    const result = yield* filler(page)
    if (isErr(result)) {
      putCachePage(cache, page)
      return result
    }
    yield* waitOnPageLocked(cache, page)
    if (cache.has(cache.frames.frameOf(page), PG_uptodate)) return accessed(cache, page)
    putCachePage(cache, page)
    return EIO
  }
}

function accessed(cache: PageCache, page: Pfn): Pfn {
  markPageAccessed(cache, page)
  return page
}

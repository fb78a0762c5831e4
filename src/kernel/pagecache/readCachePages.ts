import { PAGE_SIZE, pfn, type Pfn, type Sleep } from '../../base/index.ts'
import { GFP_KERNEL, PG_private, PG_private_2 } from '../phys/index.ts'
import { addToPageCacheLru } from './addToPageCache.ts'
import { assertPage } from './assertPage.ts'
import type { FileObject } from './fileObject.ts'
import { trylockPage } from './lockPage.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { unlockPage } from './unlockPage.ts'

/** Starts the read of a locked page and unlocks it sooner or later. Not 0: stop. */
export type PageFiller = (page: Pfn) => Sleep<number>

/**
 * Puts fresh pages, with only their index set, into an object and starts their reads, from the end of the list to its
 * head. A page whose place is taken is dropped and not reported.
 *
 * @param pages  empty afterwards, in all cases
 * @returns      0, or the filler's first other answer; its page stays in the object
 * @locks        none held; sleeps
 * @manual       read_cache_pages, Linux
 */
export function* readCachePages(
  cache: PageCache,
  object: FileObject,
  pages: number[],
  filler: PageFiller,
): Sleep<number> {
  for (;;) {
    const taken = pages.pop()
    if (taken === undefined) return 0
    const page = pfn(taken)
    const index = cache.frames.pgoff[cache.frames.frameOf(page)]!
    if ((yield* addToPageCacheLru(cache, page, object, index, GFP_KERNEL)) !== 0) {
      invalidateUnused(cache, object, page)
      continue
    }
    putCachePage(cache, page)
    const result = yield* filler(page)
    if (result !== 0) {
      while (pages.length > 0) invalidateUnused(cache, object, pfn(pages.pop()!))
      return result
    }
    cache.io.readBytes += PAGE_SIZE
  }
}

/** Drops a page that did not get into the object; private data that it has is given up first. */
function invalidateUnused(cache: PageCache, object: FileObject, page: Pfn): void {
  const { frames } = cache
  const f = frames.frameOf(page)
  if (cache.has(f, PG_private | PG_private_2)) {
    assertPage(cache, trylockPage(cache, page), 'a page that nobody knows is not locked', f)
    frames.owner[f] = object.id
    object.ops.invalidatePage?.(object, page, 0, PAGE_SIZE)
    frames.owner[f] = 0
    unlockPage(cache, page)
  }
  putCachePage(cache, page)
}

import type { Pfn } from '../../base/index.ts'
import { PG_locked, PG_writeback } from '../phys/index.ts'
import { assertPage } from './assertPage.ts'
import { tryToFreeBuffers } from './buffers.ts'
import type { PageCache } from './pageCache.ts'

/**
 * Asks the file system to give up its private data of a page, or frees the page's buffers if none is in use. That may
 * make a dirty page clean while its DIRTY tag stays.
 *
 * @param gfp  what may be done for it; 0: nothing that waits
 * @returns    true: there is no private data any more
 * @locks      page lock
 * @manual     try_to_release_page, Linux
 */
export function tryToReleasePage(cache: PageCache, page: Pfn, gfp: number): boolean {
  const f = cache.frames.frameOf(page)
  assertPage(cache, cache.has(f, PG_locked), 'a page is locked while it is released', f)
  if (cache.has(f, PG_writeback)) return false
  const object = cache.objectOf(f)
  if (object !== null && object.ops.releasePage !== undefined) return object.ops.releasePage(object, page, gfp)
  return tryToFreeBuffers(cache, page)
}

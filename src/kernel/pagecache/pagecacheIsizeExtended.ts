import { PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { setPageDirty } from './dirty.ts'
import type { FileObject } from './fileObject.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { findLockPage } from './pagecacheGetPage.ts'
import { pageMkclean } from './pageMkclean.ts'
import { unlockPage } from './unlockPage.ts'

/**
 * The file has grown past the middle of a page, and its blocks are smaller than pages: the next store to that page
 * through a mapping faults again, so that the file system can allocate the blocks that have come inside the file.
 *
 * @param from  old size in bytes
 * @param to    new size, already stored
 * @locks       inode lock; sleeps for the page lock
 * @manual      pagecache_isize_extended, Linux
 */
export function* pagecacheIsizeExtended(cache: PageCache, object: FileObject, from: number, to: number): Sleep<void> {
  if (object.sizeBytes < to) cache.warn(`size ${object.sizeBytes} of object ${object.id} is below ${to}`)
  const blockBytes = 2 ** object.blockShift
  if (from >= to || blockBytes === PAGE_SIZE) return
  const allocated = Math.ceil(from / blockBytes) * blockBytes
  if (to <= allocated || allocated % PAGE_SIZE === 0) return
  const page = yield* findLockPage(cache, object, Math.floor(from / PAGE_SIZE))
  if (page === null) return
  if (pageMkclean(cache, page) > 0) setPageDirty(cache, page)
  unlockPage(cache, page)
  putCachePage(cache, page)
}

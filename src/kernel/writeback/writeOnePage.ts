import { EIO, kassert, type Pfn, type Sleep } from '../../base/index.ts'
import { PG_error, PG_locked } from '../phys/index.ts'
import {
  clearPageDirtyForIo,
  getCachePage,
  putCachePage,
  unlockPage,
  waitOnPageWriteback,
  type PageCache,
} from '../pagecache/index.ts'
import { writebackControl } from './control.ts'

/**
 * Writes one locked page if it is dirty; it is unlocked afterwards, whatever happens.
 *
 * @param isWaiting  wait for an earlier write first, and for this one
 * @returns          0 or an error; EIO: the write was waited for and failed (PG_error stays set)
 * @locks            page lock held, given up; sleeps
 * @manual           write_one_page, Linux
 */
export function* writeOnePage(cache: PageCache, page: Pfn, isWaiting: boolean): Sleep<number> {
  const f = cache.frames.frameOf(page)
  kassert(cache.has(f, PG_locked), 'a page is locked when it is to be written')
  const object = cache.objectOf(f)
  kassert(object !== null && object.ops.writePage !== undefined, 'a page that is written has where to')
  const wbc = writebackControl(1, { isSyncAll: true })
  if (isWaiting) yield* waitOnPageWriteback(cache, page)
  if (!clearPageDirtyForIo(cache, page)) {
    unlockPage(cache, page)
    return 0
  }
  getCachePage(cache, page)
  let result = yield* object.ops.writePage(object, page, wbc)
  if (result === 0 && isWaiting) {
    yield* waitOnPageWriteback(cache, page)
    if (cache.has(f, PG_error)) result = EIO
  }
  putCachePage(cache, page)
  return result
}

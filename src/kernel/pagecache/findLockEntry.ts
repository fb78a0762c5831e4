import type { Pfn, Sleep } from '../../base/index.ts'
import { assertPage } from './assertPage.ts'
import { isExceptional, type Exceptional } from './constants.ts'
import type { FileObject } from './fileObject.ts'
import { findGetEntry } from './findGetEntry.ts'
import { lockPage } from './lockPage.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { unlockPage } from './unlockPage.ts'

/**
 * What the slot at `index` holds, a page locked.
 *
 * @returns a locked page of the object with one more reference; an exceptional entry; null for an empty slot
 * @locks   sleeps for the page lock
 * @manual  find_lock_entry, Linux
 */
export function* findLockEntry(cache: PageCache, object: FileObject, index: number): Sleep<Pfn | Exceptional | null> {
  for (;;) {
    const entry = findGetEntry(cache, object, index)
    if (entry === null || isExceptional(entry)) return entry
    const page = entry as Pfn
    yield* lockPage(cache, page)
    const f = cache.frames.frameOf(page)
    if (cache.belongsTo(f, object)) {
      assertPage(cache, cache.frames.pgoff[f] === index, 'a page knows its index', f)
      return page
    }
    unlockPage(cache, page)
    putCachePage(cache, page)
  }
}

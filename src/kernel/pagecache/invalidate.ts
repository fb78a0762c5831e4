// Invalidation: pages leave the cache, the file keeps its contents.

import { EBUSY, pfn, PGOFF_MAX, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import { unmapMappingRange } from '../object/index.ts'
import { GFP_KERNEL, PG_dirty, PG_private, PG_private_2, PG_writeback } from '../phys/index.ts'
import { assertPage } from './assertPage.ts'
import { isExceptional } from './constants.ts'
import { deleteFromPageCache } from './deleteFromPageCache.ts'
import { transferModified } from './dirty.ts'
import type { FileObject } from './fileObject.ts'
import { lockPage, trylockPage } from './lockPage.ts'
import { deactivateFilePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { removeMapping } from './removeMapping.ts'
import { clearExceptional, EntryBatch } from './truncate.ts'
import { tryToReleasePage } from './tryToReleasePage.ts'
import { unlockPage } from './unlockPage.ts'
import { waitOnPageWriteback } from './waitOnPage.ts'

/**
 * Removes the pages of a range that nobody uses: not locked, dirty, under writeback, mapped or referenced. A page that
 * is in the way moves to where reclaim looks first. Shadows go too, uncounted.
 *
 * @param end  inclusive
 * @returns    pages removed
 * @locks      none; never waits
 * @manual     invalidate_mapping_pages, Linux
 */
export function invalidateMappingPages(cache: PageCache, object: FileObject, start: number, end: number): number {
  const batch = new EntryBatch()
  let removed = 0
  for (let index = start; index <= end && batch.look(cache, object, index, end); index++) {
    for (let i = 0; i < batch.count; i++) {
      index = batch.indexes[i]
      if (index > end) break
      if (isExceptional(batch.entries[i])) {
        clearExceptional(object, index, batch.entries[i])
        continue
      }
      const page = pfn(batch.entries[i])
      if (!trylockPage(cache, page)) continue
      const isRemoved = invalidateUnused(cache, object, page)
      unlockPage(cache, page)
      if (isRemoved) removed++
      else deactivateFilePage(cache, page)
    }
    batch.release(cache)
  }
  return removed
}

function invalidateUnused(cache: PageCache, object: FileObject, page: Pfn): boolean {
  const f = cache.frames.frameOf(page)
  if (!cache.belongsTo(f, object) || cache.isMapped(f)) return false
  transferModified(cache, page)
  if (cache.has(f, PG_dirty | PG_writeback)) return false
  if (cache.has(f, PG_private | PG_private_2) && !tryToReleasePage(cache, page, 0)) return false
  return removeMapping(cache, object, page, false)
}

/**
 * Removes every page of a range: waits for its lock and its writeback, unmaps it, has it written if it is dirty and
 * the file system can. References of others do not matter; private copies stay. Goes on after a failure.
 *
 * @param end  inclusive
 * @returns    0: nothing was left; else what the last failure was
 * @errors     EBUSY, or an error of the write
 * @locks      sleeps
 * @manual     invalidate_inode_pages2_range, Linux
 */
export function* invalidateInodePages2Range(
  cache: PageCache,
  object: FileObject,
  start: number,
  end: number,
): Sleep<0 | Err> {
  const batch = new EntryBatch()
  let result: 0 | Err = 0
  let isRangeUnmapped = false
  for (let index = start; index <= end && batch.look(cache, object, index, end); index++) {
    for (let i = 0; i < batch.count; i++) {
      index = batch.indexes[i]
      if (index > end) break
      if (isExceptional(batch.entries[i])) {
        clearExceptional(object, index, batch.entries[i])
        continue
      }
      const page = pfn(batch.entries[i])
      const f = cache.frames.frameOf(page)
      yield* lockPage(cache, page)
      if (cache.belongsTo(f, object)) {
        yield* waitOnPageWriteback(cache, page)
        if (cache.isMapped(f)) {
          // Where one is mapped, more are: the rest of the range at once, later ones singly.
          unmapMappingRange(object, index, isRangeUnmapped ? index + 1 : end + 1, false)
          isRangeUnmapped = true
        }
        assertPage(cache, !cache.isMapped(f), 'an unmapped page is not mapped', f)
        transferModified(cache, page)
        const failed = yield* launderAndRemove(cache, object, page)
        if (failed !== 0) result = failed
      }
      unlockPage(cache, page)
    }
    batch.release(cache)
  }
  return result
}

/**
 * The same for the whole file.
 *
 * @locks  sleeps
 * @manual invalidate_inode_pages2, Linux
 */
export function* invalidateInodePages2(cache: PageCache, object: FileObject): Sleep<0 | Err> {
  return yield* invalidateInodePages2Range(cache, object, 0, PGOFF_MAX)
}

function* launderAndRemove(cache: PageCache, object: FileObject, page: Pfn): Sleep<0 | Err> {
  const f = cache.frames.frameOf(page)
  if (cache.has(f, PG_dirty) && object.ops.launderPage !== undefined) {
    const failed = yield* object.ops.launderPage(object, page)
    if (failed !== 0) return failed
  }
  if (!cache.belongsTo(f, object)) return EBUSY
  if (cache.has(f, PG_private | PG_private_2) && !tryToReleasePage(cache, page, GFP_KERNEL)) return EBUSY
  if (cache.has(f, PG_dirty)) return EBUSY
  deleteFromPageCache(cache, page)
  return 0
}

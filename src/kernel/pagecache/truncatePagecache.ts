// Changing the size of a file, and punching holes: truncation together with the mappings of the file.

import { PAGE_MASK, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { unmapMappingRange } from '../object/index.ts'
import type { FileObject } from './fileObject.ts'
import type { PageCache } from './pageCache.ts'
import { pagecacheIsizeExtended } from './pagecacheIsizeExtended.ts'
import { truncateInodePages, truncateInodePagesRange } from './truncate.ts'

/**
 * The file has become shorter: pages beyond the end go, private copies of them too. Unmaps twice: a fault between the
 * first time and the removal may still copy such a page.
 *
 * @param newBytes  the size, already stored
 * @locks           inode lock; sleeps. Before the file system frees blocks
 * @manual          truncate_pagecache, Linux
 */
export function* truncatePagecache(cache: PageCache, object: FileObject, newBytes: number): Sleep<void> {
  const hole = Math.ceil(newBytes / PAGE_SIZE)
  unmapMappingRange(object, hole, Infinity, true)
  yield* truncateInodePages(cache, object, newBytes)
  unmapMappingRange(object, hole, Infinity, true)
}

/**
 * Gives a file a size: stored first, so that reads and faults see it; then what lies beyond goes.
 *
 * @locks  inode lock; sleeps
 * @manual truncate_setsize, Linux
 */
export function* truncateSetsize(cache: PageCache, object: FileObject, newBytes: number): Sleep<void> {
  const oldBytes = object.sizeBytes
  object.sizeBytes = newBytes
  if (newBytes > oldBytes) yield* pagecacheIsizeExtended(cache, object, oldBytes, newBytes)
  yield* truncatePagecache(cache, object, newBytes)
}

/**
 * Punches a hole: pages wholly inside go, those at its edges are zeroed in the hole and stay mapped, and so do private
 * copies. The size stays.
 *
 * @param lend  inclusive; -1: to the end of the file
 * @locks       inode lock; sleeps
 * @manual      truncate_pagecache_range, Linux
 */
export function* truncatePagecacheRange(
  cache: PageCache,
  object: FileObject,
  lstart: number,
  lend: number,
): Sleep<void> {
  const first = Math.ceil(lstart / PAGE_SIZE)
  const end = lend === -1 ? Infinity : (lend + 1 - ((lend + 1) & PAGE_MASK)) / PAGE_SIZE
  if (end > first) unmapMappingRange(object, first, end, false)
  yield* truncateInodePagesRange(cache, object, lstart, lend)
}

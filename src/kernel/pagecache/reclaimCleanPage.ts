import type { Pfn } from '../../base/index.ts'
import { unmapMappingRange } from '../object/index.ts'
import { GFP_KERNEL, PG_dirty, PG_private, PG_private_2, PG_writeback } from '../phys/index.ts'
import { transferModified } from './dirty.ts'
import { trylockPage } from './lockPage.ts'
import type { PageCache } from './pageCache.ts'
import { removeMapping } from './removeMapping.ts'
import { tryToReleasePage } from './tryToReleasePage.ts'
import { unlockPage } from './unlockPage.ts'

/**
 * Takes an isolated page of a file out of its mappings and its object, if it is clean and nobody else uses it. A shadow
 * stays. What reclaim and contiguous allocation do with file pages.
 *
 * @returns true: the isolation's reference is the only one left
 * @locks   tries the page lock; never sleeps
 */
export function reclaimCleanPage(cache: PageCache, page: Pfn): boolean {
  if (!trylockPage(cache, page)) return false
  const isReclaimed = unmapAndRemove(cache, page)
  unlockPage(cache, page)
  return isReclaimed
}

function unmapAndRemove(cache: PageCache, page: Pfn): boolean {
  const f = cache.frames.frameOf(page)
  const object = cache.objectOf(f)
  if (object === null || cache.has(f, PG_dirty | PG_writeback)) return false
  const index = cache.frames.pgoff[f]
  if (cache.isMapped(f)) unmapMappingRange(object, index, index + 1, false)
  transferModified(cache, page)
  if (cache.isMapped(f) || cache.has(f, PG_dirty)) return false
  if (cache.has(f, PG_private | PG_private_2) && !tryToReleasePage(cache, page, GFP_KERNEL)) return false
  return removeMapping(cache, object, page, true)
}

import type { Pfn } from '../../base/index.ts'
import { PG_reclaim, PG_writeback } from '../phys/index.ts'
import { testClearPageWriteback } from './dirty.ts'
import { rotateReclaimablePage } from './lru.ts'
import { assertPage } from './assertPage.ts'
import type { PageCache } from './pageCache.ts'

/**
 * The write of a page is over: clears PG_writeback and wakes its waiters. If the page was to be reclaimed after the
 * write, it goes to the end of the inactive list. An error of the write was recorded before this is called.
 *
 * @locks  any context, interrupts too
 * @manual end_page_writeback, Linux
 */
export function endPageWriteback(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (cache.has(f, PG_reclaim)) {
    cache.frames.flags[f] &= ~PG_reclaim
    rotateReclaimablePage(cache, pfn)
  }
  assertPage(cache, testClearPageWriteback(cache, pfn), 'a write that ends had begun', f)
  cache.waits.wake(f, PG_writeback)
}

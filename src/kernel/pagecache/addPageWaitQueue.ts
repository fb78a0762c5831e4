import type { Pfn } from '../../base/index.ts'
import type { PageCache } from './pageCache.ts'
import { PageWaiter, type PageWaitCallback } from './pageWaits.ts'

/**
 * Puts a waiter of the caller's own on the page's queue. The callback runs at every wake-up of that queue, for other
 * pages and bits too, in the waker's context, and must not sleep. Test the bit after adding: nothing is told of a bit
 * that was clear before.
 *
 * @returns what `removePageWaitQueue` takes off again; the caller keeps the page alive until then
 * @manual  add_page_wait_queue, Linux
 */
export function addPageWaitQueue(cache: PageCache, pfn: Pfn, callback: PageWaitCallback): PageWaiter {
  const waiter = new PageWaiter(cache.frames.frameOf(pfn), 0, false, callback)
  cache.waits.addHead(waiter)
  return waiter
}

export function removePageWaitQueue(cache: PageCache, waiter: PageWaiter): void {
  cache.waits.remove(waiter)
}

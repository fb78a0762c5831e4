// Waiting until a bit of a page has been seen clear. Afterwards it may be set again. The caller holds a reference.

import { EINTR, sleepOn, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import { assertMaySleep, PG_locked, PG_writeback } from '../phys/index.ts'
import type { PageCache } from './pageCache.ts'
import { PageWaiter } from './pageWaits.ts'

/** Sleeps until the page has been seen unlocked. */
export function* waitOnPageLocked(cache: PageCache, pfn: Pfn): Sleep<void> {
  yield* waitOnPageBit(cache, pfn, PG_locked, false)
}
/** The same; a fatal signal ends the wait. @errors EINTR */
export function* waitOnPageLockedKillable(cache: PageCache, pfn: Pfn): Sleep<0 | Err> {
  return yield* waitOnPageBit(cache, pfn, PG_locked, true)
}
/** Sleeps until the page has been seen not under writeback. */
export function* waitOnPageWriteback(cache: PageCache, pfn: Pfn): Sleep<void> {
  yield* waitOnPageBit(cache, pfn, PG_writeback, false)
}

function* waitOnPageBit(cache: PageCache, pfn: Pfn, bit: number, isKillable: boolean): Sleep<0 | Err> {
  const f = cache.frames.frameOf(pfn)
  if (!cache.has(f, bit)) return 0
  assertMaySleep(cache.phys)
  const waiter = new PageWaiter(f, bit, false)
  while (cache.has(f, bit)) {
    if (!waiter.isQueued) cache.waits.addHead(waiter)
    if ((yield* sleepOn(waiter.sleep, Infinity, isKillable)) === 'signal') {
      cache.waits.remove(waiter)
      return EINTR
    }
  }
  cache.waits.remove(waiter)
  return 0
}

import type { Pfn } from '../../base/index.ts'
import { PG_locked } from '../phys/index.ts'
import { assertPage } from './assertPage.ts'
import type { PageCache } from './pageCache.ts'

/**
 * Gives up the page lock and wakes every waiter for it that does not want it, and one that does. The lock is not
 * handed over: whoever comes first has it. The page may be gone when this returns.
 *
 * @locks  any context, interrupts too
 * @manual unlock_page, Linux
 */
export function unlockPage(cache: PageCache, pfn: Pfn): void {
  const { frames } = cache
  const f = frames.frameOf(pfn)
  assertPage(cache, (frames.flags[f] & PG_locked) !== 0, 'a page that is unlocked was locked', f)
  frames.flags[f] &= ~PG_locked
  cache.waits.wake(f, PG_locked)
}

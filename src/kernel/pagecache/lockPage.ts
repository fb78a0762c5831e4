// The page lock: PG_locked, a sleeping lock.

import { EINTR, sleepOn, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import { assertMaySleep, PG_locked } from '../phys/index.ts'
import type { PageCache } from './pageCache.ts'
import { PageWaiter } from './pageWaits.ts'

/** Takes the page lock if nobody has it; never sleeps. */
export function trylockPage(cache: PageCache, pfn: Pfn): boolean {
  const { frames } = cache
  return trylockFrame(frames.flags, frames.frameOf(pfn))
}
function trylockFrame(flags: Uint32Array, f: number): boolean {
  const word = flags[f]!
  if ((word & PG_locked) !== 0) return false
  flags[f] = word | PG_locked
  return true
}

/** Takes the page lock, sleeping for it. The caller holds a reference. */
export function* lockPage(cache: PageCache, pfn: Pfn): Sleep<void> {
  if (!trylockPage(cache, pfn)) yield* lockPageSlow(cache, pfn)
}

/**
 * Waits in line for the page lock and takes it. Who loses it to a trylock goes to the end of the line.
 *
 * @locks  sleeps, not interruptible; the caller holds a reference, and the file stays
 * @manual __lock_page, Linux
 */
export function* lockPageSlow(cache: PageCache, pfn: Pfn): Sleep<void> {
  yield* lockInLine(cache, pfn, false)
}

/** As lockPage, but a fatal signal ends the wait. @errors EINTR */
export function* lockPageKillable(cache: PageCache, pfn: Pfn): Sleep<0 | Err> {
  return trylockPage(cache, pfn) ? 0 : yield* lockInLine(cache, pfn, true)
}

function* lockInLine(cache: PageCache, pfn: Pfn, isKillable: boolean): Sleep<0 | Err> {
  assertMaySleep(cache.phys)
  const { flags } = cache.frames
  const f = cache.frames.frameOf(pfn)
  const waiter = new PageWaiter(f, PG_locked, true)
  for (;;) {
    if (!waiter.isQueued) cache.waits.addTail(waiter)
    if ((flags[f] & PG_locked) !== 0) {
      const reason = yield* sleepOn(waiter.sleep, Infinity, isKillable)
      if (reason === 'signal') {
        // Woken and killed at once: the wake-up belongs to the next in line.
        if (waiter.isQueued) cache.waits.remove(waiter)
        else cache.waits.wake(f, PG_locked)
        return EINTR
      }
    }
    if (trylockFrame(flags, f)) {
      cache.waits.remove(waiter)
      return 0
    }
  }
}

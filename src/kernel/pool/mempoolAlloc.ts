import { kassert, sleepOn, WouldSleep } from '../../base/index.ts'
import type { Sleep } from '../../base/index.ts'
import { __GFP_IO, __GFP_NOMEMALLOC, __GFP_NORETRY, __GFP_NOWARN, __GFP_WAIT, __GFP_ZERO } from '../phys/index.ts'
import { assertLive, popElementLocked } from './mempool.ts'
import type { Mempool } from './mempool.ts'
import { allocElement, allocElementNow } from './mempoolCreate.ts'
import { assertMaySleep } from './context.ts'

/** A sleeper asks the source again after this time even if nobody freed an element. */
export const MEMPOOL_WAIT_NS = 5_000_000_000

/**
 * Allocates an element: from the source if it has one, from the reserve if not. In this order, because the reserve is
 * for emergencies.
 *
 *   1. ask the source gently: no waiting, no I/O
 *   2. take from the reserve
 *   3. ask the source with all the caller's flags, at once; look into the reserve again
 *   4. may not wait: null. Else sleep until an element is freed, at most 5 seconds, and go to 3
 *
 * @returns   an element; null only without __GFP_WAIT
 * @locks     sleeps if `gfp` has __GFP_WAIT; calls the source without locks
 * @manual    mempool_alloc(9), Linux
 */
export function* mempoolAlloc<T, D>(pool: Mempool<T, D>, gfp: number): Sleep<T | null> {
  checkRequest(pool, gfp)
  if ((gfp & __GFP_WAIT) !== 0) assertMaySleep(pool.pools, 'mempoolAlloc')
  const all = fullMask(gfp)
  let mask = gentleMask(gfp)
  for (;;) {
    const fresh = yield* allocElement(pool, mask)
    if (fresh !== null) return fresh
    assertLive(pool)
    const kept = takeReserve(pool)
    if (kept !== null) return kept
    if (mask !== all) {
      mask = all
      continue
    }
    if ((gfp & __GFP_WAIT) === 0) return null
    // Nothing runs between the look into the reserve and joining the queue, so no wake-up is lost.
    yield* sleepOn(pool.waiters, pool.pools.clock.now + MEMPOOL_WAIT_NS)
    assertLive(pool)
  }
}

/**
 * `mempoolAlloc` for callers that may not sleep here. Without __GFP_WAIT it is the whole function.
 *
 * @returns   an element; null without __GFP_WAIT; WouldSleep with it, and then nothing was changed
 */
export function mempoolAllocTry<T, D>(pool: Mempool<T, D>, gfp: number): T | null | WouldSleep {
  checkRequest(pool, gfp)
  const gentle = gentleMask(gfp)
  const all = fullMask(gfp)
  const fresh = allocElementNow(pool, gentle) ?? takeReserve(pool)
  if (fresh !== null) return fresh
  if (all === gentle) return null
  const second = pool.source.allocTry(all, pool.data)
  if (second === WouldSleep) return WouldSleep
  const element = second ?? takeReserve(pool)
  if (element !== null) return element
  return (gfp & __GFP_WAIT) !== 0 ? WouldSleep : null
}

const fullMask = (gfp: number): number => gfp | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN
const gentleMask = (gfp: number): number => fullMask(gfp) & ~(__GFP_WAIT | __GFP_IO)

function checkRequest<T, D>(pool: Mempool<T, D>, gfp: number): void {
  assertLive(pool)
  kassert(!pool.lock.isHeld, 'the source of a mempool is called without its lock')
  if ((gfp & __GFP_ZERO) !== 0) pool.pools.warnOnce('mempool_alloc: __GFP_ZERO is not supported')
}

function takeReserve<T, D>(pool: Mempool<T, D>): T | null {
  pool.lock.acquire()
  const element = popElementLocked(pool)
  pool.lock.release()
  return element
}

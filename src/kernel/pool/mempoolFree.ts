import { assertLive, pushElementLocked } from './mempool.ts'
import type { Mempool } from './mempool.ts'

/**
 * Gives an element back: into the reserve while that is not full, and then everyone who waits for one is woken; to the
 * source otherwise. Any element refills the reserve, wherever it came from. Null does nothing.
 *
 * @locks   does not sleep; wakes the sleepers of mempoolAlloc
 * @manual  mempool_free(9), Linux
 */
export function mempoolFree<T, D>(element: T | null, pool: Mempool<T, D>): void {
  if (element === null) return
  assertLive(pool)
  // The manual's pair of barriers is this: one thread, so that the count below is never older than any pop.
  if (pool.currNr < pool.minNr) {
    pool.lock.acquire()
    pushElementLocked(pool, element)
    pool.lock.release()
    pool.waiters.wakeAll()
    return
  }
  pool.source.free(element, pool.data)
}

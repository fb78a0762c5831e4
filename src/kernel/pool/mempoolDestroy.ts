import { assertLive, popElementLocked } from './mempool.ts'
import type { Mempool } from './mempool.ts'

/**
 * Destroys a memory pool: frees the elements in reserve, newest first. Elements still out are not its business; their
 * holders free them by other means. Null does nothing.
 *
 * @locks   does not sleep
 * @manual  mempool_destroy(9), Linux
 */
export function mempoolDestroy<T, D>(pool: Mempool<T, D> | null): void {
  if (pool === null) return
  assertLive(pool)
  while (pool.currNr > 0) pool.source.free(popElementLocked(pool) as T, pool.data)
  pool.isDestroyed = true
  pool.elements = []
  pool.minNr = 0
  pool.pools.mempools.delete(pool as unknown as Mempool<unknown, unknown>)
}

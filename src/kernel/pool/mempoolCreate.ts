import { kassert, WouldSleep } from '../../base/index.ts'
import type { Sleep } from '../../base/index.ts'
import { __GFP_WAIT, GFP_KERNEL } from '../phys/index.ts'
import { Mempool, MEMPOOL_BYTES, MEMPOOL_SLOT_BYTES, pushElementLocked } from './mempool.ts'
import type { ElementSource } from './mempool.ts'
import { mempoolDestroy } from './mempoolDestroy.ts'
import { assertMaySleep } from './context.ts'
import type { Pools } from './pools.ts'

/**
 * Creates a memory pool and fills its reserve.
 *
 * The source is asked exactly `minNr` times, with GFP_KERNEL unmodified; at the first refusal what was made is freed
 * in reverse order. With `minNr` 0 there is no reserve, and nothing guarantees progress.
 *
 * @param minNr   elements kept in reserve, >= 0
 * @param data    handed to the source (the manual's pool_data)
 * @returns       the pool, or null if there is no memory
 * @locks         may sleep
 * @manual        mempool_create(9), Linux
 */
export function* mempoolCreate<T, D>(
  pools: Pools,
  minNr: number,
  source: ElementSource<T, D>,
  data: D,
): Sleep<Mempool<T, D> | null> {
  assertMaySleep(pools, 'mempoolCreate')
  return yield* mempoolCreateNode(pools, minNr, source, data, GFP_KERNEL)
}

/**
 * As `mempoolCreate`, with flags for the elements. The manual's node only says where the descriptor lies,
 * and descriptors lie outside simulated RAM.
 *
 * @locks   sleeps only if `gfp` has __GFP_WAIT
 * @manual  mempool_create_node(9), Linux
 */
export function* mempoolCreateNode<T, D>(
  pools: Pools,
  minNr: number,
  source: ElementSource<T, D>,
  data: D,
  gfp: number,
): Sleep<Mempool<T, D> | null> {
  kassert(Number.isInteger(minNr) && minNr >= 0, 'the reserve of a mempool is not negative')
  if (!pools.reserve('mempool', MEMPOOL_BYTES)) return null
  if (!pools.reserve('mempool elements', minNr * MEMPOOL_SLOT_BYTES)) return null
  const pool = new Mempool(pools, source, data, minNr)
  pools.mempools.add(pool as unknown as Mempool<unknown, unknown>)
  while (pool.currNr < minNr) {
    const element = yield* allocElement(pool, gfp)
    if (element === null) {
      mempoolDestroy(pool)
      return null
    }
    pushElementLocked(pool, element)
  }
  return pool
}

/** Asks the source once, with exactly these flags. */
export function* allocElement<T, D>(pool: Mempool<T, D>, gfp: number): Sleep<T | null> {
  kassert(!pool.lock.isHeld, 'the source of a mempool is called without its lock')
  return (gfp & __GFP_WAIT) !== 0 ? yield* pool.source.alloc(gfp, pool.data) : allocElementNow(pool, gfp)
}

/** Asks the source once, with flags that do not allow it to sleep. */
export function allocElementNow<T, D>(pool: Mempool<T, D>, gfp: number): T | null {
  const element = pool.source.allocTry(gfp, pool.data)
  if (element === WouldSleep) kassert(false, 'without __GFP_WAIT an allocation does not sleep')
  return element as T | null
}

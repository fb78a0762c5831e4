import { ENOMEM, kassert } from '../../base/index.ts'
import type { OrErr, Sleep } from '../../base/index.ts'
import { __GFP_WAIT } from '../phys/index.ts'
import { assertLive, MEMPOOL_SLOT_BYTES, popElementLocked, pushElementLocked } from './mempool.ts'
import type { Mempool } from './mempool.ts'
import { allocElement } from './mempoolCreate.ts'
import { assertMaySleep } from './context.ts'

/**
 * Changes the size of the reserve. Shrinking frees what is too much, newest first; growing asks the source for the
 * difference, and if it has none leaves the rest to later frees. Growth wakes nobody.
 *
 * Others may allocate and free meanwhile, also resize; nobody may destroy the pool.
 *
 * @param newMinNr  elements kept in reserve from now on, > 0
 * @param gfp       flags for the new elements
 * @errors          ENOMEM: no room for the larger array; the pool is unchanged
 * @locks           sleeps if `gfp` has __GFP_WAIT; calls the source without locks
 * @manual          mempool_resize(9), Linux
 */
export function* mempoolResize<T, D>(pool: Mempool<T, D>, newMinNr: number, gfp: number): Sleep<OrErr<0>> {
  assertLive(pool)
  kassert(Number.isInteger(newMinNr) && newMinNr > 0, 'a mempool is resized to at least one element')
  if ((gfp & __GFP_WAIT) !== 0) assertMaySleep(pool.pools, 'mempoolResize')
  if (newMinNr <= pool.minNr) return shrink(pool, newMinNr)
  return yield* grow(pool, newMinNr, gfp)
}

function shrink<T, D>(pool: Mempool<T, D>, newMinNr: number): 0 {
  pool.lock.acquire()
  while (pool.currNr > newMinNr) {
    const element = popElementLocked(pool) as T
    pool.lock.release()
    pool.source.free(element, pool.data)
    pool.lock.acquire()
  }
  pool.minNr = newMinNr
  pool.lock.release()
  return 0
}

function* grow<T, D>(pool: Mempool<T, D>, newMinNr: number, gfp: number): Sleep<OrErr<0>> {
  if (!pool.pools.reserve('mempool elements', newMinNr * MEMPOOL_SLOT_BYTES)) return ENOMEM
  pool.lock.acquire()
  while (pool.elements.length < newMinNr) pool.elements.push(null)
  pool.minNr = newMinNr
  while (pool.currNr < pool.minNr) {
    pool.lock.release()
    const element = yield* allocElement(pool, gfp)
    if (element === null) return 0
    pool.lock.acquire()
    if (pool.currNr < pool.minNr) {
      pushElementLocked(pool, element)
      continue
    }
    // Frees, or another resize, were faster.
    pool.lock.release()
    pool.source.free(element, pool.data)
    return 0
  }
  pool.lock.release()
  return 0
}

// A memory pool: a reserve of elements for those who must make progress when memory is gone.
//
//   elements   [ e1 | e2 | e3 | -- ]      a stack: last in, first out
//                           ^    ^
//                      currNr-1  minNr-1  (the array may be longer after shrinking)

import { kassert, RANK_MAILBOX, SpinLock, WaitQueue } from '../../base/index.ts'
import type { Sleep, WouldSleep } from '../../base/index.ts'
import type { Pools } from './pools.ts'

/**
 * Where the elements of a pool come from and go to: the manual's alloc_fn and free_fn.
 * None is called with the pool's lock held.
 */
export interface ElementSource<T, D> {
  /** May not sleep. Answers WouldSleep only if `gfp` has __GFP_WAIT. */
  allocTry(gfp: number, data: D): T | null | WouldSleep
  /** Called only if `gfp` has __GFP_WAIT. */
  alloc(gfp: number, data: D): Sleep<T | null>
  free(element: T, data: D): void
  /** Debugging: marks an element as it enters the reserve; checked when it leaves. */
  poison?(element: T, data: D): void
  isPoisoned?(element: T, data: D): boolean
}

export class Mempool<T, D> {
  readonly pools: Pools
  readonly source: ElementSource<T, D>
  /** The manual's pool_data, handed to the source. */
  readonly data: D
  /** Guards elements, currNr and minNr. A leaf: nothing is called while it is held. */
  readonly lock = new SpinLock(RANK_MAILBOX, 'mempool')
  readonly waiters = new WaitQueue('mempool')
  minNr: number
  currNr = 0
  elements: (T | null)[]
  isDestroyed = false
  constructor(pools: Pools, source: ElementSource<T, D>, data: D, minNr: number) {
    this.pools = pools
    this.source = source
    this.data = data
    this.minNr = minNr
    this.elements = Array.from({ length: minNr }, () => null)
  }
}

/** Bytes a real kernel would take for the descriptor, and for each slot of the array. */
export const MEMPOOL_BYTES = 88
export const MEMPOOL_SLOT_BYTES = 8

export function assertLive(pool: { readonly isDestroyed: boolean }): void {
  kassert(!pool.isDestroyed, 'a destroyed mempool is not used')
}

/** Puts an element into the reserve. Lock held, room left. */
export function pushElementLocked<T, D>(pool: Mempool<T, D>, element: T): void {
  kassert(pool.currNr < pool.minNr, 'a mempool keeps at most minNr elements')
  if (pool.pools.isDebugging) pool.source.poison?.(element, pool.data)
  pool.elements[pool.currNr++] = element
}

/** Takes the newest element of the reserve, or null. Lock held. */
export function popElementLocked<T, D>(pool: Mempool<T, D>): T | null {
  if (pool.currNr === 0) return null
  const element = pool.elements[--pool.currNr] as T
  pool.elements[pool.currNr] = null
  if (pool.pools.isDebugging && pool.source.isPoisoned?.(element, pool.data) === false)
    pool.pools.warn('mempool: an element of the reserve was written to')
  return element
}

/** Checks the invariants of one pool. */
export function verifyMempool(pool: Mempool<unknown, unknown>): void {
  kassert(!pool.lock.isHeld, 'the lock of a mempool is free between calls')
  kassert(pool.currNr >= 0 && pool.currNr <= pool.minNr, 'a mempool keeps at most minNr elements')
  kassert(pool.elements.length >= pool.minNr, 'the array of a mempool has minNr slots')
  pool.elements.forEach((element, i) =>
    kassert((element !== null) === i < pool.currNr, 'exactly the slots below currNr hold elements'),
  )
  const kept = pool.elements.slice(0, pool.currNr)
  kassert(new Set(kept).size === kept.length, 'no element is twice in the reserve of a mempool')
}

import { kassert } from '../../base/index.ts'
import { verifyDmaPool } from './dmaPool.ts'
import { verifyKmemCache } from './kmemCache.ts'
import { verifyMempool } from './mempool.ts'
import type { Pools } from './pools.ts'

/** Recomputes every invariant of the room's door; throws KernelPanic naming the one that is broken. */
export function verify(pools: Pools): void {
  let frames = 0
  for (const cache of pools.caches) {
    verifyKmemCache(cache)
    frames += cache.slabs.size * 2 ** cache.order
  }
  kassert(frames === pools.slabOfFrame.size, 'the frames that name a slab are those of the slabs')
  for (const frame of pools.largeOrders.keys()) {
    kassert(!pools.slabOfFrame.has(frame), 'a large block is not a slab', `frame ${frame}`)
  }
  for (const pool of pools.mempools) verifyMempool(pool)
  for (const pool of pools.dmaPools) verifyDmaPool(pool)
}

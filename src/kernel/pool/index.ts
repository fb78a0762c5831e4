/**
 * pool: memory in small pieces, and memory for those who must not fail.
 *
 *   KmemCache   objects of one size, in pages of simulated RAM (kmalloc: by size classes)
 *   Mempool     a reserve of elements on top of any source, so that I/O makes progress when memory is gone
 *   DmaPool     blocks of coherent memory that do not cross a boundary; managed ones die with their Device
 *
 *   mempool --(slab, kmalloc, pages)--> KmemCache --> PageSource (the phys room)
 *   DmaPool --> CoherentMemory -----------------------^
 *
 * `poolsOver(phys)` makes the room's state for a booted machine; `new Pools(…)` over any other source of pages.
 *
 * Descriptors lie outside simulated RAM (physical specification, 0.2); the objects, and the links of free objects and
 * blocks, lie in it. All addresses given out are in the direct map.
 *
 * Invariants, recomputed by `verify`:
 * - Every slot of a slab is free or in use; the links in RAM name each free one exactly once.
 * - Exactly the slabs with a free slot are on the list of their cache.
 * - Each frame of a slab names it in `slabOfFrame`, and no other frame does.
 * - A mempool holds at most minNr elements, each once, in the slots below currNr.
 * - Every block of a DMA page is free or in use; the chain in RAM has no cycle and names only offsets of blocks.
 * - No page behind `newestWithRoom` of a DMA pool has a free block.
 * Deliberately absent: pages of a DMA pool are never given back before the pool is destroyed; a mempool never hands
 * out its reserve while its source still gives.
 *
 * Locks: each cache, mempool and DMA pool has a spin lock, a leaf: no source, constructor or free function is called
 * with it held. `Pools.registration` is a sleeping mutex around the lists of DMA pools of all devices.
 *
 * Manual: mempool_create, mempool_destroy, mempool_alloc, mempool_free, mempool_resize, dma_pool_create,
 * dma_pool_destroy, dma_pool_alloc, dma_pool_free, dmam_pool_create, dmam_pool_destroy (Linux); slab and kmalloc.
 */
export { Pools } from './pools.ts'
export type { PoolsConfig } from './pools.ts'
export type { Bookkeeping, BookkeepingKind, PageSource, RamBytes, Running } from './sources.ts'
export { physPages, poolsOver } from './physPools.ts'
export { verify } from './verify.ts'

export { KmemCache } from './kmemCache.ts'
export type { Constructor } from './kmemCache.ts'
export {
  SLAB_CACHE_DMA,
  SLAB_HWCACHE_ALIGN,
  SLAB_PANIC,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
} from './kmemCache.ts'
export { kmemCacheCreate } from './kmemCacheCreate.ts'
export { kmemCacheAlloc, kmemCacheAllocTry } from './kmemCacheAlloc.ts'
export { kmemCacheFree } from './kmemCacheFree.ts'
export { kmemCacheDestroy, kmemCacheShrink } from './kmemCacheShrink.ts'
export { kfree, kmalloc, kmallocTry, KMALLOC_MAX, ksize, ZERO_SIZE_PTR } from './kmalloc.ts'
export { slabinfo } from './slabinfo.ts'

export { Mempool } from './mempool.ts'
export type { ElementSource } from './mempool.ts'
export { mempoolCreate, mempoolCreateNode } from './mempoolCreate.ts'
export { mempoolCreateKmallocPool, mempoolCreatePagePool, mempoolCreateSlabPool } from './mempoolStock.ts'
export { mempoolDestroy } from './mempoolDestroy.ts'
export { mempoolAlloc, mempoolAllocTry, MEMPOOL_WAIT_NS } from './mempoolAlloc.ts'
export { mempoolFree } from './mempoolFree.ts'
export { mempoolResize } from './mempoolResize.ts'

export { DmaPool, dmaPoolInfo } from './dmaPool.ts'
export { dmaPoolCreate } from './dmaPoolCreate.ts'
export { dmaPoolDestroy } from './dmaPoolDestroy.ts'
export { dmaPoolAlloc, dmaPoolAllocTry } from './dmaPoolAlloc.ts'
export { dmaPoolFree } from './dmaPoolFree.ts'
export { dmamPoolCreate, dmamPoolDestroy } from './dmamPool.ts'
export { directCoherent } from './coherent.ts'
export type { CoherentMemory, DmaHandle } from './coherent.ts'
export { attachResource, Device, deviceDetach, removeResource } from './device.ts'
export type { DeviceConfig, DeviceFiles, DeviceResource } from './device.ts'

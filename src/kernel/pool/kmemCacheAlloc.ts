import { isErr, kassert, panic, vaddr, WouldSleep } from '../../base/index.ts'
import type { OrErr, Pfn, Sleep, Vaddr } from '../../base/index.ts'
import { assertMaySleep } from './context.ts'
import {
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  __GFP_RECLAIMABLE,
  __GFP_WAIT,
  __GFP_ZERO,
} from '../phys/index.ts'
import {
  isUsed,
  LINK_END,
  listSlab,
  POISON_END,
  POISON_FREE,
  POISON_INUSE,
  readLink,
  RED_ACTIVE,
  RED_INACTIVE,
  RED_ZONE_BYTES,
  Slab,
  SLAB_BYTES,
  SLAB_CACHE_DMA,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  slotOffset,
  unlistSlab,
  writeLink,
} from './kmemCache.ts'
import type { KmemCache } from './kmemCache.ts'
import { frameAddress, isBacked } from './ram.ts'

/**
 * Allocates an object: the one freed last of the first slab that has one; else out of a new slab.
 *
 * @param gfp   zone bits are ignored, the cache says where its pages come from; __GFP_ZERO clears the object, unless
 *              the cache has a constructor
 * @returns     kernel address of the object, in the direct map; null if there is no memory
 * @locks       sleeps if `gfp` has __GFP_WAIT
 * @manual      kmem_cache_alloc(9), Linux
 */
export function* kmemCacheAlloc(cache: KmemCache, gfp: number): Sleep<Vaddr | null> {
  if ((gfp & __GFP_WAIT) !== 0) assertMaySleep(cache.pools, 'kmemCacheAlloc')
  if (cache.partial === null) {
    if (!cache.pools.reserve('slab', SLAB_BYTES)) return null
    const block = yield* cache.pools.pages.allocPages(pageFlags(cache, gfp), cache.order)
    if (!addSlab(cache, block)) return null
  }
  return takeObject(cache, gfp)
}

/** `kmemCacheAlloc` for callers that may not sleep here; WouldSleep only with __GFP_WAIT, and then nothing has changed. */
export function kmemCacheAllocTry(cache: KmemCache, gfp: number): Vaddr | null | WouldSleep {
  if (cache.partial === null) {
    if (!cache.pools.reserve('slab', SLAB_BYTES)) return null
    const block = cache.pools.pages.allocPagesTry(pageFlags(cache, gfp), cache.order)
    if (block === WouldSleep) return WouldSleep
    if (!addSlab(cache, block)) return null
  }
  return takeObject(cache, gfp)
}

function pageFlags(cache: KmemCache, gfp: number): number {
  let flags = gfp & ~(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_RECLAIMABLE | __GFP_ZERO)
  if ((cache.flags & SLAB_CACHE_DMA) !== 0) flags |= __GFP_DMA
  if ((cache.flags & SLAB_RECLAIM_ACCOUNT) !== 0) flags |= __GFP_RECLAIMABLE
  return flags
}

/** Makes a block of pages a slab, all slots free in order of address. False if there was no block. */
function addSlab(cache: KmemCache, block: OrErr<Pfn>): boolean {
  const { pools } = cache
  if (isErr(block)) return false
  kassert(!cache.isDestroyed, 'a destroyed cache is not used', cache.name)
  if (!isBacked(pools, block, cache.order)) {
    pools.pages.freePages(block, cache.order)
    return false
  }
  const slab = new Slab(cache, block, frameAddress(pools, block), pools.ram.frameOffset(block))
  const last = cache.objectsPerSlab - 1
  for (let slot = 0; slot <= last; slot++) {
    if (cache.construct === null) dressFree(slab, slot)
    else cache.construct(vaddr(slab.va + slot * cache.stride))
    if ((cache.flags & SLAB_RED_ZONE) !== 0) fillRedZone(slab, slot, RED_INACTIVE)
    writeLink(slab, slot, slot === last ? LINK_END : slot + 1)
  }
  const frames = 2 ** cache.order
  for (let i = 0; i < frames; i++) pools.slabOfFrame.set(block + i, slab)
  pools.pages.markSlab?.(block, cache.order, true, (cache.flags & SLAB_RECLAIM_ACCOUNT) !== 0)
  cache.lock.acquire()
  cache.slabs.add(slab)
  cache.nrEmptySlabs++
  listSlab(slab)
  cache.lock.release()
  return true
}

function takeObject(cache: KmemCache, gfp: number): Vaddr {
  const { pools } = cache
  cache.lock.acquire()
  const slab = cache.partial!
  const slot = slab.firstFree
  if (slot >= cache.objectsPerSlab || isUsed(slab, slot)) panic('the free list of a slab is whole', cache.name)
  const offset = slotOffset(slab, slot)
  if ((cache.flags & (SLAB_POISON | SLAB_RED_ZONE)) !== 0) checkAndDressUsed(slab, slot)
  slab.firstFree = readLink(slab, slot)
  slab.used[slot >>> 5]! |= 1 << (slot & 31)
  if (slab.inUse++ === 0) cache.nrEmptySlabs--
  cache.nrObjects++
  if (slab.inUse === cache.objectsPerSlab) unlistSlab(slab)
  cache.lock.release()
  if ((gfp & __GFP_ZERO) !== 0 && cache.construct === null) pools.ram.u8.fill(0, offset, offset + cache.objectSize)
  const va = vaddr(slab.va + slot * cache.stride)
  if (pools.trace.on) {
    pools.trace.emit('kmem_cache_alloc', {
      call_site: 0,
      ptr: va,
      bytes_req: cache.objectSize,
      bytes_alloc: cache.stride,
      gfp_flags: gfp,
    })
  }
  return va
}

/** Fills a free object, if the cache does that. */
export function dressFree(slab: Slab, slot: number): void {
  const { cache } = slab
  if ((cache.flags & SLAB_POISON) === 0) return
  const offset = slotOffset(slab, slot)
  const u8 = cache.pools.ram.u8
  u8.fill(POISON_FREE, offset, offset + cache.objectSize - 1)
  u8[offset + cache.objectSize - 1] = POISON_END
}

export function fillRedZone(slab: Slab, slot: number, value: number): void {
  const offset = slotOffset(slab, slot) + slab.cache.objectSize
  slab.cache.pools.ram.u8.fill(value, offset, offset + RED_ZONE_BYTES)
}

/** Warns, in the words of slab debugging, if the red zone of an object is not all `value`. */
export function checkRedZone(slab: Slab, slot: number, value: number): void {
  const { cache } = slab
  const offset = slotOffset(slab, slot) + cache.objectSize
  for (let i = 0; i < RED_ZONE_BYTES; i++) {
    if (cache.pools.ram.u8[offset + i] === value) continue
    cache.pools.warn(`BUG ${cache.name}: Redzone overwritten`)
    return
  }
}

function checkAndDressUsed(slab: Slab, slot: number): void {
  const { cache } = slab
  if ((cache.flags & SLAB_RED_ZONE) !== 0) {
    checkRedZone(slab, slot, RED_INACTIVE)
    fillRedZone(slab, slot, RED_ACTIVE)
  }
  if ((cache.flags & SLAB_POISON) === 0 || cache.construct !== null) return
  const offset = slotOffset(slab, slot)
  const u8 = cache.pools.ram.u8
  const last = cache.objectSize - 1
  for (let i = 0; i <= last; i++) {
    if (u8[offset + i] === (i === last ? POISON_END : POISON_FREE)) continue
    cache.pools.warn(`BUG ${cache.name}: Poison overwritten`)
    break
  }
  u8.fill(POISON_INUSE, offset, offset + cache.objectSize)
}

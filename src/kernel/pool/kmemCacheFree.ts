import { kassert, panic } from '../../base/index.ts'
import type { Vaddr } from '../../base/index.ts'
import { checkRedZone, dressFree, fillRedZone } from './kmemCacheAlloc.ts'
import {
  isUsed,
  KEPT_EMPTY_SLABS,
  listSlab,
  RED_ACTIVE,
  RED_INACTIVE,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  unlistSlab,
  writeLink,
} from './kmemCache.ts'
import type { KmemCache, Slab } from './kmemCache.ts'
import { frameOfAddress } from './ram.ts'

/**
 * Frees an object of the cache. Null does nothing. Panics if the address is no object in use of this cache: a second
 * free, another cache's object, the middle of one, or no slab at all.
 *
 * @locks   does not sleep
 * @manual  kmem_cache_free(9), Linux
 */
export function kmemCacheFree(cache: KmemCache, va: Vaddr | null): void {
  if (va === null) return
  const slab = cache.pools.slabOfFrame.get(frameOfAddress(cache.pools, va))
  if (slab === undefined) panic('an object that is freed lies in a slab', cache.name)
  if (slab.cache !== cache) panic('an object is freed to its own cache', `${slab.cache.name}, not ${cache.name}`)
  if (cache.pools.trace.on) cache.pools.trace.emit('kmem_cache_free', { call_site: 0, ptr: va })
  freeObject(slab, va)
}

/** Puts an object back into its slab. */
export function freeObject(slab: Slab, va: Vaddr): void {
  const { cache } = slab
  const distance = va - slab.va
  const slot = Math.floor(distance / cache.stride)
  kassert(
    distance === slot * cache.stride && slot < cache.objectsPerSlab,
    'an object is freed by its first byte',
    cache.name,
  )
  if (!isUsed(slab, slot)) panic('an object is freed once', cache.name)
  cache.lock.acquire()
  if ((cache.flags & SLAB_RED_ZONE) !== 0) {
    checkRedZone(slab, slot, RED_ACTIVE)
    fillRedZone(slab, slot, RED_INACTIVE)
  }
  if (cache.construct === null) dressFree(slab, slot)
  writeLink(slab, slot, slab.firstFree)
  slab.firstFree = slot
  slab.used[slot >>> 5]! &= ~(1 << (slot & 31))
  cache.nrObjects--
  if (!slab.isListed) listSlab(slab)
  const isSpare = --slab.inUse === 0 && ++cache.nrEmptySlabs > KEPT_EMPTY_SLABS
  cache.lock.release()
  if (isSpare) dropSlab(slab)
}

/** Gives the pages of an empty slab back. */
export function dropSlab(slab: Slab): void {
  const { cache } = slab
  const { pools } = cache
  kassert(slab.inUse === 0, 'only an empty slab is given back', cache.name)
  cache.lock.acquire()
  unlistSlab(slab)
  cache.slabs.delete(slab)
  cache.nrEmptySlabs--
  cache.lock.release()
  const frames = 2 ** cache.order
  for (let i = 0; i < frames; i++) pools.slabOfFrame.delete(slab.frame + i)
  pools.pages.markSlab?.(slab.frame, cache.order, false, (cache.flags & SLAB_RECLAIM_ACCOUNT) !== 0)
  pools.pages.freePages(slab.frame, cache.order)
}

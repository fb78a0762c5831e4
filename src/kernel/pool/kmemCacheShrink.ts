import { kassert } from '../../base/index.ts'
import type { KmemCache } from './kmemCache.ts'
import { dropSlab } from './kmemCacheFree.ts'

/**
 * Gives the pages of all empty slabs back.
 *
 * @returns  slabs that remain; 0 says that all were released
 * @locks    does not sleep
 * @manual   kmem_cache_shrink(9), Linux
 */
export function kmemCacheShrink(cache: KmemCache): number {
  for (const slab of cache.slabs) if (slab.inUse === 0) dropSlab(slab)
  return cache.slabs.size
}

/**
 * Ends a cache. If objects are still in use it warns, and they and their slabs stay valid for ever. Null does nothing.
 *
 * @locks   does not sleep
 * @manual  kmem_cache_destroy(9), Linux
 */
export function kmemCacheDestroy(cache: KmemCache | null): void {
  if (cache === null) return
  const { pools } = cache
  kassert(!cache.isDestroyed, 'a cache is destroyed once', cache.name)
  if (kmemCacheShrink(cache) > 0) {
    pools.warn(`kmem_cache_destroy ${cache.name}: Slab cache still has objects`)
    return
  }
  cache.isDestroyed = true
  pools.caches.splice(pools.caches.indexOf(cache), 1)
}

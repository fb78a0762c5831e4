// The stock sources of elements: a slab cache, kmalloc, whole pages.

import { isErr, kassert, PAGE_SIZE, WouldSleep } from '../../base/index.ts'
import type { Pfn, Sleep, Vaddr } from '../../base/index.ts'
import { kfree, kmalloc, kmallocTry } from './kmalloc.ts'
import { POISON_END, POISON_FREE } from './kmemCache.ts'
import type { KmemCache } from './kmemCache.ts'
import { kmemCacheAlloc, kmemCacheAllocTry } from './kmemCacheAlloc.ts'
import { kmemCacheFree } from './kmemCacheFree.ts'
import { mempoolCreate } from './mempoolCreate.ts'
import type { ElementSource, Mempool } from './mempool.ts'
import type { Pools } from './pools.ts'
import { fillRam, findOther, frameAddress, ramOffset } from './ram.ts'

/** Elements are objects of the cache in `data`. */
const slabSource: ElementSource<Vaddr, KmemCache> = {
  allocTry: (gfp, cache) => kmemCacheAllocTry(cache, gfp),
  alloc: (gfp, cache) => kmemCacheAlloc(cache, gfp),
  free: (element, cache) => kmemCacheFree(cache, element),
  poison: (element, cache) => poison(cache.pools, element, cache.objectSize),
  isPoisoned: (element, cache) => isPoisoned(cache.pools, element, cache.objectSize),
}

/** Elements are kmalloc memory of `data` bytes. */
function kmallocSource(pools: Pools): ElementSource<Vaddr, number> {
  return {
    allocTry: (gfp, bytes) => kmallocTry(pools, bytes, gfp),
    alloc: (gfp, bytes) => kmalloc(pools, bytes, gfp),
    free: (element) => kfree(pools, element),
    poison: (element, bytes) => poison(pools, element, bytes),
    isPoisoned: (element, bytes) => isPoisoned(pools, element, bytes),
  }
}

/** Elements are blocks of 2^`data` pages. */
function pageSource(pools: Pools): ElementSource<Pfn, number> {
  const pages = pools.pages
  return {
    allocTry(gfp, order) {
      const block = pages.allocPagesTry(gfp, order)
      return block !== WouldSleep && isErr(block) ? null : block
    },
    *alloc(gfp, order): Sleep<Pfn | null> {
      const block = yield* pages.allocPages(gfp, order)
      return isErr(block) ? null : block
    },
    free: (block, order) => pages.freePages(block, order),
    poison: (block, order) => poison(pools, frameAddress(pools, block), PAGE_SIZE * 2 ** order),
    isPoisoned: (block, order) => isPoisoned(pools, frameAddress(pools, block), PAGE_SIZE * 2 ** order),
  }
}

/**
 * A pool of objects of a slab cache.
 *
 * @param cache  without constructor: elements of the reserve do not keep its work
 * @manual       mempool_create_slab_pool(9), Linux
 */
export function* mempoolCreateSlabPool(
  pools: Pools,
  minNr: number,
  cache: KmemCache,
): Sleep<Mempool<Vaddr, KmemCache> | null> {
  kassert(cache.construct === null, 'the cache of a mempool has no constructor', cache.name)
  return yield* mempoolCreate(pools, minNr, slabSource, cache)
}

/**
 * A pool of kmalloc memory.
 *
 * @param bytes  size of an element
 * @manual       mempool_create_kmalloc_pool(9), Linux
 */
export function* mempoolCreateKmallocPool(
  pools: Pools,
  minNr: number,
  bytes: number,
): Sleep<Mempool<Vaddr, number> | null> {
  return yield* mempoolCreate(pools, minNr, kmallocSource(pools), bytes)
}

/**
 * A pool of blocks of 2^order pages; an element is the first frame's number.
 *
 * @manual  mempool_create_page_pool(9), Linux
 */
export function* mempoolCreatePagePool(pools: Pools, minNr: number, order: number): Sleep<Mempool<Pfn, number> | null> {
  return yield* mempoolCreate(pools, minNr, pageSource(pools), order)
}

/** Elements in reserve are filled with 0x6b, the last byte 0xa5 (debugging). */
function poison(pools: Pools, va: Vaddr, bytes: number): void {
  fillRam(pools, va, bytes - 1, POISON_FREE)
  pools.ram.u8[ramOffset(pools, va + bytes - 1)] = POISON_END
}

function isPoisoned(pools: Pools, va: Vaddr, bytes: number): boolean {
  return (
    findOther(pools, va, bytes - 1, POISON_FREE) < 0 && pools.ram.u8[ramOffset(pools, va + bytes - 1)] === POISON_END
  )
}

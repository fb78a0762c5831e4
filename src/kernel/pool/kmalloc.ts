// Memory of any size: slab caches by size class, whole blocks of pages above the largest one.

import { isErr, kassert, PAGE_SIZE, panic, vaddr, WouldSleep } from '../../base/index.ts'
import type { OrErr, Pfn, Sleep, Vaddr } from '../../base/index.ts'
import { assertMaySleep } from './context.ts'
import { __GFP_DMA, __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_WAIT, __GFP_ZERO } from '../phys/index.ts'
import { kmemCacheAlloc, kmemCacheAllocTry } from './kmemCacheAlloc.ts'
import { kmemCacheCreate } from './kmemCacheCreate.ts'
import { freeObject } from './kmemCacheFree.ts'
import { SLAB_CACHE_DMA, SLAB_PANIC } from './kmemCache.ts'
import type { KmemCache } from './kmemCache.ts'
import type { Pools } from './pools.ts'
import { fillRam, frameAddress, frameOfAddress, isBacked, MAX_BLOCK_ORDER, orderOf } from './ram.ts'

/** What kmalloc(0) gives: an address that may be freed and not be touched. */
export const ZERO_SIZE_PTR = vaddr(16)
/** Objects up to this size come from a cache. */
export const KMALLOC_CACHE_MAX = 8192
export const KMALLOC_MAX = PAGE_SIZE * 2 ** MAX_BLOCK_ORDER

/** Sizes of the general-purpose caches. */
export const KMALLOC_SIZES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192] as const

/** Index in KMALLOC_SIZES of the smallest class that holds `bytes`. */
export function kmallocClass(bytes: number): number {
  if (bytes <= 64) return bytes <= 8 ? 0 : 29 - Math.clz32(bytes - 1)
  if (bytes <= 128) return bytes <= 96 ? 4 : 5
  if (bytes <= 192) return 6
  return 31 - Math.clz32(bytes - 1)
}

/**
 * Allocates `bytes` bytes of kernel memory, physically contiguous, aligned to 8 bytes at least and, for sizes that are
 * powers of two, to their size.
 *
 * @param gfp   __GFP_DMA takes from the DMA zone; __GFP_ZERO clears
 * @returns     direct-map address; ZERO_SIZE_PTR for 0 bytes; null if there is no memory or `bytes` is above 4 MiB
 * @locks       sleeps if `gfp` has __GFP_WAIT
 * @manual      kmalloc(9), Linux
 */
export function* kmalloc(pools: Pools, bytes: number, gfp: number): Sleep<Vaddr | null> {
  if (bytes === 0) return ZERO_SIZE_PTR
  if (bytes <= KMALLOC_CACHE_MAX) return yield* kmemCacheAlloc(cacheFor(pools, bytes, gfp), gfp)
  if ((gfp & __GFP_WAIT) !== 0) assertMaySleep(pools, 'kmalloc')
  if (!(bytes <= KMALLOC_MAX)) return null
  const order = orderOf(bytes)
  return giveLarge(pools, yield* pools.pages.allocPages(largeFlags(gfp), order), order, bytes, gfp)
}

/** `kmalloc` for callers that may not sleep here; WouldSleep only with __GFP_WAIT, and then nothing has changed. */
export function kmallocTry(pools: Pools, bytes: number, gfp: number): Vaddr | null | WouldSleep {
  if (bytes === 0) return ZERO_SIZE_PTR
  if (bytes <= KMALLOC_CACHE_MAX) return kmemCacheAllocTry(cacheFor(pools, bytes, gfp), gfp)
  if (!(bytes <= KMALLOC_MAX)) return null
  const order = orderOf(bytes)
  const block = pools.pages.allocPagesTry(largeFlags(gfp), order)
  return block === WouldSleep ? WouldSleep : giveLarge(pools, block, order, bytes, gfp)
}

/**
 * Frees what kmalloc gave. Null and ZERO_SIZE_PTR do nothing. Panics at any other address that kmalloc did not give,
 * or that was freed already.
 *
 * @locks   does not sleep
 * @manual  kfree(9), Linux
 */
export function kfree(pools: Pools, va: Vaddr | null): void {
  if (va === null || va === ZERO_SIZE_PTR) return
  if (pools.trace.on) pools.trace.emit('kfree', { call_site: 0, ptr: va })
  const frame = frameOfAddress(pools, va)
  const slab = pools.slabOfFrame.get(frame)
  if (slab !== undefined) {
    freeObject(slab, va)
    return
  }
  const order = pools.largeOrders.get(frame)
  if (order === undefined || va !== frameAddress(pools, frame)) panic('kfree is given what kmalloc gave, once')
  pools.largeOrders.delete(frame)
  pools.pages.freePages(frame, order)
}

/**
 * Bytes that may really be used of what kmalloc gave; 0 for ZERO_SIZE_PTR.
 *
 * @manual  ksize(9), Linux
 */
export function ksize(pools: Pools, va: Vaddr): number {
  if (va === ZERO_SIZE_PTR) return 0
  const frame = frameOfAddress(pools, va)
  const slab = pools.slabOfFrame.get(frame)
  if (slab !== undefined) return slab.cache.objectSize
  const order = pools.largeOrders.get(frame)
  if (order === undefined) panic('ksize is given what kmalloc gave')
  return PAGE_SIZE * 2 ** order
}

function cacheFor(pools: Pools, bytes: number, gfp: number): KmemCache {
  kassert(bytes > 0, 'a size is not negative')
  const zone = (gfp & __GFP_DMA) !== 0 ? 1 : 0
  const size = kmallocClass(bytes)
  return pools.kmallocCaches[zone]![size] ?? makeClass(pools, zone, size)
}

function makeClass(pools: Pools, zone: number, size: number): KmemCache {
  const bytes = KMALLOC_SIZES[size]!
  const name = `${zone === 1 ? 'dma-' : ''}kmalloc-${bytes}`
  // Powers of two are aligned to themselves, also with a red zone behind them.
  const align = Number.isInteger(Math.log2(bytes)) ? Math.min(bytes, PAGE_SIZE) : 0
  const cache = kmemCacheCreate(pools, name, bytes, align, SLAB_PANIC | (zone === 1 ? SLAB_CACHE_DMA : 0))!
  pools.kmallocCaches[zone]![size] = cache
  return cache
}

const largeFlags = (gfp: number): number => gfp & ~(__GFP_HIGHMEM | __GFP_MOVABLE | __GFP_ZERO)

function giveLarge(pools: Pools, block: OrErr<Pfn>, order: number, bytes: number, gfp: number): Vaddr | null {
  if (isErr(block)) return null
  if (!isBacked(pools, block, order)) {
    pools.pages.freePages(block, order)
    return null
  }
  const va = frameAddress(pools, block)
  pools.largeOrders.set(block, order)
  if ((gfp & __GFP_ZERO) !== 0) fillRam(pools, va, PAGE_SIZE * 2 ** order, 0)
  if (pools.trace.on) {
    pools.trace.emit('kmalloc', {
      call_site: 0,
      ptr: va,
      bytes_req: bytes,
      bytes_alloc: PAGE_SIZE * 2 ** order,
      gfp_flags: gfp,
    })
  }
  return va
}

import { PAGE_SIZE, panic } from '../../base/index.ts'
import {
  CACHE_BYTES,
  CACHE_LINE,
  KmemCache,
  LINK_BYTES,
  RED_ZONE_BYTES,
  SLAB_HWCACHE_ALIGN,
  SLAB_PANIC,
  SLAB_POISON,
  SLAB_RED_ZONE,
} from './kmemCache.ts'
import type { Constructor, SlotGeometry } from './kmemCache.ts'
import type { Pools } from './pools.ts'
import { isPowerOfTwo, roundUp } from './ram.ts'

/** Objects start at least at multiples of this, so that the link is an aligned word. */
const ALIGN_MIN = 8
/** A slab is contiguous in the machine's memory up to this order. */
const SLAB_ORDER_MAX = 9
/** Slabs above this order are hard to get; they are taken only for objects that need them. */
const SLAB_ORDER_WANTED = 3
/** At most this part of a slab may be waste before a larger order is tried. */
const WASTE = 1 / 8

/**
 * Creates a cache of objects of one size. Takes no pages yet.
 *
 * @param objectSize  bytes, > 0, at most 2 MiB
 * @param align       a power of two; 0 means 8
 * @param flags       SLAB_… ; when the room debugs, SLAB_POISON and SLAB_RED_ZONE are added
 * @param construct   called for each object when its slab is made, or null
 * @returns           the cache; null if an argument is wrong or there is no memory (with SLAB_PANIC: panics)
 * @locks             does not sleep: descriptors lie outside simulated RAM
 * @manual            kmem_cache_create(9), Linux
 */
export function kmemCacheCreate(
  pools: Pools,
  name: string,
  objectSize: number,
  align = 0,
  flags = 0,
  construct: Constructor | null = null,
): KmemCache | null {
  const allFlags = pools.isDebugging ? flags | SLAB_POISON | SLAB_RED_ZONE : flags
  const geometry = geometryOf(objectSize, align, allFlags, construct !== null)
  if (geometry === null || !pools.reserve('kmem_cache', CACHE_BYTES)) {
    if ((flags & SLAB_PANIC) !== 0) panic('a cache that the kernel needs can be created', name)
    return null
  }
  const cache = new KmemCache(pools, name, objectSize, align, allFlags, construct, geometry)
  pools.caches.push(cache)
  return cache
}

/** How the slots of a cache lie in its slabs, or null if that is impossible. */
export function geometryOf(
  objectSize: number,
  align: number,
  flags: number,
  hasConstructor: boolean,
): SlotGeometry | null {
  if (!Number.isInteger(objectSize) || objectSize <= 0) return null
  if (align !== 0 && !isPowerOfTwo(align)) return null
  let alignment = Math.max(ALIGN_MIN, align)
  if ((flags & SLAB_HWCACHE_ALIGN) !== 0) alignment = Math.max(alignment, lineAlign(objectSize))
  let bytes = roundUp(objectSize, LINK_BYTES)
  if ((flags & SLAB_RED_ZONE) !== 0) bytes = objectSize + RED_ZONE_BYTES
  let linkOffset = 0
  if (hasConstructor || (flags & (SLAB_POISON | SLAB_RED_ZONE)) !== 0) {
    linkOffset = roundUp(bytes, LINK_BYTES)
    bytes = linkOffset + LINK_BYTES
  }
  const stride = roundUp(bytes, alignment)
  const order = slabOrder(stride)
  if (order > SLAB_ORDER_MAX) return null
  return { stride, linkOffset, order, objectsPerSlab: Math.floor((PAGE_SIZE * 2 ** order) / stride) }
}

/** Small objects may share a line, but none straddles one. */
function lineAlign(objectSize: number): number {
  let align = CACHE_LINE
  while (objectSize <= align / 2) align /= 2
  return align
}

/** The smallest order that wastes little; else the smallest that holds one object. */
function slabOrder(stride: number): number {
  for (let order = 0; order <= SLAB_ORDER_WANTED; order++) {
    const bytes = PAGE_SIZE * 2 ** order
    if (bytes >= stride && bytes % stride <= bytes * WASTE) return order
  }
  let order = 0
  while (PAGE_SIZE * 2 ** order < stride) order++
  return order
}

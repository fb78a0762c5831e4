// A slab cache: objects of one size, in simulated RAM, cut out of blocks of 2^order pages.
//
//   slab, in RAM (stride 64):    0        64       128      192
//                                [ 2 | … ][in use ][ 3 | … ][ END… ]    firstFree = 0
//
//   one slot of a cache with constructor, poison or red zone:
//
//   [ object, objectSize bytes | red zone, 8 | link, 4 | padding to the stride ]
//
//   and without any of them the link lies in the object's own first 4 bytes while that is free.
//
// The link is the number of the next free slot. It lies in RAM, where a write to a freed object breaks it; the bitmap
// of the slab lies outside and tells, so that a broken link, a second free and a foreign pointer are noticed at once.

import { kassert, RANK_MAILBOX, SpinLock } from '../../base/index.ts'
import type { Pfn, Vaddr } from '../../base/index.ts'
import type { Pools } from './pools.ts'

/** Objects start at a cache line. */
export const SLAB_HWCACHE_ALIGN = 0x2000
/** The pages come from the DMA zone. */
export const SLAB_CACHE_DMA = 0x4000
/** The objects can be reclaimed: their pages are grouped with others that can. */
export const SLAB_RECLAIM_ACCOUNT = 0x20000
/** Free objects are filled with 0x6b, the last byte 0xa5, and checked when handed out. */
export const SLAB_POISON = 0x800
/** Eight bytes behind each object tell whether somebody wrote past its end. */
export const SLAB_RED_ZONE = 0x400
/** Failing to create the cache panics. */
export const SLAB_PANIC = 0x40000

export const POISON_FREE = 0x6b
export const POISON_END = 0xa5
/** A fresh object that nobody has written to yet (debugging). */
export const POISON_INUSE = 0x5a
export const RED_INACTIVE = 0xbb
export const RED_ACTIVE = 0xcc
export const RED_ZONE_BYTES = 8

/** Link of the last free slot. */
export const LINK_END = 0xffffffff
export const LINK_BYTES = 4
export const CACHE_LINE = 64
export const CACHE_BYTES = 256
export const SLAB_BYTES = 64
/** Empty slabs a cache keeps, so that one object coming and going does not move pages. */
export const KEPT_EMPTY_SLABS = 1

/** Called once for each object when its slab is made; a freed object must be left as the constructor left it. */
export type Constructor = (va: Vaddr) => void

export class Slab {
  readonly cache: KmemCache
  readonly frame: Pfn
  /** Kernel address of slot 0. */
  readonly va: Vaddr
  /** The same as an offset in the machine's memory; a slab is at most 2^9 pages and so contiguous there. */
  readonly base: number
  /** Bit i: slot i is in use. */
  readonly used: Uint32Array
  inUse = 0
  firstFree = 0
  // List of the slabs with a free slot; both null and not `isListed` when full.
  next: Slab | null = null
  prev: Slab | null = null
  isListed = false
  constructor(cache: KmemCache, frame: Pfn, va: Vaddr, base: number) {
    this.cache = cache
    this.frame = frame
    this.va = va
    this.base = base
    this.used = new Uint32Array((cache.objectsPerSlab + 31) >>> 5)
  }
}

export class KmemCache {
  readonly pools: Pools
  readonly name: string
  readonly objectSize: number
  readonly align: number
  readonly flags: number
  readonly construct: Constructor | null
  /** Bytes from one object to the next. */
  readonly stride: number
  /** Where in a slot the link lies. */
  readonly linkOffset: number
  /** A slab has 2^order pages. */
  readonly order: number
  readonly objectsPerSlab: number
  /** Guards the slabs and their free lists. A leaf: pages come and go without it. */
  readonly lock = new SpinLock(RANK_MAILBOX, 'kmem_cache')
  readonly slabs = new Set<Slab>()
  /** First slab with a free slot. */
  partial: Slab | null = null
  nrObjects = 0
  nrEmptySlabs = 0
  isDestroyed = false
  constructor(
    pools: Pools,
    name: string,
    objectSize: number,
    align: number,
    flags: number,
    construct: Constructor | null,
    geometry: SlotGeometry,
  ) {
    this.pools = pools
    this.name = name
    this.objectSize = objectSize
    this.align = align
    this.flags = flags
    this.construct = construct
    this.stride = geometry.stride
    this.linkOffset = geometry.linkOffset
    this.order = geometry.order
    this.objectsPerSlab = geometry.objectsPerSlab
  }
}

export interface SlotGeometry {
  readonly stride: number
  readonly linkOffset: number
  readonly order: number
  readonly objectsPerSlab: number
}

export const isUsed = (slab: Slab, slot: number): boolean => (slab.used[slot >>> 5]! & (1 << (slot & 31))) !== 0

/** Offset of a slot in the machine's memory. */
export const slotOffset = (slab: Slab, slot: number): number => slab.base + slot * slab.cache.stride

export const readLink = (slab: Slab, slot: number): number =>
  slab.cache.pools.view.getUint32(slotOffset(slab, slot) + slab.cache.linkOffset, true)
export const writeLink = (slab: Slab, slot: number, link: number): void =>
  slab.cache.pools.view.setUint32(slotOffset(slab, slot) + slab.cache.linkOffset, link, true)

/** Puts a slab at the front of the list of those with a free slot. */
export function listSlab(slab: Slab): void {
  const cache = slab.cache
  slab.next = cache.partial
  slab.prev = null
  if (cache.partial !== null) cache.partial.prev = slab
  cache.partial = slab
  slab.isListed = true
}

export function unlistSlab(slab: Slab): void {
  const cache = slab.cache
  if (slab.prev === null) cache.partial = slab.next
  else slab.prev.next = slab.next
  if (slab.next !== null) slab.next.prev = slab.prev
  slab.next = null
  slab.prev = null
  slab.isListed = false
}

/** Checks the invariants of one cache. */
export function verifyKmemCache(cache: KmemCache): void {
  const { name, pools } = cache
  kassert(!cache.lock.isHeld, 'the lock of a cache is free between calls', name)
  let objects = 0
  let empty = 0
  let listed = 0
  for (const slab of cache.slabs) {
    objects += slab.inUse
    if (slab.inUse === 0) empty++
    if (slab.isListed) listed++
    kassert(slab.isListed === slab.inUse < cache.objectsPerSlab, 'exactly the slabs with a free slot are listed', name)
    verifyFreeList(slab)
    for (let i = 0; i < 2 ** cache.order; i++) {
      kassert(pools.slabOfFrame.get(slab.frame + i) === slab, 'each frame of a slab names it', name)
    }
  }
  kassert(objects === cache.nrObjects, 'nrObjects counts the objects in use', name)
  kassert(empty === cache.nrEmptySlabs, 'nrEmptySlabs counts the empty slabs', name)
  let prev: Slab | null = null
  for (let slab = cache.partial; slab !== null; slab = slab.next) {
    kassert(slab.prev === prev && cache.slabs.has(slab) && listed-- > 0, 'the list of partial slabs is whole', name)
    prev = slab
  }
  kassert(listed === 0, 'the list of partial slabs is whole', name)
}

/** The chain in RAM names each slot that the bitmap calls free, once. */
function verifyFreeList(slab: Slab): void {
  const { name, objectsPerSlab } = slab.cache
  const seen = new Set<number>()
  for (let slot = slab.firstFree; slot !== LINK_END; slot = readLink(slab, slot)) {
    kassert(slot < objectsPerSlab && !isUsed(slab, slot) && !seen.has(slot), 'a free list names free slots once', name)
    seen.add(slot)
  }
  kassert(seen.size + slab.inUse === objectsPerSlab, 'every slot of a slab is free or in use', name)
  let bits = 0
  for (let slot = 0; slot < objectsPerSlab; slot++) if (isUsed(slab, slot)) bits++
  kassert(bits === slab.inUse, 'inUse counts the slots in use', name)
}

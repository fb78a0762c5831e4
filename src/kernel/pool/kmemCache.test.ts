import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KernelPanic, vaddr, WouldSleep, type Vaddr } from '../../base/index.ts'
import { geometryOf } from './kmemCacheCreate.ts'
import { __GFP_DMA, __GFP_HIGHMEM, __GFP_RECLAIMABLE, __GFP_ZERO, GFP_ATOMIC, GFP_KERNEL } from '../phys/index.ts'
import { handMade, runAwake } from './handMade.ts'
import {
  kmemCacheAlloc,
  kmemCacheAllocTry,
  kmemCacheCreate,
  kmemCacheDestroy,
  kmemCacheFree,
  kmemCacheShrink,
  SLAB_CACHE_DMA,
  SLAB_HWCACHE_ALIGN,
  SLAB_PANIC,
  SLAB_POISON,
  SLAB_RECLAIM_ACCOUNT,
  SLAB_RED_ZONE,
  slabinfo,
  verify,
  type Constructor,
  type KmemCache,
} from './index.ts'

/** A room with one cache. */
function cacheOf(
  objectSize: number,
  flags = 0,
  construct: Constructor | null = null,
  config: Parameters<typeof handMade>[0] = {},
) {
  const room = handMade(config)
  const cache = kmemCacheCreate(room.pools, 'thing', objectSize, 0, flags, construct)!
  const alloc = (): Vaddr => runAwake(kmemCacheAlloc(cache, GFP_KERNEL))!
  const pa = (va: Vaddr): number => va - room.pools.directMap
  return { ...room, cache, alloc, pa }
}

describe('kmemCacheCreate', () => {
  it('lays slots out so that nothing overlaps: for every size, alignment and option', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 21 - 64 }))
    const flags = fc.constantFrom(0, SLAB_HWCACHE_ALIGN, SLAB_POISON, SLAB_RED_ZONE, SLAB_POISON | SLAB_RED_ZONE)
    const aligns = fc.integer({ min: -1, max: 12 }).map((n) => (n < 0 ? 0 : 2 ** n))
    fc.assert(
      fc.property(sizes, aligns, flags, fc.boolean(), (size, align, options, hasConstructor) => {
        const geometry = geometryOf(size, align, options, hasConstructor)
        if (geometry === null) return expect(size).toBeGreaterThan(2 ** 21 - 8192)
        const { stride, linkOffset, order, objectsPerSlab } = geometry
        const redZone = (options & SLAB_RED_ZONE) !== 0 ? 8 : 0
        const isLinkOutside = hasConstructor || options === SLAB_POISON || redZone > 0
        if (isLinkOutside) expect(linkOffset).toBeGreaterThanOrEqual(size + redZone)
        expect(linkOffset % 4).toBe(0)
        expect(stride).toBeGreaterThanOrEqual(Math.max(size + redZone, linkOffset + 4))
        expect(stride % Math.max(8, align)).toBe(0)
        expect(objectsPerSlab).toBeGreaterThanOrEqual(1)
        expect(objectsPerSlab * stride).toBeLessThanOrEqual(4096 * 2 ** order)
        // Hardware alignment: an object of at most a line does not straddle two.
        if (options === SLAB_HWCACHE_ALIGN && size <= 64)
          for (let i = 0; i < 64; i++)
            expect(Math.floor((i * stride) / 64)).toBe(Math.floor((i * stride + size - 1) / 64))
      }),
    )
  })
  it('answers null to sizes and alignments that cannot be, or panics if the kernel needs the cache', () => {
    const { pools } = handMade()
    for (const [size, align] of [
      [0, 0],
      [-8, 0],
      [1.5, 0],
      [NaN, 0],
      [64, 3],
      [2 ** 21 + 1, 0],
    ] as const)
      expect(kmemCacheCreate(pools, 'x', size, align)).toBeNull()
    expect(() => kmemCacheCreate(pools, 'x', 0, 0, SLAB_PANIC)).toThrow(KernelPanic)
    expect(pools.caches).toEqual([])
  })
  it('takes no page before the first object', () => {
    const { pages, alloc } = cacheOf(64)
    expect(pages.nrFree).toBe(4096)
    alloc()
    expect(pages.nrFree).toBe(4095)
  })
})

describe('kmemCacheAlloc', () => {
  it('gives the objects of a slab in order of address, and the one freed last again', () => {
    const { cache, alloc, pools, pages } = cacheOf(64)
    const objects = Array.from({ length: 64 }, alloc)
    expect(objects.map((va) => va - objects[0]!)).toEqual(objects.map((_, i) => i * 64))
    expect(cache.slabs.size).toBe(1)
    alloc()
    expect(cache.slabs.size).toBe(2)
    for (const i of [5, 9]) kmemCacheFree(cache, objects[i]!)
    expect([alloc(), alloc()]).toEqual([objects[9], objects[5]])
    expect(pages.slabFrames.size).toBe(2)
    verify(pools)
  })
  it('links free objects in simulated RAM, where a write to a freed object breaks the list', () => {
    const { cache, alloc, memory, pa, pools } = cacheOf(64)
    const [a, b] = [alloc(), alloc()]
    kmemCacheFree(cache, b)
    kmemCacheFree(cache, a)
    expect(memory.read32(pa(a))).toBe(1)
    expect(memory.read32(pa(b))).toBe(2)
    memory.write32(pa(a), 77_000)
    expect(() => verify(pools)).toThrow('a free list names free slots once')
    alloc()
    expect(() => alloc()).toThrow('the free list of a slab is whole')
  })
  it('clears the object with __GFP_ZERO, but not what a constructor made', () => {
    const plain = cacheOf(64)
    plain.memory.writeBytes(0, new Uint8Array(4096).fill(0xff))
    const va = runAwake(kmemCacheAlloc(plain.cache, GFP_KERNEL | __GFP_ZERO))!
    expect([...plain.memory.readBytes(plain.pa(va), 64)].every((byte) => byte === 0)).toBe(true)
    const built = cacheOf(64, 0, (object) => built.memory.write32(built.pa(object), 42))
    const object = runAwake(kmemCacheAlloc(built.cache, GFP_KERNEL | __GFP_ZERO))!
    expect(built.memory.read32(built.pa(object))).toBe(42)
  })
  it('constructs each object once, when its slab is made, and keeps what was constructed', () => {
    const seen: number[] = []
    const { cache, alloc, memory, pa, pools } = cacheOf(100, 0, (va) => {
      seen.push(va)
      memory.write32(pa(va), 42)
    })
    const a = alloc()
    expect(seen.length).toBe(cache.objectsPerSlab)
    expect(new Set(seen).size).toBe(seen.length)
    kmemCacheFree(cache, a)
    expect(memory.read32(pa(a))).toBe(42)
    expect(alloc()).toBe(a)
    expect(seen.length).toBe(cache.objectsPerSlab)
    verify(pools)
  })
  it('is null when there are no pages or no descriptor, and would sleep if it may', () => {
    const { cache, pages, bookkeeping, pools } = cacheOf(64)
    pages.isFailing = true
    expect(kmemCacheAllocTry(cache, GFP_KERNEL)).toBeNull()
    pages.sleepsWhenEmpty = true
    expect(kmemCacheAllocTry(cache, GFP_KERNEL)).toBe(WouldSleep)
    expect(kmemCacheAllocTry(cache, GFP_ATOMIC)).toBeNull()
    pages.isFailing = false
    bookkeeping.refused = 'slab'
    expect(kmemCacheAllocTry(cache, GFP_KERNEL)).toBeNull()
    expect(pages.nrFree).toBe(4096)
    verify(pools)
  })
  it('asks for pages as the cache says, whatever zone the caller names', () => {
    const asked = (flags: number): number => {
      const { cache, pages } = cacheOf(64, flags)
      runAwake(kmemCacheAlloc(cache, GFP_KERNEL | __GFP_HIGHMEM | __GFP_DMA))
      return pages.requests[0]!.gfp
    }
    expect(asked(0)).toBe(GFP_KERNEL)
    expect(asked(SLAB_CACHE_DMA)).toBe(GFP_KERNEL | __GFP_DMA)
    expect(asked(SLAB_RECLAIM_ACCOUNT)).toBe(GFP_KERNEL | __GFP_RECLAIMABLE)
  })
  it('treats RAM that the host cannot back as none', () => {
    const backed = (frame: number): number => (frame < 1 ? frame * 4096 : -1)
    const bytes = new Uint8Array(4096)
    const { pools, pages } = handMade({
      ram: { u8: bytes, frameOffset: backed },
    })
    const cache = kmemCacheCreate(pools, 'x', 2048)!
    expect(kmemCacheAllocTry(cache, GFP_KERNEL)).not.toBeNull()
    expect(kmemCacheAllocTry(cache, GFP_KERNEL)).not.toBeNull()
    expect(kmemCacheAllocTry(cache, GFP_KERNEL)).toBeNull()
    expect(pages.nrFree).toBe(4095)
  })
  it('traces who came and went', () => {
    const { cache, alloc, trace } = cacheOf(100)
    const lines: string[] = []
    trace.attach((name, fields) => lines.push(`${name} ${fields['bytes_req'] ?? ''}/${fields['bytes_alloc'] ?? ''}`))
    kmemCacheFree(cache, alloc())
    expect(lines).toEqual(['kmem_cache_alloc 100/104', 'kmem_cache_free /'])
  })
})

describe('kmemCacheFree', () => {
  it('panics at a second free, a foreign object, the middle of one, and what is no slab at all', () => {
    const { cache, alloc, pools } = cacheOf(64)
    const other = kmemCacheCreate(pools, 'other', 64)!
    const [a, b] = [alloc(), alloc()]
    const foreign = runAwake(kmemCacheAlloc(other, GFP_KERNEL))!
    kmemCacheFree(cache, a)
    expect(() => kmemCacheFree(cache, a)).toThrow('an object is freed once')
    expect(() => kmemCacheFree(cache, foreign)).toThrow('an object is freed to its own cache: other, not thing')
    expect(() => kmemCacheFree(cache, vaddr(b + 8))).toThrow('an object is freed by its first byte')
    expect(() => kmemCacheFree(cache, vaddr(b + 40960))).toThrow('lies in a slab')
    kmemCacheFree(cache, null)
    verify(pools)
  })
  it('keeps one empty slab and gives the others back', () => {
    const { cache, alloc, pages, pools } = cacheOf(2048)
    const objects = Array.from({ length: 8 }, alloc)
    expect(pages.nrFree).toBe(4092)
    for (const va of objects) kmemCacheFree(cache, va)
    expect(cache.slabs.size).toBe(1)
    expect(pages.nrFree).toBe(4095)
    expect(pages.slabFrames.size).toBe(1)
    expect(kmemCacheShrink(cache)).toBe(0)
    expect(pages.nrFree).toBe(4096)
    verify(pools)
  })
})

describe('kmemCacheDestroy', () => {
  it('gives everything back, or warns about the objects that are left and keeps them', () => {
    const { cache, alloc, pages, pools } = cacheOf(64)
    const a = alloc()
    kmemCacheDestroy(cache)
    expect(pools.log).toEqual(['kmem_cache_destroy thing: Slab cache still has objects'])
    kmemCacheFree(cache, a)
    kmemCacheDestroy(cache)
    expect(pages.nrFree).toBe(4096)
    expect(pools.caches).toEqual([])
    expect(() => alloc()).toThrow('a destroyed cache is not used')
    kmemCacheDestroy(null)
  })
})

describe('debugging of slabs', () => {
  it('tells a write behind an object, and a write to a free one', () => {
    const { cache, alloc, memory, pa, pools } = cacheOf(60, SLAB_POISON | SLAB_RED_ZONE)
    const a = alloc()
    expect(memory.read8(pa(a))).toBe(0x5a)
    memory.write8(pa(a) + 60, 1)
    kmemCacheFree(cache, a)
    expect(pools.log).toEqual(['BUG thing: Redzone overwritten'])
    expect(memory.read8(pa(a))).toBe(0x6b)
    expect(memory.read8(pa(a) + 59)).toBe(0xa5)
    memory.write8(pa(a) + 30, 1)
    expect(alloc()).toBe(a)
    expect(pools.log.slice(1)).toEqual(['BUG thing: Poison overwritten'])
    kmemCacheFree(cache, a)
    alloc()
    expect(pools.log.length).toBe(2)
    verify(pools)
  })
})

describe('slabinfo', () => {
  it('prints a line for each cache, newest first', () => {
    const { pools, alloc } = cacheOf(64)
    alloc()
    kmemCacheCreate(pools, 'empty', 4096)
    const lines = slabinfo(pools).split('\n')
    expect(lines[0]).toBe('slabinfo - version: 2.1')
    expect(lines[2]).toBe(
      'empty                  0      0   4096    1    1 : tunables    0    0    0 : slabdata      0      0      0',
    )
    expect(lines[3]).toBe(
      'thing                  1     64     64   64    1 : tunables    0    0    0 : slabdata      1      1      0',
    )
  })
})

describe('slab caches under any sequence of calls', () => {
  const anyStep = fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant('alloc' as const), n: fc.nat(2) }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant('free' as const), n: fc.nat(1000) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('drain' as const), n: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('shrink' as const), n: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('fail' as const), n: fc.integer({ min: 1, max: 2 }) }) },
  )
  it('keeps the bytes of every object, and returns every page at the end', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(anyStep, { maxLength: 200 }), (debug, steps) => {
        const { pools, pages, memory } = handMade({ debug, frames: 512 })
        const caches: KmemCache[] = [
          kmemCacheCreate(pools, 'small', 700)!,
          kmemCacheCreate(pools, 'large', 3000, 64)!,
          kmemCacheCreate(pools, 'built', 1000, 0, 0, (va) => memory.write8(va - pools.directMap + 999, 0xee))!,
        ]
        const out: { va: Vaddr; cache: KmemCache; mark: number }[] = []
        const release = (at: number): void => {
          const [object] = out.splice(at, 1)
          const { va, cache, mark } = object!
          const bytes = memory.readBytes(va - pools.directMap, cache.objectSize)
          const end = cache.construct === null ? cache.objectSize : 999
          expect(bytes.subarray(0, end).every((byte) => byte === mark)).toBe(true)
          kmemCacheFree(cache, va)
        }
        for (const [i, step] of steps.entries()) {
          if (step.op === 'alloc') {
            const cache = caches[step.n]!
            const needsPages = cache.partial === null
            const mayFail = pages.failAt === 1
            const va = kmemCacheAllocTry(cache, GFP_ATOMIC) as Vaddr | null
            expect(va === null).toBe(needsPages && mayFail)
            if (va === null) continue
            const pa = va - pools.directMap
            if (cache.construct !== null) expect(memory.read8(pa + 999)).toBe(0xee)
            const mark = i & 0xff
            memory.writeBytes(pa, new Uint8Array(cache.construct === null ? cache.objectSize : 999).fill(mark))
            out.push({ va, cache, mark })
          } else if (step.op === 'free') {
            if (out.length > 0) release(step.n % out.length)
          } else if (step.op === 'drain') {
            for (let at = out.length - 1; at >= 0; at--) if (out[at]!.cache === caches[step.n]) release(at)
            expect(caches[step.n]!.slabs.size).toBeLessThanOrEqual(1)
          } else if (step.op === 'shrink') {
            const cache = caches[step.n]!
            const isUsed = out.some((object) => object.cache === cache)
            expect(kmemCacheShrink(cache) > 0).toBe(isUsed)
          } else pages.failAt = step.n
          verify(pools)
          for (const cache of caches)
            expect(cache.nrObjects).toBe(out.filter((object) => object.cache === cache).length)
        }
        while (out.length > 0) release(0)
        for (const cache of caches) kmemCacheDestroy(cache)
        expect(pages.nrFree).toBe(512)
        expect(pools.log).toEqual([])
        verify(pools)
      }),
      { numRuns: 80 },
    )
  })
})

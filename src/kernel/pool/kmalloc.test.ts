import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { vaddr, WouldSleep, type Vaddr } from '../../base/index.ts'
import { __GFP_DMA, __GFP_ZERO, GFP_ATOMIC, GFP_KERNEL } from '../phys/index.ts'
import { kmallocClass, KMALLOC_SIZES } from './kmalloc.ts'
import { handMade, runAwake } from './handMade.ts'
import { kfree, kmalloc, KMALLOC_MAX, kmallocTry, ksize, verify, ZERO_SIZE_PTR } from './index.ts'

describe('kmallocClass', () => {
  it('is the smallest class that holds the size, for every size', () => {
    for (let bytes = 1; bytes <= 8192; bytes++)
      expect(kmallocClass(bytes)).toBe(KMALLOC_SIZES.findIndex((size) => size >= bytes))
  })
})

describe('kmalloc', () => {
  it('aligns powers of two to themselves, with and without debugging', () => {
    for (const debug of [false, true]) {
      const { pools } = handMade({ debug })
      for (const bytes of KMALLOC_SIZES) {
        const alignment = Number.isInteger(Math.log2(bytes)) ? Math.min(bytes, 4096) : 8
        for (let i = 0; i < 5; i++) {
          const va = runAwake(kmalloc(pools, bytes, GFP_KERNEL))!
          expect(Math.abs(va % alignment)).toBe(0)
          expect(ksize(pools, va)).toBe(bytes)
        }
      }
      verify(pools)
    }
  })
  it('takes whole pages above 8 KiB, up to 4 MiB', () => {
    const { pools, pages } = handMade()
    const va = runAwake(kmalloc(pools, 8193, GFP_KERNEL))!
    expect(ksize(pools, va)).toBe(16384)
    expect(pages.slabFrames.size).toBe(0)
    kfree(pools, va)
    const most = runAwake(kmalloc(pools, KMALLOC_MAX, GFP_KERNEL))!
    expect(ksize(pools, most)).toBe(KMALLOC_MAX)
    expect(runAwake(kmalloc(pools, KMALLOC_MAX + 1, GFP_KERNEL))).toBeNull()
    expect(runAwake(kmalloc(pools, NaN, GFP_KERNEL))).toBeNull()
    kfree(pools, most)
    expect(pages.nrFree).toBe(4096)
    verify(pools)
  })
  it('gives 0 bytes an address of their own, which may be freed', () => {
    const { pools, pages } = handMade()
    expect(runAwake(kmalloc(pools, 0, GFP_KERNEL))).toBe(ZERO_SIZE_PTR)
    expect(ksize(pools, ZERO_SIZE_PTR)).toBe(0)
    kfree(pools, ZERO_SIZE_PTR)
    kfree(pools, null)
    expect(pages.nrFree).toBe(4096)
  })
  it('has caches of their own for the DMA zone', () => {
    const { pools, pages } = handMade()
    runAwake(kmalloc(pools, 100, GFP_KERNEL | __GFP_DMA))
    runAwake(kmalloc(pools, 100, GFP_KERNEL))
    expect(pools.caches.map((cache) => cache.name)).toEqual(['dma-kmalloc-128', 'kmalloc-128'])
    expect(pages.requests.map((request) => request.gfp)).toEqual([GFP_KERNEL | __GFP_DMA, GFP_KERNEL])
  })
  it('clears what is asked to be cleared', () => {
    const { pools, memory } = handMade()
    for (const bytes of [100, 20_000]) {
      const dirty = runAwake(kmalloc(pools, bytes, GFP_KERNEL))!
      memory.writeBytes(dirty - pools.directMap, new Uint8Array(bytes).fill(0xff))
      kfree(pools, dirty)
      const clean = runAwake(kmalloc(pools, bytes, GFP_KERNEL | __GFP_ZERO))!
      expect(clean).toBe(dirty)
      expect(memory.readBytes(clean - pools.directMap, bytes).every((byte) => byte === 0)).toBe(true)
    }
  })
  it('treats RAM that the host cannot back as none', () => {
    const { pools, pages } = handMade({ ram: { u8: new Uint8Array(0), frameOffset: () => -1 } })
    expect(runAwake(kmalloc(pools, 10_000, GFP_KERNEL))).toBeNull()
    expect(pages.nrFree).toBe(4096)
    verify(pools)
  })
  it('is null without memory, would sleep if it may, and sleeps if it can', () => {
    const { pools, pages, spawn, settle } = handMade({ frames: 512 })
    const [all] = [runAwake(kmalloc(pools, 2 ** 21, GFP_KERNEL))!]
    expect(kmallocTry(pools, 100, GFP_KERNEL)).toBeNull()
    expect(kmallocTry(pools, 10_000, GFP_KERNEL)).toBeNull()
    pages.sleepsWhenEmpty = true
    expect(kmallocTry(pools, 100, GFP_KERNEL)).toBe(WouldSleep)
    expect(kmallocTry(pools, 10_000, GFP_KERNEL)).toBe(WouldSleep)
    expect(kmallocTry(pools, 10_000, GFP_ATOMIC)).toBeNull()
    const threads = [100, 10_000].map((bytes) => spawn(kmalloc(pools, bytes, GFP_KERNEL)))
    expect(threads.map((thread) => thread.isDone)).toEqual([false, false])
    kfree(pools, all)
    settle()
    for (const thread of threads) kfree(pools, thread.result)
    verify(pools)
  })
})

describe('kfree', () => {
  it('panics at what kmalloc did not give, and at what was freed', () => {
    const { pools } = handMade()
    const large = runAwake(kmalloc(pools, 10_000, GFP_KERNEL))!
    const small = runAwake(kmalloc(pools, 10, GFP_KERNEL))!
    expect(() => kfree(pools, vaddr(large + 4096))).toThrow('kfree is given what kmalloc gave, once')
    expect(() => kfree(pools, vaddr(large + 8))).toThrow('kfree is given what kmalloc gave, once')
    expect(() => kfree(pools, vaddr(small + 4))).toThrow('an object is freed by its first byte')
    kfree(pools, large)
    expect(() => kfree(pools, large)).toThrow('kfree is given what kmalloc gave, once')
    kfree(pools, small)
    expect(() => kfree(pools, small)).toThrow('an object is freed once')
    expect(() => ksize(pools, large)).toThrow('ksize is given what kmalloc gave')
  })
})

describe('kmalloc under any sequence of calls', () => {
  const anyBytes = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 300 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 9000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 8000, max: 70_000 }) },
  )
  const anyStep = fc.record({ bytes: fc.option(anyBytes, { freq: 2 }), which: fc.nat(1000) })
  it('gives each caller bytes of its own', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(anyStep, { maxLength: 150 }), (debug, steps) => {
        const { pools, memory, pages } = handMade({ debug, frames: 1024 })
        const out: { va: Vaddr; bytes: number; mark: number }[] = []
        const release = (at: number): void => {
          const [{ va, bytes, mark }] = out.splice(at, 1) as [(typeof out)[number]]
          expect(memory.readBytes(va - pools.directMap, bytes).every((byte) => byte === mark)).toBe(true)
          kfree(pools, va)
        }
        for (const [i, { bytes, which }] of steps.entries()) {
          if (bytes === null) {
            if (out.length > 0) release(which % out.length)
          } else {
            const va = kmallocTry(pools, bytes, GFP_ATOMIC)
            if (va === null || va === WouldSleep) continue
            expect(ksize(pools, va)).toBeGreaterThanOrEqual(bytes)
            memory.writeBytes(va - pools.directMap, new Uint8Array(bytes).fill(i & 0xff))
            out.push({ va, bytes, mark: i & 0xff })
          }
        }
        verify(pools)
        while (out.length > 0) release(0)
        verify(pools)
        expect(pools.log).toEqual([])
        expect(pools.largeOrders.size).toBe(0)
        // One empty slab stays in each cache.
        expect(pages.blocks.size).toBe(pools.caches.filter((cache) => cache.slabs.size === 1).length)
      }),
      { numRuns: 60 },
    )
  })
})

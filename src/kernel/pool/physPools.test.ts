import { describe, expect, it } from 'vitest'
import { isErr, kassert, MiB, Rng, type Vaddr } from '../../base/index.ts'
import { Machine, sv48 } from '../../machine/index.ts'
import {
  __GFP_DMA,
  bootPhys,
  freeCount,
  GFP_ATOMIC,
  GFP_KERNEL,
  NR_FREE_PAGES,
  NR_SLAB_RECLAIMABLE,
  NR_SLAB_UNRECLAIMABLE,
  PG_slab,
  verify as verifyPhys,
  type Phys,
} from '../phys/index.ts'
import { handMade, runAwake } from './handMade.ts'
import {
  Device,
  deviceDetach,
  dmamPoolCreate,
  dmaPoolAlloc,
  dmaPoolFree,
  kfree,
  kmalloc,
  kmallocTry,
  kmemCacheAlloc,
  kmemCacheAllocTry,
  kmemCacheCreate,
  kmemCacheDestroy,
  kmemCacheFree,
  mempoolAlloc,
  mempoolCreateKmallocPool,
  mempoolCreatePagePool,
  mempoolCreateSlabPool,
  mempoolDestroy,
  mempoolFree,
  mempoolResize,
  poolsOver,
  SLAB_RECLAIM_ACCOUNT,
  verify,
  type Pools,
} from './index.ts'

/** Machine S16 of the specification: 16 MiB, one zone. */
function s16(debug = false): { phys: Phys; pools: Pools; machine: Machine; nrFree: () => number } {
  const ram = [{ start: 0, end: 16 * MiB }]
  const machine = new Machine({ ram, cpus: 1, tlb: { entries: 16 }, format: sv48, seed: 1 })
  const phys = bootPhys(machine, { memory: ram, maxZonePfn: [0, 0, 4096, 0] })
  const nrFree = (): number => phys.populatedZones.reduce((sum, zone) => sum + zone.stat[NR_FREE_PAGES]!, 0)
  return { phys, pools: poolsOver(phys, { debug }), machine, nrFree }
}

describe('pools over the zones', () => {
  it('[physical K11] take and return whole blocks: two of order 1 on S16', () => {
    const { pools, phys, nrFree } = s16()
    expect(nrFree()).toBe(4096)
    const pool = runAwake(mempoolCreatePagePool(pools, 2, 1))!
    expect(nrFree()).toBe(4092)
    verifyPhys(phys)
    mempoolDestroy(pool)
    expect(nrFree()).toBe(4096)
    verifyPhys(phys)
  })
  it('mark slab pages and count them in their zone', () => {
    const { pools, phys, nrFree } = s16()
    const cache = kmemCacheCreate(pools, 'inode', 3000, 0, SLAB_RECLAIM_ACCOUNT)!
    const va = runAwake(kmemCacheAlloc(cache, GFP_KERNEL))!
    const plain = runAwake(kmalloc(pools, 100, GFP_KERNEL))!
    const zone = phys.populatedZones[0]!
    const pages = 2 ** cache.order
    expect([zone.stat[NR_SLAB_RECLAIMABLE], zone.stat[NR_SLAB_UNRECLAIMABLE]]).toEqual([pages, 1])
    const marked = [...phys.frames.flags].filter((flags) => (flags & PG_slab) !== 0)
    expect(marked.length).toBe(pages + 1)
    verifyPhys(phys)
    kmemCacheFree(cache, va)
    kmemCacheDestroy(cache)
    kfree(pools, plain)
    for (const each of pools.caches.toReversed()) kmemCacheDestroy(each)
    expect([zone.stat[NR_SLAB_RECLAIMABLE], zone.stat[NR_SLAB_UNRECLAIMABLE]]).toEqual([0, 0])
    expect(nrFree()).toBe(4096)
    expect(phys.log.warnings).toEqual([])
    verifyPhys(phys)
  })
  it('keep I/O going when memory is gone: the reserve is what is left', () => {
    const { pools, phys } = s16()
    const pool = runAwake(mempoolCreateKmallocPool(pools, 4, 4096))!
    const hoard: Vaddr[] = []
    for (;;) {
      const va = kmallocTry(pools, 4096, GFP_ATOMIC)
      if (va === null || typeof va === 'symbol') break
      hoard.push(va)
    }
    for (let round = 0; round < 3; round++) {
      const elements = [1, 2, 3, 4].map(() => runAwake(mempoolAlloc(pool, GFP_ATOMIC))!)
      expect(new Set(elements).size).toBe(4)
      expect(runAwake(mempoolAlloc(pool, GFP_ATOMIC))).toBeNull()
      for (const element of elements) mempoolFree(element, pool)
    }
    for (const va of hoard) kfree(pools, va)
    verify(pools)
    verifyPhys(phys)
  })
  it('take DMA memory from the zone that the device can reach', () => {
    const ram = [{ start: 0, end: 64 * MiB }]
    const machine = new Machine({ ram, cpus: 1, tlb: { entries: 16 }, format: sv48, seed: 1 })
    const phys = bootPhys(machine, { memory: ram })
    const pools = poolsOver(phys)
    const isa = new Device('isa', { coherentMask: 16 * MiB - 1 })
    const pool = runAwake(dmamPoolCreate(pools, 'ring', isa, 64, 64, 0))!
    const handle = { dma: 0 }
    const va = runAwake(dmaPoolAlloc(pool, GFP_KERNEL, handle))!
    expect(handle.dma).toBeLessThan(16 * MiB)
    expect(runAwake(kmalloc(pools, 64, GFP_KERNEL | __GFP_DMA))! - pools.directMap).toBeLessThan(16 * MiB)
    expect(runAwake(kmalloc(pools, 64, GFP_KERNEL))! - pools.directMap).toBeGreaterThan(16 * MiB)
    dmaPoolFree(pool, va, handle.dma)
    runAwake(deviceDetach(pools, isa))
    expect(pools.dmaPools.size).toBe(0)
    verifyPhys(phys)
  })
  it('and zones stay right under thousands of random calls', () => {
    const { pools, phys } = s16(true)
    const rng = new Rng(20261121)
    const cache = kmemCacheCreate(pools, 'thing', 1100)!
    const pool = runAwake(mempoolCreateSlabPool(pools, 8, cache))!
    const out: (() => void)[] = []
    for (let i = 0; i < 6000; i++) {
      const isFree = out.length > 0 && rng.below(100) < (i < 3000 ? 40 : 60)
      if (isFree) out.splice(rng.below(out.length), 1)[0]!()
      else if (rng.below(3) === 0) {
        const element = runAwake(mempoolAlloc(pool, GFP_ATOMIC))
        if (element !== null) out.push(() => mempoolFree(element, pool))
      } else if (rng.below(2) === 0) {
        const va = kmemCacheAllocTry(cache, GFP_ATOMIC)
        if (typeof va === 'number') out.push(() => kmemCacheFree(cache, va))
      } else {
        const va = kmallocTry(pools, 1 + rng.below(20_000), GFP_ATOMIC)
        if (typeof va === 'number') out.push(() => kfree(pools, va))
      }
      if (i % 500 === 0) {
        verify(pools)
        verifyPhys(phys)
      }
    }
    while (out.length > 0) out.pop()!()
    mempoolDestroy(pool)
    for (const each of pools.caches.toReversed()) kmemCacheDestroy(each)
    verify(pools)
    verifyPhys(phys)
    expect(freeCount(phys)).toBe(4096)
    expect(phys.log.warnings).toEqual([])
  })
})

/** A life of the room: makes one of everything, uses it, and undoes as much as succeeded. Answers whether all did. */
function life(pools: Pools): boolean {
  const undo: (() => void)[] = []
  const handle = { dma: 0 }
  const device = new Device('d')
  const steps: (() => boolean)[] = [
    () => {
      const cache = kmemCacheCreate(pools, 'thing', 500)
      if (cache === null) return false
      undo.push(() => kmemCacheDestroy(cache))
      const va = runAwake(kmemCacheAlloc(cache, GFP_KERNEL))
      undo.push(() => kmemCacheFree(cache, va))
      if (va === null) return false
      const pool = runAwake(mempoolCreateSlabPool(pools, 20, cache))
      undo.push(() => mempoolDestroy(pool))
      return pool !== null
    },
    () => {
      const pool = runAwake(mempoolCreatePagePool(pools, 2, 2))
      if (pool === null) return false
      undo.push(() => mempoolDestroy(pool))
      const block = runAwake(mempoolAlloc(pool, GFP_ATOMIC))
      undo.push(() => mempoolFree(block, pool))
      return block !== null && !isErr(runAwake(mempoolResize(pool, 4, GFP_KERNEL)))
    },
    () => {
      const pool = runAwake(dmamPoolCreate(pools, 'ring', device, 2048, 1, 0))
      if (pool === null) return false
      undo.push(() => runAwake(deviceDetach(pools, device)))
      for (let i = 0; i < 2; i++) {
        const va = runAwake(dmaPoolAlloc(pool, GFP_KERNEL, handle))
        if (va === null) return false
        const { dma } = handle
        undo.push(() => dmaPoolFree(pool, va, dma))
      }
      return true
    },
    () =>
      [7, 700, 70_000].every((bytes) => {
        const va = runAwake(kmalloc(pools, bytes, GFP_KERNEL))
        undo.push(() => kfree(pools, va))
        return va !== null
      }),
  ]
  const isComplete = steps.every((step) => step())
  verify(pools)
  for (const action of undo.toReversed()) action()
  for (const cache of pools.caches.toReversed()) kmemCacheDestroy(cache)
  verify(pools)
  return isComplete
}

describe('one failure anywhere', () => {
  it('leaks nothing when the n-th request for pages fails, for every n', () => {
    for (let n = 1; ; n++) {
      const { pools, pages } = handMade()
      pages.failAt = n
      const isComplete = life(pools)
      expect(pages.nrFree).toBe(4096)
      expect(pools.log).toEqual([])
      kassert(n < 100, 'the test ends')
      // Growing a mempool succeeds without pages, and mempools have a reserve: not every failure shows.
      if (pages.failAt > 0) {
        expect(isComplete).toBe(true)
        expect(n).toBeGreaterThan(10)
        return
      }
    }
  })
  it('leaks nothing when the n-th descriptor cannot be had, for every n', () => {
    for (let n = 1; ; n++) {
      const { pools, pages, bookkeeping } = handMade()
      bookkeeping.failAt = n
      let isComplete = false
      try {
        isComplete = life(pools)
      } catch (panic) {
        // The kernel does not run without its kmalloc caches.
        expect(panic).toMatchObject({ rule: 'a cache that the kernel needs can be created' })
        continue
      }
      expect(pages.nrFree).toBe(4096)
      kassert(n < 100, 'the test ends')
      if (bookkeeping.failAt > 0) return expect(isComplete).toBe(true)
      expect(isComplete).toBe(false)
    }
  })
})

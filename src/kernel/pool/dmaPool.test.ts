import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENOMEM, type Err, type Sleep, type Vaddr } from '../../base/index.ts'
import { readWord } from './ram.ts'
import { GFP_ATOMIC, GFP_KERNEL, __GFP_DMA, __GFP_DMA32 } from '../phys/index.ts'
import { handMade, runAwake } from './handMade.ts'
import {
  attachResource,
  Device,
  deviceDetach,
  dmamPoolCreate,
  dmamPoolDestroy,
  dmaPoolAlloc,
  dmaPoolAllocTry,
  dmaPoolCreate,
  dmaPoolDestroy,
  dmaPoolFree,
  verify,
  type DmaPool,
  type Pools,
} from './index.ts'

const handle = { dma: 0 }

/** A room with a device "d" and one pool on it. */
function poolOf(size: number, align: number, boundary: number, config: Parameters<typeof handMade>[0] = {}) {
  const room = handMade(config)
  const device = new Device('d')
  const pool = runAwake(dmaPoolCreate(room.pools, 'x', device, size, align, boundary))!
  const alloc = (): { va: Vaddr; dma: number } | null => {
    const va = runAwake(dmaPoolAlloc(pool, GFP_KERNEL, handle))
    return va === null ? null : { va, dma: handle.dma }
  }
  return { ...room, device, pool, alloc }
}
/** Offsets of every block of one page, in the order they are handed out. */
function blockOffsets(pool: DmaPool): number[] {
  const offsets: number[] = []
  for (;;) {
    const va = runAwake(dmaPoolAlloc(pool, GFP_KERNEL, handle))!
    if (pool.pages.length === 2) return offsets
    offsets.push(va - pool.pages[0]!.va)
  }
}
const create = (pools: Pools, name: string, device: Device, size: number, align: number, boundary: number) =>
  runAwake(dmaPoolCreate(pools, name, device, size, align, boundary))

// Size, alignment and boundary asked for; block size; number of blocks of a page; first offsets; last one.
const LAYOUTS: [number, number, number, number, number, number[], number][] = [
  [64, 64, 0, 64, 63, [0, 64, 128], 3968],
  [100, 16, 0, 112, 36, [0, 112, 224], 3920],
  [96, 32, 256, 96, 32, [0, 96, 256, 352], 3936],
  [128, 128, 256, 128, 16, [0, 256, 512], 3840],
  [48, 16, 64, 48, 64, [0, 64, 128], 4032],
  [1024, 1, 4096, 1024, 3, [0, 1024, 2048], 2048],
  [2048, 1, 0, 2048, 1, [0], 0],
  [4096, 0, 0, 4096, 1, [0], 0],
  [1, 1, 0, 4, 1023, [0, 4, 8], 4088],
  [24, 8, 4096, 24, 170, [0, 24, 48], 4056],
  [1500, 4, 4096, 1500, 2, [0, 1500], 1500],
  [5000, 8, 0, 5000, 1, [0], 0],
]

describe('dmaPoolCreate', () => {
  it('[physical L1] refuses what no block could be, and rounds the rest', () => {
    const { pools } = handMade()
    const device = new Device('d')
    expect(create(pools, 'x', device, 0, 1, 0)).toBeNull()
    expect(create(pools, 'x', device, 64, 3, 0)).toBeNull()
    expect(create(pools, 'x', device, 64, 1, 32)).toBeNull()
    expect(create(pools, 'x', device, 64, 1, 96)).toBeNull()
    expect(device.dmaPools).toEqual([])
    expect(create(pools, 'x', device, 3, 2, 0)).toMatchObject({ size: 4 })
    expect(create(pools, 'x', device, 10, 8, 0)).toMatchObject({ size: 16 })
    expect(create(pools, 'x', device, 5000, 8, 0)).toMatchObject({ size: 5000, allocation: 5000 })
    expect(pools.pages).toMatchObject({ nrFree: 4096 })
  })
  it('[physical L13] keeps 31 characters of the name', () => {
    const { pools } = handMade()
    const name = 'abcdefghij'.repeat(4)
    expect(create(pools, name, new Device('d'), 64, 64, 0)!.name).toBe(name.slice(0, 31))
  })
  it('[physical L10] makes the file "pools" with the first pool and removes it with the last', () => {
    const { pools } = handMade()
    const device = new Device('d')
    const a = create(pools, 'A', device, 64, 64, 0)!
    expect([...device.files.keys()]).toEqual(['pools'])
    for (let i = 0; i < 2; i++) runAwake(dmaPoolAlloc(a, GFP_KERNEL, handle))
    const b = create(pools, 'B', device, 100, 16, 0)!
    expect(device.files.get('pools')!()).toBe(
      'poolinfo - 0.1\n' + 'B                   0    0  112  0\n' + 'A                   2   64   64  1\n',
    )
    runAwake(dmaPoolDestroy(b))
    expect(device.files.size).toBe(1)
    runAwake(dmaPoolDestroy(a))
    expect(device.files.size).toBe(0)
    verify(pools)
  })
  it('undoes itself when the file cannot be made', () => {
    let isFull = true
    const { pools } = handMade({
      deviceFiles: {
        *create(): Sleep<0 | Err> {
          return isFull ? ENOMEM : 0
        },
        *remove(): Sleep<void> {},
      },
    })
    const device = new Device('d')
    expect(create(pools, 'x', device, 64, 64, 0)).toBeNull()
    expect(device.dmaPools).toEqual([])
    isFull = false
    expect(create(pools, 'x', device, 64, 64, 0)).not.toBeNull()
    verify(pools)
  })
  it('waits for another registration, and is refused where sleeping is not allowed', () => {
    const { pools, spawn, settle, running } = handMade()
    pools.registration.isHeld = true
    const thread = spawn(dmaPoolCreate(pools, 'x', new Device('d'), 64, 64, 0))
    expect(thread.isDone).toBe(false)
    pools.registration.release()
    settle()
    expect(thread.result).not.toBeNull()
    running.cpu.interruptLevel = 1
    expect(() => create(pools, 'y', new Device('e'), 64, 64, 0)).toThrow('where sleeping is allowed')
  })
})

describe('dmaPoolAlloc', () => {
  it('[physical L2] cuts a page into the blocks of the table', () => {
    for (const [size, align, boundary, block, blocks, first, last] of LAYOUTS) {
      const { pool, pools } = poolOf(size, align, boundary)
      expect(pool.size).toBe(block)
      const offsets = blockOffsets(pool)
      expect(offsets.length).toBe(blocks)
      expect(offsets.slice(0, first.length)).toEqual(first)
      expect(offsets.at(-1)).toBe(last)
      verify(pools)
    }
  })
  it('[physical L3] takes a second page for the 64th block of 64 bytes, and looks there first from then on', () => {
    const { pool, alloc } = poolOf(64, 64, 0)
    const blocks = Array.from({ length: 63 }, () => alloc()!)
    expect(pool.pages.length).toBe(1)
    const next = alloc()!
    expect(pool.pages.length).toBe(2)
    expect(next.va).toBe(pool.pages[1]!.va)
    dmaPoolFree(pool, blocks[5]!.va, blocks[5]!.dma)
    expect(alloc()!.va).toBe(pool.pages[1]!.va + 64)
  })
  it('[physical L4] gives the block freed last first', () => {
    const { pool, alloc } = poolOf(64, 64, 0)
    const a = alloc()!
    const b = alloc()!
    expect(b.va - a.va).toBe(64)
    dmaPoolFree(pool, a.va, a.dma)
    expect(alloc()).toEqual(a)
    dmaPoolFree(pool, a.va, a.dma)
    dmaPoolFree(pool, b.va, b.dma)
    expect(alloc()).toEqual(b)
    expect(alloc()).toEqual(a)
  })
  it('[physical L5] crosses no boundary, keeps the alignment and names each byte alike to CPU and device', () => {
    const powers = fc.integer({ min: 0, max: 12 }).map((n) => 2 ** n)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6000 }), powers, powers, fc.nat(2 ** 20), (size, align, limit, shift) => {
        const boundary = limit === 1 ? 0 : limit
        const { pools } = handMade({ frames: 64 })
        const device = new Device('d', { busOffset: shift * 4096 })
        const pool = create(pools, 'x', device, size, align, boundary)
        if (pool === null) {
          expect(boundary !== 0 && boundary < Math.ceil(Math.max(size, 4) / align) * align).toBe(true)
          return
        }
        while (pool.pages.length < 2) {
          const va = runAwake(dmaPoolAlloc(pool, GFP_KERNEL, handle))!
          const page = pool.pages.at(-1)!
          const offset = va - page.va
          if (boundary !== 0)
            expect(Math.floor(offset / boundary)).toBe(Math.floor((offset + pool.size - 1) / boundary))
          expect(offset % align).toBe(0)
          expect(offset + pool.size).toBeLessThanOrEqual(pool.allocation)
          expect(handle.dma - page.dma).toBe(offset)
          expect(page.dma - device.busOffset).toBe(page.va - pools.directMap)
        }
        verify(pools)
      }),
      { numRuns: 60 },
    )
  })
  it('[physical L9] is null and changes nothing when there is no coherent memory', () => {
    const { pool, alloc, pages, bookkeeping, pools } = poolOf(64, 64, 0)
    pages.isFailing = true
    expect(alloc()).toBeNull()
    expect(pool.pages).toEqual([])
    pages.isFailing = false
    bookkeeping.refused = 'dma_page'
    expect(alloc()).toBeNull()
    expect(pages.nrFree).toBe(4096)
    verify(pools)
  })
  it('[physical L14] lets a boundary above the page change nothing', () => {
    const wide = blockOffsets(poolOf(100, 16, 8192).pool)
    expect(wide).toEqual(blockOffsets(poolOf(100, 16, 4096).pool))
    expect(wide.length).toBe(36)
    expect(Math.max(...wide)).toBeLessThanOrEqual(3984)
  })
  it('asks for the zone that the device can reach, and gives back what it cannot', () => {
    const { pools, pages } = handMade()
    const ask = (coherentMask: number | undefined): number => {
      const device = new Device('d', coherentMask === undefined ? {} : { coherentMask })
      const pool = create(pools, 'x', device, 64, 64, 0)!
      runAwake(dmaPoolAlloc(pool, GFP_KERNEL, handle))
      return pages.requests.at(-1)!.gfp & (__GFP_DMA | __GFP_DMA32)
    }
    expect([undefined, 2 ** 32 - 1, 2 ** 40, 2 ** 24 - 1].map(ask)).toEqual([0, __GFP_DMA32, __GFP_DMA32, __GFP_DMA])
    const before = pages.nrFree
    expect(ask(4095)).toBe(__GFP_DMA)
    expect(pages.nrFree).toBe(before)
  })
  it('would sleep rather than fail, if it may, and has then changed nothing', () => {
    const { pool, pages, pools, spawn, settle } = poolOf(64, 64, 0, { frames: 512 })
    const [all] = [pages.allocPagesTry(0, 9)]
    pages.sleepsWhenEmpty = true
    expect(dmaPoolAllocTry(pool, GFP_ATOMIC, handle)).toBeNull()
    expect(typeof dmaPoolAllocTry(pool, GFP_KERNEL, handle)).toBe('symbol')
    const two = [0, 1].map(() => spawn(dmaPoolAlloc(pool, GFP_KERNEL, { dma: 0 })))
    expect(two.map((thread) => thread.isDone)).toEqual([false, false])
    pages.freePages(all as never, 9)
    settle()
    // Each has added a page; both blocks come from the newest.
    expect(pool.pages.length).toBe(2)
    expect(two.map((thread) => thread.result)).toEqual([pool.pages[0]!.va, pool.pages[1]!.va])
    verify(pools)
  })
})

describe('dmaPoolFree', () => {
  it('[physical L6] reports what it cannot believe and frees nothing', () => {
    const { pool, pools, alloc } = poolOf(64, 64, 0, { debug: true })
    const a = alloc()!
    const b = alloc()!
    const page = pool.pages[0]!
    dmaPoolFree(pool, a.va, page.dma + 4096)
    dmaPoolFree(pool, a.va, page.dma - 1)
    dmaPoolFree(pool, b.va, a.dma)
    expect(page.inUse).toBe(2)
    dmaPoolFree(pool, a.va, a.dma)
    dmaPoolFree(pool, a.va, a.dma)
    expect(page.inUse).toBe(1)
    expect(pools.log).toEqual([
      'dma_pool_free x, ffffaf8000000000/1000 (bad dma)',
      'dma_pool_free x, ffffaf8000000000/-1 (bad dma)',
      'dma_pool_free x, ffffaf8000000040/0 (bad vaddr)',
      'dma_pool_free x, ffffaf8000000000/0 already free',
    ])
    verify(pools)
  })
  it('links freed blocks in simulated RAM, in their first four bytes', () => {
    const { pool, pools, alloc, memory } = poolOf(64, 64, 0)
    const [a, , c] = [alloc()!, alloc()!, alloc()!]
    dmaPoolFree(pool, a.va, a.dma)
    dmaPoolFree(pool, c.va, c.dma)
    expect(memory.read32(c.va - pools.directMap)).toBe(0)
    expect(memory.read32(a.va - pools.directMap)).toBe(3 * 64)
    // Whoever writes to freed memory breaks the chain, and verify sees it.
    memory.write32(c.va - pools.directMap, 128)
    expect(() => verify(pools)).toThrow('no cycle')
    memory.write32(c.va - pools.directMap, 5)
    expect(() => verify(pools)).toThrow('a free chain names blocks')
    memory.write32(c.va - pools.directMap, 4096)
    expect(() => verify(pools)).toThrow('every block of a DMA page is free or in use')
  })
  it('breaks the chain silently at a double free without debugging, as real machines do', () => {
    const { pool, pools, alloc } = poolOf(64, 64, 0)
    const a = alloc()!
    alloc()
    dmaPoolFree(pool, a.va, a.dma)
    dmaPoolFree(pool, a.va, a.dma)
    expect(pools.log).toEqual([])
    expect(() => verify(pools)).toThrow('no cycle')
  })
  it('reaches the second page of a block of 5000 bytes', () => {
    const { pool, pools, alloc } = poolOf(5000, 8, 0, { debug: true })
    const a = alloc()!
    expect(readWord(pools, a.va + 4096)).toBe(0xa9a9a9a9)
    dmaPoolFree(pool, a.va, a.dma + 4999)
    dmaPoolFree(pool, a.va, a.dma + 5000)
    expect(pools.log.map((line) => line.split(' (')[1])).toEqual(['bad vaddr)', 'bad dma)'])
    dmaPoolFree(pool, a.va, a.dma)
    verify(pools)
  })
})

describe('debugging of DMA pools', () => {
  it('[physical L7] poisons blocks, and tells who wrote to a free one', () => {
    const { pool, pools, alloc, memory } = poolOf(64, 64, 0, { debug: true })
    const a = alloc()!
    const pa = a.va - pools.directMap
    expect([...memory.readBytes(pa, 64)]).toEqual(Array.from({ length: 64 }, () => 0xa9))
    dmaPoolFree(pool, a.va, a.dma)
    expect([...memory.readBytes(pa + 4, 60)]).toEqual(Array.from({ length: 60 }, () => 0xa7))
    memory.write8(pa + 10, 0x55)
    expect(alloc()).toEqual(a)
    expect(pools.log.length).toBe(1)
    expect(pools.log[0]).toMatch(
      /^dma_pool_alloc x, ffffaf8000000000 \(corrupted\) 40 00 00 00 a7 a7 a7 a7 a7 a7 55 a7/,
    )
    dmaPoolFree(pool, a.va, a.dma)
    alloc()
    expect(pools.log.length).toBe(1)
  })
})

describe('dmaPoolDestroy', () => {
  it('[physical L8] never gives back the memory of a page in use', () => {
    const { pool, pools, pages, alloc } = poolOf(2048, 1, 0)
    alloc()
    const second = alloc()!
    dmaPoolFree(pool, second.va, second.dma)
    expect(pages.nrFree).toBe(4094)
    runAwake(dmaPoolDestroy(pool))
    expect(pools.log).toEqual(['dma_pool_destroy x, ffffaf8000000000 busy'])
    expect(pages.nrFree).toBe(4095)
    expect([...pages.blocks.keys()]).toEqual([0])
    expect(() => alloc()).toThrow('a destroyed DMA pool is not used')
    runAwake(dmaPoolDestroy(null))
    verify(pools)
  })
  it('gives its pages back newest first', () => {
    const { pool, pages, alloc } = poolOf(4096, 0, 0)
    const blocks = [alloc()!, alloc()!, alloc()!]
    for (const { va, dma } of blocks) dmaPoolFree(pool, va, dma)
    const freed: number[] = []
    const freePages = pages.freePages.bind(pages)
    pages.freePages = (block, order) => {
      freed.push(block)
      freePages(block, order)
    }
    runAwake(dmaPoolDestroy(pool))
    expect(freed).toEqual([2, 1, 0])
  })
})

describe('managed DMA pools', () => {
  function managed() {
    const room = handMade()
    const device = new Device('d')
    const [p, q] = ['P', 'Q'].map((name) => runAwake(dmamPoolCreate(room.pools, name, device, 64, 64, 0))!)
    return { ...room, device, p: p!, q: q! }
  }
  it('[physical L11] die with their driver, newest first, and by hand only once', () => {
    const { pools, device, p, q } = managed()
    const order: string[] = []
    attachResource(device, {
      name: 'probe',
      subject: device,
      *release(): Sleep<void> {
        order.push(`P ${p.isDestroyed} Q ${q.isDestroyed}`)
      },
    })
    // A record between the two pools in time: released after Q and before P.
    device.resources.splice(1, 0, device.resources.pop()!)
    runAwake(deviceDetach(pools, device))
    expect(order).toEqual(['P false Q true'])
    expect([p.isDestroyed, q.isDestroyed]).toEqual([true, true])
    expect(device.resources).toEqual([])

    const again = managed()
    runAwake(dmamPoolDestroy(again.p))
    expect([again.p.isDestroyed, again.q.isDestroyed]).toEqual([true, false])
    runAwake(deviceDetach(again.pools, again.device))
    expect(again.q.isDestroyed).toBe(true)

    const plain = create(again.pools, 'plain', again.device, 64, 64, 0)!
    runAwake(dmamPoolDestroy(plain))
    expect(again.pools.log).toEqual(['dmam_pool_destroy plain: not a managed pool of d'])
    expect(runAwake(dmaPoolAlloc(plain, GFP_KERNEL, handle))).not.toBeNull()
    verify(again.pools)
  })
  it('[physical L12] leave nothing behind when they cannot be made', () => {
    const { pools, bookkeeping } = handMade()
    const device = new Device('d')
    bookkeeping.refused = 'device resource'
    expect(runAwake(dmamPoolCreate(pools, 'x', device, 64, 64, 0))).toBeNull()
    expect(device.dmaPools).toEqual([])
    bookkeeping.refused = null
    expect(runAwake(dmamPoolCreate(pools, 'x', device, 64, 3, 0))).toBeNull()
    expect(device.resources).toEqual([])
    expect(pools.dmaPools.size).toBe(0)
  })
})

describe('DMA pools under any sequence of calls', () => {
  // A page of the model: its free offsets, the next one last.
  interface ModelPage {
    readonly free: number[]
  }
  const anyStep = fc.oneof(
    { weight: 5, arbitrary: fc.record({ op: fc.constant('alloc' as const), which: fc.nat(0) }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('free' as const), which: fc.nat(1000) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('fail' as const), which: fc.nat(0) }) },
  )
  it('does what a stack of offsets a page does, and keeps the bytes of every block', () => {
    const anyLayout = fc.constantFrom(...LAYOUTS.filter((layout) => layout[4] < 70))
    fc.assert(
      fc.property(anyLayout, fc.boolean(), fc.array(anyStep, { maxLength: 150 }), (layout, debug, steps) => {
        const [size, align, boundary] = layout
        const { pool, pools, pages, memory, alloc, device } = poolOf(size, align, boundary, { debug, frames: 512 })
        const offsets = blockOffsets(poolOf(size, align, boundary).pool)
        const model: ModelPage[] = []
        const out: { va: Vaddr; dma: number; page: number; mark: number }[] = []
        const fill = (va: number, mark: number): void =>
          memory.writeBytes(va - pools.directMap, new Uint8Array(pool.size).fill(mark))
        for (const [n, step] of steps.entries()) {
          if (step.op === 'fail') pages.failAt = 1
          else if (step.op === 'alloc') {
            let page = model.findLastIndex((candidate) => candidate.free.length > 0)
            const got = alloc()
            if (page < 0) {
              if (pages.failAt === 0 && got === null) continue
              page = model.push({ free: offsets.toReversed() }) - 1
            }
            const offset = model[page]!.free.pop()!
            expect(got!.va).toBe(pool.pages[page]!.va + offset)
            fill(got!.va, n & 0xff)
            out.push({ ...got!, page, mark: n & 0xff })
          } else if (out.length > 0) {
            const [block] = out.splice(step.which % out.length, 1)
            const bytes = memory.readBytes(block!.va - pools.directMap, pool.size)
            expect(bytes.every((byte) => byte === block!.mark)).toBe(true)
            dmaPoolFree(pool, block!.va, block!.dma)
            model[block!.page]!.free.push(block!.va - pool.pages[block!.page]!.va)
          }
          verify(pools)
        }
        expect(pool.pages.length).toBe(model.length)
        expect(pools.log).toEqual([])
        for (const block of out) dmaPoolFree(pool, block.va, block.dma)
        runAwake(dmaPoolDestroy(pool))
        expect(pages.nrFree).toBe(512)
        expect(device.files.size).toBe(0)
        verify(pools)
      }),
      { numRuns: 80 },
    )
  })
})

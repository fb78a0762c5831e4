import { describe, expect, it } from 'vitest'
import { EIO, GiB, type Pfn, type Sleep } from '../../base/index.ts'
import { Disk, Machine, sv48 } from '../../machine/index.ts'
import { allocPagesTry, bootPhys, GFP_KERNEL } from '../phys/index.ts'
import { Swap, swapOn, SWSLOT_BAD, uvmSwapAlloc, uvmSwapFree, uvmSwapGet, uvmSwapMarkBad, uvmSwapPut } from './index.ts'

const P = 4096

function world(...sizes: [pages: number, priority: number][]) {
  const ram = [{ start: 2 * GiB, end: 2 * GiB + 8 * 1024 * 1024 }]
  const machine = new Machine({ ram, cpus: 1, tlb: { entries: 64, ways: 4 }, format: sv48, seed: 1 })
  const phys = bootPhys(machine, { memory: ram })
  const swap = new Swap(phys)
  const disks = sizes.map(([pages, priority], i) => {
    const config = { name: `sd${i}`, sizeBytes: pages * P, latencyNs: 1e6, bytesPerSecond: 1e9 }
    const disk = new Disk(machine.clock, config)
    swapOn(swap, disk, priority)
    return disk
  })
  const page = (): Pfn => allocPagesTry(phys, GFP_KERNEL, 0) as Pfn
  const bytes = (pfn: Pfn): Uint8Array => {
    const at = machine.memory.frameOffset(pfn)
    return machine.memory.u8.subarray(at, at + P)
  }
  const wait = <T>(work: Sleep<T>): T => {
    let step = work.next()
    while (step.done !== true) {
      machine.clock.advanceTo(machine.clock.nextAt)
      step = work.next('woken')
    }
    swap.verify()
    return step.value
  }
  return { swap, disks, page, bytes, wait }
}
const slots = (swap: Swap, n: number): number[] => Array.from({ length: n }, () => uvmSwapAlloc(swap, 1, false)!.slot)

describe('swap slots', () => {
  it('are numbered from 1 over all devices, and used by priority, in turns within one', () => {
    const { swap } = world([4, 1], [4, 1], [2, 0])
    expect([swap.nswapdev, swap.swpages, swap.swpgavail]).toEqual([3, 10, 10])
    expect(slots(swap, 6)).toEqual([9, 10, 1, 5, 2, 6])
    expect(swap.swpginuse).toBe(6)
    swap.verify()
  })
  it('are neighbours if there are as many together, else one if that will do', () => {
    const { swap } = world([40, 0])
    expect(uvmSwapAlloc(swap, 16, false)).toEqual({ slot: 1, count: 16 })
    expect(uvmSwapAlloc(swap, 16, false)).toEqual({ slot: 17, count: 16 })
    expect(uvmSwapAlloc(swap, 16, false)).toBeNull()
    expect(uvmSwapAlloc(swap, 16, true)).toEqual({ slot: 33, count: 1 })
    uvmSwapFree(swap, 17, 16)
    expect(uvmSwapAlloc(swap, 8, true)).toEqual({ slot: 17, count: 8 })
    swap.verify()
  })
  it('search behind the last one, then from the start; every slot is found', () => {
    const { swap } = world([70, 0])
    expect(slots(swap, 70)).toEqual(Array.from({ length: 70 }, (_, i) => i + 1))
    expect(uvmSwapAlloc(swap, 1, true)).toBeNull()
    uvmSwapFree(swap, 3, 2)
    uvmSwapFree(swap, 69, 1)
    expect(uvmSwapAlloc(swap, 2, false)?.slot).toBe(3)
    expect(uvmSwapAlloc(swap, 1, false)?.slot).toBe(69)
  })
  it('the bad slot is nobody’s; a slot is freed once', () => {
    const { swap } = world([4, 0])
    uvmSwapFree(swap, SWSLOT_BAD, 1)
    const { slot } = uvmSwapAlloc(swap, 1, false)!
    uvmSwapFree(swap, slot, 1)
    expect(() => uvmSwapFree(swap, slot, 1)).toThrow('freed once')
  })
  it('a slot that failed is not available any more', () => {
    const { swap } = world([4, 0])
    uvmSwapMarkBad(swap, uvmSwapAlloc(swap, 1, false)!.slot, 1)
    expect([swap.swpgavail, slots(swap, 3), uvmSwapAlloc(swap, 1, true)]).toEqual([3, [2, 3, 4], null])
  })
})

describe('swap input and output', () => {
  it('writes a run of pages and reads each back', () => {
    const { swap, page, bytes, wait } = world([8, 0])
    const pages = [page(), page(), page()]
    pages.forEach((pfn, i) => bytes(pfn).fill(65 + i))
    const { slot } = uvmSwapAlloc(swap, 3, false)!
    expect(wait(uvmSwapPut(swap, slot, pages))).toBe(0)
    swap.swpgonly += 3
    for (const pfn of pages) bytes(pfn).fill(0)
    for (let i = 2; i >= 0; i--) expect(wait(uvmSwapGet(swap, pages[0]!, slot + i))).toBe(0)
    expect([bytes(pages[0]!).every((byte) => byte === 65), swap.nswget, swap.swpgonly]).toEqual([true, 3, 0])
  })
  it('a failed read leaves the data where it is, and only there', () => {
    const { swap, disks, page, wait } = world([8, 0])
    const { slot } = uvmSwapAlloc(swap, 1, false)!
    swap.swpgonly = 1
    disks[0]!.failNext(1)
    expect(wait(uvmSwapGet(swap, page(), slot))).toBe(EIO)
    expect([swap.swpgonly, swap.nswget]).toEqual([1, 1])
    expect(wait(uvmSwapGet(swap, page(), SWSLOT_BAD))).toBe(EIO)
    expect(disks[0]!.reads).toBe(0)
  })
})

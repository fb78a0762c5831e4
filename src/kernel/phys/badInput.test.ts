// What callers must not do, and what happens then: an error, a warning, or a panic that names the rule; never a corrupted
// allocator (issue 5, "Bad input").

import { afterEach, describe, expect, it } from 'vitest'
import { EBUSY, EINVAL, ENOMEM, KernelPanic } from '../../base/index.ts'
import { allocPages, allocPagesNodeTry, allocPagesTry } from './alloc.ts'
import { CmaArea, cmaAlloc, cmaInitReservedMem, cmaRelease } from './cma.ts'
import { allocContigRange, freeContigRange } from './contig.ts'
import { allocPagesExact } from './exact.ts'
import { freeColdPage, freePages, getPage, putPage, splitPage } from './free.ts'
import {
  __GFP_COMP,
  __GFP_DMA,
  __GFP_DMA32,
  __GFP_MOVABLE,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
  MIGRATE_CMA,
  MIGRATE_MOVABLE,
} from './gfp.ts'
import { startIsolatePageRange, undoIsolatePageRange } from './isolate.ts'
import { freeCount } from './nrFree.ts'
import { getPfnblockFlagsMask, setPageblockMigratetype, setPfnblockFlagsMask } from './pageblock.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'
import { boot, K2, M, M64C, run, S16, take, U } from './testMachines.ts'
import {
  writeExtfragThreshold,
  writeMinSlabRatio,
  writeMinUnmappedRatio,
  writePercpuPagelistFraction,
} from './tunables.ts'
import { verify } from './verify.ts'
import { writeMinFreeKbytes } from './watermark.ts'

let phys: Phys
const on = (machine: typeof S16): Phys => (phys = boot(machine))
/** The rule that a panic names. */
function broken(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(KernelPanic)
    return (error as KernelPanic).rule
  }
  return 'none'
}

describe('bad input', () => {
  afterEach(() => {
    // Whatever was asked, the lists are right and every page that is nobody's can still be had.
    verify(phys)
    drainAllPages(phys)
    const pages: number[] = []
    for (;;) {
      const page = allocPagesTry(phys, M | __GFP_NOWARN | 0x2000, 0)
      if (typeof page !== 'number' || page < 0) break
      pages.push(page)
    }
    expect(new Set(pages).size).toBe(pages.length)
    for (const page of pages) freePages(phys, page, 0)
    verify(phys)
  })

  it('orders: no block is larger than order 10', () => {
    on(S16)
    for (const order of [11, 12, 30, 31, 32, 52, 1e9]) {
      expect(allocPagesTry(phys, GFP_NOWAIT | __GFP_NOWARN, order)).toBe(ENOMEM)
      expect(run(phys, allocPages(phys, GFP_KERNEL | __GFP_NOWARN, order))).toBe(ENOMEM)
    }
    expect(freeCount(phys)).toBe(4096)
  })
  it('flags: zones that exclude each other, and two kinds of mobility', () => {
    on(S16)
    expect(broken(() => allocPagesTry(phys, __GFP_DMA | __GFP_DMA32, 0))).toBe(
      'zone bits of a request exclude each other',
    )
    expect(broken(() => run(phys, allocPages(phys, __GFP_DMA | __GFP_DMA32, 0)))).toMatch(/exclude each other/)
    freePages(phys, allocPagesTry(phys, __GFP_MOVABLE | __GFP_RECLAIMABLE, 0) as number, 0)
    expect(phys.log.warnings.at(-1)).toMatch(/cannot be movable and reclaimable/)
    expect(broken(() => run(phys, allocPagesExact(phys, 4096, GFP_KERNEL | __GFP_COMP)))).toMatch(
      /^exact pages are neither/,
    )
    expect(run(phys, allocPagesExact(phys, 0, GFP_KERNEL))).toBe(null)
    expect(run(phys, allocPagesExact(phys, 2 ** 40, GFP_KERNEL))).toBe(null)
  })
  it('nodes: one without memory gives what its neighbours have, one that cannot be is a panic or an error', () => {
    on(K2)
    const page = allocPagesNodeTry(phys, 1, GFP_NOWAIT, 0) as number
    expect(phys.zoneOfPfn(page).node).toBe(1)
    freePages(phys, page, 0)
    for (const nid of [1e6, -1, 0.5, NaN])
      expect(broken(() => allocPagesNodeTry(phys, nid, GFP_NOWAIT, 0))).toBe('a node id is below MAX_NUMNODES')
    // A possible node that is offline has an empty list.
    expect(allocPagesNodeTry(phys, 5, GFP_NOWAIT | __GFP_NOWARN, 0)).toBe(ENOMEM)
  })
  it('freeing: twice, never allocated, not a page, still in use', () => {
    on(S16)
    const page = take(phys, U)
    freePages(phys, page, 0)
    for (const free of [freePages, putPage, freeColdPage] as const)
      expect(broken(() => free(phys, page, 0))).toBe('a page is freed once')
    // Deep inside a block of the buddy lists.
    expect(broken(() => freePages(phys, 2000, 0))).toBe('a page is freed once')
    expect(broken(() => freePages(phys, 1024, 10))).toBe('a page is freed once')
    for (const pfn of [-1, 2 ** 20, 2 ** 40, NaN, Infinity])
      expect(broken(() => freePages(phys, pfn, 0))).toBe('a page is named by a valid pfn')
    expect(broken(() => getPage(phys, page))).toBe('a page with references gets another one')

    const mapped = take(phys, U)
    phys.frames.mapcount[phys.frames.frameOf(mapped)] = 0
    freePages(phys, mapped, 0)
    expect(phys.nrBadPages).toBe(1)
    expect(phys.log.warnings.at(-1)).toMatch(/^BUG: Bad page state/)
    // Leaked, not listed: whoever maps it keeps it.
    expect(freeCount(phys)).toBe(4095)
    phys.frames.mapcount[phys.frames.frameOf(mapped)] = -1
  })
  it('freeing a compound page by a tail, with another order, or split', () => {
    on(S16)
    const page = take(phys, __GFP_COMP, 2)
    expect(broken(() => splitPage(phys, page, 2))).toBe('a compound page is not split')
    freePages(phys, page, 1)
    expect(phys.nrBadPages).toBe(1)
    expect(freeCount(phys)).toBe(4092)
  })
  it('ranges: empty, backwards, misaligned, of no memory, of what is reserved', () => {
    on({ ...S16, reserved: [{ start: 8 * 2 ** 20, end: 8 * 2 ** 20 + 4096 }] })
    const contig = (start: number, end: number): number =>
      run(phys, allocContigRange(phys, start, end, MIGRATE_MOVABLE))
    expect(broken(() => contig(1024, 1024))).toBe('a contiguous range has a page')
    expect(broken(() => contig(1025, 1024))).toBe('a contiguous range has a page')
    expect(contig(2040, 2060)).toBe(EBUSY)
    expect(broken(() => startIsolatePageRange(phys, 1000, 2048, MIGRATE_MOVABLE))).toBe('whole pageblocks are isolated')
    expect(broken(() => undoIsolatePageRange(phys, 1024, 2000, MIGRATE_MOVABLE))).toBe('whole pageblocks are isolated')
    undoIsolatePageRange(phys, 1024, 2048, MIGRATE_MOVABLE)
    expect(freeCount(phys)).toBe(4095)
    expect(phys.nodes[0]!.zones[2]!.nrIsolatePageblock).toBe(0)
  })
  it('a range given back that was never had', () => {
    on(S16)
    expect(broken(() => freeContigRange(phys, 1024, 4))).toBe('a page is freed once')
    expect(broken(() => freeContigRange(phys, 2 ** 30, 4))).toBe('a page is named by a valid pfn')
  })
  it('CMA: areas of nothing, misaligned, not reserved; more than there is; what is not of the area', () => {
    on(M64C)
    const area = phys.cmaAreas[0]!
    expect(cmaInitReservedMem(phys, 0, 0, 0)).toBe(EINVAL)
    expect(cmaInitReservedMem(phys, 32 * 2 ** 20, 4 * 2 ** 20, 0)).toBe(EINVAL)
    expect(cmaInitReservedMem(phys, 16 * 2 ** 20 + 4096, 4 * 2 ** 20, 0)).toBe(EINVAL)
    expect(run(phys, cmaAlloc(phys, area, 0, 0))).toBe(null)
    expect(run(phys, cmaAlloc(phys, area, 4097, 0))).toBe(null)
    expect(run(phys, cmaAlloc(phys, area, 1, 20))).toBe(null)
    expect(run(phys, cmaAlloc(phys, new CmaArea('idle', 4096, 1024, 0), 1, 0))).toBe(null)
    expect(cmaRelease(phys, area, 100, 1)).toBe(false)
    const page = run(phys, cmaAlloc(phys, area, 8, 0))!
    expect(cmaRelease(phys, area, page, 8)).toBe(true)
    expect(broken(() => cmaRelease(phys, area, page, 8))).toBe('a page is freed once')
    expect(run(phys, allocContigRange(phys, 4096, 4100, MIGRATE_CMA))).toBe(0)
    freeContigRange(phys, 4096, 4)
  })
  it('pageblock flags: of another zone, and beyond the mask', () => {
    on(S16)
    expect(broken(() => setPfnblockFlagsMask(phys, 0, 15, 0, 2, 7))).toBe('pageblock flags fit their mask')
    expect(broken(() => setPageblockMigratetype(phys, 2 ** 30, 0))).toBe('a page is named by a valid pfn')
    expect(broken(() => getPfnblockFlagsMask(phys, 2 ** 30, 0, 2, 7))).toBe('a page is named by a valid pfn')
  })
  it('tunables out of range are refused and change nothing', () => {
    on(S16)
    const before = { ...phys.tunables }
    expect(run(phys, writeMinFreeKbytes(phys, -1))).toBe(EINVAL)
    expect(writePercpuPagelistFraction(phys, 3)).toBe(EINVAL)
    expect(writeExtfragThreshold(phys, 1001)).toBe(EINVAL)
    expect(writeMinUnmappedRatio(phys, 101)).toBe(EINVAL)
    expect(writeMinSlabRatio(phys, -1)).toBe(EINVAL)
    expect({ ...phys.tunables }).toEqual(before)
  })
})

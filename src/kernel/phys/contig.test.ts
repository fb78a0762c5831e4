import { describe, expect, it } from 'vitest'
import { EAGAIN, EBUSY, EINTR, EINVAL, EIO, ENOMEM, isErr, KernelPanic } from '../../base/index.ts'
import { allocPages, allocPagesTry, failNthAllocation } from './alloc.ts'
import { cmaAlloc, cmaInitReservedMem, cmaRelease } from './cma.ts'
import { compactMemory } from './compact.ts'
import { allocContigRange, freeContigRange } from './contig.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES } from './counters.ts'
import { allocPagesExact, freePagesExact } from './exact.ts'
import { freePages, getPage, splitPage } from './free.ts'
import {
  __GFP_MEMALLOC,
  __GFP_NOWARN,
  GFP_KERNEL,
  GFP_NOWAIT,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_UNMOVABLE,
} from './gfp.ts'
import { startIsolatePageRange, undoIsolatePageRange } from './isolate.ts'
import { freeCount, globalStat } from './nrFree.ts'
import { getPageblockMigratetype, setPageblockMigratetype } from './pageblock.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'
import { boot, freeBlocks, listOf, M, M64C, run, S16, take, traced, U } from './testMachines.ts'
import { TestReclaimer } from './testReclaimer.ts'
import { verify } from './verify.ts'

const free = (phys: Phys): number => globalStat(phys, NR_FREE_PAGES)
const isolated = (phys: Phys): number => phys.nodes[0]!.zones[2]!.nrIsolatePageblock
const types = (phys: Phys): number[] =>
  Array.from({ length: 8 }, (_, block) => getPageblockMigratetype(phys, block * 512))
/** Non-empty lists of a type, by order. */
function lists(phys: Phys, type: number): Record<number, number[]> {
  const found: Record<number, number[]> = {}
  for (let order = 0; order <= 10; order++) {
    const list = listOf(phys, order, type)
    if (list.length > 0) found[order] = list
  }
  return found
}
function contig(phys: Phys, start: number, end: number, type = MIGRATE_MOVABLE): number {
  const result = run(phys, allocContigRange(phys, start, end, type))
  verify(phys)
  return result
}

describe('allocContigRange', () => {
  it('[physical J1] takes a range out of a free block and gives the rest back', () => {
    const phys = boot(S16)
    const before = types(phys)
    expect(contig(phys, 1100, 1200)).toBe(0)
    expect(free(phys)).toBe(3996)
    expect(lists(phys, MIGRATE_MOVABLE)).toEqual({
      2: [1096],
      3: [1088],
      4: [1200],
      6: [1216, 1024],
      8: [1280],
      9: [1536],
      10: [3072, 2048],
    })
    expect(types(phys)).toEqual(before)
    for (let pfn = 1100; pfn < 1200; pfn++) expect(phys.frames.refcount[phys.frames.frameOf(pfn)]).toBe(1)
    freeContigRange(phys, 1100, 100)
    expect(freeBlocks(phys)[10]).toBe(4)
    expect(free(phys)).toBe(4096)
    verify(phys)
  })
  it('[physical J2] takes a whole block, or parts of two', () => {
    const phys = boot(S16)
    expect(contig(phys, 1024, 2048)).toBe(0)
    expect(free(phys)).toBe(3072)
    expect(lists(phys, MIGRATE_MOVABLE)).toEqual({ 10: [3072, 2048] })
    const other = boot(S16)
    expect(contig(other, 2000, 2100)).toBe(0)
    expect(free(other)).toBe(3996)
    expect(lists(other, MIGRATE_MOVABLE)).toEqual({
      2: [2100],
      3: [2104],
      4: [1984],
      6: [2112, 1920],
      7: [2176, 1792],
      8: [2304, 1536],
      9: [2560, 1024],
      10: [3072],
    })
  })
  it('keeps an isolated pageblock apart from its buddy, whatever is freed meanwhile', () => {
    const phys = boot(S16)
    splitPage(phys, take(phys, M, 10), 10)
    for (let pfn = 3072; pfn < 4096; pfn++) if (pfn !== 3600) freePages(phys, pfn, 0)
    drainAllPages(phys)
    // On a per-CPU list, until the isolation of the first pageblock drains it into the second.
    freePages(phys, 3600, 0)
    expect(startIsolatePageRange(phys, 3072, 4096, MIGRATE_MOVABLE)).toBe(0)
    verify(phys)
    expect(free(phys)).toBe(3072)
    undoIsolatePageRange(phys, 3072, 4096, MIGRATE_MOVABLE)
    expect(freeBlocks(phys)[10]).toBe(4)
    expect(free(phys)).toBe(4096)
    verify(phys)
  })
  it('isolates a part of a larger free block, and hands out none of it', () => {
    const phys = boot(S16)
    for (const part of [3072, 3584]) {
      expect(startIsolatePageRange(phys, part, part + 512, MIGRATE_MOVABLE)).toBe(0)
      verify(phys)
      expect(free(phys)).toBe(3584)
      expect(lists(phys, MIGRATE_ISOLATE)).toEqual({ 9: [part] })
      // The other half is free, and used first.
      expect(take(phys, M, 9)).toBe(part ^ 512)
      freePages(phys, part ^ 512, 9)
      undoIsolatePageRange(phys, part, part + 512, MIGRATE_MOVABLE)
      expect(freeBlocks(phys)[10]).toBe(4)
      expect(free(phys)).toBe(4096)
      verify(phys)
    }
    // Both, ended one by one.
    expect(startIsolatePageRange(phys, 3072, 4096, MIGRATE_MOVABLE)).toBe(0)
    undoIsolatePageRange(phys, 3072, 3584, MIGRATE_MOVABLE)
    verify(phys)
    expect([free(phys), isolated(phys)]).toEqual([3584, 1])
    undoIsolatePageRange(phys, 3584, 4096, MIGRATE_MOVABLE)
    verify(phys)
    expect(freeBlocks(phys)[10]).toBe(4)
  })
  it('[physical J3] gives up on a kernel page in a movable block, undone', () => {
    const phys = boot(S16)
    expect(take(phys, M)).toBe(3072)
    const [blocks, before] = [freeBlocks(phys), types(phys)]
    expect(contig(phys, 3072, 3080)).toBe(EBUSY)
    expect([free(phys), isolated(phys)]).toEqual([4095, 0])
    expect(freeBlocks(phys)).toEqual(blocks)
    expect(types(phys)).toEqual(before)
    expect(phys.log.lines.some((line) => line.includes('PFNs busy'))).toBe(false)
  })
  it('[physical J4] [physical J5] gives up at once on an unmovable block that is used, not on a free one', () => {
    const phys = boot(S16)
    expect(take(phys, U)).toBe(3072)
    const [blocks, before] = [lists(phys, MIGRATE_UNMOVABLE), types(phys)]
    expect(contig(phys, 3100, 3110)).toBe(EBUSY)
    expect(lists(phys, MIGRATE_UNMOVABLE)).toEqual(blocks)
    expect(types(phys)).toEqual(before)

    freePages(phys, 3072, 0)
    expect(contig(phys, 3100, 3110)).toBe(0)
    expect(free(phys)).toBe(4086)
    expect(types(phys).slice(6)).toEqual([MIGRATE_MOVABLE, MIGRATE_MOVABLE])
    expect(lists(phys, MIGRATE_MOVABLE)).toEqual({
      1: [3110],
      2: [3096],
      3: [3112, 3088],
      4: [3120, 3072],
      6: [3136],
      7: [3200],
      8: [3328],
      9: [3584],
      10: [2048, 1024],
    })
  })
  it('[physical J6] undoes the blocks isolated before one that cannot be', () => {
    const phys = boot(S16)
    for (let i = 0; i < 3; i++) take(phys, M, 10)
    splitPage(phys, 1024, 10)
    setPageblockMigratetype(phys, 1536, MIGRATE_UNMOVABLE)
    for (let pfn = 1024; pfn < 1536; pfn++) freePages(phys, pfn, 0)
    expect(contig(phys, 1024, 1300)).toBe(EBUSY)
    expect(getPageblockMigratetype(phys, 1024)).toBe(MIGRATE_MOVABLE)
    expect(free(phys)).toBe(1536)
    expect(isolated(phys)).toBe(0)
  })
  it('[physical J7] moves a dirty page, and drops a clean one', () => {
    const phys = boot(S16)
    const reclaimer = new TestReclaimer(phys)
    reclaimer.adopt(take(phys, M), 'anon')
    const events = traced(phys, () => expect(contig(phys, 3072, 3080)).toBe(0))
    expect(reclaimer.contents.get(2048)).toBe('page 3072')
    expect(free(phys)).toBe(4087)
    expect([lists(phys, MIGRATE_MOVABLE)[10], listOf(phys, 10, 3)]).toEqual([[1024], [0]])
    expect(events.find((event) => event.name === 'mm_migrate_pages')?.fields).toEqual({
      nr_succeeded: 1,
      nr_failed: 0,
      mode: 'MIGRATE_SYNC',
      reason: 'cma',
    })
    expect(phys.events.get('pgmigrate_success')).toBe(1)

    const other = boot(S16)
    const cleaner = new TestReclaimer(other)
    cleaner.adopt(take(other, M), 'file')
    expect(contig(other, 3072, 3080)).toBe(0)
    expect(free(other)).toBe(4088)
    expect(cleaner.contents.size).toBe(0)
  })
  it('[physical J8] restores everything when a page is pinned, memory lacks or a signal is fatal', () => {
    const pinned = boot(S16)
    new TestReclaimer(pinned).adopt(take(pinned, M), 'anon')
    pinned.frames.refcount[pinned.frames.frameOf(3072)]! += 1
    expect(contig(pinned, 3072, 3080)).toBe(EBUSY)
    expect([free(pinned), isolated(pinned)]).toEqual([4095, 0])

    const poor = boot(S16)
    const reclaimer = new TestReclaimer(poor)
    const page = take(poor, M)
    reclaimer.adopt(page, 'anon')
    for (let order = 10; order >= 0; order--) while (!isErr(allocPagesTry(poor, M | __GFP_NOWARN, order)));
    const before = [free(poor), ...types(poor)]
    const events = traced(poor, () => expect(contig(poor, 3072, 3080)).toBe(ENOMEM))
    expect(events.filter((event) => event.name === 'mm_migrate_pages')).toHaveLength(5)
    expect([free(poor), ...types(poor)]).toEqual(before)

    const dying = boot(S16)
    dying.machine.current.thread = { hasFatalSignal: true }
    expect(contig(dying, 3072, 3080)).toBe(EINTR)
    expect([free(dying), isolated(dying)]).toEqual([4096, 0])
  })
  it('retries what may be movable later, and gives up on what never is', () => {
    const phys = boot(S16)
    const reclaimer = new TestReclaimer(phys)
    reclaimer.adopt(take(phys, M), 'anon')
    reclaimer.stuck.set(3072, EAGAIN)
    expect(contig(phys, 3072, 3073)).toBe(0)
    expect(reclaimer.calls.filter((call) => call.startsWith('migrate'))).toHaveLength(4)

    const other = boot(S16)
    const second = new TestReclaimer(other)
    second.adopt(take(other, M), 'anon')
    second.stuck.set(3072, EIO)
    expect(contig(other, 3072, 3073)).toBe(EBUSY)
    expect(other.events.get('pgmigrate_fail')).toBe(1)
    expect(second.contents.get(3072)).toBe('page 3072')
  })
  it('[physical J9] serves CMA blocks', () => {
    const phys = boot(M64C)
    expect(contig(phys, 4196, 4260, MIGRATE_CMA)).toBe(0)
    expect([free(phys), globalStat(phys, NR_FREE_CMA_PAGES)]).toEqual([16320, 4032])
    expect(lists(phys, MIGRATE_CMA)).toEqual({
      2: [4260, 4192],
      3: [4264],
      4: [4272],
      5: [4160],
      6: [4288, 4096],
      8: [4352],
      9: [4608],
      10: [7168, 6144, 5120],
    })
    for (let block = 8; block < 16; block++) expect(getPageblockMigratetype(phys, block * 512)).toBe(MIGRATE_CMA)
    freeContigRange(phys, 4196, 64)
    expect([free(phys), phys.nodes[0]!.zones[2]!.pcp[0]!.count]).toEqual([16368, 16])
    drainAllPages(phys)
    expect([free(phys), globalStat(phys, NR_FREE_CMA_PAGES)]).toEqual([16384, 4096])
    verify(phys)
  })
  it('[physical J10] isolates by hand', () => {
    const phys = boot(S16)
    expect(startIsolatePageRange(phys, 1024, 2048, MIGRATE_MOVABLE)).toBe(0)
    expect([free(phys), isolated(phys)]).toEqual([3072, 2])
    verify(phys)
    for (;;) {
      const page = allocPagesTry(phys, M | __GFP_MEMALLOC | __GFP_NOWARN, 0)
      if (typeof page !== 'number' || isErr(page)) break
      expect(page < 1024 || page >= 2048).toBe(true)
      if (page < 3072) continue
      freePages(phys, page, 0)
      break
    }
    undoIsolatePageRange(phys, 1024, 2048, MIGRATE_MOVABLE)
    expect(free(phys)).toBe(4096)
    expect(freeBlocks(phys)[10]).toBe(4)
    verify(phys)

    const busy = boot(S16)
    const page = take(busy, M)
    startIsolatePageRange(busy, 3072, 4096, MIGRATE_MOVABLE)
    const before = free(busy)
    freePages(busy, page, 0)
    expect(free(busy)).toBe(before)
    verify(busy)
    undoIsolatePageRange(busy, 3072, 4096, MIGRATE_MOVABLE)
    expect(freeBlocks(busy)[10]).toBe(4)
    verify(busy)
  })
  it('[physical J11] warns of pages that somebody still uses', () => {
    const phys = boot(S16)
    contig(phys, 1100, 1110)
    getPage(phys, 1101)
    getPage(phys, 1105)
    freeContigRange(phys, 1100, 10)
    expect(phys.log.warnings).toContain('2 pages are still in use!')
    expect(free(phys)).toBe(4094)
    expect(phys.frames.refcount[phys.frames.frameOf(1101)]).toBe(1)
  })
  it('[physical J12] insists on whole pageblocks', () => {
    expect(() => startIsolatePageRange(boot(S16), 1000, 2048, MIGRATE_MOVABLE)).toThrow(KernelPanic)
  })
})

describe('CMA', () => {
  it('allocates, moves what is in the way, and takes back', () => {
    const phys = boot(M64C)
    const area = phys.cmaAreas[0]!
    const reclaimer = new TestReclaimer(phys)
    let lent = take(phys, M)
    while (lent < 4096 || lent >= 8192) lent = take(phys, M)
    reclaimer.adopt(lent, 'anon')
    const first = run(phys, cmaAlloc(phys, area, 64, 4))
    expect(first).toBe(4096)
    const all = run(phys, cmaAlloc(phys, area, 1024, 10))
    expect(all).toBe(5120)
    const events = traced(phys, () => expect(run(phys, cmaAlloc(phys, area, 2000, 0))).toBe(6144))
    expect(events.find((event) => event.name === 'cma_alloc_finish')?.fields).toMatchObject({ pfn: 6144, page: true })
    expect(reclaimer.contents.has(lent)).toBe(false)
    verify(phys)
    expect(cmaRelease(phys, area, 100, 1)).toBe(false)
    expect(cmaRelease(phys, area, 4096, 64)).toBe(true)
    expect(area.isUsed.subarray(0, 64).every((bit) => bit === 0)).toBe(true)
    verify(phys)
  })
  it('goes on behind a busy range', () => {
    const phys = boot(M64C)
    const area = phys.cmaAreas[0]!
    let lent = take(phys, M)
    while (lent !== 4096 && lent !== 7168) lent = take(phys, M)
    const events = traced(phys, () => expect(run(phys, cmaAlloc(phys, area, 1024, 10))).toBe(4096))
    expect(events.filter((event) => event.name === 'cma_alloc_busy_retry')).toHaveLength(0)
    expect(run(phys, cmaAlloc(phys, area, 3072, 0))).toBe(null)
    expect(run(phys, cmaAlloc(phys, area, 2048, 10))).toBe(5120)
    verify(phys)
  })
  it('refuses areas that are not reserved or not aligned', () => {
    const phys = boot(S16)
    expect(cmaInitReservedMem(phys, 0, 2 ** 22, 0)).toBe(EINVAL)
    phys.memblock.reserve(0, 2 ** 23)
    expect(cmaInitReservedMem(phys, 4096, 2 ** 22, 0)).toBe(EINVAL)
    expect(isErr(cmaInitReservedMem(phys, 0, 2 ** 22, 0))).toBe(false)
  })
})

describe('compaction', () => {
  /** Every other page of the M blocks used and movable. */
  function fragmented(): { phys: Phys; reclaimer: TestReclaimer } {
    const phys = boot(S16)
    const reclaimer = new TestReclaimer(phys)
    for (const pfn of [3072, 2048, 1024]) {
      take(phys, M, 10)
      splitPage(phys, pfn, 10)
    }
    for (let pfn = 1024; pfn < 4096; pfn++)
      if (pfn % 2 === 0) reclaimer.adopt(phys.frames.pfnAt(pfn), 'anon')
      else freePages(phys, pfn, 0)
    return { phys, reclaimer }
  }
  it('gathers free pages when a large block is wanted', () => {
    const { phys } = fragmented()
    expect(listOf(phys, 0, MIGRATE_MOVABLE)).toHaveLength(1536)
    // The reserve serves the first.
    take(phys, U | __GFP_MEMALLOC, 10)
    expect(allocPagesTry(phys, GFP_NOWAIT | __GFP_NOWARN, 6)).toBe(ENOMEM)
    const page = run(phys, allocPages(phys, GFP_KERNEL, 6))
    expect(isErr(page)).toBe(false)
    expect(phys.events.get('compact_success')).toBe(1)
    expect(phys.events.get('pgmigrate_success')).toBeGreaterThan(0)
    verify(phys)
  })
  it('compacts all memory on request, losing nothing', () => {
    const { phys, reclaimer } = fragmented()
    const before = free(phys)
    run(phys, compactMemory(phys))
    verify(phys)
    expect(free(phys)).toBe(before)
    expect([...reclaimer.contents.values()].toSorted()).toEqual(
      Array.from({ length: 1536 }, (_, i) => `page ${1024 + 2 * i}`).toSorted(),
    )
    // 1536 free pages at the low end: one whole block of order 10 at least.
    expect(listOf(phys, 10, MIGRATE_MOVABLE)).toContain(1024)
  })
  it('is put off after failures', () => {
    const { phys, reclaimer } = fragmented()
    for (let pfn = 1024; pfn < 4096; pfn += 2) reclaimer.stuck.set(pfn, EIO)
    take(phys, U | __GFP_MEMALLOC, 10)
    for (let i = 0; i < 3; i++) expect(run(phys, allocPages(phys, GFP_KERNEL | __GFP_NOWARN, 6))).toBe(ENOMEM)
    expect(phys.nodes[0]!.zones[2]!.compaction.deferShift).toBeGreaterThan(0)
    const events = traced(phys, () => run(phys, allocPages(phys, GFP_KERNEL | __GFP_NOWARN, 6)))
    expect(events.some((event) => event.name === 'mm_compaction_deferred')).toBe(true)
    verify(phys)
  })
})

describe('a load in which one allocation fails', () => {
  it('loses nothing, whichever it is', () => {
    let isOver = false
    for (let n = 1; !isOver; n++) {
      const phys = boot(M64C)
      const reclaimer = new TestReclaimer(phys)
      // Movable pages at both ends of a block that is wanted whole.
      const used = [take(phys, M, 10), take(phys, M, 10)]
      for (const page of used) {
        splitPage(phys, page, 10)
        for (let i = 3; i < 1021; i++) freePages(phys, page + i, 0)
        for (const i of [0, 1, 2, 1021, 1022, 1023])
          reclaimer.adopt(phys.frames.pfnAt(phys.frames.frameOf(page + i)), 'anon')
      }
      failNthAllocation(phys, n)
      const address = run(phys, allocPagesExact(phys, 5 * 4096, GFP_KERNEL))
      const wasContig = run(phys, allocContigRange(phys, used[0]!, used[0]! + 1024, MIGRATE_MOVABLE)) === 0
      const lent = run(phys, cmaAlloc(phys, phys.cmaAreas[0]!, 100, 0))
      isOver = phys.failAfter > 0
      verify(phys)
      if (address !== null) freePagesExact(phys, address, 5 * 4096)
      if (wasContig) freeContigRange(phys, used[0]!, 1024)
      if (lent !== null) cmaRelease(phys, phys.cmaAreas[0]!, lent, 100)
      expect(freeCount(phys)).toBe(16384 - reclaimer.contents.size)
      expect(reclaimer.contents.size).toBe(12)
      verify(phys)
    }
  })
})

import { describe, expect, it } from 'vitest'
import { allocPagesTry } from './alloc.ts'
import { bootPhys } from './boot.ts'
import { NR_FREE_PAGES, NR_FREE_CMA_PAGES } from './counters.ts'
import {
  compoundHead,
  compoundOrder,
  freeColdPage,
  freePageList,
  freePages,
  getPage,
  putPage,
  splitPage,
} from './free.ts'
import {
  __GFP_COMP,
  __GFP_MEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOWAIT,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_RESERVE,
  MIGRATE_UNMOVABLE,
} from './gfp.ts'
import { freeCount, globalStat } from './nrFree.ts'
import {
  getPageblockMigratetype,
  getPfnblockFlagsMask,
  pageblockBytes,
  pageblockWord,
  setPageblockMigratetype,
  setPfnblockFlagsMask,
} from './pageblock.ts'
import { PG_reserved } from './pageFlags.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'
import {
  boot,
  freeBlocks,
  H1G,
  listOf,
  M,
  M64,
  M64C,
  R,
  run,
  S16,
  T2,
  take,
  testMachine,
  traced,
  U,
} from './testMachines.ts'
import { verify } from './verify.ts'
import { allocPages } from './alloc.ts'

const free = (phys: Phys): number => globalStat(phys, NR_FREE_PAGES)
const freeRange = (phys: Phys, start: number, end: number): void => {
  for (let pfn = start; pfn < end; pfn++) freePages(phys, pfn, 0)
}
const blockType = (phys: Phys, block: number): number => getPageblockMigratetype(phys, block * 512)

describe('the buddy lists', () => {
  it('[physical E1] pairs blocks by one bit, up to order 9', () => {
    // Eight pages from 8 on, freed in two blocks of order 3: 8 with 0, 24 with 16.
    const phys = boot(S16)
    const first = take(phys, M, 5)
    expect(first % 32).toBe(0)
    freePages(phys, first, 5)
    expect(freeBlocks(phys)[10]).toBe(4)
    // 3072 and 2048 of order 10 differ in one bit and both are free: they stay two.
    expect(listOf(phys, 10, MIGRATE_MOVABLE)).toEqual([3072, 2048, 1024])
    expect(8 ^ 8).toBe(0)
    expect([24 ^ 8, 24 & 16, 3072 ^ 1024]).toEqual([16, 16, 2048])
  })
  it('[physical E2] splits the largest block, lowest page first', () => {
    const phys = boot(S16)
    expect(take(phys, M)).toBe(3072)
    expect(freeBlocks(phys)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3])
    for (let pfn = 3073; pfn < 3080; pfn++) expect(take(phys, M)).toBe(pfn)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 3])
    expect(free(phys)).toBe(4088)
    verify(phys)
  })
  it('[physical E3] merges what is freed, in any order', () => {
    const phys = boot(S16)
    const types = Array.from({ length: 8 }, (_, block) => blockType(phys, block))
    for (let i = 0; i < 8; i++) take(phys, M)
    for (const i of [3, 0, 7, 1, 6, 2, 5, 4]) freePages(phys, 3072 + i, 0)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4])
    expect(free(phys)).toBe(4096)
    expect(Array.from({ length: 8 }, (_, block) => blockType(phys, block))).toEqual(types)
    verify(phys)
  })
  it('[physical E4] puts a block that will soon merge at the back', () => {
    const phys = boot(S16)
    for (let i = 0; i < 8; i++) take(phys, M)
    // 3072 3073 [3074 3075] 3076 3077 3078 3079
    phys.frames.refcount[phys.frames.frameOf(3075)] = 0
    freePages(phys, 3074, 1)
    freePages(phys, 3078, 0)
    freePages(phys, 3073, 0)
    expect(listOf(phys, 0, MIGRATE_MOVABLE)).toEqual([3078, 3073])
    expect(listOf(phys, 1, MIGRATE_MOVABLE)).toEqual([3074])
    expect([take(phys, M), take(phys, M)]).toEqual([3078, 3073])
    verify(phys)
  })
  it('[physical E5] does not merge across nodes', () => {
    const phys = boot({
      memory: [
        { start: 0, end: 65664 * 4096, node: 0 },
        { start: 65664 * 4096, end: 131072 * 4096, node: 1 },
      ],
      maxZonePfn: [0, 0, 131072, 0],
    })
    expect(freeBlocks(phys, 0)).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 64])
    expect(freeBlocks(phys, 1)).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 63])
    expect(phys.zones.filter((zone) => zone.isPopulated).map((zone) => [...zone.watermark])).toEqual([
      [362, 452, 543],
      [361, 451, 541],
    ])
    verify(phys)
  })
  it('[physical E6] keeps the reserve from requests that fail their mark', () => {
    const phys = boot(S16)
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_NORETRY
    const pages = [1, 2, 3, 4].map(() => run(phys, allocPages(phys, gfp, 10)))
    expect(pages).toEqual([3072, 2048, 1024, -12])
    expect(listOf(phys, 10, MIGRATE_RESERVE)).toEqual([0])
    verify(phys)
  })
  it('[physical E7] reports a page that is freed with an owner, and never returns it', () => {
    const phys = boot(S16)
    const page = take(phys, M)
    phys.frames.owner[phys.frames.frameOf(page)] = 1
    freePages(phys, page, 0)
    expect(phys.nrBadPages).toBe(1)
    expect(phys.log.warnings).toHaveLength(1)
    expect(free(phys)).toBe(4095)
    let last
    while (typeof (last = allocPagesTry(phys, M | __GFP_MEMALLOC, 0)) === 'number' && last > 0)
      expect(last).not.toBe(page)
    verify(phys)
  })
  it('[physical E8] refuses orders that do not exist', () => {
    const phys = boot(S16)
    expect(allocPagesTry(phys, GFP_NOWAIT | __GFP_NOWARN, 11)).toBe(-12)
    expect(phys.log.warnings).toHaveLength(0)
    expect(allocPagesTry(phys, GFP_NOWAIT, 11)).toBe(-12)
    expect(phys.log.warnings).toEqual(['kernel: page allocation failure: order:11, mode:0x0'])
  })
  it('[physical E9] counts a compound page at its head', () => {
    const phys = boot(S16)
    const { frames } = phys
    const head = take(phys, M | __GFP_COMP, 2)
    const f = frames.frameOf(head)
    expect([0, 1, 2, 3].map((i) => frames.refcount[f + i])).toEqual([1, 0, 0, 0])
    expect([1, 2, 3].map((i) => compoundHead(phys, f + i))).toEqual([f, f, f])
    expect(compoundOrder(phys, f)).toBe(2)
    verify(phys)
    getPage(phys, head + 3)
    putPage(phys, head + 1)
    expect(free(phys)).toBe(4092)
    freePages(phys, head, 2)
    expect(free(phys)).toBe(4096)
    verify(phys)
    const again = take(phys, M | __GFP_COMP, 3)
    putPage(phys, again + 5)
    expect(free(phys)).toBe(4096)
    verify(phys)
  })
  it('[physical E10] splits a block into pages', () => {
    const phys = boot(S16)
    const first = take(phys, M, 3)
    splitPage(phys, first, 3)
    verify(phys)
    freeRange(phys, first, first + 8)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4])
    verify(phys)
  })
  it('[physical E11] releases boot memory in the largest aligned chunks', () => {
    const machine = testMachine()
    const chunks: unknown[] = []
    machine.trace.attach((name, fields) => {
      if (name === 'mm_page_free') chunks.push([fields['pfn'], fields['order']])
    })
    bootPhys(machine, {
      memory: [{ start: 4096, end: 256 * 4096 }],
      reserved: [
        { start: 4096, end: 16 * 4096 },
        { start: 159 * 4096, end: 256 * 4096 },
      ],
      maxZonePfn: [256, 256, 256, 0],
    })
    expect(chunks).toEqual([
      [16, 4],
      [32, 5],
      [64, 6],
      [128, 4],
      [144, 3],
      [152, 2],
      [156, 1],
      [158, 0],
    ])
  })
  it('keeps guard pages off the lists and merges them back', () => {
    const phys = boot({ ...S16, guardpageMinorder: 2 })
    const page = take(phys, M)
    expect(freeBlocks(phys)).toEqual([0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 3])
    expect(free(phys)).toBe(4092)
    verify(phys)
    freePages(phys, page, 0)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4])
    expect(free(phys)).toBe(4096)
    verify(phys)
  })
  it('frees lists of pages, and cold pages, with their events', () => {
    const phys = boot(M64)
    const pages = Array.from({ length: 4 }, () => take(phys, M) as number)
    getPage(phys, pages[3]!)
    const events = traced(phys, () => freePageList(phys, pages, true))
    expect(events.filter((event) => event.name === 'mm_page_free_batched').map((event) => event.fields)).toEqual(
      pages.slice(0, 3).map((pfn) => ({ pfn, order: 0, cold: 1 })),
    )
    freeColdPage(phys, pages[3]!)
    // Cold pages are used last.
    expect(take(phys, M)).toBe(pages[3]! + 1)
    drainAllPages(phys)
    verify(phys)
  })
  it('panics when a page is freed twice', () => {
    const phys = boot(S16)
    const page = take(phys, M)
    putPage(phys, page)
    expect(() => putPage(phys, page)).toThrow('a page is freed once')
  })
})

describe('per-CPU lists', () => {
  const pcp = (phys: Phys) => phys.nodes[0]!.zones[2]!.pcp[0]!
  const onPcp = (phys: Phys, type: number): number[] => phys.frames.listPfns(pcp(phys).lists + type)

  it('[physical F1] [physical F2] [physical F3] [physical F4] refills, drains and empties by batches', () => {
    const phys = boot(M64)
    expect(take(phys, M)).toBe(15360)
    expect([pcp(phys).count, free(phys)]).toEqual([2, 16381])
    expect(freeBlocks(phys)).toEqual([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 15])
    for (let pfn = 15361; pfn < 15380; pfn++) expect(take(phys, M)).toBe(pfn)
    expect([pcp(phys).count, free(phys)]).toEqual([1, 16363])
    verify(phys)

    const drained = (pfn: number): number[] =>
      traced(phys, () => freePages(phys, pfn, 0))
        .filter((event) => event.name === 'mm_page_pcpu_drain')
        .map((event) => event.fields['pfn'] as number)
    for (let pfn = 15360; pfn < 15376; pfn++) expect(drained(pfn)).toEqual([])
    expect(drained(15376)).toEqual([15380, 15360, 15361])
    expect(pcp(phys).count).toBe(15)
    expect([15377, 15378].map(drained)).toEqual([[], []])
    expect(drained(15379)).toEqual([15362, 15363, 15364])
    expect(onPcp(phys, MIGRATE_MOVABLE)).toEqual(Array.from({ length: 15 }, (_, i) => 15379 - i))
    expect(free(phys)).toBe(16369)
    expect(freeCount(phys)).toBe(16384)
    verify(phys)

    drainAllPages(phys)
    expect([pcp(phys).count, free(phys)]).toEqual([0, 16384])
    expect(freeBlocks(phys)[10]).toBe(16)
    verify(phys)
  })
  it('[physical F5] takes cold pages from the back', () => {
    const cold = M | 0x100
    const phys = boot(M64)
    expect([take(phys, cold), take(phys, cold)]).toEqual([15360, 15361])
    const other = boot(M64)
    expect([take(other, cold), take(other, M)]).toEqual([15360, 15362])
  })
  it('[physical F6] keeps the type of a CMA page', () => {
    const phys = boot(M64C)
    let page = take(phys, M)
    while (page < 4096 || page >= 8192) page = take(phys, M)
    drainAllPages(phys)
    const before = globalStat(phys, NR_FREE_CMA_PAGES)
    freePages(phys, page, 0)
    expect(onPcp(phys, MIGRATE_MOVABLE)).toEqual([page])
    expect(phys.frames.freeType[phys.frames.frameOf(page)]).toBe(MIGRATE_CMA)
    expect(globalStat(phys, NR_FREE_CMA_PAGES)).toBe(before)
    drainAllPages(phys)
    expect(globalStat(phys, NR_FREE_CMA_PAGES)).toBe(before + 1)
    verify(phys)
  })
})

describe('migrate types', () => {
  const extfrag = (phys: Phys, work: () => void): unknown[] =>
    traced(phys, work)
      .filter((event) => event.name === 'mm_page_alloc_extfrag')
      .map(({ fields }) => [
        fields['alloc_order'],
        fields['fallback_order'],
        fields['alloc_migratetype'],
        fields['fallback_migratetype'],
        fields['fragmenting'],
        fields['change_ownership'],
      ])
  const lengths = (phys: Phys, type: number): number[] =>
    Array.from({ length: 11 }, (_, order) => listOf(phys, order, type).length)

  it('[physical G1] steals whole pageblocks from a large block', () => {
    const phys = boot(S16)
    const events = extfrag(phys, () => expect(take(phys, U, 3)).toBe(3072))
    expect(events).toEqual([[3, 10, 0, 2, 0, 1]])
    expect([blockType(phys, 6), blockType(phys, 7)]).toEqual([MIGRATE_UNMOVABLE, MIGRATE_UNMOVABLE])
    expect(lengths(phys, MIGRATE_UNMOVABLE)).toEqual([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0])
    verify(phys)
  })
  it('[physical G2] gives each type blocks of its own', () => {
    const phys = boot(S16)
    expect([take(phys, U), take(phys, R), take(phys, M)]).toEqual([3072, 2048, 1024])
    expect([blockType(phys, 4), blockType(phys, 5)]).toEqual([MIGRATE_RECLAIMABLE, MIGRATE_RECLAIMABLE])
    expect(freeBlocks(phys)).toEqual([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 1])
    verify(phys)
  })
  /** All M blocks taken, then `pages` from 3072 on freed one by one. */
  function partlyFree(pages: number): Phys {
    const phys = boot(S16)
    for (const pfn of [3072, 2048, 1024]) expect(take(phys, M, 10)).toBe(pfn)
    splitPage(phys, 3072, 10)
    freeRange(phys, 3072, 3072 + pages)
    return phys
  }
  it('[physical G3] claims a pageblock of which it gets at least half', () => {
    const phys = partlyFree(300)
    expect(lengths(phys, MIGRATE_MOVABLE)).toEqual([0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0])
    const events = extfrag(phys, () => expect(take(phys, U | __GFP_MEMALLOC)).toBe(3072))
    expect(events).toEqual([[0, 8, 0, 2, 1, 1]])
    expect(blockType(phys, 6)).toBe(MIGRATE_UNMOVABLE)
    expect(lengths(phys, MIGRATE_UNMOVABLE)).toEqual([1, 1, 2, 2, 1, 2, 1, 1, 0, 0, 0])
    verify(phys)
  })
  it('[physical G4] moves the pages but not the pageblock when it is less', () => {
    const phys = partlyFree(200)
    const events = extfrag(phys, () => {
      expect(take(phys, U | __GFP_MEMALLOC)).toBe(3072)
      expect(blockType(phys, 6)).toBe(MIGRATE_MOVABLE)
      expect(lengths(phys, MIGRATE_UNMOVABLE)).toEqual([1, 1, 1, 2, 1, 1, 2, 0, 0, 0, 0])
      expect(take(phys, M | __GFP_MEMALLOC)).toBe(3136)
    })
    expect(events).toEqual([
      [0, 7, 0, 2, 1, 0],
      [0, 6, 2, 0, 1, 1],
    ])
    expect(lengths(phys, MIGRATE_UNMOVABLE)).toEqual(Array.from({ length: 11 }, () => 0))
    verify(phys)
  })
  it('[physical G5] uses the reserve last', () => {
    const phys = boot(S16)
    const pages = Array.from({ length: 3073 }, () => take(phys, U | __GFP_MEMALLOC) as number)
    expect([pages[0], pages[1023], pages[1024], pages[2048], pages[3072]]).toEqual([3072, 4095, 2048, 1024, 0])
  })
  it('[physical G6] returns reserve pages to the reserve', () => {
    const phys = boot(S16)
    let page = take(phys, U | __GFP_MEMALLOC)
    while (page !== 0) page = take(phys, U | __GFP_MEMALLOC)
    expect(phys.frames.freeType[phys.frames.frameOf(0)]).toBe(MIGRATE_RESERVE)
    freePages(phys, 0, 0)
    expect(listOf(phys, 10, MIGRATE_RESERVE)).toEqual([0])
    verify(phys)
  })
  it('[physical G7] lends CMA pages to movable requests only when the others are gone', () => {
    const phys = boot(M64C)
    for (let i = 0; i < 11264; i++) {
      const page = take(phys, M)
      expect(page < 4096 || page >= 8192).toBe(true)
    }
    expect(take(phys, M)).toBe(7168)
    expect(globalStat(phys, NR_FREE_CMA_PAGES)).toBe(4095)
    expect(getPageblockMigratetype(phys, 7168)).toBe(MIGRATE_CMA)
    verify(phys)
  })
  it('[physical G8] never lends CMA pages to unmovable requests', () => {
    const phys = boot(M64C)
    for (;;) {
      const page = allocPagesTry(phys, U | __GFP_MEMALLOC, 0)
      if (typeof page !== 'number' || page < 0) break
      expect(page < 4096 || page >= 8192).toBe(true)
    }
    expect(globalStat(phys, NR_FREE_PAGES)).toBe(4096)
    verify(phys)
  })
  it('[physical G9] does not group by mobility on a tiny machine', () => {
    const phys = boot({ memory: [{ start: 0, end: 8 * 2 ** 20 }], maxZonePfn: [0, 0, 2048, 0] })
    expect(phys.vmTotalPages).toBe(2016)
    expect(phys.isMobilityGroupingDisabled).toBe(true)
    const page = take(phys, M)
    expect(getPageblockMigratetype(phys, page)).toBe(MIGRATE_UNMOVABLE)
    setPageblockMigratetype(phys, page, MIGRATE_RECLAIMABLE)
    expect(getPageblockMigratetype(phys, page)).toBe(0)
    setPageblockMigratetype(phys, page, MIGRATE_ISOLATE)
    expect(getPageblockMigratetype(phys, page)).toBe(5)
  })
  it('[physical G10] packs pageblock flags from the top of a word', () => {
    const phys = boot(S16)
    expect(pageblockWord(phys, 0)).toBe(0x6444444400000000n)
    expect(getPfnblockFlagsMask(phys, 700, 700, 2, 7)).toBe(2)
    expect(getPfnblockFlagsMask(phys, 5, 5, 3, 15)).toBe(6)
    phys.pageblockBits.fill(0)
    setPageblockMigratetype(phys, 0, MIGRATE_MOVABLE)
    expect(pageblockWord(phys, 0)).toBe(0x4000000000000000n)
    setPageblockMigratetype(phys, 512, MIGRATE_MOVABLE)
    expect(pageblockWord(phys, 0)).toBe(0x4400000000000000n)
    setPfnblockFlagsMask(phys, 0, 1, 0, 3, 1)
    expect(pageblockWord(phys, 0)).toBe(0x5400000000000000n)
    const large = boot(T2)
    large.pageblockBits.fill(0)
    setPageblockMigratetype(large, 8192, MIGRATE_MOVABLE)
    setPageblockMigratetype(large, 32768, MIGRATE_RECLAIMABLE)
    expect([0, 1, 4].map((word) => pageblockWord(large, word))).toEqual([0n, 0x4000000000000000n, 0x2000000000000000n])
  })
  it('[physical G11] keeps the flags by zone on cfg32', () => {
    expect(pageblockBytes(1000, 4000, 512, 32)).toBe(8)
    const phys = boot({ ...H1G, memory: [{ start: 1000 * 4096, end: 2 ** 30 }], maxZonePfn: [5000, 229376, 262144, 0] })
    phys.pageblockBits.fill(0)
    setPageblockMigratetype(phys, 1000, MIGRATE_MOVABLE)
    expect(pageblockWord(phys, 0)).toBe(0x40000000n)
    setPageblockMigratetype(phys, 1024, MIGRATE_MOVABLE)
    expect(pageblockWord(phys, 0)).toBe(0x44000000n)
    // Two words for the first zone; the second zone begins a word of its own, at the block of pfn 5000.
    setPageblockMigratetype(phys, 5000, MIGRATE_MOVABLE)
    expect([1, 2].map((word) => pageblockWord(phys, word))).toEqual([0n, 0x40000000n])
    expect(phys.frames.flags[phys.frames.frameOf(999)]! & PG_reserved).toBe(PG_reserved)
  })
  it('maps a request to its type', () => {
    const phys = boot(S16)
    expect(getPageblockMigratetype(phys, take(phys, GFP_KERNEL))).toBe(MIGRATE_UNMOVABLE)
  })
})

import { EBUSY, EIO, PAGE_SIZE, pfn, type Pfn } from '../../base/index.ts'
import { PG_dirty, PG_locked, PG_private, PG_reclaim, PG_uptodate, PG_writeback } from '../phys/index.ts'
import { pmapExtract, pmapLookup, VM_PROT_READ, VM_PROT_WRITE } from '../pmap/index.ts'
import { describe, expect, it } from 'vitest'
import {
  AS_EXITING,
  attachPagePrivate,
  detachPagePrivate,
  deleteFromPageCache,
  endPageWriteback,
  invalidateInodePages2,
  invalidateInodePages2Range,
  invalidateMappingPages,
  LRU_INACTIVE_FILE,
  lruAddDrainAll,
  newReadaheadState,
  pagecacheIsizeExtended,
  putCachePage,
  removeMapping,
  setPageDirty,
  setPageWriteback,
  truncateInodePages,
  truncateInodePagesFinal,
  truncateInodePagesRange,
  truncatePagecacheRange,
  truncateSetsize,
  trylockPage,
  unlockPage,
} from './index.ts'
import { TestWorld, type TestFile } from './testWorld.ts'

/** Five idle pages of 0xAA. */
function five(): { world: TestWorld; file: TestFile; pages: Pfn[] } {
  const world = new TestWorld()
  const file = world.file(5 * PAGE_SIZE)
  const pages = [0, 1, 2, 3, 4].map((index) => world.idle(file, index, 0xaa))
  return { world, file, pages }
}
function cached(file: TestFile): number[] {
  const indexes: number[] = []
  const { pages } = file.object
  for (let index = pages.next(0); index >= 0; index = pages.next(index + 1))
    if (pages.get(index) > 0) indexes.push(index)
  return indexes
}
/** Runs of zero bytes of a page, as [from, to). */
function zeros(world: TestWorld, page: Pfn): number[][] {
  const bytes = world.bytes(page)
  const runs: number[][] = []
  for (let at = 0; at < PAGE_SIZE; at++) {
    if (bytes[at] !== 0) continue
    const from = at
    while (at < PAGE_SIZE && bytes[at] === 0) at++
    runs.push([from, at])
  }
  return runs
}
const truncate = (world: TestWorld, file: TestFile, lstart: number, lend: number) =>
  world.now(truncateInodePagesRange(world.cache, file.object, lstart, lend))

describe('truncateInodePagesRange', () => {
  it('[page-cache 95] removes whole pages and zeroes the edges', () => {
    const { world, file, pages } = five()
    const calls: unknown[] = []
    file.ops.invalidatePage = (_object, page, offset, bytes) => {
      calls.push([world.indexOf(page), offset, bytes])
      if (bytes === PAGE_SIZE) detachPagePrivate(world.cache, page)
    }
    for (const page of pages) attachPagePrivate(world.cache, page)
    truncate(world, file, 5000, 12999)
    expect([cached(file), file.object.nrPages]).toEqual([[0, 1, 3, 4], 4])
    expect(zeros(world, pages[1])).toEqual([[904, 4096]])
    expect(zeros(world, pages[3])).toEqual([[0, 712]])
    expect([pages[1], pages[3]].map((page) => world.has(page, PG_dirty | PG_locked))).toEqual([false, false])
    expect(calls).toEqual([
      [2, 0, 4096],
      [1, 904, 3192],
      [3, 0, 712],
    ])
    world.verify()
  })
  it('[page-cache 96] treats every kind of edge', () => {
    const table: [number, number, number[], Record<number, number[][]>][] = [
      [100, 199, [0, 1, 2, 3, 4], { 0: [[100, 200]] }],
      [0, 99, [0, 1, 2, 3, 4], { 0: [[0, 100]] }],
      [100, 4095, [0, 1, 2, 3, 4], { 0: [[100, 4096]] }],
      [4096, 8191, [0, 2, 3, 4], {}],
      [4095, 4096, [0, 1, 2, 3, 4], { 0: [[4095, 4096]], 1: [[0, 1]] }],
      [4095, 8192, [0, 2, 3, 4], { 0: [[4095, 4096]], 2: [[0, 1]] }],
      [0, -1, [], {}],
      [20479, -1, [0, 1, 2, 3, 4], { 4: [[4095, 4096]] }],
    ]
    for (const [lstart, lend, left, zeroed] of table) {
      const { world, file, pages } = five()
      truncate(world, file, lstart, lend)
      expect(cached(file)).toEqual(left)
      for (const index of left) expect(zeros(world, pages[index])).toEqual(zeroed[index] ?? [])
      world.verify()
    }
  })
  it('[page-cache 97] leaves an edge alone that is not cached', () => {
    const { world, file, pages } = five()
    const page = world.hold(pages[1])
    trylockPage(world.cache, page)
    deleteFromPageCache(world.cache, page)
    unlockPage(world.cache, page)
    truncate(world, file, 5000, 12999)
    expect(cached(file)).toEqual([0, 3, 4])
    expect(zeros(world, pages[3])).toEqual([[0, 712]])
    expect([zeros(world, page), file.reads]).toEqual([[], []])
  })
  it('[page-cache 98] takes what is idle first, and then waits', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(4 * PAGE_SIZE)
    const pages = [0, 1, 2, 3].map((index) => world.idle(file, index))
    trylockPage(cache, pages[1])
    setPageWriteback(cache, pages[2])
    const t1 = world.start(truncateInodePagesRange(cache, file.object, 0, -1))
    expect([t1.state, cached(file), file.object.nrPages]).toEqual(['asleep', [1, 2], 2])
    unlockPage(cache, pages[1])
    t1.run()
    expect([t1.state, cached(file), world.has(pages[2], PG_locked)]).toEqual(['asleep', [2], true])
    endPageWriteback(cache, pages[2])
    t1.run()
    expect([t1.state, file.object.nrPages]).toEqual(['done', 0])
    world.verify()
  })
  it('removes pages that were added behind it while it waited', () => {
    const { world, file, pages } = five()
    trylockPage(world.cache, pages[3])
    const t1 = world.start(truncateInodePagesRange(world.cache, file.object, 4096, -1))
    world.idle(file, 1)
    unlockPage(world.cache, pages[3])
    t1.run()
    expect([t1.state, cached(file)]).toEqual(['done', [0]])
    world.verify()
  })
  it('[page-cache 99] zeroes an edge after its writeback', () => {
    const { world, file, pages } = five()
    const { cache } = world
    file.isWriteDeferred = true
    setPageDirty(cache, pages[1])
    trylockPage(cache, pages[1])
    world.now(file.write(pages[1]))
    const t1 = world.start(truncateInodePagesRange(cache, file.object, 5000, 8191))
    expect([t1.state, zeros(world, pages[1])]).toEqual(['asleep', []])
    file.complete(pages[1])
    t1.run()
    expect(zeros(world, pages[1])).toEqual([[904, 4096]])
    expect(file.disk.subarray(4096, 8192).every((byte) => byte === 0xaa)).toBe(true)
    world.verify()
  })
  it('[page-cache 100] throws dirty pages away and says so to the accounts', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(10000)
    const pages = [0, 1, 2].map((index) => world.dirty(file, index))
    world.hold(pages[2])
    expect(world.delta(() => world.now(truncateInodePages(cache, file.object, 4096)))).toEqual({
      nr_dirty: -2,
      nr_file_pages: -2,
      BDI_RECLAIMABLE: -2,
    })
    world.machine.current.thread = world.lastTask
    expect(cache.io.cancelledWriteBytes).toBe(8192)
    expect(world.has(pages[0], PG_dirty)).toBe(true)
    expect([world.ownerOf(pages[2]), world.indexOf(pages[2])]).toEqual([0, 2])
    expect([world.has(pages[2], PG_uptodate), world.has(pages[2], PG_dirty)]).toEqual([true, false])
    world.verify()
  })
  it('[page-cache 101] removes shadows of whole pages only', () => {
    const world = new TestWorld()
    const file = world.file(7 * PAGE_SIZE)
    world.idle(file, 0)
    world.idle(file, 4)
    for (const index of [1, 2, 6]) world.shadow(file, index)
    truncate(world, file, 4096, 12287)
    expect([file.object.nrShadows, file.object.nrPages]).toEqual([1, 2])
    truncate(world, file, 24577, 28671)
    expect(file.object.nrShadows).toBe(1)
    world.verify()
    const empty = world.file(PAGE_SIZE)
    empty.object.pages.next = () => expect.fail('an empty index is not looked at')
    truncate(world, empty, 0, -1)
  })
  it('[page-cache 102] takes everything in the end, and reclaim leaves nothing any more', () => {
    const { world, file } = five()
    const { cache } = world
    world.shadow(file, 7)
    world.now(truncateInodePagesFinal(cache, file.object))
    expect([file.object.nrPages, file.object.nrShadows]).toEqual([0, 0])
    expect(file.object.flags & AS_EXITING).toBe(AS_EXITING)
    const page = world.hold(world.idle(file, 0))
    const age = cache.inactiveAge[world.zone(page).slot]
    trylockPage(cache, page)
    expect(removeMapping(cache, file.object, page, true)).toBe(true)
    expect([file.object.nrShadows, cache.inactiveAge[world.zone(page).slot]]).toEqual([0, age])
    world.verify()
  })
})

/** The nine pages of scenarios 103 and 104. */
function nine(): { world: TestWorld; file: TestFile; pages: Pfn[]; unmaps: unknown[] } {
  const world = new TestWorld()
  const { cache } = world
  const file = world.file(9 * PAGE_SIZE)
  const pages: Pfn[] = []
  for (const index of [0, 1, 2, 3, 4, 5, 7, 8]) pages[index] = world.idle(file, index)
  world.shadow(file, 6)
  setPageDirty(cache, pages[1])
  trylockPage(cache, pages[2])
  setPageWriteback(cache, pages[3])
  world.map(file, 4, VM_PROT_READ)
  world.hold(pages[5])
  for (const index of [7, 8]) attachPagePrivate(cache, pages[index])
  file.ops.releasePage = (_object, page) => {
    if (page === pages[8]) return false
    detachPagePrivate(cache, page)
    return true
  }
  const unmaps: unknown[] = []
  file.object.mappings.add({
    firstPage: 0,
    pageCount: 9,
    isSharedWritable: true,
    unmapRange: (lo, hi, dropsCopies) => void unmaps.push([lo, hi, dropsCopies]),
  })
  return { world, file, pages, unmaps }
}

describe('invalidateMappingPages', () => {
  it('[page-cache 103] takes only what nobody uses, and hints at the rest', () => {
    const { world, file, pages } = nine()
    const { cache } = world
    const changed = world.delta(() => {
      expect(invalidateMappingPages(cache, file.object, 0, 8)).toBe(2)
      lruAddDrainAll(cache)
    })
    expect(changed).toEqual({ nr_file_pages: -2, pgrotated: 2 })
    expect(cached(file)).toEqual([1, 2, 3, 4, 5, 8])
    expect([file.object.nrPages, file.object.nrShadows]).toEqual([6, 0])
    expect([1, 2, 3, 4, 5, 8].filter((index) => world.has(pages[index], PG_reclaim))).toEqual([1, 3])
    const list = cache.frames.listPfns(cache.lru.list(world.zone(pages[1]).slot, LRU_INACTIVE_FILE))
    expect(list.map((page) => world.indexOf(pfn(page)))).toEqual([3, 1, 4, 2, 5, 8])
    expect(world.has(pages[8], PG_private)).toBe(true)
    world.verify()
  })
  it('[page-cache 106] does not take a page whose batch is not drained, but the second time it is', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(2 * PAGE_SIZE)
    const ra = { ...newReadaheadState(file.object), raPages: 0 }
    world.now(file.read(ra, 0, 4096))
    expect(invalidateMappingPages(cache, file.object, 0, 0)).toBe(0)
    expect(invalidateMappingPages(cache, file.object, 0, 0)).toBe(1)
    world.now(file.read(ra, 4096, 4096))
    expect(world.now(invalidateInodePages2(cache, file.object))).toBe(0)
    expect(file.object.nrPages).toBe(0)
    world.verify()
  })
  it('[page-cache 111] leaves no shadow; reclaim does', () => {
    for (const isReclaim of [false, true]) {
      const { world, file, pages } = five()
      const { cache } = world
      if (isReclaim) {
        trylockPage(cache, world.hold(pages[0]))
        removeMapping(cache, file.object, pages[0], true)
        unlockPage(cache, pages[0])
        putCachePage(cache, pages[0])
      } else expect(invalidateMappingPages(cache, file.object, 0, 0)).toBe(1)
      const ra = { ...newReadaheadState(file.object), raPages: 0 }
      const changed = world.delta(() => world.now(file.read(ra, 0, 4096)))
      expect(changed['workingset_refault']).toBe(isReclaim ? 1 : undefined)
    }
  })
})

describe('invalidateInodePages2Range', () => {
  for (const hasLaunder of [false, true])
    it(`[page-cache 104] takes everything it can ${hasLaunder ? 'write first' : 'without writing'}`, () => {
      const { world, file, pages, unmaps } = nine()
      const { cache } = world
      if (hasLaunder)
        file.ops.launderPage = function* (_object, page) {
          return yield* file.launder(page)
        }
      const invalidate = (end: number) => world.start(invalidateInodePages2Range(cache, file.object, 0, end))
      const t1 = invalidate(8)
      expect(t1.state).toBe('asleep')
      unlockPage(cache, pages[2])
      expect(t1.run().state).toBe('asleep')
      endPageWriteback(cache, pages[3])
      expect(t1.run().result).toBe(EBUSY)
      expect(cached(file)).toEqual(hasLaunder ? [8] : [1, 8])
      expect(file.writes).toEqual(hasLaunder ? [1] : [])
      expect(unmaps).toEqual([[4, 9, false]])
      expect([world.ownerOf(pages[5]), world.indexOf(pages[5]), world.countOf(pages[5])]).toEqual([0, 5, 1])
      expect(file.object.nrShadows).toBe(0)
      expect(invalidate(7).result).toBe(hasLaunder ? 0 : EBUSY)
      world.verify()
    })
  it('[page-cache 105] answers the last failure', () => {
    for (const [first, second, answer] of [
      ['launder', 'private', EBUSY],
      ['private', 'launder', EIO],
      ['private', 'fine', EBUSY],
    ] as const) {
      const world = new TestWorld()
      const file = world.file(2 * PAGE_SIZE)
      file.ops.releasePage = () => false
      // oxlint-disable-next-line require-yield
      file.ops.launderPage = function* () {
        return EIO
      }
      for (const [index, what] of [first, second].entries()) {
        const page = world.idle(file, index)
        if (what === 'launder') setPageDirty(world.cache, page)
        if (what === 'private') attachPagePrivate(world.cache, page)
      }
      expect(world.now(invalidateInodePages2Range(world.cache, file.object, 0, 1))).toBe(answer)
    }
  })
})

describe('truncateSetsize', () => {
  it('[page-cache 107] stores the size, unmaps, truncates, unmaps', () => {
    const { world, file, pages } = five()
    const { cache } = world
    const events: unknown[] = []
    const note = (what: unknown) => events.push([what, file.object.sizeBytes])
    file.object.mappings.add({
      firstPage: 0,
      pageCount: 2 ** 20,
      isSharedWritable: true,
      unmapRange: (lo, hi, dropsCopies) => note([lo, hi, dropsCopies]),
    })
    file.ops.freePage = (_object, page) => note(world.indexOf(page))
    const setSize = (bytes: number) => world.now(truncateSetsize(cache, file.object, bytes))
    setSize(5000)
    expect(events).toEqual([
      [[2, Infinity, true], 5000],
      [2, 5000],
      [3, 5000],
      [4, 5000],
      [[2, Infinity, true], 5000],
    ])
    expect(cached(file)).toEqual([0, 1])
    expect(zeros(world, pages[1])).toEqual([[904, 4096]])
    world.bytes(pages[1])[6000 - 4096] = 0x11
    setSize(5000)
    expect(zeros(world, pages[1])).toEqual([[904, 4096]])
    setSize(20000)
    expect([cached(file), file.object.sizeBytes]).toEqual([[0, 1], 20000])
    world.verify()
  })
})

describe('pagecacheIsizeExtended', () => {
  it('[page-cache 109] write-protects a page in which new blocks have come inside the file', () => {
    const table: [number, number, number, number | null][] = [
      [4096, 100, 9000, null],
      [1024, 1000, 1020, null],
      [1024, 1000, 1024, null],
      [1024, 1000, 1025, 0],
      [1024, 1024, 1500, 0],
      [1024, 2000, 2000, null],
      [1024, 3500, 9000, null],
      [1024, 4096, 9000, null],
      [1024, 5000, 9000, 1],
    ]
    for (const [blockBytes, from, to, cleaned] of table) {
      const world = new TestWorld()
      const file = world.file(to, world.device, Math.log2(blockBytes))
      const pages = [0, 1, 2].map((index) => world.idle(file, index))
      for (const index of [0, 1]) world.map(file, index, VM_PROT_READ | VM_PROT_WRITE)
      world.now(pagecacheIsizeExtended(world.cache, file.object, from, to))
      const isWritable = (index: number) => {
        pmapLookup(world.pmapOf(file), (index + 1) * PAGE_SIZE)
        return (world.pmaps.prot & VM_PROT_WRITE) !== 0
      }
      for (const index of [0, 1]) {
        expect([isWritable(index), world.has(pages[index], PG_dirty)]).toEqual([index !== cleaned, index === cleaned])
      }
      expect(pages.map((page) => world.has(page, PG_locked))).toEqual([false, false, false])
      world.verify()
    }
  })
  it('[page-cache 109] does nothing to a page that is not cached or not mapped, and warns of a size too small', () => {
    const world = new TestWorld()
    const file = world.file(9000, world.device, 10)
    const page = world.idle(file, 1)
    world.now(pagecacheIsizeExtended(world.cache, file.object, 1000, 9000))
    world.now(pagecacheIsizeExtended(world.cache, file.object, 5000, 9000))
    expect([world.has(page, PG_dirty), world.phys.log.warnings]).toEqual([false, []])
    world.now(pagecacheIsizeExtended(world.cache, file.object, 5000, 10000))
    expect(world.phys.log.warnings.length).toBe(1)
  })
})

describe('truncatePagecacheRange', () => {
  it('[page-cache 110] punches a hole: whole pages are unmapped once, edges stay mapped', () => {
    const punch = (lstart: number, lend: number) => {
      const { world, file, pages } = five()
      for (const index of [0, 1, 2]) world.map(file, index, VM_PROT_READ)
      const unmaps: unknown[] = []
      file.object.mappings.add({
        firstPage: 0,
        pageCount: 2 ** 20,
        isSharedWritable: true,
        unmapRange: (lo, hi, dropsCopies) => void unmaps.push([lo, hi, dropsCopies]),
      })
      world.now(truncatePagecacheRange(world.cache, file.object, lstart, lend))
      expect(file.object.sizeBytes).toBe(20480)
      world.verify()
      const isMapped = [0, 1, 2].map((index) => pmapExtract(world.pmapOf(file), (index + 1) * PAGE_SIZE) >= 0)
      return { unmaps, isMapped, left: cached(file), zeroed: pages.slice(0, 3).map((page) => zeros(world, page)) }
    }
    expect(punch(1000, 9999)).toEqual({
      unmaps: [[1, 2, false]],
      isMapped: [true, false, true],
      left: [0, 2, 3, 4],
      zeroed: [[[1000, 4096]], [], [[0, 1808]]],
    })
    expect(punch(5000, 6000)).toEqual({
      unmaps: [],
      isMapped: [true, true, true],
      left: [0, 1, 2, 3, 4],
      zeroed: [[], [[904, 1905]], []],
    })
    expect(punch(4096, -1)).toMatchObject({ unmaps: [[1, Infinity, false]], left: [0], isMapped: [true, false, false] })
    expect(punch(0, 100)).toMatchObject({ unmaps: [], isMapped: [true, true, true] })
  })
})

describe('transferModified', () => {
  it('keeps a page that a mapping, gone by now, has modified', () => {
    const { world, file, pages } = five()
    world.map(file, 2, VM_PROT_READ | VM_PROT_WRITE)
    const mapping = [...file.object.mappings][0]
    mapping.unmapRange(2, 3, false)
    expect(world.has(pages[2], PG_dirty)).toBe(false)
    expect(invalidateMappingPages(world.cache, file.object, 2, 2)).toBe(0)
    expect([world.has(pages[2], PG_dirty), world.has(pages[2], PG_writeback)]).toEqual([true, false])
    world.verify()
  })
})

import { EIO, ENOMEM, ENXIO, PAGE_SIZE, pfn, type Pfn } from '../../base/index.ts'
import {
  failNthAllocation,
  GFP_KERNEL,
  PG_locked,
  PG_readahead,
  PG_referenced,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import { describe, expect, it } from 'vitest'
import {
  deleteFromPageCache,
  newReadaheadState,
  pageCacheAsyncReadahead,
  putCachePage,
  readCachePage,
  readCachePageGfp,
  setPageDirty,
  trylockPage,
  unlockPage,
  type ReadaheadState,
} from './index.ts'
import { pat, TestWorld, type TestFile } from './testWorld.ts'

/** A file with one open file description and a record of what was submitted. */
class Reader {
  readonly world = new TestWorld()
  readonly file: TestFile
  readonly ra: ReadaheadState
  /** [start, size, async] of each submit since the last look. */
  #submits: number[][] = []
  constructor(pages: number, raPages = 32) {
    this.file = this.world.file(pages * PAGE_SIZE)
    this.world.device.raPages = raPages
    this.ra = newReadaheadState(this.file.object)
    this.world.machine.trace.attach((name, fields) => {
      if (name === 'page_cache_ra_unbounded')
        this.#submits.push([Number(fields['index']), Number(fields['nr_to_read']), Number(fields['lookahead_size'])])
    })
  }
  /** Reads pages, in one request, and says what was submitted. */
  read(index: number, pages = 1): number[][] {
    this.world.now(this.file.read(this.ra, index * PAGE_SIZE, pages * PAGE_SIZE))
    return this.submits()
  }
  /** Reads pages one request after the other; submits by the page that caused them. */
  each(from: number, to: number, step = 1): Record<number, number[][]> {
    const caused: Record<number, number[][]> = {}
    for (let index = from; index <= to; index += step) {
      const submits = this.read(index, step)
      if (submits.length > 0) caused[index] = submits
    }
    return caused
  }
  submits(): number[][] {
    const submits = this.#submits
    this.#submits = []
    return submits
  }
  /** Indexes of the pages that carry the marker. */
  get markers(): number[] {
    return this.cached.filter((index) => this.world.has(this.page(index), PG_readahead))
  }
  get cached(): number[] {
    const indexes: number[] = []
    const { pages } = this.file.object
    for (let index = pages.next(0); index >= 0; index = pages.next(index + 1)) indexes.push(index)
    return indexes
  }
  page(index: number): Pfn {
    return pfn(this.file.object.pageAt(index))
  }
  drop(index: number): void {
    const page = this.world.hold(this.page(index))
    trylockPage(this.world.cache, page)
    deleteFromPageCache(this.world.cache, page)
    unlockPage(this.world.cache, page)
    putCachePage(this.world.cache, page)
  }
  state(): number[] {
    return [this.ra.start, this.ra.size, this.ra.asyncSize]
  }
}
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('readahead', () => {
  it('[page-cache 25] doubles the window of small sequential reads', () => {
    const reader = new Reader(1000)
    const markers: number[][] = []
    const caused: Record<number, number[][]> = {}
    for (let index = 0; index <= 60; index++) {
      const submits = reader.read(index)
      expect(reader.ra.prevPos).toBe(4096 * index)
      if (submits.length === 0) continue
      caused[index] = submits
      markers.push(reader.markers)
    }
    expect(caused).toEqual({
      0: [[0, 4, 3]],
      1: [[4, 8, 8]],
      4: [[12, 16, 16]],
      12: [[28, 32, 32]],
      28: [[60, 32, 32]],
      60: [[92, 32, 32]],
    })
    expect(markers).toEqual([[1], [4], [12], [28], [60], [92]])
    expect(reader.file.reads).toEqual(range(0, 123))
    const bytes = reader.world.bytes(reader.page(60))
    expect([bytes[0], bytes[4095]]).toEqual([pat(60 * 4096), pat(60 * 4096 + 4095)])
    reader.world.verify()
  })
  it('[page-cache 26] starts larger for larger reads', () => {
    const reader = new Reader(1000)
    expect(reader.each(0, 48, 8)).toEqual({
      0: [[0, 16, 8]],
      8: [[16, 32, 32]],
      16: [[48, 32, 32]],
      48: [[80, 32, 32]],
    })
  })
  it('[page-cache 27] takes two windows in one when the first would hit its own marker', () => {
    const reader = new Reader(1000)
    expect(reader.read(0, 32)).toEqual([[0, 64, 32]])
    expect([reader.cached, reader.markers]).toEqual([range(0, 63), [32]])
    expect(reader.read(32, 32)).toEqual([[64, 32, 32]])
  })
  it('[page-cache 28] goes on inside one large read', () => {
    const reader = new Reader(1000)
    expect(reader.read(0, 64)).toEqual([
      [0, 64, 32],
      [64, 32, 32],
    ])
    expect(reader.markers).toEqual([64])
  })
  it('[page-cache 29] opens a window by the size of the request', () => {
    for (const [pages, submit, marker] of [
      [4, [0, 8, 4], 4],
      [16, [0, 32, 16], 16],
    ] as const) {
      const reader = new Reader(1000)
      expect(reader.read(0, pages)).toEqual([submit])
      expect(reader.markers).toEqual([marker])
    }
  })
  it('[page-cache 30] leaves its state alone for a random read, and sees sequence after it', () => {
    const reader = new Reader(2000)
    expect(reader.read(1000)).toEqual([[1000, 1, 0]])
    expect([reader.markers, reader.state()]).toEqual([[], [0, 0, 0]])
    expect(reader.read(1001)).toEqual([[1001, 4, 3]])
    expect(reader.markers).toEqual([1002])
    expect(reader.read(1002)).toEqual([[1005, 8, 8]])
    expect(reader.markers).toEqual([1005])
    expect(new Reader(2000).read(1)).toEqual([[1, 1, 0]])
  })
  it('[page-cache 31] opens a window for a random read that is larger than the maximum', () => {
    const reader = new Reader(2000)
    expect(reader.read(500, 8)).toEqual([[500, 8, 0]])
    expect(reader.state()).toEqual([0, 0, 0])
    expect(reader.read(700, 40)).toEqual([
      [700, 64, 32],
      [764, 32, 32],
    ])
  })
  it('[page-cache 32] goes on where somebody else has read', () => {
    const reader = new Reader(1000)
    for (const index of range(90, 99)) reader.world.idle(reader.file, index)
    expect(reader.read(100)).toEqual([[100, 11, 1]])
    expect(reader.markers).toEqual([110])
    const start = new Reader(1000)
    for (const index of range(0, 9)) start.world.idle(start.file, index)
    start.ra.prevPos = 5000 * 4096
    expect(start.read(10)).toEqual([[10, 21, 1]])
    expect(start.markers).toEqual([30])
  })
  it('[page-cache 33] follows a marker that it does not know', () => {
    const reader = new Reader(1000)
    for (const index of range(50, 57)) reader.world.idle(reader.file, index)
    reader.world.set(reader.page(50), PG_readahead)
    expect(reader.read(50)).toEqual([[58, 18, 18]])
    expect(reader.markers).toEqual([58])
  })
  it('[page-cache 34] stops at the end of the file', () => {
    const reader = new Reader(20)
    const caused = reader.each(0, 19)
    expect(caused[4]).toEqual([[12, 16, 16]])
    expect(caused[12]).toEqual([[28, 32, 32]])
    expect(reader.file.reads).toEqual(range(0, 19))
    expect(reader.cached).toEqual(range(0, 19))
  })
  it('[page-cache 35] may push its window past the page that is wanted, which is then read alone', () => {
    const reader = new Reader(1000)
    reader.each(0, 27)
    expect(reader.state()).toEqual([28, 32, 32])
    for (const index of range(28, 59)) reader.drop(index)
    reader.file.reads.length = 0
    expect(reader.read(28)).toEqual([[60, 32, 32]])
    expect(reader.file.reads).toEqual([...range(60, 91), 28])
    expect(reader.world.bytes(reader.page(28))[5]).toBe(pat(28 * 4096 + 5))
  })
  it('[page-cache 36] forgets a marker on a page that is dirtied', () => {
    const reader = new Reader(1000)
    reader.each(0, 27)
    setPageDirty(reader.world.cache, reader.page(28))
    expect(reader.each(28, 59)).toEqual({})
    expect(reader.read(60)).toEqual([[60, 64, 32]])
    expect(reader.markers).toEqual([92])
  })
  it('[page-cache 37] reads what it is told, in chunks, in random mode', () => {
    const reader = new Reader(2000)
    reader.ra.isRandom = true
    expect(reader.read(10, 600)).toEqual([
      [10, 512, 0],
      [522, 88, 0],
    ])
    expect([reader.markers, reader.state()]).toEqual([[], [0, 0, 0]])
    expect(reader.file.reads).toEqual(range(10, 609))
  })
  it('[page-cache 38] is off without a window', () => {
    const reader = new Reader(1000, 0)
    expect(reader.read(0, 2)).toEqual([])
    expect(reader.file.reads).toEqual([0, 1])
    const page = reader.page(0)
    reader.world.set(page, PG_readahead)
    reader.world.now(pageCacheAsyncReadahead(reader.world.cache, reader.file.object, reader.ra, page, 0, 1))
    expect(reader.world.has(page, PG_readahead)).toBe(true)
  })
  it('[page-cache 39] leaves out what a congested device would have to do, and pages under writeback', () => {
    for (const isWriting of [false, true]) {
      const reader = new Reader(1000)
      const page = reader.world.idle(reader.file, 50)
      reader.world.set(page, isWriting ? PG_readahead | PG_writeback : PG_readahead)
      reader.world.device.isReadCongested = !isWriting
      expect(reader.read(50)).toEqual([])
      expect(reader.world.has(page, PG_readahead)).toBe(isWriting)
    }
  })
  it('[page-cache 40] keeps to the maximum of the file', () => {
    const small = new Reader(1000, 8)
    expect(Object.values(small.each(0, 30)).flat().slice(0, 4)).toEqual([
      [0, 2, 1],
      [2, 4, 4],
      [6, 8, 8],
      [14, 8, 8],
    ])
    const large = new Reader(1000, 64)
    expect(Object.values(large.each(0, 60)).flat().slice(0, 5)).toEqual([
      [0, 4, 3],
      [4, 8, 8],
      [12, 16, 16],
      [28, 32, 32],
      [60, 64, 64],
    ])
  })
  it('stops quietly when there is no memory', () => {
    const reader = new Reader(1000)
    failNthAllocation(reader.world.phys, 3)
    reader.read(0, 4)
    expect(reader.cached).toEqual([0, 1, 2, 3, 4, 5, 6, 7].slice(0, reader.cached.length))
    reader.world.verify()
  })
})

describe('getPageForRead', () => {
  it('tries a page that readahead could not read once more, and reads ahead less', () => {
    const reader = new Reader(100)
    const { file, world } = reader
    file.badPages.add(50)
    const attempt = () => {
      const before = file.reads.length
      const result = world.now(file.read(reader.ra, 50 * 4096, 4096))
      return [result, file.reads.slice(before).filter((index) => index === 50).length, reader.ra.raPages]
    }
    expect([attempt(), attempt(), attempt(), attempt()]).toEqual([
      [EIO, 2, 8],
      [EIO, 1, 2],
      [EIO, 1, 0],
      [EIO, 1, 0],
    ])
    file.badPages.clear()
    expect(attempt()[0]).toEqual([50])
    world.verify()
  })
  it('waits for a read that somebody else has started', () => {
    const reader = new Reader(10, 0)
    const { file, world } = reader
    file.isReadDeferred = true
    const t1 = world.start(file.read(reader.ra, 0, 10))
    const t2 = world.start(file.read(newReadaheadState(file.object), 0, 10))
    expect([t1.state, t2.state, file.reads]).toEqual(['asleep', 'asleep', [0]])
    file.complete(reader.page(0))
    t1.run()
    t2.run()
    expect([t1.result, t2.result, file.reads]).toEqual([[0], [0], [0]])
    world.verify()
  })
})

describe('readCachePage', () => {
  const filler = (world: TestWorld, answer: number, isFilled: boolean, calls: number[] = []) =>
    function* (page: Pfn) {
      calls.push(world.indexOf(page))
      if (isFilled) world.set(page, PG_uptodate)
      unlockPage(world.cache, page)
      return answer
    }
  it('[page-cache 48] answers a filled page, or why not', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(40960)
    const page = world.now(readCachePage(cache, file.object, 0, filler(world, 0, true))) as Pfn
    expect([PG_uptodate, PG_locked, PG_referenced].map((flag) => world.has(page, flag))).toEqual([true, false, true])
    expect(world.countOf(page)).toBe(3)
    expect(world.now(readCachePage(cache, file.object, 1, filler(world, ENXIO, false)))).toBe(ENXIO)
    expect(world.has(pfn(file.object.pageAt(1)), PG_uptodate)).toBe(false)
    expect(world.now(readCachePage(cache, file.object, 2, filler(world, 0, false)))).toBe(EIO)
    const calls: number[] = []
    expect(world.now(readCachePage(cache, file.object, 2, filler(world, 0, true, calls)))).toBe(file.object.pageAt(2))
    expect(calls).toEqual([2])
    failNthAllocation(world.phys, 1)
    expect(world.now(readCachePage(cache, file.object, 3, filler(world, 0, true)))).toBe(ENOMEM)
    const read = world.now(readCachePageGfp(cache, file.object, 4, GFP_KERNEL)) as Pfn
    expect([file.reads, world.bytes(read)[1]]).toEqual([[4], pat(4 * 4096 + 1)])
    world.verify()
  })
  it('[page-cache 48] waits for a read of somebody else and does not read again', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(4096)
    file.isReadDeferred = true
    const ra = newReadaheadState(file.object)
    const t2 = world.start(file.read(ra, 0, 4096))
    const calls: number[] = []
    const t1 = world.start(readCachePage(cache, file.object, 0, filler(world, 0, true, calls)))
    expect([t1.state, t2.state]).toEqual(['asleep', 'asleep'])
    file.complete(pfn(file.object.pageAt(0)))
    t2.run()
    t1.run()
    expect([t1.result, calls]).toEqual([file.object.pageAt(0), []])
  })
})

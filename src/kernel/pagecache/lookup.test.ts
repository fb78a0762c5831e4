import { PGOFF_MAX, pfn, type Pfn } from '../../base/index.ts'
import { GFP_KERNEL, PG_active, PG_locked, PG_referenced, PG_uptodate } from '../phys/index.ts'
import { describe, expect, it } from 'vitest'
import {
  addToPageCacheLockedTry,
  deleteFromPageCache,
  exceptionalEntry,
  FGP_ACCESSED,
  FGP_CREAT,
  FGP_LOCK,
  FGP_NOWAIT,
  findGetEntry,
  findGetPagesContig,
  findGetPagesTag,
  findLockEntry,
  isExceptional,
  lruAddDrainAll,
  pageCacheNextHole,
  pageCachePrevHole,
  pagecacheGetPage,
  pagecacheGetPageTry,
  putCachePage,
  removeMapping,
  setPageDirty,
  TAG_DIRTY,
  trylockPage,
  unlockPage,
} from './index.ts'
import { Rng, WouldSleep } from '../../base/index.ts'
import { TestWorld, type TestFile } from './testWorld.ts'

function fill(world: TestWorld, file: TestFile, ...indexes: number[]): Pfn[] {
  return indexes.map((index) => world.idle(file, index))
}
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('pageCacheNextHole and pageCachePrevHole', () => {
  const world = new TestWorld()
  const file = world.file(0)
  fill(world, file, ...range(10, 14), ...range(16, 20))
  world.shadow(file, 15)

  it('[page-cache 1] finds the first slot without a page upwards', () => {
    const next = (index: number, most: number) => pageCacheNextHole(file.object, index, most)
    expect([next(10, 100), next(10, 3), next(10, 5), next(15, 5), next(16, 5), next(21, 5), next(10, 0)]).toEqual([
      15, 13, 15, 15, 21, 21, 10,
    ])
    const last = world.file(0)
    world.idle(last, PGOFF_MAX)
    expect(pageCacheNextHole(last.object, PGOFF_MAX, 5)).toBe(0)
  })
  it('[page-cache 2] finds the first slot without a page downwards', () => {
    const prev = (index: number, most: number) => pageCachePrevHole(file.object, index, most)
    expect([prev(20, 100), prev(14, 100), prev(14, 3), prev(9, 4)]).toEqual([15, 9, 11, 9])
    const first = world.file(0)
    fill(world, first, 0, 1, 2)
    expect(pageCachePrevHole(first.object, 2, 10)).toBe(PGOFF_MAX)
    expect(pageCachePrevHole(first.object, 2, 2)).toBe(0)
  })
  it('agrees with counting one by one (P19)', () => {
    const rng = new Rng(19)
    const sparse = world.file(0)
    const there = new Set<number>()
    for (let i = 0; i < 60; i++) {
      const index = Math.floor(rng.next32() % 80)
      if (there.has(index)) continue
      there.add(index)
      world.idle(sparse, index)
    }
    for (let index = 0; index < 82; index++)
      for (let most = 0; most < 20; most++) {
        let up = index
        while (up < index + most && there.has(up)) up++
        expect(pageCacheNextHole(sparse.object, index, most)).toBe(up)
        let down = index
        while (down > index - most && there.has(down)) down--
        expect(pageCachePrevHole(sparse.object, index, most)).toBe(down < 0 ? PGOFF_MAX : down)
      }
    world.verify()
  })
})

describe('findGetEntry', () => {
  it('[page-cache 3] answers a page with a reference, an exceptional entry, or nothing', () => {
    const world = new TestWorld()
    const file = world.file(0)
    const page = world.idle(file, 4)
    world.shadow(file, 5, 0x9a2)
    expect(findGetEntry(world.cache, file.object, 4)).toBe(page)
    expect(world.countOf(page)).toBe(2)
    const entry = findGetEntry(world.cache, file.object, 5)
    expect(entry).toBe(exceptionalEntry(0x9a2))
    expect(entry !== null && isExceptional(entry)).toBe(true)
    expect(findGetEntry(world.cache, file.object, 6)).toBe(null)
  })
  it('[page-cache 3] does not answer a page that is being taken out', () => {
    const world = new TestWorld()
    const file = world.file(0)
    const page = world.hold(world.idle(file, 7))
    trylockPage(world.cache, page)
    const seen: unknown[] = []
    world.machine.trace.attach((name) => {
      if (name !== 'mm_filemap_delete_from_page_cache') return
      expect(world.countOf(page)).toBe(0)
      seen.push(findGetEntry(world.cache, file.object, 7))
      const pages: number[] = []
      seen.push(findGetPagesContig(world.cache, file.object, 7, 1, pages))
    })
    expect(removeMapping(world.cache, file.object, page, false)).toBe(true)
    expect(seen).toEqual([null, 0])
    expect(world.countOf(page)).toBe(1)
    world.verify()
  })
})

describe('findLockEntry', () => {
  it('[page-cache 4] looks again when the page left the object while its lock was waited for', () => {
    for (const isReplaced of [false, true]) {
      const world = new TestWorld()
      const { cache } = world
      const file = world.file(0)
      const page = world.hold(world.idle(file, 3))
      expect(trylockPage(cache, page)).toBe(true)
      const t1 = world.start(findLockEntry(cache, file.object, 3))
      expect(t1.state).toBe('asleep')
      expect(world.countOf(page)).toBe(3)
      deleteFromPageCache(cache, page)
      const other = isReplaced ? world.idle(file, 3) : null
      unlockPage(cache, page)
      expect(t1.run().state).toBe('done')
      expect(t1.result).toBe(other)
      expect(world.countOf(page)).toBe(1)
      expect(world.has(page, PG_locked)).toBe(false)
      if (other !== null) expect(world.has(other, PG_locked)).toBe(true)
      world.verify()
    }
  })
})

describe('pagecacheGetPage', () => {
  const get = (world: TestWorld, file: TestFile, index: number, fgp: number) =>
    world.now(pagecacheGetPage(world.cache, file.object, index, fgp, file.object.gfp))

  it('[page-cache 5] finds what is there, a shadow not being a page', () => {
    const world = new TestWorld()
    const file = world.file(0)
    expect(get(world, file, 0, 0)).toBe(null)
    expect(file.object.nrPages).toBe(0)
    world.shadow(file, 1)
    expect(get(world, file, 1, 0)).toBe(null)
    expect(file.object.pages.get(1)).toBe(exceptionalEntry(0x9a2))
    const page = world.idle(file, 2)
    expect(get(world, file, 2, 0)).toBe(page)
    expect([world.has(page, PG_locked), world.countOf(page)]).toEqual([false, 2])
    putCachePage(world.cache, page)
    expect(get(world, file, 2, FGP_LOCK)).toBe(page)
    expect([world.has(page, PG_locked), world.countOf(page)]).toEqual([true, 2])
  })

  it('[page-cache 6] makes a page, and ages it when it is there', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(0)
    const fgp = FGP_LOCK | FGP_CREAT | FGP_ACCESSED
    let page = pfn(0)
    expect(
      world.delta(() => {
        page = get(world, file, 8, fgp)!
      }),
    ).toEqual({ nr_file_pages: 1 })
    const flags = () => [PG_locked, PG_uptodate, PG_referenced, PG_active].map((flag) => world.has(page, flag))
    expect(flags()).toEqual([true, false, true, false])
    expect([world.indexOf(page), file.object.nrPages, world.countOf(page)]).toEqual([8, 1, 3])
    lruAddDrainAll(cache)
    expect(world.countOf(page)).toBe(2)
    unlockPage(cache, page)
    putCachePage(cache, page)
    const age = cache.inactiveAge[world.zone(page).slot]
    expect(
      world.delta(() => {
        expect(get(world, file, 8, fgp)).toBe(page)
        lruAddDrainAll(cache)
      }),
    ).toEqual({ pgactivate: 1 })
    expect(flags()).toEqual([true, false, false, true])
    expect(cache.inactiveAge[world.zone(page).slot]).toBe(age + 1)
    world.verify()
  })

  it('[page-cache 7] does not wait when told so', () => {
    const world = new TestWorld()
    const file = world.file(0)
    const page = world.idle(file, 8)
    trylockPage(world.cache, page)
    const fgp = FGP_LOCK | FGP_CREAT | FGP_NOWAIT
    expect(get(world, file, 8, fgp)).toBe(null)
    expect([world.countOf(page), file.object.nrPages]).toEqual([1, 1])
    expect(pagecacheGetPageTry(world.cache, file.object, 8, FGP_LOCK, 0)).toBe(WouldSleep)
    expect(world.countOf(page)).toBe(1)
    unlockPage(world.cache, page)
    expect(get(world, file, 8, fgp)).toBe(page)
    expect(world.has(page, PG_locked)).toBe(true)
  })

  it('[page-cache 8] makes locked pages, and warns who did not ask for the lock', () => {
    const world = new TestWorld()
    const file = world.file(0)
    const page = get(world, file, 0, FGP_CREAT)!
    expect(world.has(page, PG_locked)).toBe(true)
    get(world, file, 1, FGP_CREAT)
    expect(world.phys.log.warnings.length).toBe(1)
  })

  it('sleeps for the lock and looks again when the page was truncated meanwhile', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(0)
    const page = world.hold(world.idle(file, 3))
    trylockPage(cache, page)
    const t1 = world.start(pagecacheGetPage(cache, file.object, 3, FGP_LOCK | FGP_CREAT, GFP_KERNEL))
    expect(t1.state).toBe('asleep')
    deleteFromPageCache(cache, page)
    unlockPage(cache, page)
    t1.run()
    expect(t1.result).not.toBe(page)
    expect(world.indexOf(t1.result as Pfn)).toBe(3)
    expect(world.countOf(page)).toBe(1)
    world.verify()
  })
})

describe('findGetPagesContig', () => {
  it('[page-cache 9] answers the run without gaps', () => {
    const world = new TestWorld()
    const file = world.file(0)
    fill(world, file, 3, 4, 5, 7)
    world.shadow(file, 6)
    const contig = (index: number, most: number): number[] => {
      const pages: number[] = []
      const found = findGetPagesContig(world.cache, file.object, index, most, pages)
      expect(pages.length).toBe(found)
      for (const page of pages) {
        expect(world.countOf(pfn(page))).toBe(2)
        putCachePage(world.cache, pfn(page))
      }
      return pages.map((page) => world.indexOf(pfn(page)))
    }
    const all = () => [contig(3, 10), contig(3, 2), contig(6, 10), contig(7, 10), contig(2, 10), contig(3, 0)]
    expect(all()).toEqual([[3, 4, 5], [3, 4], [], [7], [], []])
    setPageDirty(world.cache, pfn(file.object.pageAt(4)))
    trylockPage(world.cache, pfn(file.object.pageAt(5)))
    expect(contig(3, 10)).toEqual([3, 4, 5])
    world.verify()
  })
})

describe('findGetPagesTag', () => {
  it('[page-cache 10] walks over the pages with a tag', () => {
    const world = new TestWorld()
    const file = world.file(0)
    for (const page of fill(world, file, ...range(0, 9)))
      if ([1, 4, 8].includes(world.indexOf(page))) setPageDirty(world.cache, page)
    const cursor = { index: 0 }
    const step = (most: number) => {
      const pages: number[] = []
      findGetPagesTag(world.cache, file.object, cursor, TAG_DIRTY, most, pages)
      return [...pages.map((page) => world.indexOf(pfn(page))), cursor.index]
    }
    expect([step(2), step(2), step(2), step(0)]).toEqual([[1, 4, 5], [8, 9], [9], [9]])
  })
  it('wraps the cursor behind the last index', () => {
    const world = new TestWorld()
    const file = world.file(0)
    const page = world.lockedPage()
    addToPageCacheLockedTry(world.cache, page, file.object, PGOFF_MAX)
    world.set(page, PG_uptodate)
    setPageDirty(world.cache, page)
    const cursor = { index: 5 }
    expect(findGetPagesTag(world.cache, file.object, cursor, TAG_DIRTY, 14, [])).toBe(1)
    expect(cursor.index).toBe(0)
  })
})

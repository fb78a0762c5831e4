import { EEXIST, EIO, ENOMEM, KernelPanic, pfn, type Pfn } from '../../base/index.ts'
import {
  GFP_KERNEL,
  NR_ACTIVE_FILE,
  PG_active,
  PG_dirty,
  PG_locked,
  PG_lru,
  PG_private,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import { VM_PROT_READ, VM_PROT_WRITE } from '../pmap/index.ts'
import { describe, expect, it } from 'vitest'
import {
  addToPageCacheLocked,
  addToPageCacheLru,
  attachBuffers,
  attachPagePrivate,
  deleteFromPageCache,
  detachPagePrivate,
  findGetPage,
  isolateLruPage,
  lruAddDrainAll,
  putbackLruPage,
  reclaimCleanPage,
  putCachePage,
  readCachePages,
  removeMapping,
  replacePageCachePage,
  setPageDirty,
  setPageWriteback,
  TAG_TOWRITE,
  trylockPage,
  tryToReleasePage,
  unlockPage,
} from './index.ts'
import { TestWorld, type TestFile } from './testWorld.ts'

describe('addToPageCacheLocked', () => {
  const add = (world: TestWorld, page: Pfn, file: TestFile, index: number) =>
    world.now(addToPageCacheLocked(world.cache, page, file.object, index, GFP_KERNEL))

  it('[page-cache 11] leaves everything as it was when the slot is taken or there is no index node', () => {
    for (const error of [EEXIST, ENOMEM]) {
      const world = new TestWorld()
      const file = world.file(0)
      if (error === EEXIST) world.idle(file, 5)
      else world.cache.failIndexNodeAfter = 1
      const page = world.lockedPage()
      const events: string[] = []
      world.machine.trace.attach((name) => events.push(name))
      expect(world.delta(() => expect(add(world, page, file, 5)).toBe(error))).toEqual({})
      expect([world.ownerOf(page), world.indexOf(page), world.countOf(page)]).toEqual([0, 5, 1])
      expect(world.has(page, PG_locked)).toBe(true)
      expect(events).toEqual([])
      world.verify()
    }
  })
  it('[page-cache 12] swallows a shadow without looking at it', () => {
    const world = new TestWorld()
    const file = world.file(0)
    world.shadow(file, 7)
    const page = world.lockedPage()
    const events: unknown[] = []
    world.machine.trace.attach((name, fields) => events.push([name, fields]))
    expect(world.delta(() => expect(add(world, page, file, 7)).toBe(0))).toEqual({ nr_file_pages: 1 })
    expect([file.object.nrShadows, file.object.nrPages, world.countOf(page)]).toEqual([0, 1, 2])
    expect([world.has(page, PG_locked), world.has(page, PG_lru)]).toEqual([true, false])
    expect(events).toEqual([['mm_filemap_add_to_page_cache', { pfn: page, i_ino: 12, index: 7, s_dev: 2049 }]])
    world.verify()
  })
  it('wants a locked page', () => {
    const world = new TestWorld()
    expect(() => add(world, world.page(), world.file(0), 0)).toThrow(KernelPanic)
  })
})

describe('addToPageCacheLru', () => {
  it('[page-cache 13] judges a refault by how far the age of the zone has moved', () => {
    for (const [how, activeFile, active] of [
      ['reclaimed', 50, true],
      ['reclaimed', 49, false],
      ['truncated', 50, null],
    ] as const) {
      const world = new TestWorld()
      const { cache } = world
      const file = world.file(0)
      const page = world.hold(world.idle(file, 3))
      const zone = world.zone(page)
      trylockPage(cache, page)
      cache.inactiveAge[zone.slot] = 99
      if (how === 'reclaimed') expect(removeMapping(cache, file.object, page, true)).toBe(true)
      else deleteFromPageCache(cache, page)
      expect(file.object.nrShadows).toBe(how === 'reclaimed' ? 1 : 0)
      unlockPage(cache, page)
      putCachePage(cache, page)
      cache.inactiveAge[zone.slot] = 150
      zone.stat[NR_ACTIVE_FILE] = activeFile
      const fresh = world.page()
      const changed = world.delta(() =>
        expect(world.now(addToPageCacheLru(cache, fresh, file.object, 3, GFP_KERNEL))).toBe(0),
      )
      expect(changed).toEqual({
        nr_file_pages: 1,
        ...(active === null ? {} : { workingset_refault: 1 }),
        ...(active === true ? { workingset_activate: 1 } : {}),
      })
      expect(world.has(fresh, PG_active)).toBe(active === true)
      expect(cache.inactiveAge[zone.slot]).toBe(active === true ? 151 : 150)
      expect([file.object.nrShadows, file.object.nrPages]).toEqual([0, 1])
      zone.stat[NR_ACTIVE_FILE] = 0
      world.verify()
    }
  })
})

describe('deleteFromPageCache', () => {
  it('[page-cache 14] takes a dirty page off the accounts and keeps what others may look at', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(0)
    const page = world.hold(world.dirty(file, 2))
    file.object.pages.setTag(2, TAG_TOWRITE)
    trylockPage(cache, page)
    const freed: number[] = []
    file.ops.freePage = (_object, gone) => freed.push(world.ownerOf(gone))
    const traced: unknown[] = []
    world.machine.trace.attach((name, fields) => traced.push([name, fields['index'], world.ownerOf(page)]))
    expect(world.delta(() => deleteFromPageCache(cache, page))).toEqual({
      nr_dirty: -1,
      BDI_RECLAIMABLE: -1,
      nr_file_pages: -1,
    })
    expect(file.object.nrPages).toBe(0)
    expect([world.has(page, PG_dirty), world.has(page, PG_locked), world.has(page, PG_uptodate)]).toEqual([
      true,
      true,
      true,
    ])
    expect(world.tags(file, 2)).toBe('')
    expect([world.ownerOf(page), world.indexOf(page), world.countOf(page)]).toEqual([0, 2, 1])
    expect(freed).toEqual([0])
    expect(traced).toEqual([['mm_filemap_delete_from_page_cache', 2, file.object.id]])
    world.verify()
  })
  it('[page-cache 14] wants a locked page that is not mapped', () => {
    const world = new TestWorld()
    const file = world.file(0)
    const unlocked = world.idle(file, 0)
    expect(() => deleteFromPageCache(world.cache, unlocked)).toThrow(KernelPanic)
    const mapped = world.idle(file, 1)
    world.map(file, 1, VM_PROT_READ)
    trylockPage(world.cache, mapped)
    expect(() => deleteFromPageCache(world.cache, mapped)).toThrow(KernelPanic)
    expect(file.object.nrPages).toBe(2)
  })
})

describe('replacePageCachePage', () => {
  it('[page-cache 15] puts one page in the place of another', () => {
    for (const fails of [true, false]) {
      const world = new TestWorld()
      const { cache } = world
      const file = world.file(0)
      const old = world.hold(world.dirty(file, 6))
      trylockPage(cache, old)
      const fresh = world.lockedPage()
      if (fails) cache.failIndexNodeAfter = 1
      const replace = () => world.now(replacePageCachePage(cache, old, fresh, GFP_KERNEL))
      const changed = world.delta(() => expect(replace()).toBe(fails ? ENOMEM : 0))
      expect(changed).toEqual(fails ? {} : { nr_dirty: -1, BDI_RECLAIMABLE: -1 })
      expect(file.object.nrPages).toBe(1)
      expect(file.object.pageAt(6)).toBe(fails ? old : fresh)
      expect([world.countOf(old), world.countOf(fresh)]).toEqual(fails ? [2, 1] : [1, 2])
      expect([world.ownerOf(old), world.ownerOf(fresh)]).toEqual(fails ? [file.object.id, 0] : [0, file.object.id])
      expect([world.has(old, PG_locked), world.has(fresh, PG_locked)]).toEqual([true, true])
      expect([world.has(fresh, PG_uptodate), world.has(fresh, PG_lru)]).toEqual([false, false])
      if (!fails) {
        expect([world.indexOf(old), world.indexOf(fresh), world.tags(file, 6)]).toEqual([6, 6, ''])
        expect(world.has(old, PG_lru)).toBe(true)
      }
      world.verify()
    }
  })
})

describe('tryToReleasePage', () => {
  it('[page-cache 16] asks the file system, or frees buffers that nobody uses', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(0)
    let calls = 0
    file.ops.releasePage = () => ++calls > 0
    const busy = world.idle(file, 0)
    trylockPage(cache, busy)
    setPageWriteback(cache, busy)
    expect([tryToReleasePage(cache, busy, 0), calls]).toEqual([false, 0])
    const page = world.idle(file, 1)
    trylockPage(cache, page)
    expect([tryToReleasePage(cache, page, 0), calls]).toEqual([true, 1])

    delete file.ops.releasePage
    const dirty = world.dirty(file, 2)
    trylockPage(cache, dirty)
    const { blocks } = attachBuffers(cache, dirty, 1024)
    blocks[3].isDirty = true
    expect(world.delta(() => expect(tryToReleasePage(cache, dirty, 0)).toBe(false))).toEqual({})
    expect([world.has(dirty, PG_private), world.has(dirty, PG_dirty), world.countOf(dirty)]).toEqual([true, true, 2])
    blocks[3].isDirty = false
    expect(world.delta(() => expect(tryToReleasePage(cache, dirty, 0)).toBe(true))).toEqual({
      nr_dirty: -1,
      BDI_RECLAIMABLE: -1,
    })
    expect([world.has(dirty, PG_private), world.has(dirty, PG_dirty), world.countOf(dirty)]).toEqual([false, false, 1])
    expect(world.tags(file, 2)).toBe('D')
    unlockPage(cache, dirty)
    expect(() => tryToReleasePage(cache, dirty, 0)).toThrow(KernelPanic)
  })
})

describe('readCachePages', () => {
  function world17(): { world: TestWorld; file: TestFile; list: number[]; fresh: Pfn[] } {
    const world = new TestWorld()
    const file = world.file(0)
    const list: number[] = []
    const fresh: Pfn[] = []
    for (const index of [5, 6, 7]) {
      const page = world.page()
      world.cache.frames.pgoff[world.frame(page)] = index
      fresh.push(page)
      list.unshift(page)
    }
    return { world, file, list, fresh }
  }
  it('[page-cache 17] fills what has no page yet, and drops the others', () => {
    const { world, file, list, fresh } = world17()
    const there = world.idle(file, 6)
    const filled: number[] = []
    const task = world.start(
      readCachePages(world.cache, file.object, list, function* (page) {
        filled.push(world.indexOf(page))
        world.set(page, PG_uptodate)
        unlockPage(world.cache, page)
        return 0
      }),
    )
    expect([task.result, filled, list]).toEqual([0, [5, 7], []])
    expect(file.object.pageAt(6)).toBe(there)
    expect(fresh.map((page) => world.countOf(page))).toEqual([2, 0, 2])
    world.machine.current.thread = task
    expect(world.cache.io.readBytes).toBe(8192)
    world.verify()
  })
  it('[page-cache 17] stops at the first failure and drops the rest', () => {
    const { world, file, list, fresh } = world17()
    let calls = 0
    const task = world.start(
      readCachePages(world.cache, file.object, list, function* (page) {
        calls++
        unlockPage(world.cache, page)
        return EIO
      }),
    )
    expect([task.result, calls, list]).toEqual([EIO, 1, []])
    expect(fresh.map((page) => world.countOf(page))).toEqual([2, 0, 0])
    expect(world.has(pfn(file.object.pageAt(5)), PG_uptodate)).toBe(false)
    world.machine.current.thread = task
    expect(world.cache.io.readBytes).toBe(0)
    world.verify()
  })
  it('[page-cache 17] has private data of a dropped page given up while it is locked', () => {
    const { world, file, list, fresh } = world17()
    world.idle(file, 6)
    attachPagePrivate(world.cache, fresh[1])
    const calls: unknown[] = []
    file.ops.invalidatePage = (object, page, offset, bytes) => {
      calls.push([page, offset, bytes, world.has(page, PG_locked), world.ownerOf(page) === object.id])
      detachPagePrivate(world.cache, page)
    }
    world.now(
      readCachePages(world.cache, file.object, list, function* (page) {
        unlockPage(world.cache, page)
        return 0
      }),
    )
    expect(calls).toEqual([[fresh[1], 0, 4096, true, true]])
    expect(world.countOf(fresh[1])).toBe(0)
    world.verify()
  })
})

describe('removeMapping', () => {
  it('takes out only what nobody uses and what is clean', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(0)
    const page = world.hold(world.idle(file, 0))
    trylockPage(cache, page)
    world.hold(page)
    expect(removeMapping(cache, file.object, page, true)).toBe(false)
    putCachePage(cache, page)
    setPageDirty(cache, page)
    expect(removeMapping(cache, file.object, page, true)).toBe(false)
    expect(world.countOf(page)).toBe(2)
    expect(findGetPage(cache, file.object, 0)).toBe(page)
    expect(world.has(page, PG_writeback)).toBe(false)
    world.verify()
  })
})

describe('reclaimCleanPage', () => {
  it('takes an isolated clean page from its mappings and its object, and gives a dirty one back', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(0)
    const [clean, stored] = [world.idle(file, 0), world.idle(file, 1)]
    world.map(file, 0, VM_PROT_READ)
    world.map(file, 1, VM_PROT_READ | VM_PROT_WRITE)
    for (const page of [clean, stored]) expect(isolateLruPage(cache, page)).toBe(true)
    expect(isolateLruPage(cache, clean)).toBe(false)
    expect([reclaimCleanPage(cache, clean), world.countOf(clean), file.object.nrShadows]).toEqual([true, 1, 1])
    putCachePage(cache, clean)
    expect(reclaimCleanPage(cache, stored)).toBe(false)
    putbackLruPage(cache, stored)
    lruAddDrainAll(cache)
    expect([world.has(stored, PG_dirty), world.has(stored, PG_lru), world.countOf(stored)]).toEqual([true, true, 1])
    expect(file.object.nrPages).toBe(1)
    world.verify()
  })
})

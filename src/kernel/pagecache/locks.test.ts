import { EINTR, KernelPanic } from '../../base/index.ts'
import { PG_dirty, PG_locked, PG_reclaim, PG_uptodate, PG_writeback } from '../phys/index.ts'
import { describe, expect, it } from 'vitest'
import {
  addPageWaitQueue,
  BackingDevice,
  BDI_CAP_STABLE_WRITES,
  clearPageDirtyForIo,
  endPageWriteback,
  grabCachePageWriteBegin,
  lockPage,
  lockPageKillable,
  lruAddDrainAll,
  LRU_INACTIVE_FILE,
  removePageWaitQueue,
  setPageDirty,
  setPageWriteback,
  TAG_TOWRITE,
  trylockPage,
  unlockPage,
  waitForStablePage,
  waitOnPageLocked,
  waitOnPageWriteback,
} from './index.ts'
import { TestWorld, wbcNone } from './testWorld.ts'

/** All pages share one queue. */
const shared = (): TestWorld => new TestWorld({ waitQueuesPerZone: 1 })

describe('unlockPage', () => {
  it('[page-cache 18] wakes all who wait for it to be unlocked, and one who wants the lock', () => {
    const world = new TestWorld()
    const { cache } = world
    const page = world.lockedPage()
    const t1 = world.start(lockPage(cache, page))
    const t2 = world.start(waitOnPageLocked(cache, page))
    const t3 = world.start(lockPage(cache, page))
    const t4 = world.start(waitOnPageLocked(cache, page))
    const all = [t1, t2, t3, t4]
    expect(all.map((task) => task.state)).toEqual(['asleep', 'asleep', 'asleep', 'asleep'])
    unlockPage(cache, page)
    expect(all.map((task) => task.state)).toEqual(['ready', 'ready', 'asleep', 'ready'])
    t1.run()
    expect([t1.state, world.has(page, PG_locked)]).toEqual(['done', true])
    // The waiters saw the bit clear at the wake-up; set again, it puts them back to sleep until it is clear.
    unlockPage(cache, page)
    t3.run()
    expect([t3.state, world.has(page, PG_locked)]).toEqual(['done', true])
    unlockPage(cache, page)
    for (const task of [t2, t4]) expect(task.run().state).toBe('done')
    expect(() => unlockPage(cache, page)).toThrow(KernelPanic)
  })
})

describe('lockPageSlow', () => {
  it('[page-cache 19] puts a loser at the end of the line', () => {
    const world = new TestWorld()
    const { cache } = world
    const page = world.lockedPage()
    const t1 = world.start(lockPage(cache, page))
    const t2 = world.start(lockPage(cache, page))
    unlockPage(cache, page)
    expect(trylockPage(cache, page)).toBe(true)
    expect(t1.run().state).toBe('asleep')
    unlockPage(cache, page)
    expect([t1.state, t2.state]).toEqual(['asleep', 'ready'])
    expect(t2.run().state).toBe('done')
    unlockPage(cache, page)
    expect(t1.run().state).toBe('done')
  })
  it('panics where nothing may sleep', () => {
    const world = new TestWorld()
    const page = world.lockedPage()
    world.machine.cpus[0].preemptionDepth = 1
    expect(() => world.start(lockPage(world.cache, page))).toThrow(KernelPanic)
  })
  it('ends with EINTR for a killed task, which passes its wake-up on', () => {
    const world = new TestWorld()
    const { cache } = world
    const page = world.lockedPage()
    const t1 = world.start(lockPageKillable(cache, page))
    const t2 = world.start(lockPage(cache, page))
    t1.signal()
    expect([t1.run().result, world.has(page, PG_locked)]).toEqual([EINTR, true])
    unlockPage(cache, page)
    expect(t2.run().state).toBe('done')
    expect(cache.waits.waitersFor(world.frame(page))).toEqual([])
  })
})

describe('the page wait queues', () => {
  it('[page-cache 20] wake for the right page and the right bit', () => {
    const world = shared()
    const { cache } = world
    const file = world.file(0)
    const a = world.idle(file, 0)
    const b = world.idle(file, 1)
    expect(cache.waits.doShare(world.frame(a), world.frame(b))).toBe(true)
    for (const page of [a, b]) trylockPage(cache, page)
    setPageWriteback(cache, a)
    const t1 = world.start(waitOnPageWriteback(cache, a))
    const t2 = world.start(lockPage(cache, b))
    unlockPage(cache, b)
    expect([t1.state, t2.state]).toEqual(['asleep', 'ready'])
    unlockPage(cache, a)
    expect(t1.state).toBe('asleep')
    endPageWriteback(cache, a)
    expect(t1.run().state).toBe('done')
  })
})

describe('addPageWaitQueue', () => {
  it('[page-cache 21] tells a caller of every wake-up of the queue', () => {
    const world = shared()
    const { cache } = world
    const [a, b] = [world.lockedPage(), world.lockedPage()]
    const calls: unknown[] = []
    const waiter = addPageWaitQueue(cache, a, (page, bit) => {
      calls.push([page, bit])
      return page === a
    })
    const t1 = world.start(lockPage(cache, a))
    unlockPage(cache, a)
    unlockPage(cache, b)
    expect(calls).toEqual([
      [a, PG_locked],
      [b, PG_locked],
    ])
    expect(t1.run().state).toBe('done')
    unlockPage(cache, a)
    removePageWaitQueue(cache, waiter)
    calls.length = 0
    addPageWaitQueue(cache, a, () => calls.push('late') > 0)
    expect(calls).toEqual([])
  })
})

describe('endPageWriteback', () => {
  it('[page-cache 22] ends a write in tags and counters', () => {
    const world = new TestWorld()
    const { cache } = world
    const file = world.file(4096)
    file.isWriteDeferred = true
    const page = world.dirty(file, 0)
    file.object.pages.setTag(0, TAG_TOWRITE)
    expect(
      world.delta(() => {
        trylockPage(cache, page)
        expect(clearPageDirtyForIo(cache, page)).toBe(true)
        expect(world.tags(file, 0)).toBe('DT')
        expect(world.now(file.ops.writePage!(file.object, page, wbcNone()))).toBe(0)
      }),
    ).toEqual({ nr_dirty: -1, BDI_RECLAIMABLE: -1, nr_writeback: 1, BDI_WRITEBACK: 1 })
    expect(world.tags(file, 0)).toBe('W')
    expect(world.delta(() => file.complete(page))).toEqual({
      nr_writeback: -1,
      nr_written: 1,
      BDI_WRITEBACK: -1,
      BDI_WRITTEN: 1,
    })
    expect(world.tags(file, 0)).toBe('')
    expect(() => endPageWriteback(cache, page)).toThrow(KernelPanic)
    world.verify()
  })
  it('[page-cache 23] puts a page that was to be reclaimed at the end of the inactive list, if it is clean', () => {
    for (const isDirtyAgain of [false, true]) {
      const world = new TestWorld()
      const { cache } = world
      const file = world.file(0)
      world.idle(file, 0)
      const page = world.idle(file, 1)
      world.idle(file, 2)
      setPageWriteback(cache, page)
      if (isDirtyAgain) setPageDirty(cache, page)
      world.set(page, PG_reclaim)
      const changed = world.delta(() => {
        endPageWriteback(cache, page)
        expect(world.has(page, PG_reclaim)).toBe(false)
        lruAddDrainAll(cache)
      })
      const list = cache.frames.listPfns(cache.lru.list(world.zone(page).slot, LRU_INACTIVE_FILE))
      expect(list.map((pfn) => cache.frames.pgoff[cache.frames.frameOf(pfn)])).toEqual(
        isDirtyAgain ? [2, 1, 0] : [2, 0, 1],
      )
      expect(changed['pgrotated']).toBe(isDirtyAgain ? undefined : 1)
      expect(world.countOf(page)).toBe(1)
      world.verify()
    }
  })
})

describe('waitForStablePage', () => {
  it('[page-cache 24] waits only for a device that wants unchanging contents', () => {
    for (const isStable of [false, true]) {
      const world = new TestWorld()
      const { cache } = world
      const file = world.file(4096, new BackingDevice('disk', isStable ? BDI_CAP_STABLE_WRITES : 0))
      const page = world.idle(file, 0)
      setPageWriteback(cache, page)
      const t1 = world.start(waitForStablePage(cache, page))
      const t2 = world.start(grabCachePageWriteBegin(cache, file.object, 0))
      expect([t1.state, t2.state]).toEqual(isStable ? ['asleep', 'asleep'] : ['done', 'done'])
      endPageWriteback(cache, page)
      if (isStable) for (const task of [t1, t2]) expect(task.run().state).toBe('done')
      expect(t2.result).toBe(page)
      expect([world.has(page, PG_locked), world.has(page, PG_uptodate), world.has(page, PG_writeback)]).toEqual([
        true,
        true,
        false,
      ])
      expect(world.has(page, PG_dirty)).toBe(false)
    }
  })
})

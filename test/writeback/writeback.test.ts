// Scenarios 68-83 of the page-cache specification: flushing, waiting, and the walk over dirty pages.

import { describe, expect, it } from 'vitest'
import { EIO, ENOSPC, KernelPanic, PAGE_SIZE, pfn, type Pfn, type Sleep } from '../../src/base/index.ts'
import {
  AOP_WRITEPAGE_ACTIVATE,
  AS_EIO,
  AS_ENOSPC,
  BackingDevice,
  BDI_CAP_NO_WRITEBACK,
  clearPageDirtyForIo,
  deleteFromPageCache,
  redirtyPageForWritepage,
  setPageDirty,
  setPageWriteback,
  TAG_DIRTY,
  TAG_TOWRITE,
  trylockPage,
  unlockPage,
  type WritebackControl,
} from '../../src/kernel/pagecache/index.ts'
import { TestWorld, type TestFile } from '../../src/kernel/pagecache/testWorld.ts'
import { PG_dirty, PG_error, PG_locked, PG_writeback } from '../../src/kernel/phys/index.ts'
import { pmapLookup, VM_PROT_READ, VM_PROT_WRITE } from '../../src/kernel/pmap/index.ts'
import {
  filemapFdatawait,
  filemapFdatawaitRange,
  filemapFlush,
  filemapWriteAndWaitRange,
  genericWritepages,
  tagPagesForWriteback,
  writebackControl,
  writeCachePages,
  writeOnePage,
} from '../../src/kernel/writeback/index.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
function world(pages: number): { world: TestWorld; file: TestFile; page: (index: number) => Pfn } {
  const world = new TestWorld()
  const file = world.file(pages * PAGE_SIZE)
  return { world, file, page: (index) => pfn(file.object.pageAt(index)) }
}
function withDirty(count: number) {
  const made = world(count)
  for (const index of range(0, count - 1)) made.world.dirty(made.file, index)
  return made
}
/** The file system's writePage, with something before it; what it is called for is in `file.writes`. */
function walk(at: ReturnType<typeof world>, wbc: WritebackControl, before: (index: number) => void = () => {}) {
  const { world, file } = at
  return writeCachePages(world.cache, file.object, wbc, function* (page) {
    before(world.indexOf(page))
    return yield* file.ops.writePage!(file.object, page, wbc)
  })
}
const clearWrites = (file: TestFile): number[] => file.writes.splice(0)

describe('filemapFdatawait', () => {
  it('[page-cache 68] tells latched errors once, EIO first', () => {
    const { world: w, file } = world(1)
    const wait = (from: number, to: number) => w.now(filemapFdatawaitRange(w.cache, file.object, from, to))
    file.object.flags |= AS_EIO | AS_ENOSPC
    expect([wait(0, 4095), wait(0, 4095)]).toEqual([EIO, 0])
    file.object.flags |= AS_ENOSPC
    expect([wait(0, 4095), wait(0, 4095)]).toEqual([ENOSPC, 0])
    file.object.flags |= AS_ENOSPC
    expect(wait(100, 50)).toBe(ENOSPC)
  })
  it('[page-cache 69] waits for the pages of its range and takes their errors', () => {
    const { world: w, file, page } = withDirty(6)
    file.isWriteDeferred = true
    for (const index of [1, 5]) {
      trylockPage(w.cache, page(index))
      w.now(file.write(page(index)))
    }
    const t1 = w.start(filemapFdatawaitRange(w.cache, file.object, 0, 8191))
    expect(t1.state).toBe('asleep')
    file.complete(page(1), EIO)
    expect(t1.run().result).toBe(EIO)
    expect([w.has(page(1), PG_error), file.object.flags]).toEqual([false, 0])
    expect(w.has(page(5), PG_writeback)).toBe(true)
    w.verify()
  })
  it('[page-cache 70] leaves the latch of an empty file alone', () => {
    const { world: w, file } = world(0)
    file.object.flags |= AS_EIO
    expect([w.now(filemapFdatawait(w.cache, file.object)), file.object.flags]).toEqual([0, AS_EIO])
    file.object.sizeBytes = 1
    expect([w.now(filemapFdatawait(w.cache, file.object)), file.object.flags]).toEqual([EIO, 0])
  })
})

describe('filemapWriteAndWaitRange', () => {
  it('[page-cache 71] waits unless the write failed with EIO', () => {
    const { world: w, file, page } = world(2)
    const all = () => w.start(filemapWriteAndWaitRange(w.cache, file.object, 0, -1))
    file.object.flags |= AS_ENOSPC
    expect([all().result, all().result]).toEqual([ENOSPC, 0])

    file.isWriteDeferred = true
    w.dirty(file, 1)
    trylockPage(w.cache, page(1))
    w.now(file.write(page(1)))
    let answer: number = ENOSPC
    // oxlint-disable-next-line require-yield
    file.ops.writePages = function* (): Sleep<number> {
      return answer
    }
    answer = EIO
    file.object.flags |= AS_ENOSPC
    expect([all().result, w.has(page(1), PG_writeback), file.object.flags]).toEqual([EIO, true, AS_ENOSPC])
    answer = ENOSPC
    const t1 = all()
    expect(t1.state).toBe('asleep')
    file.complete(page(1))
    expect(t1.run().result).toBe(ENOSPC)
    w.verify()
  })
})

describe('filemapFlush', () => {
  it('[page-cache 72] starts only what is not being written, and asks nobody', () => {
    const { world: w, file, page } = withDirty(2)
    file.isWriteDeferred = true
    setPageWriteback(w.cache, page(0))
    file.object.flags |= AS_EIO
    expect(w.now(filemapFlush(w.cache, file.object))).toBe(0)
    expect([file.writes, w.has(page(0), PG_dirty), file.object.flags]).toEqual([[1], true, AS_EIO])
    const memory = w.file(PAGE_SIZE, new BackingDevice('ram', BDI_CAP_NO_WRITEBACK))
    w.dirty(memory, 0)
    expect([w.now(filemapFlush(w.cache, memory.object)), memory.writes]).toEqual([0, []])
  })
})

describe('tagPagesForWriteback', () => {
  it('[page-cache 73] takes a snapshot of a range in batches', () => {
    const { world: w, file } = world(10)
    for (const index of [0, 3, 5, 9]) w.dirty(file, index)
    tagPagesForWriteback(file.object, 2, 8)
    expect([0, 3, 5, 9].map((index) => w.tags(file, index))).toEqual(['D', 'DT', 'DT', 'D'])
    const holds = (count: number) => {
      const { object } = w.file(0)
      // Only the tags matter here: the entries stand for pages.
      for (let index = 0; index < count; index++) {
        object.pages.set(index * 3, 1)
        object.pages.setTag(index * 3, TAG_DIRTY)
      }
      const answer = tagPagesForWriteback(object, 0, Infinity)
      let tagged = 0
      for (let at = object.pages.nextTagged(0, TAG_TOWRITE); at >= 0; at = object.pages.nextTagged(at + 1, TAG_TOWRITE))
        tagged++
      expect(tagged).toBe(count)
      w.cache.objects.remove(object)
      return answer
    }
    expect([0, 10000, 8192, 4095].map(holds)).toEqual([1, 3, 3, 1])
  })
})

describe('writeCachePages', () => {
  it('[page-cache 74] goes round once, and goes on where it stopped', () => {
    const at = withDirty(10)
    const { world: w, file } = at
    file.object.writebackIndex = 5
    const wbc = writebackControl(7, { rangeCyclic: true })
    expect(w.now(walk(at, wbc))).toBe(0)
    expect([clearWrites(file), wbc.nrToWrite, file.object.writebackIndex]).toEqual([[5, 6, 7, 8, 9, 0, 1], 0, 1])
    const next = writebackControl(100, { rangeCyclic: true })
    w.now(walk(at, next))
    expect([clearWrites(file), next.nrToWrite, file.object.writebackIndex]).toEqual([[2, 3, 4], 97, 0])
    w.verify()
  })
  it('[page-cache 75] is not kept busy by pages that become dirty behind the snapshot', () => {
    for (const [changes, written] of [
      [{ isSyncAll: true }, [0, 1, 2]],
      [{}, range(0, 9)],
      [{ taggedWritepages: true }, [0, 1, 2]],
    ] as const) {
      const at = world(13)
      const { world: w, file, page } = at
      for (const index of range(0, 12)) w.idle(file, index)
      for (const index of range(0, 2)) setPageDirty(w.cache, page(index))
      w.now(walk(at, writebackControl(10, changes), (index) => setPageDirty(w.cache, page(index + 3))))
      expect(file.writes).toEqual(written)
      const next = written.length
      expect([next, next + 1, next + 2].map((index) => w.tags(file, index))).toEqual(['D', 'D', 'D'])
      w.verify()
    }
  })
  it('[page-cache 76] stops at the first error, which genericWritepages latches too', () => {
    const fail = (error: number, changes: Partial<WritebackControl>, isGeneric: boolean) => {
      const at = withDirty(5)
      const { world: w, file } = at
      const write = file.ops.writePage!
      const calls: number[] = []
      file.ops.writePage = function* (object, page, wbc) {
        calls.push(w.indexOf(page))
        if (w.indexOf(page) !== 2) return yield* write(object, page, wbc)
        unlockPage(w.cache, page)
        return error
      }
      const wbc = writebackControl(100, changes)
      const result = w.now(isGeneric ? genericWritepages(w.cache, file.object, wbc) : walk(at, wbc))
      expect([result, calls, wbc.nrToWrite]).toEqual([error, [0, 1, 2], 98])
      expect([3, 4].map((index) => w.tags(file, index))).toEqual(['D', 'D'])
      return [file.object.writebackIndex, file.object.flags]
    }
    expect(fail(EIO, {}, false)).toEqual([3, 0])
    expect(fail(EIO, { rangeCyclic: true }, false)).toEqual([3, 0])
    expect(fail(EIO, { rangeEnd: 20479 }, false)).toEqual([0, 0])
    expect(fail(EIO, {}, true)[1]).toBe(AS_EIO)
    expect(fail(ENOSPC, {}, true)[1]).toBe(AS_ENOSPC)
  })
  it('[page-cache 77] unlocks a page that the writer wants to keep', () => {
    const { world: w, file, page } = withDirty(2)
    const wbc = writebackControl(10)
    const result = writeCachePages(w.cache, file.object, wbc, function* (written) {
      if (written !== page(0)) return yield* file.ops.writePage!(file.object, written, wbc)
      setPageDirty(w.cache, written)
      return AOP_WRITEPAGE_ACTIVATE
    })
    expect(w.now(result)).toBe(0)
    expect([w.has(page(0), PG_locked), w.has(page(0), PG_dirty), wbc.nrToWrite]).toEqual([false, true, 8])
    w.verify()
  })
  it('[page-cache 78] charges a page that was redirtied, and does not come back to it', () => {
    const { world: w, file, page } = withDirty(1)
    let calls = 0
    for (const isSyncAll of [false, true]) {
      const wbc = writebackControl(10, { isSyncAll })
      const changed = w.delta(() =>
        w.now(
          // oxlint-disable-next-line require-yield
          writeCachePages(w.cache, file.object, wbc, function* (written) {
            calls++
            redirtyPageForWritepage(w.cache, wbc, written)
            unlockPage(w.cache, written)
            return 0
          }),
        ),
      )
      expect(changed).toEqual({})
      expect([wbc.pagesSkipped, wbc.nrToWrite, w.has(page(0), PG_dirty)]).toEqual([1, 9, true])
    }
    expect(calls).toBe(2)
    w.verify()
  })
  it('[page-cache 79] waits for an earlier write when it is for integrity', () => {
    const at = world(1)
    const { world: w, file, page } = at
    file.isWriteDeferred = true
    w.idle(file, 0, 0xaa)
    setPageDirty(w.cache, page(0))
    trylockPage(w.cache, page(0))
    w.now(file.write(page(0)))
    clearWrites(file)
    w.bytes(page(0)).fill(0xbb)
    setPageDirty(w.cache, page(0))
    const none = writebackControl(10)
    expect(w.now(walk(at, none))).toBe(0)
    expect([file.writes, none.nrToWrite, w.has(page(0), PG_dirty)]).toEqual([[], 10, true])
    const t1 = w.start(walk(at, writebackControl(10, { isSyncAll: true })))
    expect(t1.state).toBe('asleep')
    file.complete(page(0))
    expect([t1.run().state, file.writes]).toEqual(['done', [0]])
    file.complete(page(0))
    expect(file.disk[0]).toBe(0xbb)
    w.verify()
  })
  it('[page-cache 80] keeps to a range, and remembers its place only for the whole file', () => {
    const at = withDirty(5)
    const { world: w, file, page } = at
    w.now(walk(at, writebackControl(100, { rangeStart: 4096, rangeEnd: 12287 })))
    expect([clearWrites(file), file.object.writebackIndex]).toEqual([[1, 2], 0])
    const dirtyAll = () => range(0, 4).forEach((index) => setPageDirty(w.cache, page(index)))
    dirtyAll()
    const whole = writebackControl(100)
    w.now(walk(at, whole))
    expect([clearWrites(file), whole.nrToWrite, file.object.writebackIndex]).toEqual([range(0, 4), 95, 4])
    dirtyAll()
    const three = writebackControl(3)
    w.now(walk(at, three))
    expect([clearWrites(file), three.nrToWrite, file.object.writebackIndex]).toEqual([[0, 1, 2], 0, 4])
  })
  it('[page-cache 81] passes over what somebody else has written or removed', () => {
    const at = withDirty(3)
    const { world: w, file, page } = at
    trylockPage(w.cache, page(1))
    clearPageDirtyForIo(w.cache, page(1))
    unlockPage(w.cache, page(1))
    expect(w.tags(file, 1)).toBe('D')
    const gone = w.hold(page(2))
    trylockPage(w.cache, gone)
    const wbc = writebackControl(10)
    const t1 = w.start(walk(at, wbc))
    expect([t1.state, file.writes]).toEqual(['asleep', [0]])
    deleteFromPageCache(w.cache, gone)
    unlockPage(w.cache, gone)
    expect([t1.run().result, file.writes, wbc.nrToWrite]).toEqual([0, [0], 9])
    expect([w.has(page(1), PG_locked), w.countOf(gone)]).toEqual([false, 1])
    w.verify()
  })
  it('[page-cache 82] finds stores made through mappings', () => {
    const { world: w, file } = world(1)
    const page = w.idle(file, 0)
    w.map(file, 0, VM_PROT_READ | VM_PROT_WRITE)
    trylockPage(w.cache, page)
    const changed = w.delta(() => expect(clearPageDirtyForIo(w.cache, page)).toBe(true))
    expect(changed).toEqual({ nr_dirtied: 1, BDI_DIRTIED: 1 })
    pmapLookup(w.pmapOf(file), PAGE_SIZE)
    expect(w.pmaps.prot & VM_PROT_WRITE).toBe(0)
    expect(clearPageDirtyForIo(w.cache, page)).toBe(false)
  })
})

describe('writeOnePage', () => {
  const one = (isDirty = true) => {
    const { world: w, file, page } = world(1)
    w.idle(file, 0)
    if (isDirty) setPageDirty(w.cache, page(0))
    trylockPage(w.cache, page(0))
    return { w, file, page: page(0) }
  }
  it('[page-cache 83] writes a page and waits if it is to', () => {
    const a = one()
    expect(a.w.delta(() => expect(a.w.now(writeOnePage(a.w.cache, a.page, true))).toBe(0))['nr_written']).toBe(1)
    expect(a.w.has(a.page, PG_locked)).toBe(false)

    const b = one(false)
    expect([b.w.now(writeOnePage(b.w.cache, b.page, true)), b.file.writes]).toEqual([0, []])
    expect(b.w.has(b.page, PG_locked)).toBe(false)

    const c = one()
    c.file.isWriteDeferred = true
    const t1 = c.w.start(writeOnePage(c.w.cache, c.page, true))
    expect(t1.state).toBe('asleep')
    c.file.complete(c.page, EIO)
    expect([t1.run().result, c.w.has(c.page, PG_error), c.w.countOf(c.page)]).toEqual([EIO, true, 1])

    const d = one()
    // oxlint-disable-next-line require-yield
    d.file.ops.writePage = function* (_object, page) {
      unlockPage(d.w.cache, page)
      return ENOSPC
    }
    expect(d.w.now(writeOnePage(d.w.cache, d.page, true))).toBe(ENOSPC)

    const e = one()
    e.file.isWriteDeferred = true
    expect([e.w.now(writeOnePage(e.w.cache, e.page, false)), e.w.has(e.page, PG_writeback)]).toEqual([0, true])
    expect(e.w.has(e.page, PG_locked)).toBe(false)

    const f = one()
    unlockPage(f.w.cache, f.page)
    expect(() => f.w.now(writeOnePage(f.w.cache, f.page, true))).toThrow(KernelPanic)
    f.w.verify()
  })
})

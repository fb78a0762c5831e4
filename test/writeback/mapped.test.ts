// Cached pages in real address spaces: programs' stores reach the store, and truncation takes private copies.

import { describe, expect, it } from 'vitest'
import { EINVAL, isErr, PAGE_SIZE, pfn, WouldSleep, type Sleep } from '../../src/base/index.ts'
import { now, TestWorld } from '../../src/kernel/fault/testWorld.ts'
import { MAP_PRIVATE, MAP_SHARED, mmapRegion, type VmSpace } from '../../src/kernel/map/index.ts'
import type { MemoryObject, PagerOps } from '../../src/kernel/object/index.ts'
import {
  BackingDevice,
  endPageWriteback,
  FileObject,
  invalidateInodePages2,
  PageCache,
  putCachePage,
  readCachePageGfp,
  setPageDirty,
  setPageWriteback,
  truncatePagecacheRange,
  truncateSetsize,
  unlockPage,
  verifyPageCache,
  type FileOps,
} from '../../src/kernel/pagecache/index.ts'
import { PG_uptodate } from '../../src/kernel/phys/index.ts'
import { filemapWriteAndWaitRange } from '../../src/kernel/writeback/index.ts'

class Mapped {
  readonly world = new TestWorld()
  readonly cache = new PageCache(this.world.phys, this.world.vm.objects, { pmaps: this.world.pmaps })
  readonly object: FileObject
  readonly disk = new Uint8Array(5 * PAGE_SIZE).fill(0xaa)
  readonly space: VmSpace = this.world.space()

  constructor() {
    this.object = new FileObject(this.cache, this.#pager(), null, this.disk.length, {
      ops: this.#ops(),
      device: new BackingDevice('disk'),
    })
  }
  map(type: number): number {
    this.object.refs++
    const { object } = this
    const request = { addr: 0, length: this.disk.length, prot: 3, flags: type, object, file: null, pgoff: 0 }
    const va = now(mmapRegion(this.space, request))
    if (isErr(va)) throw new Error('the file can be mapped')
    return va
  }
  load(va: number): number {
    return this.world.load(this.space, va)
  }
  store(va: number, byte: number): number {
    return this.world.store(this.space, va, byte)
  }
  bytes(page: number): Uint8Array {
    const offset = this.world.machine.memory.frameOffset(page)
    return this.world.machine.memory.u8.subarray(offset, offset + PAGE_SIZE)
  }
  verify(): void {
    verifyPageCache(this.cache)
    this.world.verify(this.space)
  }

  #ops(): FileOps {
    const { cache, disk } = this
    const indexOf = (page: number) => cache.frames.pgoff[cache.frames.frameOf(page)] * PAGE_SIZE
    const bytes = (page: number) => this.bytes(page)
    return {
      // oxlint-disable-next-line require-yield
      *readPage(_object, page): Sleep<number> {
        bytes(page).set(disk.subarray(indexOf(page), indexOf(page) + PAGE_SIZE))
        cache.frames.flags[cache.frames.frameOf(page)] |= PG_uptodate
        unlockPage(cache, page)
        return 0
      },
      // oxlint-disable-next-line require-yield
      *writePage(_object, page): Sleep<number> {
        setPageWriteback(cache, page)
        unlockPage(cache, page)
        disk.set(bytes(page), indexOf(page))
        endPageWriteback(cache, page)
        return 0
      },
    }
  }
  #pager(): PagerOps {
    const { cache } = this
    const file = () => this.object
    return {
      name: 'file',
      notifiesWrites: true,
      fillsNeighbours: false,
      reference: (object: MemoryObject) => void object.refs++,
      detach: (object: MemoryObject) => void object.refs--,
      getTry(object, index) {
        if (index * PAGE_SIZE >= object.sizeBytes) return EINVAL
        const page = object.pageAt(index)
        return page >= 0 && cache.has(cache.frames.frameOf(page), PG_uptodate) ? pfn(page) : WouldSleep
      },
      *get(object, index) {
        if (index * PAGE_SIZE >= object.sizeBytes) return EINVAL
        const page = yield* readCachePageGfp(cache, file(), index, file().gfp)
        if (!isErr(page)) putCachePage(cache, page)
        return page
      },
      pageDirtied: (_object, _index, page) => void setPageDirty(cache, page),
    }
  }
}

describe('a shared mapping of cached pages', () => {
  it('has its stores written, and faults again for the next one after that', () => {
    const m = new Mapped()
    const va = m.map(MAP_SHARED)
    const sync = () => now(filemapWriteAndWaitRange(m.cache, m.object, 0, -1))
    expect(m.load(va + 3 * PAGE_SIZE)).toBe(0xaa)
    for (const byte of [1, 2, 3]) {
      expect(m.store(va + 2 * PAGE_SIZE + 5, byte)).toBe(0)
      expect(m.object.device.reclaimable).toBe(1)
      m.verify()
      expect(sync()).toBe(0)
      expect([m.disk[2 * PAGE_SIZE + 5], m.object.device.reclaimable]).toEqual([byte, 0])
    }
    m.verify()
  })
})

describe('truncateSetsize', () => {
  it('[page-cache 108] takes private copies beyond the new end; holes and invalidation leave them', () => {
    for (const how of ['truncate', 'punch', 'invalidate']) {
      const m = new Mapped()
      const va = m.map(MAP_PRIVATE)
      const copy = va + 2 * PAGE_SIZE
      expect(m.load(copy)).toBe(0xaa)
      expect(m.store(copy, 0x11)).toBe(0)
      if (how === 'truncate') {
        now(truncateSetsize(m.cache, m.object, PAGE_SIZE))
        expect(m.world.lookup(m.space, copy)).toBe(false)
        expect(m.load(copy)).toBe(EINVAL) // SIGBUS
      } else {
        if (how === 'punch') now(truncatePagecacheRange(m.cache, m.object, 2 * PAGE_SIZE, 3 * PAGE_SIZE - 1))
        else expect(now(invalidateInodePages2(m.cache, m.object))).toBe(0)
        expect(m.object.pageAt(2)).toBe(-1)
        expect(m.world.lookup(m.space, copy)).toBe(true)
        expect([m.load(copy), m.load(copy + 1)]).toEqual([0x11, 0xaa])
      }
      m.verify()
    }
  })
})

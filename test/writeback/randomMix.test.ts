// A random mix of everything that changes or drops cached pages, against an array of bytes.

import { describe, expect, it } from 'vitest'
import { isErr, PAGE_SIZE, pfn, Rng, type Sleep } from '../../src/base/index.ts'
import {
  getPageForRead,
  grabCachePageWriteBegin,
  invalidateInodePages2,
  invalidateMappingPages,
  lruAddDrainAll,
  newReadaheadState,
  putCachePage,
  removeMapping,
  setPageDirty,
  truncatePagecacheRange,
  truncateSetsize,
  trylockPage,
  unlockPage,
} from '../../src/kernel/pagecache/index.ts'
import { TestWorld } from '../../src/kernel/pagecache/testWorld.ts'
import { freeCount, PG_dirty, PG_uptodate, PG_writeback } from '../../src/kernel/phys/index.ts'
import { VM_PROT_READ, VM_PROT_WRITE } from '../../src/kernel/pmap/index.ts'
import { filemapFlush, filemapWriteAndWaitRange } from '../../src/kernel/writeback/index.ts'

const MAX_BYTES = 20 * PAGE_SIZE

class Mix {
  readonly world = new TestWorld()
  readonly file = this.world.file(0)
  readonly ra = newReadaheadState(this.file.object)
  readonly rng: Rng
  /** What the file must read as; its length is the size. */
  bytes = new Uint8Array(0)
  constructor(seed: number) {
    this.rng = new Rng(seed)
  }

  /** Runs to the end; whatever it waits for is a write, which then completes. */
  run<T>(work: Sleep<T>): T {
    const task = this.world.start(work)
    while (task.state !== 'done') {
      this.complete()
      task.run()
    }
    return task.result as T
  }
  complete(): void {
    for (const page of this.file.pending) this.file.complete(page)
  }

  *read(position: number, bytes: number): Sleep<void> {
    const { cache } = this.world
    const end = Math.min(position + bytes, this.file.object.sizeBytes)
    const last = Math.ceil((position + bytes) / PAGE_SIZE)
    for (let at = position; at < end;) {
      const index = Math.floor(at / PAGE_SIZE)
      const page = yield* getPageForRead(cache, this.file.object, this.ra, index, last - index)
      if (isErr(page)) throw new Error('the disk is good')
      const to = Math.min(end, (index + 1) * PAGE_SIZE)
      const seen = this.world.bytes(page).subarray(at % PAGE_SIZE, at - index * PAGE_SIZE + (to - at))
      // Compared as a whole: one assertion a page.
      expect(Buffer.compare(seen, this.bytes.subarray(at, to))).toBe(0)
      this.ra.prevPos = to - 1
      putCachePage(cache, page)
      at = to
    }
  }
  *write(position: number, bytes: number): Sleep<void> {
    const { world, file } = this
    const data = Uint8Array.from({ length: bytes }, () => this.rng.below(256))
    for (let at = 0; at < bytes;) {
      const index = Math.floor((position + at) / PAGE_SIZE)
      const from = (position + at) % PAGE_SIZE
      const step = Math.min(bytes - at, PAGE_SIZE - from)
      const page = yield* grabCachePageWriteBegin(world.cache, file.object, index)
      if (page === null) throw new Error('there is memory')
      if (!world.has(page, PG_uptodate)) {
        const onDisk = file.disk.subarray(index * PAGE_SIZE, Math.min(file.object.sizeBytes, (index + 1) * PAGE_SIZE))
        world.bytes(page).fill(0).set(onDisk)
        world.set(page, PG_uptodate)
      }
      world.bytes(page).set(data.subarray(at, at + step), from)
      file.object.sizeBytes = Math.max(file.object.sizeBytes, position + at + step)
      setPageDirty(world.cache, page)
      unlockPage(world.cache, page)
      putCachePage(world.cache, page)
      at += step
    }
    const grown = new Uint8Array(Math.max(this.bytes.length, position + bytes))
    grown.set(this.bytes)
    grown.set(data, position)
    this.bytes = grown
  }
  /** A store through a shared mapping: the fault dirties the page. */
  *store(position: number): Sleep<void> {
    const { world, file } = this
    const index = Math.floor(position / PAGE_SIZE)
    const page = yield* getPageForRead(world.cache, file.object, this.ra, index, 1)
    if (isErr(page)) throw new Error('the disk is good')
    setPageDirty(world.cache, page)
    world.map(file, index, VM_PROT_READ | VM_PROT_WRITE)
    this.bytes[position] = world.bytes(page)[position % PAGE_SIZE] = this.rng.below(256)
    putCachePage(world.cache, page)
  }
  *setSize(bytes: number): Sleep<void> {
    yield* truncateSetsize(this.world.cache, this.file.object, bytes)
    this.file.disk.fill(0, bytes)
    const resized = new Uint8Array(bytes)
    resized.set(this.bytes.subarray(0, bytes))
    this.bytes = resized
  }
  *punch(from: number, to: number): Sleep<void> {
    yield* truncatePagecacheRange(this.world.cache, this.file.object, from, to - 1)
    this.file.disk.fill(0, from, to)
    this.bytes.fill(0, from, to)
  }
  reclaim(index: number): void {
    const { world, file } = this
    const found = file.object.pageAt(index)
    if (found < 0 || world.cache.isMapped(world.frame(pfn(found)))) return
    const page = world.hold(pfn(found))
    trylockPage(world.cache, page)
    lruAddDrainAll(world.cache)
    const isRemoved = !world.has(page, PG_writeback) && removeMapping(world.cache, file.object, page, true)
    expect(isRemoved && world.has(page, PG_dirty)).toBe(false)
    unlockPage(world.cache, page)
    putCachePage(world.cache, page)
  }

  step(): void {
    const { rng, world, file } = this
    const { cache } = world
    const position = rng.below(MAX_BYTES)
    const length = 1 + rng.below(rng.below(4) === 0 ? 5 * PAGE_SIZE : 300)
    file.isWriteDeferred = rng.below(2) === 0
    switch (rng.below(12)) {
      case 0:
      case 1:
      case 2:
        return this.run(this.read(position, length))
      case 3:
      case 4:
        return this.run(this.write(position, Math.min(length, MAX_BYTES - position)))
      case 5:
        return position < this.bytes.length ? this.run(this.store(position)) : undefined
      case 6:
        return rng.below(4) === 0 ? this.run(this.setSize(position)) : undefined
      case 7:
        if (rng.below(4) === 0 && position < this.bytes.length)
          this.run(this.punch(position, Math.min(position + length, this.bytes.length)))
        return
      case 8:
        expect(this.run(filemapWriteAndWaitRange(cache, file.object, 0, -1))).toBe(0)
        expect(file.object.pages.nextTagged(0, 0)).toBe(-1)
        expect(Buffer.compare(file.disk.subarray(0, this.bytes.length), this.bytes.subarray(0, file.disk.length))).toBe(
          0,
        )
        return
      case 9:
        this.run(filemapFlush(cache, file.object))
        return
      case 10: {
        const before = file.object.nrPages
        expect(invalidateMappingPages(cache, file.object, 0, 40)).toBe(before - file.object.nrPages)
        if (rng.below(3) === 0) this.run(invalidateInodePages2(cache, file.object))
        return
      }
      case 11:
        this.reclaim(Math.floor(position / PAGE_SIZE))
        return this.complete()
    }
  }
}

describe('the page cache under a random mix', () => {
  for (const seed of [1, 2, 3])
    it(`reads what was written, and keeps its invariants (seed ${seed})`, () => {
      const mix = new Mix(seed)
      const free = freeCount(mix.world.phys)
      for (let step = 0; step < 3400; step++) {
        mix.step()
        mix.world.verify()
      }
      mix.run(mix.setSize(0))
      lruAddDrainAll(mix.world.cache)
      // What is left is page tables.
      const tables = mix.world.pmapOf(mix.file).tablePages
      expect(free - freeCount(mix.world.phys)).toBe(tables)
    })
})

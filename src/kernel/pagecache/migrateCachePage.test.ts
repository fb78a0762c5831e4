import { describe, expect, it } from 'vitest'
import { EAGAIN, EBUSY } from '../../base/index.ts'
import { globalStat, NR_FILE_DIRTY, PG_active, PG_dirty, PG_locked, PG_lru } from '../phys/index.ts'
import {
  activatePage,
  endPageWriteback,
  getCachePage,
  isolateLruPage,
  lockPage,
  lruAddDrainAll,
  migrateCachePage,
  putCachePage,
  setPageWriteback,
  TAG_DIRTY,
  unlockPage,
  verifyPageCache,
} from './index.ts'
import { TestWorld } from './testWorld.ts'

const PAGES = 4
function worldWithFile() {
  const world = new TestWorld()
  const file = world.file(PAGES * 4096)
  const { cache } = world
  const flagsOf = (page: number): number => cache.frames.flags[cache.frames.frameOf(page)]!
  const refs = (page: number): number => cache.frames.refcount[cache.frames.frameOf(page)]!
  return { world, file, cache, flagsOf, refs }
}

describe('migrateCachePage', () => {
  it('moves bytes, slot, tags, translations and list', () => {
    const { world, file, cache, flagsOf, refs } = worldWithFile()
    const from = world.dirty(file, 2)
    activatePage(cache, from)
    lruAddDrainAll(cache)
    world.map(file, 2, 3)
    const bytes = world.bytes(from).slice()
    const before = globalStat(world.phys, NR_FILE_DIRTY)
    const to = world.page()
    expect(isolateLruPage(cache, from)).toBe(true)
    expect(world.now(migrateCachePage(cache, from, to, false, false))).toBe(0)
    expect(file.object.pageAt(2)).toBe(to)
    expect(file.object.pages.hasTag(2, TAG_DIRTY)).toBe(true)
    expect(world.bytes(to)).toEqual(bytes)
    expect([flagsOf(to) & (PG_dirty | PG_active | PG_locked), refs(from)]).toEqual([PG_dirty | PG_active, 1])
    expect(globalStat(world.phys, NR_FILE_DIRTY)).toBe(before)
    putCachePage(cache, from)
    lruAddDrainAll(cache)
    expect(flagsOf(to) & PG_lru).toBe(PG_lru)
    // The file's reference and the translation's.
    expect(refs(to)).toBe(2)
    verifyPageCache(cache)
  })
  it('leaves a page where it is that somebody holds, has locked, or is writing', () => {
    const { world, file, cache } = worldWithFile()
    const from = world.idle(file, 1)
    const to = world.page()
    expect(isolateLruPage(cache, from)).toBe(true)
    const migrate = (isForced: boolean, waits: boolean) => migrateCachePage(cache, from, to, isForced, waits)

    getCachePage(cache, from)
    expect(world.now(migrate(true, true))).toBe(EAGAIN)
    putCachePage(cache, from)

    world.now(lockPage(cache, from))
    expect(world.now(migrate(false, true))).toBe(EAGAIN)
    setPageWriteback(cache, from)
    unlockPage(cache, from)
    expect(world.now(migrate(true, false))).toBe(EBUSY)
    expect(world.now(migrate(false, true))).toBe(EAGAIN)
    endPageWriteback(cache, from)

    expect(file.object.pageAt(1)).toBe(from)
    expect(world.now(migrate(true, true))).toBe(0)
    expect(file.object.pageAt(1)).toBe(to)
    putCachePage(cache, from)
    verifyPageCache(cache)
  })
})

import { describe, expect, it } from 'vitest'
import { EACCES, EFAULT, PAGE_SIZE } from '../../base/index.ts'
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  mmapRegion,
  munmapRegion,
  mprotectRegion,
  uvmspaceFork,
  uvmspaceFree,
  type VmSpace,
} from '../map/index.ts'
import { freeCount } from '../phys/index.ts'
import { now, TestWorld } from './testWorld.ts'

const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS
function map(space: VmSpace, addr: number, pages: number, prot = 3): number {
  return now(
    mmapRegion(space, {
      addr,
      length: pages * PAGE_SIZE,
      prot,
      flags: PRIVATE | MAP_FIXED,
      object: null,
      file: null,
      pgoff: 0,
    }),
  )
}

describe('a fault', () => {
  it('gives untouched private memory the zero page to read, then a page of its own to write', () => {
    const w = new TestWorld()
    const space = w.space()
    const at = map(space, 0x10000, 4)
    expect(w.load(space, at)).toBe(0)
    expect(space.residentPages).toBe(0)
    expect(w.store(space, at + 5, 7)).toBe(0)
    expect(space.residentPages).toBe(1)
    expect(w.load(space, at + 5)).toBe(7)
    expect(w.vm.stats.minorFaults).toBe(2)
    w.verify(space)
  })
  it('answers EFAULT where nothing is mapped and EACCES where the access is not allowed', () => {
    const w = new TestWorld()
    const space = w.space()
    const at = map(space, 0x10000, 2, 1)
    expect(w.store(space, at, 1)).toBe(EACCES)
    expect(w.load(space, at + 2 * PAGE_SIZE)).toBe(EFAULT)
    expect(now(mprotectRegion(space, at, PAGE_SIZE, 3))).toBe(0)
    expect(w.store(space, at, 1)).toBe(0)
    expect(now(mprotectRegion(space, at, PAGE_SIZE, 1))).toBe(0)
    expect(w.store(space, at, 1)).toBe(EACCES)
    expect(w.load(space, at)).toBe(1)
    w.verify(space)
  })
  it('copies a page that parent and child share, once, and lets the last owner keep it', () => {
    const w = new TestWorld()
    const parent = w.space()
    const at = map(parent, 0x10000, 2)
    w.store(parent, at, 1)
    const child = now(uvmspaceFork(parent)) as VmSpace
    expect(w.load(child, at)).toBe(1)
    expect(w.store(child, at, 2)).toBe(0)
    expect(w.load(parent, at)).toBe(1)
    expect(w.vm.stats.flt_acow).toBe(1)
    expect(w.store(parent, at, 3)).toBe(0)
    expect(w.vm.stats.flt_acow).toBe(1)
    expect(w.load(child, at)).toBe(2)
    w.verify(parent, child)
    w.use(w.space())
    uvmspaceFree(child)
    w.verify(parent)
  })
  it('gives every frame back with the last address space', () => {
    const w = new TestWorld()
    const idle = w.space()
    w.use(idle)
    const before = freeCount(w.phys)
    const space = w.space()
    const at = map(space, 0x10000, 64)
    for (let i = 0; i < 64; i++) w.store(space, at + i * PAGE_SIZE, i)
    expect(now(munmapRegion(space, at + 8 * PAGE_SIZE, 8 * PAGE_SIZE))).toBe(0)
    expect(w.load(space, at + 8 * PAGE_SIZE)).toBe(EFAULT)
    expect(w.load(space, at + 16 * PAGE_SIZE)).toBe(16)
    w.verify(space)
    w.use(idle)
    uvmspaceFree(space)
    expect(freeCount(w.phys)).toBe(before)
    expect(w.vm.anons.count).toBe(0)
    w.verify()
  })
})

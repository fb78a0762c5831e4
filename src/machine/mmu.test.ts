import { describe, expect, it } from 'vitest'
import { handMade } from './handMade.ts'
import {
  ACCESS_LOAD,
  CAUSE_FETCH_PAGE_FAULT,
  CAUSE_LOAD_PAGE_FAULT,
  CAUSE_STORE_PAGE_FAULT,
  F_ACCESSED,
  F_DIRTY,
  F_GLOBAL,
  F_READ,
  F_USER,
  F_WRITE,
  aarch64,
  sv39,
  sv48,
  x86_64,
} from './index.ts'

describe.each([sv39, sv48, x86_64, aarch64])('mmu on $name', (format) => {
  it('translates a load, a store and a fetch, and faults with the cause of the access', () => {
    const { mmu, memory, map } = handMade(format)
    map(0x40001000, 100, F_READ | F_WRITE | F_USER)
    expect(mmu.translateRead(0x40001234)).toBe(memory.frameOffset(100) + 0x234)
    expect(mmu.translateWrite(0x40001fff)).toBe(memory.frameOffset(100) + 0xfff)
    expect(mmu.translateFetch(0x40001000)).toBe(-CAUSE_FETCH_PAGE_FAULT)
    expect(mmu.translateRead(0x40002000)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    expect(mmu.translateWrite(0x40002000)).toBe(-CAUSE_STORE_PAGE_FAULT)
    expect(mmu.translateRead(2 ** 47)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    expect(mmu.translateRead(-4096)).toBe(-CAUSE_LOAD_PAGE_FAULT)
  })
  it('sets A at the first load and D at the first store, in RAM, once', () => {
    const { mmu, memory, map, tlb } = handMade(format)
    const pte = map(0x1000, 7, F_READ | F_WRITE | F_USER)
    const flags = () => format.flagsOf(memory.read32(pte), memory.read32(pte + 4), 0)
    expect(flags() & (F_ACCESSED | F_DIRTY)).toBe(0)
    mmu.translateRead(0x1000)
    expect(flags() & (F_ACCESSED | F_DIRTY)).toBe(F_ACCESSED)
    mmu.translateWrite(0x1000)
    expect(flags() & (F_ACCESSED | F_DIRTY)).toBe(F_ACCESSED | F_DIRTY)
    expect(mmu.walks).toBe(2)
    mmu.translateWrite(0x1008)
    mmu.translateRead(0x1008)
    expect(mmu.walks).toBe(2)
    expect(tlb.misses).toBe(1)
  })
  it('keeps a stale translation until it is invalidated', () => {
    const { mmu, memory, map, tlb, entryAt } = handMade(format)
    map(0x5000, 7, F_READ | F_USER)
    const before = mmu.translateRead(0x5000)
    memory.write32(entryAt(0x5000, 0), 0)
    expect(mmu.translateRead(0x5000)).toBe(before)
    tlb.invalidatePage(0x5000, 1)
    expect(mmu.translateRead(0x5000)).toBe(-CAUSE_LOAD_PAGE_FAULT)
  })
  it('faults from a cached entry that denies the access, until it is invalidated', () => {
    const { mmu, map, tlb } = handMade(format)
    map(0x5000, 7, F_READ | F_USER)
    mmu.translateRead(0x5000)
    map(0x5000, 7, F_READ | F_WRITE | F_USER)
    expect(mmu.translateWrite(0x5000)).toBe(-CAUSE_STORE_PAGE_FAULT)
    tlb.invalidatePage(0x5000, 1)
    expect(mmu.translateWrite(0x5000)).toBeGreaterThan(0)
  })
  it('does not cache absence', () => {
    const { mmu, map } = handMade(format)
    expect(mmu.translateRead(0x5000)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    map(0x5000, 7, F_READ | F_USER)
    expect(mmu.translateRead(0x5000)).toBeGreaterThan(0)
  })
  it('keeps user pages from the kernel and kernel pages from users', () => {
    const { mmu, memory, map } = handMade(format)
    map(0x5000, 7, F_READ | F_USER)
    map(-0x40000000, 8, F_READ | F_GLOBAL)
    expect(mmu.translateKernel(0x5000, ACCESS_LOAD)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    expect(mmu.translateRead(-0x40000000)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    expect(mmu.translateKernel(-0x3fffff00, ACCESS_LOAD)).toBe(memory.frameOffset(8) + 0x100)
    expect(mmu.translateRead(-0x40000000)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    mmu.setRoot(format, 1, 9)
    const walks = mmu.walks
    expect(mmu.translateKernel(-0x40000000, ACCESS_LOAD)).toBe(memory.frameOffset(8))
    expect(mmu.walks).toBe(walks)
  })
  it('reaches every frame of a superpage', () => {
    const { mmu, memory, map, tlb } = handMade(format)
    map(0x40000000, 1024, F_READ | F_WRITE | F_USER, 1)
    for (const i of [511, 0, 5, 300])
      expect(mmu.translateRead(0x40000000 + i * 4096)).toBe(memory.frameOffset(1024 + i))
    expect(mmu.walks).toBe(1)
    expect(mmu.translateWrite(0x40000000)).toBe(memory.frameOffset(1024))
    tlb.invalidatePage(0x40100000, 1)
    expect(mmu.walks).toBe(2)
    mmu.translateRead(0x40000000)
    expect(mmu.walks).toBe(3)
  })
})

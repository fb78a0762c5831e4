import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MiB } from '../base/index.ts'
import { handMade } from './handMade.ts'
import {
  ACCESS_FETCH,
  ACCESS_LOAD,
  ACCESS_STORE,
  ALL_ASIDS,
  CAUSE_FETCH_PAGE_FAULT,
  CAUSE_LOAD_ACCESS,
  CAUSE_LOAD_PAGE_FAULT,
  CAUSE_STORE_ACCESS,
  CAUSE_STORE_PAGE_FAULT,
  F_ACCESSED,
  F_DIRTY,
  F_EXEC,
  F_GLOBAL,
  F_READ,
  F_USER,
  F_WRITE,
  aarch64,
  sv39,
  type Mmu,
  pageFaultOf,
  sv48,
  verify,
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
  it('refills the front from the architectural entry, without a walk', () => {
    const { mmu, map, tlb } = handMade(format)
    map(0x5000, 7, F_READ | F_USER)
    mmu.translateRead(0x5000)
    mmu.setRoot(format, 2, 2)
    mmu.setRoot(format, 1, 1)
    expect(tlb.readTag[5]).toBeNaN()
    mmu.translateRead(0x5000)
    expect(tlb.readTag[5]).toBe(5)
    expect(mmu.walks).toBe(1)
  })
  it('faults by access in the part of a superpage that is not RAM, with the entry cached too', () => {
    const { mmu, memory, map } = handMade(format)
    map(0x40000000, 0, F_READ | F_WRITE | F_USER, 2)
    expect(mmu.translateRead(0x40005000)).toBe(memory.frameOffset(5))
    expect(mmu.translateRead(0x40000000 + 16 * MiB)).toBe(-CAUSE_LOAD_ACCESS)
    mmu.translateWrite(0x40005000)
    expect(mmu.translateWrite(0x40000000 + 16 * MiB)).toBe(-CAUSE_STORE_ACCESS)
    expect(mmu.walks).toBe(2)
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

describe('mmu on x86_64', () => {
  it('remembers what the tables take away', () => {
    const { mmu, memory, map, entryAt } = handMade(x86_64)
    map(0x5000, 7, F_READ | F_WRITE | F_DIRTY | F_EXEC | F_USER)
    const table = entryAt(0x5000, 2)
    memory.write32(table, memory.read32(table) & ~2)
    expect(mmu.translateRead(0x5000)).toBeGreaterThan(0)
    expect(mmu.translateWrite(0x5000)).toBe(-CAUSE_STORE_PAGE_FAULT)
    expect(mmu.translateFetch(0x5000)).toBeGreaterThan(0)
    expect(mmu.walks).toBe(1)
  })
})

function translate(mmu: Mmu, isKernel: boolean, access: number, va: number): number {
  if (isKernel) return mmu.translateKernel(va, access)
  if (access === ACCESS_FETCH) return mmu.translateFetch(va)
  return access === ACCESS_LOAD ? mmu.translateRead(va) : mmu.translateWrite(va)
}

describe('an mmu whose entries are invalidated when they change', () => {
  // Pages of two address spaces that share sets and front slots, in one superpage and across its edge.
  const USER = [0, 1, 511, 512, 1024, 1536, 1024 * 512].map((vpn) => 0x40000000 + vpn * 4096)
  const KERNEL = [-0x40000000, -0x40001000, -0x40000000 + 4096 * 1024]
  const anyFlags = fc.constantFrom(
    F_READ,
    F_READ | F_WRITE,
    F_READ | F_EXEC,
    F_READ | F_WRITE | F_EXEC,
    F_READ | F_WRITE | F_DIRTY,
    F_READ | F_ACCESSED,
  )
  const anyAccess = fc.constantFrom(ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE)
  const anyStep = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ op: fc.constant('map' as const), n: fc.nat(9), pfn: fc.nat(1000), flags: anyFlags }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('unmap' as const), n: fc.nat(9) }) },
    { weight: 8, arbitrary: fc.record({ op: fc.constant('access' as const), n: fc.nat(9), access: anyAccess }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('switch' as const), to: fc.constantFrom(1, 2) }) },
  )
  const cases = [sv39, sv48, x86_64, aarch64].flatMap((format) => [1, 4, 64].map((entries) => ({ format, entries })))
  it.each(cases)('translates as if it had no TLB: $format.name, $entries entries', ({ format, entries }) => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 80 }), (steps) => {
        const { machine, mmu, memory, map, entryAt, tlb } = handMade(format, entries)
        // What each address space maps; kernel pages are global and in both.
        const spaces = [new Map<number, [number, number]>(), new Map<number, [number, number]>()]
        const needed = [F_EXEC, F_READ, F_WRITE]
        let root = 1
        const pageOf = (n: number): { va: number; isKernel: boolean } =>
          n < USER.length ? { va: USER[n]!, isKernel: false } : { va: KERNEL[n - USER.length]!, isKernel: true }
        for (const [n, step] of steps.entries()) {
          if (step.op === 'switch') {
            root = step.to
            mmu.setRoot(format, root, root)
            continue
          }
          const { va, isKernel } = pageOf(step.n)
          const roots = isKernel ? [1, 2] : [root]
          if (step.op === 'map') {
            const flags = step.flags | (isKernel ? F_GLOBAL : F_USER)
            for (const each of roots) {
              map(va, 2048 + step.pfn, flags, 0, each)
              spaces[each - 1]!.set(va, [2048 + step.pfn, flags])
            }
            tlb.invalidatePage(va, isKernel ? ALL_ASIDS : root)
          } else if (step.op === 'unmap') {
            for (const each of roots) {
              memory.write32(entryAt(va, 0, each), 0)
              memory.write32(entryAt(va, 0, each) + 4, 0)
              spaces[each - 1]!.delete(va)
            }
            tlb.invalidatePage(va, isKernel ? ALL_ASIDS : root)
          } else {
            const { access } = step
            const found = spaces[root - 1]!.get(va)
            const at = va + 8 * step.n
            const isAllowed = found !== undefined && (found[1] & needed[access]!) !== 0
            expect(translate(mmu, isKernel, access, at)).toBe(
              isAllowed ? memory.frameOffset(found[0]) + 8 * step.n : pageFaultOf(access),
            )
            const isDirty = (each: number): boolean => {
              const pa = entryAt(va, 0, each)
              return (format.flagsOf(memory.read32(pa), memory.read32(pa + 4), 0) & F_DIRTY) !== 0
            }
            if (isAllowed && access === ACCESS_STORE) expect(roots.some(isDirty)).toBe(true)
          }
          if (n % 8 === 0) verify(machine)
        }
        verify(machine)
      }),
      { numRuns: 40 },
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MiB } from '../base/index.ts'
import { handMade } from './handMade.ts'
import {
  ACCESS_FETCH,
  ACCESS_LOAD,
  ACCESS_STORE,
  CAUSE_FETCH_ACCESS,
  CAUSE_FETCH_PAGE_FAULT,
  CAUSE_LOAD_ACCESS,
  CAUSE_LOAD_PAGE_FAULT,
  CAUSE_STORE_ACCESS,
  CAUSE_STORE_PAGE_FAULT,
  F_ACCESSED,
  F_DIRTY,
  F_EXEC,
  F_READ,
  F_USER,
  F_WRITE,
  MODE_SUPERVISOR,
  MODE_USER,
  PhysicalMemory,
  sv39,
  sv48,
  Walker,
  x86_64,
  type PteFormat,
} from './index.ts'

const ACCESSES = [ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE]
const PAGE_FAULTS = [-CAUSE_FETCH_PAGE_FAULT, -CAUSE_LOAD_PAGE_FAULT, -CAUSE_STORE_PAGE_FAULT]
const ACCESS_FAULTS = [-CAUSE_FETCH_ACCESS, -CAUSE_LOAD_ACCESS, -CAUSE_STORE_ACCESS]
const FRAMES = (16 * MiB) / 4096

const readPte = (memory: PhysicalMemory, pa: number): bigint =>
  (BigInt(memory.read32(pa + 4) >>> 0) << 32n) | BigInt(memory.read32(pa) >>> 0)
const writePte = (memory: PhysicalMemory, pa: number, pte: bigint): void => {
  memory.write32(pa, Number(BigInt.asIntN(32, pte)))
  memory.write32(pa + 4, Number(BigInt.asIntN(32, pte >> 32n)))
}

interface Walked {
  cause: number
  pfn: number
  level: number
  /** The leaf afterwards, and where it is. */
  pte: bigint
  at: number
}

/** The eight numbered steps of the specification (3.10), with Svadu, on 64-bit values. */
function walkAsSpecified(
  memory: PhysicalMemory,
  levels: number,
  root: number,
  va: number,
  access: number,
  mode: number,
) {
  const address = BigInt.asUintN(64, BigInt(va))
  const vaBits = BigInt(12 + 9 * levels)
  const result: Walked = { cause: PAGE_FAULTS[access]!, pfn: 0, level: 0, pte: 0n, at: -1 }
  if (BigInt.asUintN(64, BigInt.asIntN(Number(vaBits), address)) !== address) return result
  let table = BigInt(root)
  for (let i = levels - 1; i >= 0; i--) {
    if (table >= FRAMES) return { ...result, cause: ACCESS_FAULTS[access]! }
    const at = Number(table) * 4096 + Number((address >> BigInt(12 + 9 * i)) & 0x1ffn) * 8
    const pte = readPte(memory, at)
    const has = (n: number): boolean => ((pte >> BigInt(n)) & 1n) === 1n
    const [v, r, w, x, u, a, d] = [0, 1, 2, 3, 4, 6, 7].map(has)
    if (!v || (!r && w) || pte >> 54n !== 0n) return result
    const ppn = (pte >> 10n) & ((1n << 44n) - 1n)
    if (!r && !x) {
      if (d || a || u) return result
      table = ppn
      continue
    }
    if (mode === MODE_USER ? !u : u) return result
    if (![x, r, w][access]) return result
    const low = (1n << BigInt(9 * i)) - 1n
    if ((ppn & low) !== 0n) return result
    const pfn = ppn | ((address >> 12n) & low)
    if (pfn >= FRAMES) return { ...result, cause: ACCESS_FAULTS[access]! }
    const marked = pte | (1n << 6n) | (access === ACCESS_STORE ? 1n << 7n : 0n)
    return { cause: 0, pfn: Number(pfn), level: i, pte: marked, at }
  }
  return result
}

describe.each([
  { format: sv39, levels: 3 },
  { format: sv48, levels: 4 },
])('the walk of $format.name', ({ format, levels }) => {
  // Eight tables in frames 1 to 8, pointing to each other and to memory; entries 0, 1, 256 and 511 of each are used.
  const TABLES = 8
  const INDEXES = [0, 1, 256, 511]
  const anyPointer = fc.integer({ min: 1, max: TABLES }).map((table) => (BigInt(table) << 10n) | 1n)
  const anyPpn = fc.oneof(
    fc.integer({ min: 0, max: FRAMES - 1 }).map(BigInt),
    fc.integer({ min: 0, max: 7 }).map((n) => BigInt(n) << 9n),
    fc.integer({ min: 0, max: 3 }).map((n) => BigInt(n) << 18n),
    fc.bigInt({ min: 0n, max: 2n ** 44n - 1n }),
  )
  const anyLeaf = fc
    .tuple(anyPpn, fc.integer({ min: 0, max: 1023 }))
    .map(([ppn, bits]) => (ppn << 10n) | BigInt(bits | 3))
  const anyOdd = fc.oneof(
    fc.tuple(anyPointer, fc.integer({ min: 0, max: 63 })).map(([pte, n]) => pte ^ (1n << BigInt(n))),
    fc.tuple(anyLeaf, fc.integer({ min: 0, max: 63 })).map(([pte, n]) => pte ^ (1n << BigInt(n))),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  )
  const anyPte = fc.oneof(
    { weight: 6, arbitrary: anyPointer },
    { weight: 4, arbitrary: anyLeaf },
    { weight: 1, arbitrary: anyOdd },
  )
  const anyVa = fc
    .tuple(fc.array(fc.constantFrom(...INDEXES), { minLength: levels, maxLength: levels }), fc.nat(4095), fc.nat(60))
    .map(([indexes, offset, odd]) => {
      const raw = indexes.reduce((va, index) => (va << 9n) | BigInt(index), 0n)
      const va = Number(BigInt.asIntN(12 + 9 * levels, (raw << 12n) | BigInt(offset)))
      return odd === 0 ? -va - 2 ** (12 + 9 * levels) : va
    })
  const anyAccess = fc.tuple(anyVa, fc.constantFrom(...ACCESSES), fc.constantFrom(MODE_USER, MODE_SUPERVISOR))

  it('is the specification: the same frame or cause, and the same bits in RAM, for any tables', () => {
    const memory = new PhysicalMemory([{ start: 0, end: 16 * MiB }])
    const walker = new Walker()
    const anyTables = fc.array(anyPte, { minLength: TABLES * INDEXES.length, maxLength: TABLES * INDEXES.length })
    let successes = 0
    fc.assert(
      fc.property(anyTables, fc.array(anyAccess, { minLength: 8, maxLength: 8 }), (ptes, accesses) => {
        const places = ptes.map((_, i) => (1 + (i >> 2)) * 4096 + INDEXES[i & 3]! * 8)
        for (const [i, pte] of ptes.entries()) writePte(memory, places[i]!, pte)
        for (const [va, access, mode] of accesses) {
          const expected = walkAsSpecified(memory, levels, 1, va, access, mode)
          const after = places.map((pa) => (pa === expected.at ? expected.pte : readPte(memory, pa)))
          const cause = walker.walk(memory, format, 1, va, access, mode)
          expect(cause).toBe(expected.cause)
          expect(places.map((pa) => readPte(memory, pa))).toEqual(after)
          if (cause < 0) continue
          successes++
          expect([walker.pfn, walker.level, walker.place * 4096]).toEqual([
            expected.pfn,
            expected.level,
            memory.frameOffset(expected.pfn),
          ])
          expect(walker.flags).toBe(Number((expected.pte >> 1n) & 0x1ffn) | 512)
        }
      }),
      { numRuns: 600 },
    )
    expect(successes).toBeGreaterThan(100)
  })

  const VA = 0x12345000
  /** One page mapped at VA with these flags; the entry can be changed by hand. */
  function onePage(flags: number, level = 0, pfn = 512) {
    const room = handMade(format)
    const pte = room.map(VA, pfn, flags, level)
    const walk = (access: number, mode = MODE_USER, va = VA): number =>
      room.mmu.walker.walk(room.memory, format, 1, va, access, mode)
    return { ...room, pte, walk }
  }
  it('allows exactly what R, W, X and U say, in both modes', () => {
    for (let flags = 1; flags < 16; flags++) {
      if ((flags & 7) === 0 || ((flags & F_WRITE) !== 0 && (flags & F_READ) === 0)) continue
      const { walk } = onePage(flags)
      for (const access of ACCESSES) {
        const needed = [F_EXEC, F_READ, F_WRITE][access]!
        for (const mode of [MODE_USER, MODE_SUPERVISOR]) {
          const isAllowed = (flags & needed) !== 0 && ((flags & F_USER) !== 0) === (mode === MODE_USER)
          expect(walk(access, mode)).toBe(isAllowed ? 0 : PAGE_FAULTS[access])
        }
      }
    }
  })
  it('sets A when the page is used, D when it is written, and neither when it faults', () => {
    const { memory, pte, walk, mmu } = onePage(F_READ | F_USER)
    const marks = (): number => format.flagsOf(memory.read32(pte), memory.read32(pte + 4), 0) & (F_ACCESSED | F_DIRTY)
    walk(ACCESS_STORE)
    walk(ACCESS_FETCH)
    walk(ACCESS_LOAD, MODE_SUPERVISOR)
    expect(marks()).toBe(0)
    expect(walk(ACCESS_LOAD)).toBe(0)
    expect(marks()).toBe(F_ACCESSED)
    expect(mmu.walker.flags & (F_ACCESSED | F_DIRTY)).toBe(F_ACCESSED)
    const writable = onePage(F_READ | F_WRITE | F_USER)
    expect(writable.walk(ACCESS_STORE)).toBe(0)
    expect(writable.mmu.walker.flags & (F_ACCESSED | F_DIRTY)).toBe(F_ACCESSED | F_DIRTY)
    expect(readPte(writable.memory, writable.pte) & 0xc0n).toBe(0xc0n)
  })
  it('refuses reserved bits, W without R, and pointers that look like leaves', () => {
    for (let n = 54; n < 64; n++) {
      const { memory, pte, walk } = onePage(F_READ | F_USER)
      writePte(memory, pte, readPte(memory, pte) | (1n << BigInt(n)))
      expect(walk(ACCESS_LOAD)).toBe(-CAUSE_LOAD_PAGE_FAULT)
      const inTable = onePage(F_READ | F_USER)
      const pointer = inTable.entryAt(VA, 1)
      writePte(inTable.memory, pointer, readPte(inTable.memory, pointer) | (1n << BigInt(n)))
      expect(inTable.walk(ACCESS_LOAD)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    }
    for (const n of [4, 6, 7]) {
      const { memory, walk, entryAt } = onePage(F_READ | F_USER)
      const pointer = entryAt(VA, 1)
      writePte(memory, pointer, readPte(memory, pointer) | (1n << BigInt(n)))
      expect(walk(ACCESS_LOAD)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    }
    const { memory, pte, walk } = onePage(F_READ | F_WRITE | F_USER)
    writePte(memory, pte, readPte(memory, pte) & ~2n)
    for (const access of ACCESSES) expect(walk(access)).toBe(PAGE_FAULTS[access])
  })
  it('refuses misaligned superpages of every level, bit by bit', () => {
    for (let level = 1; level < levels; level++) {
      for (let n = 0; n < 9 * level; n++) {
        const { memory, pte, walk } = onePage(F_READ | F_USER, level, 0)
        expect(walk(ACCESS_LOAD)).toBe(level === 1 || VA < 16 * MiB ? 0 : -CAUSE_LOAD_ACCESS)
        writePte(memory, pte, readPte(memory, pte) | (1n << BigInt(10 + n)))
        expect(walk(ACCESS_LOAD)).toBe(-CAUSE_LOAD_PAGE_FAULT)
      }
    }
  })
  it('goes no further than the last level', () => {
    const { memory, pte, walk } = onePage(F_READ | F_USER)
    writePte(memory, pte, (1n << 10n) | 1n)
    for (const access of ACCESSES) expect(walk(access)).toBe(PAGE_FAULTS[access])
  })
  it('faults by access, not by page, where there is no RAM: root, table or page', () => {
    for (const access of ACCESSES) {
      const { memory, mmu } = handMade(format)
      expect(mmu.walker.walk(memory, format, FRAMES, VA, access, MODE_USER)).toBe(ACCESS_FAULTS[access])
      expect(mmu.walker.walk(memory, format, -1, VA, access, MODE_USER)).toBe(ACCESS_FAULTS[access])
      const table = onePage(F_READ | F_WRITE | F_EXEC | F_USER)
      writePte(table.memory, table.entryAt(VA, 1), (BigInt(FRAMES) << 10n) | 1n)
      expect(table.walk(access)).toBe(ACCESS_FAULTS[access])
      const page = onePage(F_READ | F_WRITE | F_EXEC | F_USER, 0, FRAMES)
      expect(page.walk(access)).toBe(ACCESS_FAULTS[access])
      expect(readPte(page.memory, page.pte) & 0xc0n).toBe(0n)
    }
  })
  it('refuses addresses that are not canonical before it reads anything', () => {
    const { walk, mmu } = onePage(F_READ | F_USER)
    const half = 2 ** (format.vaBits - 1)
    for (const va of [half, -half - 1, VA + 2 * half, 2 ** 52]) {
      expect(walk(ACCESS_LOAD, MODE_USER, va)).toBe(-CAUSE_LOAD_PAGE_FAULT)
    }
    expect(mmu.walkReads).toBe(0)
    expect(mmu.walks).toBe(4)
  })
  it('reads one entry a level', () => {
    const { walk, mmu } = onePage(F_READ | F_USER)
    walk(ACCESS_LOAD)
    expect(mmu.walkReads).toBe(levels)
    const large = onePage(F_READ | F_USER, 1)
    large.walk(ACCESS_LOAD)
    expect(large.mmu.walkReads).toBe(levels - 1)
  })
})

describe('the walk of x86_64', () => {
  const format: PteFormat = x86_64
  const RW = 2n
  const US = 4n
  const NX = 1n << 63n
  it('lets tables take away what the leaf allows, at every level', () => {
    for (let level = 1; level < 4; level++) {
      for (const [bit, access] of [
        [RW, ACCESS_STORE],
        [US, ACCESS_LOAD],
        [NX, ACCESS_FETCH],
      ] as const) {
        const { memory, map, entryAt, mmu } = handMade(format)
        map(0x1000, 512, F_READ | F_WRITE | F_EXEC | F_USER)
        const walk = (): number => mmu.walker.walk(memory, format, 1, 0x1000, access, MODE_USER)
        expect(walk()).toBe(0)
        const table = entryAt(0x1000, level)
        writePte(memory, table, readPte(memory, table) ^ bit)
        expect(walk()).toBe(PAGE_FAULTS[access])
      }
    }
  })
  it('sets A in the tables it passes, and in the leaf only if it succeeds', () => {
    const { memory, map, entryAt, mmu } = handMade(format)
    const leaf = map(0x1000, 512, F_READ | F_USER)
    const isAccessed = (pa: number): boolean => (readPte(memory, pa) & 32n) !== 0n
    mmu.walker.walk(memory, format, 1, 0x1000, ACCESS_STORE, MODE_USER)
    expect([3, 2, 1].map((level) => isAccessed(entryAt(0x1000, level)))).toEqual([true, true, true])
    expect(isAccessed(leaf)).toBe(false)
    mmu.walker.walk(memory, format, 1, 0x1000, ACCESS_LOAD, MODE_USER)
    expect(isAccessed(leaf)).toBe(true)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { F_ACCESSED, F_DIRTY, F_EXEC, F_GLOBAL, F_READ, F_USER, F_WRITE, LEVEL_FRAMES } from './pte/format.ts'
import { ALL_ASIDS, Tlb } from './tlb.ts'
import { verifyTlb } from './verify.ts'

const RW = F_READ | F_WRITE | F_USER | F_ACCESSED

interface NaiveEntry {
  first: number
  level: number
  pfn: number
  flags: number
  asid: number
}

/** Sets as arrays of ways, everything found by looking at everything. */
class NaiveTlb {
  sets: (NaiveEntry | null)[][]
  turn: number[]
  misses = 0
  fills = 0
  evictions = 0
  invalidations = 0
  constructor(sets: number, ways: number) {
    this.sets = Array.from({ length: sets }, () => Array.from({ length: ways }, () => null))
    this.turn = this.sets.map(() => 0)
  }
  setOf(first: number, level: number): (NaiveEntry | null)[] {
    return this.sets[this.setNumber(first, level)]!
  }
  setNumber(first: number, level: number): number {
    const n = BigInt(this.sets.length)
    return Number((((BigInt(first) / BigInt(LEVEL_FRAMES[level]!)) % n) + n) % n)
  }
  find(vpn: number, asid: number, level: number): NaiveEntry | null {
    const first = Math.floor(vpn / LEVEL_FRAMES[level]!) * LEVEL_FRAMES[level]!
    const isHit = (x: NaiveEntry | null): boolean =>
      x !== null && x.first === first && x.level === level && (x.asid === asid || (x.flags & F_GLOBAL) !== 0)
    return this.setOf(first, level).find(isHit) ?? null
  }
  lookup(vpn: number, asid: number): NaiveEntry | null {
    for (const level of [0, 1, 2, 3]) {
      const found = this.find(vpn, asid, level)
      if (found !== null) return found
    }
    this.misses++
    return null
  }
  fill(vpn: number, level: number, pfn: number, flags: number, asid: number): void {
    this.fills++
    const first = Math.floor(vpn / LEVEL_FRAMES[level]!) * LEVEL_FRAMES[level]!
    const entry = { first, level, pfn: pfn - (vpn - first), flags, asid }
    const set = this.setOf(first, level)
    const old = this.find(vpn, asid, level)
    let way = old !== null ? set.indexOf(old) : set.indexOf(null)
    if (way < 0) {
      const number = this.setNumber(first, level)
      way = this.turn[number]!
      this.turn[number] = (way + 1) % set.length
      this.evictions++
    }
    set[way] = entry
  }
  invalidate(isGone: (entry: NaiveEntry) => boolean): void {
    for (const set of this.sets) {
      for (const [way, entry] of set.entries()) {
        if (entry === null || !isGone(entry)) continue
        set[way] = null
        this.invalidations++
      }
    }
  }
}

// Frames of the model have offsets of 32 bits, as in any buffer.
const offsetOf = (pfn: number): number => (pfn & 0xfffff) * 4096
const verifyFront = (tlb: Tlb): void => verifyTlb(tlb, offsetOf)

// Few pages close to the places where sets, superpages and front slots begin, so that they collide.
const anyVpn = fc
  .tuple(fc.constantFrom(0, 512, 1024, 262144, -262144, 2 ** 34), fc.integer({ min: -3, max: 3 }))
  .map(([base, delta]) => base + delta)
const anyAsid = fc.integer({ min: 0, max: 3 })
const anyFlags = fc.integer({ min: 0, max: 127 })
const anyStep = fc.oneof(
  fc.record({ op: fc.constant('lookup' as const), vpn: anyVpn }),
  fc.record({
    op: fc.constant('fill' as const),
    vpn: anyVpn,
    level: fc.constantFrom(0, 0, 0, 1, 2),
    flags: anyFlags,
    asid: anyAsid,
  }),
  fc.record({ op: fc.constant('fillHere' as const), vpn: anyVpn, flags: anyFlags }),
  fc.record({ op: fc.constant('page' as const), vpn: anyVpn, asid: fc.constantFrom(ALL_ASIDS, 0, 1, 2, 3) }),
  fc.record({
    op: fc.constant('range' as const),
    vpn: anyVpn,
    pages: fc.constantFrom(0, 1, 5, 64, 65, 600),
    asid: fc.constantFrom(ALL_ASIDS, 1, 2),
  }),
  fc.record({ op: fc.constant('asid' as const), asid: anyAsid }),
  fc.record({ op: fc.constant('all' as const), keepGlobal: fc.boolean() }),
  fc.record({ op: fc.constant('switch' as const), asid: anyAsid }),
)

describe('Tlb', () => {
  it.each([
    [1, 1],
    [2, 2],
    [8, 8],
    [64, 64],
    [8, 1],
    [16, 4],
    [512, 4],
  ])('with %i entries of %i ways does what a naive one does', (entries, ways) => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 120 }), (steps) => {
        const tlb = new Tlb({ entries, ways })
        const naive = new NaiveTlb(entries / ways, ways)
        const pfnFor = (vpn: number, n: number): number => (vpn & 0x3ffff) + (n % 7) * 0x40000
        const fill = (n: number, vpn: number, level: number, flags: number, asid: number): void => {
          const pfn = pfnFor(vpn, n)
          tlb.fill(vpn, level, pfn, flags, asid, offsetOf(pfn))
          naive.fill(vpn, level, pfn, flags, asid)
        }
        for (const [n, step] of steps.entries()) {
          if (step.op === 'lookup') {
            const e = tlb.lookup(step.vpn, tlb.asid)
            const found = naive.lookup(step.vpn, tlb.asid)
            expect(e >= 0).toBe(found !== null)
            if (found !== null) {
              expect(tlb.pfnAt(e, step.vpn)).toBe(found.pfn + (step.vpn - found.first))
              expect(tlb.flags[e]).toBe(found.flags)
              tlb.fillFront(e, step.vpn, offsetOf(tlb.pfnAt(e, step.vpn)))
            }
          } else if (step.op === 'fill') fill(n, step.vpn, step.level, step.flags, step.asid)
          else if (step.op === 'fillHere') fill(n, step.vpn, 0, step.flags | F_USER, tlb.asid)
          else if (step.op === 'page' || step.op === 'range') {
            const pages = step.op === 'page' ? 1 : step.pages
            if (step.op === 'page') tlb.invalidatePage(step.vpn * 4096 + 5, step.asid)
            else tlb.invalidateRange(step.vpn * 4096, (step.vpn + pages) * 4096, step.asid)
            naive.invalidate(
              (entry) =>
                pages > 0 &&
                entry.first < step.vpn + pages &&
                entry.first + LEVEL_FRAMES[entry.level]! > step.vpn &&
                (step.asid === ALL_ASIDS || (entry.asid === step.asid && (entry.flags & F_GLOBAL) === 0)),
            )
          } else if (step.op === 'asid') {
            tlb.invalidateAsid(step.asid)
            naive.invalidate((entry) => entry.asid === step.asid && (entry.flags & F_GLOBAL) === 0)
          } else if (step.op === 'all') {
            tlb.invalidateAll(step.keepGlobal)
            naive.invalidate((entry) => !step.keepGlobal || (entry.flags & F_GLOBAL) === 0)
          } else tlb.setAsid(step.asid)
          const seen: NaiveEntry[] = []
          tlb.forEachEntry((first, level, pfn, flags, asid) => seen.push({ first, level, pfn, flags, asid }))
          expect(seen).toEqual(naive.sets.flat().filter((entry) => entry !== null))
        }
        verifyFront(tlb)
        const { misses, fills, evictions, invalidations } = naive
        expect(tlb).toMatchObject({ misses, fills, evictions, invalidations })
      }),
      { numRuns: 150 },
    )
  })
  it('keeps the front a subset after every step', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        const tlb = new Tlb({ entries: 4 })
        for (const step of steps) {
          if (step.op === 'fill')
            tlb.fill(step.vpn, step.level, step.vpn & 0x3ffff, step.flags, step.asid, offsetOf(step.vpn & 0x3ffff))
          else if (step.op === 'fillHere') tlb.fill(step.vpn, 0, 3, step.flags | F_USER, tlb.asid, 3 * 4096)
          else if (step.op === 'lookup') {
            const e = tlb.lookup(step.vpn, tlb.asid)
            if (e >= 0) tlb.fillFront(e, step.vpn, offsetOf(tlb.pfnAt(e, step.vpn)))
          } else if (step.op === 'page') tlb.invalidatePage(step.vpn * 4096, step.asid)
          else if (step.op === 'range') tlb.invalidateRange(step.vpn * 4096, (step.vpn + step.pages) * 4096, step.asid)
          else if (step.op === 'asid') tlb.invalidateAsid(step.asid)
          else if (step.op === 'all') tlb.invalidateAll(step.keepGlobal)
          else tlb.setAsid(step.asid)
          verifyFront(tlb)
        }
      }),
      { numRuns: 60 },
    )
  })
  it('replaces round robin, whatever has been used', () => {
    const tlb = new Tlb({ entries: 3 })
    for (const vpn of [1, 2, 3]) tlb.fill(vpn, 0, vpn, RW, 0, 0)
    tlb.lookup(1, 0)
    tlb.fill(4, 0, 4, RW, 0, 0)
    expect([1, 2, 3, 4].map((vpn) => tlb.lookup(vpn, 0) >= 0)).toEqual([false, true, true, true])
    tlb.fill(5, 0, 5, RW, 0, 0)
    expect([2, 3, 4, 5].map((vpn) => tlb.lookup(vpn, 0) >= 0)).toEqual([false, true, true, true])
    expect(tlb.evictions).toBe(2)
  })
  it('forgets all pages of a superpage when it is filled anew', () => {
    const tlb = new Tlb({ entries: 8 })
    const e = tlb.fill(512, 1, 1024, RW, 0, offsetOf(1024))
    for (const vpn of [513, 700]) tlb.fillFront(e, vpn, offsetOf(tlb.pfnAt(e, vpn)))
    tlb.fill(600, 1, 2048 + 88, RW, 0, offsetOf(2048 + 88))
    verifyFront(tlb)
    expect([512, 513, 600, 700].map((vpn) => tlb.readTag[vpn])).toEqual([NaN, NaN, 600, NaN])
    expect(tlb.pfnAt(tlb.lookup(700, 0), 700)).toBe(2048 + 188)
  })
  it('keeps an address space across a switch away and back', () => {
    const tlb = new Tlb({ entries: 8 })
    tlb.setAsid(1)
    tlb.fill(9, 0, 90, RW | F_DIRTY, 1, 90 * 4096)
    expect(tlb.writeTag[9]).toBe(9)
    tlb.setAsid(2)
    expect(tlb.writeTag[9]).toBeNaN()
    expect(tlb.lookup(9, 2)).toBe(-1)
    tlb.setAsid(1)
    expect(tlb.writeTag[9]).toBeNaN()
    expect(tlb.pfnAt(tlb.lookup(9, 1), 9)).toBe(90)
  })
  it('lets no store through the front before D is set, and no access to a supervisor page', () => {
    const tlb = new Tlb({ entries: 8 })
    tlb.fill(9, 0, 90, RW, 0, 90 * 4096)
    expect([tlb.readTag[9], tlb.writeTag[9], tlb.execTag[9]]).toEqual([9, NaN, NaN])
    tlb.fill(10, 0, 91, F_READ | F_WRITE | F_DIRTY | F_EXEC, 0, 91 * 4096)
    expect([tlb.readTag[10], tlb.writeTag[10], tlb.execTag[10]]).toEqual([NaN, NaN, NaN])
  })
  it('refuses shapes that no hardware has', () => {
    expect(() => new Tlb({ entries: 0 })).toThrow('TLB entries are a multiple of its ways')
    expect(() => new Tlb({ entries: 10, ways: 4 })).toThrow('TLB entries are a multiple of its ways')
    expect(() => new Tlb({ entries: 12, ways: 4 })).toThrow('power of two of sets')
    expect(new Tlb({ entries: 4096 })).toMatchObject({ ways: 4, sets: 1024 })
  })
})

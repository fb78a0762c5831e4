import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KernelPanic } from '../../base/index.ts'
import { aarch64 } from './aarch64.ts'
import {
  F_ACCESSED,
  F_DIRTY,
  F_EXEC,
  F_GLOBAL,
  F_MANAGED,
  F_READ,
  F_USER,
  F_VALID,
  F_WIRED,
  F_WRITE,
  LEVEL_FRAMES,
  SOFT_FILE,
  SOFT_GUARD,
  SOFT_NONE,
  SOFT_SWAP,
  SOFT_UFFD_WP,
  type PteFormat,
} from './format.ts'
import { sv39 } from './sv39.ts'
import { sv48 } from './sv48.ts'
import { x86_64 } from './x86_64.ts'

// A second decoder, written from the manuals' bit numbers on one 64-bit value, sharing nothing with the formats.

interface Decoded {
  valid: boolean
  leaf: boolean
  reserved: boolean
  pfn: bigint
  r: boolean
  w: boolean
  x: boolean
  u: boolean
  g: boolean
  a: boolean
  d: boolean
  wired: boolean
  managed: boolean
}

const bits = (v: bigint, high: number, low: number): bigint =>
  (v >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n)
const bit = (v: bigint, n: number): boolean => bits(v, n, n) === 1n

function decodeRiscv(v: bigint, level: number, levels: number): Decoded {
  const [r, w, x] = [bit(v, 1), bit(v, 2), bit(v, 3)]
  const leaf = r || w || x
  const ppn = bits(v, 53, 10)
  let reserved = bits(v, 63, 54) !== 0n || (w && !r)
  if (!leaf && (bit(v, 7) || bit(v, 6) || bit(v, 4))) reserved = true
  if (leaf && level >= levels) reserved = true
  if (leaf && level > 0 && ppn % (1n << BigInt(9 * level)) !== 0n) reserved = true
  return {
    valid: bit(v, 0),
    leaf,
    reserved,
    pfn: ppn,
    r,
    w,
    x,
    u: bit(v, 4),
    g: bit(v, 5),
    a: bit(v, 6),
    d: bit(v, 7),
    wired: bit(v, 8),
    managed: bit(v, 9),
  }
}

function decodeX86(v: bigint, level: number): Decoded {
  const leaf = level === 0 || bit(v, 7)
  const pfn = bits(v, 51, 12)
  let reserved = bits(v, 51, 46) !== 0n
  if (level > 0 && leaf && (level === 3 || pfn % (1n << BigInt(9 * level)) !== 0n)) reserved = true
  return {
    valid: bit(v, 0),
    leaf,
    reserved,
    pfn,
    r: true,
    w: bit(v, 1),
    x: !bit(v, 63),
    u: bit(v, 2),
    g: bit(v, 8),
    a: bit(v, 5),
    d: bit(v, 6),
    wired: bit(v, 9),
    managed: bit(v, 10),
  }
}

function decodeAarch64(v: bigint, level: number): Decoded {
  const leaf = level === 0 || !bit(v, 1)
  const pfn = bits(v, 47, 12)
  let reserved = bits(v, 49, 48) !== 0n || (level === 0 && !bit(v, 1))
  if (level > 0 && leaf && (level === 3 || pfn % (1n << BigInt(9 * level)) !== 0n)) reserved = true
  const u = bit(v, 6)
  const isReadOnly = bit(v, 7)
  return {
    valid: bit(v, 0),
    leaf,
    reserved,
    pfn,
    r: true,
    w: !isReadOnly || bit(v, 51),
    x: !bit(v, u ? 54 : 53),
    u,
    g: !bit(v, 11),
    a: bit(v, 10),
    d: !isReadOnly || bit(v, 55),
    wired: bit(v, 56),
    managed: bit(v, 57),
  }
}

const flagsOf = (p: Decoded): number =>
  F_VALID |
  (p.r ? F_READ : 0) |
  (p.w ? F_WRITE : 0) |
  (p.x ? F_EXEC : 0) |
  (p.u ? F_USER : 0) |
  (p.g ? F_GLOBAL : 0) |
  (p.a ? F_ACCESSED : 0) |
  (p.d ? F_DIRTY : 0) |
  (p.wired ? F_WIRED : 0) |
  (p.managed ? F_MANAGED : 0)

const word = (format: PteFormat): bigint => (BigInt(format.hi >>> 0) << 32n) | BigInt(format.lo >>> 0)
const low = (v: bigint): number => Number(BigInt.asIntN(32, v))
const high = (v: bigint): number => Number(BigInt.asIntN(32, v >> 32n))

const cases: {
  format: PteFormat
  decode: (v: bigint, level: number) => Decoded
  pfnBits: number
  execOnly: boolean
}[] = [
  { format: sv39, decode: (v, level) => decodeRiscv(v, level, 3), pfnBits: 44, execOnly: true },
  { format: sv48, decode: (v, level) => decodeRiscv(v, level, 4), pfnBits: 44, execOnly: true },
  { format: x86_64, decode: decodeX86, pfnBits: 34, execOnly: false },
  { format: aarch64, decode: decodeAarch64, pfnBits: 36, execOnly: false },
]

describe.each(cases)('page-table format $format.name', ({ format, decode, pfnBits, execOnly }) => {
  const anyLevel = fc.integer({ min: 0, max: format.maxLeafLevel })
  const anyPfn = fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** pfnBits)

  it('encodes every combination of flags as the manual reads it, and reads it back', () => {
    for (let flags = 0; flags < F_VALID; flags++) {
      if ((flags & (F_READ | F_WRITE | F_EXEC)) === 0) continue
      for (let level = 0; level <= format.maxLeafLevel; level++) {
        let expected = flags | F_VALID
        if ((flags & F_WRITE) !== 0 || !execOnly) expected |= F_READ
        const pfn = 2 ** pfnBits - 1 - ((2 ** pfnBits - 1) % LEVEL_FRAMES[level]!)
        format.encodeLeaf(pfn, flags, level)
        const { lo, hi } = format
        const manual = decode(word(format), level)
        expect(manual).toMatchObject({ valid: true, leaf: true, reserved: false, pfn: BigInt(pfn) })
        expect(flagsOf(manual)).toBe(expected)
        expect(format.flagsOf(lo, hi, level)).toBe(expected)
        expect(format.pfnOf(lo, hi)).toBe(pfn)
        expect(format.isValid(lo, hi) && format.isLeaf(lo, hi, level)).toBe(true)
        expect(format.hasReservedBits(lo, hi, level)).toBe(false)
      }
    }
  })
  it('encodes frames of any number', () => {
    fc.assert(
      fc.property(anyPfn, anyLevel, (any, level) => {
        const pfn = any - (any % LEVEL_FRAMES[level]!)
        format.encodeLeaf(pfn, F_READ, level)
        expect(format.pfnOf(format.lo, format.hi)).toBe(pfn)
        expect(decode(word(format), level).pfn).toBe(BigInt(pfn))
      }),
    )
  })
  it('encodes tables that allow everything', () => {
    fc.assert(
      fc.property(anyPfn, fc.integer({ min: 1, max: format.levels - 1 }), (pfn, level) => {
        format.encodeTable(pfn)
        const { lo, hi } = format
        expect(decode(word(format), level)).toMatchObject({
          valid: true,
          leaf: false,
          reserved: false,
          pfn: BigInt(pfn),
        })
        expect(format.isValid(lo, hi)).toBe(true)
        expect(format.isLeaf(lo, hi, level)).toBe(false)
        expect(format.hasReservedBits(lo, hi, level)).toBe(false)
        expect(format.pfnOf(lo, hi)).toBe(pfn)
        const all = F_READ | F_WRITE | F_EXEC | F_USER
        expect(format.allowedBelow(lo, hi) & all).toBe(all)
      }),
    )
  })
  it('decodes any 64-bit value as the manual does, whether its words are signed or not', () => {
    // Few bits set, many bits set, and anything between.
    const sparse = fc
      .array(fc.integer({ min: 0, max: 63 }), { maxLength: 8 })
      .map((ns) => ns.reduce((v, n) => v | (1n << BigInt(n)), 1n))
    const anyValue = fc.oneof(sparse, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
    fc.assert(
      fc.property(anyValue, fc.integer({ min: 0, max: format.levels - 1 }), fc.boolean(), (v, level, isSigned) => {
        const lo = isSigned ? low(v) : low(v) >>> 0
        const hi = isSigned ? high(v) : high(v) >>> 0
        const manual = decode(v, level)
        expect(format.isValid(lo, hi)).toBe(manual.valid)
        if (!manual.valid) {
          expect(format.isMapped(lo)).toBe(bit(v, 5))
          if (!bit(v, 5)) expect(format.flagsOf(lo, hi, level)).toBe(0)
          return
        }
        expect(format.hasReservedBits(lo, hi, level)).toBe(manual.reserved)
        if (manual.reserved) return
        expect(format.isLeaf(lo, hi, level)).toBe(manual.leaf)
        expect(format.pfnOf(lo, hi)).toBe(Number(manual.pfn))
        if (manual.leaf) expect(format.flagsOf(lo, hi, level)).toBe(flagsOf(manual))
      }),
      { numRuns: 2000 },
    )
  })
  it('marks accessed and dirty without touching anything else', () => {
    for (let flags = 0; flags < F_VALID; flags++) {
      if ((flags & F_WRITE) === 0) continue
      format.encodeLeaf(5, flags, 0)
      const before = format.flagsOf(format.lo, format.hi, 0)
      expect(format.flagsOf(format.withAccessed(format.lo), format.hi, 0)).toBe(before | F_ACCESSED)
      expect(format.flagsOf(format.withDirty(format.lo), format.hi, 0)).toBe(before | F_DIRTY)
      expect(format.pfnOf(format.withDirty(format.withAccessed(format.lo)), format.hi)).toBe(5)
    }
  })

  it('keeps software entries: never valid, kind and 40 bits of value, the layout of all formats', () => {
    const anyKind = fc.constantFrom(SOFT_FILE, SOFT_SWAP, SOFT_GUARD, SOFT_UFFD_WP, 31)
    fc.assert(
      fc.property(anyKind, fc.bigInt({ min: 0n, max: 2n ** 40n - 1n }), (kind, value) => {
        format.encodeSoftware(kind, Number(value))
        const { lo, hi } = format
        const v = word(format)
        expect(format.isValid(lo, hi)).toBe(false)
        expect(format.softwareKind(lo, hi)).toBe(kind)
        expect(format.softwareValue(lo, hi)).toBe(Number(value))
        expect(v).toBe((value << 12n) | (kind === SOFT_FILE ? 1n << 6n : BigInt(kind) << 7n))
      }),
    )
    format.encodeSoftware(SOFT_NONE, 0)
    expect([format.lo, format.hi]).toEqual([0, 0])
    expect(() => format.encodeSoftware(SOFT_SWAP, 2 ** 40)).toThrow(KernelPanic)
    expect(() => format.encodeSoftware(SOFT_NONE, 1)).toThrow(KernelPanic)
  })
  it('keeps hidden leaves: never valid, frame and A, D, wired, managed, the layout of all formats', () => {
    const kept = F_ACCESSED | F_DIRTY | F_WIRED | F_MANAGED
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 34 - 1 }), fc.integer({ min: 0, max: F_VALID - 1 }), (pfn, flags) => {
        format.encodeHidden(pfn, flags)
        const { lo, hi } = format
        expect(format.isValid(lo, hi)).toBe(false)
        expect(format.isMapped(lo)).toBe(true)
        expect(format.pfnOf(lo, hi)).toBe(pfn)
        expect(format.flagsOf(lo, hi, 0)).toBe((flags & kept) | F_USER)
      }),
    )
    // A software entry of any kind is not one.
    format.encodeSoftware(31, 2 ** 40 - 1)
    expect(format.isMapped(format.lo)).toBe(false)
  })
  it('finds the index of an address at each level, in both halves', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer({ min: 0, max: format.levels - 1 }), (any, level) => {
        const va = any % 2 ** (format.vaBits - 1)
        expect(format.indexAt(va, level)).toBe(
          Number(bits(BigInt.asUintN(64, BigInt(va)), 20 + 9 * level, 12 + 9 * level)),
        )
      }),
    )
  })
  it('knows its canonical addresses', () => {
    const half = 2 ** (format.vaBits - 1)
    for (const va of [0, half - 1, -1, -half]) expect(format.isCanonical(va)).toBe(true)
    for (const va of [half, -half - 1, 2 ** 53, -(2 ** 53)]) expect(format.isCanonical(va)).toBe(false)
  })
  it('refuses leaves that no processor reads', () => {
    expect(() => format.encodeLeaf(1, F_READ, 1)).toThrow('a superpage starts at a multiple of its size')
    expect(() => format.encodeLeaf(0, F_READ, format.maxLeafLevel + 1)).toThrow('the format has leaves at this level')
    expect(() => format.encodeLeaf(0, F_USER, 0)).toThrow('a present entry allows some access')
  })
})

describe('page-table formats', () => {
  it('see a misaligned superpage of 512 GiB in the high word too', () => {
    // Found by the decoder above: frame 2^22 + … is in the high word of the entry, and no multiple of 2^27.
    for (let bit = 0; bit < 27; bit++) {
      const pte = (1n << BigInt(10 + bit)) | 3n
      expect(sv48.hasReservedBits(low(pte), high(pte), 3)).toBe(true)
    }
    const aligned = (1n << 37n) | 3n
    expect(sv48.hasReservedBits(low(aligned), high(aligned), 3)).toBe(false)
  })
  it('agree on all flags but what a format cannot say', () => {
    const seen = [sv39, sv48, x86_64, aarch64].map((format) => {
      format.encodeLeaf(77, F_READ | F_WRITE | F_USER | F_DIRTY | F_MANAGED, 0)
      return format.flagsOf(format.lo, format.hi, 0)
    })
    expect(new Set(seen).size).toBe(1)
  })
  it('are the words of real kernels: values from the manuals', () => {
    // RISC-V: V R W U A D at frame 0x80200 (physical 0x80200000).
    sv39.encodeLeaf(0x80200, F_READ | F_WRITE | F_USER | F_ACCESSED | F_DIRTY, 0)
    expect(word(sv39)).toBe(0x200800d7n)
    // x86-64: P RW US A D, no execute.
    x86_64.encodeLeaf(0x12345, F_READ | F_WRITE | F_USER | F_ACCESSED | F_DIRTY, 0)
    expect(word(x86_64)).toBe(0x8000000012345067n)
    // AArch64: Linux's user page: PAGE_SHARED, accessed and dirty: UXN PXN DBM nG AF SH USER.
    aarch64.encodeLeaf(0x12345, F_READ | F_WRITE | F_USER | F_ACCESSED | F_DIRTY, 0)
    expect(word(aarch64)).toBe(0x0068000012345f43n)
  })
})

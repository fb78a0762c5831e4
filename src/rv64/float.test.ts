import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Rng } from '../base/index.ts'
import { STOP_ECALL, STOP_ILLEGAL } from './index.ts'
import { board, CODE, ecall, i, r } from './testBoard.ts'

// Encodings: rd, rs1, rs2, rs3 are 4, 1, 2, 3 in the floating file; 7 and 10 in the integer one.
const FUNCT5: Readonly<Record<string, number>> = {
  fadd: 0,
  fsub: 1,
  fmul: 2,
  fdiv: 3,
  fsqrt: 11,
  fsgnj: 4,
  fsgnjn: 4,
  fsgnjx: 4,
  fmin: 5,
  fmax: 5,
  fle: 20,
  flt: 20,
  feq: 20,
}
const FUNCT3: Readonly<Record<string, number>> = {
  fsgnj: 0,
  fsgnjn: 1,
  fsgnjx: 2,
  fmin: 0,
  fmax: 1,
  fle: 0,
  flt: 1,
  feq: 2,
}
const FUSED = ['fmadd', 'fmsub', 'fnmsub', 'fnmadd']
const INTEGERS = ['w', 'wu', 'l', 'lu']
const FORMATS = ['s', 'd']

/** Instruction word of, say, `fcvt.l.d` with this rounding mode. */
function encode(name: string, rm: number): number {
  const [base = '', first = '', second = ''] = name.split('.')
  const format = FORMATS.indexOf(first)
  if (FUSED.includes(base)) return r(0x43 + 4 * FUSED.indexOf(base), rm, (3 << 2) | format, 4, 1, 2)
  if (base === 'fclass') return r(0x53, 1, (0x1c << 2) | format, 7, 1, 0)
  if (name === 'fmv.x.w') return r(0x53, 0, 0x1c << 2, 7, 1, 0)
  if (name === 'fmv.w.x') return r(0x53, 0, 0x1e << 2, 4, 10, 0)
  if (base !== 'fcvt') {
    const rd = FUNCT5[base] === 20 ? 7 : 4
    return r(0x53, FUNCT3[base] ?? rm, (FUNCT5[base]! << 2) | format, rd, 1, base === 'fsqrt' ? 0 : 2)
  }
  const from = FORMATS.indexOf(second)
  if (format >= 0 && from >= 0) return r(0x53, rm, (8 << 2) | format, 4, 1, from)
  if (format >= 0) return r(0x53, rm, (0x1a << 2) | format, 4, 10, INTEGERS.indexOf(second))
  return r(0x53, rm, (0x18 << 2) | from, 7, 1, INTEGERS.indexOf(first))
}
const writesInteger = (word: number): boolean => ((word >>> 7) & 31) === 7

const { hart, regs, load } = board()
interface Outcome {
  readonly bits: bigint
  readonly flags: number
}
/** Executes `name` with frm = rm and the given flags already set. */
function execute(name: string, rm: number, flags: number, a: bigint, b: bigint, c: bigint, mode = 7): Outcome {
  const word = encode(name, mode)
  load(word, ecall)
  regs.f64[1] = a
  regs.f64[2] = b
  regs.f64[3] = c
  regs.x64[10] = a
  regs.fcsr = (rm << 5) | flags
  if (hart.run(5) !== STOP_ECALL) throw new Error(`${name} stopped at ${hart.pc - CODE}`)
  const bits = writesInteger(word) ? regs.x64[7]! : regs.f64[4]!
  return { bits: BigInt.asUintN(64, bits), flags: regs.fcsr & 31 }
}

// Each line: name, rounding mode, NX before, three operands, result, flags after. Recorded on another
// implementation of the specification.
const VECTORS = readFileSync(new URL('./floatVectors.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')

describe('floating-point instructions', () => {
  it.each([...new Set(VECTORS.map((line) => line.split(' ')[0]!))])('%s agrees with its vectors', (name) => {
    const lines = VECTORS.filter((line) => line.startsWith(`${name} `))
    for (const line of lines) {
      const [, rm, nx, a, b, c, bits, flags] = line.split(' ')
      const hex = (text: string | undefined): bigint => BigInt.asIntN(64, BigInt(`0x${text}`))
      const outcome = execute(name, Number(rm), Number(nx), hex(a), hex(b), hex(c))
      expect([outcome.bits.toString(16), outcome.flags.toString(16)], line).toEqual([bits, flags])
      // The mode in the instruction means the same as in frm.
      expect(execute(name, 1, Number(nx), hex(a), hex(b), hex(c), Number(rm))).toEqual(outcome)
    }
  })
})

// ── An oracle of its own: exact fractions, rounded by comparing.

interface Fraction {
  readonly n: bigint
  readonly d: bigint
}
interface Format {
  readonly width: number
  readonly precision: number
  readonly lowest: number
}
const OF: Readonly<Record<string, Format>> = {
  s: { width: 32, precision: 24, lowest: -149 },
  d: { width: 64, precision: 53, lowest: -1074 },
}
const power = (exponent: number): Fraction =>
  exponent >= 0 ? { n: 1n << BigInt(exponent), d: 1n } : { n: 1n, d: 1n << BigInt(-exponent) }
const times = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.n, d: a.d * b.d })
const plus = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d })

function valueOf(format: Format, bits: bigint): Fraction {
  const fractionBits = BigInt(format.precision - 1)
  const fraction = bits & ((1n << fractionBits) - 1n)
  const exponent = Number((bits >> fractionBits) & ((1n << BigInt(format.width - format.precision)) - 1n))
  const sig = exponent === 0 ? fraction : fraction | (1n << fractionBits)
  const magnitude = times({ n: sig, d: 1n }, power(format.lowest + Math.max(0, exponent - 1)))
  return (bits >> BigInt(format.width - 1)) % 2n === 1n ? { n: -magnitude.n, d: magnitude.d } : magnitude
}

/** Bits of the largest representable magnitude not above |v|, and whether it is v: by bisection over all bits. */
function roundDown(format: Format, n: bigint, d: bigint): { bits: bigint; isExact: boolean } {
  let low = 0n
  let high = ((1n << BigInt(format.width - format.precision)) - 1n) << BigInt(format.precision - 1)
  while (high - low > 1n) {
    const middle = (low + high) >> 1n
    const v = valueOf(format, middle)
    if (v.n * d <= n * v.d) low = middle
    else high = middle
  }
  const v = valueOf(format, low)
  return { bits: low, isExact: v.n * d === n * v.d }
}

/** Result and NX of a value that neither overflows nor is tiny. */
function rounded(format: Format, v: Fraction, rm: number): Outcome {
  const sign = v.n < 0n
  const n = sign ? -v.n : v.n
  const { bits, isExact } = roundDown(format, n, v.d)
  const below = valueOf(format, bits)
  const above = valueOf(format, bits + 1n)
  // Twice v against the sum of its neighbours.
  const middle = plus(below, above)
  const compared = 2n * n * middle.d - middle.n * v.d
  let isUp = compared > 0n || (compared === 0n && (rm === 4 || bits % 2n === 1n))
  if (rm === 1) isUp = false
  if (rm === 2) isUp = sign
  if (rm === 3) isUp = !sign
  const magnitude = isExact || !isUp ? bits : bits + 1n
  return { bits: magnitude | (sign ? 1n << BigInt(format.width - 1) : 0n), flags: isExact ? 0 : 1 }
}

const EXACT: Readonly<Record<string, (a: Fraction, b: Fraction, c: Fraction) => Fraction>> = {
  fadd: (a, b) => plus(a, b),
  fsub: (a, b) => plus(a, { n: -b.n, d: b.d }),
  fmul: (a, b) => times(a, b),
  fdiv: (a, b) => (b.n < 0n ? { n: -a.n * b.d, d: -a.d * b.n } : { n: a.n * b.d, d: a.d * b.n }),
  fmadd: (a, b, c) => plus(times(a, b), c),
  fmsub: (a, b, c) => plus(times(a, b), { n: -c.n, d: c.d }),
  fnmsub: (a, b, c) => plus(times({ n: -a.n, d: a.d }, b), c),
  fnmadd: (a, b, c) => plus(times({ n: -a.n, d: a.d }, b), { n: -c.n, d: c.d }),
}

describe('floating-point arithmetic', () => {
  for (const suffix of FORMATS) {
    it.each(Object.keys(EXACT))(`%s.${suffix} rounds the exact result in every mode, flags set or not`, (name) => {
      const format = OF[suffix]!
      const rng = new Rng(name.length + format.width)
      const boxed = suffix === 's' ? 0xffffffff00000000n : 0n
      // Normal numbers of nearby magnitude, often with few significant bits, so that exact results and ties occur.
      const operand = (): bigint => {
        const fractionBits = format.precision - 1
        const cleared = BigInt(rng.below(3) === 0 ? rng.below(fractionBits) : 0)
        const fraction =
          ((((BigInt(rng.next32()) << 32n) | BigInt(rng.next32())) >> cleared) << cleared) &
          ((1n << BigInt(fractionBits)) - 1n)
        const bias = format.width === 64 ? 1023 : 127
        const exponent = BigInt(bias - 28 + rng.below(56))
        return (BigInt(rng.below(2)) << BigInt(format.width - 1)) | (exponent << BigInt(fractionBits)) | fraction
      }
      for (let round = 0; round < 60; round++) {
        const [a, b, c] = [operand(), operand(), operand()]
        const exact = EXACT[name]!(valueOf(format, a), valueOf(format, b), valueOf(format, c))
        if (exact.n === 0n) continue
        for (let rm = 0; rm < 5; rm++) {
          const expected = rounded(format, exact, rm)
          for (const before of [0, 1]) {
            const got = execute(`${name}.${suffix}`, rm, before, a | boxed, b | boxed, c | boxed)
            const label = `${name}.${suffix} rm ${rm} ${a.toString(16)} ${b.toString(16)} ${c.toString(16)}`
            expect(got, label).toEqual({ bits: expected.bits | boxed, flags: expected.flags | before })
          }
        }
      }
    })
  }
  it('takes a single that is not boxed for the canonical NaN', () => {
    expect(execute('fadd.s', 0, 0, 0x3f800000n, 0xffffffff3f800000n - (1n << 64n), 0n).bits).toBe(0xffffffff7fc00000n)
    expect(execute('fclass.s', 0, 0, 0x3f800000n, 0n, 0n).bits).toBe(1n << 9n)
  })
  it('keeps the payload of a NaN that is only moved', () => {
    const nan = 0x7ff00000deadbeefn
    expect(execute('fsgnj.d', 0, 0, nan, nan, 0n)).toEqual({ bits: nan, flags: 0 })
    expect(execute('fmv.x.w', 0, 0, 0x7f800001n, 0n, 0n).bits).toBe(0x7f800001n)
  })
  it('is illegal with a reserved rounding mode, in the instruction or in frm', () => {
    load(encode('fadd.d', 5))
    expect(hart.run(1)).toBe(STOP_ILLEGAL)
    load(encode('fadd.d', 7))
    regs.fcsr = 5 << 5
    expect(hart.run(1)).toBe(STOP_ILLEGAL)
    regs.fcsr = 0
  })
  it('loads and stores floats without changing a bit, boxing singles', () => {
    load(i(0x07, 2, 1, 10, 0), i(0x07, 3, 2, 10, 0), ecall)
    const { memory } = hart
    memory.write32(130 * 4096, 0x7fa00001)
    memory.write32(130 * 4096 + 4, 0x7ff00001)
    regs.set(10, 0x20000)
    expect(hart.run(5)).toBe(STOP_ECALL)
    expect([regs.fw[2], regs.fw[3], regs.fw[4], regs.fw[5]]).toEqual([0x7fa00001, -1, 0x7fa00001, 0x7ff00001])
  })
})

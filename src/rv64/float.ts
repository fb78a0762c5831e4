// The F and D extensions.
//
//   executeFloat ──► host arithmetic, when the mode is to nearest even and operands and result are plain
//        │           numbers in a range where exactFloat.ts can tell whether the result is exact
//        └─────────► softFloat.ts otherwise
//
// "Plain" excludes NaNs, infinities, overflow and whatever may underflow, so that NX is the only flag of the fast
// paths; the lost part is computed only while NX is not yet set. A double sum, product, quotient or root rounded to
// single is correctly rounded (53 >= 2 * 24 + 2).

import { productError, roundToOdd, sumError } from './exactFloat.ts'
import type { Hart } from './hart.ts'
import { OP } from './ops.ts'
import { FLAG_NV, FLAG_NX, type Registers } from './registers.ts'
import {
  canonicalNan,
  DOUBLE,
  RDN,
  RMM,
  RNE,
  RTZ,
  RUP,
  SINGLE,
  softAdd,
  softConvert,
  softDivide,
  softFromInteger,
  softFused,
  softMultiply,
  softSqrt,
  type FloatContext,
} from './softFloat.ts'
import { CAUSE_ILLEGAL, STOP_BUDGET, STOP_ILLEGAL, type Stop } from './stop.ts'

const RM_DYNAMIC = 7

// Magnitudes inside which errors of double operations are doubles themselves.
const SMALL = 1e-250
const LARGE = 1e250
/** Singles from here on are not subnormal, nor round up from there. */
const SMALL_SINGLE = 2 ** -125

const isMiddling = (v: number): boolean => {
  const magnitude = v < 0 ? -v : v
  return magnitude > SMALL && magnitude < LARGE
}
const isPlainSingle = (v: number): boolean => {
  const magnitude = v < 0 ? -v : v
  return magnitude >= SMALL_SINGLE && magnitude < Infinity
}

/** Executes one operation; STOP_BUDGET means done, STOP_ILLEGAL that the rounding mode is reserved. */
export function executeFloat(hart: Hart, op: number, w: number, imm: number): Stop {
  const { regs } = hart
  let rm = imm & 7
  if (rm === RM_DYNAMIC) rm = regs.fcsr >> 5
  if (rm > RMM) return hart.trap(STOP_ILLEGAL, CAUSE_ILLEGAL, 0)
  const isDone =
    op < OP.FSGNJ_S
      ? rm === RNE && (((op - OP.FADD_S) & 1) !== 0 ? fastDouble(regs, op, w, imm) : fastSingle(regs, op, w, imm))
      : executeOther(regs, op, w, rm)
  if (!isDone) slow(regs, op, w, imm, rm)
  return STOP_BUDGET
}

// ── Arithmetic: the fast paths. False: nothing done, take the slow one.

function fastDouble(regs: Registers, op: number, w: number, imm: number): boolean {
  const { f } = regs
  const d = (w >> 8) & 31
  const a = f[(w >> 14) & 31]!
  const b = f[(w >> 20) & 31]!
  const isExactKnown = (regs.fcsr & FLAG_NX) !== 0
  let isInexact = false
  let v = 0
  switch (op) {
    case OP.FADD_D:
    case OP.FSUB_D: {
      const c = op === OP.FADD_D ? b : -b
      v = a + c
      // No result of an addition that is tiny is inexact.
      if (!(v < LARGE && v > -LARGE)) return false
      isInexact = !isExactKnown && sumError(a, c, v) !== 0
      break
    }
    case OP.FMUL_D:
      v = a * b
      if (isMiddling(v)) {
        if (isExactKnown) break
        if (!isMiddling(a) || !isMiddling(b)) return false
        isInexact = productError(a, b, v) !== 0
        break
      }
      if ((a !== 0 && b !== 0) || v !== 0) return false
      break
    case OP.FDIV_D:
      v = a / b
      if (isMiddling(v)) {
        if (isExactKnown) break
        if (!isMiddling(a) || !isMiddling(b)) return false
        const product = v * b
        isInexact = product !== a || productError(v, b, product) !== 0
        break
      }
      if (a !== 0 || v !== 0 || b === Infinity || b === -Infinity) return false
      break
    case OP.FSQRT_D:
      if (a === 0) {
        v = a
        break
      }
      if (!(a > SMALL && a < LARGE)) return false
      v = Math.sqrt(a)
      if (!isExactKnown) {
        const square = v * v
        isInexact = square !== a || productError(v, v, square) !== 0
      }
      break
    default: {
      // FMADD, FMSUB, FNMSUB, FNMADD: ±a * b ± c.
      const third = f[(imm >> 9) & 31]!
      const c = op === OP.FMADD_D || op === OP.FNMSUB_D ? third : -third
      return fastFused(regs, d, op === OP.FMADD_D || op === OP.FMSUB_D ? a : -a, b, c)
    }
  }
  f[d] = v
  if (isInexact) regs.fcsr |= FLAG_NX
  return true
}

/** f[d] = a * b + c, rounded once: the last addition meets a value rounded to odd. */
function fastFused(regs: Registers, d: number, a: number, b: number, c: number): boolean {
  const high = a * b
  if (!isMiddling(a) || !isMiddling(b) || !isMiddling(high) || !(isMiddling(c) || c === 0)) return false
  const low = productError(a, b, high)
  const middle = c + low
  const lowest = sumError(c, low, middle)
  const top = high + middle
  const rest = sumError(high, middle, top)
  const tail = lowest + rest
  const tailError = sumError(lowest, rest, tail)
  const odd = roundToOdd(tail, tailError)
  const v = top + odd
  if (tailError !== 0 || sumError(top, odd, v) !== 0) regs.fcsr |= FLAG_NX
  regs.f[d] = v
  return true
}

const single = (regs: Registers, r: number): number => (regs.fw[r + 1] === -1 ? regs.f32[r]! : NaN)

function fastSingle(regs: Registers, op: number, w: number, imm: number): boolean {
  const a = single(regs, (w >> 13) & 0x7e)
  const b = single(regs, (w >> 19) & 0x7e)
  let v = 0
  let isInexact = false
  switch (op) {
    case OP.FADD_S:
    case OP.FSUB_S: {
      const c = op === OP.FADD_S ? b : -b
      const sum = a + c
      v = Math.fround(sum)
      if (!(v < Infinity && v > -Infinity)) return false
      isInexact = v !== sum || sumError(a, c, sum) !== 0
      break
    }
    case OP.FMUL_S: {
      const product = a * b
      v = Math.fround(product)
      if (!isPlainSingle(v) && product !== 0) return false
      isInexact = v !== product
      break
    }
    case OP.FDIV_S:
      v = Math.fround(a / b)
      if (!isPlainSingle(v) || b === Infinity || b === -Infinity) return false
      isInexact = v * b !== a
      break
    case OP.FSQRT_S:
      if (!isPlainSingle(a) || a < 0) return false
      v = Math.fround(Math.sqrt(a))
      isInexact = v * v !== a
      break
    default: {
      const third = single(regs, (imm >> 8) & 0xff)
      const c = op === OP.FMADD_S || op === OP.FNMSUB_S ? third : -third
      // The product of two singles is a double.
      const product = op === OP.FMADD_S || op === OP.FMSUB_S ? a * b : -a * b
      const sum = product + c
      const error = sumError(product, c, sum)
      v = Math.fround(roundToOdd(sum, error))
      if (!isPlainSingle(v)) return false
      isInexact = error !== 0 || v !== sum
    }
  }
  setSingle(regs, (w >> 7) & 0x7e, v)
  if (isInexact) regs.fcsr |= FLAG_NX
  return true
}

/** Writes a single that is no NaN. */
function setSingle(regs: Registers, d: number, v: number): void {
  regs.f32[d] = v
  regs.fw[d + 1] = -1
}

// ── Arithmetic and conversions: the slow path.

const context: FloatContext = { rm: 0, flags: 0 }

const singleBits = (regs: Registers, r: number): bigint =>
  regs.fw[r + 1] === -1 ? BigInt(regs.fw[r]! >>> 0) : canonicalNan(SINGLE)
const doubleBits = (regs: Registers, r: number): bigint => BigInt.asUintN(64, regs.f64[r >> 1]!)

function slow(regs: Registers, op: number, w: number, imm: number, rm: number): void {
  const isDouble = ((op - OP.FADD_S) & 1) !== 0
  const kind = isDouble ? op - 1 : op
  const format = isDouble ? DOUBLE : SINGLE
  const bitsOf = isDouble ? doubleBits : singleBits
  const negative = 1n << BigInt(format.width - 1)
  const a = bitsOf(regs, (w >> 13) & 0x7e)
  const b = bitsOf(regs, (w >> 19) & 0x7e)
  context.rm = rm
  context.flags = 0
  let result = 0n
  switch (kind) {
    case OP.FADD_S:
      result = softAdd(context, format, a, b)
      break
    case OP.FSUB_S:
      result = softAdd(context, format, a, b ^ negative)
      break
    case OP.FMUL_S:
      result = softMultiply(context, format, a, b)
      break
    case OP.FDIV_S:
      result = softDivide(context, format, a, b)
      break
    case OP.FSQRT_S:
      result = softSqrt(context, format, a)
      break
    case OP.FCVT_S_D:
      // The pair fcvt.s.d, fcvt.d.s is named by its result.
      result = isDouble
        ? softConvert(context, SINGLE, DOUBLE, singleBits(regs, (w >> 13) & 0x7e))
        : softConvert(context, DOUBLE, SINGLE, doubleBits(regs, (w >> 13) & 0x7e))
      break
    case OP.FCVT_S_L:
      result = softFromInteger(context, format, regs.x64[(w >> 14) & 31]!)
      break
    case OP.FCVT_S_LU:
      result = softFromInteger(context, format, BigInt.asUintN(64, regs.x64[(w >> 14) & 31]!))
      break
    case OP.FCVT_S_W:
      result = softFromInteger(context, format, BigInt(regs.x[(w >> 13) & 0x7e]!))
      break
    case OP.FCVT_S_WU:
      result = softFromInteger(context, format, BigInt(regs.x[(w >> 13) & 0x7e]! >>> 0))
      break
    default: {
      const c = bitsOf(regs, (imm >> 8) & 0xff)
      const isProductNegated = kind === OP.FNMSUB_S || kind === OP.FNMADD_S
      const isThirdNegated = kind === OP.FMSUB_S || kind === OP.FNMADD_S
      result = softFused(context, format, isProductNegated ? a ^ negative : a, b, isThirdNegated ? c ^ negative : c)
    }
  }
  regs.fcsr |= context.flags
  const d = (w >> 7) & 0x7e
  regs.fw[d] = Number(BigInt.asIntN(32, result))
  regs.fw[d + 1] = isDouble ? Number(BigInt.asIntN(32, result >> 32n)) : -1
}

// ── What does not round, and conversions.

function executeOther(regs: Registers, op: number, w: number, rm: number): boolean {
  const { x, fw, f, f32 } = regs
  const d = (w >> 7) & 0x7e
  const a = (w >> 13) & 0x7e
  const b = (w >> 19) & 0x7e
  const isDouble = ((op - OP.FADD_S) & 1) !== 0
  const kind = isDouble ? op - 1 : op
  switch (kind) {
    case OP.FSGNJ_S:
    case OP.FSGNJN_S:
    case OP.FSGNJX_S:
      injectSign(regs, kind, d, a, b, isDouble)
      return true
    case OP.FMIN_S:
    case OP.FMAX_S:
      choose(regs, kind === OP.FMIN_S, d, a, b, isDouble)
      return true
    case OP.FEQ_S:
    case OP.FLT_S:
    case OP.FLE_S: {
      const left = isDouble ? f[a >> 1]! : single(regs, a)
      const right = isDouble ? f[b >> 1]! : single(regs, b)
      const isUnordered = left !== left || right !== right
      // feq is quiet; flt and fle signal every NaN.
      if (isUnordered && (kind !== OP.FEQ_S || isSignaling(regs, a, isDouble) || isSignaling(regs, b, isDouble))) {
        regs.fcsr |= FLAG_NV
      }
      x[d] = (kind === OP.FEQ_S ? left === right : kind === OP.FLT_S ? left < right : left <= right) ? 1 : 0
      x[d + 1] = 0
      return true
    }
    case OP.FCLASS_S:
      x[d] = classOf(regs, a, isDouble)
      x[d + 1] = 0
      return true
    case OP.FMV_X_W:
      x[d] = fw[a]!
      x[d + 1] = isDouble ? fw[a + 1]! : fw[a]! >> 31
      return true
    case OP.FMV_W_X:
      fw[d] = x[a]!
      fw[d + 1] = isDouble ? x[a + 1]! : -1
      return true
    case OP.FCVT_S_D: {
      if (isDouble) {
        const v = single(regs, a)
        if (v !== v) return false
        f[d >> 1] = v
        return true
      }
      const wide = f[a >> 1]!
      const v = Math.fround(wide)
      if (rm !== RNE || !(isPlainSingle(v) || wide === 0)) return false
      setSingle(regs, d, v)
      if (v !== wide) regs.fcsr |= FLAG_NX
      return true
    }
    case OP.FCVT_W_S:
    case OP.FCVT_WU_S:
    case OP.FCVT_L_S:
    case OP.FCVT_LU_S:
      toInteger(regs, kind, d, isDouble ? f[a >> 1]! : single(regs, a), rm)
      return true
    default:
      // From integer: exact in a double below 2^53.
      return fromInteger(regs, kind, d, a, isDouble, f, f32)
  }
}

function injectSign(regs: Registers, kind: number, d: number, a: number, b: number, isDouble: boolean): void {
  const { fw } = regs
  // The word with the sign; a single that is not boxed counts as the canonical NaN.
  const place = isDouble ? 1 : 0
  const isBoxed = isDouble || fw[a + 1] === -1
  const value = isBoxed ? fw[a + place]! : 0x7fc00000
  const other = isDouble || fw[b + 1] === -1 ? fw[b + place]! : 0x7fc00000
  const low = fw[a]!
  const sign = kind === OP.FSGNJ_S ? other : kind === OP.FSGNJN_S ? ~other : other ^ value
  const result = (value & 0x7fffffff) | (sign & -0x80000000)
  fw[d] = isDouble ? low : result
  fw[d + 1] = isDouble ? result : -1
}

/** fmin, fmax: a number beats a NaN, -0 is below +0. */
function choose(regs: Registers, isMinimum: boolean, d: number, a: number, b: number, isDouble: boolean): void {
  const { fw } = regs
  const left = isDouble ? regs.f[a >> 1]! : single(regs, a)
  const right = isDouble ? regs.f[b >> 1]! : single(regs, b)
  if (isSignaling(regs, a, isDouble) || isSignaling(regs, b, isDouble)) regs.fcsr |= FLAG_NV
  if (left !== left && right !== right) {
    fw[d] = isDouble ? 0 : 0x7fc00000
    fw[d + 1] = isDouble ? 0x7ff80000 : -1
    return
  }
  let isLeft = right !== right
  if (left === left && right === right) {
    const isLess = left < right || (left === right && Object.is(left, -0))
    isLeft = isMinimum ? isLess : left > right || (left === right && !Object.is(left, -0))
  }
  const from = isLeft ? a : b
  const lo = fw[from]!
  const hi = fw[from + 1]!
  fw[d] = lo
  fw[d + 1] = hi
}

function isSignaling(regs: Registers, r: number, isDouble: boolean): boolean {
  const { fw } = regs
  if (isDouble) {
    const hi = fw[r + 1]!
    return (hi & 0x7ff80000) === 0x7ff00000 && ((hi & 0x7ffff) !== 0 || fw[r] !== 0)
  }
  return fw[r + 1] === -1 && (fw[r]! & 0x7fc00000) === 0x7f800000 && (fw[r]! & 0x3fffff) !== 0
}

// fclass:  0 -inf  1 -normal  2 -subnormal  3 -0  4 +0  5 +subnormal  6 +normal  7 +inf  8 signaling  9 quiet
function classOf(regs: Registers, r: number, isDouble: boolean): number {
  const v = isDouble ? regs.f[r >> 1]! : single(regs, r)
  if (v !== v) return isSignaling(regs, r, isDouble) ? 1 << 8 : 1 << 9
  const magnitude = Math.abs(v)
  const isNegative = v < 0 || Object.is(v, -0)
  let positive = 6
  if (magnitude === Infinity) positive = 7
  else if (magnitude === 0) positive = 4
  else if (magnitude < (isDouble ? 2 ** -1022 : 2 ** -126)) positive = 5
  return 1 << (isNegative ? 7 - positive : positive)
}

/** Rounds to an integer; exact, since |v - trunc(v)| is. */
function roundToInteger(v: number, rm: number): number {
  if (rm === RDN) return Math.floor(v)
  if (rm === RUP) return Math.ceil(v)
  const whole = Math.trunc(v)
  if (rm === RTZ) return whole
  const rest = Math.abs(v - whole)
  const isUp = rest > 0.5 || (rest === 0.5 && (rm === RMM || whole % 2 !== 0))
  return isUp ? whole + (v < 0 ? -1 : 1) : whole
}

const TWO_31 = 2 ** 31
const TWO_32 = 2 ** 32
const TWO_63 = 2 ** 63
const TWO_64 = 2 ** 64

/** Out of range, or NaN: the nearest limit (NaN: the largest), and NV alone. */
function toInteger(regs: Registers, kind: number, d: number, v: number, rm: number): void {
  const { x } = regs
  const isWord = kind === OP.FCVT_W_S || kind === OP.FCVT_WU_S
  const isUnsigned = kind === OP.FCVT_WU_S || kind === OP.FCVT_LU_S
  const low = isUnsigned ? 0 : isWord ? -TWO_31 : -TWO_63
  const high = isUnsigned ? (isWord ? TWO_32 : TWO_64) : isWord ? TWO_31 : TWO_63
  const whole = roundToInteger(v, rm)
  if (whole >= low && whole < high) {
    if (whole !== v) regs.fcsr |= FLAG_NX
    x[d] = whole
    x[d + 1] = isWord ? x[d]! >> 31 : Math.floor(whole / TWO_32)
    return
  }
  regs.fcsr |= FLAG_NV
  const isLow = v < 0
  x[d] = isLow ? (isWord && !isUnsigned ? -TWO_31 : 0) : isWord && !isUnsigned ? TWO_31 - 1 : -1
  if (isWord) x[d + 1] = x[d]! >> 31
  else if (isLow) x[d + 1] = isUnsigned ? 0 : -TWO_31
  else x[d + 1] = isUnsigned ? -1 : TWO_31 - 1
}

/** From an integer whose double is exact; false if it is not. */
function fromInteger(
  regs: Registers,
  kind: number,
  d: number,
  a: number,
  isDouble: boolean,
  f: Float64Array,
  f32: Float32Array,
): boolean {
  const { x } = regs
  const lo = x[a]!
  const hi = x[a + 1]!
  let v = 0
  if (kind === OP.FCVT_S_W) v = lo
  else if (kind === OP.FCVT_S_WU) v = lo >>> 0
  else if (kind === OP.FCVT_S_L) v = hi * TWO_32 + (lo >>> 0)
  else v = (hi >>> 0) * TWO_32 + (lo >>> 0)
  if (v >= 2 ** 53 || v <= -(2 ** 53)) return false
  if (isDouble) {
    f[d >> 1] = v
    return true
  }
  const narrow = Math.fround(v)
  if (narrow !== v) return false
  f32[d] = v
  regs.fw[d + 1] = -1
  return true
}

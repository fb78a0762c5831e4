// IEEE 754 in exact arithmetic: every operation computes its exact result (or one with a sticky bit) as
// sign, significand, exponent and rounds it once. The slow path of float.ts: all rounding modes, all flags.
//
//   value = (-1)^sign * sig * 2^exp       sig a BigInt of any length
//
// NaNs come out canonical, as RISC-V has it. Tininess is detected after rounding.

import { FLAG_DZ, FLAG_NV, FLAG_NX, FLAG_OF, FLAG_UF } from './registers.ts'

export interface FloatFormat {
  /** Bits altogether, of the significand with its hidden bit, and of the exponent field. */
  readonly width: number
  readonly precision: number
  readonly exponentBits: number
  /** Exponent of the last place of subnormals. */
  readonly lowest: number
  /** Exponent of the first place of the largest numbers. */
  readonly highest: number
}
export const SINGLE: FloatFormat = { width: 32, precision: 24, exponentBits: 8, lowest: -149, highest: 127 }
export const DOUBLE: FloatFormat = { width: 64, precision: 53, exponentBits: 11, lowest: -1074, highest: 1023 }

// Rounding modes.
export const RNE = 0
export const RTZ = 1
export const RDN = 2
export const RUP = 3
export const RMM = 4

/** How to round, and what has happened: flags accrue. */
export interface FloatContext {
  rm: number
  flags: number
}

const FINITE = 0
const INFINITE = 1
const NAN = 2
interface Unpacked {
  readonly kind: number
  readonly isSignaling: boolean
  readonly sign: number
  readonly sig: bigint
  readonly exp: number
}

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n
const signBit = (format: FloatFormat): bigint => 1n << BigInt(format.width - 1)
const infinity = (format: FloatFormat, sign: number): bigint =>
  (mask(format.exponentBits) << BigInt(format.precision - 1)) | (sign === 0 ? 0n : signBit(format))
const zero = (format: FloatFormat, sign: number): bigint => (sign === 0 ? 0n : signBit(format))
export const canonicalNan = (format: FloatFormat): bigint => infinity(format, 0) | (1n << BigInt(format.precision - 2))

function bitLength(n: bigint): number {
  return n === 0n ? 0 : n.toString(2).length
}

function unpack(format: FloatFormat, bits: bigint): Unpacked {
  const fractionBits = format.precision - 1
  const sign = Number((bits >> BigInt(format.width - 1)) & 1n)
  const exponent = Number((bits >> BigInt(fractionBits)) & mask(format.exponentBits))
  const fraction = bits & mask(fractionBits)
  if (exponent === 2 ** format.exponentBits - 1) {
    const isSignaling = fraction !== 0n && fraction >> BigInt(fractionBits - 1) === 0n
    return { kind: fraction === 0n ? INFINITE : NAN, isSignaling, sign, sig: 0n, exp: 0 }
  }
  const isNormal = exponent !== 0
  return {
    kind: FINITE,
    isSignaling: false,
    sign,
    sig: isNormal ? fraction | (1n << BigInt(fractionBits)) : fraction,
    exp: format.lowest + (isNormal ? exponent - 1 : 0),
  }
}

/** `sig` without its last `shift` bits, rounded; sets NX in `context` if they were not zero. */
function roundShift(context: FloatContext, sign: number, sig: bigint, shift: number): bigint {
  if (shift <= 0) return sig << BigInt(-shift)
  const kept = sig >> BigInt(shift)
  const rest = sig & mask(shift)
  if (rest === 0n) return kept
  context.flags |= FLAG_NX
  const half = 1n << BigInt(shift - 1)
  let isUp = false
  if (context.rm === RNE) isUp = rest > half || (rest === half && (kept & 1n) === 1n)
  else if (context.rm === RDN) isUp = sign === 1
  else if (context.rm === RUP) isUp = sign === 0
  else if (context.rm === RMM) isUp = rest >= half
  return isUp ? kept + 1n : kept
}

/** Rounds a value that is not zero to the format. */
function round(context: FloatContext, format: FloatFormat, sign: number, sig: bigint, exp: number): bigint {
  const { precision, lowest, highest } = format
  const free = exp + bitLength(sig) - precision
  let last = Math.max(free, lowest)
  const local: FloatContext = { rm: context.rm, flags: 0 }
  let kept = roundShift(local, sign, sig, last - exp)
  if (local.flags !== 0 && free < lowest) {
    // Tiny: with an unbounded exponent the rounded value is still below the smallest normal number.
    const unbounded = roundShift({ rm: context.rm, flags: 0 }, sign, sig, free - exp)
    if (bitLength(unbounded) + free < lowest + precision) local.flags |= FLAG_UF
  }
  if (bitLength(kept) > precision) {
    kept >>= 1n
    last++
  }
  context.flags |= local.flags
  if (last + precision - 1 > highest && bitLength(kept) === precision) {
    context.flags |= FLAG_OF | FLAG_NX
    const { rm } = context
    const isInfinite = rm === RNE || rm === RMM || (rm === RUP && sign === 0) || (rm === RDN && sign === 1)
    return isInfinite ? infinity(format, sign) : infinity(format, sign) - 1n
  }
  // The hidden bit of a normal number adds 1 to the exponent field.
  return zero(format, sign) + (BigInt(last - lowest) << BigInt(precision - 1)) + kept
}

function invalid(context: FloatContext, format: FloatFormat): bigint {
  context.flags |= FLAG_NV
  return canonicalNan(format)
}
/** Result of an operation with a NaN among its operands. */
function nanResult(context: FloatContext, format: FloatFormat, ...operands: readonly Unpacked[]): bigint {
  return operands.some((o) => o.isSignaling) ? invalid(context, format) : canonicalNan(format)
}

/** Sum of two finite values. */
function addFinite(context: FloatContext, format: FloatFormat, a: Unpacked, b: Unpacked): bigint {
  const exp = Math.min(a.exp, b.exp)
  const left = (a.sign === 0 ? a.sig : -a.sig) << BigInt(a.exp - exp)
  const right = (b.sign === 0 ? b.sig : -b.sig) << BigInt(b.exp - exp)
  const sum = left + right
  if (sum === 0n) return zero(format, a.sign === b.sign ? a.sign : context.rm === RDN ? 1 : 0)
  return round(context, format, sum < 0n ? 1 : 0, sum < 0n ? -sum : sum, exp)
}

export function softAdd(context: FloatContext, format: FloatFormat, x: bigint, y: bigint): bigint {
  const a = unpack(format, x)
  const b = unpack(format, y)
  if (a.kind === NAN || b.kind === NAN) return nanResult(context, format, a, b)
  if (a.kind === INFINITE && b.kind === INFINITE && a.sign !== b.sign) return invalid(context, format)
  if (a.kind === INFINITE) return x
  if (b.kind === INFINITE) return y
  return addFinite(context, format, a, b)
}

export function softMultiply(context: FloatContext, format: FloatFormat, x: bigint, y: bigint): bigint {
  const a = unpack(format, x)
  const b = unpack(format, y)
  if (a.kind === NAN || b.kind === NAN) return nanResult(context, format, a, b)
  const sign = a.sign ^ b.sign
  if (a.kind === INFINITE || b.kind === INFINITE) {
    return isZero(a) || isZero(b) ? invalid(context, format) : infinity(format, sign)
  }
  if (isZero(a) || isZero(b)) return zero(format, sign)
  return round(context, format, sign, a.sig * b.sig, a.exp + b.exp)
}

/** x * y + z, rounded once. */
export function softFused(context: FloatContext, format: FloatFormat, x: bigint, y: bigint, z: bigint): bigint {
  const a = unpack(format, x)
  const b = unpack(format, y)
  const c = unpack(format, z)
  const isInfinite = a.kind === INFINITE || b.kind === INFINITE
  // Infinity times zero is invalid even when z is a quiet NaN.
  if (a.kind !== NAN && b.kind !== NAN && isInfinite && (isZero(a) || isZero(b))) return invalid(context, format)
  if (a.kind === NAN || b.kind === NAN || c.kind === NAN) return nanResult(context, format, a, b, c)
  const sign = a.sign ^ b.sign
  if (isInfinite) return c.kind === INFINITE && c.sign !== sign ? invalid(context, format) : infinity(format, sign)
  if (c.kind === INFINITE) return z
  return addFinite(context, format, { ...a, sign, sig: a.sig * b.sig, exp: a.exp + b.exp }, c)
}

export function softDivide(context: FloatContext, format: FloatFormat, x: bigint, y: bigint): bigint {
  const a = unpack(format, x)
  const b = unpack(format, y)
  if (a.kind === NAN || b.kind === NAN) return nanResult(context, format, a, b)
  const sign = a.sign ^ b.sign
  if (a.kind === INFINITE) return b.kind === INFINITE ? invalid(context, format) : infinity(format, sign)
  if (b.kind === INFINITE) return zero(format, sign)
  if (isZero(b)) {
    if (isZero(a)) return invalid(context, format)
    context.flags |= FLAG_DZ
    return infinity(format, sign)
  }
  if (isZero(a)) return zero(format, sign)
  // Enough bits of the quotient for any format, and a sticky one for the rest.
  const shift = 2 * format.precision + 4
  const dividend = a.sig << BigInt(shift)
  const sticky = dividend % b.sig === 0n ? 0n : 1n
  return round(context, format, sign, ((dividend / b.sig) << 1n) | sticky, a.exp - b.exp - shift - 1)
}

export function softSqrt(context: FloatContext, format: FloatFormat, x: bigint): bigint {
  const a = unpack(format, x)
  if (a.kind === NAN) return nanResult(context, format, a)
  if (isZero(a)) return x
  if (a.sign === 1) return invalid(context, format)
  if (a.kind === INFINITE) return x
  let shift = 2 * format.precision + 4
  if ((a.exp - shift) % 2 !== 0) shift++
  const square = a.sig << BigInt(shift)
  const root = squareRoot(square)
  const sticky = root * root === square ? 0n : 1n
  return round(context, format, 0, (root << 1n) | sticky, (a.exp - shift) / 2 - 1)
}

/** From one format to another. */
export function softConvert(context: FloatContext, from: FloatFormat, to: FloatFormat, x: bigint): bigint {
  const a = unpack(from, x)
  if (a.kind === NAN) return nanResult(context, to, a)
  if (a.kind === INFINITE) return infinity(to, a.sign)
  return isZero(a) ? zero(to, a.sign) : round(context, to, a.sign, a.sig, a.exp)
}

export function softFromInteger(context: FloatContext, format: FloatFormat, value: bigint): bigint {
  if (value === 0n) return 0n
  return round(context, format, value < 0n ? 1 : 0, value < 0n ? -value : value, 0)
}

const isZero = (a: Unpacked): boolean => a.kind === FINITE && a.sig === 0n

/** Integer square root, rounded down. */
function squareRoot(n: bigint): bigint {
  let guess = 1n << BigInt((bitLength(n) + 1) >> 1)
  for (;;) {
    const next = (guess + n / guess) >> 1n
    if (next >= guess) return guess
    guess = next
  }
}

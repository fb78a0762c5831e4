// Multiplication and division of 64-bit values in halves, written to integer registers.

import type { Registers } from './registers.ts'

/** High 32 bits of the product of two unsigned 32-bit numbers given as bit patterns. */
function mulHigh32(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  // Each sum fits 32 unsigned bits: (2^16 - 1)^2 + 2^16 - 1 < 2^32.
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0
  const cross = (Math.imul(a0, b1) + (middle & 0xffff)) | 0
  return (Math.imul(a1, b1) + (middle >>> 16) + (cross >>> 16)) | 0
}

/** x[d], x[d+1] = low half of the product. Indices count words, here and below. */
export function multiply(x: Int32Array, d: number, a: number, b: number): void {
  const al = x[a]!
  const bl = x[b]!
  const hi = mulHigh32(al, bl) + Math.imul(al, x[b + 1]!) + Math.imul(x[a + 1]!, bl)
  x[d] = Math.imul(al, bl)
  x[d + 1] = hi
}

/** High half of the product; a and b signed as told. */
export function multiplyHigh(x: Int32Array, d: number, a: number, b: number, aSigned: boolean, bSigned: boolean): void {
  const al = x[a]!
  const ah = x[a + 1]!
  const bl = x[b]!
  const bh = x[b + 1]!
  const lh = Math.imul(al, bh)
  const hl = Math.imul(ah, bl)
  const hh = Math.imul(ah, bh)
  // Word 1 of the product carries into word 2; words are added as unsigned numbers, exact in a double.
  const word1 = (mulHigh32(al, bl) >>> 0) + (lh >>> 0) + (hl >>> 0)
  const word2 = (mulHigh32(al, bh) >>> 0) + (mulHigh32(ah, bl) >>> 0) + (hh >>> 0) + Math.floor(word1 / 4294967296)
  let lo = word2 | 0
  let hi = (mulHigh32(ah, bh) + Math.floor(word2 / 4294967296)) | 0
  // A negative operand was taken as itself + 2^64: the other one too much in the high half.
  if (aSigned && ah < 0) {
    const borrow = lo >>> 0 < bl >>> 0 ? 1 : 0
    lo = (lo - bl) | 0
    hi = (hi - bh - borrow) | 0
  }
  if (bSigned && bh < 0) {
    const borrow = lo >>> 0 < al >>> 0 ? 1 : 0
    lo = (lo - al) | 0
    hi = (hi - ah - borrow) | 0
  }
  x[d] = lo
  x[d + 1] = hi
}

// A quotient of integers below 2^52 is right when rounded down from the double quotient.
const EXACT = 2 ** 52
const MINUS_2_63 = -(2n ** 63n)

const isExact = (v: number): boolean => v < EXACT && v > -EXACT

function setNumber(x: Int32Array, d: number, v: number): void {
  x[d] = v
  x[d + 1] = Math.floor(v / 4294967296)
}

/** div, rem. By zero: -1 and the dividend; -2^63 / -1: -2^63 and 0. */
export function divideSigned(regs: Registers, d: number, a: number, b: number, isRemainder: boolean): void {
  const { x, x64 } = regs
  const n = x[a + 1]! * 4294967296 + (x[a]! >>> 0)
  const m = x[b + 1]! * 4294967296 + (x[b]! >>> 0)
  if (m === 0) return isRemainder ? copy(x, d, a) : setNumber(x, d, -1)
  if (isExact(n) && isExact(m)) {
    const q = Math.trunc(n / m)
    return setNumber(x, d, isRemainder ? n - q * m : q)
  }
  const nn = x64[a >> 1]!
  const mm = x64[b >> 1]!
  const isOverflow = nn === MINUS_2_63 && mm === -1n
  x64[d >> 1] = isRemainder ? (isOverflow ? 0n : nn % mm) : isOverflow ? nn : nn / mm
}
/** divu, remu. By zero: all ones and the dividend. */
export function divideUnsigned(regs: Registers, d: number, a: number, b: number, isRemainder: boolean): void {
  const { x, x64 } = regs
  const n = (x[a + 1]! >>> 0) * 4294967296 + (x[a]! >>> 0)
  const m = (x[b + 1]! >>> 0) * 4294967296 + (x[b]! >>> 0)
  if (m === 0) return isRemainder ? copy(x, d, a) : setNumber(x, d, -1)
  if (n < EXACT && m < EXACT) {
    const q = Math.floor(n / m)
    return setNumber(x, d, isRemainder ? n - q * m : q)
  }
  const nn = BigInt.asUintN(64, x64[a >> 1]!)
  const mm = BigInt.asUintN(64, x64[b >> 1]!)
  x64[d >> 1] = isRemainder ? nn % mm : nn / mm
}

function copy(x: Int32Array, d: number, a: number): void {
  const hi = x[a + 1]!
  x[d] = x[a]!
  x[d + 1] = hi
}

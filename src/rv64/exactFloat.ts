// What a rounded double result has lost, in double arithmetic: error-free transforms (Dekker, Knuth; Boldo and
// Melquiond for the fused multiply-add). Right while nothing overflows or underflows, which the callers see to.

const SPLITTER = 134217729 // 2^27 + 1

/** a + b - sum, exactly, where sum is the rounded one. */
export function sumError(a: number, b: number, sum: number): number {
  const bb = sum - a
  return a - (sum - bb) + (b - bb)
}
/** a * b - product, exactly, where product is the rounded one. */
export function productError(a: number, b: number, product: number): number {
  const ca = SPLITTER * a
  const ah = ca - (ca - a)
  const al = a - ah
  const cb = SPLITTER * b
  const bh = cb - (cb - b)
  const bl = b - bh
  return al * bl - (product - ah * bh - al * bh - ah * bl)
}

const scratch = new Float64Array(1)
const scratchWords = new Int32Array(scratch.buffer)

/** The value sum + error rounded to odd: an inexact one has its last bit set, so that rounding again is harmless. */
export function roundToOdd(sum: number, error: number): number {
  if (error === 0) return sum
  scratch[0] = sum
  const lo = scratchWords[0]!
  if ((lo & 1) !== 0) return sum
  if (error > 0 === sum > 0) {
    scratchWords[0] = lo + 1
  } else {
    // Even and moving towards zero: the last bit is set after borrowing.
    scratchWords[0] = lo - 1
    if (lo === 0) scratchWords[1]!--
  }
  return scratch[0]!
}

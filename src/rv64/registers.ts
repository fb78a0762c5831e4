// What a thread keeps of its processor: integer and floating registers, fcsr, pc.
//
//   x   Int32Array     x[2r] low half of x_r, x[2r + 1] high half; x0 is never written and stays 0
//                      x[64], x[65]: the sink, where instructions with rd = x0 write
//   f   Float64Array   f[r]; the low 32 bits hold a float when the high ones are all set (NaN boxing)

/** The sink's place in `x`, counted in words. */
export const SINK = 64
/** fcsr bits 4 … 0: the accrued exceptions. */
export const FLAG_NX = 1
export const FLAG_UF = 2
export const FLAG_OF = 4
export const FLAG_DZ = 8
export const FLAG_NV = 16

const X_BYTES = 272
const F_BYTES = 256

export class Registers {
  readonly x: Int32Array
  /** The integer registers as 64-bit values, for what is rare. */
  readonly x64: BigInt64Array
  readonly f: Float64Array
  /** Halves of the floating registers, as in `x`. */
  readonly fw: Int32Array
  readonly f32: Float32Array
  readonly f64: BigInt64Array
  /** frm in bits 7 … 5, fflags in bits 4 … 0. */
  fcsr = 0
  /** Address of the next instruction: a signed canonical number. */
  pc = 0

  constructor() {
    const buffer = new ArrayBuffer(X_BYTES + F_BYTES)
    this.x = new Int32Array(buffer, 0, SINK + 2)
    this.x64 = new BigInt64Array(buffer, 0, SINK / 2 + 1)
    this.f = new Float64Array(buffer, X_BYTES, 32)
    this.fw = new Int32Array(buffer, X_BYTES, 64)
    this.f32 = new Float32Array(buffer, X_BYTES, 64)
    this.f64 = new BigInt64Array(buffer, X_BYTES, 32)
  }

  /** Makes this a copy of `other`: fork, signal frames. */
  copyFrom(other: Registers): void {
    this.x.set(other.x)
    this.fw.set(other.fw)
    this.fcsr = other.fcsr
    this.pc = other.pc
  }
  /** As at the start of a program. */
  clear(): void {
    this.x.fill(0)
    this.fw.fill(0)
    this.fcsr = 0
    this.pc = 0
  }
  /** Integer register r as a number: exact for canonical addresses and everything else below 2^53. */
  get(r: number): number {
    return this.x[2 * r + 1]! * 4294967296 + (this.x[2 * r]! >>> 0)
  }
  /** Sets integer register r to an integer below 2^53; writing x0 does nothing. */
  set(r: number, value: number): void {
    if (r === 0) return
    this.x[2 * r] = value
    this.x[2 * r + 1] = Math.floor(value / 4294967296)
  }
}

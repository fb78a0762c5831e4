// Numbers of the integer registers that the ABI gives a meaning, and how system calls read their arguments.

import type { Registers } from '../../rv64/index.ts'

export const RA = 1
export const SP = 2
export const TP = 4
export const A0 = 10
export const A1 = 11
export const A2 = 12
export const A7 = 17

/** The low 32 bits of a register, signed: what C calls an int. */
export function regInt(regs: Registers, r: number): number {
  return regs.x[2 * r]!
}
/** A register as an unsigned number: a length, a mask. Exact below 2^53. */
export function regUnsigned(regs: Registers, r: number): number {
  return (regs.x[2 * r + 1]! >>> 0) * 2 ** 32 + (regs.x[2 * r]! >>> 0)
}

// Numbers that programs write into files, as the kernel reads them.

import { nameFromBytes } from '../file/index.ts'

/** What is longer is not a number of any file. */
const LONGEST = 12
const INT_MAX = 2 ** 31 - 1

/** 0x10, 010 (octal) or 16; NaN for what is none of them. */
function magnitude(digits: string): number {
  if (/^0x[\da-f]+$/i.test(digits)) return Number(digits)
  if (/^0[0-7]+$/.test(digits)) return Number.parseInt(digits, 8)
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : NaN
}

/**
 * A whole number of a file of /proc/PID, with blanks around it.
 *
 * @param hasBases  0x… and 0… are taken for hexadecimal and octal; else a leading 0 says nothing
 * @returns NaN: no number (EINVAL); Infinity: beyond 32 bits (ERANGE)
 */
export function numberOf(bytes: Uint8Array, hasBases: boolean): number {
  const text = nameFromBytes(bytes.subarray(0, LONGEST)).trim()
  const [, sign, digits] = /^([-+]?)(.*)$/s.exec(text)!
  const value = hasBases ? magnitude(digits!) : /^\d+$/.test(digits!) ? Number(digits) : NaN
  if (value > INT_MAX) return Infinity
  return sign === '-' ? -value : value
}

/**
 * The first number of a file of /proc/sys; what follows it behind a blank is not looked at.
 *
 * @returns NaN: no number, or one outside of [least, most] (EINVAL)
 */
export function settingOf(bytes: Uint8Array, least: number, most: number): number {
  const [, sign, digits] = /^\s*(-?)([^\s-]\S*)(?:\s|$)/.exec(nameFromBytes(bytes)) ?? []
  const value = digits === undefined || digits.length > 20 ? NaN : magnitude(digits) * (sign === '-' ? -1 : 1)
  return value >= least && value <= most ? value : NaN
}

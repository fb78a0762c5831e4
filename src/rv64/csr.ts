// The control and status registers that user mode has.

import type { Hart } from './hart.ts'

const CSR_FFLAGS = 0x001
const CSR_FRM = 0x002
const CSR_FCSR = 0x003
const CSR_CYCLE = 0xc00
const CSR_TIME = 0xc01
const CSR_INSTRET = 0xc02

/** Numbers with both upper bits set cannot be written. */
const READ_ONLY = 0xc00

/**
 * csrrw, csrrs, csrrc and their immediate forms (imm is drawn in decode.ts).
 *
 * @param retired  instructions before this one
 * @returns        false if there is no such register, or it cannot be written: nothing has been done
 */
export function accessCsr(hart: Hart, w: number, imm: number, retired: number): boolean {
  const { regs } = hart
  const number = imm & 0xfff
  const kind = (imm >> 12) & 3
  const field = (imm >> 15) & 31
  const d = (w >> 7) & 0x7e
  // csrrs and csrrc with x0 or 0 do not write.
  const isWrite = kind === 1 || field !== 0
  if (isWrite && (number & READ_ONLY) === READ_ONLY) return false
  // The writable ones have 8 bits at most.
  const source = (imm & 0x4000) !== 0 ? field : regs.x[2 * field]!
  let old = 0
  switch (number) {
    case CSR_FFLAGS:
      old = regs.fcsr & 31
      break
    case CSR_FRM:
      old = regs.fcsr >> 5
      break
    case CSR_FCSR:
      old = regs.fcsr
      break
    case CSR_CYCLE:
    case CSR_INSTRET:
      old = retired
      break
    case CSR_TIME:
      old = hart.time()
      break
    default:
      return false
  }
  if (isWrite) {
    const value = kind === 1 ? source : kind === 2 ? old | source : old & ~source
    if (number === CSR_FFLAGS) regs.fcsr = (regs.fcsr & 0xe0) | (value & 31)
    else if (number === CSR_FRM) regs.fcsr = (regs.fcsr & 31) | ((value & 7) << 5)
    else regs.fcsr = value & 0xff
  }
  regs.x[d] = old
  regs.x[d + 1] = Math.floor(old / 4294967296)
  return true
}

// LR, SC and the AMOs. Harts run one at a time, so an instruction is atomic by itself; the reservation is the byte
// offset that LR read, lost at every trap and whenever another hart has run.

import { CAUSE_LOAD_MISALIGNED, CAUSE_STORE_MISALIGNED } from '../machine/index.ts'
import type { Hart } from './hart.ts'
import { OP } from './ops.ts'
import { STOP_BUDGET, STOP_MISALIGNED, type Stop } from './stop.ts'

/** Executes one; STOP_BUDGET means done, anything else that nothing has been done. */
export function executeAtomic(hart: Hart, op: number, w: number): Stop {
  const { x } = hart.regs
  const { i32 } = hart.memory
  const d = (w >> 7) & 0x7e
  const a = (w >> 13) & 0x7e
  const b = (w >> 19) & 0x7e
  const isDouble = ((op - OP.LR_W) & 1) !== 0
  const kind = op - (isDouble ? 1 : 0)
  const isLoad = kind === OP.LR_W
  const va = x[a + 1]! * 4294967296 + (x[a]! >>> 0)
  if ((x[a]! & (isDouble ? 7 : 3)) !== 0) {
    return hart.trap(STOP_MISALIGNED, isLoad ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED, va)
  }
  const offset = isLoad ? hart.mmu.translateRead(va) : hart.mmu.translateWrite(va)
  if (offset < 0) return hart.fault(-offset, va)
  const word = offset >>> 2
  const oldLo = i32[word]!
  const oldHi = isDouble ? i32[word + 1]! : oldLo >> 31
  // Read before rd is written: they may be the same register.
  const bl = x[b]!
  const bh = isDouble ? x[b + 1]! : bl >> 31

  if (isLoad) {
    hart.loads++
    hart.reservation = offset
  } else if (kind === OP.SC_W) {
    const isReserved = hart.reservation === offset
    hart.clearReservation()
    x[d] = isReserved ? 0 : 1
    x[d + 1] = 0
    if (isReserved) put(hart, offset, bl, bh, isDouble)
    return STOP_BUDGET
  } else {
    hart.loads++
    combine(kind, oldLo, oldHi, bl, bh)
    put(hart, offset, resultLo, resultHi, isDouble)
  }
  x[d] = oldLo
  x[d + 1] = oldHi
  return STOP_BUDGET
}

function put(hart: Hart, offset: number, lo: number, hi: number, isDouble: boolean): void {
  const { i32 } = hart.memory
  i32[offset >>> 2] = lo
  if (isDouble) i32[(offset >>> 2) + 1] = hi
  hart.stores++
  if (hart.cache.codeFrames[offset >>> 12] !== 0) hart.cache.overwrite(offset, isDouble ? 8 : 4)
}

// Result of combine: borrowed until the next one.
let resultLo = 0
let resultHi = 0

/** What an AMO writes. Words come sign-extended, which keeps the order of unsigned ones too. */
function combine(kind: number, al: number, ah: number, bl: number, bh: number): void {
  let chooseA = false
  switch (kind) {
    case OP.AMOSWAP_W:
      break
    case OP.AMOADD_W:
      resultLo = (al + bl) | 0
      resultHi = (ah + bh + (resultLo >>> 0 < bl >>> 0 ? 1 : 0)) | 0
      return
    case OP.AMOXOR_W:
      resultLo = al ^ bl
      resultHi = ah ^ bh
      return
    case OP.AMOAND_W:
      resultLo = al & bl
      resultHi = ah & bh
      return
    case OP.AMOOR_W:
      resultLo = al | bl
      resultHi = ah | bh
      return
    case OP.AMOMIN_W:
      chooseA = isLess(al, ah, bl, bh)
      break
    case OP.AMOMAX_W:
      chooseA = isLess(bl, bh, al, ah)
      break
    case OP.AMOMINU_W:
      chooseA = isLess(al, ah >>> 0, bl, bh >>> 0)
      break
    case OP.AMOMAXU_W:
      chooseA = isLess(bl, bh >>> 0, al, ah >>> 0)
      break
  }
  resultLo = chooseA ? al : bl
  resultHi = chooseA ? ah : bh
}

const isLess = (al: number, ah: number, bl: number, bh: number): boolean =>
  ah < bh || (ah === bh && al >>> 0 < bl >>> 0)

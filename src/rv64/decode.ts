// Instruction bits -> operation, arguments, immediate (drawn in ops.ts).

import { expandCompressed } from './compressed.ts'
import { OP, packArgs, packFloatImm, type OpName } from './ops.ts'
import { SINK } from './registers.ts'

/** Result of the last decode: borrowed until the next one. */
export interface Decoded {
  op: number
  args: number
  imm: number
}

// By funct3; '' is reserved.
const LOADS: readonly (OpName | '')[] = ['LB', 'LH', 'LW', 'LD', 'LBU', 'LHU', 'LWU', '']
const STORES: readonly (OpName | '')[] = ['SB', 'SH', 'SW', 'SD', '', '', '', '']
const BRANCHES: readonly (OpName | '')[] = ['BEQ', 'BNE', '', '', 'BLT', 'BGE', 'BLTU', 'BGEU']
const IMMEDIATES: readonly (OpName | '')[] = ['ADDI', '', 'SLTI', 'SLTIU', 'XORI', '', 'ORI', 'ANDI']
const REGISTERS: readonly (OpName | '')[] = ['ADD', 'SLL', 'SLT', 'SLTU', 'XOR', 'SRL', 'OR', 'AND']
const REGISTERS_M: readonly (OpName | '')[] = ['MUL', 'MULH', 'MULHSU', 'MULHU', 'DIV', 'DIVU', 'REM', 'REMU']
const WORDS: readonly (OpName | '')[] = ['ADDW', 'SLLW', '', '', '', 'SRLW', '', '']
const WORDS_M: readonly (OpName | '')[] = ['MULW', '', '', '', 'DIVW', 'DIVUW', 'REMW', 'REMUW']
const FUSED: readonly OpName[] = ['FMADD_S', 'FMSUB_S', 'FNMSUB_S', 'FNMADD_S']
const TO_INTEGER: readonly OpName[] = ['FCVT_W_S', 'FCVT_WU_S', 'FCVT_L_S', 'FCVT_LU_S']
const FROM_INTEGER: readonly OpName[] = ['FCVT_S_W', 'FCVT_S_WU', 'FCVT_S_L', 'FCVT_S_LU']
// By funct5.
const ATOMICS: Readonly<Record<number, OpName>> = {
  0x02: 'LR_W',
  0x03: 'SC_W',
  0x01: 'AMOSWAP_W',
  0x00: 'AMOADD_W',
  0x04: 'AMOXOR_W',
  0x0c: 'AMOAND_W',
  0x08: 'AMOOR_W',
  0x10: 'AMOMIN_W',
  0x14: 'AMOMAX_W',
  0x18: 'AMOMINU_W',
  0x1c: 'AMOMAXU_W',
}

/**
 * Decodes one instruction.
 *
 * @param word  its 32 bits; of a compressed instruction the low 16 are looked at
 * @param out   receives the result; ILLEGAL carries the bits in `imm`
 */
export function decode(word: number, out: Decoded): void {
  let len = 2
  let bits = word
  if ((word & 3) !== 3) {
    len = 1
    bits = expandCompressed(word & 0xffff)
  }
  out.op = OP.ILLEGAL
  decodeWord(bits, len, out)
  if (out.op !== OP.ILLEGAL) return
  out.args = packArgs(SINK, 0, 0, len)
  out.imm = len === 1 ? word & 0xffff : word
}

// Leaves out.op alone if the encoding is reserved or belongs to an extension we lack.
function decodeWord(w: number, len: number, out: Decoded): void {
  const rd = (w >>> 7) & 31
  const f3 = (w >>> 12) & 7
  const rs1 = (w >>> 15) & 31
  const rs2 = (w >>> 20) & 31
  const f7 = w >>> 25
  const x = rd === 0 ? SINK : 2 * rd
  switch (w & 0x7f) {
    case 0x37: // lui
      return emit(out, 'LI', packArgs(x, 0, 0, len), w & 0xfffff000)
    case 0x17:
      return emit(out, 'AUIPC', packArgs(x, 0, 0, len), w & 0xfffff000)
    case 0x6f: {
      const imm = ((w >> 31) << 20) | (w & 0xff000) | (((w >>> 20) & 1) << 11) | (((w >>> 21) & 0x3ff) << 1)
      return emit(out, rd === 0 ? 'J' : 'JAL', packArgs(x, 0, 0, len), imm >> 1)
    }
    case 0x67:
      return emit(out, f3 === 0 ? 'JALR' : '', packArgs(x, 2 * rs1, 0, len), w >> 20)
    case 0x63: {
      const imm = ((w >> 31) << 12) | (((w >>> 7) & 1) << 11) | (((w >>> 25) & 0x3f) << 5) | (((w >>> 8) & 0xf) << 1)
      let name = BRANCHES[f3]!
      if (rs2 === 0 && name === 'BEQ') name = 'BEQZ'
      else if (rs2 === 0 && name === 'BNE') name = 'BNEZ'
      return emit(out, name, packArgs(SINK, 2 * rs1, 2 * rs2, len), imm >> 1)
    }
    case 0x03:
      return emit(out, LOADS[f3]!, packArgs(x, 2 * rs1, 0, len), w >> 20)
    case 0x23:
      return emit(out, STORES[f3]!, packArgs(SINK, 2 * rs1, 2 * rs2, len), ((w >> 25) << 5) | rd)
    case 0x07:
      return emit(out, f3 === 2 ? 'FLW' : f3 === 3 ? 'FLD' : '', packArgs(2 * rd, 2 * rs1, 0, len), w >> 20)
    case 0x27: {
      const name = f3 === 2 ? 'FSW' : f3 === 3 ? 'FSD' : ''
      return emit(out, name, packArgs(SINK, 2 * rs1, 2 * rs2, len), ((w >> 25) << 5) | rd)
    }
    case 0x13:
      return decodeImmediate(w, f3, x, rs1, len, out)
    case 0x1b:
      return decodeImmediate32(w, f3, f7, packArgs(x, 2 * rs1, 0, len), out)
    case 0x33:
      return decodeRegister(f3, f7, x, rs1, rs2, len, out)
    case 0x3b: {
      const name =
        f7 === 0 ? WORDS[f3]! : f7 === 1 ? WORDS_M[f3]! : f7 !== 0x20 ? '' : f3 === 0 ? 'SUBW' : f3 === 5 ? 'SRAW' : ''
      return emit(out, name, packArgs(x, 2 * rs1, 2 * rs2, len), 0)
    }
    case 0x0f:
      return emit(out, f3 === 0 ? 'FENCE' : f3 === 1 ? 'FENCE_I' : '', packArgs(SINK, 0, 0, len), 0)
    case 0x73:
      return decodeSystem(w, f3, x, rs1, len, out)
    case 0x2f: {
      if (f3 !== 2 && f3 !== 3) return
      const name = ATOMICS[f7 >> 2]
      if (name === undefined || (name === 'LR_W' && rs2 !== 0)) return
      emit(out, name, packArgs(x, 2 * rs1, 2 * rs2, len), 0)
      out.op += f3 - 2
      return
    }
    case 0x43:
    case 0x47:
    case 0x4b:
    case 0x4f: {
      if ((f7 & 3) > 1 || !isRounding(f3)) return
      emit(out, FUSED[(w >> 2) & 3]!, packArgs(2 * rd, 2 * rs1, 2 * rs2, len), packFloatImm(f3, w >>> 27))
      out.op += f7 & 1
      return
    }
    case 0x53:
      return decodeFloat(f3, f7, rd, rs1, rs2, len, out)
  }
}

function emit(out: Decoded, name: OpName | '', args: number, imm: number): void {
  if (name === '') return
  out.op = OP[name]
  out.args = args
  out.imm = imm
}

function decodeImmediate(w: number, f3: number, x: number, rs1: number, len: number, out: Decoded): void {
  const args = packArgs(x, 2 * rs1, 0, len)
  const imm = w >> 20
  if (f3 === 1 || f3 === 5) {
    const kind = w >>> 26
    const amount = imm & 63
    const isLong = amount >= 32
    let name: OpName | '' = ''
    if (f3 === 1 && kind === 0) name = isLong ? 'SLLI32' : 'SLLI'
    else if (f3 === 5 && kind === 0) name = isLong ? 'SRLI32' : 'SRLI'
    else if (f3 === 5 && kind === 0x10) name = isLong ? 'SRAI32' : 'SRAI'
    return emit(out, name, args, amount & 31)
  }
  if (f3 === 0 && rs1 === 0) return emit(out, 'LI', args, imm)
  if (f3 === 0 && imm === 0) return emit(out, 'MV', args, 0)
  return emit(out, IMMEDIATES[f3]!, args, imm)
}

function decodeImmediate32(w: number, f3: number, f7: number, args: number, out: Decoded): void {
  const amount = (w >> 20) & 31
  if (f3 === 0) return emit(out, 'ADDIW', args, w >> 20)
  if (f3 === 1 && f7 === 0) return emit(out, 'SLLIW', args, amount)
  if (f3 === 5 && f7 === 0) return emit(out, 'SRLIW', args, amount)
  if (f3 === 5 && f7 === 0x20) return emit(out, 'SRAIW', args, amount)
}

function decodeRegister(f3: number, f7: number, x: number, rs1: number, rs2: number, len: number, out: Decoded): void {
  const args = packArgs(x, 2 * rs1, 2 * rs2, len)
  if (f7 === 0 && f3 === 0 && rs1 === 0) return emit(out, 'MV', packArgs(x, 2 * rs2, 0, len), 0)
  if (f7 === 0) return emit(out, REGISTERS[f3]!, args, 0)
  if (f7 === 1) return emit(out, REGISTERS_M[f3]!, args, 0)
  if (f7 === 0x20 && f3 === 0) return emit(out, 'SUB', args, 0)
  if (f7 === 0x20 && f3 === 5) return emit(out, 'SRA', args, 0)
}

// imm of CSR: bits 11 … 0 the register's number, bits 14 … 12 funct3, bits 19 … 15 rs1 or the immediate.
function decodeSystem(w: number, f3: number, x: number, rs1: number, len: number, out: Decoded): void {
  if (w === 0x73) return emit(out, 'ECALL', packArgs(SINK, 0, 0, len), 0)
  if (w === 0x00100073) return emit(out, 'EBREAK', packArgs(SINK, 0, 0, len), 0)
  if ((f3 & 3) === 0) return
  emit(out, 'CSR', packArgs(x, 2 * rs1, 0, len), (w >>> 20) | (f3 << 12) | (rs1 << 15))
}

const isRounding = (rm: number): boolean => rm <= 4 || rm === 7

function decodeFloat(f3: number, f7: number, rd: number, rs1: number, rs2: number, len: number, out: Decoded): void {
  const format = f7 & 3
  if (format > 1) return
  const x = rd === 0 ? SINK : 2 * rd
  const toFloat = packArgs(2 * rd, 2 * rs1, 2 * rs2, len)
  const toInteger = packArgs(x, 2 * rs1, 2 * rs2, len)
  const rounded = packFloatImm(f3, 0)
  const arithmetic = (name: OpName): void => (isRounding(f3) ? emit(out, name, toFloat, rounded) : undefined)
  switch (f7 >> 2) {
    case 0x00:
      arithmetic('FADD_S')
      break
    case 0x01:
      arithmetic('FSUB_S')
      break
    case 0x02:
      arithmetic('FMUL_S')
      break
    case 0x03:
      arithmetic('FDIV_S')
      break
    case 0x0b:
      if (rs2 === 0) arithmetic('FSQRT_S')
      break
    case 0x04:
      if (f3 < 3) emit(out, (['FSGNJ_S', 'FSGNJN_S', 'FSGNJX_S'] as const)[f3]!, toFloat, 0)
      break
    case 0x05:
      if (f3 < 2) emit(out, (['FMIN_S', 'FMAX_S'] as const)[f3]!, toFloat, 0)
      break
    case 0x14:
      if (f3 < 3) emit(out, (['FLE_S', 'FLT_S', 'FEQ_S'] as const)[f3]!, toInteger, 0)
      break
    case 0x08: // fcvt.s.d, fcvt.d.s: no operation for the same format
      if (rs2 !== (format ^ 1) || !isRounding(f3)) return
      return emit(out, format === 0 ? 'FCVT_S_D' : 'FCVT_D_S', toFloat, rounded)
    case 0x18:
      if (rs2 < 4 && isRounding(f3)) emit(out, TO_INTEGER[rs2]!, toInteger, rounded)
      break
    case 0x1a:
      if (rs2 < 4 && isRounding(f3)) emit(out, FROM_INTEGER[rs2]!, toFloat, rounded)
      break
    case 0x1c:
      if (rs2 === 0 && f3 === 0) emit(out, 'FMV_X_W', toInteger, 0)
      if (rs2 === 0 && f3 === 1) emit(out, 'FCLASS_S', toInteger, 0)
      break
    case 0x1e:
      if (rs2 === 0 && f3 === 0) emit(out, 'FMV_W_X', toFloat, 0)
      break
  }
  if (out.op !== OP.ILLEGAL) out.op += format
}

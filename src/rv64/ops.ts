// The operations that instructions are decoded to. Compressed instructions decode to the same ones.
//
// A decoded instruction is two numbers:
//
//   word   31 28  27 26 25    20 19    14 13     8 7      0
//         +-----+-----+--------+--------+--------+--------+     op: index into OP_NAMES
//         |  0  | len |  rs2   |  rs1   |   rd   |   op   |     an integer rd = x0 is 32, the sink
//         +-----+-----+--------+--------+--------+--------+     len: halfwords of the instruction
//   imm   sign-extended immediate; jumps and branches: distance in halfwords; floating and CSR: see below
//
//   floating    15      8 7      3 2  0
//   imm        +---------+--------+----+     rs3 as 2r, like register fields of the word
//              |   rs3   |   0    | rm |     rm = 7: the mode is in frm
//              +---------+--------+----+
//
// The numbers are the labels of the big switch in hart.ts (a test compares them): V8 makes a jump table only of
// literal, dense labels. What can be told apart when decoding (shift amounts below 32, li, mv, j) has its own
// operation, so that neither the interpreter nor a later translator of blocks needs to look again.

// The decode cache's own: not decoded yet, the end of the page, an instruction that straddles into the next one.
const OWN = ['UNDECODED', 'PAGE_END', 'STRADDLE', 'ILLEGAL'] as const
// Jumps and branches.
const JUMPS = ['JAL', 'J', 'JALR', 'BEQ', 'BNE', 'BLT', 'BGE', 'BLTU', 'BGEU', 'BEQZ', 'BNEZ'] as const
// Loads and stores.
// prettier-ignore
const ACCESSES = [
  'LB', 'LH', 'LW', 'LD', 'LBU', 'LHU', 'LWU', 'SB', 'SH', 'SW', 'SD', 'FLW', 'FLD', 'FSW', 'FSD',
] as const
// Register and immediate. LI is lui, or addi from x0; MV is addi with 0. SLLI32: by 32 + imm.
// prettier-ignore
const IMMEDIATES = [
  'LI', 'AUIPC', 'MV', 'ADDI', 'SLTI', 'SLTIU', 'XORI', 'ORI', 'ANDI', 'SLLI', 'SLLI32', 'SRLI', 'SRLI32', 'SRAI',
  'SRAI32', 'ADDIW', 'SLLIW', 'SRLIW', 'SRAIW',
] as const
// Register and register.
// prettier-ignore
const REGISTERS = [
  'ADD', 'SUB', 'SLL', 'SLT', 'SLTU', 'XOR', 'SRL', 'SRA', 'OR', 'AND', 'ADDW', 'SUBW', 'SLLW', 'SRLW', 'SRAW',
] as const
// M.
// prettier-ignore
const MULTIPLIES = [
  'MUL', 'MULH', 'MULHSU', 'MULHU', 'DIV', 'DIVU', 'REM', 'REMU', 'MULW', 'DIVW', 'DIVUW', 'REMW', 'REMUW',
] as const
// Zicsr, Zifencei, and what stops.
const SYSTEM = ['FENCE', 'FENCE_I', 'ECALL', 'EBREAK', 'CSR'] as const
// A. The .D of each is its .W + 1.
// prettier-ignore
const ATOMICS = [
  'LR_W', 'LR_D', 'SC_W', 'SC_D', 'AMOSWAP_W', 'AMOSWAP_D', 'AMOADD_W', 'AMOADD_D', 'AMOXOR_W', 'AMOXOR_D',
  'AMOAND_W', 'AMOAND_D', 'AMOOR_W', 'AMOOR_D', 'AMOMIN_W', 'AMOMIN_D', 'AMOMAX_W', 'AMOMAX_D', 'AMOMINU_W',
  'AMOMINU_D', 'AMOMAXU_W', 'AMOMAXU_D',
] as const
// F and D. The .D of each is its .S + 1.
// prettier-ignore
const FLOATS = [
  'FADD_S', 'FADD_D', 'FSUB_S', 'FSUB_D', 'FMUL_S', 'FMUL_D', 'FDIV_S', 'FDIV_D', 'FSQRT_S', 'FSQRT_D', 'FMADD_S',
  'FMADD_D', 'FMSUB_S', 'FMSUB_D', 'FNMSUB_S', 'FNMSUB_D', 'FNMADD_S', 'FNMADD_D', 'FSGNJ_S', 'FSGNJ_D',
  'FSGNJN_S', 'FSGNJN_D', 'FSGNJX_S', 'FSGNJX_D', 'FMIN_S', 'FMIN_D', 'FMAX_S', 'FMAX_D', 'FLE_S', 'FLE_D',
  'FLT_S', 'FLT_D', 'FEQ_S', 'FEQ_D', 'FCLASS_S', 'FCLASS_D', 'FCVT_S_D', 'FCVT_D_S', 'FMV_X_W', 'FMV_X_D',
  'FMV_W_X', 'FMV_D_X',
] as const
// To integer from .S/.D, and from integer to .S/.D.
// prettier-ignore
const CONVERSIONS = [
  'FCVT_W_S', 'FCVT_W_D', 'FCVT_WU_S', 'FCVT_WU_D', 'FCVT_L_S', 'FCVT_L_D', 'FCVT_LU_S', 'FCVT_LU_D', 'FCVT_S_W',
  'FCVT_D_W', 'FCVT_S_WU', 'FCVT_D_WU', 'FCVT_S_L', 'FCVT_D_L', 'FCVT_S_LU', 'FCVT_D_LU',
] as const

export const OP_NAMES = [
  ...OWN,
  ...JUMPS,
  ...ACCESSES,
  ...IMMEDIATES,
  ...REGISTERS,
  ...MULTIPLIES,
  ...SYSTEM,
  ...ATOMICS,
  ...FLOATS,
  ...CONVERSIONS,
] as const
export type OpName = (typeof OP_NAMES)[number]

/** The number of each operation. */
export const OP = Object.fromEntries(OP_NAMES.map((name, op) => [name, op])) as Readonly<Record<OpName, number>>

export const packArgs = (rd: number, rs1: number, rs2: number, len: number): number =>
  (rd << 7) | (rs1 << 13) | (rs2 << 19) | (len << 26)
export const packFloatImm = (rm: number, rs3: number): number => rm | (rs3 << 9)

// The C extension: every 16-bit instruction stands for one of 32 bits.
//
//   15  13 12            2 1 0
//  +------+---------------+---+
//  |funct3|   by quadrant | q |     q = 0, 1, 2; q = 3 begins a 32-bit instruction
//  +------+---------------+---+

const rType = (opcode: number, f3: number, f7: number, rd: number, rs1: number, rs2: number): number =>
  opcode | (rd << 7) | (f3 << 12) | (rs1 << 15) | (rs2 << 20) | (f7 << 25)
const iType = (opcode: number, f3: number, rd: number, rs1: number, imm: number): number =>
  opcode | (rd << 7) | (f3 << 12) | (rs1 << 15) | (imm << 20)
const sType = (opcode: number, f3: number, rs1: number, rs2: number, imm: number): number =>
  opcode | ((imm & 0x1f) << 7) | (f3 << 12) | (rs1 << 15) | (rs2 << 20) | ((imm >> 5) << 25)
const bType = (f3: number, rs1: number, imm: number): number =>
  0x63 |
  (((imm >> 11) & 1) << 7) |
  (((imm >> 1) & 0xf) << 8) |
  (f3 << 12) |
  (rs1 << 15) |
  (((imm >> 5) & 0x3f) << 25) |
  (((imm >> 12) & 1) << 31)
const jal = (rd: number, imm: number): number =>
  0x6f |
  (rd << 7) |
  (((imm >> 12) & 0xff) << 12) |
  (((imm >> 11) & 1) << 20) |
  (((imm >> 1) & 0x3ff) << 21) |
  (((imm >> 20) & 1) << 31)

const LOAD = 0x03
const LOAD_FP = 0x07
const STORE = 0x23
const STORE_FP = 0x27
const OP_IMM = 0x13
const OP_IMM_32 = 0x1b
const OP_REG = 0x33
const OP_32 = 0x3b
const LUI = 0x37
const JALR = 0x67
const EBREAK = 0x00100073
const ILLEGAL = 0

/** Bits hi … lo of `c`, placed so that bit `lo` becomes bit `at`. */
const bits = (c: number, hi: number, lo: number, at: number): number => ((c >> lo) & ((1 << (hi - lo + 1)) - 1)) << at
const signed = (value: number, width: number): number => (value << (32 - width)) >> (32 - width)

/** The 32-bit instruction that the 16-bit one stands for; 0 if it is reserved or illegal. */
export function expandCompressed(c: number): number {
  switch (c & 3) {
    case 0:
      return quadrant0(c)
    case 1:
      return quadrant1(c)
    case 2:
      return quadrant2(c)
    default:
      return ILLEGAL
  }
}

// Loads and stores of x8 … x15 and f8 … f15.
function quadrant0(c: number): number {
  const rdShort = 8 + ((c >> 2) & 7)
  const rs1 = 8 + ((c >> 7) & 7)
  const word = bits(c, 12, 10, 3) | bits(c, 6, 6, 2) | bits(c, 5, 5, 6)
  const double = bits(c, 12, 10, 3) | bits(c, 6, 5, 6)
  switch (c >> 13) {
    case 0: {
      const imm = bits(c, 12, 11, 4) | bits(c, 10, 7, 6) | bits(c, 6, 6, 2) | bits(c, 5, 5, 3)
      return imm === 0 ? ILLEGAL : iType(OP_IMM, 0, rdShort, 2, imm) // c.addi4spn
    }
    case 1:
      return iType(LOAD_FP, 3, rdShort, rs1, double) // c.fld
    case 2:
      return iType(LOAD, 2, rdShort, rs1, word) // c.lw
    case 3:
      return iType(LOAD, 3, rdShort, rs1, double) // c.ld
    case 5:
      return sType(STORE_FP, 3, rs1, rdShort, double) // c.fsd
    case 6:
      return sType(STORE, 2, rs1, rdShort, word) // c.sw
    case 7:
      return sType(STORE, 3, rs1, rdShort, double) // c.sd
    default:
      return ILLEGAL
  }
}

// Arithmetic and jumps.
function quadrant1(c: number): number {
  const rd = (c >> 7) & 31
  const imm = signed(bits(c, 12, 12, 5) | bits(c, 6, 2, 0), 6)
  switch (c >> 13) {
    case 0:
      return iType(OP_IMM, 0, rd, rd, imm) // c.addi, c.nop
    case 1:
      return rd === 0 ? ILLEGAL : iType(OP_IMM_32, 0, rd, rd, imm) // c.addiw
    case 2:
      return iType(OP_IMM, 0, rd, 0, imm) // c.li
    case 3: {
      if (imm === 0) return ILLEGAL
      if (rd !== 2) return LUI | (rd << 7) | (imm << 12) // c.lui
      const sp = bits(c, 12, 12, 9) | bits(c, 6, 6, 4) | bits(c, 5, 5, 6) | bits(c, 4, 3, 7) | bits(c, 2, 2, 5)
      return iType(OP_IMM, 0, 2, 2, signed(sp, 10)) // c.addi16sp
    }
    case 4:
      return quadrant1Arithmetic(c)
    case 5: {
      const offset =
        bits(c, 12, 12, 11) |
        bits(c, 11, 11, 4) |
        bits(c, 10, 9, 8) |
        bits(c, 8, 8, 10) |
        bits(c, 7, 7, 6) |
        bits(c, 6, 6, 7) |
        bits(c, 5, 3, 1) |
        bits(c, 2, 2, 5)
      return jal(0, signed(offset, 12)) // c.j
    }
    default: {
      const offset = bits(c, 12, 12, 8) | bits(c, 11, 10, 3) | bits(c, 6, 5, 6) | bits(c, 4, 3, 1) | bits(c, 2, 2, 5)
      return bType((c >> 13) & 1, 8 + ((c >> 7) & 7), signed(offset, 9)) // c.beqz, c.bnez
    }
  }
}

function quadrant1Arithmetic(c: number): number {
  const rd = 8 + ((c >> 7) & 7)
  const rs2 = 8 + ((c >> 2) & 7)
  const amount = bits(c, 12, 12, 5) | bits(c, 6, 2, 0)
  switch ((c >> 10) & 3) {
    case 0:
      return iType(OP_IMM, 5, rd, rd, amount) // c.srli
    case 1:
      return iType(OP_IMM, 5, rd, rd, amount | 0x400) // c.srai
    case 2:
      return iType(OP_IMM, 7, rd, rd, signed(amount, 6)) // c.andi
  }
  switch (bits(c, 12, 12, 2) | ((c >> 5) & 3)) {
    case 0:
      return rType(OP_REG, 0, 0x20, rd, rd, rs2) // c.sub
    case 1:
      return rType(OP_REG, 4, 0, rd, rd, rs2) // c.xor
    case 2:
      return rType(OP_REG, 6, 0, rd, rd, rs2) // c.or
    case 3:
      return rType(OP_REG, 7, 0, rd, rd, rs2) // c.and
    case 4:
      return rType(OP_32, 0, 0x20, rd, rd, rs2) // c.subw
    case 5:
      return rType(OP_32, 0, 0, rd, rd, rs2) // c.addw
    default:
      return ILLEGAL
  }
}

// Loads and stores by the stack pointer, moves, jumps through registers.
function quadrant2(c: number): number {
  const rd = (c >> 7) & 31
  const rs2 = (c >> 2) & 31
  const wordLoad = bits(c, 12, 12, 5) | bits(c, 6, 4, 2) | bits(c, 3, 2, 6)
  const doubleLoad = bits(c, 12, 12, 5) | bits(c, 6, 5, 3) | bits(c, 4, 2, 6)
  const wordStore = bits(c, 12, 9, 2) | bits(c, 8, 7, 6)
  const doubleStore = bits(c, 12, 10, 3) | bits(c, 9, 7, 6)
  switch (c >> 13) {
    case 0:
      return iType(OP_IMM, 1, rd, rd, bits(c, 12, 12, 5) | bits(c, 6, 2, 0)) // c.slli
    case 1:
      return iType(LOAD_FP, 3, rd, 2, doubleLoad) // c.fldsp
    case 2:
      return rd === 0 ? ILLEGAL : iType(LOAD, 2, rd, 2, wordLoad) // c.lwsp
    case 3:
      return rd === 0 ? ILLEGAL : iType(LOAD, 3, rd, 2, doubleLoad) // c.ldsp
    case 4: {
      const isLinking = (c & 0x1000) !== 0
      if (rs2 !== 0) return rType(OP_REG, 0, 0, rd, isLinking ? rd : 0, rs2) // c.add, c.mv
      if (rd !== 0) return iType(JALR, 0, isLinking ? 1 : 0, rd, 0) // c.jalr, c.jr
      return isLinking ? EBREAK : ILLEGAL
    }
    case 5:
      return sType(STORE_FP, 3, 2, rs2, doubleStore) // c.fsdsp
    case 6:
      return sType(STORE, 2, 2, rs2, wordStore) // c.swsp
    default:
      return sType(STORE, 3, 2, rs2, doubleStore) // c.sdsp
  }
}

import { Rng } from '../base/index.ts'
import { describe, expect, it } from 'vitest'
import { STOP_ECALL } from './index.ts'
import { b, board, CODE, ecall, i, j, r, u } from './testBoard.ts'

// Every integer instruction against BigInt, on edge and random operands.

const signed = (v: bigint): bigint => BigInt.asIntN(64, v)
const unsigned = (v: bigint): bigint => BigInt.asUintN(64, v)
const word = (v: bigint): bigint => BigInt.asIntN(32, v)
const unsignedWord = (v: bigint): bigint => BigInt.asUintN(32, v)
type Oracle = (a: bigint, b: bigint) => bigint

const divide: Oracle = (a, c) => (c === 0n ? -1n : a / c)
const remainder: Oracle = (a, c) => (c === 0n ? a : a % c)
const bit = (condition: boolean): bigint => (condition ? 1n : 0n)

// opcode, funct3, funct7, oracle over signed 64-bit operands
const REGISTER: readonly (readonly [string, number, number, number, Oracle])[] = [
  ['add', 0x33, 0, 0x00, (a, c) => a + c],
  ['sub', 0x33, 0, 0x20, (a, c) => a - c],
  ['sll', 0x33, 1, 0x00, (a, c) => a << (c & 63n)],
  ['slt', 0x33, 2, 0x00, (a, c) => bit(a < c)],
  ['sltu', 0x33, 3, 0x00, (a, c) => bit(unsigned(a) < unsigned(c))],
  ['xor', 0x33, 4, 0x00, (a, c) => a ^ c],
  ['srl', 0x33, 5, 0x00, (a, c) => unsigned(a) >> (c & 63n)],
  ['sra', 0x33, 5, 0x20, (a, c) => a >> (c & 63n)],
  ['or', 0x33, 6, 0x00, (a, c) => a | c],
  ['and', 0x33, 7, 0x00, (a, c) => a & c],
  ['mul', 0x33, 0, 0x01, (a, c) => a * c],
  ['mulh', 0x33, 1, 0x01, (a, c) => (a * c) >> 64n],
  ['mulhsu', 0x33, 2, 0x01, (a, c) => (a * unsigned(c)) >> 64n],
  ['mulhu', 0x33, 3, 0x01, (a, c) => (unsigned(a) * unsigned(c)) >> 64n],
  ['div', 0x33, 4, 0x01, divide],
  ['divu', 0x33, 5, 0x01, (a, c) => divide(unsigned(a), unsigned(c))],
  ['rem', 0x33, 6, 0x01, remainder],
  ['remu', 0x33, 7, 0x01, (a, c) => remainder(unsigned(a), unsigned(c))],
  ['addw', 0x3b, 0, 0x00, (a, c) => word(a + c)],
  ['subw', 0x3b, 0, 0x20, (a, c) => word(a - c)],
  ['sllw', 0x3b, 1, 0x00, (a, c) => word(a << (c & 31n))],
  ['srlw', 0x3b, 5, 0x00, (a, c) => word(unsignedWord(a) >> (c & 31n))],
  ['sraw', 0x3b, 5, 0x20, (a, c) => word(a) >> (c & 31n)],
  ['mulw', 0x3b, 0, 0x01, (a, c) => word(a * c)],
  ['divw', 0x3b, 4, 0x01, (a, c) => word(divide(word(a), word(c)))],
  ['divuw', 0x3b, 5, 0x01, (a, c) => word(divide(unsignedWord(a), unsignedWord(c)))],
  ['remw', 0x3b, 6, 0x01, (a, c) => word(remainder(word(a), word(c)))],
  ['remuw', 0x3b, 7, 0x01, (a, c) => word(remainder(unsignedWord(a), unsignedWord(c)))],
]
// opcode, funct3, oracle over the sign-extended immediate
const IMMEDIATE: readonly (readonly [string, number, number, Oracle])[] = [
  ['addi', 0x13, 0, (a, c) => a + c],
  ['slti', 0x13, 2, (a, c) => bit(a < c)],
  ['sltiu', 0x13, 3, (a, c) => bit(unsigned(a) < unsigned(c))],
  ['xori', 0x13, 4, (a, c) => a ^ c],
  ['ori', 0x13, 6, (a, c) => a | c],
  ['andi', 0x13, 7, (a, c) => a & c],
  ['addiw', 0x1b, 0, (a, c) => word(a + c)],
]
// opcode, funct3, upper bits, amounts, oracle
const SHIFT: readonly (readonly [string, number, number, number, number, Oracle])[] = [
  ['slli', 0x13, 1, 0, 64, (a, c) => a << c],
  ['srli', 0x13, 5, 0, 64, (a, c) => unsigned(a) >> c],
  ['srai', 0x13, 5, 0x400, 64, (a, c) => a >> c],
  ['slliw', 0x1b, 1, 0, 32, (a, c) => word(a << c)],
  ['srliw', 0x1b, 5, 0, 32, (a, c) => word(unsignedWord(a) >> c)],
  ['sraiw', 0x1b, 5, 0x400, 32, (a, c) => word(a) >> c],
]
const BRANCH: readonly (readonly [string, number, (a: bigint, b: bigint) => boolean])[] = [
  ['beq', 0, (a, c) => a === c],
  ['bne', 1, (a, c) => a !== c],
  ['blt', 4, (a, c) => a < c],
  ['bge', 5, (a, c) => a >= c],
  ['bltu', 6, (a, c) => unsigned(a) < unsigned(c)],
  ['bgeu', 7, (a, c) => unsigned(a) >= unsigned(c)],
]

const EDGES = [0n, 1n, -1n, 2n, 31n, 32n, 63n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n, 2n ** 52n - 1n]
const MORE = [2n ** 52n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 31n), -(2n ** 52n), 3n, 7n]

function operands(seed: number): (readonly [bigint, bigint])[] {
  const rng = new Rng(seed)
  const edges = [...EDGES, ...MORE]
  const pairs = edges.flatMap((a) => edges.map((c) => [a, c] as const))
  const random = (): bigint => {
    const v = (BigInt(rng.next32()) << 32n) | BigInt(rng.next32())
    return signed(rng.below(2) === 0 ? v : signed(v) >> BigInt(rng.below(64)))
  }
  for (let n = 0; n < 100; n++) pairs.push([random(), random()])
  return pairs
}

describe('integer instructions', () => {
  const { hart, regs, load } = board()
  const stopsAt = (): number => {
    hart.pc = CODE
    expect(hart.run(10)).toBe(STOP_ECALL)
    return hart.pc
  }

  it.each(REGISTER)('%s', (name, opcode, f3, f7, oracle) => {
    // rd apart from the operands, and the same as either.
    for (const rd of [7, 5, 6, 0]) {
      load(r(opcode, f3, f7, rd, 5, 6), ecall)
      for (const [a, c] of operands(f3 + f7)) {
        regs.x64[5] = a
        regs.x64[6] = c
        stopsAt()
        expect(regs.x64[rd], `${name} ${a} ${c}`).toBe(rd === 0 ? 0n : signed(oracle(a, c)))
      }
    }
  })
  it('mv as add from x0', () => {
    load(r(0x33, 0, 0, 7, 0, 6), r(0x33, 0, 0, 8, 6, 0), ecall)
    regs.x64[6] = -12345678901234n
    stopsAt()
    expect([regs.x64[7], regs.x64[8]]).toEqual([-12345678901234n, -12345678901234n])
  })
  it.each(IMMEDIATE)('%s', (name, opcode, f3, oracle) => {
    for (const imm of [0, 1, -1, 2047, -2048, 255, -256]) {
      for (const rd of [7, 5]) {
        load(i(opcode, f3, rd, 5, imm), i(opcode, f3, 8, 0, imm), ecall)
        for (const a of new Set(operands(imm).map(([first]) => first))) {
          regs.x64[5] = a
          stopsAt()
          expect(regs.x64[rd], `${name} ${a} ${imm}`).toBe(signed(oracle(a, BigInt(imm))))
          expect(regs.x64[8]).toBe(signed(oracle(0n, BigInt(imm))))
        }
      }
    }
  })
  it.each(SHIFT)('%s', (name, opcode, f3, upper, amounts, oracle) => {
    for (let amount = 0; amount < amounts; amount++) {
      load(i(opcode, f3, 5, 5, upper | amount), ecall)
      for (const a of [...EDGES, ...MORE]) {
        regs.x64[5] = a
        stopsAt()
        expect(regs.x64[5], `${name} ${a} ${amount}`).toBe(signed(oracle(a, BigInt(amount))))
      }
    }
  })
  it.each(BRANCH)('%s', (name, f3, oracle) => {
    for (const second of [6, 0]) {
      load(b(f3, 5, second, 8), ecall, ecall)
      for (const [a, c] of operands(f3)) {
        regs.x64[5] = a
        regs.x64[6] = c
        const isTaken = oracle(a, second === 0 ? 0n : c)
        expect(stopsAt(), `${name} ${a} ${c}`).toBe(CODE + (isTaken ? 8 : 4))
      }
    }
  })
  it('lui and auipc', () => {
    for (const imm of [0, 1, 0x7ffff, 0x80000, 0xfffff]) {
      load(u(0x37, 7, imm), u(0x17, 8, imm), ecall)
      stopsAt()
      expect(regs.x64[7]).toBe(word(BigInt(imm) << 12n))
      expect(regs.x64[8]).toBe(BigInt(CODE + 4) + word(BigInt(imm) << 12n))
    }
  })
  it('jal and jalr link and jump, jalr with its own link register as base', () => {
    load(j(1, 8), ecall, i(0x67, 0, 5, 5, 4), ecall, ecall)
    regs.set(5, CODE + 13) // the last bit is dropped
    expect(stopsAt()).toBe(CODE + 16)
    expect([regs.get(1), regs.get(5)]).toEqual([CODE + 4, CODE + 12])
  })
  it('reads counters and refuses to write them', () => {
    load(i(0x73, 2, 7, 0, 0xc02), i(0x73, 2, 8, 0, 0xc00), i(0x73, 1, 9, 0, 0xc00))
    const before = hart.instructions
    hart.run(10)
    expect(hart.cause).toBe(2)
    expect([regs.get(7), regs.get(8), hart.pc]).toEqual([before, before + 1, CODE + 8])
  })
  it('sets, swaps and clears fcsr and its fields', () => {
    load(i(0x73, 5, 7, 31, 3), i(0x73, 6, 8, 4, 2), i(0x73, 7, 9, 1, 1), i(0x73, 2, 10, 0, 3), ecall)
    regs.fcsr = 0x25
    stopsAt()
    expect([regs.get(7), regs.get(8), regs.get(9), regs.get(10), regs.fcsr]).toEqual([0x25, 0, 31, 0x9e, 0x9e])
  })
})

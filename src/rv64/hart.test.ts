import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { OP_NAMES, STOP_BUDGET, STOP_ECALL, STOP_FAULT, STOP_ILLEGAL } from './index.ts'
import { addi, b, board, CODE, DATA, ecall, i, r, s } from './testBoard.ts'

describe('hart', () => {
  it('has a label for every operation number, by that name', () => {
    const source = readFileSync(new URL('./hart.ts', import.meta.url), 'utf8')
    const labels = [...source.matchAll(/case (\d+):(?: \{\n)? *\/\/ (\w+)$/gm)].map((m) => [Number(m[1]), m[2]])
    const inSwitch = OP_NAMES.slice(0, OP_NAMES.indexOf('LR_W'))
    expect(labels.toSorted((l, m) => Number(l[0]) - Number(m[0]))).toEqual(inSwitch.map((name, op) => [op, name]))
  })
  it('adds the numbers to ten and stops at the ecall, which does not retire', () => {
    const { hart, load, regs } = board()
    load(addi(5, 0, 10), addi(6, 0, 0), r(0x33, 0, 0, 6, 6, 5), addi(5, 5, -1), b(1, 5, 0, -8), ecall)
    expect(hart.run(1000)).toBe(STOP_ECALL)
    expect(regs.get(6)).toBe(55)
    expect(hart.pc).toBe(CODE + 20)
    expect(hart.instructions).toBe(32)
    expect(hart.cause).toBe(8)
  })
  it('retires exactly as many instructions as it is told to', () => {
    const { hart, load, regs } = board()
    load(addi(5, 5, 1), b(0, 0, 0, -4))
    expect(hart.run(7)).toBe(STOP_BUDGET)
    expect([hart.instructions, regs.get(5), hart.pc]).toEqual([7, 4, CODE + 4])
    expect(hart.run(0)).toBe(STOP_BUDGET)
    expect(hart.run(1)).toBe(STOP_BUDGET)
    expect([hart.instructions, regs.get(5), hart.pc]).toEqual([8, 4, CODE])
  })
  it('stores and loads', () => {
    const { hart, load, regs } = board()
    regs.set(10, DATA)
    regs.x64[11] = 0x8182838485868788n - (1n << 64n)
    load(s(0x23, 3, 10, 11, 16), i(0x03, 0, 5, 10, 16), i(0x03, 6, 6, 10, 20), i(0x03, 3, 7, 10, 16), ecall)
    expect(hart.run(100)).toBe(STOP_ECALL)
    expect(regs.x64[5]).toBe(-0x78n)
    expect(regs.x64[6]).toBe(0x81828384n)
    expect(regs.x64[7]).toBe(regs.x64[11])
    expect([hart.loads, hart.stores]).toEqual([3, 1])
  })
  it('stops before the instruction that faults', () => {
    const { hart, load, regs } = board()
    regs.set(10, DATA + 8190)
    load(addi(9, 0, 1), i(0x03, 3, 9, 10, 0), ecall)
    expect(hart.run(100)).toBe(STOP_FAULT)
    expect([hart.cause, hart.stval, hart.pc, regs.get(9), hart.instructions]).toEqual([13, DATA + 8192, CODE + 4, 1, 1])
  })
  it('stops at an illegal instruction and says its bits', () => {
    const { hart, load } = board()
    load(0xffffffff)
    expect(hart.run(100)).toBe(STOP_ILLEGAL)
    expect([hart.cause, hart.stval]).toEqual([2, 0xffffffff])
  })
})

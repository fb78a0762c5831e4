// For the tests of this room: a machine with page tables made by hand, a hart on it, and a small assembler.

import { F_EXEC, F_READ, F_USER, F_WRITE, Machine, sv48 } from '../machine/index.ts'
import { Hart } from './hart.ts'

const MEGABYTE = 2 ** 20
const ROOT = 1
export const READ_WRITE = F_READ | F_WRITE | F_USER
export const READ_EXEC = F_READ | F_EXEC | F_USER
export const READ_WRITE_EXEC = READ_WRITE | F_EXEC
/** Code of the tests; data two pages further. */
export const CODE = 0x10000
export const DATA = 0x20000

/** A hart with a page of code at CODE and two of data at DATA; frames 256 … are free for tests. */
export function board(entries = 64, ramBytes = 16 * MEGABYTE) {
  const format = sv48
  const machine = new Machine({ ram: [{ start: 0, end: ramBytes }], cpus: 2, tlb: { entries }, format, seed: 1 })
  const { memory } = machine
  let nextTable = ROOT + 1
  const entryOf = (va: number): number => {
    let table = ROOT
    for (let level = format.levels - 1; level > 0; level--) {
      const pa = table * 4096 + format.indexAt(va, level) * 8
      if (!format.isValid(memory.read32(pa), memory.read32(pa + 4))) {
        format.encodeTable(nextTable++)
        memory.write32(pa, format.lo)
        memory.write32(pa + 4, format.hi)
      }
      table = format.pfnOf(memory.read32(pa), memory.read32(pa + 4))
    }
    return table * 4096 + format.indexAt(va, 0) * 8
  }
  const map = (va: number, pfn: number, flags: number): void => {
    const pa = entryOf(va)
    format.encodeLeaf(pfn, flags, 0)
    memory.write32(pa, format.lo)
    memory.write32(pa + 4, format.hi)
  }
  const unmap = (va: number): void => memory.write32(entryOf(va), 0)
  for (const cpu of machine.cpus) cpu.mmu.setRoot(format, ROOT, 1)
  const cpu = machine.cpus[0]!
  const hart = new Hart(cpu.mmu, memory)
  map(CODE, 128, READ_EXEC)
  map(DATA, 130, READ_WRITE)
  map(DATA + 4096, 131, READ_WRITE)
  /** Puts instructions (32-bit words; 16-bit ones as numbers whose low bits are not 3) at a physical address. */
  const assembleAt = (pa: number, code: readonly number[]): number => {
    let at = pa
    for (const word of code) {
      const isShort = (word & 3) !== 3
      for (let i = 0; i < (isShort ? 2 : 4); i++) memory.write8(at++, (word >>> (8 * i)) & 0xff)
    }
    return at - pa
  }
  /** Replaces the code at CODE and makes it next to run. */
  const load = (...code: readonly number[]): void => {
    assembleAt(128 * 4096, code)
    hart.invalidateCodeFrame(memory.frameOffset(128))
    hart.pc = CODE
  }
  return { machine, memory, cpu, mmu: cpu.mmu, tlb: cpu.tlb, hart, regs: hart.regs, map, unmap, assembleAt, load }
}

// Encodings of the specification's instruction formats.
export const r = (opcode: number, f3: number, f7: number, rd: number, rs1: number, rs2: number): number =>
  opcode | (rd << 7) | (f3 << 12) | (rs1 << 15) | (rs2 << 20) | (f7 << 25)
export const i = (opcode: number, f3: number, rd: number, rs1: number, imm: number): number =>
  opcode | (rd << 7) | (f3 << 12) | (rs1 << 15) | (imm << 20)
export const s = (opcode: number, f3: number, rs1: number, rs2: number, imm: number): number =>
  opcode | ((imm & 31) << 7) | (f3 << 12) | (rs1 << 15) | (rs2 << 20) | ((imm >> 5) << 25)
export const b = (f3: number, rs1: number, rs2: number, imm: number): number =>
  r(0x63, f3, (((imm >> 12) & 1) << 6) | ((imm >> 5) & 63), (imm & 0x1e) | ((imm >> 11) & 1), rs1, rs2)
export const u = (opcode: number, rd: number, imm20: number): number => opcode | (rd << 7) | (imm20 << 12)
export const j = (rd: number, imm: number): number =>
  0x6f |
  (rd << 7) |
  (((imm >> 12) & 0xff) << 12) |
  (((imm >> 11) & 1) << 20) |
  (((imm >> 1) & 0x3ff) << 21) |
  ((imm >> 20) << 31)
export const addi = (rd: number, rs1: number, imm: number): number => i(0x13, 0, rd, rs1, imm)
export const ecall = 0x73
export const ebreak = 0x00100073
export const fenceI = 0x0000100f

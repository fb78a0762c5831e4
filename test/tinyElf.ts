// Programs of a few instructions for tests, assembled by hand: one segment, readable, writable and executable.

const BASE = 0x10000
const HEADER = 64 + 56

const r = { zero: 0, sp: 2, t0: 5, t1: 6, t2: 7, a0: 10, a1: 11, a2: 12, a3: 13, a4: 14, a5: 15, a7: 17 } as const
type Reg = keyof typeof r

export const addi = (rd: Reg, rs: Reg, imm: number): number =>
  (((imm & 0xfff) << 20) | (r[rs] << 15) | (r[rd] << 7) | 0x13) >>> 0
export const lui = (rd: Reg, upper: number): number => ((upper << 12) | (r[rd] << 7) | 0x37) >>> 0
export const add = (rd: Reg, a: Reg, b: Reg): number => ((r[b] << 20) | (r[a] << 15) | (r[rd] << 7) | 0x33) >>> 0
export const slli = (rd: Reg, rs: Reg, n: number): number =>
  ((n << 20) | (r[rs] << 15) | (1 << 12) | (r[rd] << 7) | 0x13) >>> 0
export const auipc = (rd: Reg, upper: number): number => ((upper << 12) | (r[rd] << 7) | 0x17) >>> 0
export const ld = (rd: Reg, rs: Reg, imm: number): number =>
  (((imm & 0xfff) << 20) | (r[rs] << 15) | (3 << 12) | (r[rd] << 7) | 0x03) >>> 0
export const sd = (value: Reg, at: Reg, imm: number): number =>
  ((((imm >> 5) & 0x7f) << 25) | (r[value] << 20) | (r[at] << 15) | (3 << 12) | ((imm & 31) << 7) | 0x23) >>> 0
/** Jumps by a number of bytes. */
export const jump = (bytes: number): number => {
  const bit = (from: number, width: number, to: number) => ((bytes >> from) & ((1 << width) - 1)) << to
  return (bit(20, 1, 31) | bit(1, 10, 21) | bit(11, 1, 20) | bit(12, 8, 12) | 0x6f) >>> 0
}
export const ecall = 0x00000073
export const li = (rd: Reg, value: number): number => addi(rd, 'zero', value)
/** A system call whose arguments are in place. */
export const call = (number: number): number[] => [li('a7', number), ecall]
export const exit = (code: number): number[] => [li('a0', code), ...call(93)]

/** An executable of these instructions; `memoryBytes` of address space, the text behind the code. */
export function tinyElf(code: readonly number[], text = '', memoryBytes = 0): Uint8Array {
  const data = new TextEncoder().encode(text)
  const fileBytes = HEADER + code.length * 4 + data.length
  const bytes = new Uint8Array(fileBytes)
  const view = new DataView(bytes.buffer)
  const u16 = (at: number, value: number) => view.setUint16(at, value, true)
  const u32 = (at: number, value: number) => view.setUint32(at, value, true)
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  u16(16, 2) // ET_EXEC
  u16(18, 243) // EM_RISCV
  u32(20, 1)
  u64(24, BASE + HEADER)
  u64(32, 64)
  u32(48, 5)
  u16(52, 64)
  u16(54, 56)
  u16(56, 1)
  u32(64, 1) // PT_LOAD
  u32(68, 7)
  u64(80, BASE)
  u64(88, BASE)
  u64(96, fileBytes)
  u64(104, Math.max(fileBytes, memoryBytes))
  u64(112, 4096)
  code.forEach((word, i) => u32(HEADER + i * 4, word))
  bytes.set(data, HEADER + code.length * 4)
  return bytes
}
/** Address of the text of a program of so many instructions. */
export function textAddress(instructions: number): number {
  return BASE + HEADER + instructions * 4
}

import { describe, expect, it } from 'vitest'
import { Hart, STOP_BREAKPOINT, STOP_BUDGET, STOP_ECALL, STOP_FAULT, STOP_MISALIGNED } from './index.ts'
import { addi, b, board, CODE, DATA, ebreak, ecall, fenceI, i, j, r, READ_EXEC, READ_WRITE } from './testBoard.ts'
import { READ_WRITE_EXEC, s } from './testBoard.ts'

const ld = (rd: number, rs1: number, imm: number): number => i(0x03, 3, rd, rs1, imm)
const sd = (rs2: number, rs1: number, imm: number): number => s(0x23, 3, rs1, rs2, imm)
const sw = (rs2: number, rs1: number, imm: number): number => s(0x23, 2, rs1, rs2, imm)
const amo = (funct5: number, width: number, rd: number, rs1: number, rs2: number): number =>
  r(0x2f, width, funct5 << 2, rd, rs1, rs2)

describe('loads and stores', () => {
  const LOADS: readonly (readonly [string, number, number, boolean])[] = [
    ['lb', 0, 1, true],
    ['lh', 1, 2, true],
    ['lw', 2, 4, true],
    ['ld', 3, 8, true],
    ['lbu', 4, 1, false],
    ['lhu', 5, 2, false],
    ['lwu', 6, 4, false],
  ]
  it.each(LOADS)('%s reads any address, aligned or not, in a page or across two', (_, f3, size, isSigned) => {
    const { hart, load, regs, memory } = board()
    load(i(0x03, f3, 7, 10, 0), ecall)
    for (let k = 0; k < 8192; k++) memory.write8(130 * 4096 + k, (k * 167 + 91) & 255)
    for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 8, 4089, 4090, 4091, 4092, 4093, 4094, 4095, 8192 - size]) {
      let value = 0n
      for (let k = 0; k < size; k++) value |= BigInt(memory.read8(130 * 4096 + at + k)) << BigInt(8 * k)
      hart.pc = CODE
      regs.set(10, DATA + at)
      expect(hart.run(5)).toBe(STOP_ECALL)
      expect(regs.x64[7]).toBe(isSigned ? BigInt.asIntN(8 * size, value) : value)
    }
  })
  it.each([1, 2, 4, 8])('stores of %i bytes write just these, wherever they lie', (size) => {
    const { hart, load, regs, memory } = board()
    load(s(0x23, Math.log2(size), 10, 11, -3), ecall)
    regs.x64[11] = 0x0807060504030201n
    for (const at of [16, 17, 18, 19, 20, 21, 22, 23, 4089, 4092, 4094, 4095]) {
      memory.zeroFrame(130)
      memory.zeroFrame(131)
      hart.pc = CODE
      regs.set(10, DATA + at + 3)
      expect(hart.run(5)).toBe(STOP_ECALL)
      const bytes = Array.from(memory.readBytes(130 * 4096 + at - 8, 24))
      expect(bytes).toEqual(Array.from({ length: 24 }, (__, k) => (k >= 8 && k < 8 + size ? k - 7 : 0)))
    }
  })
  it('names the first byte that cannot be reached, and does nothing', () => {
    const { hart, load, regs, map, memory } = board()
    map(DATA + 8192, 132, READ_EXEC)
    regs.x64[11] = -1n
    const before = memory.readBytes(130 * 4096, 8192)
    // store across into a page that cannot be written; load across into one that is not there; far away; kernel
    const cases = [
      [sd(11, 10, 0), DATA + 8188, 15, DATA + 8192],
      [sw(11, 10, 0), DATA + 8193, 15, DATA + 8193],
      [ld(10, 10, 0), DATA + 3 * 4096 - 1, 13, DATA + 3 * 4096],
      [ld(10, 10, 0), 2 ** 40, 13, 2 ** 40],
      [ld(10, 10, 1), 2 ** 47, 13, 2 ** 47 + 1],
      [ld(10, 10, 0), -4096, 13, -4096],
      [sd(11, 10, 8), 0, 15, 8],
    ] as const
    for (const [word, va, cause, stval] of cases) {
      load(addi(9, 9, 1), word, ecall)
      regs.set(10, va)
      const retired = hart.instructions
      expect(hart.run(5)).toBe(STOP_FAULT)
      expect([hart.cause, hart.stval, hart.pc, regs.get(10)]).toEqual([cause, stval, CODE + 4, va])
      expect(hart.instructions - retired).toBe(1)
    }
    expect(memory.readBytes(130 * 4096, 8192)).toEqual(before)
    expect([hart.loads, hart.stores]).toEqual([0, 0])
  })
  it('goes on after the fault has been repaired', () => {
    const { hart, load, regs, map } = board()
    load(sd(11, 10, 0), ld(12, 10, 0), ecall)
    regs.set(10, DATA + 8190)
    regs.x64[11] = 0x1122334455667788n
    expect(hart.run(5)).toBe(STOP_FAULT)
    map(DATA + 8192, 140, READ_WRITE)
    expect(hart.run(5)).toBe(STOP_ECALL)
    expect(regs.x64[12]).toBe(regs.x64[11])
  })
  it('does the same with a TLB of one entry', () => {
    const results = [1, 64].map((entries) => {
      const { hart, load, regs } = board(entries)
      load(
        sd(5, 10, 0),
        ld(6, 10, 0),
        r(0x33, 0, 0, 5, 5, 6),
        addi(5, 5, 3),
        addi(10, 10, 17),
        b(6, 10, 11, -20),
        ecall,
      )
      regs.set(10, DATA)
      regs.set(11, DATA + 8180)
      regs.set(5, 1)
      return [hart.run(1e6), regs.x64[5], hart.instructions, hart.loads]
    })
    expect(results[0]).toEqual(results[1])
    expect(results[0]![0]).toBe(STOP_ECALL)
  })
})

describe('fetch', () => {
  it('runs an instruction that straddles two frames which are not neighbours', () => {
    const { hart, map, assembleAt, regs, memory } = board()
    map(CODE + 4096, 150, READ_EXEC)
    const word = addi(5, 5, 77)
    memory.write8(128 * 4096 + 4094, word & 255)
    memory.write8(128 * 4096 + 4095, (word >> 8) & 255)
    memory.write8(150 * 4096, (word >> 16) & 255)
    memory.write8(150 * 4096 + 1, word >>> 24)
    assembleAt(150 * 4096 + 2, [ecall])
    hart.pc = CODE + 4094
    expect(hart.run(5)).toBe(STOP_ECALL)
    expect([regs.get(5), hart.pc, hart.instructions]).toEqual([77, CODE + 4098, 1])
  })
  it('faults at the second page, says its first byte, and then goes on', () => {
    const { hart, map, assembleAt, regs } = board()
    // Three times round: addi over the edge, then a jump back to it from the second page.
    const [lo, hi] = [addi(5, 5, 1) & 0xffff, addi(5, 5, 1) >>> 16]
    assembleAt(128 * 4096 + 4092, [0x0001])
    assembleAt(128 * 4096 + 4094, [0])
    const bytes = [lo & 255, lo >> 8, hi & 255, hi >> 8]
    const { memory } = hart
    memory.write8(128 * 4096 + 4094, bytes[0]!)
    memory.write8(128 * 4096 + 4095, bytes[1]!)
    hart.pc = CODE + 4092
    expect(hart.run(9)).toBe(STOP_FAULT)
    expect([hart.cause, hart.stval, hart.pc, regs.get(5), hart.instructions]).toEqual([
      12,
      CODE + 4096,
      CODE + 4094,
      0,
      1,
    ])
    map(CODE + 4096, 150, READ_EXEC)
    memory.write8(150 * 4096, bytes[2]!)
    memory.write8(150 * 4096 + 1, bytes[3]!)
    assembleAt(150 * 4096 + 2, [b(1, 5, 6, -4), ecall])
    regs.set(6, 3)
    expect(hart.run(99)).toBe(STOP_ECALL)
    expect([regs.get(5), hart.pc, hart.instructions]).toEqual([3, CODE + 4102, 7])
  })
  it('jumps forwards and backwards out of a straddling instruction', () => {
    const { hart, map, memory, assembleAt } = board()
    map(CODE + 4096, 150, READ_EXEC)
    const word = j(1, -4094)
    for (let k = 0; k < 4; k++) {
      memory.write8(k < 2 ? 128 * 4096 + 4094 + k : 150 * 4096 + k - 2, (word >>> (8 * k)) & 255)
    }
    assembleAt(128 * 4096, [ecall])
    hart.pc = CODE + 4094
    expect(hart.run(5)).toBe(STOP_ECALL)
    expect([hart.pc, hart.regs.get(1)]).toEqual([CODE, CODE + 4098])
  })
  it('walks from page to page', () => {
    const { hart, map, assembleAt, regs } = board()
    map(CODE + 4096, 151, READ_EXEC)
    map(CODE + 8192, 149, READ_EXEC)
    for (const pfn of [128, 151])
      assembleAt(
        pfn * 4096,
        Array.from({ length: 1024 }, () => addi(5, 5, 1)),
      )
    assembleAt(149 * 4096, [ecall])
    hart.pc = CODE
    expect(hart.run(9999)).toBe(STOP_ECALL)
    expect([regs.get(5), hart.instructions, hart.pc]).toEqual([2048, 2048, CODE + 8192])
  })
  it('faults where it must not execute, with pc there', () => {
    const { hart, load, regs } = board()
    load(i(0x67, 0, 1, 10, 0))
    regs.set(10, DATA + 6)
    expect(hart.run(5)).toBe(STOP_FAULT)
    expect([hart.cause, hart.stval, hart.pc, regs.get(1)]).toEqual([12, DATA + 6, DATA + 6, CODE + 4])
  })
  it('notices at the next jump that its page is another one', () => {
    const { hart, load, map, unmap, tlb, assembleAt } = board()
    load(j(0, 0))
    expect(hart.run(100)).toBe(STOP_BUDGET)
    assembleAt(160 * 4096, [ecall])
    map(CODE, 160, READ_EXEC)
    expect(hart.run(100)).toBe(STOP_BUDGET) // the TLB is stale, as on hardware
    tlb.invalidatePage(CODE, 1)
    expect(hart.run(100)).toBe(STOP_ECALL)
    unmap(CODE)
    tlb.invalidatePage(CODE, 1)
    expect(hart.run(100)).toBe(STOP_FAULT)
  })
  it('stops at ebreak with its address', () => {
    const { hart, load } = board()
    load(addi(5, 0, 1), ebreak)
    expect(hart.run(5)).toBe(STOP_BREAKPOINT)
    expect([hart.cause, hart.stval, hart.pc]).toEqual([3, CODE + 4, CODE + 4])
  })
})

describe('code that changes', () => {
  it('runs what it has written over itself', () => {
    const { hart, load, map, regs, tlb } = board()
    map(CODE, 128, READ_WRITE_EXEC)
    tlb.invalidateAll(false)
    // x6 = the word of `addi x5, x5, 100`, stored over the addi x5, x5, 1 that has already run once
    load(addi(5, 5, 1), sw(6, 10, 0), fenceI, addi(7, 7, 1), b(1, 7, 8, -16), ecall)
    regs.set(6, addi(5, 5, 100))
    regs.set(8, 3)
    regs.set(10, CODE)
    expect(hart.run(100)).toBe(STOP_ECALL)
    expect(regs.get(5)).toBe(201)
  })
  it('sees a store into the second half of an instruction, and through another address', () => {
    const { hart, load, map, regs } = board()
    map(DATA + 8192, 128, READ_WRITE)
    load(addi(5, 5, 1), s(0x23, 1, 10, 6, 2), addi(7, 7, 1), b(1, 7, 8, -12), ecall)
    regs.set(6, addi(5, 5, 9) >>> 16)
    regs.set(8, 4)
    regs.set(10, DATA + 8192)
    expect(hart.run(100)).toBe(STOP_ECALL)
    expect(regs.get(5)).toBe(1 + 3 * 9)
    expect(hart.cache.overwritten).toBeGreaterThan(0)
  })
  it('needs to be told when somebody else has written a frame', () => {
    const { hart, load, regs, assembleAt, memory } = board()
    load(addi(5, 0, 1), ecall)
    hart.run(5)
    assembleAt(128 * 4096, [addi(5, 0, 2)])
    hart.pc = CODE
    hart.run(5)
    expect(regs.get(5)).toBe(1)
    expect(hart.cache.codeFrames[memory.frameOffset(128) / 4096]).toBe(1)
    hart.invalidateCodeFrame(memory.frameOffset(128))
    hart.pc = CODE
    hart.run(5)
    expect(regs.get(5)).toBe(2)
    assembleAt(128 * 4096, [addi(5, 0, 3)])
    hart.flushCode()
    hart.pc = CODE
    hart.run(5)
    expect(regs.get(5)).toBe(3)
  })
  it('decodes more pages than it first has room for', () => {
    const { hart, map, assembleAt, regs } = board(64, 16 * 2 ** 20)
    const pages = 100
    for (let page = 0; page < pages; page++) {
      map(0x400000 + page * 4096, 300 + page, READ_EXEC)
      assembleAt((300 + page) * 4096, [addi(5, 5, 1), page === pages - 1 ? ecall : j(0, 4092)])
    }
    for (let round = 0; round < 2; round++) {
      hart.pc = 0x400000
      expect(hart.run(9999)).toBe(STOP_ECALL)
    }
    expect([regs.get(5), hart.cache.decoded]).toEqual([200, 200])
  })
})

describe('atomics', () => {
  const AMOS: readonly (readonly [string, number, (a: bigint, b: bigint) => bigint])[] = [
    ['amoswap', 0x01, (_, c) => c],
    ['amoadd', 0x00, (a, c) => a + c],
    ['amoxor', 0x04, (a, c) => a ^ c],
    ['amoand', 0x0c, (a, c) => a & c],
    ['amoor', 0x08, (a, c) => a | c],
    ['amomin', 0x10, (a, c) => (a < c ? a : c)],
    ['amomax', 0x14, (a, c) => (a > c ? a : c)],
    ['amominu', 0x18, (a, c) => (BigInt.asUintN(64, a) < BigInt.asUintN(64, c) ? a : c)],
    ['amomaxu', 0x1c, (a, c) => (BigInt.asUintN(64, a) > BigInt.asUintN(64, c) ? a : c)],
  ]
  const values = [0n, 1n, -1n, 0x7fffffffn, -0x80000000n, 0x80000000n, 2n ** 63n - 1n, -(2n ** 63n), 0x123456789abcdefn]
  it.each(AMOS)('%s.w and .d', (_, funct5, oracle) => {
    const { hart, regs, load, memory } = board()
    const { i64 } = memory
    const at = memory.frameOffset(130) / 8
    for (const width of [2, 3]) {
      load(amo(funct5, width, 11, 10, 11), ecall)
      const cut = (v: bigint): bigint => BigInt.asIntN(width === 2 ? 32 : 64, v)
      for (const a of values) {
        for (const c of values) {
          i64[at] = a
          regs.set(10, DATA)
          regs.x64[11] = c
          hart.pc = CODE
          expect(hart.run(5)).toBe(STOP_ECALL)
          expect(regs.x64[11]).toBe(cut(a))
          expect(cut(i64[at]!)).toBe(cut(oracle(cut(a), cut(c))))
          if (width === 2) expect(i64[at]! >> 32n).toBe(a >> 32n)
        }
      }
    }
  })
  it('SC succeeds once after LR, at its address only, and not after another hart has run', () => {
    const { hart, regs, load, machine, memory } = board()
    const lr = amo(0x02, 3, 5, 10, 0)
    const sc = amo(0x03, 3, 6, 10, 11)
    load(lr, sc, amo(0x03, 3, 7, 10, 11), lr, amo(0x03, 3, 8, 12, 11), amo(0x03, 3, 9, 10, 11), ecall)
    regs.set(10, DATA)
    regs.set(12, DATA + 8)
    regs.set(11, 42)
    expect(hart.run(99)).toBe(STOP_ECALL)
    expect([regs.get(6), regs.get(7), regs.get(8), regs.get(9)]).toEqual([0, 1, 1, 1])
    expect(memory.i64[memory.frameOffset(130) / 8]).toBe(42n)
    const other = new Hart(machine.cpus[1]!.mmu, memory, { cache: hart.cache })
    load(lr, sc, ecall)
    hart.run(1)
    hart.run(1)
    expect(regs.get(6)).toBe(0)
    hart.pc = CODE
    hart.run(1)
    other.pc = CODE + 8
    other.run(1)
    hart.run(1)
    expect(regs.get(6)).toBe(1)
  })
  it('demands alignment', () => {
    const { hart, regs, load } = board()
    regs.set(10, DATA + 4)
    load(amo(0x02, 3, 5, 10, 0))
    expect(hart.run(5)).toBe(STOP_MISALIGNED)
    expect([hart.cause, hart.stval]).toEqual([4, DATA + 4])
    load(amo(0x00, 3, 5, 10, 0))
    expect(hart.run(5)).toBe(STOP_MISALIGNED)
    expect([hart.cause, hart.stval]).toEqual([6, DATA + 4])
    regs.set(10, 2 ** 30)
    load(amo(0x00, 3, 5, 10, 0))
    expect(hart.run(5)).toBe(STOP_FAULT)
    expect([hart.cause, hart.stval]).toEqual([15, 2 ** 30])
  })
})

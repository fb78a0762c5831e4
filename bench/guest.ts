// A process whose system calls and stores the benchmark makes for it, through the doors of its ecalls and faults.

import { isErr, PAGE_SIZE } from '../src/base/index.ts'
import type { Kernel, Process, Thread } from '../src/kernel/process/index.ts'
import { dispatchSyscall, syscallOf } from '../src/kernel/syscall/index.ts'
import { handleTrap } from '../src/kernel/trap/index.ts'
import type { Cpu, Machine } from '../src/machine/index.ts'
import { type Hart, STOP_FAULT } from '../src/rv64/index.ts'
import { createSystem } from '../src/index.ts'
import { exit, jump, tinyElf } from '../test/tinyElf.ts'

const NUMBERS = new Map(Array.from({ length: 512 }, (_, n) => [syscallOf(n).name, n]))
const CAUSE_LOAD = 13
const CAUSE_STORE = 15

/** The number of a system call. */
export function numberOf(name: string): number {
  const number = NUMBERS.get(name)
  if (number === undefined) throw new Error(`there is no system call ${name}`)
  return number
}
const EXIT = numberOf('exit_group')

/** Where strings and structures stand, and what calls write. */
export const SCRATCH = 0x1000_0000
const SCRATCH_PAGES = 64

export class Guest {
  readonly kernel: Kernel
  readonly process: Process
  readonly thread: Thread
  readonly #machine: Machine
  readonly #cpu: Cpu
  readonly #fault = { cause: CAUSE_STORE, stval: 0 } as Hart

  constructor(memory: string) {
    const system = createSystem({ memory })
    const { kernel, machine } = system.rooms
    // A child begins behind its parent's instruction, and ends.
    this.process = system.spawn(tinyElf([jump(0), ...exit(0)])).process
    // From here on the CPU has loaded its address space.
    system.step(1000)
    this.kernel = kernel
    this.thread = this.process.threads[0]!
    this.#machine = machine
    this.#cpu = machine.cpus[0]!
    const flags = 0x32
    this.must(numberOf('mmap'), SCRATCH, SCRATCH_PAGES * PAGE_SIZE, 3, flags, -1, 0)
    for (let i = 0; i < SCRATCH_PAGES; i++) this.store(SCRATCH + i * PAGE_SIZE, 0)
  }
  /** A system call by its number; what it answers. */
  call(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
    const { regs } = this.thread
    const { pc } = regs
    regs.set(10, a)
    regs.set(11, b)
    regs.set(12, c)
    regs.set(13, d)
    regs.set(14, e)
    regs.set(15, f)
    regs.set(17, number)
    if (dispatchSyscall(this.kernel, this.thread) !== null) throw new Error(`system call ${number} would sleep`)
    regs.pc = pc
    return regs.get(10)
  }
  must(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
    const result = this.call(number, a, b, c, d, e, f)
    if (isErr(result)) throw new Error(`system call ${number} answers ${String(result)}`)
    return result
  }
  /** Stores a byte as an instruction does: translated, and executed again after a fault. */
  store(va: number, byte: number): void {
    this.#machine.memory.u8[this.#offsetForStore(va)] = byte
  }
  load(va: number): number {
    const { mmu } = this.#cpu
    let offset = mmu.translateRead(va)
    while (offset < 0) {
      this.#trap(CAUSE_LOAD, va)
      offset = mmu.translateRead(va)
    }
    return this.#machine.memory.u8[offset]!
  }
  storePages(va: number, pages: number): void {
    for (let i = 0; i < pages; i++) this.store(va + i * PAGE_SIZE, 1)
  }
  write(va: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.store(va + i, bytes[i]!)
  }
  /** An aligned, positive 64-bit number. */
  writeLong(va: number, value: number): void {
    const offset = this.#offsetForStore(va)
    this.#machine.memory.view.setUint32(offset, value >>> 0, true)
    this.#machine.memory.view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true)
  }
  writeLongs(va: number, values: readonly number[]): void {
    this.write(va, new Uint8Array(BigInt64Array.from(values, BigInt).buffer))
  }
  writeText(va: number, text: string): number {
    this.write(va, new TextEncoder().encode(`${text}\0`))
    return va
  }
  /** A child has run to its end: its exit call. */
  endChild(pid: number): void {
    const thread = this.kernel.processes.byTid.get(pid)!
    thread.regs.set(10, 0)
    thread.regs.set(17, EXIT)
    if (dispatchSyscall(this.kernel, thread) !== null) throw new Error('the end of a child would sleep')
  }
  #offsetForStore(va: number): number {
    const { mmu } = this.#cpu
    let offset = mmu.translateWrite(va)
    while (offset < 0) {
      this.#trap(CAUSE_STORE, va)
      offset = mmu.translateWrite(va)
    }
    return offset
  }
  #trap(cause: number, va: number): void {
    this.#fault.cause = cause
    this.#fault.stval = va
    if (handleTrap(this.kernel, this.thread, this.#fault, STOP_FAULT) !== null)
      throw new Error(`a fault of the benchmark at ${va.toString(16)} cannot be resolved at once`)
  }
}

// A living process whose system calls a test makes for it, through the same doors as its ecalls and faults.

import type { Sleep } from '../../src/base/index.ts'
import { errName, isErr, PAGE_SIZE } from '../../src/base/index.ts'
import { copyIn, copyOut, mapsLine, type Process, signalName, type Thread } from '../../src/kernel/process/index.ts'
import { dispatchSyscall, syscallOf } from '../../src/kernel/syscall/index.ts'
import { handleTrap } from '../../src/kernel/trap/index.ts'
import { type Hart, STOP_FAULT } from '../../src/rv64/index.ts'
import { createSystem, type System, type SystemConfig } from '../../src/system/index.ts'
import { jump, tinyElf } from '../tinyElf.ts'

const NUMBERS = new Map(Array.from({ length: 512 }, (_, n) => [syscallOf(n).name, n]))
const CAUSE_LOAD = 13
const CAUSE_STORE = 15

/** Mappings that tests make begin here. */
export const A = 0x2000_0000_0000
export const PAGE = PAGE_SIZE
export const PROT_NONE = 0
export const PROT_R = 1
export const PROT_RW = 3
export const SHARED = 1
export const PRIVATE = 2
export const FIXED = 0x10
export const ANON = 0x20
export const NORESERVE = 0x4000

export class Caller {
  readonly system: System
  /** Whose calls, accesses and memory it is; another living one may take its place. */
  process: Process
  readonly #scratch: number
  #used = 0

  constructor(config: SystemConfig = {}) {
    this.system = createSystem({ memory: '64M', seed: 1, ...config })
    this.process = this.system.spawn(tinyElf([jump(0), jump(0)])).process
    this.system.step(1000)
    this.#scratch = this.mmap(0x1000_0000, 16, PROT_RW)
  }
  get thread(): Thread {
    return this.process.threads[0]!
  }
  /** Strings and bytes are put into user memory first, and their address is the argument. */
  call(name: string, ...args: (number | string | Uint8Array)[]): number {
    const { thread } = this
    const { kernel } = this.system.rooms
    const { pc } = thread.regs
    args.forEach((value, i) => thread.regs.set(10 + i, typeof value === 'number' ? value : this.put(value)))
    for (let i = args.length; i < 6; i++) thread.regs.set(10 + i, 0)
    thread.regs.set(17, NUMBERS.get(name)!)
    this.#used = 0
    const { current } = this.system.rooms.machine
    current.thread = thread
    const rest = dispatchSyscall(kernel, thread)
    if (rest !== null) this.finish(rest)
    current.thread = null
    thread.regs.pc = pc
    return thread.regs.get(10)
  }
  /** `call` as the recordings print it: "ok", "-ENOENT". */
  ask(name: string, ...args: (number | string | Uint8Array)[]): string {
    const result = this.call(name, ...args)
    return isErr(result) ? `-${errName(result)}` : 'ok'
  }
  mmap(addr: number, pages: number, prot: number, flags = PRIVATE | ANON | FIXED): number {
    return this.call('mmap', addr, pages * PAGE, prot, flags, -1, 0)
  }
  /** Address of bytes in user memory, good until the next call is over. */
  put(value: string | Uint8Array): number {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(`${value}\0`) : value
    const at = this.#scratch + this.#used
    this.#used += Math.ceil((bytes.length + 8) / 8) * 8
    this.poke(at, bytes)
    return at
  }
  poke(address: number, bytes: Uint8Array): void {
    this.system.runKernel(copyOut(this.process.space!, address, bytes))
  }
  peek(address: number, length: number): Uint8Array {
    const bytes = this.system.runKernel(copyIn(this.process.space!, address, length))
    return isErr(bytes) ? new Uint8Array(0) : bytes
  }
  word(address: number): number {
    return Number(new DataView(this.peek(address, 8).buffer).getBigInt64(0, true))
  }
  /** A load or store of the program: "ok", or the signal it gets. */
  touch(address: number, isStore = false): string {
    const { thread } = this
    const hart = { cause: isStore ? CAUSE_STORE : CAUSE_LOAD, stval: address } as Hart
    const { kernel, machine } = this.system.rooms
    machine.current.thread = thread
    const work = handleTrap(kernel, thread, hart, STOP_FAULT)
    machine.current.thread = null
    if (work === null) return 'ok'
    const info = thread.pending.take((1n << 64n) - 1n)
    if (info !== null) {
      thread.needsAttention = false
      return `${signalName(info.signo)} code ${info.code}`
    }
    this.finish(work)
    return 'ok'
  }
  /** Lines of /proc/PID/maps in a range. */
  maps(start = A, end = Infinity): string[] {
    const space = this.process.space!
    return [...space.map.entries()].filter((e) => e.end > start && e.start < end).map((e) => mapsLine(space, e))
  }
  /** Goes on with kernel work of the thread until it is done; what else runs meanwhile does. */
  finish(work: Sleep<unknown>): void {
    const { current } = this.system.rooms.machine
    for (;;) {
      current.thread = this.thread
      const { done } = work.next('woken')
      current.thread = null
      if (done === true) return
      this.system.step(1000)
    }
  }
}

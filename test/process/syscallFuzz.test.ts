// Nothing a program asks for may throw, leak or break an invariant: random system calls with likely and unlikely
// arguments, made by threads of a living process, through the same door as an ecall.

import { describe, expect, it } from 'vitest'
import { PAGE_SIZE, Rng } from '../../src/base/index.ts'
import { dispatchSyscall, syscallOf } from '../../src/kernel/syscall/index.ts'
import { copyOut, type Process, sendSignal } from '../../src/kernel/process/index.ts'
import { createSystem, type System } from '../../src/system/index.ts'
import { jump, tinyElf } from '../tinyElf.ts'

/** Calls that end or replace the caller, or wait for what never comes. */
const LEFT_OUT = new Set(['exit', 'exit_group', 'execve', 'execveat', 'rt_sigsuspend', 'rt_sigreturn', 'unknown'])
const NUMBERS = Array.from({ length: 470 }, (_, n) => n).filter((n) => !LEFT_OUT.has(syscallOf(n).name))
const PATHS = ['/tmp/a', '/tmp/b', '/tmp', '/', '', '/proc/self/maps', '/dev/zero', '/nothing/here', 'a/../b', '/tmp/d']

const KILL = { signo: 9, code: 0 }

class Fuzzer {
  readonly system: System
  readonly process: Process
  readonly rng: Rng
  readonly base: number
  readonly counts = new Map<string, number>()

  constructor(seed: number) {
    this.rng = new Rng(seed)
    this.system = createSystem({ memory: '16M', cpus: 2, seed })
    this.process = this.system.spawn(tinyElf([jump(0), jump(0)])).process
    // Two mappings with a hole between; strings and words at the start of the first.
    this.base = 0x1000_0000
    this.call(222, [this.base, 8 * PAGE_SIZE, 3, 0x32, -1, 0])
    this.call(222, [this.base + 16 * PAGE_SIZE, 8 * PAGE_SIZE, 3, 0x31, -1, 0])
    PATHS.forEach((path, i) => this.poke(this.base + 64 * i, new TextEncoder().encode(`${path}\0`)))
    this.poke(this.base + 1024, new Uint8Array(BigInt64Array.from([0n, 1000n, 0n, 1000n, 3n, 5n, 0n, 0n]).buffer))
  }
  poke(address: number, bytes: Uint8Array): void {
    this.system.runKernel(store(this.process, address, bytes))
  }
  /** Makes a call as the process's thread; false if it has no thread any more. */
  call(number: number, args: readonly number[]): boolean {
    const thread = this.process.threads[0]
    if (thread === undefined || this.process.isExiting) return false
    const { kernel } = this.system.rooms
    args.forEach((value, i) => thread.regs.set(10 + i, value))
    thread.regs.set(17, number)
    const name = syscallOf(number).name
    const { pc } = thread.regs
    const rest = dispatchSyscall(kernel, thread)
    if (rest !== null) {
      // What would wait for ever is cut short by a signal.
      let step = rest.next('woken')
      for (let tries = 0; step.done !== true; tries++) {
        const { queue, deadline, interruptible } = step.value
        if (interruptible && tries > 2) step = rest.next('signal')
        else if (deadline !== Infinity || queue === null) step = rest.next('timeout')
        else {
          if (queue.name === 'vfork') this.killOthers()
          this.system.step(20_000)
          step = rest.next('woken')
        }
        expect(tries, name).toBeLessThan(1000)
      }
    }
    thread.regs.pc = pc
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    return true
  }
  killOthers(): void {
    const { kernel } = this.system.rooms
    for (const process of kernel.processes.byPid.values())
      if (process !== this.process) sendSignal(kernel, process, KILL)
  }
  argument(): number {
    const { rng, base } = this
    switch (rng.below(12)) {
      case 0:
        return rng.below(8)
      case 1:
        return rng.pick([-1, -100, 0x7fffffff, 2 ** 31, 2 ** 32, 2 ** 47, 2 ** 52, -(2 ** 52), 4095, 4096, 4097])
      case 2:
        return rng.next32()
      case 3:
      case 4:
        return base + 64 * rng.below(PATHS.length)
      case 5:
        return base + 1024 + 8 * rng.below(8)
      case 6:
        return base + PAGE_SIZE * rng.below(26)
      case 7:
        return base + PAGE_SIZE * rng.below(26) + rng.below(PAGE_SIZE)
      case 8:
        return PAGE_SIZE * rng.below(20)
      case 9:
        return 1 << rng.below(20)
      case 10:
        return rng.below(256)
      default:
        return 0
    }
  }
}
function* store(process: Process, address: number, bytes: Uint8Array) {
  return yield* copyOut(process.space!, address, bytes)
}

describe('system calls', () => {
  it.each([1, 2, 3])('survive random arguments (seed %i)', (seed) => {
    const fuzzer = new Fuzzer(seed)
    for (let i = 0; i < 3000; i++) {
      const number = fuzzer.rng.pick(NUMBERS)
      const args = Array.from({ length: 6 }, () => fuzzer.argument())
      if (!fuzzer.call(number, args)) break
      if (i % 500 === 499) fuzzer.system.verify()
    }
    fuzzer.system.verify()
    fuzzer.system.signalAll(9)
    fuzzer.system.run()
    fuzzer.system.verify()
    expect(fuzzer.system.report().frames.leaked).toBe(0)
    expect(fuzzer.counts.size).toBeGreaterThan(80)
  })
})

// A small machine with files, for the tests of this room.

import { isErr, kassert, MiB, type OrErr, runToEnd, type Sleep } from '../../base/index.ts'
import { Machine, sv48 } from '../../machine/index.ts'
import { ObjectTable } from '../object/index.ts'
import { bootPhys, freeCount, type Phys } from '../phys/index.ts'
import { makeDevFs, registerMemoryDevices } from './devices.ts'
import { fileRead, fileWrite } from './fileIo.ts'
import { Files } from './files.ts'
import { KernelUio } from './kernelUio.ts'
import { mount } from './mount.ts'
import type { WalkContext } from './namei.ts'
import { openAt } from './open.ts'
import type { OpenFile } from './openFile.ts'
import { RamFs } from './ramFs.ts'
import { makeDirectory } from './tree.ts'
import { ROOT } from './credentials.ts'

export interface TestSystem {
  readonly machine: Machine
  readonly phys: Phys
  readonly files: Files
  readonly root: RamFs
  /** Root, in '/'. */
  readonly context: WalkContext
}

/** A machine with 32 MiB, a RamFs at '/', and /dev. */
export function makeTestSystem(): TestSystem {
  const ram = [{ start: 0, end: 32 * MiB }]
  const machine = new Machine({ ram, cpus: 1, tlb: { entries: 16 }, format: sv48, seed: 1 })
  const phys = bootPhys(machine, { memory: ram, reserved: [{ start: 0, end: MiB }] })
  const files = new Files(machine, phys, new ObjectTable())
  const root = new RamFs(files)
  mount(files, root, null)
  const context: WalkContext = { root: root.root, cwd: root.root, who: ROOT }
  registerMemoryDevices(files)
  mount(files, makeDevFs(files), ok(makeDirectory(files, context, '/dev', 0o755)))
  return { machine, phys, files, root, context }
}

/** Runs a generator to its end; simulated time passes while it sleeps. */
export function run<T>(system: { machine: Machine }, sleep: Sleep<T>): T {
  return runToEnd(system.machine.clock, sleep)
}

/** Starts a generator and stops where it first sleeps. `finish` goes on after whatever has woken it. */
export function start<T>(sleep: Sleep<T>) {
  let step = sleep.next()
  return {
    get isAsleep(): boolean {
      return step.done !== true
    },
    wake(reason: 'woken' | 'signal' = 'woken'): void {
      if (step.done !== true) step = sleep.next(reason)
    },
    get result(): T {
      kassert(step.done === true, 'the generator has ended')
      return step.value
    },
  }
}

/** The value of a call that must succeed. */
export function ok<T>(value: OrErr<T>): T {
  kassert(!isErr(value), 'the call succeeds', String(value))
  return value
}

export function open(system: TestSystem, path: string, flags: number): OpenFile {
  return ok(run(system, openAt(system.files, system.context, path, flags, 0o644)))
}
export function write(system: TestSystem, file: OpenFile, bytes: Uint8Array | string): OrErr<number> {
  const from = typeof bytes === 'string' ? textBytes(bytes) : bytes
  return run(system, fileWrite(file, new KernelUio(system.files, from)))
}
export function read(system: TestSystem, file: OpenFile, length: number): OrErr<Uint8Array> {
  const uio = new KernelUio(system.files, new Uint8Array(length))
  const moved = run(system, fileRead(file, uio))
  return isErr(moved) ? moved : uio.bytes.slice(0, moved)
}
export function readText(system: TestSystem, file: OpenFile, length = 4096): string {
  return String.fromCharCode(...ok(read(system, file, length)))
}
export function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

/** Frames that are free now. */
export function freeFrames(system: TestSystem): number {
  return freeCount(system.phys)
}

/** Fast where `toEqual` is slow. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

// A booted system without programs, and a CPU in it that runs one address space by hand.

import { type Err, isErr, PAGE_SIZE, type Sleep } from '../src/base/index.ts'
import { uvmFaultTry, WRITE } from '../src/kernel/fault/index.ts'
import {
  linux,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  mmapRegion,
  munmapRegion,
  uvmspaceAlloc,
  uvmspaceFork,
  uvmspaceFree,
  type Vm,
  type VmSpace,
} from '../src/kernel/map/index.ts'
import { pmapActivate, pmapDeactivate } from '../src/kernel/pmap/index.ts'
import type { Cpu, Machine } from '../src/machine/index.ts'
import { createSystem } from '../src/index.ts'

/** Where the measured mappings begin: a multiple of what one page-table page maps. */
export const BASE = 2 ** 36
const SPACE_END = 2 ** 38
const TABLE_PAGES = 512

export class World {
  readonly machine: Machine
  readonly vm: Vm
  readonly cpu: Cpu
  #space: VmSpace | null = null

  constructor(memory = '256M', tlb: number | string = 64) {
    const { machine, kernel } = createSystem({ memory, tlb }).rooms
    this.machine = machine
    this.vm = kernel.vm
    this.cpu = machine.cpus[0]!
  }

  newSpace(): VmSpace {
    return must(uvmspaceAlloc(this.vm, linux, PAGE_SIZE, SPACE_END))
  }
  /** The CPU runs this address space from now on. */
  use(space: VmSpace | null): void {
    if (this.#space !== null) pmapDeactivate(this.vm.pmaps, this.cpu, this.#space.pmap)
    if (space !== null) pmapActivate(this.vm.pmaps, this.cpu, space.pmap)
    this.#space = space
  }
  /** A private anonymous mapping. */
  map(space: VmSpace, at: number, pages: number): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    const request = { addr: at, length: pages * PAGE_SIZE, prot: 3, flags, object: null, file: null, pgoff: 0 }
    must(drive(mmapRegion(space, request)))
  }
  /** The same without reserving memory for it (MAP_NORESERVE), however large. */
  reserve(space: VmSpace, at: number, pages: number): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE
    const request = { addr: at, length: pages * PAGE_SIZE, prot: 3, flags, object: null, file: null, pgoff: 0 }
    must(drive(mmapRegion(space, request)))
  }
  unmap(space: VmSpace, at: number, pages: number): void {
    must(drive(munmapRegion(space, at, pages * PAGE_SIZE)))
  }
  fork(space: VmSpace): VmSpace {
    return must(drive(uvmspaceFork(space)))
  }
  free(space: VmSpace): void {
    uvmspaceFree(space)
  }
  /** Stores a byte in the current address space as an instruction does: translated, and executed again after a fault. */
  store(space: VmSpace, va: number, byte: number): void {
    const { mmu } = this.cpu
    let offset = mmu.translateWrite(va)
    while (offset < 0) {
      if (uvmFaultTry(space, va, WRITE) !== 0) throw new Error('a fault of the benchmark cannot be resolved')
      offset = mmu.translateWrite(va)
    }
    this.machine.memory.u8[offset] = byte
  }
  storePages(space: VmSpace, at: number, pages: number): void {
    for (let i = 0; i < pages; i++) this.store(space, at + i * PAGE_SIZE, i)
  }
  /** Touches one page under each page-table page of a range, so that all tables are there. Leaves out `at` itself. */
  warmTables(space: VmSpace, at: number, pages: number): void {
    for (let i = -1; i < pages; i += TABLE_PAGES) this.store(space, at + i * PAGE_SIZE, 1)
  }
  /** Byte offset in the machine's memory of the frame that is mapped at `va`. */
  frameAt(va: number): number {
    const offset = this.cpu.mmu.translateRead(va)
    if (offset < 0) throw new Error('the benchmark reads a page that is not mapped')
    return offset
  }
}

/** Runs kernel work that finds nothing to wait for. */
export function drive<T>(work: Sleep<T>): T {
  const step = work.next()
  if (step.done !== true) throw new Error('the benchmark has nothing to wait for')
  return step.value
}
function must<T>(result: T | Err): T {
  if (isErr(result as number)) throw new Error(`the benchmark fails with ${String(result)}`)
  return result as T
}

// For tests: a small machine with the rooms up to fault, and a CPU whose loads and stores go through the page tables.

import { type Err, GiB, isErr, runToEnd, type Sleep } from '../../base/index.ts'
import { type Cpu, Machine, sv48 } from '../../machine/index.ts'
import { linux, type Personality, uvmspaceAlloc, verifyAmaps, Vm, type VmMap, type VmSpace } from '../map/index.ts'
import { bootPhys, type Phys, verify as verifyPhys } from '../phys/index.ts'
import { pmapActivate, pmapDeactivate, pmapLookup, Pmaps, verify as verifyPmaps } from '../pmap/index.ts'
import { bindFault, READ, uvmFault, WRITE } from './index.ts'

/** Runs what never needs to sleep here. */
export function now<T>(work: Sleep<T>): T {
  const step = work.next()
  if (step.done !== true) throw new Error('the test world has nothing to wait for')
  return step.value
}

export class TestWorld {
  readonly machine: Machine
  readonly phys: Phys
  readonly pmaps: Pmaps
  readonly vm: Vm
  readonly cpu: Cpu
  #active: VmSpace | null = null

  constructor(ramBytes = 64 * 1024 * 1024, cpus = 1) {
    const ram = [{ start: 2 * GiB, end: 2 * GiB + ramBytes }]
    this.machine = new Machine({ ram, cpus, tlb: { entries: 64, ways: 4 }, format: sv48, seed: 1 })
    this.phys = bootPhys(this.machine, { memory: [{ start: 2 * GiB, end: 2 * GiB + ramBytes }] })
    this.pmaps = new Pmaps(this.machine, this.phys)
    this.vm = new Vm(this.machine, this.phys, this.pmaps)
    bindFault(this.vm)
    this.cpu = this.machine.cpus[0]!
  }
  space(personality: Personality = linux, min = 4096, max = 2 ** 38): VmSpace {
    const space = uvmspaceAlloc(this.vm, personality, min, max)
    if (isErr(space)) throw new Error('no memory for a test space')
    return space
  }
  use(space: VmSpace): void {
    if (this.#active === space) return
    if (this.#active !== null) pmapDeactivate(this.pmaps, this.cpu, this.#active.pmap)
    pmapActivate(this.pmaps, this.cpu, space.pmap)
    this.#active = space
  }
  /** The CPU has been given another address space by somebody else. */
  forget(active: VmSpace): void {
    this.#active = active
  }
  /** One byte loaded, or the error of the fault. */
  load(space: VmSpace, va: number): number | Err {
    this.use(space)
    for (;;) {
      const offset = this.cpu.mmu.translateRead(va)
      if (offset >= 0) return this.machine.memory.u8[offset]!
      const error = runToEnd(this.machine.clock, uvmFault(space, va, READ))
      if (error !== 0) return error
    }
  }
  store(space: VmSpace, va: number, byte: number): 0 | Err {
    this.use(space)
    for (;;) {
      const offset = this.cpu.mmu.translateWrite(va)
      if (offset >= 0) {
        this.machine.memory.u8[offset] = byte
        return 0
      }
      const error = runToEnd(this.machine.clock, uvmFault(space, va, WRITE))
      if (error !== 0) return error
    }
  }
  lookup(space: VmSpace, va: number): boolean {
    return pmapLookup(space.pmap, va)
  }
  /** @param spaces  all that there are */
  verify(...spaces: VmSpace[]): void {
    const maps = new Set<VmMap>(spaces.map(({ map }) => map))
    if (this.vm.kernelMap !== null) maps.add(this.vm.kernelMap)
    for (const map of maps) map.verify()
    verifyAmaps(this.vm, maps)
    verifyPmaps(this.pmaps)
    verifyPhys(this.phys)
  }
}

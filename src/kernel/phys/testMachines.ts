// For the tests of this room: the reference machines of the physical specification (3.0), without bytes.

import { Clock, GiB, isErr, kassert, MiB, Trace, type Pfn, type Sleep, type TraceFields } from '../../base/index.ts'
import { allocPagesTry } from './alloc.ts'
import { bootPhys, type BootConfig } from './boot.ts'
import { __GFP_HIGHMEM, __GFP_MOVABLE, __GFP_NORETRY, __GFP_RECLAIMABLE } from './gfp.ts'
import type { Phys, PhysMachine } from './phys.ts'

export type TestMachine = PhysMachine & { current: { cpu: PhysMachine['cpus'][number]; thread: object | null } }

export function testMachine(cpus = 1): TestMachine {
  const all = Array.from({ length: cpus }, (_, id) => ({
    id,
    interruptsEnabled: true,
    preemptionDepth: 0,
    interruptLevel: 0,
  }))
  return { memory: null, cpus: all, clock: new Clock(), trace: new Trace(), current: { cpu: all[0]!, thread: null } }
}

export const S16: BootConfig = { memory: [{ start: 0, end: 16 * MiB }], maxZonePfn: [0, 0, 4096, 0] }
export const M64: BootConfig = { memory: [{ start: 0, end: 64 * MiB }], maxZonePfn: [0, 0, 16384, 0] }
export const M64C: BootConfig = { ...M64, cma: [{ start: 16 * MiB, end: 32 * MiB }] }
export const H1G: BootConfig = {
  config: 'cfg32',
  memory: [{ start: 0, end: GiB }],
  maxZonePfn: [4096, 229376, 262144, 0],
}
export const K2: BootConfig = {
  memory: [
    { start: 0, end: GiB, node: 0 },
    { start: GiB, end: 2 * GiB, node: 1 },
  ],
  maxZonePfn: [4096, 524288, 524288, 0],
}
export const KU: BootConfig = {
  memory: [
    { start: 0, end: 256 * MiB, node: 0 },
    { start: 256 * MiB, end: 1280 * MiB, node: 1 },
  ],
  maxZonePfn: [4096, 327680, 327680, 0],
}
export const T2: BootConfig = {
  memory: [
    { start: 0x1000, end: 0x9f000, node: 0 },
    { start: 0x100000, end: 0xc0000000, node: 0 },
    { start: 0x100000000, end: 0x140000000, node: 0 },
    { start: 0x140000000, end: 0x1c0000000, node: 1 },
    { start: 0x1e0000000, end: 0x240000000, node: 1 },
  ],
  reserved: [
    { start: 0x1000, end: 0x10000 },
    { start: 0x1000000, end: 0x2000000 },
    { start: 0x30000000, end: 0x31000000 },
    { start: 0x140000000, end: 0x140400000 },
  ],
  maxZonePfn: [4096, 1048576, 2359296, 0],
  cpuNode: [0, 0, 1, 1],
}
/** CPUs of a reference machine; the others have one. */
export const T2_CPUS = 4

export function boot(config: BootConfig, cpus = config.cpuNode?.length ?? 1): Phys {
  return bootPhys(testMachine(cpus), config)
}

/** Runs a function that may sleep to its end; every sleep is over at once, at its deadline. */
export function run<T>(phys: Phys, work: Sleep<T>, most = 1000): T {
  for (let i = 0; i < most; i++) {
    const step = work.next('woken')
    if (step.done === true) return step.value
    const { deadline } = step.value
    if (Number.isFinite(deadline)) phys.machine.clock.advanceTo(Math.max(deadline, phys.machine.clock.now))
  }
  throw new Error('still asleep')
}

/** Collects the tracepoints that `work` passes. */
export function traced(phys: Phys, work: () => void): { name: string; fields: TraceFields }[] {
  const events: { name: string; fields: TraceFields }[] = []
  phys.machine.trace.attach((name, fields) => events.push({ name, fields }))
  work()
  phys.machine.trace.attach(null)
  return events
}

// Requests by migrate type, without sleeping.
export const U = 0
export const R = __GFP_RECLAIMABLE
export const M = __GFP_MOVABLE | __GFP_HIGHMEM | __GFP_NORETRY
/** A page that must be there. */
export function take(phys: Phys, gfp: number, order = 0): Pfn {
  const page = allocPagesTry(phys, gfp, order)
  kassert(typeof page === 'number' && !isErr(page), 'the test machine has a page')
  return page
}
/** nr_free of every order. */
export function freeBlocks(phys: Phys, nid = 0, zone = 2): number[] {
  return [...phys.nodes[nid]!.zones[zone]!.nrFree]
}
/** Front-to-back pfns of one free list. */
export function listOf(phys: Phys, order: number, type: number, nid = 0, zone = 2): number[] {
  return phys.frames.listPfns(phys.nodes[nid]!.zones[zone]!.freeList(order, type))
}

import { kassert } from '../base/index.ts'
import type { Machine } from './machine.ts'
import { F_DIRTY, F_EXEC, F_GLOBAL, F_READ, F_USER, F_WRITE, LEVEL_FRAMES } from './pte/format.ts'
import { FRONT_MASK, FRONT_SLOTS, type Tlb } from './tlb.ts'

/** Recomputes the invariants of the door that concern more than one call; throws KernelPanic naming the broken one. */
export function verify(machine: Machine): void {
  const { memory, cpus, current } = machine
  kassert(cpus.includes(current.cpu), 'the current CPU is one of the machine')
  for (const cpu of cpus) {
    kassert(cpu.mmu.asid === cpu.tlb.asid, 'a CPU and its TLB agree on the address space', `cpu ${cpu.id}`)
    verifyTlb(cpu.tlb, (pfn) => memory.frameOffset(pfn))
  }
}

/**
 * Every front slot is derived from an architectural entry that is still there, belongs to the current address space,
 * has F_USER, and allows what the slot's tags say; a store tag has F_DIRTY.
 *
 * @param offsetOf  byte offset of a frame in memory
 */
export function verifyTlb(tlb: Tlb, offsetOf: (pfn: number) => number): void {
  for (let i = 0; i < FRONT_SLOTS; i++) {
    const e = tlb.frontEntryAt(i)
    // The common case first: an empty slot. Tests call this after every step.
    if (Number.isNaN(tlb.readTag[i]!) && Number.isNaN(tlb.writeTag[i]!) && Number.isNaN(tlb.execTag[i]!)) continue
    verifyTag(tlb, i, e, tlb.readTag[i]!, F_READ, offsetOf)
    verifyTag(tlb, i, e, tlb.writeTag[i]!, F_WRITE | F_DIRTY, offsetOf)
    verifyTag(tlb, i, e, tlb.execTag[i]!, F_EXEC, offsetOf)
  }
}

function verifyTag(tlb: Tlb, slot: number, e: number, tag: number, needed: number, offsetOf: (pfn: number) => number) {
  if (Number.isNaN(tag)) return
  kassert(e >= 0 && !tlb.isEmpty(e), 'a front slot is derived from an entry that is there', `slot ${slot}`)
  const distance = tag - tlb.vpn[e]!
  const flags = tlb.flags[e]!
  const isOurs = tlb.asidOf[e] === tlb.asid || (flags & F_GLOBAL) !== 0
  kassert((tag & FRONT_MASK) === slot, 'a front slot holds the pages of its index', `slot ${slot}`)
  kassert(distance >= 0 && distance < LEVEL_FRAMES[tlb.level[e]!]!, 'a front slot lies in its entry', `slot ${slot}`)
  kassert(isOurs, 'a front slot is of the current address space', `slot ${slot}`)
  kassert((flags & (needed | F_USER)) === (needed | F_USER), 'a front slot allows what its entry does', `slot ${slot}`)
  kassert(tlb.frontOffset[slot] === offsetOf(tlb.pfnAt(e, tag)), 'a front slot names the frame of its entry')
}

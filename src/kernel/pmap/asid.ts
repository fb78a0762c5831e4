// Address-space identifiers of one TLB (specification, 2.26.2).
//
//   owner[a]  the pmap that translations tagged `a` belong to, or null
//   isUsed[a] may not be handed out: owned, or given up while the TLB may still hold entries tagged `a`
//
// ASID 0 is the kernel's. Identifiers are not reused one by one; when all are used, reinitialise sorts out which are
// really in the TLB.

import { F_GLOBAL, type Cpu } from '../../machine/index.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

export class AsidSpace {
  readonly max: number
  readonly owner: (Pmap | null)[]
  readonly isUsed: Uint8Array
  /** Identifiers that are not used. */
  free: number
  /** Where to look first. */
  hint = 1

  constructor(max: number) {
    this.max = max
    this.owner = Array.from({ length: max + 1 }, () => null)
    this.isUsed = new Uint8Array(max + 1)
    this.free = max
  }
}

/** Gives a pmap an ASID on a CPU where it has none. No TLB entry is tagged with it. */
export function takeAsid(room: Pmaps, cpu: Cpu, pmap: Pmap): void {
  const space = room.cpus[cpu.id].asids
  if (space.free === 0) reinitialiseAsids(room, cpu)
  const asid = space.hint <= space.max && space.isUsed[space.hint] === 0 ? space.hint : space.isUsed.indexOf(0, 1)
  space.isUsed[asid] = 1
  space.free--
  space.hint = asid + 1
  space.owner[asid] = pmap
  pmap.asid[cpu.id] = asid
  pmap.active |= 1 << cpu.id
}

/** Takes a pmap's ASID on a CPU away: it will get a new one. The old one stays used, for the TLB may hold it. */
export function dropAsid(room: Pmaps, cpuId: number, pmap: Pmap): void {
  const asid = pmap.asid[cpuId]
  pmap.active &= ~(1 << cpuId)
  pmap.lazy &= ~(1 << cpuId)
  if (asid === 0) return
  room.cpus[cpuId].asids.owner[asid] = null
  pmap.asid[cpuId] = 0
  room.counters.asidDrops++
}

// All ASIDs are used.
//   1. which ones occur in the TLB?
//   2. half of them or more: flush the user entries, then none does
//   3. pmaps on the processor keep theirs, and so do those whose ASID occurs; the others get a new one when they run
function reinitialiseAsids(room: Pmaps, cpu: Cpu): void {
  const space = room.cpus[cpu.id].asids
  const { isUsed, owner } = space
  room.counters.asidReinits++
  isUsed.fill(0)
  let used = 0
  cpu.tlb.forEachEntry((_vpn, _level, _pfn, flags, asid) => {
    if ((flags & F_GLOBAL) !== 0 || asid === 0 || isUsed[asid] !== 0) return
    isUsed[asid] = 1
    used++
  })
  if (used >= space.max / 2) {
    cpu.tlb.invalidateAll(true)
    isUsed.fill(0)
    room.counters.asidFlushes++
  }
  const bit = 1 << cpu.id
  for (let asid = 1; asid <= space.max; asid++) {
    const pmap = owner[asid]
    if (pmap === null) continue
    if ((pmap.onProc & bit) !== 0) isUsed[asid] = 1
    else if (isUsed[asid] === 0) dropAsid(room, cpu.id, pmap)
  }
  space.free = 0
  for (let asid = 1; asid <= space.max; asid++) if (isUsed[asid] === 0) space.free++
  space.hint = 1
}

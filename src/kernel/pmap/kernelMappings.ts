// Mappings of kernel addresses that nobody asks about: unmanaged, wired in effect, the same in every address space.

import { ENOMEM, isErr, kassert, PAGE_SIZE, panic, type Err, type Pfn } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY, F_GLOBAL, F_MANAGED, F_VALID, F_WRITE, type VaRange } from '../../machine/index.ts'
import { TABLE_SPAN, VM_PROT_READ, VM_PROT_WRITE } from './constants.ts'
import { writeLeaf } from './pmapEnter.ts'
import { nextRun } from './runs.ts'
import { pmapShootdownKernel, queueInvalidation, refillHere } from './shootdown.ts'
import { ensureEntry, findEntry } from './tables.ts'
import type { Pmaps } from './pmaps.ts'

/** Addresses that uvm_km may hand out. */
export function pmapVirtualSpace(room: Pmaps): VaRange {
  return room.layout.kernelMap
}

/**
 * Makes page tables for [start, end) of the kernel half, so that pmapKenterPa finds them.
 *
 * @errors ENOMEM  the tables made so far stay
 */
export function pmapKernelTables(room: Pmaps, start: number, end: number): 0 | Err {
  for (let va = start; va < end; va = (Math.floor(va / TABLE_SPAN) + 1) * TABLE_SPAN)
    if (ensureEntry(room.kernel, va) < 0) return ENOMEM
  return 0
}

/**
 * Makes page tables for the kernel map up to `maxva`.
 *
 * @returns the address below which there are tables: at least maxva, and never less than before
 * @locks   kernel map; a lack of memory is a panic
 * @manual  pmap_growkernel, pmap(9), NetBSD
 */
export function pmapGrowkernel(room: Pmaps, maxva: number): number {
  if (maxva <= room.kernelLimit) return room.kernelLimit
  const { end } = room.layout.kernelMap
  kassert(maxva <= end, 'the kernel map ends where the layout says', `${maxva}`)
  const limit = Math.min(Math.ceil(maxva / TABLE_SPAN) * TABLE_SPAN, end)
  if (isErr(pmapKernelTables(room, room.kernelLimit, limit))) panic('there is memory for the kernel page tables')
  room.kernelLimit = limit
  return limit
}

/**
 * Maps a kernel page, unmanaged. The tables are there (pmapGrowkernel, pmapKernelTables).
 *
 * @param prot  VM_PROT_…, not none
 * @locks  none, interrupt context too. If something else was mapped there, other CPUs hear of it at pmapUpdate
 * @manual pmap_kenter_pa, pmap(9), NetBSD
 */
export function pmapKenterPa(room: Pmaps, va: number, pfn: Pfn | number, prot: number): void {
  kassert((va & 0xfff) === 0 && room.kernel.covers(va) && prot !== 0, 'a kernel page is entered at a kernel address')
  if (writeKernelLeaf(room, va, pfn, prot)) {
    refillHere(room.kernel, va)
    queueInvalidation(room.kernel, va)
  }
}

/**
 * Removes the unmanaged kernel mappings in [va, va + bytes); holes are ignored.
 *
 * @locks  none; addresses and frames may be used again after pmapUpdate(room.kernel)
 * @manual pmap_kremove, pmap(9), NetBSD
 */
export function pmapKremove(room: Pmaps, va: number, bytes: number): void {
  clearKernelLeaves(room, va, va + bytes, true)
}
/** The same; the caller owes the TLBs a pmapShootdownKernel of the range. */
export function pmapKremoveNoFlush(room: Pmaps, va: number, bytes: number): void {
  clearKernelLeaves(room, va, va + bytes, false)
}

/**
 * Maps pages at consecutive kernel addresses, readable and writable, unmanaged. If that changes a mapping, no TLB holds
 * an old one on return.
 *
 * @manual pmap_qenter(9), FreeBSD
 */
export function pmapQenter(room: Pmaps, sva: number, pfns: readonly number[], count: number = pfns.length): void {
  let isChange = false
  for (let i = 0; i < count; i++) {
    if (writeKernelLeaf(room, sva + i * PAGE_SIZE, pfns[i], VM_PROT_READ | VM_PROT_WRITE)) isChange = true
  }
  if (isChange) pmapShootdownKernel(room, sva, sva + count * PAGE_SIZE)
}
/**
 * Removes `count` such mappings; no TLB holds one on return. The pages are the caller's.
 *
 * @manual pmap_qremove(9), FreeBSD
 */
export function pmapQremove(room: Pmaps, sva: number, count: number): void {
  const eva = sva + count * PAGE_SIZE
  clearKernelLeaves(room, sva, eva, false)
  pmapShootdownKernel(room, sva, eva)
}

/** True if a mapping that allowed other things or mapped another frame was there. */
function writeKernelLeaf(room: Pmaps, va: number, pfn: number, prot: number): boolean {
  const { format, memory, frames } = room
  const word = findEntry(room.kernel, va)
  if (room.level !== 0) panic('kernel page tables are made before they are used', `${va}`)
  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  const isValid = format.isValid(lo, hi)
  if (isValid) kassert((format.flagsOf(lo, hi, 0) & F_MANAGED) === 0, 'an unmanaged mapping replaces none but its like')
  else frames.private[room.tableFrame]++
  // Nobody asks about A and D: set, they cost the walker no write.
  const allowed = (prot & VM_PROT_WRITE) !== 0 ? prot | VM_PROT_READ : prot
  const dirty = (allowed & F_WRITE) !== 0 ? F_DIRTY : 0
  writeLeaf(room, word, pfn, F_VALID | F_GLOBAL | F_ACCESSED | dirty | allowed)
  return isValid && (memory.i32[word] !== lo || memory.i32[word + 1] !== hi)
}

function clearKernelLeaves(room: Pmaps, sva: number, eva: number, flush: boolean): void {
  const { kernel, format, memory, frames } = room
  kassert(sva < 0 && eva <= 0, 'kernel mappings have kernel addresses')
  const words = memory.i32
  for (let word = nextRun(kernel, sva, eva), next = 0; word >= 0; word = nextRun(kernel, next, eva)) {
    kassert(room.level === 0, 'the direct map stays')
    const { runStart, runEnd, tableFrame } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      const lo = words[word]
      const hi = words[word + 1]
      if (!format.isValid(lo, hi)) continue
      const flags = format.flagsOf(lo, hi, 0)
      kassert((flags & F_MANAGED) === 0, 'pmap_kremove removes unmanaged mappings')
      words[word] = 0
      words[word + 1] = 0
      frames.private[tableFrame]--
      if (flush && (flags & F_ACCESSED) !== 0) queueInvalidation(kernel, va)
    }
  }
}

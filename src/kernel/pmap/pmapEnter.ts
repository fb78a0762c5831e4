import { ENOMEM, kassert, panic, type Err, type Pfn } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY, F_GLOBAL, F_MANAGED, F_USER, F_VALID, F_WIRED } from '../../machine/index.ts'
import { PG_arch_1 } from '../phys/index.ts'
import {
  F_PROT,
  needsInvalidation,
  PMAP_CANFAIL,
  PMAP_WIRED,
  VM_PROT_ALL,
  VM_PROT_EXECUTE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from './constants.ts'
import { splitAt } from './large.ts'
import { dropLeaf, isManaged, linkFrame } from './leaf.ts'
import { drain, queueInvalidation, refillHere } from './shootdown.ts'
import { ensureEntry } from './tables.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

/**
 * Maps the page at `va` to a frame, now. Hot: makes no object.
 *
 *   1. room in the reverse map and page tables, or no change at all
 *   2. absent before (or a software entry, which is replaced): write the entry; no TLB can hold anything
 *   3. the same frame before: keep A and D, change protection and wiring in place
 *   4. another frame before: remove it, tell every TLB, then write the new entry
 *
 * A frame without a page of its own (PG_reserved, device memory) is entered unmanaged: no reverse map, no reference.
 *
 * @param va     page-aligned
 * @param pfn    frame; a managed one is referenced and counted until the mapping is gone
 * @param prot   VM_PROT_…, not none
 * @param flags  kind of access in bits 0-2 (part of `prot`), PMAP_WIRED, PMAP_CANFAIL, PMAP_UNMANAGED, cache mode
 * @errors ENOMEM  with PMAP_CANFAIL only: no frame for a page table. Without the flag that is a panic
 * @locks  the page's owner's lock; does not sleep. Invalidations of step 3 for other CPUs wait for pmapUpdate
 * @manual pmap_enter, pmap(9), NetBSD
 */
export function pmapEnter(pmap: Pmap, va: number, pfn: Pfn | number, prot: number, flags: number): 0 | Err {
  const { room } = pmap
  const { format, memory, frames } = room
  const allowed = (prot & VM_PROT_WRITE) !== 0 ? prot | VM_PROT_READ : prot
  kassert((va & 0xfff) === 0 && pmap.covers(va), 'a page is entered at a page of its half')
  kassert(prot !== 0 && (flags & VM_PROT_ALL & ~allowed) === 0, 'the access that causes a mapping is allowed by it')
  const f = frames.indexOf(pfn)
  const managed = isManaged(frames, f, flags)
  if (managed && !room.reverse.reserve()) return lacksMemory(flags)
  splitAt(pmap, va)
  const word = ensureEntry(pmap, va)
  if (word < 0) return lacksMemory(flags)

  let leaf = F_VALID | allowed | (pmap.isKernel ? F_GLOBAL : F_USER)
  if (managed) leaf |= F_MANAGED
  if ((flags & PMAP_WIRED) !== 0) leaf |= F_WIRED
  if ((flags & VM_PROT_ALL) !== 0) leaf |= (flags & VM_PROT_WRITE) !== 0 ? F_ACCESSED | F_DIRTY : F_ACCESSED
  if ((prot & VM_PROT_EXECUTE) !== 0 && managed && (frames.flags[f] & PG_arch_1) === 0) announceCode(room, f, pfn)

  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  if (format.isMapped(lo)) {
    const was = format.flagsOf(lo, hi, 0)
    if (format.pfnOf(lo, hi) === pfn && (was & F_MANAGED) === (leaf & F_MANAGED)) {
      replaceInPlace(pmap, va, word, pfn, was, leaf)
      return 0
    }
    dropLeaf(pmap, word, va)
    drain(room, room.machine.current.cpu)
  } else if ((lo | hi) === 0) frames.private[room.tableFrame]++

  format.encodeLeaf(pfn, leaf, 0)
  memory.i32[word] = format.lo
  memory.i32[word + 1] = format.hi
  if (managed) linkFrame(pmap, f, Math.floor(va / 4096))
  if ((flags & PMAP_WIRED) !== 0) pmap.wiredCount++
  room.counters.enters++
  return 0
}

// The frame's bytes came from the kernel, not from stores of a program: instructions decoded from it before are stale.
// PG_arch_1 says that this has been told; it goes when the frame is freed, or written by write(2).
export function announceCode(room: Pmaps, f: number, pfn: number): void {
  room.frames.flags[f] |= PG_arch_1
  room.newCode(pfn)
}

// The page stays, its protection or wiring changes.
function replaceInPlace(pmap: Pmap, va: number, word: number, pfn: number, was: number, wanted: number): void {
  const { format, memory, counters } = pmap.room
  const now = wanted | (was & (F_ACCESSED | F_DIRTY))
  if (now !== was) writeLeaf(pmap.room, word, pfn, now)
  pmap.wiredCount += ((now & F_WIRED) - (was & F_WIRED)) / F_WIRED
  counters.enters++
  // This CPU has faulted, perhaps on a translation that denies what the entry allows: it must look again.
  refillHere(pmap, va)
  if (needsInvalidation(was, format.flagsOf(memory.i32[word], memory.i32[word + 1], 0))) queueInvalidation(pmap, va)
}

/** Writes a leaf over a leaf; a hidden one if nothing is allowed. */
export function writeLeaf(room: Pmaps, word: number, pfn: number, flags: number): void {
  const { format, memory } = room
  if ((flags & F_PROT) === 0) format.encodeHidden(pfn, flags)
  else format.encodeLeaf(pfn, flags, 0)
  memory.i32[word] = format.lo
  memory.i32[word + 1] = format.hi
}

function lacksMemory(flags: number): Err {
  if ((flags & PMAP_CANFAIL) === 0) panic('a mapping that cannot fail finds memory for its page tables')
  return ENOMEM
}

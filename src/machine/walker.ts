// The page-table walk of the privileged specification, for every format: reads entries in RAM, sets A and D there.

import type { PhysicalMemory } from './physicalMemory.ts'
import { F_DIRTY, F_EXEC, F_READ, F_USER, F_WRITE, LEVEL_FRAMES, type PteFormat } from './pte/format.ts'

// Accesses. An AMO or SC is a store.
export const ACCESS_FETCH = 0
export const ACCESS_LOAD = 1
export const ACCESS_STORE = 2

export const MODE_USER = 0
/** Supervisor without SUM: never a user page. The kernel copies from and to users through their own translations. */
export const MODE_SUPERVISOR = 1

// Causes, with RISC-V's numbers. A translation that fails answers the cause negated (never 0: no translation
// answers CAUSE_FETCH_MISALIGNED).
export const CAUSE_FETCH_MISALIGNED = 0
export const CAUSE_FETCH_ACCESS = 1
export const CAUSE_LOAD_MISALIGNED = 4
export const CAUSE_LOAD_ACCESS = 5
export const CAUSE_STORE_MISALIGNED = 6
export const CAUSE_STORE_ACCESS = 7
export const CAUSE_FETCH_PAGE_FAULT = 12
export const CAUSE_LOAD_PAGE_FAULT = 13
export const CAUSE_STORE_PAGE_FAULT = 15

const WORDS_PER_FRAME = 1024

// By access.
const PAGE_FAULT: readonly number[] = [-CAUSE_FETCH_PAGE_FAULT, -CAUSE_LOAD_PAGE_FAULT, -CAUSE_STORE_PAGE_FAULT]
const ACCESS_FAULT: readonly number[] = [-CAUSE_FETCH_ACCESS, -CAUSE_LOAD_ACCESS, -CAUSE_STORE_ACCESS]
const NEEDED: readonly number[] = [F_EXEC, F_READ, F_WRITE]

/** The negative page-fault cause of an access. */
export const pageFaultOf = (access: number): number => PAGE_FAULT[access]!
/** The negative access-fault cause of an access. */
export const accessFaultOf = (access: number): number => ACCESS_FAULT[access]!

/** Does a leaf with these F_ flags let the access proceed? Silent about A and D. */
export function allows(flags: number, access: number, mode: number): boolean {
  if ((flags & NEEDED[access]!) === 0) return false
  return mode === MODE_USER ? (flags & F_USER) !== 0 : (flags & F_USER) === 0
}

/** One CPU's page walker. The result stands in its fields until the next walk. */
export class Walker {
  /** Frame of the page asked for; inside a superpage, the 4 KiB frame of `va`. */
  pfn = 0
  level = 0
  /** F_… of the leaf, A and D as the walk left them. */
  flags = 0
  /** Place of the frame in memory, as PhysicalMemory.framePlace. */
  place = 0
  /** Walks begun, and entries read by them. */
  walks = 0
  reads = 0

  /**
   * Translates `va` as the hardware does on a TLB miss, with Svadu: A, and for a store D, are set in RAM.
   *
   *   1. a canonical address, else page fault
   *   2. read the entry; a table that is not in RAM is an access fault
   *   3. not valid, or an encoding that the format reserves: page fault
   *   4. a pointer: next level; below the last level: page fault
   *   5. permission of leaf and tables, else page fault
   *   6. the frame is not in RAM: access fault
   *   7. set A, and D for a store
   *
   * @param rootPfn  frame of the root table; -1 if there is none
   * @param access   ACCESS_…
   * @param mode     MODE_…
   * @returns        0, or a negative cause; a walk that fails has changed nothing but A of x86-64 tables
   */
  walk(memory: PhysicalMemory, format: PteFormat, rootPfn: number, va: number, access: number, mode: number): number {
    this.walks++
    if (!format.isCanonical(va)) return PAGE_FAULT[access]!
    const words = memory.i32
    let allowed = -1
    let place = memory.framePlace(rootPfn)
    for (let level = format.levels - 1; level >= 0; level--) {
      if (place < 0) return ACCESS_FAULT[access]!
      const word = place * WORDS_PER_FRAME + format.indexAt(va, level) * 2
      const lo = words[word]!
      const hi = words[word + 1]!
      this.reads++
      if (!format.isValid(lo, hi) || format.hasReservedBits(lo, hi, level)) return PAGE_FAULT[access]!
      if (format.isLeaf(lo, hi, level))
        return this.#leaf(memory, format, va, access, mode, level, word, lo, hi, allowed)
      allowed &= format.allowedBelow(lo, hi)
      const touched = format.withTableAccessed(lo)
      if (touched !== lo) words[word] = touched
      place = format.placeOf(memory, lo, hi)
    }
    return PAGE_FAULT[access]!
  }

  #leaf(
    memory: PhysicalMemory,
    format: PteFormat,
    va: number,
    access: number,
    mode: number,
    level: number,
    word: number,
    lo: number,
    hi: number,
    allowed: number,
  ): number {
    const passed = format.flagsOf(lo, hi, level) & allowed
    if (!allows(passed, access, mode)) return PAGE_FAULT[access]!
    let pfn = format.pfnOf(lo, hi)
    let place: number
    if (level === 0) place = format.placeOf(memory, lo, hi)
    else {
      pfn += Math.floor(va / 4096) & (LEVEL_FRAMES[level]! - 1)
      place = memory.framePlace(pfn)
    }
    if (place < 0) return ACCESS_FAULT[access]!
    let marked = format.withAccessed(lo)
    if (access === ACCESS_STORE && (passed & F_DIRTY) === 0) marked = format.withDirty(marked)
    // Compare and set: nothing runs between the read and this write, so the comparison cannot fail.
    if (marked !== lo) memory.i32[word] = marked
    this.pfn = pfn
    this.level = level
    this.flags = format.flagsOf(marked, hi, level) & allowed
    this.place = place
    return 0
  }
}

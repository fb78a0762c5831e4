// Virtual address -> byte offset in the machine's memory, for one CPU.
//
//   translateRead -> front (one compare) -> missRead -> architectural TLB -> walker -> fill
//
// The answer is >= 0, or a negative cause. Permission comes from the cached entry: after an entry in RAM has been
// made to allow more, a CPU whose TLB holds the old one still faults, until that page is invalidated on it. Only a
// store through an entry whose D is clear walks again.

import { kassert, PAGE_MASK, PAGE_SIZE } from '../base/index.ts'
import type { PhysicalMemory } from './physicalMemory.ts'
import { F_DIRTY, type PteFormat } from './pte/format.ts'
import { FRONT_MASK, type Tlb } from './tlb.ts'
import {
  accessFaultOf,
  ACCESS_FETCH,
  ACCESS_LOAD,
  ACCESS_STORE,
  allows,
  MODE_SUPERVISOR,
  MODE_USER,
  pageFaultOf,
  Walker,
} from './walker.ts'

// What keeps a hit below four times the cost of the load itself (without: eight times):
// - constants of this module; V8 folds them into the code, but reads an imported one at each use, and then divides;
// - one truncation of `va` to its low word, which index and offset are cut from;
// - `+` before the cold part: hit and miss then meet as plain doubles, not as heap numbers.
const PAGE = PAGE_SIZE
const IN_PAGE = PAGE_MASK
const MASK = FRONT_MASK

export class Mmu {
  readonly memory: PhysicalMemory
  readonly tlb: Tlb
  readonly walker = new Walker()
  format: PteFormat
  /** Frame of the root table; -1 before the first setRoot: every translation faults. */
  root = -1
  asid = 0
  // The front arrays of `tlb`, which never move: one load less on the way of every access.
  readonly #readTag: Float64Array
  readonly #writeTag: Float64Array
  readonly #execTag: Float64Array
  readonly #frontOffset: Uint32Array

  constructor(memory: PhysicalMemory, tlb: Tlb, format: PteFormat) {
    this.memory = memory
    this.tlb = tlb
    this.format = format
    this.#readTag = tlb.readTag
    this.#writeTag = tlb.writeTag
    this.#execTag = tlb.execTag
    this.#frontOffset = tlb.frontOffset
  }

  get walks(): number {
    return this.walker.walks
  }
  /** Page-table entries read by walks. */
  get walkReads(): number {
    return this.walker.reads
  }

  /**
   * Switches the address space, as writing satp does: TLB entries of other ASIDs stay, unused. Reusing an ASID for
   * another root needs invalidateAsid first.
   */
  setRoot(format: PteFormat, rootPfn: number, asid: number): void {
    kassert(format === this.format || this.root < 0, 'a CPU keeps one page-table format')
    this.format = format
    this.root = rootPfn
    this.asid = asid
    this.tlb.setAsid(asid)
  }

  /** Where a user load of the byte at `va` reads; else -CAUSE_LOAD_…. An access that crosses a page asks twice. */
  translateRead(va: number): number {
    const low = va | 0
    const i = (low >>> 12) & MASK
    if (this.#readTag[i] === Math.floor(va / PAGE)) return this.#frontOffset[i]! + (low & IN_PAGE)
    return +this.#miss(va, Math.floor(va / PAGE), ACCESS_LOAD)
  }
  /** Where a user store writes; else -CAUSE_STORE_…. The entry's D is set in RAM before the answer. */
  translateWrite(va: number): number {
    const low = va | 0
    const i = (low >>> 12) & MASK
    if (this.#writeTag[i] === Math.floor(va / PAGE)) return this.#frontOffset[i]! + (low & IN_PAGE)
    return +this.#miss(va, Math.floor(va / PAGE), ACCESS_STORE)
  }
  /** Where a user instruction is fetched; else -CAUSE_FETCH_…. */
  translateFetch(va: number): number {
    const low = va | 0
    const i = (low >>> 12) & MASK
    if (this.#execTag[i] === Math.floor(va / PAGE)) return this.#frontOffset[i]! + (low & IN_PAGE)
    return +this.#miss(va, Math.floor(va / PAGE), ACCESS_FETCH)
  }
  /** Supervisor access: entries without F_USER only. Goes through the architectural TLB, without the front. */
  translateKernel(va: number, access: number): number {
    const vpn = Math.floor(va / PAGE)
    const frame = this.#translate(va, vpn, access, MODE_SUPERVISOR)
    return frame < 0 ? frame : frame + (va & IN_PAGE)
  }

  // Cold part of the three above.
  #miss(va: number, vpn: number, access: number): number {
    const frame = this.#translate(va, vpn, access, MODE_USER)
    return frame < 0 ? frame : frame + (va & IN_PAGE)
  }
  #translate(va: number, vpn: number, access: number, mode: number): number {
    const tlb = this.tlb
    const e = tlb.lookup(vpn, this.asid)
    if (e >= 0) {
      const flags = tlb.flags[e]!
      if (!allows(flags, access, mode)) return pageFaultOf(access)
      if (access !== ACCESS_STORE || (flags & F_DIRTY) !== 0) {
        const offset = this.memory.frameOffset(tlb.pfnAt(e, vpn))
        if (offset < 0) return accessFaultOf(access)
        tlb.fillFront(e, vpn, offset)
        return offset
      }
    }
    const walker = this.walker
    const cause = walker.walk(this.memory, this.format, this.root, va, access, mode)
    if (cause < 0) return cause
    const offset = walker.place * PAGE
    // A store may walk because the entry there has D clear: that one is replaced.
    if (e >= 0) tlb.fill(vpn, walker.level, walker.pfn, walker.flags, this.asid, offset)
    else tlb.fillMissing(vpn, walker.level, walker.pfn, walker.flags, this.asid, offset)
    return offset
  }
}

import type { Pmap } from './pmaps.ts'

/** Addresses a mailbox remembers one by one; the next one makes it "flush all of it". */
export const MAILBOX_ADDRESSES = 6

/**
 * Invalidations that one CPU still owes the TLBs, its own included (specification, 2.23.2 and 2.26.3).
 *
 *   isFlush false: n pairs (owner[i], address[i])
 *   isFlush true:  flushKernel: every kernel address; flushPmap: everything of one pmap; flushUser: every user address
 *
 * What must outlive the translations waits here too: tables that have been unlinked, and the last references to frames.
 */
export class Mailbox {
  readonly address = new Float64Array(MAILBOX_ADDRESSES)
  readonly owner: (Pmap | null)[] = Array.from({ length: MAILBOX_ADDRESSES }, () => null)
  n = 0
  isFlush = false
  flushKernel = false
  flushUser = false
  flushPmap: Pmap | null = null
  /** CPUs that are concerned, one bit each. */
  targets = 0
  /** Frames of unlinked page-table pages, freed after the drain. */
  readonly tables: number[] = []
  /** Frames whose reference from a PTE was the last one, put after the drain. */
  readonly frames: number[] = []

  /** Nothing to invalidate and nothing to free. */
  get isEmpty(): boolean {
    return this.targets === 0 && this.tables.length === 0 && this.frames.length === 0
  }
  add(pmap: Pmap, va: number, targets: number): void {
    this.targets |= targets
    if (this.isFlush) this.#widen(pmap)
    else if (this.n < MAILBOX_ADDRESSES) {
      this.owner[this.n] = pmap
      this.address[this.n] = va
      this.n++
    } else this.addAll(pmap, targets)
  }
  /** Everything of a pmap. */
  addAll(pmap: Pmap, targets: number): void {
    this.targets |= targets
    this.isFlush = true
    for (let i = 0; i < this.n; i++) {
      this.#widen(this.owner[i]!)
      this.owner[i] = null
    }
    this.n = 0
    this.#widen(pmap)
  }
  /** The invalidations have been made. */
  clearRequests(): void {
    for (let i = 0; i < this.n; i++) this.owner[i] = null
    this.n = 0
    this.isFlush = false
    this.flushKernel = false
    this.flushUser = false
    this.flushPmap = null
    this.targets = 0
  }
  /** Is the translation of `va` in `pmap` about to be invalidated? */
  covers(pmap: Pmap, va: number): boolean {
    if (this.isFlush) return pmap.isKernel ? this.flushKernel : this.flushUser || this.flushPmap === pmap
    for (let i = 0; i < this.n; i++) if (this.owner[i] === pmap && this.address[i] === va) return true
    return false
  }
  /** Is anything of `pmap` about to be invalidated? */
  concerns(pmap: Pmap): boolean {
    if (this.isFlush) return this.flushUser || this.flushPmap === pmap
    for (let i = 0; i < this.n; i++) if (this.owner[i] === pmap) return true
    return false
  }

  // Requests combine: nobody -> one pmap -> all user; kernel -> all kernel; both -> everything.
  #widen(pmap: Pmap): void {
    if (pmap.isKernel) this.flushKernel = true
    else if (this.flushUser || this.flushPmap === pmap) return
    else if (this.flushPmap === null) this.flushPmap = pmap
    else {
      this.flushUser = true
      this.flushPmap = null
    }
  }
}

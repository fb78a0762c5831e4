// What this room asks of the rooms below, as small interfaces: tests bind doubles to them.

import type { Err, OrErr, Pfn, Sleep, WouldSleep } from '../../base/index.ts'

/** Where page frames come from. Without __GFP_WAIT, `allocPagesTry` never answers WouldSleep. */
export interface PageSource {
  allocPagesTry(gfp: number, order: number): Pfn | WouldSleep | Err
  allocPages(gfp: number, order: number): Sleep<OrErr<Pfn>>
  freePages(pfn: Pfn, order: number): void
  /** Told when 2^order frames become slab pages, or stop being that. For the counters of the frame table. */
  markSlab?(pfn: Pfn, order: number, isSlab: boolean, isReclaimable: boolean): void
}

/** The bytes of simulated RAM. An aligned block of up to 512 frames is contiguous in `u8`. */
export interface RamBytes {
  readonly u8: Uint8Array
  /** Offset of the frame in `u8`, backing it if need be; -1 if there is no RAM or no backing left. */
  frameOffset(pfn: number): number
}

/** Who runs: the part of `machine.current` that says whether it may sleep. */
export interface Running {
  readonly cpu: {
    readonly interruptsEnabled: boolean
    readonly preemptionDepth: number
    readonly interruptLevel: number
  }
}

/**
 * Memory for descriptors. They live outside simulated RAM (specification 0.2), so by default there is always room;
 * tests refuse here what a real kernel could fail to allocate.
 */
export interface Bookkeeping {
  reserve(what: BookkeepingKind, bytes: number): boolean
}
export type BookkeepingKind =
  | 'mempool'
  | 'mempool elements'
  | 'kmem_cache'
  | 'slab'
  | 'dma_pool'
  | 'dma_page'
  | 'device resource'

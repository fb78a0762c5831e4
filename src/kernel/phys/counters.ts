// Counters with the kernels' names. A zone counter is exact and per zone; an event only ever grows.

export const ZONE_STAT_NAMES = [
  'nr_free_pages',
  'nr_alloc_batch',
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
  'nr_unevictable',
  'nr_mlock',
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_dirty',
  'nr_writeback',
  'nr_slab_reclaimable',
  'nr_slab_unreclaimable',
  'nr_page_table_pages',
  'nr_kernel_stack',
  'nr_unstable',
  'nr_bounce',
  'nr_vmscan_write',
  'nr_vmscan_immediate_reclaim',
  'nr_writeback_temp',
  'nr_isolated_anon',
  'nr_isolated_file',
  'nr_shmem',
  'nr_dirtied',
  'nr_written',
  'nr_pages_scanned',
  'numa_hit',
  'numa_miss',
  'numa_foreign',
  'numa_interleave',
  'numa_local',
  'numa_other',
  'workingset_refault',
  'workingset_activate',
  'workingset_nodereclaim',
  'nr_anon_transparent_hugepages',
  'nr_free_cma',
] as const
export type ZoneStatName = (typeof ZONE_STAT_NAMES)[number]

// Positions in Zone.stat, in the order of ZONE_STAT_NAMES.
export const NR_FREE_PAGES = 0
export const NR_ALLOC_BATCH = 1
export const NR_INACTIVE_ANON = 2
export const NR_ACTIVE_ANON = 3
export const NR_INACTIVE_FILE = 4
export const NR_ACTIVE_FILE = 5
export const NR_UNEVICTABLE = 6
export const NR_MLOCK = 7
export const NR_ANON_PAGES = 8
export const NR_FILE_MAPPED = 9
export const NR_FILE_PAGES = 10
export const NR_FILE_DIRTY = 11
export const NR_WRITEBACK = 12
export const NR_SLAB_RECLAIMABLE = 13
export const NR_SLAB_UNRECLAIMABLE = 14
export const NR_PAGETABLE = 15
export const NR_KERNEL_STACK = 16
export const NR_UNSTABLE = 17
export const NR_BOUNCE = 18
export const NR_VMSCAN_WRITE = 19
export const NR_VMSCAN_IMMEDIATE = 20
export const NR_WRITEBACK_TEMP = 21
export const NR_ISOLATED_ANON = 22
export const NR_ISOLATED_FILE = 23
export const NR_SHMEM = 24
export const NR_DIRTIED = 25
export const NR_WRITTEN = 26
export const NR_PAGES_SCANNED = 27
export const NUMA_HIT = 28
export const NUMA_MISS = 29
export const NUMA_FOREIGN = 30
export const NUMA_INTERLEAVE = 31
export const NUMA_LOCAL = 32
export const NUMA_OTHER = 33
export const WORKINGSET_REFAULT = 34
export const WORKINGSET_ACTIVATE = 35
export const WORKINGSET_NODERECLAIM = 36
export const NR_ANON_TRANSPARENT_HUGEPAGES = 37
export const NR_FREE_CMA_PAGES = 38
export const NR_ZONE_STATS = 39

// The zone words are filled in by the configuration: dma, dma32, normal, movable or dma, normal, high, movable.
const EVENT_NAMES_AFTER_ZONES = [
  'pgfree',
  'pgactivate',
  'pgdeactivate',
  'pgfault',
  'pgmajfault',
  'pgscan_kswapd',
  'pgscan_direct',
  'pgsteal_kswapd',
  'pgsteal_direct',
  'pginodesteal',
  'slabs_scanned',
  'kswapd_inodesteal',
  'kswapd_low_wmark_hit_quickly',
  'kswapd_high_wmark_hit_quickly',
  'pageoutrun',
  'allocstall',
  'pgrotated',
  'zone_reclaim_failed',
  'drop_pagecache',
  'drop_slab',
  'pgmigrate_success',
  'pgmigrate_fail',
  'compact_migrate_scanned',
  'compact_free_scanned',
  'compact_isolated',
  'compact_stall',
  'compact_fail',
  'compact_success',
  'pgpgin',
  'pgpgout',
  'pswpin',
  'pswpout',
  'unevictable_pgs_culled',
  'unevictable_pgs_scanned',
  'unevictable_pgs_rescued',
  'unevictable_pgs_mlocked',
  'unevictable_pgs_munlocked',
  'unevictable_pgs_cleared',
  'unevictable_pgs_stranded',
  'nr_tlb_remote_flush',
  'nr_tlb_remote_flush_received',
  'nr_tlb_local_flush_all',
  'nr_tlb_local_flush_one',
  'oom_kill',
] as const
/** Later kernels' events, which the texts of 4.0 do not show. */
const LATER_EVENT_NAMES = [
  'allocstall_movable',
  'allocstall_normal',
  'pglazyfree',
  'pglazyfreed',
  'pgscan_anon',
  'pgscan_file',
  'pgsteal_anon',
  'pgsteal_file',
  'pgrefill',
  'zone_reclaim_success',
] as const
export type EventName = (typeof EVENT_NAMES_AFTER_ZONES)[number] | (typeof LATER_EVENT_NAMES)[number]

// The first positions are the four pgalloc_* counters, by zone index.
export const PGALLOC = 0
export const PGFREE = 4

/** Event counters since boot. Hot code adds to `counts[position]`; everybody else says `add(name)`. */
export class VmEvents {
  readonly names: readonly string[]
  readonly counts: Float64Array
  readonly #position = new Map<string, number>()
  /** Adds what hot code has only noted (hotPage.ts). */
  fold: () => void = () => {}
  constructor(zoneWords: readonly string[]) {
    this.names = [...zoneWords.map((word) => `pgalloc_${word}`), ...EVENT_NAMES_AFTER_ZONES]
    const all = [...this.names, ...LATER_EVENT_NAMES]
    this.counts = new Float64Array(all.length)
    all.forEach((name, i) => this.#position.set(name, i))
  }
  position(name: EventName): number {
    return this.#position.get(name)!
  }
  add(name: EventName, n = 1): void {
    this.counts[this.#position.get(name)!]! += n
  }
  get(name: string): number {
    this.fold()
    const i = this.#position.get(name)
    return i === undefined ? 0 : this.counts[i]!
  }
}

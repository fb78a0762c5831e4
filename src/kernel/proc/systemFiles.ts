// The texts of /proc that are about the whole system.

import { PAGE_SIZE } from '../../base/index.ts'
import { commitLimit } from '../map/index.ts'
import { PG_anon, PG_pagetable, PG_slab, PG_swapbacked, type Phys, WMARK_LOW } from '../phys/index.ts'
import type { Kernel } from '../process/index.ts'
import { dirtyThresholds } from '../writeback/index.ts'
import { committedPages } from './committed.ts'
import { LARGE_PAGES } from './largeFrames.ts'
import { vmallocPages } from './memoryTexts.ts'
import { listRows, sumCounters, zoneCounters } from './zoneCounters.ts'

/** What the frames hold now, in pages, told from the frame table itself. */
export interface FrameUse {
  anon: number
  /** Pages of files and of file systems in memory. */
  file: number
  shmem: number
  slab: number
  pageTables: number
}
/** Counts frames by owner. Every frame is looked at: for texts and reports, not for hot paths. */
export function countFrames(phys: Phys): FrameUse {
  const use: FrameUse = { anon: 0, file: 0, shmem: 0, slab: 0, pageTables: 0 }
  const { frames } = phys
  for (let f = 0; f < frames.count; f++) {
    const flags = frames.flags[f]!
    if (frames.refcount[f]! <= 0) continue
    if ((flags & PG_pagetable) !== 0) use.pageTables++
    else if ((flags & PG_slab) !== 0) use.slab++
    else if (frames.owner[f] !== 0) {
      if ((flags & PG_anon) !== 0) use.anon++
      else if ((flags & PG_swapbacked) !== 0) use.shmem++
      else use.file++
    }
  }
  return use
}

/** /proc/meminfo. @manual proc_meminfo(5); system-call specification 2.6 */
export function meminfoText(kernel: Kernel): string {
  const { phys, machine, vm } = kernel
  const counters = sumCounters(zoneCounters(kernel))
  const of = (name: string): number => counters.get(name) ?? 0
  const low = phys.populatedZones.reduce((sum, zone) => sum + zone.watermark[WMARK_LOW]!, 0)
  const fileLists = of('nr_active_file') + of('nr_inactive_file')
  const available = of('nr_free_pages') - low + fileLists - Math.min(fileLists / 2, low)
  const { vmalloc } = machine.layout
  const rows: [string, number][] = [
    ['MemTotal', phys.totalramPages],
    ['MemFree', of('nr_free_pages')],
    ['MemAvailable', Math.max(0, Math.floor(available))],
    // Always 0: no file system here caches blocks of a device beside the pages of its files.
    ['Buffers', 0],
    ['Cached', of('nr_file_pages') - of('nr_swapcached')],
    ['SwapCached', of('nr_swapcached')],
    ...listRows(counters),
    ['SwapTotal', vm.anons.swap?.swpages ?? 0],
    ['SwapFree', vm.anons.swap?.freePages ?? 0],
    ['Zswap', 0],
    ['Zswapped', 0],
    ['Dirty', of('nr_dirty')],
    ['Writeback', of('nr_writeback')],
    ['AnonPages', of('nr_anon_pages')],
    ['Mapped', of('nr_mapped')],
    ['Shmem', of('nr_shmem')],
    ['KReclaimable', of('nr_slab_reclaimable')],
    ['Slab', of('nr_slab_reclaimable') + of('nr_slab_unreclaimable')],
    ['SReclaimable', of('nr_slab_reclaimable')],
    ['SUnreclaim', of('nr_slab_unreclaimable')],
    // Always 0: threads have no stack in the kernel; what they do there runs on the host's.
    ['KernelStack', 0],
    ['PageTables', of('nr_page_table_pages')],
    // Always 0, down to WritebackTmp: no virtual machines, no NFS, no memory out of a device's reach, no FUSE.
    ['SecPageTables', 0],
    ['NFS_Unstable', 0],
    ['Bounce', 0],
    ['WritebackTmp', 0],
    ['CommitLimit', Math.floor(commitLimit(vm) / PAGE_SIZE)],
    ['Committed_AS', committedPages(kernel)],
    ['VmallocTotal', (vmalloc.end - vmalloc.start) / PAGE_SIZE],
    ['VmallocUsed', vmallocPages(kernel)],
    ['VmallocChunk', 0],
    // Always 0: what is kept for each CPU is not in simulated memory.
    ['Percpu', 0],
    ['AnonHugePages', of('nr_anon_transparent_hugepages') * LARGE_PAGES],
    // Always 0: only private memory is filled 2 MiB at a time, and nobody takes memory away from a guest's machine.
    ['ShmemHugePages', 0],
    ['ShmemPmdMapped', 0],
    ['FileHugePages', 0],
    ['FilePmdMapped', 0],
    ['Balloon', 0],
  ]
  return (
    rows.map(([name, pages]) => `${`${name}:`.padEnd(16)}${String(pages * 4).padStart(8)} kB\n`).join('') +
    // There is no pool of huge pages: MAP_HUGETLB is refused.
    ['Total', 'Free', 'Rsvd', 'Surp'].map((name) => `${`HugePages_${name}:`.padEnd(16)}${'0'.padStart(8)}\n`).join('') +
    'Hugepagesize:       2048 kB\nHugetlb:               0 kB\n'
  )
}

/** The names of /proc/vmstat in order (6.18). Counters without a mechanism here print 0. */
const VMSTAT_NAMES =
  `nr_free_pages nr_free_pages_blocks nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable
nr_zone_write_pending nr_mlock nr_zspages nr_free_cma numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other nr_inactive_anon
nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon nr_isolated_file
workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon
workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback nr_shmem nr_shmem_hugepages
nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied
nr_written nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released nr_kernel_stack nr_page_table_pages
nr_sec_page_table_pages nr_iommu_pages nr_swapcached pgpromote_success pgpromote_candidate pgpromote_candidate_nrl pgdemote_kswapd pgdemote_direct
pgdemote_khugepaged pgdemote_proactive nr_hugetlb nr_balloon_pages nr_kernel_file_pages nr_dirty_threshold nr_dirty_background_threshold
nr_memmap_pages nr_memmap_boot_pages pgpgin pgpgout pswpin pswpout pgalloc_dma pgalloc_dma32 pgalloc_normal pgalloc_movable pgalloc_device
allocstall_dma allocstall_dma32 allocstall_normal allocstall_movable allocstall_device pgskip_dma pgskip_dma32 pgskip_normal pgskip_movable
pgskip_device pgfree pgactivate pgdeactivate pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse pgsteal_kswapd pgsteal_direct
pgsteal_khugepaged pgsteal_proactive pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive pgscan_direct_throttle pgscan_anon pgscan_file
pgsteal_anon pgsteal_file zone_reclaim_success zone_reclaim_failed pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly
kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache drop_slab oom_kill numa_pte_updates numa_huge_pte_updates numa_hint_faults
numa_hint_faults_local numa_pages_migrated pgmigrate_success pgmigrate_fail thp_migration_success thp_migration_fail thp_migration_split
compact_migrate_scanned compact_free_scanned compact_isolated compact_stall compact_fail compact_success compact_daemon_wake
compact_daemon_migrate_scanned compact_daemon_free_scanned htlb_buddy_alloc_success htlb_buddy_alloc_fail unevictable_pgs_culled
unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded
thp_fault_alloc thp_fault_fallback thp_fault_fallback_charge thp_collapse_alloc thp_collapse_alloc_failed thp_file_alloc thp_file_fallback
thp_file_fallback_charge thp_file_mapped thp_split_page thp_split_page_failed thp_deferred_split_page thp_underused_split_page thp_split_pmd
thp_scan_exceed_none_pte thp_scan_exceed_swap_pte thp_scan_exceed_share_pte thp_split_pud thp_zero_page_alloc thp_zero_page_alloc_failed thp_swpout
thp_swpout_fallback balloon_inflate balloon_deflate balloon_migrate swap_ra swap_ra_hit swpin_zero swpout_zero ksm_swpin_copy cow_ksm zswpin zswpout
zswpwb direct_map_level2_splits direct_map_level3_splits direct_map_level2_collapses direct_map_level3_collapses nr_unstable`.split(
    /\s+/,
  )

/** /proc/vmstat. @manual proc_vmstat(5); system-call specification 2.6 */
export function vmstatText(kernel: Kernel): string {
  const { phys, vm, pmaps, files } = kernel
  const counters = sumCounters(zoneCounters(kernel))
  const mayBeDirty = dirtyThresholds(files.writeback)
  const own: Readonly<Record<string, number>> = {
    nr_dirty_threshold: mayBeDirty.dirty,
    nr_dirty_background_threshold: mayBeDirty.background,
    pgfault: vm.stats.minorFaults + vm.stats.majorFaults,
    pgmajfault: vm.stats.majorFaults,
    thp_fault_alloc: vm.stats.largePages,
    thp_collapse_alloc: vm.stats.collapses,
    thp_collapse_alloc_failed: vm.stats.collapseFailures,
    thp_split_pmd: pmaps.counters.demotions,
  }
  return VMSTAT_NAMES.map((name) => `${name} ${own[name] ?? counters.get(name) ?? phys.events.get(name)}\n`).join('')
}

// The texts of /proc that are about the whole system.

import { VM_ACCOUNT } from '../map/index.ts'
import type { Kernel } from '../process/index.ts'
import {
  freeCount,
  globalStat,
  NR_FILE_DIRTY,
  NR_MLOCK,
  NR_UNEVICTABLE,
  NR_WRITEBACK,
  PG_anon,
  PG_pagetable,
  PG_slab,
  PG_swapbacked,
  type Phys,
  WMARK_LOW,
  ZONE_STAT_NAMES,
} from '../phys/index.ts'

/** What the frames hold now, in pages, told from the frame table itself. */
export interface FrameUse {
  anon: number
  /** Pages of files and of file systems in memory. */
  file: number
  shmem: number
  slab: number
  pageTables: number
  /** Of `anon` + `file` + `shmem`: mapped by some process. */
  mapped: number
}
/** Counts frames by owner. Every frame is looked at: for texts and reports, not for hot paths. */
export function countFrames(phys: Phys): FrameUse {
  const use: FrameUse = { anon: 0, file: 0, shmem: 0, slab: 0, pageTables: 0, mapped: 0 }
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
      if (frames.mapcount[f]! >= 0) use.mapped++
    }
  }
  return use
}

/** Pages promised to processes: the private memory that is accounted for. */
export function committedPages({ processes }: Kernel): number {
  let pages = 0
  const seen = new Set<object>()
  for (const { space } of processes.byPid.values()) {
    if (space === null || seen.has(space)) continue
    seen.add(space)
    for (const entry of space.map.entries()) if ((entry.vmFlags & VM_ACCOUNT) !== 0) pages += entry.pageCount
  }
  return pages
}

/** /proc/meminfo. @manual proc_meminfo(5); system-call specification 2.6 */
export function meminfoText(kernel: Kernel): string {
  const { phys, machine } = kernel
  const use = countFrames(phys)
  const free = freeCount(phys)
  const cached = use.file + use.shmem
  const low = phys.populatedZones.reduce((sum, zone) => sum + zone.watermark[WMARK_LOW]!, 0)
  const available = Math.max(0, free - low + use.file - Math.min(use.file / 2, low))
  const { vmalloc } = machine.layout
  const inactiveAnon = use.anon + use.shmem
  const committed = committedPages(kernel)
  const rows: [string, number][] = [
    ['MemTotal', phys.totalramPages],
    ['MemFree', free],
    ['MemAvailable', Math.floor(available)],
    ['Buffers', 0],
    ['Cached', cached],
    ['SwapCached', 0],
    ['Active', 0],
    ['Inactive', inactiveAnon + use.file],
    ['Active(anon)', 0],
    ['Inactive(anon)', inactiveAnon],
    ['Active(file)', 0],
    ['Inactive(file)', use.file],
    ['Unevictable', globalStat(phys, NR_UNEVICTABLE)],
    ['Mlocked', globalStat(phys, NR_MLOCK)],
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['Zswap', 0],
    ['Zswapped', 0],
    ['Dirty', globalStat(phys, NR_FILE_DIRTY)],
    ['Writeback', globalStat(phys, NR_WRITEBACK)],
    ['AnonPages', use.anon],
    ['Mapped', use.mapped],
    ['Shmem', use.shmem],
    ['KReclaimable', 0],
    ['Slab', use.slab],
    ['SReclaimable', 0],
    ['SUnreclaim', use.slab],
    ['KernelStack', 0],
    ['PageTables', use.pageTables],
    ['SecPageTables', 0],
    ['NFS_Unstable', 0],
    ['Bounce', 0],
    ['WritebackTmp', 0],
    [
      'CommitLimit',
      kernel.vm.commit.kbytes > 0
        ? Math.floor(kernel.vm.commit.kbytes / 4)
        : Math.floor((phys.totalramPages * kernel.vm.commit.ratio) / 100),
    ],
    ['Committed_AS', committed],
    ['VmallocTotal', (vmalloc.end - vmalloc.start) / 4096],
    ['VmallocUsed', 0],
    ['VmallocChunk', 0],
    ['Percpu', 0],
    ['AnonHugePages', 0],
    ['ShmemHugePages', 0],
    ['ShmemPmdMapped', 0],
    ['FileHugePages', 0],
    ['FilePmdMapped', 0],
    ['Balloon', 0],
  ]
  return (
    rows.map(([name, pages]) => `${`${name}:`.padEnd(16)}${String(pages * 4).padStart(8)} kB\n`).join('') +
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
  const { phys, vm } = kernel
  const use = countFrames(phys)
  const own: Readonly<Record<string, number>> = {
    nr_free_pages: freeCount(phys),
    nr_anon_pages: use.anon,
    nr_mapped: use.mapped,
    nr_file_pages: use.file + use.shmem,
    nr_shmem: use.shmem,
    nr_page_table_pages: use.pageTables,
    nr_slab_unreclaimable: use.slab,
    pgfault: vm.stats.minorFaults + vm.stats.majorFaults,
    pgmajfault: vm.stats.majorFaults,
  }
  const statAt = new Map<string, number>(ZONE_STAT_NAMES.map((name, i) => [name, i]))
  return VMSTAT_NAMES.map((name) => {
    const item = statAt.get(name.replace(/^nr_zone_/, 'nr_'))
    const value = own[name] ?? (item === undefined ? phys.events.get(name) : globalStat(phys, item))
    return `${name} ${value}\n`
  }).join('')
}

const ISA = 'rv64imafdc_zicntr_zicsr_zifencei'
/** /proc/cpuinfo as on RISC-V. */
export function cpuinfoText({ machine }: Kernel): string {
  return machine.cpus
    .map(
      ({ id }) =>
        `processor\t: ${id}\nhart\t\t: ${id}\nisa\t\t: ${ISA}\nmmu\t\t: ${machine.format.name}\nuarch\t\t: pagewright\n` +
        `mvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\nhart isa\t: ${ISA}\n\n`,
    )
    .join('')
}

/** /proc/stat: times in hundredths of a second. */
export function systemStatText(kernel: Kernel): string {
  const { machine, processes, files } = kernel
  const now = machine.clock.now
  const row = (name: string, busy: number, cpus: number) =>
    `${name} ${Math.floor(busy / 1e7)} 0 0 ${Math.max(0, Math.floor((now * cpus - busy) / 1e7))} 0 0 0 0 0 0\n`
  const total = machine.cpus.reduce((sum, cpu) => sum + cpu.time, 0)
  const alive = [...processes.byTid.values()]
  const running = alive.filter((thread) => thread.state === 'running' || thread.state === 'runnable').length
  return (
    row('cpu ', total, machine.cpus.length) +
    machine.cpus.map((cpu) => row(`cpu${cpu.id}`, cpu.time, 1)).join('') +
    `intr ${machine.cpus.reduce((sum, cpu) => sum + cpu.ipisReceived, 0)}\nctxt 0\nbtime ${files.bootSeconds}\n` +
    `processes ${processes.forks}\nprocs_running ${running}\nprocs_blocked 0\n`
  )
}
export function uptimeText({ machine }: Kernel): string {
  const seconds = (machine.clock.now / 1e9).toFixed(2)
  return `${seconds} ${seconds}\n`
}
export function loadavgText({ processes }: Kernel): string {
  const threads = [...processes.byTid.values()]
  const running = threads.filter((thread) => thread.state === 'running' || thread.state === 'runnable').length
  const last = threads.reduce((most, thread) => Math.max(most, thread.tid), 0)
  return `0.00 0.00 0.00 ${running}/${threads.length} ${last}\n`
}

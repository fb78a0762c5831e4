// The texts of /proc about zones, as 6.18 writes them: buddyinfo, pagetypeinfo, zoneinfo. What the kernel of our
// mechanisms has no counter for prints 0 (DESIGN.md, decision 17); the formats of that kernel are in the phys room.

import type { Kernel } from '../process/index.ts'
import {
  MAX_ORDER,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_RESERVE,
  MIGRATE_UNMOVABLE,
  type Node,
  normalThreshold,
  NR_FREE_PAGES,
  pageblockCounts,
  type Phys,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
  type Zone,
} from '../phys/index.ts'
import { type Counters, sumCounters, zoneCounters } from './zoneCounters.ts'

const left = (text: string | number, width: number): string => String(text).padStart(width)
const counts = (numbers: readonly number[], width: number): string => numbers.map((n) => `${left(n, width)} `).join('')
const ORDERS = Array.from({ length: MAX_ORDER }, (_, order) => order)

/** /proc/buddyinfo: free blocks of each order. @manual proc_buddyinfo(5); system-call specification 2.6 */
export function buddyinfoText({ phys }: Kernel): string {
  return phys.populatedZones
    .map((zone) => `Node ${zone.node}, zone ${left(zone.name, 8)} ${counts([...zone.nrFree], 6)}\n`)
    .join('')
}

/** Migrate types in the order and with the names of 6.18: what was the reserve is kept for high-order atomic requests. */
const TYPES: readonly (readonly [name: string, type: number])[] = [
  ['Unmovable', MIGRATE_UNMOVABLE],
  ['Movable', MIGRATE_MOVABLE],
  ['Reclaimable', MIGRATE_RECLAIMABLE],
  ['HighAtomic', MIGRATE_RESERVE],
  ['CMA', MIGRATE_CMA],
  ['Isolate', MIGRATE_ISOLATE],
]
/** Longer lists are not counted to their end. */
const LONGEST_LIST = 100_000

/** /proc/pagetypeinfo: free blocks by type and order, then pageblocks by type. @manual proc_pagetypeinfo(5) */
export function pagetypeinfoText({ phys }: Kernel): string {
  let text = ''
  for (const node of phys.onlineNodes) {
    if (!node.hasMemory) continue
    const zones = node.zones.filter((zone) => zone.isPopulated)
    text += `Page block order: ${phys.pageblockOrder}\nPages per block:  ${phys.pageblockPages}\n\n`
    text += `${'Free pages count per migrate type at order'.padEnd(43)} ${counts(ORDERS, 6)}\n`
    for (const zone of zones)
      for (const [name, type] of TYPES) {
        text += `Node ${left(node.id, 4)}, zone ${left(zone.name, 8)}, type ${left(name, 12)} `
        text += `${ORDERS.map((order) => `${left(listLength(phys, zone.freeList(order, type)), 6)} `).join('')}\n`
      }
    text += `\n${'Number of blocks type '.padEnd(23)}${TYPES.map(([name]) => `${left(name, 12)} `).join('')}\n`
    for (const zone of zones) {
      const blocks = pageblockCounts(phys, zone)
      const row = TYPES.map(([, type]) => blocks[type]!)
      text += `Node ${node.id}, zone ${left(zone.name, 8)} ${counts(row, 12)}\n`
    }
  }
  return text
}
function listLength({ frames }: Phys, list: number): string {
  let n = 0
  for (let f = frames.lruNext[list]!; f !== list; f = frames.lruNext[f]!) if (++n >= LONGEST_LIST) return `>${n}`
  return String(n)
}

/** The counters of a node in 6.18, in order. */
export const NODE_COUNTERS =
  `nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon
nr_isolated_file workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file
workingset_restore_anon workingset_restore_file workingset_nodereclaim nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback nr_shmem
nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped nr_anon_transparent_hugepages nr_vmscan_write
nr_vmscan_immediate_reclaim nr_dirtied nr_written nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released
nr_kernel_stack nr_page_table_pages nr_sec_page_table_pages nr_iommu_pages nr_swapcached pgpromote_success pgpromote_candidate
pgpromote_candidate_nrl pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgdemote_proactive nr_hugetlb nr_balloon_pages
nr_kernel_file_pages`.split(/\s+/)
/** The counters of a zone in 6.18, in order. */
export const ZONE_COUNTERS =
  `nr_free_pages nr_free_pages_blocks nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable
nr_zone_write_pending nr_mlock nr_zspages nr_free_cma numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other`.split(
    /\s+/,
  )
/** /proc/zoneinfo: everything known of each zone. @manual proc_zoneinfo(5); system-call specification 2.6 */
export function zoneinfoText(kernel: Kernel): string {
  const { phys } = kernel
  const counters = zoneCounters(kernel)
  return phys.onlineNodes
    .flatMap((node) => {
      const first = node.zones.find((zone) => zone.isPopulated)
      return node.zones.map((zone) => zoneText(phys, counters, zone, zone === first ? node : null))
    })
    .join('')
}

/** @param node  whose counters go before the zone's; null: they have been */
function zoneText(phys: Phys, counters: ReadonlyMap<number, Counters>, zone: Zone, node: Node | null): string {
  const counter = (name: string, value: number): string => `      ${name.padEnd(12)} ${value}`
  const { watermark } = zone
  const [min, low, high] = [watermark[WMARK_MIN]!, watermark[WMARK_LOW]!, watermark[WMARK_HIGH]!]
  const lines = [`Node ${zone.node}, zone ${left(zone.name, 8)}`]
  if (node !== null) {
    const sums = sumCounters(counters, node.zones)
    lines.push('  per-node stats', ...NODE_COUNTERS.map((name) => counter(name, sums.get(name) ?? 0)))
  }
  const cma = phys.cmaAreas.filter(({ isActive, basePfn }) => isActive && phys.zoneOfPfn(basePfn) === zone)
  const figures: [string, number][] = [
    ['boost', 0],
    ['min', min],
    ['low', low],
    ['high', high],
    ['promo', high + (low - min)],
    ['spanned', zone.spanned],
    ['present', zone.present],
    ['managed', zone.managed],
    ['cma', cma.reduce((sum, { pages }) => sum + pages, 0)],
  ]
  lines.push(
    `  pages free     ${zone.stat[NR_FREE_PAGES]}`,
    ...figures.map(([name, value]) => `        ${name.padEnd(8)} ${value}`),
    `        protection: (${[...zone.lowmemReserve].join(', ')})`,
  )
  // An empty zone ends here.
  if (!zone.isPopulated) return `${lines.join('\n')}\n`
  const own = counters.get(zone.slot)!
  lines.push(...ZONE_COUNTERS.map((name) => counter(name, own.get(name) ?? 0)), '  pagesets')
  const threshold = normalThreshold(phys.machine.cpus.length, zone.managed)
  zone.pcp.forEach((pcp, cpu) => {
    lines.push(`    cpu: ${cpu}`)
    // The limits do not adapt: the least and the most are the same.
    const rows: [string, number][] = [
      ['count:', pcp.count],
      ['high:', pcp.high],
      ['batch:', pcp.batch],
      ['high_min:', pcp.high],
      ['high_max:', pcp.high],
    ]
    lines.push(
      ...rows.map(([name, value]) => `              ${name.padEnd(9)} ${value}`),
      `  vm stats threshold: ${threshold}`,
    )
  })
  lines.push('  node_unreclaimable:  0', `  start_pfn:           ${zone.startPfn}`)
  return `${lines.join('\n')}\n`
}

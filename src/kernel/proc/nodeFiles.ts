// /sys/devices/system/node: which nodes there are, and what each one's memory is used for.

import { EACCES } from '../../base/index.ts'
import { type DirNode, fixedDir, type GeneratedNode, textFile } from '../file/index.ts'
import { compactMemory, type Node } from '../phys/index.ts'
import type { Kernel } from '../process/index.ts'
import { LARGE_PAGES } from './largeFrames.ts'
import { NODE_COUNTERS, ZONE_COUNTERS } from './zoneFiles.ts'
import { type Counters, listRows, sumCounters, zoneCounters } from './zoneCounters.ts'

/** Ascending numbers as the kernel lists them: `0-3,8`. */
export function idList(ids: readonly number[]): string {
  const ranges: [first: number, last: number][] = []
  for (const id of ids) {
    const range = ranges.at(-1)
    if (range?.[1] === id - 1) range[1] = id
    else ranges.push([id, id])
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

/** The directory of all nodes. @manual sysfs-devices-node, Linux */
export function nodesDir(kernel: Kernel): DirNode {
  const nodes = kernel.phys.onlineNodes
  const list = (has: (node: Node) => boolean) => textFile(() => `${idList(nodes.filter(has).map(({ id }) => id))}\n`)
  return fixedDir({
    ...Object.fromEntries(nodes.map((node) => [`node${node.id}`, nodeDir(kernel, node)])),
    has_cpu: list((node) => node.hasCpu),
    // Something that is neither memory nor processor and starts accesses.
    has_generic_initiator: list(() => false),
    has_memory: list((node) => node.hasMemory),
    has_normal_memory: list((node) => node.hasNormalMemory),
    online: list(() => true),
    possible: list(() => true),
  })
}

function nodeDir(kernel: Kernel, node: Node): DirNode {
  const { machine, phys } = kernel
  const cpus = machine.cpus.filter((cpu) => cpu.node === node.id).map((cpu) => cpu.id)
  const digits = Math.ceil(machine.cpus.length / 4)
  const map = cpus.reduce((sum, id) => sum + 2 ** id, 0)
  const distances = phys.onlineNodes.map(({ id }) => phys.distance(node.id, id)).join(' ')
  const links = cpus.map((id): [string, GeneratedNode] => [
    `cpu${id}`,
    { kind: 'link', target: () => `../../cpu/cpu${id}` },
  ])
  return fixedDir({
    ...Object.fromEntries(links),
    compact: {
      kind: 'text',
      permissions: 0o200,
      isWriteOnly: true,
      read: () => EACCES,
      // Whatever is written.
      *act() {
        yield* compactMemory(phys, node.id)
        return 0
      },
    },
    cpulist: textFile(() => `${idList(cpus)}\n`),
    cpumap: textFile(() => `${map.toString(16).padStart(digits, '0')}\n`),
    distance: textFile(() => `${distances}\n`),
    meminfo: textFile(() => nodeMeminfoText(kernel, node)),
    numastat: textFile(() => numastatText(kernel, node)),
    vmstat: textFile(() => nodeVmstatText(kernel, node)),
  })
}

function countersOf(kernel: Kernel, node: Node): Counters {
  return sumCounters(zoneCounters(kernel), node.zones)
}

/** meminfo of a node: the lines of /proc/meminfo that are about frames. @manual sysfs-devices-node, Linux */
export function nodeMeminfoText(kernel: Kernel, node: Node): string {
  const counters = countersOf(kernel, node)
  const of = (name: string): number => counters.get(name) ?? 0
  const total = node.zones.reduce((sum, zone) => sum + zone.managed, 0)
  const rows: [string, number][] = [
    ['MemTotal', total],
    ['MemFree', of('nr_free_pages')],
    ['MemUsed', total - of('nr_free_pages')],
    ['SwapCached', of('nr_swapcached')],
    ...listRows(counters),
    ['Dirty', of('nr_dirty')],
    ['Writeback', of('nr_writeback')],
    ['FilePages', of('nr_file_pages')],
    ['Mapped', of('nr_mapped')],
    ['AnonPages', of('nr_anon_pages')],
    ['Shmem', of('nr_shmem')],
    // 0 here as in /proc/meminfo, where it says why.
    ['KernelStack', 0],
    ['PageTables', of('nr_page_table_pages')],
    ['SecPageTables', 0],
    ['NFS_Unstable', 0],
    ['Bounce', 0],
    ['WritebackTmp', 0],
    ['KReclaimable', of('nr_slab_reclaimable')],
    ['Slab', of('nr_slab_reclaimable') + of('nr_slab_unreclaimable')],
    ['SReclaimable', of('nr_slab_reclaimable')],
    ['SUnreclaim', of('nr_slab_unreclaimable')],
    ['AnonHugePages', of('nr_anon_transparent_hugepages') * LARGE_PAGES],
    ['ShmemHugePages', 0],
    ['ShmemPmdMapped', 0],
    ['FileHugePages', 0],
    ['FilePmdMapped', 0],
  ]
  const line = (name: string, value: string, unit: string) =>
    `Node ${node.id} ${`${name}:`.padEnd(16)}${value}${unit}\n`
  return (
    rows.map(([name, pages]) => line(name, String(pages * 4).padStart(8), ' kB')).join('') +
    ['Total', 'Free', 'Surp'].map((name) => line(`HugePages_${name}`, '0'.padStart(6), '')).join('')
  )
}

/** Which counter of vmstat a line of numastat shows. */
const NUMASTAT = {
  numa_hit: 'numa_hit',
  numa_miss: 'numa_miss',
  numa_foreign: 'numa_foreign',
  interleave_hit: 'numa_interleave',
  local_node: 'numa_local',
  other_node: 'numa_other',
}
/** numastat: whether allocations got memory of the node they wanted. @manual numastat, Linux */
export function numastatText(kernel: Kernel, node: Node): string {
  const counters = countersOf(kernel, node)
  return Object.entries(NUMASTAT)
    .map(([line, name]) => `${line} ${counters.get(name)!}\n`)
    .join('')
}

/** vmstat of a node: the counters of /proc/vmstat that are kept for zones and nodes. @manual sysfs-devices-node, Linux */
export function nodeVmstatText(kernel: Kernel, node: Node): string {
  const counters = countersOf(kernel, node)
  return [...ZONE_COUNTERS, ...NODE_COUNTERS].map((name) => `${name} ${counters.get(name) ?? 0}\n`).join('')
}

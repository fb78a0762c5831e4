// What /proc says of physical memory, to the blank (physical specification, 4.1, 4.2, 4.4 and 4.7).

import { MAX_ORDER } from './configuration.ts'
import {
  NR_ACTIVE_FILE,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NR_INACTIVE_FILE,
  NR_PAGES_SCANNED,
  NR_SLAB_RECLAIMABLE,
  ZONE_STAT_NAMES,
} from './counters.ts'
import { MIGRATE_NAMES, MIGRATE_TYPES, WMARK_HIGH, WMARK_LOW, WMARK_MIN } from './gfp.ts'
import { foldHotCounters } from './hotPage.ts'
import { globalStat } from './nrFree.ts'
import { pageblockType } from './pageblock.ts'
import type { Phys } from './phys.ts'
import { isZoneReclaimable } from './reclaimHooks.ts'
import { normalThreshold } from './watermark.ts'
import type { Node, Zone } from './zone.ts'

const left = (text: string | number, width: number): string => String(text).padStart(width)
const right = (text: string, width: number): string => text.padEnd(width)
const populated = (node: Node): Zone[] => node.zones.filter((zone) => zone.isPopulated)

/** /proc/buddyinfo: free blocks by order. */
export function buddyinfoText(phys: Phys): string {
  return phys.populatedZones
    .map((zone) => `Node ${zone.node}, zone ${left(zone.name, 8)} ${ordersText([...zone.nrFree])}\n`)
    .join('')
}
function ordersText(counts: readonly number[]): string {
  return counts.map((n) => `${left(n, 6)} `).join('')
}

/** /proc/pagetypeinfo: free blocks by order and type, and pageblocks by type. */
export function pagetypeinfoText(phys: Phys): string {
  let text = ''
  for (const node of phys.onlineNodes) {
    if (!node.hasMemory) continue
    text += `Page block order: ${phys.pageblockOrder}\nPages per block:  ${phys.pageblockPages}\n\n`
    text += `${right('Free pages count per migrate type at order', 43)} `
    for (let order = 0; order < MAX_ORDER; order++) text += `${left(order, 6)} `
    text += '\n'
    for (const zone of populated(node)) {
      for (let type = 0; type < MIGRATE_TYPES; type++) {
        text += `Node ${left(node.id, 4)}, zone ${left(zone.name, 8)}, type ${left(MIGRATE_NAMES[type]!, 12)} `
        text += `${ordersText(listLengths(phys, zone, type))}\n`
      }
    }
    text += `\n${right('Number of blocks type ', 23)}${MIGRATE_NAMES.map((name) => `${left(name, 12)} `).join('')}\n`
    for (const zone of populated(node)) {
      const counts = pageblockCounts(phys, zone)
      text += `Node ${node.id}, zone ${left(zone.name, 8)} ${counts.map((n) => `${left(n, 12)} `).join('')}\n`
    }
  }
  return text
}
function listLengths(phys: Phys, zone: Zone, type: number): number[] {
  const lengths: number[] = []
  for (let order = 0; order < MAX_ORDER; order++) {
    const list = zone.freeList(order, type)
    let n = 0
    for (let f = phys.frames.lruNext[list]!; f !== list; f = phys.frames.lruNext[f]!) n++
    lengths.push(n)
  }
  return lengths
}
/** Pageblocks of a zone by type, counted in steps from its start. */
export function pageblockCounts(phys: Phys, zone: Zone): number[] {
  const counts = Array.from({ length: MIGRATE_TYPES }, () => 0)
  for (let pfn = zone.startPfn; pfn < zone.endPfn; pfn += phys.pageblockPages) {
    const f = phys.frames.indexOf(pfn)
    if (f >= 0 && phys.frames.zone[f] === zone.slot) counts[pageblockType(phys, f)]!++
  }
  return counts
}

/** /proc/zoneinfo: everything known of each populated zone. */
export function zoneinfoText(phys: Phys): string {
  foldHotCounters(phys)
  return phys.populatedZones.map((zone) => zoneText(phys, zone)).join('')
}
function zoneText(phys: Phys, zone: Zone): string {
  const { watermark, stat } = zone
  const lines = [
    `Node ${zone.node}, zone ${left(zone.name, 8)}`,
    `  pages free     ${stat[NR_FREE_PAGES]}`,
    `        min      ${watermark[WMARK_MIN]}`,
    `        low      ${watermark[WMARK_LOW]}`,
    `        high     ${watermark[WMARK_HIGH]}`,
    `        scanned  ${stat[NR_PAGES_SCANNED]}`,
    `        spanned  ${zone.spanned}`,
    `        present  ${zone.present}`,
    `        managed  ${zone.managed}`,
    ...ZONE_STAT_NAMES.map((name, item) => `    ${right(name, 12)} ${stat[item]}`),
    `        protection: (${[...zone.lowmemReserve].join(', ')})`,
    '  pagesets',
  ]
  const threshold = normalThreshold(phys.machine.cpus.length, zone.managed)
  zone.pcp.forEach((pcp, cpu) => {
    lines.push(
      `    cpu: ${cpu}`,
      `              count: ${pcp.count}`,
      `              high:  ${pcp.high}`,
      `              batch: ${pcp.batch}`,
      `  vm stats threshold: ${threshold}`,
    )
  })
  lines.push(
    `  all_unreclaimable: ${isZoneReclaimable(zone) ? 0 : 1}`,
    `  start_pfn:         ${zone.startPfn}`,
    `  inactive_ratio:    ${zone.inactiveRatio}`,
  )
  return `${lines.join('\n')}\n`
}

/** The lines of /proc/meminfo that this room feeds: name and kB. */
export function meminfo(phys: Phys): [string, number][] {
  const free = globalStat(phys, NR_FREE_PAGES)
  const lines: [string, number][] = [
    ['MemTotal', phys.totalramPages * 4],
    ['MemFree', free * 4],
    ['MemAvailable', availablePages(phys) * 4],
  ]
  if (phys.config.zoneHighmem >= 0) {
    let highTotal = 0
    let highFree = 0
    for (const zone of phys.zones) {
      if (!zone.isHighmem) continue
      highTotal += zone.managed
      highFree += zone.stat[NR_FREE_PAGES]!
    }
    lines.push(['HighTotal', highTotal * 4], ['HighFree', highFree * 4])
    lines.push(['LowTotal', (phys.totalramPages - highTotal) * 4], ['LowFree', (free - highFree) * 4])
  }
  lines.push(['CmaTotal', phys.totalcmaPages * 4], ['CmaFree', globalStat(phys, NR_FREE_CMA_PAGES) * 4])
  return lines
}
/** Pages a new program could probably get without swapping. */
export function availablePages(phys: Phys): number {
  let low = 0
  for (const zone of phys.zones) low += zone.watermark[WMARK_LOW]!
  const file = globalStat(phys, NR_ACTIVE_FILE) + globalStat(phys, NR_INACTIVE_FILE)
  const slab = globalStat(phys, NR_SLAB_RECLAIMABLE)
  const usable = (pages: number): number => pages - Math.min(Math.floor(pages / 2), low)
  return Math.max(0, globalStat(phys, NR_FREE_PAGES) - low + usable(file) + usable(slab))
}
/** One line of /proc/meminfo. */
export function meminfoLine(name: string, kilobytes: number): string {
  return `${right(`${name}:`, 16)}${left(kilobytes, 8)} kB\n`
}
export function meminfoText(phys: Phys): string {
  return meminfo(phys)
    .map(([name, kilobytes]) => meminfoLine(name, kilobytes))
    .join('')
}

/** The lines of /proc/vmstat that this room feeds: zone counters summed over all zones, then events since boot. */
export function vmstat(phys: Phys): [string, number][] {
  return [
    ...ZONE_STAT_NAMES.map((name, item): [string, number] => [name, globalStat(phys, item)]),
    ...phys.events.names.map((name): [string, number] => [name, phys.events.get(name)]),
  ]
}

/** A zone's lists as an out-of-memory report shows them: `3*4kB (UM) 0*8kB … = 12kB`. */
export function freeAreasText(phys: Phys, zone: Zone): string {
  const letters = 'UEMRCI'
  let total = 0
  let text = ''
  for (let order = 0; order < MAX_ORDER; order++) {
    const n = zone.nrFree[order]!
    total += n * 2 ** order
    text += `${n}*${4 * 2 ** order}kB `
    if (n === 0) continue
    let types = ''
    for (let type = 0; type < MIGRATE_TYPES; type++)
      if (!phys.frames.isEmpty(zone.freeList(order, type))) types += letters[type]
    text += `(${types}) `
  }
  return `${text}= ${total * 4}kB`
}

import { panic } from '../../base/index.ts'
import { MAX_NR_ZONES, MAX_ORDER, ZONE_MOVABLE } from './configuration.ts'
import { NR_ALLOC_BATCH } from './counters.ts'
import { Frames } from './frames.ts'
import { MIGRATE_MOVABLE, MIGRATE_TYPES } from './gfp.ts'
import { MEMBLOCK_HOTPLUG } from './memblock.ts'
import { absentPagesInRange, findMinPfnForNode, findMinPfnWithActiveRegions, getPfnRangeForNid } from './nodeMap.ts'
import { NR_PAGEBLOCK_BITS, pageblockBytes, setPageblockMigratetype } from './pageblock.ts'
import { zoneBatchSize } from './pcp.ts'
import type { Phys } from './phys.ts'
import { presentSections } from './sections.ts'
import { PerCpuPages, type Node, type Zone } from './zone.ts'

/** Frame lists kept for the rooms above (LRU lists and their like). */
const SPARE_LISTS = 1024

/**
 * Notes pages of the first zone that the boot estimate should not count. Neither spanned, present nor the final
 * managed count change. Boot only, before freeAreaInitNodes; the last call wins.
 *
 * @manual set_dma_reserve, Linux
 */
export function setDmaReserve(phys: Phys, newDmaReserve: number): void {
  phys.dmaReserve = newDmaReserve
}

/**
 * Makes nodes, zones, descriptors and pageblocks from the firmware map. Boot only.
 *
 * @param maxZonePfn  end pfn of each zone, by index
 * @manual free_area_init_nodes, Linux
 */
export function freeAreaInitNodes(phys: Phys, maxZonePfn: readonly number[]): void {
  // 1. architectural limits, 2. movable zones, 3. log, 4. the frame table, 5. each online node
  setZoneLimits(phys, maxZonePfn)
  findZoneMovablePfns(phys)
  logRanges(phys)
  phys.maxPfn = getPfnRangeForNid(phys, phys.config.maxNumNodes).end
  makeFrames(phys)
  for (const node of phys.onlineNodes) initNode(phys, node)
}

function setZoneLimits(phys: Phys, maxZonePfn: readonly number[]): void {
  const { lowestPfn, highestPfn } = phys
  lowestPfn.fill(0)
  highestPfn.fill(0)
  lowestPfn[0] = findMinPfnWithActiveRegions(phys)
  highestPfn[0] = maxZonePfn[0]!
  for (let i = 1; i < ZONE_MOVABLE; i++) {
    lowestPfn[i] = highestPfn[i - 1]!
    highestPfn[i] = Math.max(maxZonePfn[i]!, lowestPfn[i]!)
  }
}

// Where ZONE_MOVABLE starts on each node.
//   kernelcore pages are spread evenly over the nodes, each from its start; what lies above is movable.
//   Pages below `lowbound` (zones the movable zone is not cut from) count, but cannot become movable.
function findZoneMovablePfns(phys: Phys): void {
  const { lowestPfn, highestPfn, zoneMovablePfn, memblock } = phys
  zoneMovablePfn.fill(0)
  phys.movableZone = -1
  for (let i = 0; i < ZONE_MOVABLE; i++) if (highestPfn[i]! > lowestPfn[i]!) phys.movableZone = i
  if (phys.movableZone < 0) panic('some zone has an extent')
  if (phys.movableNode) {
    for (const region of memblock.memory.regions) {
      if ((region.flags & MEMBLOCK_HOTPLUG) === 0) continue
      const pfn = Number(region.base / 4096n)
      const old = zoneMovablePfn[region.nid]!
      zoneMovablePfn[region.nid] = old === 0 ? pfn : Math.min(old, pfn)
    }
    roundMovable()
    return
  }

  const nodePages = new Map<number, number>()
  for (const range of memblock.memPfnRanges())
    nodePages.set(range.nid, (nodePages.get(range.nid) ?? 0) + range.end - range.start)
  const nids = [...nodePages.keys()].sort((a, b) => a - b)
  let total = 0
  for (const pages of nodePages.values()) total += pages

  let kernelcore = phys.kernelcore
  if (phys.movablecore > 0) {
    const core = total - Math.ceil(phys.movablecore / 1024) * 1024
    // More than everything wraps in the manual's arithmetic: a huge kernelcore, no movable zone.
    kernelcore = Math.max(kernelcore, core < 0 ? Infinity : core)
  }
  if (kernelcore === 0 || kernelcore === Infinity) return
  const lowbound = lowestPfn[phys.movableZone]!
  let nodes = nids.length
  do {
    let perNode = Math.floor(kernelcore / nodes)
    for (const nid of nids) {
      if (kernelcore < perNode) perNode = Math.floor(kernelcore / nodes)
      let left = perNode
      for (const range of memblock.memPfnRanges(nid)) {
        let start = Math.max(range.start, zoneMovablePfn[nid]!)
        if (start >= range.end) continue
        if (start < lowbound) {
          const below = Math.min(range.end, lowbound) - start
          left -= Math.min(below, left)
          kernelcore -= Math.min(below, kernelcore)
          if (range.end <= lowbound) {
            zoneMovablePfn[nid] = range.end
            continue
          }
          start = lowbound
        }
        const size = Math.min(range.end - start, left)
        zoneMovablePfn[nid] = start + size
        kernelcore -= Math.min(kernelcore, size)
        left -= size
        if (left === 0) break
      }
    }
    nodes--
  } while (nodes > 0 && kernelcore > nodes)
  roundMovable()

  function roundMovable(): void {
    for (let i = 0; i < zoneMovablePfn.length; i++) zoneMovablePfn[i] = Math.ceil(zoneMovablePfn[i]! / 1024) * 1024
  }
}

function logRanges(phys: Phys): void {
  const range = (start: number, end: number): string =>
    `[mem 0x${(start * 4096).toString(16).padStart(16, '0')}-0x${(end * 4096 - 1).toString(16).padStart(16, '0')}]`
  phys.log.print('Zone ranges:')
  for (let i = 0; i < ZONE_MOVABLE; i++) {
    const [low, high] = [phys.lowestPfn[i]!, phys.highestPfn[i]!]
    phys.log.print(`  ${phys.config.zoneNames[i]!.padEnd(8)} ${low === high ? 'empty' : range(low, high)}`)
  }
  phys.log.print('Movable zone start for each node')
  phys.zoneMovablePfn.forEach((pfn, nid) => {
    if (pfn !== 0) phys.log.print(`  Node ${nid}: 0x${(pfn * 4096).toString(16).padStart(16, '0')}`)
  })
  phys.log.print('Early memory node ranges')
  for (const r of phys.memblock.memPfnRanges())
    phys.log.print(`  node ${String(r.nid).padStart(3)}: ${range(r.start, r.end)}`)
  for (const node of phys.onlineNodes) {
    const { start, end } = getPfnRangeForNid(phys, node.id)
    phys.log.print(`Initmem setup node ${node.id} ${range(start, end)}`)
  }
}

/** The frame table, the list sentinels in it and room for the pageblock bits. */
function makeFrames(phys: Phys): void {
  const { config } = phys
  const zones = phys.onlineNodes.length * MAX_NR_ZONES
  const lists = zones * (MAX_ORDER * MIGRATE_TYPES + 3 * phys.machine.cpus.length) + SPARE_LISTS
  const frames = new Frames(presentSections(phys), config.sectionShift, lists)
  phys.frames = frames
  phys.highestMemmapPfn = frames.count === 0 ? 0 : frames.pfnAt(frames.count - 1)
  if (config.isSparse)
    phys.pageblockBits = new Uint32Array(Math.ceil((frames.count / phys.pageblockPages) * (NR_PAGEBLOCK_BITS / 32)))
  for (const zone of phys.zones) {
    zone.freeLists = frames.newList()
    for (let i = 1; i < MAX_ORDER * MIGRATE_TYPES; i++) frames.newList()
    zone.pcp = phys.machine.cpus.map(() => new PerCpuPages(frames))
  }
}

/** The part of [low, high) of zone `index` that ZONE_MOVABLE leaves it on this node (or, for MOVABLE, takes). */
function adjustForMovable(phys: Phys, nid: number, index: number, low: number, high: number, nodeEnd: number) {
  const movable = phys.zoneMovablePfn[nid]!
  if (movable === 0) return { low, high }
  if (index === ZONE_MOVABLE) return { low: movable, high: Math.min(nodeEnd, phys.highestPfn[phys.movableZone]!) }
  if (low < movable && movable < high) return { low, high: movable }
  if (low >= movable) return { low: high, high }
  return { low, high }
}

function initNode(phys: Phys, node: Node): void {
  const { start: nodeStart, end: nodeEnd } = getPfnRangeForNid(phys, node.id)
  node.startPfn = findMinPfnForNode(phys, node.id)
  let zoneStart = node.startPfn
  for (const zone of node.zones) {
    const low = phys.lowestPfn[zone.index]!
    const high = phys.highestPfn[zone.index]!
    const zoneRange = adjustForMovable(phys, node.id, zone.index, low, high, nodeEnd)
    const isOutside = zoneRange.high < nodeStart || zoneRange.low > nodeEnd
    const spanned = isOutside ? 0 : Math.max(0, Math.min(zoneRange.high, nodeEnd) - Math.max(zoneRange.low, nodeStart))
    const inside = adjustForMovable(
      phys,
      node.id,
      zone.index,
      Math.min(Math.max(nodeStart, low), high),
      Math.min(Math.max(nodeEnd, low), high),
      nodeEnd,
    )
    const absent = spanned === 0 ? 0 : absentPagesInRange(phys, inside.low, inside.high, node.id)
    zone.spanned = spanned
    zone.present = spanned - absent
    zone.isHighmem =
      phys.config.zoneHighmem >= 0 &&
      (zone.index === phys.config.zoneHighmem ||
        (zone.index === ZONE_MOVABLE && phys.movableZone === phys.config.zoneHighmem))
    node.spanned += spanned
    node.present += zone.present
    estimateManaged(phys, zone)
    if (spanned === 0) continue
    zone.startPfn = zoneStart
    zoneStart += spanned
    node.nrZones = zone.index + 1
    if (!phys.config.isSparse) addBlockBits(phys, zone)
    linkFrames(phys, zone)
  }
  phys.log.print(`On node ${node.id} totalpages: ${node.present}`)
  node.hasMemory = node.present > 0
  const first = node.zones.find((zone) => zone.index < ZONE_MOVABLE && zone.isPopulated)
  if (first !== undefined) {
    node.hasHighMemory = true
    node.hasNormalMemory = first.index <= phys.config.zoneNormal
  }
}

/** What the zone will probably manage: present without a hypothetical descriptor array and the DMA reserve. */
function estimateManaged(phys: Phys, zone: Zone): void {
  const { config, log } = phys
  const isFull = !config.isSparse || zone.spanned <= zone.present + Math.floor(zone.present / 16)
  const memmap = Math.ceil(((isFull ? zone.spanned : zone.present) * config.descriptorBytes) / 4096)
  let pages = zone.present
  if (!zone.isHighmem) {
    if (pages >= memmap) {
      pages -= memmap
      if (memmap > 0) log.print(`  ${zone.name} zone: ${memmap} pages used for memmap`)
    } else log.warn(`  ${zone.name} zone: ${memmap} pages exceeds freesize ${pages}`)
  }
  if (zone.index === 0 && pages > phys.dmaReserve) {
    pages -= phys.dmaReserve
    log.print(`  ${zone.name} zone: ${phys.dmaReserve} pages reserved`)
  }
  zone.managed = zone.isHighmem ? zone.present : pages
  if (!zone.isHighmem) phys.nrKernelPages += pages
  else if (phys.nrKernelPages > 2 * memmap) phys.nrKernelPages -= memmap
  phys.nrAllPages += pages
  zone.minUnmappedPages = Math.floor((pages * phys.tunables.minUnmappedRatio) / 100)
  zone.minSlabPages = Math.floor((pages * phys.tunables.minSlabRatio) / 100)
  zone.stat[NR_ALLOC_BATCH] = zone.managed
  if (zone.present > 0)
    log.print(`  ${zone.name} zone: ${zone.present} pages, LIFO batch:${zoneBatchSize(zone.managed)}`)
}

/** CFG32: the zone gets bits of its own, from its start rounded down to a block, at a word boundary. */
function addBlockBits(phys: Phys, zone: Zone): void {
  const bytes = pageblockBytes(zone.startPfn, zone.spanned, phys.pageblockPages, phys.config.bitsPerLong)
  const old = phys.pageblockBits
  phys.pageblockBits = new Uint32Array(old.length + bytes / 4)
  phys.pageblockBits.set(old)
  const firstBlock = Math.floor(phys.frames.frameOf(zone.startPfn) / phys.pageblockPages)
  zone.blockOffset = old.length * (32 / NR_PAGEBLOCK_BITS) - firstBlock
}

/**
 * Links every valid pfn of the zone's span to it, holes included; a pfn that memblock gives to another node is
 * left to that node. Pageblocks whose first pfn is inside become movable.
 */
function linkFrames(phys: Phys, zone: Zone): void {
  const { frames } = phys
  let at = zone.startPfn
  for (const region of phys.memblock.memory.regions) {
    if (region.nid === zone.node) continue
    const start = Number((region.base + 4095n) / 4096n)
    const end = Number((region.base + region.size + 4095n) / 4096n)
    if (end <= at || start >= zone.endPfn) continue
    link(at, start)
    at = end
  }
  link(at, zone.endPfn)

  function link(from: number, to: number): void {
    for (let pfn = from; pfn < to;) {
      const next = Math.min(to, (Math.floor(pfn / frames.sectionPages) + 1) * frames.sectionPages)
      const f = frames.indexOf(pfn)
      if (f >= 0) {
        frames.zone.fill(zone.slot, f, f + next - pfn)
        const blocks = phys.pageblockPages
        for (let block = Math.ceil(pfn / blocks) * blocks; block < next; block += blocks)
          setPageblockMigratetype(phys, block, MIGRATE_MOVABLE)
      }
      pfn = next
    }
  }
}

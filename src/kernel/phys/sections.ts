// Which sections have descriptors (physical specification, 2.6). CFG32 has one flat map, from pfn 0 on.

import { MAX_ORDER_NR_PAGES } from './configuration.ts'
import type { Phys } from './phys.ts'

/**
 * Marks the sections of every registered RAM range present: a section touched by one page is wholly valid later.
 * Boot only, idempotent.
 *
 * @param nid  MAX_NUMNODES for all nodes
 * @manual sparse_memory_present_with_active_regions, Linux
 */
export function sparseMemoryPresentWithActiveRegions(phys: Phys, nid: number): void {
  for (const range of phys.memblock.memPfnRanges(nid)) memoryPresent(phys, range.nid, range.start, range.end)
}

/** Marks the sections of [startPfn, endPfn) present. The section-to-node table takes the latest node, the early
 * encoding keeps the first. */
export function memoryPresent(phys: Phys, nid: number, startPfn: number, endPfn: number): void {
  const limit = 2 ** (phys.config.maxPhysmemBits - 12)
  if (startPfn >= limit) {
    phys.log.warn(`memory start ${startPfn} is above the addressable maximum`)
    return
  }
  if (endPfn > limit) phys.log.warn(`memory end ${endPfn} is above the addressable maximum`)
  const end = Math.min(endPfn, limit)
  const pages = 2 ** phys.config.sectionShift
  for (let section = Math.floor(startPfn / pages); section * pages < end; section++) {
    phys.sectionToNode.set(section, nid)
    if (!phys.sectionNode.has(section)) phys.sectionNode.set(section, nid)
  }
}

/** Numbers of the sections that get descriptors, ascending. */
export function presentSections(phys: Phys): number[] {
  if (phys.config.isSparse) return [...phys.sectionNode.keys()].sort((a, b) => a - b)
  const end = Math.ceil(Number(phys.memblock.endOfDram) / 4096 / MAX_ORDER_NR_PAGES)
  return Array.from({ length: end }, (_, i) => i)
}

/** Does the pfn have a descriptor? Before they are built, on CFG64: will it? */
export function pfnValid(phys: Phys, pfn: number): boolean {
  if (phys.frames.count > 0) return phys.frames.indexOf(pfn) >= 0
  return phys.sectionNode.has(Math.floor(pfn / 2 ** phys.config.sectionShift))
}

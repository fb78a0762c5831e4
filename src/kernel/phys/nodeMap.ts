// The firmware map, by node: what boot code asks of memblock in pfns (physical specification, 2.5 to 2.10).

import type { Phys } from './phys.ts'

/**
 * First and last-plus-one pfn of a node's memory; the pair may enclose holes and other nodes.
 *
 * @param nid  MAX_NUMNODES for all nodes
 * @returns    {0, 0} for a node without memory
 * @manual get_pfn_range_for_nid, Linux
 */
export function getPfnRangeForNid(phys: Phys, nid: number): { start: number; end: number } {
  let start = Infinity
  let end = 0
  for (const range of phys.memblock.memPfnRanges(nid)) {
    start = Math.min(start, range.start)
    end = Math.max(end, range.end)
  }
  return start === Infinity ? { start: 0, end: 0 } : { start, end }
}

/**
 * Pages of [startPfn, endPfn) that are not RAM (of the node, if one is given).
 *
 * @manual absent_pages_in_range, Linux
 */
export function absentPagesInRange(
  phys: Phys,
  startPfn: number,
  endPfn: number,
  nid: number = phys.config.maxNumNodes,
): number {
  let absent = endPfn - startPfn
  for (const range of phys.memblock.memPfnRanges(nid)) absent -= clamp(range.end) - clamp(range.start)
  return absent
  function clamp(pfn: number): number {
    return Math.min(Math.max(pfn, startPfn), endPfn)
  }
}

/**
 * The smallest pfn of RAM; 0, with a warning, if there is none.
 *
 * @manual find_min_pfn_with_active_regions, Linux
 */
export function findMinPfnWithActiveRegions(phys: Phys): number {
  return findMinPfnForNode(phys, phys.config.maxNumNodes)
}

export function findMinPfnForNode(phys: Phys, nid: number): number {
  let min = Infinity
  for (const range of phys.memblock.memPfnRanges(nid)) min = Math.min(min, range.start)
  if (min !== Infinity) return min
  phys.log.warn(`Could not find start_pfn for node ${nid}`)
  return 0
}

/**
 * The coarsest power-of-two number of pages that still tells the nodes apart; 0: one node, no constraint.
 *
 * The range compared with is the last one recorded, and only a range of the same node (or one at pfn 0) is
 * recorded: from the third node on the answer can be coarser than ideal. The manual's function behaves so.
 *
 * @manual node_map_pfn_alignment, Linux
 */
export function nodeMapPfnAlignment(phys: Phys): number {
  const ALL = 2n ** 64n - 1n
  let accumulated = 0n
  let lastNid = -1
  let lastEnd = 0n
  for (const range of phys.memblock.memPfnRanges()) {
    if (range.start === 0 || lastNid < 0 || lastNid === range.nid) {
      lastNid = range.nid
      lastEnd = BigInt(range.end)
      continue
    }
    const start = BigInt(range.start)
    let mask = (ALL << trailingZeros(start)) & ALL
    while (mask !== 0n && lastEnd <= (start & (mask << 1n))) mask = (mask << 1n) & ALL
    accumulated |= mask
  }
  return Number((ALL - accumulated + 1n) & ALL)
}

function trailingZeros(x: bigint): bigint {
  let k = 0n
  while (((x >> k) & 1n) === 0n) k++
  return k
}

/**
 * Declares free every whole page of RAM below `maxLowPfn`: existing reservations there are dropped, others
 * survive. Boot only; callers reserve again afterwards.
 *
 * @param nid  MAX_NUMNODES for all nodes
 * @manual free_bootmem_with_active_regions, Linux
 */
export function freeBootmemWithActiveRegions(phys: Phys, nid: number, maxLowPfn: number): void {
  for (const range of phys.memblock.memPfnRanges(nid)) {
    const start = Math.min(range.start, maxLowPfn)
    const end = Math.min(range.end, maxLowPfn)
    if (start < end) phys.memblock.free(start * 4096, (end - start) * 4096)
  }
}

// How many pages the machine could give out, whatever it has given out already (physical specification, 2.2, 2.3).

import { MAX_NR_ZONES } from './configuration.ts'
import { NR_FREE_PAGES } from './counters.ts'
import { GFP_HIGHUSER_MOVABLE, GFP_ZONEMASK, WMARK_HIGH } from './gfp.ts'
import { foldHotCounters } from './hotPage.ts'
import type { Phys } from './phys.ts'

/**
 * Pages above the high watermark in all zones up to an index, on all nodes. Allocation does not change it.
 *
 * @param offset  highest zone index to include
 * @locks         none, atomic ok
 * @manual nr_free_zone_pages, Linux
 */
export function nrFreeZonePages(phys: Phys, offset: number): number {
  let sum = 0
  for (const zone of phys.nodes[phys.localNode]!.zonelists[0].zones) {
    if (zone.index > offset) continue
    const high = zone.watermark[WMARK_HIGH]!
    if (zone.managed > high) sum += zone.managed - high
  }
  return sum
}

/** Up to the normal zone: what the kernel itself can address. @manual nr_free_buffer_pages, Linux */
export function nrFreeBufferPages(phys: Phys): number {
  return nrFreeZonePages(phys, phys.config.zoneNormal)
}

/**
 * All zones a page-cache page may come from.
 *
 * @manual nr_free_pagecache_pages, Linux
 */
export function nrFreePagecachePages(phys: Phys): number {
  return nrFreeZonePages(phys, phys.config.gfpZone[GFP_HIGHUSER_MOVABLE & GFP_ZONEMASK]!)
}

/** Free pages now, per-CPU lists included (uvmexp.free). */
export function freeCount(phys: Phys): number {
  let sum = 0
  for (let slot = 0; slot < phys.nrNodeIds * MAX_NR_ZONES; slot++) {
    const zone = phys.zoneBySlot[slot]!
    if (zone.present === 0) continue
    sum += zone.stat[NR_FREE_PAGES]!
    for (let cpu = 0; cpu < zone.pcp.length; cpu++) sum += zone.pcp[cpu]!.count
  }
  return sum
}

/** One zone counter summed over all zones (global_page_state). */
export function globalStat(phys: Phys, item: number): number {
  foldHotCounters(phys)
  let sum = 0
  for (let slot = 0; slot < phys.nrNodeIds * MAX_NR_ZONES; slot++) sum += phys.zoneBySlot[slot]!.stat[item]!
  return sum
}

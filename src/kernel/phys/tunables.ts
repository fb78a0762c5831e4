// The settings an administrator may change (physical specification, 4.7). vm.min_free_kbytes and
// vm.numa_zonelist_order are beside what they control, in watermark.ts and zonelists.ts.

import { EINVAL, type Err } from '../../base/index.ts'
import { setupZonePageset } from './pcp.ts'
import type { Phys } from './phys.ts'
import { setupPerZoneLowmemReserve } from './watermark.ts'

/** Per-CPU lists hold at least this fraction of a zone's pages when set by hand. */
const MIN_PERCPU_FRACTION = 8

/** Writes vm.percpu_pagelist_fraction: 0 for the default. @errors EINVAL 1 to 7, or no integer; the old value stays */
export function writePercpuPagelistFraction(phys: Phys, value: number): 0 | Err {
  if (!Number.isInteger(value) || value < 0 || (value !== 0 && value < MIN_PERCPU_FRACTION)) return EINVAL
  phys.tunables.percpuPagelistFraction = value
  for (const zone of phys.populatedZones) setupZonePageset(phys, zone)
  return 0
}

/** Writes vm.lowmem_reserve_ratio; ratios below 1 become 1. */
export function writeLowmemReserveRatio(phys: Phys, ratio: readonly [number, number, number]): 0 | Err {
  if (!ratio.every(Number.isInteger)) return EINVAL
  phys.tunables.lowmemReserveRatio = [...ratio]
  setupPerZoneLowmemReserve(phys)
  return 0
}
/** Reads it; reading too computes the reserves anew. */
export function readLowmemReserveRatio(phys: Phys): readonly number[] {
  setupPerZoneLowmemReserve(phys)
  return phys.tunables.lowmemReserveRatio
}

/** Writes vm.zone_reclaim_mode: bit 0 on, 1 write, 2 unmap and swap. */
export function writeZoneReclaimMode(phys: Phys, value: number): 0 | Err {
  if (!Number.isInteger(value) || value < 0) return EINVAL
  phys.tunables.zoneReclaimMode = value
  return 0
}
/** Writes vm.extfrag_threshold. @errors EINVAL outside 0 … 1000 */
export function writeExtfragThreshold(phys: Phys, value: number): 0 | Err {
  if (!Number.isInteger(value) || value < 0 || value > 1000) return EINVAL
  phys.tunables.extfragThreshold = value
  return 0
}

/** Writes vm.min_unmapped_ratio: percent of a zone. @errors EINVAL outside 0 … 100 */
export function writeMinUnmappedRatio(phys: Phys, percent: number): 0 | Err {
  if (!isPercent(percent)) return EINVAL
  phys.tunables.minUnmappedRatio = percent
  for (const zone of phys.zones) zone.minUnmappedPages = Math.floor((zone.managed * percent) / 100)
  return 0
}
/** Writes vm.min_slab_ratio: percent of a zone. @errors EINVAL outside 0 … 100 */
export function writeMinSlabRatio(phys: Phys, percent: number): 0 | Err {
  if (!isPercent(percent)) return EINVAL
  phys.tunables.minSlabRatio = percent
  for (const zone of phys.zones) zone.minSlabPages = Math.floor((zone.managed * percent) / 100)
  return 0
}
function isPercent(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 100
}

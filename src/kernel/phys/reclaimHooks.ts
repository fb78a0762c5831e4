// How the allocator asks for reclaim (physical specification, 1.15). The work is done behind the Reclaimer upcall.

import type { Sleep } from '../../base/index.ts'
import { compactionSuitable, COMPACT_SKIPPED } from './compaction.ts'
import {
  NR_ACTIVE_FILE,
  NR_FILE_MAPPED,
  NR_INACTIVE_FILE,
  NR_PAGES_SCANNED,
  NR_SLAB_RECLAIMABLE,
  NR_ACTIVE_ANON,
  NR_INACTIVE_ANON,
} from './counters.ts'
import { __GFP_WAIT, WMARK_HIGH } from './gfp.ts'
import type { Phys } from './phys.ts'
import type { ReclaimRequest } from './reclaimer.ts'
import { zoneWatermarkOk } from './watermark.ts'
import type { Zone } from './zone.ts'

// What zoneReclaim answers.
export const ZONE_RECLAIM_NOSCAN = -2
export const ZONE_RECLAIM_FULL = -1
export const ZONE_RECLAIM_SOME = 0
export const ZONE_RECLAIM_SUCCESS = 1

/** A zone scanned this many times over without success counts as unreclaimable. */
const SCANS_UNTIL_UNRECLAIMABLE = 6

/**
 * Tells a zone's page daemon what is wanted, and wakes it if it sleeps and the zone is not balanced.
 *
 * @manual wakeup_kswapd, Linux
 */
export function wakeupKswapd(phys: Phys, zone: Zone, order: number, classzone: number): void {
  if (!zone.isPopulated) return
  const node = phys.nodes[zone.node]!
  if (node.kswapdMaxOrder < order) {
    node.kswapdMaxOrder = order
    node.classzoneIdx = Math.min(node.classzoneIdx, classzone)
  }
  const reclaimer = phys.reclaimer
  if (reclaimer === null || isZoneBalanced(phys, zone, order, 0, 0)) return
  if (!reclaimer.wake(node.id, order, classzone)) return
  const trace = phys.machine.trace
  if (trace.on) trace.emit('mm_vmscan_wakeup_kswapd', { nid: node.id, zid: zone.index, order })
}

/** Above the high watermark plus `gap`, and for larger orders worth compacting. */
export function isZoneBalanced(phys: Phys, zone: Zone, order: number, gap: number, classzone: number): boolean {
  if (!zoneWatermarkOk(zone, order, zone.watermark[WMARK_HIGH]! + gap, classzone, 0)) return false
  return order === 0 || compactionSuitable(phys, zone, order, 0, classzone) !== COMPACT_SKIPPED
}

/** Pages reclaim could look at. */
export function zoneReclaimablePages(zone: Zone): number {
  const { stat } = zone
  return stat[NR_ACTIVE_FILE]! + stat[NR_INACTIVE_FILE]! + stat[NR_ACTIVE_ANON]! + stat[NR_INACTIVE_ANON]!
}
/** Is there still hope that scanning the zone frees something? */
export function isZoneReclaimable(zone: Zone): boolean {
  return zone.stat[NR_PAGES_SCANNED]! < zoneReclaimablePages(zone) * SCANS_UNTIL_UNRECLAIMABLE
}

/** Reclaims for one request, with PF_MEMALLOC meanwhile. @returns pages freed */
export function* directReclaim(phys: Phys, request: ReclaimRequest): Sleep<number> {
  const reclaimer = phys.reclaimer
  if (reclaimer === null) return 0
  return yield* asMemalloc(phys, reclaimer.directReclaim(request))
}

/** Runs `work` with PF_MEMALLOC set on the running task. */
export function* asMemalloc<T>(phys: Phys, work: Sleep<T>): Sleep<T> {
  const task = phys.task
  const before = task?.isMemalloc ?? false
  if (task !== null) task.isMemalloc = true
  try {
    return yield* work
  } finally {
    if (task !== null) task.isMemalloc = before
  }
}

/**
 * Reclaims unmapped page cache of one zone instead of going to a farther one.
 *
 * @returns  a ZONE_RECLAIM_ code
 * @manual zone_reclaim, Linux
 */
export function* zoneReclaim(phys: Phys, zone: Zone, gfp: number, order: number): Sleep<number> {
  const { stat } = zone
  const file = stat[NR_ACTIVE_FILE]! + stat[NR_INACTIVE_FILE]!
  const unmapped = Math.max(0, file - stat[NR_FILE_MAPPED]!)
  if (unmapped <= zone.minUnmappedPages && stat[NR_SLAB_RECLAIMABLE]! <= zone.minSlabPages) return ZONE_RECLAIM_FULL
  if (!isZoneReclaimable(zone)) return ZONE_RECLAIM_FULL
  if ((gfp & __GFP_WAIT) === 0 || phys.task?.isMemalloc === true) return ZONE_RECLAIM_NOSCAN
  if (phys.nodes[zone.node]!.hasCpu && zone.node !== phys.localNode) return ZONE_RECLAIM_NOSCAN
  if (zone.isReclaimLocked || phys.reclaimer === null) return ZONE_RECLAIM_NOSCAN
  zone.isReclaimLocked = true
  let freed: number
  try {
    freed = yield* asMemalloc(phys, phys.reclaimer.zoneReclaim(zone, gfp, order))
  } finally {
    zone.isReclaimLocked = false
  }
  const isEnough = freed >= 2 ** order
  phys.events.add(isEnough ? 'zone_reclaim_success' : 'zone_reclaim_failed')
  return isEnough ? ZONE_RECLAIM_SUCCESS : ZONE_RECLAIM_SOME
}

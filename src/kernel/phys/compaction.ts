// Is compaction worth while, and how often may it be tried? (physical specification, 1.15)

import { MAX_ORDER } from './configuration.ts'
import { WMARK_LOW } from './gfp.ts'
import type { Phys } from './phys.ts'
import { zoneWatermarkOk } from './watermark.ts'
import type { Zone } from './zone.ts'

export const COMPACT_DEFERRED = 0
export const COMPACT_SKIPPED = 1
export const COMPACT_CONTINUE = 2
export const COMPACT_PARTIAL = 3
export const COMPACT_COMPLETE = 4
/** Only traced; it counts as COMPACT_SKIPPED. */
export const COMPACT_NOT_SUITABLE_ZONE = 6
const STATUS_NAMES = [
  'deferred',
  'skipped',
  'continue',
  'partial',
  'complete',
  'no_suitable_page',
  'not_suitable_zone',
] as const
const MAX_DEFER_SHIFT = 6

/**
 * Why an allocation of `order` would fail: near 0 for lack of memory, near 1000 because of fragmentation,
 * -1000 if it would succeed, 0 if nothing is free.
 *
 * @manual fragmentation_index, Linux
 */
export function fragmentationIndex(zone: Zone, order: number): number {
  let pages = 0
  let blocks = 0
  let suitable = 0
  for (let o = 0; o < MAX_ORDER; o++) {
    const n = zone.nrFree[o]!
    blocks += n
    pages += n * 2 ** o
    if (o >= order) suitable += n * 2 ** (o - order)
  }
  if (blocks === 0) return 0
  if (suitable > 0) return -1000
  return 1000 - Math.floor((1000 + Math.floor((pages * 1000) / 2 ** order)) / blocks)
}

/** @returns COMPACT_PARTIAL: not needed, COMPACT_SKIPPED: useless, COMPACT_CONTINUE: go. Order -1 always goes. */
export function compactionSuitable(phys: Phys, zone: Zone, order: number, flags: number, classzone: number): number {
  const status = suitable(phys, zone, order, flags, classzone)
  traceStatus(phys, 'mm_compaction_suitable', zone, order, status)
  return status === COMPACT_NOT_SUITABLE_ZONE ? COMPACT_SKIPPED : status
}
function suitable(phys: Phys, zone: Zone, order: number, flags: number, classzone: number): number {
  if (order < 0) return COMPACT_CONTINUE
  const low = zone.watermark[WMARK_LOW]!
  if (zoneWatermarkOk(zone, order, low, classzone, flags)) return COMPACT_PARTIAL
  if (!zoneWatermarkOk(zone, 0, low + 2 * 2 ** order, classzone, flags)) return COMPACT_SKIPPED
  const index = fragmentationIndex(zone, order)
  if (index >= 0 && index <= phys.tunables.extfragThreshold) return COMPACT_NOT_SUITABLE_ZONE
  return COMPACT_CONTINUE
}

export function traceStatus(phys: Phys, name: string, zone: Zone, order: number, status: number): void {
  const trace = phys.machine.trace
  if (trace.on) trace.emit(name, { node: zone.node, zone: zone.name, order, ret: STATUS_NAMES[status]! })
}

/** Has compaction of the zone failed so lately that this attempt is left out? Counts the attempt. */
export function isCompactionDeferred(phys: Phys, zone: Zone, order: number): boolean {
  const state = zone.compaction
  const limit = 2 ** state.deferShift
  if (order < state.orderFailed) return false
  if (++state.considered > limit) state.considered = limit
  if (state.considered >= limit) return false
  traceDeferral(phys, 'mm_compaction_deferred', zone, order)
  return true
}

/** Compaction has failed: leave out twice as many attempts as before, up to 63. */
export function deferCompaction(phys: Phys, zone: Zone, order: number): void {
  const state = zone.compaction
  state.considered = 0
  state.deferShift = Math.min(state.deferShift + 1, MAX_DEFER_SHIFT)
  state.orderFailed = Math.min(state.orderFailed, order)
  traceDeferral(phys, 'mm_compaction_defer_compaction', zone, order)
}

/** Compaction helped: `didAllocate`, even a page was had. */
export function resetCompactionDeferral(phys: Phys, zone: Zone, order: number, didAllocate: boolean): void {
  const state = zone.compaction
  if (didAllocate) {
    state.considered = 0
    state.deferShift = 0
  }
  if (order >= state.orderFailed) state.orderFailed = order + 1
  traceDeferral(phys, 'mm_compaction_defer_reset', zone, order)
}

function traceDeferral(phys: Phys, name: string, zone: Zone, order: number): void {
  const { considered, deferShift, orderFailed } = zone.compaction
  const trace = phys.machine.trace
  if (!trace.on) return
  trace.emit(name, {
    node: zone.node,
    zone: zone.name,
    order,
    order_failed: orderFailed,
    consider: considered,
    limit: 2 ** deferShift,
  })
}

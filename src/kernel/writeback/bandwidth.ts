// Estimates: how fast a device writes, and how fast threads may dirty its pages.

import { positionRatio, type Position } from './positionRatio.ts'
import { freerunCeiling } from './thresholds.ts'
import { BANDWIDTH_INTERVAL, HZ, type DeviceRates, type Writeback } from './writeback.ts'

/** Window of the bandwidth average, in ticks: three seconds, rounded up to a power of two. */
const WINDOW = 4096

/** New bandwidth and its average after `written` pages in `elapsed` ticks. */
export function nextWriteBandwidth(old: number, avg: number, written: number, elapsed: number): [number, number] {
  const pages = Math.max(0, written) * HZ
  if (elapsed > WINDOW) {
    const rate = Math.floor(pages / elapsed)
    return [rate, rate]
  }
  const bandwidth = Math.floor((pages + old * (WINDOW - elapsed)) / WINDOW)
  // The average follows only where the old and the new value lie on the same side of it.
  if (avg > old && old >= bandwidth) return [bandwidth, avg - Math.floor((avg - old) / 8)]
  if (avg < old && old <= bandwidth) return [bandwidth, avg + Math.floor((old - avg) / 8)]
  return [bandwidth, avg]
}

/** The limit follows the threshold up at once, and down slowly. */
export function nextDirtyLimit(limit: number, dirtyThreshold: number, dirty: number): number {
  if (limit < dirtyThreshold) return dirtyThreshold
  return limit - Math.floor(Math.max(0, limit - Math.max(dirtyThreshold, dirty)) / 32)
}

/** Base rate and balanced rate after `dirtied` pages in `elapsed` ticks at a position. */
export function nextDirtyRatelimit(
  rates: DeviceRates,
  at: Position,
  dirtied: number,
  elapsed: number,
): { ratelimit: number; balanced: number; task: number; rate: number } {
  const { dirtyRatelimit: old, avgWriteBandwidth: avg } = rates
  const rate = Math.floor((dirtied * HZ) / elapsed)
  const task = Math.floor((old * positionRatio(at)) / 1024) + 1
  const balanced = Math.min(Math.floor((task * avg) / (rate | 1)), avg)

  let { dirty } = at
  let setpoint = Math.floor(
    (freerunCeiling(at.dirtyThreshold, at.background) + Math.max(at.dirtyThreshold, at.globalDirtyLimit)) / 2,
  )
  if (rates.isStrict) {
    dirty = at.deviceDirty
    const background = Math.floor((at.deviceThreshold * at.background) / Math.max(1, at.dirtyThreshold))
    setpoint = dirty < 8 ? dirty + 1 : freerunCeiling(at.deviceThreshold, background)
  }
  const previous = rates.balancedDirtyRatelimit
  let step =
    dirty < setpoint
      ? Math.max(0, Math.min(previous, balanced, task) - old)
      : Math.max(0, old - Math.max(previous, balanced, task))
  // Smaller steps where the rate is large beside them; a shift of a word or more leaves nothing.
  step = Math.floor(step / 2 ** Math.floor(old / (2 * step + 1)))
  step = Math.floor((step + 7) / 8)
  return {
    ratelimit: Math.max(1, old < balanced ? old + step : old - step),
    balanced: Math.max(1, balanced),
    task,
    rate,
  }
}

/**
 * Brings the estimates of a device up to date if enough time has passed.
 *
 * @param at     where the system is, for a throttled thread; null from the flusher
 * @param start  tick at which the episode of throttling or flushing began
 */
export function updateBandwidth(wb: Writeback, rates: DeviceRates, at: Position | null, start: number): void {
  const { now } = wb
  const { device } = rates
  const elapsed = now - rates.stamp
  if (elapsed < BANDWIDTH_INTERVAL) return
  // After a long pause only the stamps are taken anew.
  if (!(elapsed > HZ && rates.stamp < start)) {
    if (at !== null) {
      if (now - wb.limitStamp >= BANDWIDTH_INTERVAL) {
        wb.globalDirtyLimit = nextDirtyLimit(wb.globalDirtyLimit, at.dirtyThreshold, at.dirty)
        wb.limitStamp = now
      }
      const dirtied = device.dirtied - rates.dirtiedStamp
      const next = nextDirtyRatelimit(rates, { ...at, globalDirtyLimit: wb.globalDirtyLimit }, dirtied, elapsed)
      rates.dirtyRatelimit = next.ratelimit
      rates.balancedDirtyRatelimit = next.balanced
      traceRates(wb, rates, next.task, next.rate)
    }
    const written = device.written - rates.writtenStamp
    const [bandwidth, avg] = nextWriteBandwidth(rates.writeBandwidth, rates.avgWriteBandwidth, written, elapsed)
    rates.writeBandwidth = bandwidth
    rates.avgWriteBandwidth = avg
  }
  rates.dirtiedStamp = device.dirtied
  rates.writtenStamp = device.written
  rates.stamp = now
}

function traceRates(wb: Writeback, rates: DeviceRates, task: number, rate: number): void {
  const { trace } = wb.cache
  if (!trace.on) return
  trace.emit('bdi_dirty_ratelimit', {
    bdi: rates.device.name,
    write_bw: rates.writeBandwidth * 4,
    avg_write_bw: rates.avgWriteBandwidth * 4,
    dirty_rate: rate * 4,
    dirty_ratelimit: rates.dirtyRatelimit * 4,
    task_ratelimit: task * 4,
    balanced_dirty_ratelimit: rates.balancedDirtyRatelimit * 4,
  })
}

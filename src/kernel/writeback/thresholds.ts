// How many pages may be dirty.

import { PAGE_SIZE } from '../../base/index.ts'
import { globalStat, NR_ACTIVE_FILE, NR_FREE_PAGES, NR_INACTIVE_FILE } from '../phys/index.ts'
import type { DeviceRates, Writeback } from './writeback.ts'

/** Pages. Above `background` the flusher starts; near `dirty` who dirties must wait. */
export interface DirtyThresholds {
  dirty: number
  background: number
}

/** Pages that could be dirty: free ones above the reserves, and file pages. */
export function dirtyablePages(wb: Writeback): number {
  const { phys } = wb.cache
  let reserve = 0
  for (const zone of phys.zones) reserve += zone.dirtyBalanceReserve
  const free = globalStat(phys, NR_FREE_PAGES)
  return free - Math.min(free, reserve) + globalStat(phys, NR_INACTIVE_FILE) + globalStat(phys, NR_ACTIVE_FILE) + 1
}

/** The thresholds of the running thread; a real-time thread has a quarter more. */
export function dirtyThresholds(wb: Writeback): DirtyThresholds {
  const { tunables, cache } = wb
  const dirtyable = dirtyablePages(wb)
  const part = (bytes: number, ratio: number) =>
    bytes > 0 ? Math.ceil(bytes / PAGE_SIZE) : Math.floor((ratio * dirtyable) / 100)
  let dirty = part(tunables.dirtyBytes, tunables.dirtyRatio)
  let background = part(tunables.dirtyBackgroundBytes, tunables.dirtyBackgroundRatio)
  if (background >= dirty) background = Math.floor(dirty / 2)
  if (cache.phys.task?.isRealtime === true) {
    dirty += Math.floor(dirty / 4)
    background += Math.floor(background / 4)
  }
  return { dirty, background }
}

/** Below this, nobody waits: half way between the thresholds. */
export function freerunCeiling(dirty: number, background: number): number {
  return Math.floor((dirty + background) / 2)
}

/** A device's share of `limit` pages: by its part of the recent writes, and its bounds. */
export function deviceShare(wb: Writeback, rates: DeviceRates, limit: number): number {
  let sumOfMin = 0
  for (const other of wb.devices) sumOfMin += other.minRatio
  const { numerator, denominator } = wb.cache.completions.fraction(rates.device, wb.cache.clock.now)
  // Pages stay below 2^24 and aged completions below 2^28, so that the product is exact.
  const common = Math.floor((limit * (100 - sumOfMin)) / 100)
  const share = Math.floor((common * numerator) / denominator) + Math.floor((limit * rates.minRatio) / 100)
  return Math.min(share, Math.floor((limit * rates.maxRatio) / 100))
}

/** Pages that threads of one CPU may dirty between two checks, for a threshold. */
export function ratelimitPagesFor(dirtyThreshold: number, cpus: number): number {
  return Math.max(16, Math.floor(dirtyThreshold / (32 * cpus)))
}
/** To be called when a tunable or the number of CPUs has changed. */
export function updateRatelimit(wb: Writeback): void {
  wb.ratelimitPages = ratelimitPagesFor(dirtyThresholds(wb).dirty, wb.cpus)
}

/** vm.dirty_ratio, vm.dirty_bytes and their background forms: setting one turns the other off. */
export function setDirtyRatio(wb: Writeback, percent: number): void {
  const isNew = percent !== wb.tunables.dirtyRatio
  wb.tunables.dirtyRatio = percent
  if (!isNew) return
  wb.tunables.dirtyBytes = 0
  updateRatelimit(wb)
}
export function setDirtyBytes(wb: Writeback, bytes: number): void {
  const isNew = bytes !== wb.tunables.dirtyBytes
  wb.tunables.dirtyBytes = bytes
  if (!isNew) return
  wb.tunables.dirtyRatio = 0
  updateRatelimit(wb)
}
export function setDirtyBackgroundRatio(wb: Writeback, percent: number): void {
  wb.tunables.dirtyBackgroundRatio = percent
  wb.tunables.dirtyBackgroundBytes = 0
}
export function setDirtyBackgroundBytes(wb: Writeback, bytes: number): void {
  wb.tunables.dirtyBackgroundBytes = bytes
  wb.tunables.dirtyBackgroundRatio = 0
}

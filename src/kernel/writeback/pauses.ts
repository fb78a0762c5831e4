// How long a throttled thread sleeps, and after how many pages it comes again. Ticks and pages.

import { HZ, MAX_PAUSE, type DeviceRates } from './writeback.ts'

/** Pages after which a thread is looked at, where that does not take too long. */
const WANTED_PAGES = 32
/** 1 + an eighth of a second, and a second, rounded up to powers of two. */
const EIGHTH = 128
const SECOND = 1024

export function ilog2(n: number): number {
  return Math.floor(Math.log2(n))
}

/** Longest sleep: so short that the device does not run out of dirty pages meanwhile. */
export function maxPause(rates: DeviceRates, deviceDirty: number): number {
  const perTick = 1 + Math.floor(rates.avgWriteBandwidth / EIGHTH)
  return Math.min(1 + Math.floor(deviceDirty / perTick), MAX_PAUSE)
}

export interface WantedPause {
  /** The shortest pause worth sleeping. */
  readonly minPause: number
  /** The thread's next nrDirtiedPause; 0 if it may dirty nothing. */
  readonly pages: number
}

/** The pause to aim at: about 10 ms, longer for fast devices, and at least so long that 32 pages fit in. */
export function wantedPause(rates: DeviceRates, taskRatelimit: number, longest: number): WantedPause {
  const base = rates.dirtyRatelimit
  const faster = ilog2(rates.avgWriteBandwidth) - ilog2(base)
  let pause = Math.max(1, HZ / 100)
  if (faster > 0) pause += Math.floor((faster * 10 * HZ) / 1024)
  pause = Math.min(pause, 1 + Math.floor(longest / 2))
  let pages = Math.floor((base * pause) / SECOND)
  if (pages < WANTED_PAGES) {
    pause = longest
    pages = Math.floor((base * pause) / SECOND)
    if (pages > WANTED_PAGES) {
      pages = WANTED_PAGES
      pause = Math.floor((HZ * WANTED_PAGES) / base)
    }
  }
  if (Math.floor((HZ * pages) / (taskRatelimit + 1)) > longest) {
    pause = longest
    pages = Math.floor((taskRatelimit * longest) / SECOND)
  }
  return { minPause: pages >= WANTED_PAGES ? 1 + Math.floor(pause / 2) : pause, pages }
}

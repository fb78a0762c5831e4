import type { BackingDevice } from './backingDevice.ts'

/** Nanoseconds after which what was counted before counts half. */
const PERIOD_NS = 3e9

/** Which part of the recent writes each device has completed: its share of the dirty pages. */
export class Completions {
  #total = 0
  #period = 0

  /** The device has completed a write. */
  count(device: BackingDevice, now: number): void {
    this.#age(device, now)
    device.completions++
    this.#total++
  }
  /** The device's part of all recent writes. */
  fraction(device: BackingDevice, now: number): { numerator: number; denominator: number } {
    this.#age(device, now)
    return { numerator: device.completions, denominator: Math.max(this.#total, device.completions, 1) }
  }
  #age(device: BackingDevice, now: number): void {
    const period = Math.floor(now / PERIOD_NS)
    this.#total = halved(this.#total, period - this.#period)
    this.#period = period
    device.completions = halved(device.completions, period - device.completionPeriod)
    device.completionPeriod = period
  }
}

function halved(count: number, times: number): number {
  return times === 0 ? count : Math.floor(count / 2 ** times)
}

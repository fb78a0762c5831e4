// State of the room: how much may be dirty, and how fast each device writes. Times are ticks of a millisecond.

import { WaitQueue } from '../../base/index.ts'
import { BDI_CAP_STRICTLIMIT, type BackingDevice, type PageCache } from '../pagecache/index.ts'

export const HZ = 1000
export const NS_PER_TICK = 1e6
/** Longest sleep of a throttled thread, and the shortest time between two estimates, in ticks. */
export const MAX_PAUSE = HZ / 5
export const BANDWIDTH_INTERVAL = HZ / 5
/** 100 MiB/s, in pages: what a device is believed to do at first. */
const INITIAL_BANDWIDTH = 25600

/** Settings of an administrator (vm.dirty_*). Of each pair, the one that is not 0 counts. */
export class DirtyTunables {
  dirtyRatio = 20
  dirtyBytes = 0
  dirtyBackgroundRatio = 10
  dirtyBackgroundBytes = 0
  dirtyWritebackCentisecs = 500
  dirtyExpireCentisecs = 3000
  laptopMode = 0
}

/** A request to the flusher. */
export interface FlushWork {
  readonly pages: number
  readonly isSyncAll: boolean
  isDone: boolean
  readonly queue: WaitQueue
}

/** What is known of a device's speed. Rates are pages a second. */
export class DeviceRates {
  readonly device: BackingDevice
  /** Bounds of its share of the dirty pages, in percent. */
  minRatio = 0
  maxRatio = 100
  /** It has more dirty pages than its share. */
  isDirtyExceeded = false
  writeBandwidth = INITIAL_BANDWIDTH
  avgWriteBandwidth = INITIAL_BANDWIDTH
  /** What one thread may dirty at the set point, and what it would be without smoothing. */
  dirtyRatelimit = INITIAL_BANDWIDTH
  balancedDirtyRatelimit = INITIAL_BANDWIDTH
  /** Counters of the device at the last estimate, and its time. */
  dirtiedStamp = 0
  writtenStamp = 0
  stamp = 0
  /** The flusher has been asked for background writeback, or is at work. */
  isFlushing = false
  readonly flusherQueue: WaitQueue
  /** Requests, oldest first. */
  readonly works: FlushWork[] = []
  constructor(device: BackingDevice) {
    this.device = device
    this.flusherQueue = new WaitQueue(`flusher ${device.name}`)
  }
  get isStrict(): boolean {
    return (this.device.capabilities & BDI_CAP_STRICTLIMIT) !== 0
  }
}

export class Writeback {
  readonly cache: PageCache
  readonly tunables = new DirtyTunables()
  /** Pages that the threads of a CPU may dirty between two checks. */
  ratelimitPages = 32
  /** Pages that exited threads have dirtied unthrottled, by CPU. */
  readonly dirtyThrottleLeaks: Int32Array
  /** Follows the dirty threshold: up at once, down slowly. */
  globalDirtyLimit = 0
  limitStamp = 0
  readonly #rates = new Map<BackingDevice, DeviceRates>()

  constructor(cache: PageCache) {
    this.cache = cache
    this.dirtyThrottleLeaks = new Int32Array(cache.phys.machine.cpus.length)
  }
  ratesOf(device: BackingDevice): DeviceRates {
    let rates = this.#rates.get(device)
    if (rates === undefined) this.#rates.set(device, (rates = new DeviceRates(device)))
    return rates
  }
  get devices(): Iterable<DeviceRates> {
    return this.#rates.values()
  }
  get now(): number {
    return Math.floor(this.cache.clock.now / NS_PER_TICK)
  }
  get cpus(): number {
    return this.dirtyThrottleLeaks.length
  }
  /** Asks the flusher of a device to write until the background threshold is reached. */
  startBackground(rates: DeviceRates): void {
    rates.isFlushing = true
    rates.flusherQueue.wakeAll()
  }
}

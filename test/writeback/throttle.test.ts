// Scenarios 84-94 of the page-cache specification: who dirties pages has to wait.

import { describe, expect, it } from 'vitest'
import { BackingDevice, BDI_CAP_NO_ACCT_AND_WRITEBACK, BDI_CAP_STRICTLIMIT } from '../../src/kernel/pagecache/index.ts'
import { TestWorld } from '../../src/kernel/pagecache/testWorld.ts'
import {
  NR_ACTIVE_FILE,
  NR_FILE_DIRTY,
  NR_FREE_PAGES,
  NR_INACTIVE_FILE,
  NR_WRITEBACK,
} from '../../src/kernel/phys/index.ts'
import {
  balanceDirtyPagesRatelimited,
  DeviceRates,
  deviceShare,
  dirtyablePages,
  dirtyThresholds,
  freerunCeiling,
  leaveDirtyPages,
  nextDirtyLimit,
  nextDirtyRatelimit,
  nextWriteBandwidth,
  NS_PER_TICK,
  positionCurve,
  positionRatio,
  ratelimitPagesFor,
  setDirtyBackgroundRatio,
  setDirtyBytes,
  Writeback,
  type Position,
} from '../../src/kernel/writeback/index.ts'

/** Thresholds 2000 and 1000, one device doing all I/O at 1000 pages a second, estimators frozen. */
class Throttle {
  readonly world = new TestWorld()
  readonly wb = new Writeback(this.world.cache)
  readonly rates = this.wb.ratesOf(this.world.device)
  readonly file = this.world.file(0)
  readonly zone = this.world.phys.populatedZones[0]!
  readonly thread = {}
  readonly traced: Record<string, unknown>[] = []

  constructor() {
    const { wb, rates, world } = this
    wb.tunables.dirtyBytes = 2000 * 4096
    wb.tunables.dirtyBackgroundBytes = 1000 * 4096
    wb.globalDirtyLimit = 2000
    rates.avgWriteBandwidth = rates.writeBandwidth = rates.dirtyRatelimit = rates.balancedDirtyRatelimit = 1000
    rates.stamp = Infinity
    for (let i = 0; i < 4096; i++) world.cache.completions.count(world.device, 0)
    world.machine.clock.advanceTo(5000 * NS_PER_TICK)
    world.machine.current.thread = this.thread
    world.machine.trace.attach((name, fields) => {
      if (name === 'balance_dirty_pages') this.traced.push(fields)
    })
  }
  get io() {
    this.world.machine.current.thread = this.thread
    return this.world.cache.io
  }
  dirty(pages: number, writeback = 0): this {
    this.zone.stat[NR_FILE_DIRTY] = pages
    this.zone.stat[NR_WRITEBACK] = writeback
    this.world.device.reclaimable = pages
    this.world.device.writeback = writeback
    return this
  }
  /** Calls the throttle, letting time pass; how long each sleep took. */
  balance(between: (slept: number) => void = () => {}, signals = false, file = this.file): number[] {
    const { machine } = this.world
    const sleeps: number[] = []
    const work = balanceDirtyPagesRatelimited(this.wb, file.object)
    this.world.machine.current.thread = this.thread
    let step = work.next('woken')
    while (step.done !== true) {
      const slept = step.value.deadline / NS_PER_TICK - this.wb.now
      expect(step.value.interruptible).toBe(true)
      machine.clock.advanceTo(step.value.deadline)
      sleeps.push(slept)
      between(slept)
      expect(sleeps.length).toBeLessThan(20)
      step = work.next(signals ? 'signal' : 'timeout')
    }
    return sleeps
  }
}

describe('dirtyThresholds', () => {
  it('[page-cache 84] counts what could be dirty', () => {
    const world = new TestWorld()
    const wb = new Writeback(world.cache)
    const zone = world.phys.populatedZones[0]!
    zone.stat[NR_FREE_PAGES] = 8000
    zone.dirtyBalanceReserve = 1000
    zone.stat[NR_INACTIVE_FILE] = 2000
    zone.stat[NR_ACTIVE_FILE] = 999
    expect(dirtyablePages(wb)).toBe(10000)
    expect(dirtyThresholds(wb)).toEqual({ dirty: 2000, background: 1000 })
    expect(freerunCeiling(2000, 1000)).toBe(1500)
    world.machine.current.thread = { isRealtime: true }
    expect(dirtyThresholds(wb)).toEqual({ dirty: 2500, background: 1250 })
    world.machine.current.thread = null
    setDirtyBackgroundRatio(wb, 50)
    expect(dirtyThresholds(wb).background).toBe(1000)
    setDirtyBytes(wb, 8388608)
    expect([dirtyThresholds(wb).dirty, wb.tunables.dirtyRatio, wb.ratelimitPages]).toEqual([2048, 0, 64])
    zone.stat[NR_FREE_PAGES] = 500
    expect(dirtyablePages(wb)).toBe(3000)
  })
  it('[page-cache 94] gives each device its share', () => {
    const world = new TestWorld()
    const wb = new Writeback(world.cache)
    const [a, b, idle] = [new BackingDevice('a'), new BackingDevice('b'), new BackingDevice('c')]
    const { completions } = world.cache
    completions.count(a, 0)
    for (let i = 0; i < 3; i++) completions.count(b, 0)
    expect(deviceShare(wb, wb.ratesOf(a), 2000)).toBe(500)
    wb.ratesOf(a).minRatio = 10
    expect(deviceShare(wb, wb.ratesOf(a), 2000)).toBe(650)
    wb.ratesOf(a).minRatio = 0
    wb.ratesOf(b).maxRatio = 50
    expect(deviceShare(wb, wb.ratesOf(b), 2000)).toBe(1000)
    expect(deviceShare(wb, wb.ratesOf(idle), 2000)).toBe(0)
  })
})

describe('positionRatio', () => {
  const at = (changes: Partial<Position>): Position => ({
    dirtyThreshold: 2000,
    background: 1000,
    dirty: 1750,
    globalDirtyLimit: 2000,
    deviceThreshold: 2000,
    deviceDirty: 0,
    avgWriteBandwidth: 1000,
    isStrict: false,
    ...changes,
  })
  it('[page-cache 85] follows a curve', () => {
    const dirty = [1500, 1600, 1625, 1700, 1750, 1800, 1875, 1900, 1950, 1990, 1999, 2000]
    expect(dirty.map((pages) => positionCurve(1750, pages, 2000))).toEqual([
      2033, 1241, 1149, 1031, 1024, 1016, 898, 806, 508, 130, 26, 14,
    ])
    expect(positionRatio(at({ dirty: 2000 }))).toBe(0)
  })
  it('[page-cache 86] bends it for the device', () => {
    const device = (deviceThreshold: number, deviceDirty: number) => positionRatio(at({ deviceThreshold, deviceDirty }))
    expect([20, 200, 400, 437, 600].map((pages) => device(500, pages))).toEqual([9624, 1407, 1039, 1024, 953])
    expect([3000, 9000].map((pages) => device(1000, pages))).toEqual([539, 256])
    const strict = (deviceDirty: number) =>
      positionRatio(at({ dirty: 500, deviceThreshold: 100, deviceDirty, isStrict: true }))
    expect([5, 50, 75, 90, 99, 100].map(strict)).toEqual([2048, 2048, 1024, 803, 118, 0])
  })
})

describe('balanceDirtyPagesRatelimited', () => {
  it('[page-cache 87] lets run free half way between the thresholds', () => {
    const t = new Throttle().dirty(1200, 100)
    t.io.nrDirtied = 32
    expect(t.balance()).toEqual([])
    expect([t.io.nrDirtied, t.io.nrDirtiedPause, t.rates.isFlushing]).toEqual([0, 16, true])
    const few = new Throttle().dirty(32)
    few.io.nrDirtied = 32
    expect(few.balance()).toEqual([])
    expect([few.io.nrDirtiedPause, few.rates.isFlushing]).toEqual([32, false])
    for (const total of [1500, 1501]) {
      const edge = new Throttle().dirty(500, total - 500)
      edge.io.nrDirtied = 32
      edge.balance()
      expect(edge.traced.length).toBe(total - 1500)
      expect(edge.rates.isFlushing).toBe(total > 1500)
    }
  })
  it('[page-cache 88] makes a thread wait as long as its pages take', () => {
    const t = new Throttle().dirty(1875)
    t.io.nrDirtied = 32
    const start = t.wb.now
    expect(t.balance()).toEqual([37])
    expect([t.io.nrDirtied, t.io.nrDirtiedPause, t.io.dirtyPausedWhen]).toEqual([0, 32, start + 37])
    expect(t.traced).toMatchObject([{ dirtied: 32, period: 37, pause: 37, task_ratelimit: 862 * 4, think: 0 }])
    expect(t.rates.isFlushing).toBe(true)
  })
  it('[page-cache 89] cuts a long pause, and charges the rest to the next', () => {
    const t = new Throttle().dirty(1990)
    t.io.nrDirtied = 32
    const start = t.wb.now
    expect(t.balance()).toEqual([200])
    expect([t.io.dirtyPausedWhen, t.io.nrDirtiedPause]).toEqual([start + 260, 24])
    expect(t.traced).toMatchObject([{ period: 260, task_ratelimit: 123 * 4 }])
  })
  it('[page-cache 90] takes the time since the last pause into account', () => {
    const t = new Throttle().dirty(1875)
    t.io.nrDirtied = 32
    t.io.dirtyPausedWhen = t.wb.now - 30
    expect(t.balance()).toEqual([])
    expect([t.io.nrDirtied, t.io.dirtyPausedWhen, t.io.nrDirtiedPause]).toEqual([0, t.wb.now + 7, 32])
    t.io.nrDirtied = 32
    t.io.dirtyPausedWhen = t.wb.now - 2000
    expect(t.balance()).toEqual([])
    expect(t.io.dirtyPausedWhen).toBe(t.wb.now)
  })
  it('[page-cache 91] holds everybody at the limit', () => {
    const t = new Throttle().dirty(2000)
    t.io.nrDirtied = 32
    const quotas: number[] = []
    const sleeps = t.balance((slept) => {
      quotas.push(t.io.nrDirtiedPause)
      if (slept === 200) t.dirty(1875)
    })
    expect([sleeps, t.io.nrDirtiedPause]).toEqual([[200, 37], 32])
    expect(quotas).toEqual([32, 0])

    const killed = new Throttle().dirty(2000)
    killed.io.nrDirtied = 32
    expect(killed.balance(() => {}, true)).toEqual([200])
    expect(killed.io.nrDirtiedPause).toBe(0)

    const over = new Throttle().dirty(2001)
    over.io.nrDirtied = 32
    over.balance(() => {}, true)
    expect(over.rates.isDirtyExceeded).toBe(true)
    over.dirty(100)
    over.io.nrDirtied = 32
    over.balance()
    expect(over.rates.isDirtyExceeded).toBe(false)
  })
  it('[page-cache 92] looks only every now and then', () => {
    // The system is where a thread that has thought for long is looked at, traced, and let go.
    const call = (nrDirtied: number, p: number, leaks = 0, isExceeded = false) => {
      const t = new Throttle().dirty(1875)
      t.wb.ratelimitPages = 62
      t.io.dirtyPausedWhen = t.wb.now - 900
      t.io.nrDirtied = nrDirtied
      t.world.cache.dirtyRatelimits[0] = p
      t.wb.dirtyThrottleLeaks[0] = leaks
      t.rates.isDirtyExceeded = isExceeded
      t.balance()
      return {
        checks: t.traced.map((fields) => fields['dirtied']),
        nrDirtied: t.io.nrDirtied,
        p: t.world.cache.dirtyRatelimits[0],
        leaks: t.wb.dirtyThrottleLeaks[0],
      }
    }
    expect(call(31, 31)).toMatchObject({ checks: [], nrDirtied: 31, p: 31 })
    expect(call(32, 32)).toMatchObject({ checks: [32], nrDirtied: 0, p: 0 })
    expect(call(5, 62)).toMatchObject({ checks: [5], p: 0 })
    expect(call(5, 0, 10)).toMatchObject({ checks: [], nrDirtied: 15, leaks: 0 })
    expect(call(5, 0, 100)).toMatchObject({ checks: [32], leaks: 73 })
    expect(call(8, 0, 0, true)).toMatchObject({ checks: [8] })

    const t = new Throttle().dirty(1875)
    t.io.nrDirtied = 1000
    const memory = t.world.file(0, new BackingDevice('ram', BDI_CAP_NO_ACCT_AND_WRITEBACK))
    t.world.now(balanceDirtyPagesRatelimited(t.wb, memory.object))
    expect([t.traced, t.io.nrDirtied]).toEqual([[], 1000])
    leaveDirtyPages(t.wb)
    expect([t.wb.dirtyThrottleLeaks[0], t.io.nrDirtied]).toEqual([1000, 0])
    expect([ratelimitPagesFor(2000, 1), ratelimitPagesFor(2000, 4), ratelimitPagesFor(100000, 4)]).toEqual([
      62, 16, 781,
    ])
  })
  it('holds a strict device to its own share while little is dirty elsewhere', () => {
    const t = new Throttle().dirty(0)
    const device = new BackingDevice('slow', BDI_CAP_STRICTLIMIT)
    const file = t.world.file(0, device)
    const rates = t.wb.ratesOf(device)
    rates.stamp = Infinity
    rates.maxRatio = 5
    for (let i = 0; i < 4096; i++) t.world.cache.completions.count(device, 5000 * NS_PER_TICK)
    device.reclaimable = 99
    t.zone.stat[NR_FILE_DIRTY] = 99
    t.io.nrDirtied = 32
    expect(t.balance(() => {}, false, file).length).toBe(1)
    expect([rates.isFlushing, t.rates.isFlushing]).toEqual([true, false])
  })
})

describe('updateBandwidth', () => {
  it('[page-cache 93] estimates bandwidth, limit and rates', () => {
    expect(nextWriteBandwidth(25600, 25600, 1000, 200)).toEqual([24594, 25600])
    expect(nextWriteBandwidth(25600, 26000, 1000, 200)).toEqual([24594, 25950])
    expect(nextWriteBandwidth(25600, 25000, 10000, 200)).toEqual([26791, 25075])
    expect(nextWriteBandwidth(25600, 25600, 5000, 5000)).toEqual([1000, 1000])
    const limits: number[] = []
    for (let limit = 2000; limits.length < 5;) limits.push((limit = nextDirtyLimit(limit, 1000, 1200)))
    expect(limits).toEqual([1975, 1951, 1928, 1906, 1884])
    expect(nextDirtyLimit(2000, 3000, 1200)).toBe(3000)

    const next = (dirty: number, ratelimit: number, balanced: number, pages: number) => {
      const rates = new DeviceRates(new BackingDevice('d'))
      rates.avgWriteBandwidth = 1000
      rates.dirtyRatelimit = ratelimit
      rates.balancedDirtyRatelimit = balanced
      const position: Position = {
        dirtyThreshold: 2000,
        background: 1000,
        dirty,
        globalDirtyLimit: 2000,
        deviceThreshold: 2000,
        deviceDirty: dirty,
        avgWriteBandwidth: 1000,
        isStrict: false,
      }
      return nextDirtyRatelimit(rates, position, pages, 200).ratelimit
    }
    expect([next(1600, 500, 900, 100), next(1900, 1000, 600, 400), next(1900, 1000, 1000, 400)]).toEqual([
      504, 992, 1000,
    ])
  })
})

// Whoever dirties pages faster than they can be written has to wait.

import { sleepUntil, type Sleep } from '../../base/index.ts'
import { globalStat, NR_DIRTIED, NR_FILE_DIRTY, NR_UNSTABLE, NR_WRITEBACK, NR_WRITTEN } from '../phys/index.ts'
import type { FileObject } from '../pagecache/index.ts'
import { updateBandwidth } from './bandwidth.ts'
import { ilog2, maxPause, wantedPause } from './pauses.ts'
import { positionRatio, type Position } from './positionRatio.ts'
import { deviceShare, dirtyThresholds, freerunCeiling, type DirtyThresholds } from './thresholds.ts'
import { HZ, NS_PER_TICK, type DeviceRates, type Writeback } from './writeback.ts'

/** Pages after which a thread is looked at while its device has too many dirty pages: 32 KiB. */
const EXCEEDED_RATELIMIT = 8

/**
 * To be called after pages of a file were dirtied, once for each step of a write and each write fault. Looks at the
 * whole system every now and then, and sleeps if too much is dirty.
 *
 * @locks  no page lock held; sleeps, at most 200 ms at a time; a fatal signal ends it
 * @manual balance_dirty_pages_ratelimited, Linux
 */
export function* balanceDirtyPagesRatelimited(wb: Writeback, object: FileObject): Sleep<void> {
  const { cache } = wb
  const { device } = object
  if (!device.accountsDirty) return
  const rates = wb.ratesOf(device)
  const cpu = cache.phys.machine.current.cpu.id
  const { io, dirtyRatelimits } = cache
  let ratelimit = io.nrDirtiedPause
  if (rates.isDirtyExceeded) ratelimit = Math.min(ratelimit, EXCEEDED_RATELIMIT)
  if (io.nrDirtied >= ratelimit) dirtyRatelimits[cpu] = 0
  else if (dirtyRatelimits[cpu] >= wb.ratelimitPages) {
    // Many threads have dirtied a little each.
    dirtyRatelimits[cpu] = 0
    ratelimit = 0
  }
  const leaks = wb.dirtyThrottleLeaks[cpu]
  if (leaks > 0 && io.nrDirtied < ratelimit) {
    const taken = Math.min(leaks, ratelimit - io.nrDirtied)
    wb.dirtyThrottleLeaks[cpu] -= taken
    io.nrDirtied += taken
  }
  if (io.nrDirtied >= ratelimit) yield* balanceDirtyPages(wb, rates, io.nrDirtied)
}

/** A thread exits: what it has dirtied since its last check is left to the others of its CPU. */
export function leaveDirtyPages(wb: Writeback): void {
  const { io } = wb.cache
  wb.dirtyThrottleLeaks[wb.cache.phys.machine.current.cpu.id] += io.nrDirtied
  io.nrDirtied = 0
}

/** Counts and limits of one look at the system. */
interface Look {
  readonly position: Position
  readonly reclaimable: number
  readonly total: number
  readonly thresholds: DirtyThresholds
}
function look(wb: Writeback, rates: DeviceRates): Look {
  const { phys, trace } = wb.cache
  const { device } = rates
  const reclaimable = globalStat(phys, NR_FILE_DIRTY) + globalStat(phys, NR_UNSTABLE)
  const writeback = globalStat(phys, NR_WRITEBACK)
  const total = reclaimable + writeback
  const thresholds = dirtyThresholds(wb)
  if (trace.on)
    trace.emit('global_dirty_state', {
      nr_dirty: globalStat(phys, NR_FILE_DIRTY),
      nr_writeback: writeback,
      nr_unstable: globalStat(phys, NR_UNSTABLE),
      background_thresh: thresholds.background,
      dirty_thresh: thresholds.dirty,
      dirty_limit: wb.globalDirtyLimit,
      nr_dirtied: globalStat(phys, NR_DIRTIED),
      nr_written: globalStat(phys, NR_WRITTEN),
    })
  const position = {
    dirtyThreshold: thresholds.dirty,
    background: thresholds.background,
    dirty: total,
    globalDirtyLimit: wb.globalDirtyLimit,
    deviceThreshold: deviceShare(wb, rates, thresholds.dirty),
    deviceDirty: device.reclaimable + device.writeback,
    avgWriteBandwidth: rates.avgWriteBandwidth,
    isStrict: rates.isStrict,
  }
  return { position, reclaimable, total, thresholds }
}

/** Loops until the thread may go on. */
function* balanceDirtyPages(wb: Writeback, rates: DeviceRates, pagesDirtied: number): Sleep<void> {
  const { io } = wb.cache
  const start = wb.now
  let isExceeded = false
  let seen: Look
  for (;;) {
    let { now } = wb
    seen = look(wb, rates)
    const { position, total, thresholds } = seen
    const free = freeRun(rates, position)
    if (free >= 0) {
      io.dirtyPausedWhen = now
      io.nrDirtied = 0
      io.nrDirtiedPause = free
      break
    }
    if (!rates.isFlushing) wb.startBackground(rates)
    isExceeded = position.deviceDirty > position.deviceThreshold && (total > thresholds.dirty || rates.isStrict)
    if (isExceeded) rates.isDirtyExceeded = true
    updateBandwidth(wb, rates, position, start)

    const current = { ...position, globalDirtyLimit: wb.globalDirtyLimit, avgWriteBandwidth: rates.avgWriteBandwidth }
    const taskRatelimit = Math.floor((rates.dirtyRatelimit * positionRatio(current)) / 1024)
    const longest = maxPause(rates, position.deviceDirty)
    const wanted = wantedPause(rates, taskRatelimit, longest)
    let period = longest
    let pause = longest
    if (taskRatelimit > 0) {
      period = Math.floor((HZ * pagesDirtied) / taskRatelimit)
      pause = io.dirtyPausedWhen === 0 ? period : period - (now - io.dirtyPausedWhen)
      if (pause < wanted.minPause) {
        traceBalance(wb, rates, current, taskRatelimit, {
          dirtied: pagesDirtied,
          period,
          pause: Math.min(pause, 0),
          start,
          now,
        })
        takeCredit(wb, pause, period, pagesDirtied, now)
        break
      }
      if (pause > longest) {
        // Occasional overruns are charged to the next pause, huge ones are forgiven.
        now += Math.min(pause - longest, longest)
        pause = longest
      }
    }
    traceBalance(wb, rates, current, taskRatelimit, { dirtied: pagesDirtied, period, pause, start, now })
    const reason = yield* sleepUntil((wb.now + pause) * NS_PER_TICK, true)
    io.dirtyPausedWhen = now + pause
    io.nrDirtied = 0
    io.nrDirtiedPause = wanted.pages
    if (taskRatelimit > 0 || position.deviceDirty <= statError(wb) || reason === 'signal') break
  }
  if (!isExceeded) rates.isDirtyExceeded = false
  if (rates.isFlushing || wb.tunables.laptopMode !== 0) return
  if (seen.reclaimable > seen.thresholds.background) wb.startBackground(rates)
}

/** Pages until the next look if nobody has to wait; -1 if somebody has. */
function freeRun(rates: DeviceRates, at: Position): number {
  let { dirty, dirtyThreshold: thresh, background } = at
  if (rates.isStrict) {
    dirty = at.deviceDirty
    background = thresh === 0 ? 0 : Math.floor((at.deviceThreshold * background) / thresh)
    thresh = at.deviceThreshold
  }
  if (dirty > freerunCeiling(thresh, background)) return -1
  return thresh > dirty ? 2 ** Math.floor(ilog2(thresh - dirty) / 2) : 1
}

/** The thread has thought long enough since its last pause: no sleep, but its credit is used. */
function takeCredit(wb: Writeback, pause: number, period: number, pagesDirtied: number, now: number): void {
  const { io } = wb.cache
  if (pause < -HZ) {
    io.dirtyPausedWhen = now
    io.nrDirtied = 0
  } else if (period > 0) {
    io.dirtyPausedWhen += period
    io.nrDirtied = 0
  } else if (io.nrDirtiedPause <= pagesDirtied) io.nrDirtiedPause += pagesDirtied
}

/** By how much a counter spread over CPUs may be wrong. */
function statError(wb: Writeback): number {
  return wb.cpus === 1 ? 1 : wb.cpus * 8 * (1 + ilog2(wb.cpus))
}

function traceBalance(
  wb: Writeback,
  rates: DeviceRates,
  at: Position,
  taskRatelimit: number,
  what: { dirtied: number; period: number; pause: number; start: number; now: number },
): void {
  const { trace, io } = wb.cache
  if (!trace.on) return
  const limit = wb.globalDirtyLimit
  const setpoint = Math.floor((limit + freerunCeiling(at.dirtyThreshold, at.background)) / 2)
  trace.emit('balance_dirty_pages', {
    bdi: rates.device.name,
    limit,
    setpoint,
    dirty: at.dirty,
    bdi_setpoint: Math.floor((setpoint * at.deviceThreshold) / (at.dirtyThreshold + 1)),
    bdi_dirty: at.deviceDirty,
    dirty_ratelimit: rates.dirtyRatelimit * 4,
    task_ratelimit: taskRatelimit * 4,
    dirtied: what.dirtied,
    dirtied_pause: io.nrDirtiedPause,
    paused: wb.now - what.start,
    pause: what.pause,
    period: what.period,
    think: io.dirtyPausedWhen === 0 ? 0 : what.now - io.dirtyPausedWhen,
  })
}

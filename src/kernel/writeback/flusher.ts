// The flusher of a device: writes dirty objects by request, in the background, and when they have been dirty for long.

import { PGOFF_MAX, sleepOn, WaitQueue, type Sleep } from '../../base/index.ts'
import { globalStat, NR_FILE_DIRTY, NR_UNSTABLE } from '../phys/index.ts'
import { I_DIRTY_PAGES, TAG_DIRTY, type FileObject } from '../pagecache/index.ts'
import { updateBandwidth } from './bandwidth.ts'
import { writebackControl } from './control.ts'
import { filemapFdatawait } from './filemapFlush.ts'
import { doWritepages } from './genericWritepages.ts'
import { deviceShare, dirtyThresholds } from './thresholds.ts'
import { NS_PER_TICK, type DeviceRates, type FlushWork, type Writeback } from './writeback.ts'

/** Pages of one object are written in pieces of about this many, so that others have their turn: 4 MiB. */
const MIN_CHUNK = 1024

/** The thread of a device's flusher; never returns. */
export function* flusher(wb: Writeback, rates: DeviceRates): Sleep<never> {
  let periodicAt = nextPeriod(wb)
  for (;;) {
    if (!rates.isFlushing && rates.works.length === 0 && wb.cache.clock.now < periodicAt)
      yield* sleepOn(rates.flusherQueue, periodicAt)
    rates.isFlushing = true
    yield* doRequests(wb, rates)
    if (wb.cache.clock.now >= periodicAt) {
      yield* writeOld(wb, rates)
      periodicAt = nextPeriod(wb)
    }
    yield* writeBackground(wb, rates)
    rates.isFlushing = false
  }
}

function nextPeriod(wb: Writeback): number {
  const { dirtyWritebackCentisecs } = wb.tunables
  return dirtyWritebackCentisecs === 0 ? Infinity : wb.cache.clock.now + dirtyWritebackCentisecs * 10 * NS_PER_TICK
}

/**
 * Asks a flusher to write.
 *
 * @param pages      at most so many, Infinity for all; not with isSyncAll
 * @param isSyncAll  for integrity: everything dirty now, waited for
 * @returns          what `waitForFlush` takes
 */
export function requestFlush(rates: DeviceRates, pages: number, isSyncAll: boolean): FlushWork {
  const work: FlushWork = { pages, isSyncAll, isDone: false, queue: new WaitQueue('flush work') }
  rates.works.push(work)
  rates.flusherQueue.wakeAll()
  return work
}
export function* waitForFlush(work: FlushWork): Sleep<void> {
  while (!work.isDone) yield* sleepOn(work.queue)
}

function* doRequests(wb: Writeback, rates: DeviceRates): Sleep<void> {
  for (let work = rates.works.shift(); work !== undefined; work = rates.works.shift()) {
    yield* writeObjects(wb, rates, [...rates.device.dirtyObjects.keys()], work.pages, work.isSyncAll, false)
    work.isDone = true
    work.queue.wakeAll()
  }
}

/** Objects that have been dirty for longer than dirtyExpireCentisecs. */
function* writeOld(wb: Writeback, rates: DeviceRates): Sleep<void> {
  const before = wb.cache.clock.now - wb.tunables.dirtyExpireCentisecs * 10 * NS_PER_TICK
  const old = [...rates.device.dirtyObjects].filter(([, since]) => since < before).map(([object]) => object)
  yield* writeObjects(wb, rates, old, Infinity, false, true)
}

/** Until the background threshold is reached, somebody asks for something, or a round writes nothing. */
function* writeBackground(wb: Writeback, rates: DeviceRates): Sleep<void> {
  while (rates.works.length === 0 && isOverBackground(wb, rates)) {
    const objects = [...rates.device.dirtyObjects.keys()]
    if ((yield* writeObjects(wb, rates, objects, MIN_CHUNK, false, false)) === 0) return
  }
}
function isOverBackground(wb: Writeback, rates: DeviceRates): boolean {
  const { phys } = wb.cache
  const { background } = dirtyThresholds(wb)
  if (globalStat(phys, NR_FILE_DIRTY) + globalStat(phys, NR_UNSTABLE) > background) return true
  return rates.device.reclaimable > deviceShare(wb, rates, background)
}

/** Writes objects, oldest first. @returns pages handed to the file systems */
function* writeObjects(
  wb: Writeback,
  rates: DeviceRates,
  objects: readonly FileObject[],
  pages: number,
  isSyncAll: boolean,
  isPeriodic: boolean,
): Sleep<number> {
  const start = wb.now
  let written = 0
  for (const object of objects) {
    if (written >= pages || (rates.works.length > 0 && isPeriodic)) break
    const budget = isSyncAll ? PGOFF_MAX : chunkOf(wb, rates, pages - written)
    written += yield* writeObject(wb, object, budget, isSyncAll, isPeriodic)
    updateBandwidth(wb, rates, null, start)
  }
  const { trace } = wb.cache
  if (trace.on) trace.emit('writeback_pages_written', { pages: written })
  return written
}

/** Pages to write of one object before the next one has its turn. */
function chunkOf(wb: Writeback, rates: DeviceRates, left: number): number {
  const pages = Math.min(Math.floor(rates.avgWriteBandwidth / 2), Math.floor(wb.globalDirtyLimit / 8), left)
  return Math.floor((pages + MIN_CHUNK) / MIN_CHUNK) * MIN_CHUNK
}

function* writeObject(
  wb: Writeback,
  object: FileObject,
  budget: number,
  isSyncAll: boolean,
  isPeriodic: boolean,
): Sleep<number> {
  const { dirtyObjects } = object.device
  const since = dirtyObjects.get(object)
  if (since === undefined) return 0
  // Taken off first: what becomes dirty during the write puts it on again.
  dirtyObjects.delete(object)
  object.dirtyState &= ~I_DIRTY_PAGES
  const wbc = writebackControl(budget, {
    isSyncAll,
    rangeCyclic: !isSyncAll,
    forKupdate: isPeriodic,
    forBackground: !isSyncAll && !isPeriodic,
  })
  yield* doWritepages(wb.cache, object, wbc)
  if (isSyncAll) yield* filemapFdatawait(wb.cache, object)
  if (object.pages.nextTagged(0, TAG_DIRTY) >= 0 && !dirtyObjects.has(object)) {
    dirtyObjects.set(object, since)
    object.dirtyState |= I_DIRTY_PAGES
  }
  return budget - wbc.nrToWrite
}

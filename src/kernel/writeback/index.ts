/**
 * writeback: when dirty pages go out, and who must wait for them.
 *
 *   doWritepages ──► the file system's writePages, or genericWritepages ──► writeCachePages ──► its writePage
 *
 *   dirtying ──► balanceDirtyPagesRatelimited ──► sleeps so long that the devices keep up; wakes the flusher
 *   flusher  ──► dirty objects of its device: requested, in the background, old
 *
 * Key types: Writeback (the state), DeviceRates (what is known of one device), WritebackControl (one walk).
 *
 * Invariants
 *  - what a walk with isSyncAll has passed to the writer includes every page that was dirty in its range at its start,
 *    unless somebody else has written or removed it;
 *  - a walk without it passes no more pages than its budget;
 *  - a thread sleeps at most 200 ms at a time for having dirtied pages, and not at all below the free-run ceiling;
 *  - an error of a write that nobody waited for is latched in the object, and told once.
 *
 * Locks: page locks, one at a time, taken here and given up by the writer.
 *
 * Manual: The Linux Kernel API, chapter 4, More Memory Management Functions (3.18/4.0).
 */
export { writebackControl } from './control.ts'
export { tagPagesForWriteback } from './tagPagesForWriteback.ts'
export { writeCachePages, type PageWriter } from './writeCachePages.ts'
export { doWritepages, genericWritepages } from './genericWritepages.ts'
export { writeOnePage } from './writeOnePage.ts'
export {
  filemapFdatawait,
  filemapFdatawaitRange,
  filemapFdatawriteRange,
  filemapFlush,
  filemapWriteAndWaitRange,
} from './filemapFlush.ts'
export { flusher, requestFlush, waitForFlush } from './flusher.ts'
export { DeviceRates, DirtyTunables, HZ, NS_PER_TICK, Writeback, type FlushWork } from './writeback.ts'
export * from './thresholds.ts'
export { positionCurve, positionRatio, type Position } from './positionRatio.ts'
export { nextDirtyLimit, nextDirtyRatelimit, nextWriteBandwidth, updateBandwidth } from './bandwidth.ts'
export { balanceDirtyPagesRatelimited, leaveDirtyPages } from './balanceDirtyPages.ts'

/**
 * phys: all physical memory of one machine, from the firmware map to the last free page. The one allocator of the
 * system: whatever holds bytes holds frames of this room.
 *
 *   firmware map ──► Memblock ──► nodes, zones, Frames ──► buddy lists ──► per-CPU lists ──► a page (its pfn)
 *
 * Key types: Phys (the state), Frames (parallel arrays, one entry a frame), Zone, Node, Memblock, Reclaimer (the
 * upcall through which the allocator asks for reclaim, migration and the out-of-memory killer).
 * A page is named by its pfn in functions and by its frame index `f` in arrays: f = phys.frames.frameOf(pfn).
 *
 * Invariants (verify recomputes them)
 *  - nrFree[order] of a zone is the number of blocks on its six lists of that order.
 *  - A listed block of order o begins at a multiple of 2^o, lies in its zone, and its head has map count -128 and
 *    private = o; its pages have count 0. No two blocks overlap.
 *  - Merging is complete: two free buddies of one order below 10 do not exist, except at isolated pageblocks.
 *  - NR_FREE_PAGES is the sum of all blocks not on ISO lists; NR_FREE_CMA_PAGES of those on CMA lists.
 *  - A CMA block is on a CMA list, a block of an isolated pageblock on an ISO list.
 *  - A per-CPU list holds free single pages with count 0, and its count is right; these count as allocated.
 *  - managed = NR_FREE_PAGES + pages on ISO lists + pages on per-CPU lists + pages with an owner.
 *  - A free page has no flag, no owner, no mapping, no wiring, no loan.
 *
 * Locks: each zone's spin lock guards its lists and counters; zonelistsMutex and contigMutex may be slept on.
 * Plain functions never sleep; generators may.
 *
 * Manual: Linux 4.0 mm/page_alloc, memblock, page_isolation, compaction, cma. The specification's sections are named
 * in the files.
 */
export * from './configuration.ts'
export * from './gfp.ts'
export * from './pageFlags.ts'
export * from './counters.ts'
export * from './frames.ts'
export * from './zone.ts'
export * from './reclaimer.ts'
export {
  KernelLog,
  Phys,
  Tunables,
  type FrameMemory,
  type PhysCpu,
  type PhysMachine,
  type PhysOptions,
} from './phys.ts'
export { bootPhys, describeMemory, type BootConfig, type BootMemory, type BootRange } from './boot.ts'
export {
  allocPages,
  allocPagesNode,
  allocPagesNodeTry,
  allocPagesTry,
  assertMaySleep,
  failNthAllocation,
} from './alloc.ts'
export {
  compoundHead,
  compoundOrder,
  freeColdPage,
  freePageList,
  freePages,
  getPage,
  putPage,
  splitPage,
} from './free.ts'
export { foldHotCounters } from './hotPage.ts'
export { copyPage, pageAddress, pfnOfAddress, zeroPage } from './page.ts'
export { allocPagesExact, allocPagesExactNid, freePagesExact } from './exact.ts'
export { drainAllPages, drainCpu, drainLocalPages, zoneBatchSize } from './pcp.ts'
export { freeCount, globalStat, nrFreeBufferPages, nrFreePagecachePages, nrFreeZonePages } from './nrFree.ts'
export * from './memblock.ts'
export * from './nodeMap.ts'
export { memoryPresent, pfnValid, sparseMemoryPresentWithActiveRegions } from './sections.ts'
export { freeAreaInitNodes, setDmaReserve } from './freeAreaInit.ts'
export { buildAllZonelists, findNextBestNode, writeZonelistOrder } from './zonelists.ts'
export {
  normalThreshold,
  setupPerZoneLowmemReserve,
  setupPerZoneWmarks,
  writeMinFreeKbytes,
  zoneWatermarkOk,
  zoneWatermarkOkSafe,
} from './watermark.ts'
export {
  getPageblockMigratetype,
  getPfnblockFlagsMask,
  MIGRATETYPE_MASK,
  PB_migrate,
  PB_migrate_end,
  PB_migrate_skip,
  setPageblockMigratetype,
  setPfnblockFlagsMask,
} from './pageblock.ts'
export { isZoneBalanced, isZoneReclaimable, wakeupKswapd, zoneReclaimablePages } from './reclaimHooks.ts'
export { compactionSuitable, fragmentationIndex } from './compaction.ts'
export { compactMemory } from './compact.ts'
export { migratePages, type MigrationTarget } from './migrate.ts'
export {
  setMigratetypeIsolate,
  startIsolatePageRange,
  testPagesIsolated,
  undoIsolatePageRange,
  unsetMigratetypeIsolate,
} from './isolate.ts'
export { allocContigRange, freeContigRange } from './contig.ts'
export { CmaArea, cmaAlloc, cmaInitReservedMem, cmaRelease } from './cma.ts'
export { verify } from './verify.ts'
export {
  readLowmemReserveRatio,
  writeExtfragThreshold,
  writeLowmemReserveRatio,
  writeMinSlabRatio,
  writeMinUnmappedRatio,
  writePercpuPagelistFraction,
  writeZoneReclaimMode,
} from './tunables.ts'
export {
  availablePages,
  buddyinfoText,
  freeAreasText,
  meminfo,
  meminfoLine,
  meminfoText,
  pageblockCounts,
  pagetypeinfoText,
  vmstat,
  zoneinfoText,
} from './texts.ts'

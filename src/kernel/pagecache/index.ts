/**
 * pagecache: the pages of files. Finds, inserts, removes, locks, ages, dirties and waits for the pages of a FileObject.
 * The file room reads and writes through it; a fault gets its pages through the pager of the object.
 *
 *   PageCache    state of the room: counters, LRU lists and their batches, page wait queues
 *   FileObject   the cache of one file (the manuals' address_space): a MemoryObject with FileOps and a BackingDevice
 *   FileOps      what its file system does with pages (a_ops)
 *
 * A page is named by its pfn. What `find…`, `pagecacheGetPage` and the like answer carries a reference: give it back
 * with `putCachePage`, not with phys' `putPage`, because the page may be on an LRU list.
 *
 * Invariants (verifyPageCache)
 *  - `nrPages` and `nrShadows` of an object count the page entries and the exceptional entries of its index;
 *  - a page is in one slot of one object, knows both, and has the object's reference;
 *  - tag WRITEBACK is set exactly where the page has PG_writeback; exceptional entries have no tag;
 *  - PG_dirty in an object whose device accounts dirty pages implies tag DIRTY;
 *  - a page is on the list that its flags say, and the counters of file pages on lists are right;
 *  - nr_file_pages, nr_dirty, nr_writeback and the devices' counters count such pages.
 *
 * Locks: the page lock is PG_locked, a sleeping lock (rank page). Nobody else's code runs inside a plain function, so the
 * index needs no lock. A page found without FGP_LOCK may leave its object at the caller's next sleep.
 *
 * Manual: The Linux Kernel API, chapter 4, More Memory Management Functions (3.18/4.0).
 */
export * from './constants.ts'
export * from './backingDevice.ts'
export * from './fileObject.ts'
export { PageCache, TaskIo, type PageCacheOptions } from './pageCache.ts'
export { PageWaiter, type PageWaitCallback } from './pageWaits.ts'
export * from './readaheadState.ts'
// Look-up
export { pageCacheNextHole, pageCachePrevHole } from './pageCacheHole.ts'
export { findGetEntry, findGetPage } from './findGetEntry.ts'
export { findLockEntry } from './findLockEntry.ts'
export * from './pagecacheGetPage.ts'
export * from './findGetPages.ts'
// Reading
export {
  forcePageCacheReadahead,
  pageCacheAsyncReadahead,
  pageCacheSyncReadahead,
  shrinkReadahead,
  submitReadahead,
} from './readahead.ts'
export { getPageForRead, getPageForReadTry } from './getPageForRead.ts'
export { readCachePage, readCachePageGfp } from './readCachePage.ts'
// Insertion and removal
export {
  addToPageCacheLocked,
  addToPageCacheLockedTry,
  addToPageCacheLru,
  addToPageCacheLruTry,
} from './addToPageCache.ts'
export { deleteFromPageCache } from './deleteFromPageCache.ts'
export { replacePageCachePage, replacePageCachePageTry } from './replacePageCachePage.ts'
export { migrateCachePage } from './migrateCachePage.ts'
export { removeMapping } from './removeMapping.ts'
export { reclaimCleanPage } from './reclaimCleanPage.ts'
export { tryToReleasePage } from './tryToReleasePage.ts'
export { readCachePages, type PageFiller } from './readCachePages.ts'
// Truncation and invalidation
export {
  dropIdlePages,
  truncateInodePages,
  truncateInodePagesFinal,
  truncateInodePagesRange,
  zeroBytes,
} from './truncate.ts'
export { truncatePagecache, truncatePagecacheRange, truncateSetsize } from './truncatePagecache.ts'
export { pagecacheIsizeExtended } from './pagecacheIsizeExtended.ts'
export { invalidateInodePages2, invalidateInodePages2Range, invalidateMappingPages } from './invalidate.ts'
// Locks, waits and completion
export { lockPage, lockPageKillable, lockPageSlow, trylockPage } from './lockPage.ts'
export { unlockPage } from './unlockPage.ts'
export { waitOnPageLocked, waitOnPageLockedKillable, waitOnPageWriteback } from './waitOnPage.ts'
export { addPageWaitQueue, removePageWaitQueue } from './addPageWaitQueue.ts'
export { endPageWriteback } from './endPageWriteback.ts'
export { waitForStablePage } from './waitForStablePage.ts'
// State of pages
export {
  cancelDirtyPage,
  clearPageDirtyForIo,
  markObjectDirty,
  redirtyPageForWritepage,
  setPageDirty,
  setPageDirtyNoWriteback,
  setPageDirtyTagged,
  setPageWriteback,
  setPageWritebackKeepwrite,
  transferModified,
} from './dirty.ts'
export * from './buffers.ts'
export * from './errors.ts'
export { gatherModified, pageMkclean } from './pageMkclean.ts'
export {
  activatePage,
  deactivateFilePage,
  getCachePage,
  isolateLruPage,
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  lruAddDrain,
  lruAddDrainAll,
  lruCacheAdd,
  markPageAccessed,
  pagevecRelease,
  pageLru,
  putbackLruPage,
  putCachePage,
  putColdCachePage,
  rotateReclaimablePage,
  strayPages,
} from './lru.ts'
export { workingsetEviction, workingsetRefault } from './workingSet.ts'
export { verifyPageCache } from './verify.ts'

// Clean, dirty, under writeback: the flags, the tags of the index, and the accounts (specification, 1.2 and H5-H9).
//
//            setPageDirty            clearPageDirtyForIo           setPageWriteback         endPageWriteback
//   clean ───────────────► dirty ───────────────────────► (locked) ───────────────► writing ─────────────► clean
//   tags:                  DIRTY                           DIRTY, still             WRITEBACK
//
// Between the second and the third step flag and tag disagree on purpose: a sync that looks for tags still finds the
// page, and waits for its lock.

import { PAGE_SIZE, type Pfn } from '../../base/index.ts'
import {
  NR_DIRTIED,
  NR_FILE_DIRTY,
  NR_WRITEBACK,
  NR_WRITTEN,
  PG_dirty,
  PG_locked,
  PG_private,
  PG_reclaim,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import { I_DIRTY_PAGES, TAG_DIRTY, TAG_TOWRITE, TAG_WRITEBACK } from './constants.ts'
import type { FileObject, WritebackControl } from './fileObject.ts'
import { assertPage } from './assertPage.ts'
import { gatherModified, pageMkclean } from './pageMkclean.ts'
import type { PageCache } from './pageCache.ts'

/**
 * The page is newer than its store from now on.
 *
 * @returns true if it was not before
 * @locks   usually the page lock, so that the page stays in its object
 */
export function setPageDirty(cache: PageCache, pfn: Pfn): boolean {
  const { flags } = cache.frames
  const f = cache.frames.frameOf(pfn)
  // The bit is PG_readahead too: dirtying takes a readahead marker away.
  flags[f] &= ~PG_reclaim
  const object = cache.objectOf(f)
  if (object === null) return testSetDirty(cache, f)
  if (object.ops.setPageDirty !== undefined) return object.ops.setPageDirty(object, pfn)
  for (const block of cache.buffers.get(f)?.blocks ?? []) block.isDirty = true
  return setPageDirtyTagged(cache, object, pfn)
}

/** The plain `setPageDirty` of a file with a store: flag, accounts, tag, dirty object. */
export function setPageDirtyTagged(cache: PageCache, object: FileObject, pfn: Pfn): boolean {
  const f = cache.frames.frameOf(pfn)
  if (!testSetDirty(cache, f)) return false
  if (!cache.has(f, PG_private | PG_uptodate)) cache.warn(`dirty page is not up to date: ${cache.describe(f)}`)
  accountDirtied(cache, object, f)
  object.pages.setTag(cache.frames.pgoff[f], TAG_DIRTY)
  markObjectDirty(cache, object, I_DIRTY_PAGES)
  return true
}

/** The `setPageDirty` of objects that are their own store: the flag alone. */
export function setPageDirtyNoWriteback(cache: PageCache, pfn: Pfn): boolean {
  return testSetDirty(cache, cache.frames.frameOf(pfn))
}

function testSetDirty(cache: PageCache, f: number): boolean {
  const { flags } = cache.frames
  if ((flags[f] & PG_dirty) !== 0) return false
  flags[f] |= PG_dirty
  return true
}
function accountDirtied(cache: PageCache, object: FileObject, f: number): void {
  const { device } = object
  if (cache.trace.on)
    cache.trace.emit('writeback_dirty_page', { name: device.name, ino: object.ino, index: cache.frames.pgoff[f] })
  if (!device.accountsDirty) return
  const { io } = cache
  cache.count(f, NR_FILE_DIRTY, 1)
  cache.count(f, NR_DIRTIED, 1)
  device.reclaimable++
  device.dirtied++
  io.writeBytes += PAGE_SIZE
  io.nrDirtied++
  cache.dirtyRatelimits[cache.phys.machine.current.cpu.id]++
}
/** Takes one page off the dirty accounts; the pages ever dirtied stay. */
export function accountCleaned(cache: PageCache, object: FileObject, f: number): void {
  if (!object.device.accountsDirty) return
  cache.count(f, NR_FILE_DIRTY, -1)
  object.device.reclaimable--
}

/** The object has something to write: I_DIRTY_*. */
export function markObjectDirty(cache: PageCache, object: FileObject, what: number): void {
  object.dirtyState |= what
  const { device } = object
  if (device.doesWriteback && !device.dirtyObjects.has(object)) device.dirtyObjects.set(object, cache.clock.now)
}

/**
 * Before a locked page is written: gathers the stores made through mappings, makes every mapping read-only, and clears
 * PG_dirty. The DIRTY tag stays.
 *
 * @returns true if the page was dirty, and so must be written
 */
export function clearPageDirtyForIo(cache: PageCache, pfn: Pfn): boolean {
  const { flags } = cache.frames
  const f = cache.frames.frameOf(pfn)
  assertPage(cache, cache.has(f, PG_locked), 'a page is locked while it is made clean', f)
  const object = cache.objectOf(f)
  if (object === null || !object.device.accountsDirty) {
    const wasDirty = cache.has(f, PG_dirty)
    flags[f] &= ~PG_dirty
    return wasDirty
  }
  if (pageMkclean(cache, pfn) > 0) setPageDirty(cache, pfn)
  if (!cache.has(f, PG_dirty)) return false
  flags[f] &= ~PG_dirty
  accountCleaned(cache, object, f)
  return true
}

/** A page that mappings have modified is dirty: takes over what they, present and gone, remember. */
export function transferModified(cache: PageCache, pfn: Pfn): void {
  if (gatherModified(cache, pfn)) setPageDirty(cache, pfn)
}

/** The contents will not be written after all. Tag and translations stay as they are. */
export function cancelDirtyPage(cache: PageCache, pfn: Pfn, accountBytes: number): void {
  const f = cache.frames.frameOf(pfn)
  if (!cache.has(f, PG_dirty)) return
  cache.frames.flags[f] &= ~PG_dirty
  const object = cache.objectOf(f)
  if (object === null || !object.device.accountsDirty) return
  accountCleaned(cache, object, f)
  cache.io.cancelledWriteBytes += accountBytes
}

/** A writePage declines: the page is dirty again, and has not been dirtied twice. */
export function redirtyPageForWritepage(cache: PageCache, wbc: WritebackControl, pfn: Pfn): boolean {
  const f = cache.frames.frameOf(pfn)
  const object = cache.objectOf(f)
  wbc.pagesSkipped++
  if (object !== null && object.device.accountsDirty) {
    cache.io.nrDirtied--
    cache.count(f, NR_DIRTIED, -1)
    object.device.dirtied--
  }
  return object === null ? testSetDirty(cache, f) : setPageDirtyTagged(cache, object, pfn)
}

/** The write of the page begins. @returns true if one was under way already */
export function setPageWriteback(cache: PageCache, pfn: Pfn): boolean {
  return beginWriteback(cache, pfn, false)
}
/** The same, and the TOWRITE tag stays: more of the page is to be written in this sync. */
export function setPageWritebackKeepwrite(cache: PageCache, pfn: Pfn): boolean {
  return beginWriteback(cache, pfn, true)
}
function beginWriteback(cache: PageCache, pfn: Pfn, keepsTowrite: boolean): boolean {
  const { frames } = cache
  const f = frames.frameOf(pfn)
  const wasSet = cache.has(f, PG_writeback)
  const object = cache.objectOf(f)
  frames.flags[f] |= PG_writeback
  if (object !== null) {
    const index = frames.pgoff[f]!
    if (!wasSet) {
      object.pages.setTag(index, TAG_WRITEBACK)
      if (object.device.accountsWriteback) object.device.writeback++
    }
    if (!cache.has(f, PG_dirty)) object.pages.clearTag(index, TAG_DIRTY)
    if (!keepsTowrite) object.pages.clearTag(index, TAG_TOWRITE)
  }
  if (!wasSet) cache.count(f, NR_WRITEBACK, 1)
  return wasSet
}

/** Ends writeback in flag, tag and accounts. @returns whether it was under way */
export function testClearPageWriteback(cache: PageCache, pfn: Pfn): boolean {
  const { frames } = cache
  const f = frames.frameOf(pfn)
  if (!cache.has(f, PG_writeback)) return false
  frames.flags[f] &= ~PG_writeback
  const object = cache.objectOf(f)
  if (object !== null) {
    object.pages.clearTag(frames.pgoff[f], TAG_WRITEBACK)
    if (object.device.accountsWriteback) {
      object.device.writeback--
      object.device.written++
      cache.completions.count(object.device, cache.clock.now)
    }
  }
  cache.count(f, NR_WRITEBACK, -1)
  cache.count(f, NR_WRITTEN, 1)
  return true
}

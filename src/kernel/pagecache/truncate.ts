// Truncation: pages of a byte range leave the file for good, whatever is in them.
//
//            lstart                          lend
//   |        v       |               |       v        |
//   | keep  ▒▒▒▒▒▒▒▒▒|  gone   gone  |▒▒▒▒▒▒▒▒  keep  |     ▒ zeroed if the page is cached, and not made dirty by it
//    left edge        start          end  right edge

import { kassert, PAGE_MASK, PAGE_SIZE, pfn, PGOFF_MAX, type Pfn, type Sleep } from '../../base/index.ts'
import { unmapMappingRange } from '../object/index.ts'
import { PG_mappedtodisk, PG_private, PG_private_2, PG_writeback } from '../phys/index.ts'
import { tryToReleasePage } from './tryToReleasePage.ts'
import { AS_EXITING, isExceptional, PVEC_SIZE } from './constants.ts'
import { deleteFromPageCache } from './deleteFromPageCache.ts'
import { cancelDirtyPage, transferModified } from './dirty.ts'
import type { FileObject } from './fileObject.ts'
import { pagevecLookupEntries } from './findGetPages.ts'
import { lockPage, trylockPage } from './lockPage.ts'
import { pagevecRelease, putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { findLockPage } from './pagecacheGetPage.ts'
import { unlockPage } from './unlockPage.ts'
import { waitOnPageWriteback } from './waitOnPage.ts'

/**
 * Removes the pages and shadows wholly inside a byte range, and zeroes the cached pages at its edges. Dirty pages are
 * thrown away; who still holds a page keeps it, without object.
 *
 * @param lend  inclusive; -1: to the end of the file
 * @locks       sleeps for page locks and writeback; the caller keeps the size from changing (inode lock)
 * @manual      truncate_inode_pages_range, Linux
 */
export function* truncateInodePagesRange(
  cache: PageCache,
  object: FileObject,
  lstart: number,
  lend: number,
): Sleep<void> {
  if (object.nrPages === 0 && object.nrShadows === 0) return
  // 1. what can be had without waiting  2. the edges  3. the rest, waiting, until nothing is left
  const start = Math.ceil(lstart / PAGE_SIZE)
  const end = lend === -1 ? PGOFF_MAX : Math.floor((lend + 1) / PAGE_SIZE)
  dropIdlePages(cache, object, start, end)

  const from = lstart & PAGE_MASK
  let to = (lend + 1) & PAGE_MASK
  if (from !== 0) {
    // The range may begin and end inside one page.
    const isInsideOnePage = start > end
    yield* zeroEdge(cache, object, start - 1, from, isInsideOnePage ? to : PAGE_SIZE)
    if (isInsideOnePage) to = 0
  }
  if (to !== 0) yield* zeroEdge(cache, object, end, 0, to)
  if (start < end) yield* dropAll(cache, object, start, end)
}

/**
 * Removes everything from a byte on.
 *
 * @locks  sleeps
 * @manual truncate_inode_pages, Linux
 */
export function* truncateInodePages(cache: PageCache, object: FileObject, lstart: number): Sleep<void> {
  yield* truncateInodePagesRange(cache, object, lstart, -1)
}

/**
 * The last truncation: the file is going away. From now on reclaim leaves no shadows in it.
 *
 * @locks  sleeps
 * @manual truncate_inode_pages_final, Linux
 */
export function* truncateInodePagesFinal(cache: PageCache, object: FileObject): Sleep<void> {
  object.flags |= AS_EXITING
  yield* truncateInodePages(cache, object, 0)
  kassert(object.nrPages === 0 && object.nrShadows === 0, 'nothing is left after the last truncation')
}

/** A batch of entries and their indexes. */
export class EntryBatch {
  readonly entries: number[] = []
  readonly indexes: number[] = []
  count = 0
  look(cache: PageCache, object: FileObject, index: number, last: number): boolean {
    const most = Math.min(last - index + 1, PVEC_SIZE)
    this.count = pagevecLookupEntries(cache, object, index, most, this.entries, this.indexes)
    return this.count > 0
  }
  release(cache: PageCache): void {
    this.entries.length = this.count
    const pages = this.entries.filter((entry) => !isExceptional(entry))
    pagevecRelease(cache, pages, pages.length)
  }
}

/**
 * Removes what nobody works on of pages [start, end): pages that are not locked and not being written, and shadows.
 *
 * @locks  tries page locks; never waits
 */
export function dropIdlePages(cache: PageCache, object: FileObject, start: number, end: number): void {
  const batch = new EntryBatch()
  for (let index = start; index < end && batch.look(cache, object, index, end - 1); index++) {
    for (let i = 0; i < batch.count; i++) {
      index = batch.indexes[i]
      if (index >= end) break
      if (isExceptional(batch.entries[i])) {
        clearExceptional(object, index, batch.entries[i])
        continue
      }
      const page = pfn(batch.entries[i])
      if (!trylockPage(cache, page)) continue
      if (!cache.has(cache.frames.frameOf(page), PG_writeback)) truncateInodePage(cache, object, page)
      unlockPage(cache, page)
    }
    batch.release(cache)
  }
}

/** Pass 2: waits for what is busy, and starts again until a whole scan finds nothing. */
function* dropAll(cache: PageCache, object: FileObject, start: number, end: number): Sleep<void> {
  const batch = new EntryBatch()
  for (let index = start; ;) {
    const isFirst = index === start
    const isFound = index < end && batch.look(cache, object, index, end - 1)
    if (!isFound || batch.indexes[0] >= end) {
      if (isFound) batch.release(cache)
      if (isFirst) return
      index = start
      continue
    }
    for (let i = 0; i < batch.count && batch.indexes[i] < end; i++) {
      index = batch.indexes[i] + 1
      if (isExceptional(batch.entries[i])) {
        clearExceptional(object, batch.indexes[i], batch.entries[i])
        continue
      }
      const page = pfn(batch.entries[i])
      yield* lockPage(cache, page)
      yield* waitOnPageWriteback(cache, page)
      truncateInodePage(cache, object, page)
      unlockPage(cache, page)
    }
    batch.release(cache)
  }
}

/** Drops a locked page that is not under writeback: unmapped, forgotten by its file system, out of the index. */
function truncateInodePage(cache: PageCache, object: FileObject, page: Pfn): void {
  const f = cache.frames.frameOf(page)
  if (cache.isMapped(f)) {
    const index = cache.frames.pgoff[f]
    unmapMappingRange(object, index, index + 1, false)
  }
  if (!cache.belongsTo(f, object)) return
  transferModified(cache, page)
  if (cache.has(f, PG_private | PG_private_2)) invalidatePage(cache, object, page, 0, PAGE_SIZE)
  cancelDirtyPage(cache, page, PAGE_SIZE)
  cache.frames.flags[f] &= ~PG_mappedtodisk
  deleteFromPageCache(cache, page)
}

function* zeroEdge(cache: PageCache, object: FileObject, index: number, from: number, to: number): Sleep<void> {
  const page = yield* findLockPage(cache, object, index)
  if (page === null) return
  yield* waitOnPageWriteback(cache, page)
  zeroBytes(cache, page, from, to)
  if (cache.has(cache.frames.frameOf(page), PG_private | PG_private_2))
    invalidatePage(cache, object, page, from, to - from)
  unlockPage(cache, page)
  putCachePage(cache, page)
}

/** Zeroes bytes [from, to) of a page. */
export function zeroBytes(cache: PageCache, page: Pfn, from: number, to: number): void {
  const { memory } = cache.phys.machine
  if (memory === null) return
  const offset = memory.frameOffset(page)
  memory.u8.fill(0, offset + from, offset + to)
}

/** Has the file system forget private data in a byte range; buffers go with the whole page. */
function invalidatePage(cache: PageCache, object: FileObject, page: Pfn, offset: number, bytes: number): void {
  if (object.ops.invalidatePage !== undefined) {
    object.ops.invalidatePage(object, page, offset, bytes)
    return
  }
  const buffers = cache.buffers.get(cache.frames.frameOf(page))
  if (buffers === undefined) return
  const { blockBytes, blocks } = buffers
  const first = Math.ceil(offset / blockBytes)
  for (let i = first; (i + 1) * blockBytes <= offset + bytes; i++) {
    blocks[i].isDirty = false
    blocks[i].isUptodate = false
  }
  if (bytes === PAGE_SIZE) tryToReleasePage(cache, page, 0)
}

/** Removes an exceptional entry if it is still there. */
export function clearExceptional(object: FileObject, index: number, entry: number): void {
  if (object.pages.get(index) !== entry) return
  object.pages.delete(index)
  object.nrShadows--
}

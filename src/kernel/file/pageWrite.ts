// One page of a write: prepared, filled by the caller, committed.
//
//   writeBegin ──► page locked, up to date unless all of it is going to be written ──► copy ──► writeEnd

import {
  EIO,
  ENOMEM,
  isErr,
  PAGE_MASK,
  PAGE_SIZE,
  WouldSleep,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import {
  FGP_ACCESSED,
  FGP_CREAT,
  FGP_LOCK,
  FGP_WRITE,
  grabCachePageWriteBegin,
  lockPage,
  pagecacheGetPageTry,
  putCachePage,
  setPageDirty,
  unlockPage,
  zeroBytes,
} from '../pagecache/index.ts'
import { NR_SHMEM, PG_arch_1, PG_error, PG_swapbacked, PG_uptodate } from '../phys/index.ts'
import type { Files } from './files.ts'
import type { Vnode } from './vnode.ts'
import type { FileObject } from './vnodePager.ts'

const FOR_WRITE = FGP_LOCK | FGP_ACCESSED | FGP_WRITE | FGP_CREAT

/**
 * The page at `pgoff`, also beyond the end of the file, for a write of `bytes` bytes inside it: locked, with one more
 * reference.
 *
 * @errors  ENOMEM, EIO or that of the file system: what the page held could not be read
 * @locks   inode lock held; sleeps
 */
export function* writeBegin(files: Files, object: FileObject, pgoff: number, bytes: number): Sleep<OrErr<Pfn>> {
  const { cache } = files
  const { flags } = cache.frames
  for (;;) {
    const page = yield* grabCachePageWriteBegin(cache, object, pgoff)
    if (page === null) return ENOMEM
    const f = cache.frames.frameOf(page)
    if (isReady(files, object, page, pgoff, bytes)) return page
    flags[f]! &= ~PG_error
    const started = yield* object.ops.readPage(object, page)
    if (isErr(started)) {
      putCachePage(cache, page)
      return started
    }
    // The read ends with unlocking the page.
    yield* lockPage(cache, page)
    const isRead = cache.has(f, PG_uptodate)
    const isGone = !cache.belongsTo(f, object)
    if (isRead && !isGone) return page
    unlockPage(cache, page)
    putCachePage(cache, page)
    if (!isGone) return EIO
  }
}

/** The same without sleeping: WouldSleep if the page is locked or must be read, or memory is short. Hot. */
export function writeBeginTry(files: Files, object: FileObject, pgoff: number, bytes: number): Pfn | WouldSleep | Err {
  const { cache } = files
  if (object.device.needsStablePages) return WouldSleep
  const page = pagecacheGetPageTry(cache, object, pgoff, FOR_WRITE, object.gfp)
  if (page === null) return ENOMEM
  if (page === WouldSleep || isReady(files, object, page, pgoff, bytes)) return page
  unlockPage(cache, page)
  putCachePage(cache, page)
  return WouldSleep
}

/** Nothing has to be read: the page is up to date, is going to be, or the store has nothing for it. */
function isReady(files: Files, object: FileObject, page: Pfn, pgoff: number, bytes: number): boolean {
  const { cache } = files
  const { flags } = cache.frames
  const f = cache.frames.frameOf(page)
  if ((flags[f]! & PG_uptodate) !== 0) return true
  // A swapped page is read even so: its slot goes with the copy that comes back.
  if (object.pager.hasStored(object, pgoff)) return bytes === PAGE_SIZE && !object.pager.absentIsZero
  zeroBytes(cache, page, 0, PAGE_SIZE)
  flags[f]! |= PG_uptodate
  if (object.pager.absentIsZero) {
    flags[f]! |= PG_swapbacked
    cache.count(f, NR_SHMEM, 1)
    files.phys.queues?.activate(f)
  }
  return true
}

/**
 * Commits `copied` of `bytes` bytes that were to be written at `position`: the page is dirty, the end of the file moves,
 * and the page is unlocked and given back. A page that was not up to date takes all of them or none, so that nothing
 * half-written is taken for the file's.
 *
 * @returns  bytes that count
 * @locks    page lock held, given up
 */
export function writeEnd(
  files: Files,
  vnode: Vnode,
  page: Pfn,
  position: number,
  bytes: number,
  copied: number,
): number {
  const { cache } = files
  const { flags } = cache.frames
  const object = vnode.object!
  const f = cache.frames.frameOf(page)
  const counts = copied < bytes && (flags[f]! & PG_uptodate) === 0 ? 0 : copied
  if (counts > 0) {
    // Instructions decoded from these bytes are stale once the page is mapped for execution again.
    flags[f] = (flags[f]! | PG_uptodate) & ~PG_arch_1
    setPageDirty(cache, page)
    if (position + counts > object.sizeBytes) object.sizeBytes = position + counts
  }
  unlockPage(cache, page)
  putCachePage(cache, page)
  return counts
}

/** Bytes of a write of `left` bytes at `position` that are in its first page. */
export function bytesInPage(position: number, left: number): number {
  return Math.min(left, PAGE_SIZE - (position & PAGE_MASK))
}

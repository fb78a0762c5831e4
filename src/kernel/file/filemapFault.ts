import { EEXIST, EIO, ENOMEM, isErr, PAGE_SIZE, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import {
  addToPageCacheLru,
  AOP_TRUNCATED_PAGE,
  findGetPage,
  lockPage,
  lockPageKillable,
  pageCacheAsyncReadahead,
  pageCacheSyncReadahead,
  putCachePage,
  shrinkReadahead,
  submitReadahead,
  trylockPage,
  unlockPage,
  waitOnPageLocked,
  waitOnPageLockedKillable,
  type FileObject,
  type PageCache,
  type ReadaheadState,
} from '../pagecache/index.ts'
import { __GFP_COLD, allocPages, GFP_KERNEL, PG_error, PG_readahead, PG_uptodate } from '../phys/index.ts'

// What a fault answers: bits.
export const VM_FAULT_OOM = 0x1
export const VM_FAULT_SIGBUS = 0x2
export const VM_FAULT_MAJOR = 0x4
export const VM_FAULT_LOCKED = 0x200
export const VM_FAULT_RETRY = 0x400

// How it is asked.
export const FAULT_FLAG_WRITE = 0x01
export const FAULT_FLAG_ALLOW_RETRY = 0x08
export const FAULT_FLAG_RETRY_NOWAIT = 0x10
export const FAULT_FLAG_KILLABLE = 0x20
export const FAULT_FLAG_TRIED = 0x40

/** Misses after which reading around a fault is not worth it, and the largest score. */
const MMAP_LOTSAMISS = 100
const MMAP_MISS_MAX = 10 * MMAP_LOTSAMISS
/** Most pages read around a fault. */
const MAX_AROUND_PAGES = 512

/** A fault on a page of a file (vm_fault, with what of its mapping matters). */
export interface FileFault {
  readonly object: FileObject
  /** Of the open file that is mapped. */
  readonly ra: ReadaheadState
  readonly pgoff: number
  /** FAULT_FLAG_*. */
  readonly flags: number
  /** The mapping's advice: MADV_RANDOM, MADV_SEQUENTIAL. */
  readonly isRandom: boolean
  readonly isSequential: boolean
  /** Gives up the lock of the address space, for a retry; null: it stays, whatever the flags say. */
  readonly releaseMapLock: (() => void) | null
  /** The answer, with VM_FAULT_LOCKED: locked, with one more reference. */
  page: Pfn | null
}

/**
 * Brings the page of a file that a fault wants, reading it and pages around it if need be.
 *
 * @returns  VM_FAULT_* bits: LOCKED with `fault.page`, RETRY (the map lock was given up), SIGBUS beyond the end or after
 *           a failed read, OOM; MAJOR beside LOCKED and RETRY if the page was not there
 * @locks    map lock held; sleeps; takes the page lock
 * @manual   filemap_fault, Linux
 */
export function* filemapFault(cache: PageCache, fault: FileFault): Sleep<number> {
  const { object, pgoff, ra } = fault
  if (isBeyondEnd(fault)) return VM_FAULT_SIGBUS
  let major = 0
  let page = findGetPage(cache, object, pgoff)
  if (page !== null) {
    if ((fault.flags & FAULT_FLAG_TRIED) === 0) yield* readOn(cache, fault, page)
  } else {
    yield* readAround(cache, fault)
    cache.phys.events.add('pgmajfault')
    major = VM_FAULT_MAJOR
    page = findGetPage(cache, object, pgoff)
  }
  for (; ; page = findGetPage(cache, object, pgoff)) {
    if (page === null) {
      // The file may have shrunk while its page was waited for.
      if (isBeyondEnd(fault)) return VM_FAULT_SIGBUS
      const failed = yield* readAlone(cache, object, pgoff)
      if (isErr(failed)) return failed === ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS
      continue
    }
    if (!(yield* lockPageOrRetry(cache, fault, page))) {
      putCachePage(cache, page)
      return major | VM_FAULT_RETRY
    }
    const f = cache.frames.frameOf(page)
    const isGone = !cache.belongsTo(f, object)
    if (!isGone && cache.has(f, PG_uptodate)) {
      // Again under the lock: truncation sets the size first, and then takes the lock to remove the page.
      if (!isBeyondEnd(fault)) {
        fault.page = page
        return major | VM_FAULT_LOCKED
      }
      unlockPage(cache, page)
      putCachePage(cache, page)
      return VM_FAULT_SIGBUS
    }
    if (isGone) unlockPage(cache, page)
    else {
      const failed = yield* readAgain(cache, object, page)
      if (failed !== 0 && failed !== AOP_TRUNCATED_PAGE) {
        putCachePage(cache, page)
        shrinkReadahead(ra)
        return VM_FAULT_SIGBUS
      }
    }
    putCachePage(cache, page)
  }
}

function isBeyondEnd({ object, pgoff }: FileFault): boolean {
  return pgoff >= Math.ceil(object.sizeBytes / PAGE_SIZE)
}

/** A hit: the score of misses falls, and a marker starts the next window. */
function* readOn(cache: PageCache, fault: FileFault, page: Pfn): Sleep<void> {
  const { object, ra, pgoff, isRandom } = fault
  if (isRandom) return
  if (ra.mmapMiss > 0) ra.mmapMiss--
  if (cache.has(cache.frames.frameOf(page), PG_readahead))
    yield* pageCacheAsyncReadahead(cache, object, ra, page, pgoff, ra.raPages)
}

/** A miss: reads a window that begins here (sequential) or lies around here, unless misses are the rule. */
function* readAround(cache: PageCache, fault: FileFault): Sleep<void> {
  const { object, ra, pgoff } = fault
  if (fault.isRandom || ra.raPages === 0) return
  if (fault.isSequential) {
    yield* pageCacheSyncReadahead(cache, object, ra, pgoff, ra.raPages)
    return
  }
  if (ra.mmapMiss < MMAP_MISS_MAX) ra.mmapMiss++
  if (ra.mmapMiss > MMAP_LOTSAMISS) return
  const pages = Math.min(ra.raPages, MAX_AROUND_PAGES)
  ra.start = Math.max(0, pgoff - Math.floor(pages / 2))
  ra.size = pages
  ra.asyncSize = Math.floor(pages / 4)
  yield* submitReadahead(cache, object, ra.start, ra.size, ra.asyncSize)
}

/**
 * Takes the page lock, or gives up the map lock and waits until the page has been unlocked.
 *
 * @returns false: retry the fault; the map lock is given up, but with RETRY_NOWAIT
 */
function* lockPageOrRetry(cache: PageCache, fault: FileFault, page: Pfn): Sleep<boolean> {
  if (trylockPage(cache, page)) return true
  const { flags } = fault
  const isKillable = (flags & FAULT_FLAG_KILLABLE) !== 0
  if ((flags & FAULT_FLAG_ALLOW_RETRY) !== 0) {
    if ((flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return false
    fault.releaseMapLock?.()
    if (isKillable) yield* waitOnPageLockedKillable(cache, page)
    else yield* waitOnPageLocked(cache, page)
    return false
  }
  if (!isKillable) yield* lockPage(cache, page)
  else if ((yield* lockPageKillable(cache, page)) !== 0) {
    fault.releaseMapLock?.()
    return false
  }
  return true
}

/** Reads one page that is not in the cache. Somebody else having put it there is as good. */
function* readAlone(cache: PageCache, object: FileObject, pgoff: number): Sleep<0 | Err> {
  for (;;) {
    const page = yield* allocPages(cache.phys, object.gfp | __GFP_COLD, 0)
    if (isErr(page)) return ENOMEM
    const failed = yield* addToPageCacheLru(cache, page, object, pgoff, GFP_KERNEL)
    const started = failed === 0 ? yield* object.ops.readPage(object, page) : failed
    putCachePage(cache, page)
    if (started === AOP_TRUNCATED_PAGE) continue
    return started === EEXIST || !isErr(started) ? 0 : started
  }
}

/** Reads a locked page that is not up to date, perhaps after a failed read. It is unlocked afterwards. */
function* readAgain(cache: PageCache, object: FileObject, page: Pfn): Sleep<number> {
  const { flags } = cache.frames
  const f = cache.frames.frameOf(page)
  flags[f]! &= ~PG_error
  const started = yield* object.ops.readPage(object, page)
  if (started !== 0) return started
  yield* waitOnPageLocked(cache, page)
  return cache.has(f, PG_uptodate) ? 0 : EIO
}

import {
  EEXIST,
  EIO,
  ENOMEM,
  isErr,
  PAGE_SIZE,
  WouldSleep,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import { __GFP_COLD, allocPages, GFP_KERNEL, PG_error, PG_readahead, PG_uptodate } from '../phys/index.ts'
import { addToPageCacheLru } from './addToPageCache.ts'
import { AOP_TRUNCATED_PAGE } from './constants.ts'
import type { FileObject } from './fileObject.ts'
import { findGetPage } from './findGetEntry.ts'
import { lockPageKillable, trylockPage } from './lockPage.ts'
import { putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { pageCacheAsyncReadahead, pageCacheSyncReadahead, shrinkReadahead } from './readahead.ts'
import type { ReadaheadState } from './readaheadState.ts'
import { unlockPage } from './unlockPage.ts'

/** Not an answer: the page left the object; look it up again. */
const AGAIN = 1

/**
 * The page of a file that a buffered read needs next: up to date, read ahead of and read if need be (steps 2-4 and 7-9
 * of generic_file_read_iter). Look at the size of the file after this, not before.
 *
 * @param ra         state of the open file
 * @param requested  pages from `index` that the read still wants
 * @param offset     first byte in the page, and bytes, that are needed
 * @returns          the page with one more reference, not locked
 * @errors           EIO, ENOMEM, EINTR (killed), or the file system's
 * @locks            sleeps; takes the page lock
 */
export function* getPageForRead(
  cache: PageCache,
  object: FileObject,
  ra: ReadaheadState,
  index: number,
  requested: number,
  offset = 0,
  bytes = PAGE_SIZE,
): Sleep<OrErr<Pfn>> {
  for (;;) {
    let page = findGetPage(cache, object, index)
    if (page === null) {
      yield* pageCacheSyncReadahead(cache, object, ra, index, requested)
      page = findGetPage(cache, object, index)
    }
    let done: number
    if (page === null) {
      const fresh = yield* addColdPage(cache, object, index)
      if (fresh === EEXIST) continue
      if (isErr(fresh)) return fresh
      page = fresh
      done = yield* readLocked(cache, object, ra, page)
    } else {
      const f = cache.frames.frameOf(page)
      if (cache.has(f, PG_readahead)) yield* pageCacheAsyncReadahead(cache, object, ra, page, index, requested)
      if (cache.has(f, PG_uptodate) || isPartlyValid(cache, object, page, offset, bytes)) return page
      done = yield* lockAndRead(cache, object, ra, page)
    }
    if (done === 0) return page
    putCachePage(cache, page)
    if (isErr(done)) return done
  }
}

/** The same if it needs no sleep and starts no read: the page is there, up to date, without marker. Hot. */
export function getPageForReadTry(cache: PageCache, object: FileObject, index: number): Pfn | WouldSleep {
  const page = findGetPage(cache, object, index)
  if (page === null) return WouldSleep
  if ((cache.frames.flags[cache.frames.frameOf(page)] & (PG_uptodate | PG_readahead)) === PG_uptodate) return page
  putCachePage(cache, page)
  return WouldSleep
}

/** A new locked page at `index`, or EEXIST, ENOMEM. */
function* addColdPage(cache: PageCache, object: FileObject, index: number): Sleep<OrErr<Pfn>> {
  const page = yield* allocPages(cache.phys, object.gfp | __GFP_COLD, 0)
  if (isErr(page)) return ENOMEM
  const failed = yield* addToPageCacheLru(cache, page, object, index, GFP_KERNEL)
  if (failed === 0) return page
  putCachePage(cache, page)
  return failed
}

function isPartlyValid(cache: PageCache, object: FileObject, page: Pfn, offset: number, bytes: number): boolean {
  const { isPartiallyUptodate } = object.ops
  if (isPartiallyUptodate === undefined || object.blockShift === 12 || !trylockPage(cache, page)) return false
  const isMine = cache.belongsTo(cache.frames.frameOf(page), object)
  const isValid = isMine && isPartiallyUptodate(object, page, offset, bytes)
  unlockPage(cache, page)
  return isValid
}

/** 0: up to date, unlocked. AGAIN, or an error: unlocked. */
function* lockAndRead(cache: PageCache, object: FileObject, ra: ReadaheadState, page: Pfn): Sleep<number> {
  const killed: 0 | Err = yield* lockPageKillable(cache, page)
  if (killed !== 0) return killed
  const f = cache.frames.frameOf(page)
  const isGone = !cache.belongsTo(f, object)
  if (!isGone && !cache.has(f, PG_uptodate)) return yield* readLocked(cache, object, ra, page)
  unlockPage(cache, page)
  return isGone ? AGAIN : 0
}

function* readLocked(cache: PageCache, object: FileObject, ra: ReadaheadState, page: Pfn): Sleep<number> {
  const { flags } = cache.frames
  const f = cache.frames.frameOf(page)
  // It may have been left by an earlier, failed read.
  flags[f] &= ~PG_error
  const started = yield* object.ops.readPage(object, page)
  if (started === AOP_TRUNCATED_PAGE) return AGAIN
  if (started !== 0) return started
  if (cache.has(f, PG_uptodate)) return 0
  const killed: 0 | Err = yield* lockPageKillable(cache, page)
  if (killed !== 0) return killed
  const isUptodate = cache.has(f, PG_uptodate)
  const isGone = !cache.belongsTo(f, object)
  unlockPage(cache, page)
  if (isUptodate) return 0
  if (isGone) return AGAIN
  shrinkReadahead(ra)
  return EIO
}

import { EEXIST, isErr, WouldSleep, type Pfn, type Sleep } from '../../base/index.ts'
import {
  __GFP_FS,
  __GFP_HIGH,
  __GFP_IO,
  __GFP_MEMALLOC,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_REPEAT,
  __GFP_WAIT,
  __GFP_WRITE,
  allocPages,
  allocPagesTry,
  PG_referenced,
} from '../phys/index.ts'
import { addToPageCacheLru, addToPageCacheLruTry } from './addToPageCache.ts'
import { assertPage } from './assertPage.ts'
import { FGP_ACCESSED, FGP_CREAT, FGP_LOCK, FGP_NOFS, FGP_NOWAIT, FGP_WRITE } from './constants.ts'
import type { FileObject } from './fileObject.ts'
import { findGetPage } from './findGetEntry.ts'
import { lockPage, trylockPage } from './lockPage.ts'
import { markPageAccessed, putCachePage } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { unlockPage } from './unlockPage.ts'
import { waitForStablePage } from './waitForStablePage.ts'

/** The bits of a mask that say how hard to try; the others say which memory. */
const GFP_RECLAIM_MASK =
  __GFP_WAIT |
  __GFP_HIGH |
  __GFP_IO |
  __GFP_FS |
  __GFP_NOWARN |
  __GFP_REPEAT |
  __GFP_NOFAIL |
  __GFP_NORETRY |
  __GFP_MEMALLOC |
  __GFP_NOMEMALLOC

/**
 * Finds the page at `index`, or makes one.
 *
 *   FGP_ACCESSED  it is being used: one step of ageing; a new page is only marked referenced
 *   FGP_LOCK      locked; with FGP_NOWAIT null if somebody else has the lock
 *   FGP_CREAT     made if it is not there: locked, not up to date, on its way to the inactive list
 *   FGP_WRITE     a new page is going to be dirty
 *   FGP_NOFS      a new page is allocated without the help of file systems
 *
 * @param gfp  how a new page is allocated
 * @returns    the page with one more reference; null: not there, its lock not free, or no memory
 * @locks      sleeps with FGP_LOCK or FGP_CREAT. Without FGP_LOCK the page may have left the object already
 * @manual     pagecache_get_page, Linux
 */
export function* pagecacheGetPage(
  cache: PageCache,
  object: FileObject,
  index: number,
  fgp: number,
  gfp: number,
): Sleep<Pfn | null> {
  for (;;) {
    const page = findGetPage(cache, object, index)
    if (page === null) {
      if ((fgp & FGP_CREAT) === 0) return null
      const mask = maskForNewPage(object, fgp, gfp)
      const fresh = yield* allocPages(cache.phys, mask, 0)
      if (isErr(fresh)) return null
      prepareNewPage(cache, fresh, fgp)
      const added = yield* addToPageCacheLru(cache, fresh, object, index, mask & GFP_RECLAIM_MASK)
      if (added === 0) return fresh
      putCachePage(cache, fresh)
      if (added !== EEXIST) return null
      continue
    }
    if ((fgp & FGP_LOCK) !== 0) {
      if ((fgp & FGP_NOWAIT) === 0) yield* lockPage(cache, page)
      else if (!trylockPage(cache, page)) {
        putCachePage(cache, page)
        return null
      }
      if (!isStillAt(cache, object, index, page)) {
        unlockPage(cache, page)
        putCachePage(cache, page)
        continue
      }
    }
    if ((fgp & FGP_ACCESSED) !== 0) markPageAccessed(cache, page)
    return page
  }
}

/**
 * The same without sleeping: WouldSleep where the page lock or memory would have to be waited for. Hot.
 */
export function pagecacheGetPageTry(
  cache: PageCache,
  object: FileObject,
  index: number,
  fgp: number,
  gfp: number,
): Pfn | null | WouldSleep {
  const page = findGetPage(cache, object, index)
  if (page !== null) {
    // Found and locked without a sleep in between: it cannot have left the object.
    if ((fgp & FGP_LOCK) !== 0 && !trylockPage(cache, page)) {
      putCachePage(cache, page)
      return (fgp & FGP_NOWAIT) === 0 ? WouldSleep : null
    }
    if ((fgp & FGP_ACCESSED) !== 0) markPageAccessed(cache, page)
    return page
  }
  if ((fgp & FGP_CREAT) === 0) return null
  const fresh = allocPagesTry(cache.phys, maskForNewPage(object, fgp, gfp), 0)
  if (fresh === WouldSleep) return WouldSleep
  if (isErr(fresh)) return null
  prepareNewPage(cache, fresh, fgp)
  if (addToPageCacheLruTry(cache, fresh, object, index) === 0) return fresh
  putCachePage(cache, fresh)
  return null
}

function maskForNewPage(object: FileObject, fgp: number, gfp: number): number {
  const mask = (fgp & FGP_WRITE) !== 0 && object.device.accountsDirty ? gfp | __GFP_WRITE : gfp
  return (fgp & FGP_NOFS) === 0 ? mask : mask & ~__GFP_FS
}
function prepareNewPage(cache: PageCache, page: Pfn, fgp: number): void {
  if ((fgp & FGP_LOCK) === 0) cache.warnOnce('pagecacheGetPage makes locked pages: FGP_CREAT needs FGP_LOCK')
  if ((fgp & FGP_ACCESSED) !== 0) cache.frames.flags[cache.frames.frameOf(page)] |= PG_referenced
}
function isStillAt(cache: PageCache, object: FileObject, index: number, page: Pfn): boolean {
  const f = cache.frames.frameOf(page)
  if (!cache.belongsTo(f, object)) return false
  assertPage(cache, cache.frames.pgoff[f] === index, 'a page knows its index', f)
  return true
}

/** The page at `index`, locked, or null. Sleeps. */
export function* findLockPage(cache: PageCache, object: FileObject, index: number): Sleep<Pfn | null> {
  return yield* pagecacheGetPage(cache, object, index, FGP_LOCK, 0)
}
/** The page at `index`, locked, made if need be; null: no memory. Sleeps. */
export function* findOrCreatePage(cache: PageCache, object: FileObject, index: number, gfp: number): Sleep<Pfn | null> {
  return yield* pagecacheGetPage(cache, object, index, FGP_LOCK | FGP_ACCESSED | FGP_CREAT, gfp)
}
/** The same without waiting for the lock and without the help of file systems. */
export function* grabCachePageNowait(cache: PageCache, object: FileObject, index: number): Sleep<Pfn | null> {
  return yield* pagecacheGetPage(cache, object, index, FGP_LOCK | FGP_CREAT | FGP_NOFS | FGP_NOWAIT, object.gfp)
}
/** A locked page that is about to be changed; waits until its contents may be. */
export function* grabCachePageWriteBegin(
  cache: PageCache,
  object: FileObject,
  index: number,
  isNofs = false,
): Sleep<Pfn | null> {
  const fgp = FGP_LOCK | FGP_ACCESSED | FGP_WRITE | FGP_CREAT | (isNofs ? FGP_NOFS : 0)
  const page = yield* pagecacheGetPage(cache, object, index, fgp, object.gfp)
  if (page !== null) yield* waitForStablePage(cache, page)
  return page
}

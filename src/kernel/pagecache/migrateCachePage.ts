import { EAGAIN, EBUSY, type Err, kassert, type Pfn, type Sleep } from '../../base/index.ts'
import {
  GFP_KERNEL,
  NR_FILE_DIRTY,
  NR_FILE_PAGES,
  NR_SHMEM,
  PG_active,
  PG_dirty,
  PG_error,
  PG_mappedtodisk,
  PG_mlocked,
  PG_owner_priv_1,
  PG_private,
  PG_private_2,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_unevictable,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import { pmapCopyPage, pmapReplacePage } from '../pmap/index.ts'
import type { FileObject } from './fileObject.ts'
import { lockPage, trylockPage } from './lockPage.ts'
import { lruCacheAdd } from './lru.ts'
import type { PageCache } from './pageCache.ts'
import { tryToReleasePage } from './tryToReleasePage.ts'
import { unlockPage } from './unlockPage.ts'
import { waitOnPageWriteback } from './waitOnPage.ts'

/** What a page keeps when it moves to another frame. */
const CARRIED =
  PG_error |
  PG_referenced |
  PG_uptodate |
  PG_dirty |
  PG_active |
  PG_owner_priv_1 |
  PG_mappedtodisk |
  PG_reclaim |
  PG_swapbacked |
  PG_unevictable |
  PG_mlocked

/**
 * Moves an isolated page of a file to a new frame: bytes, slot with its tags, translations, state and accounts.
 *
 *   1. the page lock; no writeback; no private data   2. nobody but object, isolation and mappings refers to the page
 *   3. translations, bytes and slot change at one instant   4. the new page goes to the list that the old one was on
 *
 * @param to       a new page with one reference, which becomes the object's
 * @param isForced may sleep for the page lock, and with `waits` for writeback
 * @returns        0: `from` has only the isolation's reference left; EAGAIN: in use just now; EBUSY: it stays
 */
export function* migrateCachePage(
  cache: PageCache,
  from: Pfn,
  to: Pfn,
  isForced: boolean,
  waits: boolean,
): Sleep<0 | Err> {
  if (!trylockPage(cache, from)) {
    if (!isForced) return EAGAIN
    yield* lockPage(cache, from)
  }
  const result = yield* migrateLocked(cache, from, to, isForced, waits)
  unlockPage(cache, from)
  return result
}

function* migrateLocked(cache: PageCache, from: Pfn, to: Pfn, isForced: boolean, waits: boolean): Sleep<0 | Err> {
  const { frames } = cache
  const f = frames.frameOf(from)
  if (cache.has(f, PG_writeback)) {
    if (!waits) return EBUSY
    if (!isForced) return EAGAIN
    yield* waitOnPageWriteback(cache, from)
  }
  const object = cache.objectOf(f)
  // Truncated while we waited: the next look finds it unused.
  if (object === null) return EAGAIN
  if (frames.loanCount[f]! > 0) return EBUSY
  if (cache.has(f, PG_private | PG_private_2) && !tryToReleasePage(cache, from, GFP_KERNEL)) return EAGAIN
  // The object's reference, the isolation's, and one for each mapping.
  if (frames.refcount[f] !== frames.mapcount[f]! + 3) return EAGAIN
  move(cache, object, from, to)
  lruCacheAdd(cache, to)
  return 0
}

function move(cache: PageCache, object: FileObject, from: Pfn, to: Pfn): void {
  const { frames, pmaps } = cache
  const f = frames.frameOf(from)
  const t = frames.frameOf(to)
  const state = frames.flags[f]! & CARRIED
  frames.flags[t] |= state
  if (pmaps !== null) {
    pmapReplacePage(pmaps, from, to)
    pmapCopyPage(pmaps, from, to)
  } else cache.phys.machine.memory?.copyFrame(to, from)
  frames.pgoff[t] = frames.pgoff[f]!
  frames.owner[t] = object.id
  frames.wireCount[t] = frames.wireCount[f]!
  const old = object.pages.set(frames.pgoff[t]!, to + 1)
  kassert(old === from + 1, 'a page is where its index says', cache.describe(f))
  countMoved(cache, object, f, t)
  frames.flags[f] &= ~state
  frames.owner[f] = 0
  frames.wireCount[f] = 0
  // The object's reference.
  frames.refcount[f]--
}

function countMoved(cache: PageCache, object: FileObject, f: number, t: number): void {
  if (cache.zoneOf(f) === cache.zoneOf(t)) return
  const both = (item: number): void => {
    cache.count(f, item, -1)
    cache.count(t, item, 1)
  }
  both(NR_FILE_PAGES)
  if (cache.has(t, PG_swapbacked)) both(NR_SHMEM)
  if (cache.has(t, PG_dirty) && object.device.accountsDirty) both(NR_FILE_DIRTY)
}

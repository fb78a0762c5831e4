// Stores made through mappings, as the page cache hears of them.

import { PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { F_DIRTY } from '../../machine/index.ts'
import {
  ATTR_MODIFIED,
  pmapClearModify,
  pmapLookup,
  pmapPageProtect,
  VM_PROT_EXECUTE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from '../pmap/index.ts'
import type { PageCache } from './pageCache.ts'

/**
 * Makes every translation of a page clean and read-only, so that the next store faults.
 *
 * @returns how many were dirty or writable, a store through one that is gone included
 * @locks   page lock; every TLB has been told on return
 */
export function pageMkclean(cache: PageCache, page: Pfn): number {
  const { frames, pmaps } = cache
  const f = frames.frameOf(page)
  if (pmaps === null) return 0
  let changed = (frames.attrs[f] & ATTR_MODIFIED) === 0 ? 0 : 1
  const { reverse } = pmaps
  for (let e = reverse.head(f); e !== 0; e = reverse.next[e]) {
    pmapLookup(pmaps.byId[reverse.pmapIdOf(e)]!, reverse.vpnOf(e) * PAGE_SIZE)
    if ((pmaps.prot & VM_PROT_WRITE) !== 0 || (pmaps.flags & F_DIRTY) !== 0) changed++
  }
  if (changed > 0) {
    pmapPageProtect(pmaps, page, VM_PROT_READ | VM_PROT_EXECUTE)
    pmapClearModify(pmaps, page)
  }
  return changed
}

/** Takes what mappings, present and gone, remember of stores: was the page modified since it was last asked? */
export function gatherModified(cache: PageCache, page: Pfn): boolean {
  const { frames, pmaps } = cache
  if (pmaps === null) return false
  const f = frames.frameOf(page)
  if (!cache.isMapped(f) && (frames.attrs[f] & ATTR_MODIFIED) === 0) return false
  return pmapClearModify(pmaps, page)
}

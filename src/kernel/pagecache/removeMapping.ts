import type { Pfn } from '../../base/index.ts'
import { PG_dirty } from '../phys/index.ts'
import { AS_EXITING } from './constants.ts'
import { removeFromIndex } from './deleteFromPageCache.ts'
import { transferModified } from './dirty.ts'
import type { FileObject } from './fileObject.ts'
import type { PageCache } from './pageCache.ts'
import { workingsetEviction } from './workingSet.ts'

/**
 * Takes an unused clean page out of its object: used by nobody but the object and the caller. Dirtiness is tested after
 * the count, so that who makes a page dirty and then drops it is seen.
 *
 * @param isEviction  reclaim: a shadow stays, unless the object is on its way out
 * @returns           true: the caller's is the only reference left
 * @locks             page lock and one reference of the caller's; never sleeps
 */
export function removeMapping(cache: PageCache, object: FileObject, page: Pfn, isEviction: boolean): boolean {
  const { frames } = cache
  const f = frames.frameOf(page)
  transferModified(cache, page)
  if (frames.refcount[f] !== 2) return false
  // Frozen: a look-up meanwhile (a tracepoint's, say) finds nothing.
  frames.refcount[f] = 0
  if (cache.has(f, PG_dirty)) {
    frames.refcount[f] = 2
    return false
  }
  const leavesShadow = isEviction && (object.flags & AS_EXITING) === 0
  removeFromIndex(cache, page, leavesShadow ? workingsetEviction(cache, f) : null)
  object.ops.freePage?.(object, page)
  frames.refcount[f] = 1
  return true
}

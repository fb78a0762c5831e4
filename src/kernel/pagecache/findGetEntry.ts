import { pfn, type Pfn } from '../../base/index.ts'
import type { FileObject } from './fileObject.ts'
import { isExceptional, type Exceptional } from './constants.ts'
import type { PageCache } from './pageCache.ts'

/**
 * What the slot at `index` holds. Hot.
 *
 * @returns a page with one more reference, in whatever state; an exceptional entry as it is; null for an empty slot
 * @locks   none, atomic ok
 * @manual  find_get_entry, Linux
 */
export function findGetEntry(cache: PageCache, object: FileObject, index: number): Pfn | Exceptional | null {
  const value = object.pages.get(index)
  if (value === 0) return null
  if (value < 0) return value as Exceptional
  const { frames } = cache
  const f = frames.frameOf(value - 1)
  // Count 0: somebody further up the stack has frozen the page and is taking it out.
  if (frames.refcount[f] === 0) return null
  frames.refcount[f]++
  return pfn(value - 1)
}

/** The page at `index` with one more reference, or null. */
export function findGetPage(cache: PageCache, object: FileObject, index: number): Pfn | null {
  const entry = findGetEntry(cache, object, index)
  return entry === null || isExceptional(entry) ? null : (entry as Pfn)
}

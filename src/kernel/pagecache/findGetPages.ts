// Batched look-ups. Every page answered has one more reference.

import { PGOFF_MAX } from '../../base/index.ts'
import type { FileObject } from './fileObject.ts'
import type { PageCache } from './pageCache.ts'

/**
 * The run of pages that starts exactly at `index`; a hole or an exceptional entry ends it.
 *
 * @param most   at most so many
 * @param pages  filled from 0 with pfns, ascending and without gap
 * @returns      how many
 * @locks        none, atomic ok
 * @manual       find_get_pages_contig, Linux
 */
export function findGetPagesContig(
  cache: PageCache,
  object: FileObject,
  index: number,
  most: number,
  pages: number[],
): number {
  let found = 0
  while (found < most && index + found <= PGOFF_MAX) {
    const value = object.pages.get(index + found)
    if (value <= 0 || !takeReference(cache, value - 1)) break
    pages[found++] = value - 1
  }
  return found
}

/** Where a scan by tag goes on. */
export interface TagCursor {
  index: number
}

/**
 * Pages at or after `cursor.index` that carry a tag; exceptional entries are passed over. There is no end: the caller
 * looks at the pages' indexes. Moves the cursor behind the last page found.
 *
 * @returns how many pages are in `pages`
 * @locks   none, atomic ok
 * @manual  find_get_pages_tag, Linux
 */
export function findGetPagesTag(
  cache: PageCache,
  object: FileObject,
  cursor: TagCursor,
  tag: number,
  most: number,
  pages: number[],
): number {
  let found = 0
  let last = -1
  let at = cursor.index
  while (found < most && at <= PGOFF_MAX && (at = object.pages.nextTagged(at, tag)) >= 0) {
    const value = object.pages.get(at)
    if (value > 0 && takeReference(cache, value - 1)) {
      pages[found++] = value - 1
      last = at
    }
    at++
  }
  if (last >= 0) cursor.index = last === PGOFF_MAX ? 0 : last + 1
  return found
}

/**
 * Entries at or after `index`, exceptional ones too, ascending.
 *
 * @param entries  filled with pfns or exceptional entries
 * @param indexes  filled with their indexes
 */
export function pagevecLookupEntries(
  cache: PageCache,
  object: FileObject,
  index: number,
  most: number,
  entries: number[],
  indexes: number[],
): number {
  let found = 0
  let at = index
  while (found < most && at <= PGOFF_MAX && (at = object.pages.next(at)) >= 0) {
    const value = object.pages.get(at)
    if (value < 0 || takeReference(cache, value - 1)) {
      entries[found] = value < 0 ? value : value - 1
      indexes[found++] = at
    }
    at++
  }
  return found
}

/** False if the page is frozen: somebody further up the stack is taking it out. */
function takeReference(cache: PageCache, pfn: number): boolean {
  const { refcount } = cache.frames
  const f = cache.frames.frameOf(pfn)
  if (refcount[f] === 0) return false
  refcount[f]++
  return true
}

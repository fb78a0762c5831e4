// Runs of cached pages. Exceptional entries are holes. Indexes wrap as the manual's unsigned words do.

import { PGOFF_MAX } from '../../base/index.ts'
import type { MemoryObject } from '../object/index.ts'

/**
 * The first index at or after `index`, of at most `maxScan`, that holds no page.
 *
 * @returns `index + maxScan` if there is none; 0 if the scan went over the last index
 * @locks   none; an instant's answer
 * @manual  page_cache_next_hole, Linux
 */
export function pageCacheNextHole(object: MemoryObject, index: number, maxScan: number): number {
  const { pages } = object
  let at = index
  for (let i = 0; i < maxScan; i++) {
    if (pages.get(at) <= 0) break
    if (at === PGOFF_MAX) return 0
    at++
  }
  return at
}

/**
 * The first index at or before `index`, of at most `maxScan`, that holds no page.
 *
 * @returns `index - maxScan` if there is none; PGOFF_MAX if the scan went below 0
 * @locks   none; an instant's answer
 * @manual  page_cache_prev_hole, Linux
 */
export function pageCachePrevHole(object: MemoryObject, index: number, maxScan: number): number {
  const { pages } = object
  let at = index
  for (let i = 0; i < maxScan; i++) {
    if (pages.get(at) <= 0) break
    if (at === 0) return PGOFF_MAX
    at--
  }
  return at
}

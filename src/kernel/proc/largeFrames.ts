import { MiB, PAGE_SIZE } from '../../base/index.ts'
import type { VmSpace } from '../map/index.ts'
import { pmapLookup } from '../pmap/index.ts'
import type { Kernel } from '../process/index.ts'
import { allSpaces } from './spaces.ts'

/** What a superpage maps. */
export const LARGE_PAGE_BYTES = 2 * MiB
export const LARGE_PAGES = LARGE_PAGE_BYTES / PAGE_SIZE

/** Pages of a range that superpages show: of superpages that lie in it whole. */
export function largePagesIn({ pmap }: VmSpace, start: number, end: number): number {
  let pages = 0
  for (const span of pmap.large.keys()) {
    const at = span * LARGE_PAGE_BYTES
    if (at >= start && at + LARGE_PAGE_BYTES <= end) pages += LARGE_PAGES
  }
  return pages
}

/** First frames of all superpages of programs, each once. */
export function largeFrames(kernel: Kernel): Set<number> {
  const first = new Set<number>()
  for (const { pmap } of allSpaces(kernel))
    for (const span of pmap.large.keys())
      if (pmapLookup(pmap, span * LARGE_PAGE_BYTES)) first.add(kernel.phys.frames.frameOf(kernel.pmaps.pfn))
  return first
}

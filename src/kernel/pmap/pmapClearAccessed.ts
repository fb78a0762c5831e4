import { PAGE_SIZE } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY, LEVEL_FRAMES } from '../../machine/index.ts'
import { PG_anon } from '../phys/index.ts'
import { ATTR_MODIFIED, ATTR_TOUCHED } from './constants.ts'
import { writeLeaf } from './pmapEnter.ts'
import { nextRun } from './runs.ts'
import { queueInvalidation } from './shootdown.ts'
import type { Pmap } from './pmaps.ts'

/**
 * The mappings in [sva, eva) count as not used from now on, in this pmap alone; superpages stay whole, and one that begins
 * in the range is cleared whole. What has been written stays so: if need be as a saved attribute, as D needs A.
 *
 * @param mayClear  asked for each mapped page, and for a superpage with its first
 * @locks  the owners' locks of the pages; the invalidations wait for pmapUpdate
 */
export function pmapClearAccessed(pmap: Pmap, sva: number, eva: number, mayClear: (pfn: number) => boolean): void {
  const { room } = pmap
  const { format, memory, frames } = room
  const words = memory.i32
  for (let word = nextRun(pmap, sva, eva), next = 0; word >= 0; word = nextRun(pmap, next, eva)) {
    const { runStart, runEnd, level } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += level === 0 ? PAGE_SIZE : runEnd - runStart, word += 2) {
      if (!format.isMapped(words[word])) continue
      const pfn = format.pfnOf(words[word], words[word + 1])
      const flags = format.flagsOf(words[word], words[word + 1], level)
      if (!mayClear(pfn) || (flags & F_ACCESSED) === 0) continue
      const f = (flags & F_DIRTY) === 0 ? -1 : frames.indexOf(pfn)
      if (f >= 0) {
        const saved = (frames.flags[f] & PG_anon) === 0 ? ATTR_MODIFIED : ATTR_MODIFIED | ATTR_TOUCHED
        for (let page = 0; page < LEVEL_FRAMES[level]; page++) frames.attrs[f + page] |= saved
      }
      const left = flags & ~(F_ACCESSED | F_DIRTY)
      if (level === 0) writeLeaf(room, word, pfn, left)
      else {
        format.encodeLeaf(pfn, left, level)
        words[word] = format.lo
        words[word + 1] = format.hi
      }
      queueInvalidation(pmap, va)
    }
  }
}

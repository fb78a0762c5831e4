import { kassert, PAGE_SIZE } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY } from '../../machine/index.ts'
import { splitRange } from './large.ts'
import { writeLeaf } from './pmapEnter.ts'
import { nextRun } from './runs.ts'
import { queueInvalidation } from './shootdown.ts'
import type { Pmap } from './pmaps.ts'

/**
 * The mappings in [sva, eva) count as neither used nor written from now on, in this pmap alone: what others have stored
 * stays noticed, and so do the saved attributes (pmapClearModify forgets all of these).
 *
 * @param mayClean  asked for each mapped page
 * @locks  the owners' locks of the pages; the invalidations wait for pmapUpdate
 */
export function pmapCleanRange(pmap: Pmap, sva: number, eva: number, mayClean: (pfn: number) => boolean): void {
  const { room } = pmap
  const { format, memory } = room
  const words = memory.i32
  splitRange(pmap, sva, eva)
  for (let word = nextRun(pmap, sva, eva), next = 0; word >= 0; word = nextRun(pmap, next, eva)) {
    kassert(room.level === 0, 'a superpage is not cleaned in part')
    const { runStart, runEnd } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      if (!format.isMapped(words[word])) continue
      const pfn = format.pfnOf(words[word], words[word + 1])
      const flags = format.flagsOf(words[word], words[word + 1], 0)
      if (!mayClean(pfn) || (flags & (F_ACCESSED | F_DIRTY)) === 0) continue
      writeLeaf(room, word, pfn, flags & ~(F_ACCESSED | F_DIRTY))
      queueInvalidation(pmap, va)
    }
  }
}

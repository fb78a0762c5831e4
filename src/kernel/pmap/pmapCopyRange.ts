import { ENOMEM, kassert, PAGE_SIZE, type Err } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY, F_MANAGED, F_WIRED, F_WRITE } from '../../machine/index.ts'
import { ATTR_EXCLUSIVE, needsInvalidation, PMAP_COPY_SHARED } from './constants.ts'
import { splitRange } from './large.ts'
import { linkFrame } from './leaf.ts'
import { writeLeaf } from './pmapEnter.ts'
import { nextRun } from './runs.ts'
import { queueInvalidation } from './shootdown.ts'
import { ensureEntry } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Gives `dst`, which has nothing in [sva, eva), the entries of `src`: software entries as they are; mappings without
 * write permission, which `src` loses too. The copies are not wired; those of
 * private memory are as accessed and dirty as what they copy, those of shared memory neither yet.
 *
 * @param flags  PMAP_COPY_SHARED: nobody loses permission
 * @errors ENOMEM  no frame for a page table; what has been copied stays and is the caller's to remove
 * @locks  both maps; the invalidations wait for pmapUpdate(src)
 */
export function pmapCopyRange(dst: Pmap, src: Pmap, sva: number, eva: number, flags = 0): 0 | Err {
  const { room } = src
  const { format, memory, frames, reverse } = room
  const words = memory.i32
  splitRange(src, sva, eva)
  const isShared = (flags & PMAP_COPY_SHARED) !== 0
  for (let word = nextRun(src, sva, eva), next = 0; word >= 0; word = nextRun(src, next, eva)) {
    kassert(room.level === 0, 'a superpage is not copied')
    const { runStart, runEnd } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      const lo = words[word]
      const hi = words[word + 1]
      if ((lo | hi) === 0) continue
      const was = format.flagsOf(lo, hi, 0)
      if ((was & F_MANAGED) !== 0 && !reverse.reserve()) return ENOMEM
      const target = ensureEntry(dst, va)
      if (target < 0) return ENOMEM
      kassert((words[target] | words[target + 1]) === 0, 'entries are copied to where nothing is')
      frames.private[room.tableFrame]++
      if (!format.isMapped(lo)) {
        words[target] = lo
        words[target + 1] = hi
        continue
      }
      const pfn = format.pfnOf(lo, hi)
      const kept = isShared ? was : was & ~F_WRITE
      if (kept !== was) {
        writeLeaf(room, word, pfn, kept)
        if (needsInvalidation(was, kept)) queueInvalidation(src, va)
      }
      writeLeaf(room, target, pfn, kept & ~(isShared ? F_WIRED | F_ACCESSED | F_DIRTY : F_WIRED))
      if ((was & F_MANAGED) === 0) continue
      const f = frames.indexOf(pfn)
      if (!isShared) frames.attrs[f] &= ~ATTR_EXCLUSIVE
      linkFrame(dst, f, Math.floor(va / PAGE_SIZE))
    }
  }
  return 0
}

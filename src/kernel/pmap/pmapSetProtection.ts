import { kassert, PAGE_SIZE } from '../../base/index.ts'
import { F_ACCESSED, F_EXEC, F_MANAGED, F_READ, F_USER, F_VALID, F_WRITE } from '../../machine/index.ts'
import { PG_arch_1 } from '../phys/index.ts'
import { F_PROT, needsInvalidation } from './constants.ts'
import { splitRange } from './large.ts'
import { announceCode, writeLeaf } from './pmapEnter.ts'
import { nextRun } from './runs.ts'
import { queueInvalidation } from './shootdown.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Gives every mapping in [sva, eva) the permissions of `prot`, neither more nor less; frames, A, D and wiring stay. With
 * VM_PROT_NONE the mappings are hidden: resident and referenced, but no access gets through.
 *
 * This is what mprotect(2) does to Linux's tables, where pmapProtect only lowers, and removes what has no access left.
 *
 * @param mayStore  may a page that could not be written be written from now on? Asked only where `prot` says so
 * @locks  the owners' locks of managed pages; the invalidations wait for pmapUpdate
 */
export function pmapSetProtection(
  pmap: Pmap,
  sva: number,
  eva: number,
  prot: number,
  mayStore: (va: number, pfn: number) => boolean,
): void {
  const { room } = pmap
  const { format, memory, frames } = room
  const words = memory.i32
  kassert(!pmap.isKernel, 'kernel mappings keep their permissions')
  splitRange(pmap, sva, eva)
  const allowed = (prot & F_WRITE) !== 0 ? prot | F_READ : prot
  for (let word = nextRun(pmap, sva, eva), next = 0; word >= 0; word = nextRun(pmap, next, eva)) {
    kassert(room.level === 0, 'a superpage is not protected in part')
    const { runStart, runEnd } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      const lo = words[word]
      const hi = words[word + 1]
      if (!format.isMapped(lo)) continue
      const was = format.flagsOf(lo, hi, 0)
      const pfn = format.pfnOf(lo, hi)
      const gainsWrite = (allowed & F_WRITE) !== 0 && (was & F_WRITE) === 0
      const now = gainsWrite && !mayStore(va, pfn) ? allowed & ~F_WRITE : allowed
      if (now === (was & F_PROT)) continue
      if ((now & F_EXEC) !== 0 && (was & F_MANAGED) !== 0) {
        const f = frames.indexOf(pfn)
        if ((frames.flags[f] & PG_arch_1) === 0) announceCode(room, f, pfn)
      }
      const leaf = (was & ~(F_PROT | F_VALID)) | now | (now === 0 ? 0 : F_VALID | F_USER)
      writeLeaf(room, word, pfn, leaf)
      // A TLB that denies what is allowed now would fault once more.
      const isGain = (was & F_ACCESSED) !== 0 && (now & ~was) !== 0
      if (isGain || needsInvalidation(was, leaf)) queueInvalidation(pmap, va)
    }
  }
}

import { kassert, PAGE_SIZE } from '../../base/index.ts'
import { F_EXEC, F_WRITE } from '../../machine/index.ts'
import { F_PROT, needsInvalidation, VM_PROT_EXECUTE, VM_PROT_NONE, VM_PROT_WRITE } from './constants.ts'
import { splitRange } from './large.ts'
import { dropLeaf } from './leaf.ts'
import { writeLeaf } from './pmapEnter.ts'
import { pmapRemove } from './pmapRemove.ts'
import { nextRun } from './runs.ts'
import { queueInvalidation } from './shootdown.ts'
import { pruneTables } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Takes permission away in [sva, eva): with VM_PROT_WRITE in `prot` none, with VM_PROT_NONE all (pmapRemove), otherwise
 * W, and X unless `prot` has it. Never grants; A and D stay.
 *
 * @locks  the invalidations wait for pmapUpdate
 * @manual pmap_protect, pmap(9), NetBSD
 */
export function pmapProtect(pmap: Pmap, sva: number, eva: number, prot: number): void {
  if ((prot & VM_PROT_WRITE) !== 0) return
  if (prot === VM_PROT_NONE) {
    pmapRemove(pmap, sva, eva)
    return
  }
  const { room } = pmap
  const { format, memory, frames } = room
  const words = memory.i32
  splitRange(pmap, sva, eva)
  for (let word = nextRun(pmap, sva, eva); word >= 0; word = nextRun(pmap, room.runEnd, eva)) {
    kassert(room.level === 0, 'a superpage is not protected in part')
    const { runStart, runEnd, tableFrame } = room
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      if (!format.isValid(words[word], words[word + 1]) || protectLeaf(pmap, word, va, prot)) continue
      frames.private[tableFrame]--
    }
    if (frames.private[tableFrame] === 0) pruneTables(pmap, runEnd - PAGE_SIZE, true)
  }
}

/** Write-protects a valid leaf. False: nothing was left to allow, and it has been removed. */
export function protectLeaf(pmap: Pmap, word: number, va: number, prot: number): boolean {
  const { room } = pmap
  const { format, memory } = room
  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  const was = format.flagsOf(lo, hi, 0)
  const now = was & ~((prot & VM_PROT_EXECUTE) !== 0 ? F_WRITE : F_WRITE | F_EXEC)
  if (now === was) return true
  if ((now & F_PROT) === 0) {
    dropLeaf(pmap, word, va)
    return false
  }
  writeLeaf(room, word, format.pfnOf(lo, hi), now)
  if (needsInvalidation(was, now)) queueInvalidation(pmap, va)
  return true
}

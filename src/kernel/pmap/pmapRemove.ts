import { kassert, PAGE_SIZE } from '../../base/index.ts'
import { TABLE_SPAN } from './constants.ts'
import { removeLarge, splitAt } from './large.ts'
import { dropLeaf } from './leaf.ts'
import { nextRun } from './runs.ts'
import { queueInvalidation } from './shootdown.ts'
import { pruneTables } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Removes every mapping in [sva, eva), wired ones too. Tables that become empty are freed after the TLBs are told.
 *
 * @param alsoSoft  software entries (guard, swap, file) go too; otherwise they stay, for they are records
 * @param keepsTables  an empty table stays unless the range covers all it maps: pages will come back
 * @locks  the owners' locks of managed pages; the invalidations wait for pmapUpdate
 * @manual pmap_remove, pmap(9), NetBSD
 */
export function pmapRemove(pmap: Pmap, sva: number, eva: number, alsoSoft = false, keepsTables = false): void {
  const { room } = pmap
  const { format, memory, frames } = room
  const words = memory.i32
  if (sva % TABLE_SPAN !== 0) splitAt(pmap, sva)
  if (eva % TABLE_SPAN !== 0) splitAt(pmap, eva)
  for (let word = nextRun(pmap, sva, eva); word >= 0; word = nextRun(pmap, room.runEnd, eva)) {
    if (room.level > 0) {
      removeSuperpage(pmap, word, sva, eva)
      continue
    }
    const { runStart, runEnd, tableFrame } = room
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      const lo = words[word]
      const hi = words[word + 1]
      if ((lo | hi) === 0) continue
      if (format.isMapped(lo)) dropLeaf(pmap, word, va)
      else if (!alsoSoft) continue
      words[word] = 0
      words[word + 1] = 0
      frames.private[tableFrame]--
    }
    const mayStay = keepsTables && runEnd - runStart < TABLE_SPAN
    if (frames.private[tableFrame] === 0 && !mayStay) pruneTables(pmap, runEnd - PAGE_SIZE, true)
  }
}

/** Superpages go whole; what is left of one has been split. */
function removeSuperpage(pmap: Pmap, word: number, sva: number, eva: number): void {
  const { room } = pmap
  const { runStart, runEnd } = room
  if (pmap.large.has(runStart / TABLE_SPAN)) {
    removeLarge(pmap, word, runStart)
    return
  }
  kassert(runStart >= sva && runEnd <= eva, 'a superpage is removed whole', `${runStart}`)
  room.memory.i32[word] = 0
  room.memory.i32[word + 1] = 0
  room.frames.private[room.tableFrame]--
  queueInvalidation(pmap, runStart)
  pruneTables(pmap, runStart, true)
}

/**
 * The caller is about to remove every mapping, by pmapRemove and then pmapUpdate or pmapDestroy: one flush at the end
 * replaces the single invalidations.
 *
 * @returns false: nothing has been removed yet
 * @manual pmap_remove_all, pmap(9), NetBSD
 */
export function pmapRemoveAll(pmap: Pmap): boolean {
  pmap.isRemovingAll = true
  return false
}

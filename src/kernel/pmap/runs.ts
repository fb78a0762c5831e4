// Going through a range of addresses without looking at tables that are not there.

import { LEVEL_BYTES } from '../../machine/index.ts'
import { entryEnd, findEntry } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * The next run of entries in [va, end) that stand side by side in one lowest-level table, or the next superpage.
 *
 *   for (let word = nextRun(pmap, sva, eva); word >= 0; word = nextRun(pmap, room.runEnd, eva)) …
 *
 * @returns word index of the run's first entry, or -1: nothing more. Borrowed in the room until the next call or
 *          findEntry: runStart and runEnd (addresses), level (0, or the superpage's), tableFrame
 */
export function nextRun(pmap: Pmap, va: number, end: number): number {
  const { room } = pmap
  const { format, memory } = room
  while (va < end) {
    const word = findEntry(pmap, va)
    const { level } = room
    if (level === 0 || format.isValid(memory.i32[word], memory.i32[word + 1])) {
      room.runStart = level === 0 ? va : Math.floor(va / LEVEL_BYTES[level]) * LEVEL_BYTES[level]
      room.runEnd = level === 0 ? Math.min(end, entryEnd(va, 1)) : entryEnd(va, level)
      return word
    }
    va = absentEnd(pmap, word, level, va, end)
  }
  return -1
}

/** Where what is absent at `va` ends: behind the empty entries beside it in the same table, or at `end`. */
function absentEnd(pmap: Pmap, word: number, level: number, va: number, end: number): number {
  const { format, memory } = pmap.room
  const words = memory.i32
  const bytes = LEVEL_BYTES[level]
  let behind = entryEnd(va, level)
  for (let i = format.indexAt(va, level) + 1; i < format.entriesPerTable && behind < end; i++, behind += bytes) {
    word += 2
    if ((words[word] | words[word + 1]) !== 0) break
  }
  return behind
}

import { ENOMEM, kassert, type Err } from '../../base/index.ts'
import { splitAt } from './large.ts'
import { dropLeaf } from './leaf.ts'
import { ensureEntry, findEntry, pruneTables } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Makes the entry of `va` a record: not present, but remembered until it is zapped or unmapped. What stood there goes.
 *
 * @param kind   SOFT_…; SOFT_NONE empties the entry
 * @param value  below 2^40; its meaning is the kind's
 * @errors ENOMEM  no frame for a page table; nothing has changed
 * @locks  an invalidation of what was present waits for pmapUpdate
 */
export function pmapEnterSoft(pmap: Pmap, va: number, kind: number, value: number): 0 | Err {
  const { room } = pmap
  const { format, memory, frames } = room
  kassert((va & 0xfff) === 0 && pmap.covers(va), 'a page is entered at a page of its half')
  splitAt(pmap, va)
  const word = kind === 0 ? findEntry(pmap, va) : ensureEntry(pmap, va)
  if (word < 0) return ENOMEM
  if (kind === 0 && room.level > 0) {
    kassert(!format.isValid(memory.i32[word], memory.i32[word + 1]), 'a superpage is removed whole')
    return 0
  }
  const { tableFrame } = room
  const wasEmpty = (memory.i32[word] | memory.i32[word + 1]) === 0
  if (format.isMapped(memory.i32[word])) dropLeaf(pmap, word, va)
  format.encodeSoftware(kind, value)
  memory.i32[word] = format.lo
  memory.i32[word + 1] = format.hi
  const isEmpty = (format.lo | format.hi) === 0
  frames.private[tableFrame] += (wasEmpty ? 1 : 0) - (isEmpty ? 1 : 0)
  if (isEmpty && frames.private[tableFrame] === 0) pruneTables(pmap, va, true)
  return 0
}

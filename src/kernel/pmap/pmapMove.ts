import { ENOMEM, kassert, PAGE_SIZE, type Err } from '../../base/index.ts'
import { F_ACCESSED, F_MANAGED } from '../../machine/index.ts'
import { splitRange } from './large.ts'
import { nextRun } from './runs.ts'
import { drain, queueInvalidation } from './shootdown.ts'
import { ensureEntry, findEntry, pruneTables } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Moves every entry of [from, from + bytes), mappings and records, to [to, to + bytes), where nothing is. Wiring, A and
 * D move along.
 *
 * @errors ENOMEM  no frame for a page table; nothing has moved
 * @locks  the map; every TLB has forgotten the old addresses on return
 */
export function pmapMove(pmap: Pmap, from: number, to: number, bytes: number): 0 | Err {
  kassert(to + bytes <= from || from + bytes <= to, 'entries are moved to other addresses')
  const { room } = pmap
  const { frames } = room
  const end = from + bytes
  splitRange(pmap, from, end)
  if (!makeTables(pmap, from, to, end)) return ENOMEM
  // A table may be empty now and still be what later entries move to: tables are pruned when all have moved.
  const emptied: number[] = []
  for (let word = nextRun(pmap, from, end), next = 0; word >= 0; word = nextRun(pmap, next, end)) {
    const { runStart, runEnd, tableFrame } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2)
      moveEntry(pmap, word, tableFrame, va, va - from + to)
    if (frames.private[tableFrame] === 0) emptied.push(runStart)
  }
  for (const va of emptied) pruneTables(pmap, va, true)
  drain(room, room.machine.current.cpu)
  return 0
}

function moveEntry(pmap: Pmap, word: number, tableFrame: number, va: number, newVa: number): void {
  const { room } = pmap
  const { format, memory, frames } = room
  const words = memory.i32
  const lo = words[word]
  const hi = words[word + 1]
  if ((lo | hi) === 0) return
  const flags = format.flagsOf(lo, hi, 0)
  const target = findEntry(pmap, newVa)
  kassert(room.level === 0 && (words[target] | words[target + 1]) === 0, 'entries are moved to where nothing is')
  words[word] = 0
  words[word + 1] = 0
  words[target] = lo
  words[target + 1] = hi
  frames.private[tableFrame]--
  frames.private[room.tableFrame]++
  if ((flags & F_MANAGED) !== 0)
    room.reverse.move(frames.indexOf(format.pfnOf(lo, hi)), pmap.id, va / PAGE_SIZE, newVa / PAGE_SIZE)
  if ((flags & F_ACCESSED) !== 0) queueInvalidation(pmap, va)
}

/** The tables that the moved entries will need; false, and none, if there is no memory for them. */
function makeTables(pmap: Pmap, from: number, to: number, end: number): boolean {
  const { room } = pmap
  const words = room.memory.i32
  for (let word = nextRun(pmap, from, end), next = 0; word >= 0; word = nextRun(pmap, next, end)) {
    kassert(room.level === 0, 'a superpage is not moved')
    const { runStart, runEnd } = room
    next = runEnd
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      if ((words[word] | words[word + 1]) === 0 || ensureEntry(pmap, va - from + to) >= 0) continue
      for (let made = from; made <= va; made += PAGE_SIZE) pruneTables(pmap, made - from + to, false)
      return false
    }
  }
  return true
}

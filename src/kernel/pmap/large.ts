// Superpages of user memory: one leaf of level 1 for 512 pages that lie side by side in RAM.
//
//   large:   level-1 entry ─► leaf, 2 MiB                 pmap.large: span ─► a table held back, empty
//   demoted: level-1 entry ─► that table ─► 512 leaves    same frames, same permissions, same A and D
//
// To everybody but the page table a superpage is 512 pages: each has its reference, its map count and its entry in the
// reverse map. So whoever must change one of them splits first (splitAt, splitRange) and then does what it always does;
// and splitting never fails, because the table for it was taken when the superpage was entered.

import { EEXIST, ENOMEM, kassert, PAGE_SIZE, type Err, type Pfn } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY, F_MANAGED, F_USER, F_VALID, LEVEL_FRAMES } from '../../machine/index.ts'
import { TABLE_SPAN, VM_PROT_ALL, VM_PROT_EXECUTE, VM_PROT_READ, VM_PROT_WRITE } from './constants.ts'
import { isManaged, linkFrame, unlinkFrame } from './leaf.ts'
import { queueInvalidation } from './shootdown.ts'
import { ensureEntry, findEntry, giveTable, pruneTables, takeTable } from './tables.ts'
import type { Pmap } from './pmaps.ts'

const PAGES = LEVEL_FRAMES[1]

/**
 * Maps 512 pages with one superpage, where nothing is mapped or recorded.
 *
 * @param va     a multiple of 2 MiB
 * @param pfn    first of 512 managed frames; a multiple of 512
 * @param prot   VM_PROT_…, without execution
 * @param access VM_PROT_… of the access that causes it, or 0
 * @errors EEXIST  something stands there; ENOMEM no frame for a page table. Nothing has changed
 * @locks  the page's owner's lock; does not sleep
 */
export function pmapEnterLarge(pmap: Pmap, va: number, pfn: Pfn | number, prot: number, access: number): 0 | Err {
  const { room } = pmap
  const { format, memory, frames, reverse } = room
  const allowed = (prot & VM_PROT_WRITE) !== 0 ? prot | VM_PROT_READ : prot
  kassert(va % TABLE_SPAN === 0 && pfn % PAGES === 0, 'a superpage begins at a multiple of its size', `${va} ${pfn}`)
  kassert(!pmap.isKernel && pmap.covers(va), 'superpages are entered for users')
  kassert((prot & VM_PROT_EXECUTE) === 0, 'a superpage that is entered holds no code')
  kassert(prot !== 0 && (access & VM_PROT_ALL & ~allowed) === 0, 'the access that causes a mapping is allowed by it')
  const there = findEntry(pmap, va)
  if (room.level === 0 || format.isValid(memory.i32[there], memory.i32[there + 1])) return EEXIST
  if (!reverse.reserve(PAGES)) return ENOMEM
  const spare = takeTable(room)
  if (spare < 0) return ENOMEM
  const word = ensureEntry(pmap, va, 1)
  if (word < 0) {
    giveTable(room, spare)
    return ENOMEM
  }
  let leaf = F_VALID | F_USER | F_MANAGED | allowed
  if (access !== 0) leaf |= (access & VM_PROT_WRITE) !== 0 ? F_ACCESSED | F_DIRTY : F_ACCESSED
  format.encodeLeaf(pfn, leaf, 1)
  memory.i32[word] = format.lo
  memory.i32[word + 1] = format.hi
  frames.private[room.tableFrame]++
  const first = frames.frameOf(pfn)
  for (let i = 0; i < PAGES; i++) {
    kassert(isManaged(frames, first + i, 0), 'the frames of a superpage are managed', `pfn ${pfn + i}`)
    linkFrame(pmap, first + i, va / PAGE_SIZE + i)
  }
  pmap.large.set(va / TABLE_SPAN, spare)
  pmap.tablePages++
  room.counters.enters += PAGES
  room.counters.promotions++
  return 0
}

/** Splits the superpage that maps `va`, if there is one. */
export function splitAt(pmap: Pmap, va: number): void {
  if (pmap.large.size !== 0) split(pmap, Math.floor(va / TABLE_SPAN))
}
/** Splits every superpage that maps a part of [sva, eva). */
export function splitRange(pmap: Pmap, sva: number, eva: number): void {
  if (pmap.large.size === 0) return
  const first = Math.floor(sva / TABLE_SPAN)
  const last = Math.floor((eva - 1) / TABLE_SPAN)
  if (last - first < pmap.large.size) for (let span = first; span <= last; span++) split(pmap, span)
  else for (const span of pmap.large.keys()) if (span >= first && span <= last) split(pmap, span)
}

function split(pmap: Pmap, span: number): void {
  const table = pmap.large.get(span)
  if (table === undefined) return
  const { room } = pmap
  const { format, memory, frames } = room
  const words = memory.i32
  const va = span * TABLE_SPAN
  const word = findEntry(pmap, va)
  kassert(room.level === 1, 'what is called a superpage is one', `${va}`)
  const pfn = format.pfnOf(words[word], words[word + 1])
  const flags = format.flagsOf(words[word], words[word + 1], 1)
  const base = memory.frameOffset(table) >>> 2
  for (let i = 0; i < PAGES; i++) {
    format.encodeLeaf(pfn + i, flags, 0)
    words[base + i * 2] = format.lo
    words[base + i * 2 + 1] = format.hi
  }
  frames.private[frames.frameOf(table)] = PAGES
  format.encodeTable(table)
  words[word] = format.lo
  words[word + 1] = format.hi
  pmap.large.delete(span)
  room.counters.demotions++
  if ((flags & F_ACCESSED) !== 0) queueInvalidation(pmap, va)
}

/**
 * Removes a superpage whole: its pages, and the table held back for it.
 *
 * @param word  of its entry, which findEntry or nextRun has just found
 */
export function removeLarge(pmap: Pmap, word: number, va: number): void {
  const { room } = pmap
  const { format, memory, frames } = room
  const span = va / TABLE_SPAN
  const flags = format.flagsOf(memory.i32[word], memory.i32[word + 1], 1)
  const first = frames.indexOf(format.pfnOf(memory.i32[word], memory.i32[word + 1]))
  memory.i32[word] = 0
  memory.i32[word + 1] = 0
  frames.private[room.tableFrame]--
  for (let i = 0; i < PAGES; i++) unlinkFrame(pmap, first + i, va / PAGE_SIZE + i, flags)
  room.here.mailbox.tables.push(pmap.large.get(span)!)
  pmap.large.delete(span)
  pmap.tablePages--
  room.counters.removals += PAGES
  if ((flags & F_ACCESSED) !== 0) queueInvalidation(pmap, va)
  pruneTables(pmap, va, true)
}

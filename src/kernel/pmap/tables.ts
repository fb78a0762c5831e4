// Page tables in simulated RAM: finding an entry, making the tables above it, and giving emptied tables back.
//
//   level 3        2          1          0
//   root ──► table ──► table ──► table ──► leaf        Sv48; Sv39 starts at level 2
//                 └► 1 GiB leaf  └► 2 MiB leaf         superpages: in the kernel's direct map
//
// frames.private of a table's frame counts its entries that are not zero, software entries included. A user table whose
// count falls to zero is unlinked at once and freed after the TLBs have been told, but where pages are to come back to it:
// then it goes with the mapping. Kernel tables are never freed; the kernel half of every root has the same words as the
// kernel's root.

import { isErr, kassert, WouldSleep } from '../../base/index.ts'
import { LEVEL_BYTES } from '../../machine/index.ts'
import { allocPagesTry, freePages, GFP_NOWAIT, NR_PAGETABLE, PG_pagetable, type Phys } from '../phys/index.ts'
import { TABLE_SPAN } from './constants.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

/** Where page-table pages come from: never sleeps. */
export interface TableSource {
  /** A frame of RAM with a frame index, or -1. */
  take(): number
  give(pfn: number): void
}

export const physTableSource = (phys: Phys): TableSource => ({
  take() {
    const pfn = allocPagesTry(phys, GFP_NOWAIT, 0)
    return pfn === WouldSleep || isErr(pfn) ? -1 : pfn
  },
  give(pfn) {
    freePages(phys, pfn, 0)
  },
})

/** A zeroed page-table page, or -1. */
export function takeTable(room: Pmaps): number {
  const pfn = room.tables.take()
  if (pfn < 0) return -1
  const { frames, phys } = room
  const f = frames.frameOf(pfn)
  room.memory.zeroFrame(pfn)
  frames.flags[f] |= PG_pagetable
  frames.private[f] = 0
  phys.zoneOf(f).stat[NR_PAGETABLE]++
  return pfn
}
export function giveTable(room: Pmaps, pfn: number): void {
  const { frames, phys } = room
  const f = frames.frameOf(pfn)
  frames.flags[f] &= ~PG_pagetable
  frames.private[f] = 0
  phys.zoneOf(f).stat[NR_PAGETABLE]--
  room.tables.give(pfn)
}

/** First address behind what the entry of `va` at `level` maps. */
export function entryEnd(va: number, level: number): number {
  const bytes = LEVEL_BYTES[level]
  return (Math.floor(va / bytes) + 1) * bytes
}

/**
 * The entry that decides what `va` is: a lowest-level entry, a superpage, or the absent entry above.
 *
 * @returns word index of the entry in memory.i32; room.level and room.tableFrame say where it stands, borrowed
 */
export function findEntry(pmap: Pmap, va: number): number {
  if (pmap.cachedSpan === Math.floor(va / TABLE_SPAN)) {
    const room = pmap.room
    room.level = 0
    room.tableFrame = pmap.cachedFrame
    return pmap.cachedWord + (Math.floor(va / 4096) & 511) * 2
  }
  return descend(pmap, va)
}

function descend(pmap: Pmap, va: number): number {
  const room = pmap.room
  const { format, memory } = room
  const words = memory.i32
  let table: number = pmap.root
  for (let level = format.levels - 1; ; level--) {
    const base = memory.frameOffset(table) >>> 2
    const word = base + format.indexAt(va, level) * 2
    if (level === 0) {
      pmap.cachedSpan = Math.floor(va / TABLE_SPAN)
      pmap.cachedWord = base
      pmap.cachedFrame = room.frames.frameOf(table)
    }
    const lo = words[word]
    const hi = words[word + 1]
    if (level === 0 || !format.isValid(lo, hi) || format.isLeaf(lo, hi, level)) {
      room.level = level
      room.tableFrame = room.frames.frameOf(table)
      return word
    }
    table = format.pfnOf(lo, hi)
  }
}

/**
 * The entry of `va` at `level` (0 unless told), with the tables above it made.
 *
 * @returns word index, or -1: there was no page for a table, and nothing has changed. room.tableFrame as findEntry.
 */
export function ensureEntry(pmap: Pmap, va: number, level = 0): number {
  const { room } = pmap
  for (;;) {
    const word = findEntry(pmap, va)
    if (room.level <= level) {
      kassert(room.level === level, 'a superpage is not entered over a table')
      return word
    }
    const { format, memory } = room
    kassert(!format.isValid(memory.i32[word], memory.i32[word + 1]), 'a superpage is changed whole')
    const parentFrame = room.tableFrame
    const parentLevel = room.level
    const table = takeTable(room)
    if (table < 0) {
      pruneTables(pmap, va, false)
      return -1
    }
    format.encodeTable(table)
    memory.i32[word] = format.lo
    memory.i32[word + 1] = format.hi
    room.frames.private[parentFrame]++
    pmap.tablePages++
    if (pmap.isKernel && parentLevel === format.levels - 1) shareKernelEntry(room, word)
  }
}

/** Every root gets the kernel root's new entry. */
function shareKernelEntry(room: Pmaps, word: number): void {
  const { memory, kernel } = room
  const offset = word - (memory.frameOffset(kernel.root) >>> 2)
  for (const pmap of room.byId) {
    if (pmap === null || pmap.isKernel) continue
    const copy = (memory.frameOffset(pmap.root) >>> 2) + offset
    memory.i32[copy] = memory.i32[word]
    memory.i32[copy + 1] = memory.i32[word + 1]
  }
}

/**
 * Unlinks the tables above `va` that have become empty, lowest first. The root stays, and so does every kernel table.
 *
 * @param wasUsed  the tables have held entries: free them when the TLBs have been told, not now
 */
export function pruneTables(pmap: Pmap, va: number, wasUsed: boolean): void {
  const { room } = pmap
  const { format, memory, frames } = room
  if (pmap.isKernel) return
  const top = format.levels - 1
  for (;;) {
    // The lowest table on the path, and the entry that points to it.
    let table: number = pmap.root
    let parent = -1
    let pointer = -1
    for (let level = top; level > 0; level--) {
      const word = (memory.frameOffset(table) >>> 2) + format.indexAt(va, level) * 2
      const lo = memory.i32[word]
      const hi = memory.i32[word + 1]
      if (!format.isValid(lo, hi) || format.isLeaf(lo, hi, level)) break
      parent = table
      pointer = word
      table = format.pfnOf(lo, hi)
    }
    if (parent < 0 || frames.private[frames.frameOf(table)] !== 0) return
    memory.i32[pointer] = 0
    memory.i32[pointer + 1] = 0
    frames.private[frames.frameOf(parent)]--
    pmap.tablePages--
    pmap.cachedSpan = NaN
    if (wasUsed) room.here.mailbox.tables.push(table)
    else giveTable(room, table)
  }
}

/** Frees the user tables of a pmap that nobody uses any more, whatever software entries they hold. */
export function freeUserTables(pmap: Pmap): void {
  const { room } = pmap
  const { format, memory } = room
  const freeBelow = (table: number, level: number, end: number): void => {
    const base = memory.frameOffset(table) >>> 2
    for (let i = 0; level > 0 && i < end; i++) {
      const lo = memory.i32[base + i * 2]
      const hi = memory.i32[base + i * 2 + 1]
      if (!format.isValid(lo, hi) || format.isLeaf(lo, hi, level)) continue
      freeBelow(format.pfnOf(lo, hi), level - 1, format.entriesPerTable)
    }
    giveTable(room, table)
    pmap.tablePages--
  }
  pmap.cachedSpan = NaN
  freeBelow(pmap.root, format.levels - 1, format.entriesPerTable / 2)
}

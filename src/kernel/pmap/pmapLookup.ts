import { PAGE_SIZE } from '../../base/index.ts'
import { LEVEL_FRAMES } from '../../machine/index.ts'
import { F_PROT } from './constants.ts'
import { nextRun } from './runs.ts'
import { findEntry } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * What the entry of `va` says. The answer stands in the room, borrowed until the next call: present, and then pfn (of
 * the page of `va`, in a superpage too), prot (0 of a hidden one), flags (F_…); otherwise softKind (SOFT_…) and softValue.
 *
 * @returns is a mapping present?
 */
export function pmapLookup(pmap: Pmap, va: number): boolean {
  const { room } = pmap
  const { format, memory } = room
  const word = findEntry(pmap, va)
  const { level } = room
  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  room.present = format.isMapped(lo)
  if (!room.present) {
    room.pfn = -1
    room.prot = 0
    room.flags = 0
    room.softKind = level === 0 ? format.softwareKind(lo, hi) : 0
    room.softValue = level === 0 ? format.softwareValue(lo, hi) : 0
    return false
  }
  room.pfn = format.pfnOf(lo, hi) + (Math.floor(va / PAGE_SIZE) & (LEVEL_FRAMES[level] - 1))
  room.flags = format.flagsOf(lo, hi, level)
  room.prot = room.flags & F_PROT
  room.softKind = 0
  room.softValue = 0
  return true
}

/**
 * Physical address that `va` translates to, its offset in the page included; -1 if it has no mapping. Sets no A bit.
 *
 * @manual pmap_extract, pmap(9), NetBSD
 */
export function pmapExtract(pmap: Pmap, va: number): number {
  const { room } = pmap
  const { format, memory } = room
  const word = findEntry(pmap, va)
  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  if (!format.isValid(lo, hi)) return -1
  const inside = Math.floor(va / PAGE_SIZE) & (LEVEL_FRAMES[room.level] - 1)
  return (format.pfnOf(lo, hi) + inside) * PAGE_SIZE + (va & 0xfff)
}

/** Calls `visit` with every mapped page in [sva, eva), hidden ones too, ascending; with every 4 KiB page of a superpage. */
export function pmapForEach(
  pmap: Pmap,
  sva: number,
  eva: number,
  visit: (va: number, pfn: number, flags: number) => void,
): void {
  const { room } = pmap
  const { format, memory } = room
  for (let word = nextRun(pmap, sva, eva), next = 0; word >= 0; word = nextRun(pmap, next, eva)) {
    const { runStart, runEnd, level } = room
    next = runEnd
    for (let va = Math.max(runStart, sva); va < Math.min(runEnd, eva); va += PAGE_SIZE) {
      const lo = memory.i32[word]
      const hi = memory.i32[word + 1]
      if (format.isMapped(lo))
        visit(va, format.pfnOf(lo, hi) + (level === 0 ? 0 : (va - runStart) / PAGE_SIZE), format.flagsOf(lo, hi, level))
      if (level === 0) word += 2
    }
  }
}

/** Calls `visit` with every software entry in [sva, eva), ascending. */
export function pmapForEachSoft(
  pmap: Pmap,
  sva: number,
  eva: number,
  visit: (va: number, kind: number, value: number) => void,
): void {
  const { room } = pmap
  const { format, memory } = room
  for (let word = nextRun(pmap, sva, eva), next = 0; word >= 0; word = nextRun(pmap, next, eva)) {
    const { runStart, runEnd, level } = room
    next = runEnd
    if (level > 0) continue
    for (let va = runStart; va < runEnd; va += PAGE_SIZE, word += 2) {
      const lo = memory.i32[word]
      const hi = memory.i32[word + 1]
      if ((lo | hi) === 0 || format.isMapped(lo)) continue
      visit(va, format.softwareKind(lo, hi), format.softwareValue(lo, hi))
    }
  }
}

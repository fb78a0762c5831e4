// What a leaf means to the frame it maps: references, map count, saved attributes, reverse map, statistics.
//
//   managed:   refcount +1, mapcount +1, one entry in the reverse map, residentCount +1
//   unmanaged: nothing but the entry itself (reserved frames such as the zero page, device memory, drivers' records)

import { F_ACCESSED, F_DIRTY, F_MANAGED, F_WIRED } from '../../machine/index.ts'
import { NR_ANON_PAGES, NR_FILE_MAPPED, PG_anon, PG_reserved, PG_tail, type Frames } from '../phys/index.ts'
import { ATTR_COUNTED_ANON, ATTR_MODIFIED, ATTR_REFERENCED, PMAP_UNMANAGED } from './constants.ts'
import { queueInvalidation } from './shootdown.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

/** Does a mapping of frame index `f` (-1: not a frame of ours) entered with `flags` keep account of itself? */
export function isManaged(frames: Frames, f: number, flags: number): boolean {
  return f >= 0 && (flags & PMAP_UNMANAGED) === 0 && (frames.flags[f] & PG_reserved) === 0
}

/** A managed leaf for `vpn` now maps frame `f`. Room in the reverse map has been reserved. */
export function linkFrame(pmap: Pmap, f: number, vpn: number): void {
  const { room } = pmap
  const { frames } = room
  frames.refcount[holderOf(frames, f)]++
  if (++frames.mapcount[f] === 0) countMapped(room, f)
  room.reverse.add(f, pmap.id, vpn)
  pmap.residentCount++
  if ((frames.attrs[f] & ATTR_COUNTED_ANON) !== 0) pmap.residentAnon++
}

/** Undoes linkFrame. The last reference of all is put when the TLBs have been told. */
export function unlinkFrame(pmap: Pmap, f: number, vpn: number, leafFlags: number): void {
  const { room } = pmap
  const { frames } = room
  frames.attrs[f] |= savedAttributes(leafFlags)
  room.reverse.remove(f, pmap.id, vpn)
  if ((frames.attrs[f] & ATTR_COUNTED_ANON) !== 0) pmap.residentAnon--
  if (--frames.mapcount[f] < 0) uncountMapped(room, f)
  const holder = holderOf(frames, f)
  if (frames.refcount[holder] > 1) frames.refcount[holder]--
  else room.here.mailbox.frames.push(frames.pfnAt(f))
  if (pmap.residentCount > pmap.peakResident) pmap.peakResident = pmap.residentCount
  pmap.residentCount--
}

/** ATTR_… that a leaf leaves behind. */
export function savedAttributes(leafFlags: number): number {
  return ((leafFlags & F_DIRTY) !== 0 ? ATTR_MODIFIED : 0) | ((leafFlags & F_ACCESSED) !== 0 ? ATTR_REFERENCED : 0)
}

/**
 * Clears a valid level-0 leaf and queues the invalidation. The caller keeps the count of the table's entries.
 *
 * @param word  of the entry in memory.i32
 */
export function dropLeaf(pmap: Pmap, word: number, va: number): void {
  const { room } = pmap
  const { format, memory, frames } = room
  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  const flags = format.flagsOf(lo, hi, 0)
  memory.i32[word] = 0
  memory.i32[word + 1] = 0
  if ((flags & F_WIRED) !== 0) pmap.wiredCount--
  if ((flags & F_MANAGED) !== 0) unlinkFrame(pmap, frames.indexOf(format.pfnOf(lo, hi)), Math.floor(va / 4096), flags)
  room.counters.removals++
  if ((flags & F_ACCESSED) !== 0) queueInvalidation(pmap, va)
}

/** A tail of a compound page is held by its head. */
function holderOf(frames: Frames, f: number): number {
  return (frames.flags[f] & PG_tail) === 0 ? f : frames.private[f]
}
/** The first mapping of a frame: it counts as mapped in the statistics of its zone. */
export function countMapped(room: Pmaps, f: number): void {
  const { frames, phys } = room
  const { stat } = phys.zoneOf(f)
  if ((frames.flags[f] & PG_anon) === 0) stat[NR_FILE_MAPPED]++
  else {
    stat[NR_ANON_PAGES]++
    frames.attrs[f] |= ATTR_COUNTED_ANON
  }
}
/** The last mapping of a frame has gone. */
export function uncountMapped(room: Pmaps, f: number): void {
  const { frames, phys } = room
  const { stat } = phys.zoneOf(f)
  if ((frames.attrs[f] & ATTR_COUNTED_ANON) === 0) stat[NR_FILE_MAPPED]--
  else {
    stat[NR_ANON_PAGES]--
    frames.attrs[f] &= ~ATTR_COUNTED_ANON
  }
}

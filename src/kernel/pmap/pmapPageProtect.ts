// Questions and orders about a page, wherever it is mapped: the users of the reverse map.
// What changes a translation has been told to every TLB when the function returns.

import { PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY } from '../../machine/index.ts'
import { PG_anon } from '../phys/index.ts'
import { ATTR_MODIFIED, ATTR_REFERENCED, ATTR_TOUCHED, VM_PROT_NONE, VM_PROT_WRITE } from './constants.ts'
import { splitAt } from './large.ts'
import { dropLeaf } from './leaf.ts'
import { writeLeaf } from './pmapEnter.ts'
import { protectLeaf } from './pmapProtect.ts'
import { drain, queueInvalidation } from './shootdown.ts'
import { findEntry, pruneTables } from './tables.ts'
import type { Pmaps } from './pmaps.ts'

/**
 * Takes permission away from every managed mapping of the page: as pmapProtect, but VM_PROT_NONE removes them all.
 *
 * @locks  the page's owner's lock; has told every TLB on return
 * @manual pmap_page_protect, pmap(9), NetBSD
 */
export function pmapPageProtect(room: Pmaps, pfn: Pfn | number, prot: number): void {
  if ((prot & VM_PROT_WRITE) !== 0) return
  const { reverse } = room
  const f = room.frames.frameOf(pfn)
  for (let e = reverse.head(f); e !== 0;) {
    const pmap = room.byId[reverse.pmapIdOf(e)]!
    const va = reverse.vpnOf(e) * PAGE_SIZE
    // Removing the mapping takes this entry from the chain.
    e = reverse.next[e]
    splitAt(pmap, va)
    const word = findEntry(pmap, va)
    if (prot === VM_PROT_NONE) dropLeaf(pmap, word, va)
    else if (protectLeaf(pmap, word, va, prot)) continue
    room.frames.private[room.tableFrame]--
    if (room.frames.private[room.tableFrame] === 0) pruneTables(pmap, va, true)
  }
  drain(room, room.machine.current.cpu)
}

/**
 * Has the page been written through a managed mapping since the last pmapClearModify?
 *
 * @manual pmap_is_modified, pmap(9), NetBSD
 */
export function pmapIsModified(room: Pmaps, pfn: Pfn | number): boolean {
  return hasAttribute(room, pfn, ATTR_MODIFIED, F_DIRTY)
}
/**
 * Has the page been used through a managed mapping since the last pmapClearReference?
 *
 * @manual pmap_is_referenced, pmap(9), NetBSD
 */
export function pmapIsReferenced(room: Pmaps, pfn: Pfn | number): boolean {
  return hasAttribute(room, pfn, ATTR_REFERENCED, F_ACCESSED)
}
/**
 * The page counts as not modified from now on. Its referenced attribute stays.
 *
 * @returns was it modified?
 * @manual pmap_clear_modify, pmap(9), NetBSD
 */
export function pmapClearModify(room: Pmaps, pfn: Pfn | number): boolean {
  return clearAttribute(room, pfn, ATTR_MODIFIED, F_DIRTY)
}
/**
 * The page counts as not referenced from now on. Its modified attribute stays, if need be as a saved one.
 *
 * @returns was it referenced?
 * @manual pmap_clear_reference, pmap(9), NetBSD
 */
export function pmapClearReference(room: Pmaps, pfn: Pfn | number): boolean {
  return clearAttribute(room, pfn, ATTR_REFERENCED, F_ACCESSED | F_DIRTY)
}

function hasAttribute(room: Pmaps, pfn: number, attribute: number, bit: number): boolean {
  const { frames, reverse, format, memory } = room
  const f = frames.frameOf(pfn)
  if ((frames.attrs[f] & attribute) !== 0) return true
  for (let e = reverse.head(f); e !== 0; e = reverse.next[e]) {
    const word = findEntry(room.byId[reverse.pmapIdOf(e)]!, reverse.vpnOf(e) * PAGE_SIZE)
    if ((format.flagsOf(memory.i32[word], memory.i32[word + 1], room.level) & bit) !== 0) return true
  }
  return false
}

/** @param bits  cleared in the entries; D among them without being asked for is saved (D needs A) */
function clearAttribute(room: Pmaps, pfn: number, attribute: number, bits: number): boolean {
  const { frames, reverse, format, memory } = room
  const f = frames.frameOf(pfn)
  const isReference = attribute === ATTR_REFERENCED
  const saved = (frames.flags[f] & PG_anon) === 0 ? ATTR_MODIFIED : ATTR_MODIFIED | ATTR_TOUCHED
  let wasSet = (frames.attrs[f] & attribute) !== 0
  frames.attrs[f] &= ~attribute
  for (let e = reverse.head(f); e !== 0; e = reverse.next[e]) {
    const pmap = room.byId[reverse.pmapIdOf(e)]!
    const va = reverse.vpnOf(e) * PAGE_SIZE
    splitAt(pmap, va)
    const word = findEntry(pmap, va)
    const flags = format.flagsOf(memory.i32[word], memory.i32[word + 1], 0)
    if ((flags & bits) === 0) continue
    wasSet = true
    if (isReference && (flags & F_DIRTY) !== 0) frames.attrs[f] |= saved
    writeLeaf(room, word, pfn, flags & ~bits)
    queueInvalidation(pmap, va)
  }
  drain(room, room.machine.current.cpu)
  return wasSet
}

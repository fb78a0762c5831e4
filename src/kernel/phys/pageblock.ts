// Pageblock flags: one nibble per pageblock, counted from the most significant end of the word
// (physical specification, 1.6 and 2.14).
//
//   word:    31    28 27    24            3      0        nibble:  [ type: 3 bits | skip: 1 bit ]
//            [block 0][block 1]    …      [block 7]                  index 0 1 2     index 3
//
// The manual's words have 64 bits on CFG64; since they too are filled from the top, the same blocks stand in the
// same order in our 32-bit words: word w of the manual is words 2w (high) and 2w + 1 (low).
// CFG64 stores per section, CFG32 per zone; `slot` is the block's position in the one array either way.

import { kassert } from '../../base/index.ts'
import { MIGRATE_PCPTYPES, MIGRATE_UNMOVABLE } from './gfp.ts'
import type { Phys } from './phys.ts'

export const PB_migrate = 0
export const PB_migrate_end = 2
export const PB_migrate_skip = 3
export const NR_PAGEBLOCK_BITS = 4
export const MIGRATETYPE_MASK = 7

/** Position of a frame's pageblock in the array. */
function blockSlot(phys: Phys, f: number): number {
  return (f >>> phys.pageblockOrder) + phys.zoneBySlot[phys.frames.zone[f]!]!.blockOffset
}

/** The migrate type of the pageblock that holds frame `f`. Hot. */
export function pageblockType(phys: Phys, f: number): number {
  return blockTypeAt(phys, (f >>> phys.pageblockOrder) + phys.zoneBySlot[phys.frames.zone[f]!]!.blockOffset)
}
/** The migrate type of the pageblock at a position in the array. Hot. */
export function blockTypeAt(phys: Phys, slot: number): number {
  return (phys.pageblockBits[slot >>> 3]! >>> (29 - ((slot & 7) << 2))) & MIGRATETYPE_MASK
}

/**
 * Reads flags of the pageblock that holds `pfn`.
 *
 * @param page        a page of the same zone
 * @param endBitidx   index, inside the nibble, of the last bit read
 * @param mask        of the bits read, right-aligned
 * @manual get_pfnblock_flags_mask, Linux
 */
export function getPfnblockFlagsMask(phys: Phys, page: number, pfn: number, endBitidx: number, mask: number): number {
  kassert(phys.frames.indexOf(page) >= 0, 'a page is named by a valid pfn', `${page}`)
  const slot = blockSlot(phys, phys.frames.frameOf(pfn))
  return (phys.pageblockBits[slot >>> 3]! >>> shiftOf(slot, endBitidx)) & mask
}

/**
 * Writes flags of the pageblock that holds `pfn`; flags outside `mask` would reach neighbours, so they must not be.
 *
 * @manual set_pfnblock_flags_mask, Linux
 */
export function setPfnblockFlagsMask(
  phys: Phys,
  page: number,
  flags: number,
  pfn: number,
  endBitidx: number,
  mask: number,
): void {
  const f = phys.frames.frameOf(pfn)
  kassert(phys.zoneOfPfn(page).spans(pfn), 'a pageblock is named by a pfn of its zone', `${pfn}`)
  kassert((flags & ~mask) === 0, 'pageblock flags fit their mask', `${flags} ${mask}`)
  const slot = blockSlot(phys, f)
  const shift = shiftOf(slot, endBitidx)
  const word = phys.pageblockBits[slot >>> 3]!
  phys.pageblockBits[slot >>> 3] = (word & ~(mask << shift)) | (flags << shift)
}

function shiftOf(slot: number, endBitidx: number): number {
  return 31 - (((slot & 7) << 2) + endBitidx)
}

/** The migrate type of the pageblock that holds `pfn`. */
export function getPageblockMigratetype(phys: Phys, pfn: number): number {
  return pageblockType(phys, phys.frames.frameOf(pfn))
}

/** Sets it; while grouping by mobility is off, the three mobile types are all stored as unmovable. */
export function setPageblockMigratetype(phys: Phys, pfn: number, type: number): void {
  const stored = phys.isMobilityGroupingDisabled && type < MIGRATE_PCPTYPES ? MIGRATE_UNMOVABLE : type
  setPfnblockFlagsMask(phys, pfn, stored, pfn, PB_migrate_end, MIGRATETYPE_MASK)
}

/** Bytes of one zone's nibbles where they are kept per zone (CFG32). */
export function pageblockBytes(startPfn: number, pages: number, blockPages: number, bitsPerLong: number): number {
  const blocks = Math.ceil((pages + (startPfn % blockPages)) / blockPages)
  return (Math.ceil((blocks * NR_PAGEBLOCK_BITS) / bitsPerLong) * bitsPerLong) / 8
}

/** A manual's word of the array (tests, panels). */
export function pageblockWord(phys: Phys, index: number): bigint {
  if (phys.config.bitsPerLong === 32) return BigInt(phys.pageblockBits[index]!)
  return (BigInt(phys.pageblockBits[index * 2]!) << 32n) | BigInt(phys.pageblockBits[index * 2 + 1]!)
}

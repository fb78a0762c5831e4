// RISC-V Sv39 and Sv48 entries (privileged specification, virtual-memory chapters).
//
//  63 62 61 60     54 53                        10 9   8   7 6 5 4 3 2 1 0
// +--+-----+---------+----------------------------+-------+-+-+-+-+-+-+-+-+
// |N |PBMT |reserved |            PPN             |  RSW  |D|A|G|U|X|W|R|V|
// +--+-----+---------+----------------------------+-------+-+-+-+-+-+-+-+-+
// RSW: bit 8 WIRED, bit 9 MANAGED. Svnapot and Svpbmt are absent, so bits 54-63 must be zero.

import type { PhysicalMemory } from '../physicalMemory.ts'
import { checkLeaf, F_VALID, F_WRITE, LEVEL_FRAMES, PteBase, type PteFormat } from './format.ts'

const V = 1
const RWX = 0xe
const W_WITHOUT_R = 4
const LEAF_ONLY = (1 << 4) | (1 << 6) | (1 << 7)
const A = 1 << 6
const D = 1 << 7
/** R W X U G A D RSW: in the order of the F_ flags, one bit higher. */
const FLAG_BITS = 0x1ff
const RESERVED_HI = 0xffc00000

export class RiscvFormat extends PteBase implements PteFormat {
  isValid(lo: number, _hi: number): boolean {
    return (lo & V) !== 0
  }
  isLeaf(lo: number, _hi: number, _level: number): boolean {
    return (lo & RWX) !== 0
  }
  hasReservedBits(lo: number, hi: number, level: number): boolean {
    if ((hi & RESERVED_HI) !== 0) return true
    const rwx = lo & RWX
    if (rwx === 0) return (lo & LEAF_ONLY) !== 0
    if ((rwx & 6) === W_WITHOUT_R) return true
    if (level === 0) return false
    if (level > this.maxLeafLevel || ((lo >>> 10) & (LEVEL_FRAMES[level]! - 1)) !== 0) return true
    // 512 GiB: 27 bits of the frame number must be zero, and `lo` has only 22 of them.
    return level === 3 && (hi & 0x1f) !== 0
  }
  pfnOf(lo: number, hi: number): number {
    if ((lo & V) === 0) return this.hiddenPfn(lo, hi)
    return (hi & 0x3fffff) * 0x400000 + (lo >>> 10)
  }
  placeOf(memory: PhysicalMemory, lo: number, hi: number): number {
    // Below 16 GiB the frame number is a small integer all the way.
    if (hi === 0) return memory.framePlace(lo >>> 10)
    return memory.framePlace(this.pfnOf(lo, hi))
  }
  flagsOf(lo: number, _hi: number, _level: number): number {
    return (lo & V) === 0 ? this.hiddenFlags(lo) : ((lo >>> 1) & FLAG_BITS) | F_VALID
  }
  allowedBelow(): number {
    return -1
  }
  encodeLeaf(pfn: number, flags: number, level: number): void {
    checkLeaf(pfn, flags, level, this.maxLeafLevel)
    const readable = (flags & F_WRITE) >>> 1
    this.lo = ((pfn & 0x3fffff) << 10) | (((flags | readable) & FLAG_BITS) << 1) | V
    this.hi = Math.floor(pfn / 0x400000) | 0
  }
  encodeTable(pfn: number): void {
    this.lo = ((pfn & 0x3fffff) << 10) | V
    this.hi = Math.floor(pfn / 0x400000) | 0
  }
  withAccessed(lo: number): number {
    return lo | A
  }
  withDirty(lo: number): number {
    return lo | D
  }
  withTableAccessed(lo: number): number {
    return lo
  }
}

// x86-64 four-level entries (Intel SDM volume 3, "4-Level Paging").
//
//  63 62   59 58    52 51                     12 11  9 8  7  6 5 4   3   2  1  0
// +--+-------+--------+-------------------------+-----+-+--+-+-+---+---+--+--+-+
// |NX|  PK   |ignored |   physical page number  |avail|G|PS|D|A|PCD|PWT|US|RW|P|
// +--+-------+--------+-------------------------+-----+-+--+-+-+---+---+--+--+-+
// avail: bit 9 WIRED, bit 10 MANAGED. Physical addresses have 46 bits: bits 46-51 must be zero. PS in a level 0 entry is
// PAT, which is not modelled; in a larger leaf PAT is bit 12 and must be zero here. What is present is readable.
// Permissions of tables narrow those of the leaf below, and a walk sets A in tables too.

import type { PhysicalMemory } from '../physicalMemory.ts'
import {
  checkLeaf,
  F_ACCESSED,
  F_DIRTY,
  F_EXEC,
  F_GLOBAL,
  F_MANAGED,
  F_READ,
  F_USER,
  F_VALID,
  F_WIRED,
  F_WRITE,
  LEVEL_FRAMES,
  PteBase,
  type PteFormat,
} from './format.ts'

const P = 1
const RW = 1 << 1
const US = 1 << 2
const A = 1 << 5
const D = 1 << 6
const PS = 1 << 7
const G = 1 << 8
const WIRED = 1 << 9
const MANAGED = 1 << 10
const NX_HI = 1 << 31
/** Bits 46-51. */
const RESERVED_HI = 0x3f << 14

export class X86Format extends PteBase implements PteFormat {
  isValid(lo: number, _hi: number): boolean {
    return (lo & P) !== 0
  }
  isLeaf(lo: number, _hi: number, level: number): boolean {
    return level === 0 || (lo & PS) !== 0
  }
  hasReservedBits(lo: number, hi: number, level: number): boolean {
    if ((hi & RESERVED_HI) !== 0) return true
    if (level === 0 || (lo & PS) === 0) return false
    return level > this.maxLeafLevel || ((lo >>> 12) & (LEVEL_FRAMES[level]! - 1)) !== 0
  }
  pfnOf(lo: number, hi: number): number {
    return (hi & 0xfffff) * 0x100000 + (lo >>> 12)
  }
  placeOf(memory: PhysicalMemory, lo: number, hi: number): number {
    return memory.framePlace(this.pfnOf(lo, hi))
  }
  flagsOf(lo: number, hi: number, _level: number): number {
    if ((lo & P) === 0) return this.hiddenFlags(lo)
    let flags = F_VALID | F_READ
    if ((lo & RW) !== 0) flags |= F_WRITE
    if ((lo & US) !== 0) flags |= F_USER
    if ((lo & A) !== 0) flags |= F_ACCESSED
    if ((lo & D) !== 0) flags |= F_DIRTY
    if ((lo & G) !== 0) flags |= F_GLOBAL
    if ((lo & WIRED) !== 0) flags |= F_WIRED
    if ((lo & MANAGED) !== 0) flags |= F_MANAGED
    if ((hi & NX_HI) === 0) flags |= F_EXEC
    return flags
  }
  allowedBelow(lo: number, hi: number): number {
    let denied = 0
    if ((lo & RW) === 0) denied |= F_WRITE
    if ((lo & US) === 0) denied |= F_USER
    if ((hi & NX_HI) !== 0) denied |= F_EXEC
    return ~denied
  }
  encodeLeaf(pfn: number, flags: number, level: number): void {
    checkLeaf(pfn, flags, level, this.maxLeafLevel)
    let lo = ((pfn & 0xfffff) << 12) | P
    if (level > 0) lo |= PS
    if ((flags & F_WRITE) !== 0) lo |= RW
    if ((flags & F_USER) !== 0) lo |= US
    if ((flags & F_ACCESSED) !== 0) lo |= A
    if ((flags & F_DIRTY) !== 0) lo |= D
    if ((flags & F_GLOBAL) !== 0) lo |= G
    if ((flags & F_WIRED) !== 0) lo |= WIRED
    if ((flags & F_MANAGED) !== 0) lo |= MANAGED
    this.lo = lo
    this.hi = Math.floor(pfn / 0x100000) | ((flags & F_EXEC) === 0 ? NX_HI : 0)
  }
  encodeTable(pfn: number): void {
    this.lo = ((pfn & 0xfffff) << 12) | US | RW | P
    this.hi = Math.floor(pfn / 0x100000) | 0
  }
  withAccessed(lo: number): number {
    return lo | A
  }
  withDirty(lo: number): number {
    return lo | D
  }
  withTableAccessed(lo: number): number {
    return lo | A
  }
}

/** x86-64, four levels: 48-bit virtual addresses, leaves of 4 KiB, 2 MiB and 1 GiB. */
export const x86_64: PteFormat = new X86Format('x86_64', 4, 2)

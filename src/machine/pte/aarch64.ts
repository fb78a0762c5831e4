// AArch64 stage 1 descriptors, 4 KiB granule (Arm ARM, D8, "VMSAv8-64 descriptor formats").
//
//  63 59 58    55 54  53  52 51 50 49 48 47            12 11 10 9 8  7     6   5 4   2   1    0
// +-----+--------+---+---+--+---+--+-----+---------------+--+--+---+-----+-----+--+-----+----+-----+
// | ign |software|UXN|PXN|C |DBM|GP| res | output page   |nG|AF| SH|AP[2]|AP[1]|NS|Attr |type|valid|
// +-----+--------+---+---+--+---+--+-----+---------------+--+--+---+-----+-----+--+-----+----+-----+
// type: 1 in a table and in a level 0 page, 0 in a larger leaf. AP[2] = read-only, AP[1] = user.
// software: bit 55 dirty while read-only, bit 56 WIRED, bit 57 MANAGED.
//
// Dirty state is the hardware's (FEAT_HAFDBS): DBM says writable; AP[2] is its clean flag, cleared by the first store.
// Tables narrow nothing (TCR_EL1.HPD0 = HPD1 = 1). What is present is readable.
//
// One root serves both halves: with T0SZ = T1SZ = 17 each half has 47 bits and a root of 256 entries, so that
// TTBR0 = root and TTBR1 = root + 2048 read this very table.

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

const VALID = 1
const TYPE = 1 << 1
const USER = 1 << 6
const READ_ONLY = 1 << 7
const INNER_SHAREABLE = 3 << 8
const AF = 1 << 10
const NOT_GLOBAL = 1 << 11
// Of the high word.
const RESERVED_HI = 3 << 16
const DBM_HI = 1 << 19
const PXN_HI = 1 << 21
const UXN_HI = 1 << 22
const DIRTY_HI = 1 << 23
const WIRED_HI = 1 << 24
const MANAGED_HI = 1 << 25

export class Aarch64Format extends PteBase implements PteFormat {
  isValid(lo: number, _hi: number): boolean {
    return (lo & VALID) !== 0
  }
  isLeaf(lo: number, _hi: number, level: number): boolean {
    return level === 0 || (lo & TYPE) === 0
  }
  hasReservedBits(lo: number, hi: number, level: number): boolean {
    if ((hi & RESERVED_HI) !== 0) return true
    if (level === 0) return (lo & TYPE) === 0
    if ((lo & TYPE) !== 0) return false
    return level > this.maxLeafLevel || ((lo >>> 12) & (LEVEL_FRAMES[level]! - 1)) !== 0
  }
  pfnOf(lo: number, hi: number): number {
    return (hi & 0xffff) * 0x100000 + (lo >>> 12)
  }
  placeOf(memory: PhysicalMemory, lo: number, hi: number): number {
    return memory.framePlace(this.pfnOf(lo, hi))
  }
  flagsOf(lo: number, hi: number, _level: number): number {
    if ((lo & VALID) === 0) return this.hiddenFlags(lo)
    let flags = F_VALID | F_READ
    if ((lo & READ_ONLY) === 0) flags |= F_WRITE | F_DIRTY
    else if ((hi & DBM_HI) !== 0) flags |= F_WRITE
    if ((hi & DIRTY_HI) !== 0) flags |= F_DIRTY
    if ((lo & USER) !== 0) flags |= F_USER
    if ((hi & ((lo & USER) !== 0 ? UXN_HI : PXN_HI)) === 0) flags |= F_EXEC
    if ((lo & AF) !== 0) flags |= F_ACCESSED
    if ((lo & NOT_GLOBAL) === 0) flags |= F_GLOBAL
    if ((hi & WIRED_HI) !== 0) flags |= F_WIRED
    if ((hi & MANAGED_HI) !== 0) flags |= F_MANAGED
    return flags
  }
  allowedBelow(): number {
    return -1
  }
  encodeLeaf(pfn: number, flags: number, level: number): void {
    checkLeaf(pfn, flags, level, this.maxLeafLevel)
    const isWritable = (flags & F_WRITE) !== 0
    const isDirty = (flags & F_DIRTY) !== 0
    const isUser = (flags & F_USER) !== 0
    let lo = ((pfn & 0xfffff) << 12) | INNER_SHAREABLE | VALID
    let hi = Math.floor(pfn / 0x100000)
    if (level === 0) lo |= TYPE
    if (isUser) lo |= USER
    if (!(isWritable && isDirty)) lo |= READ_ONLY
    if (isWritable) hi |= DBM_HI
    else if (isDirty) hi |= DIRTY_HI
    // Never executable by the half of the system that does not own the page.
    hi |= isUser ? PXN_HI : UXN_HI
    if ((flags & F_EXEC) === 0) hi |= PXN_HI | UXN_HI
    if ((flags & F_ACCESSED) !== 0) lo |= AF
    if ((flags & F_GLOBAL) === 0) lo |= NOT_GLOBAL
    if ((flags & F_WIRED) !== 0) hi |= WIRED_HI
    if ((flags & F_MANAGED) !== 0) hi |= MANAGED_HI
    this.lo = lo
    this.hi = hi
  }
  encodeTable(pfn: number): void {
    this.lo = ((pfn & 0xfffff) << 12) | TYPE | VALID
    this.hi = Math.floor(pfn / 0x100000) | 0
  }
  withAccessed(lo: number): number {
    return lo | AF
  }
  withDirty(lo: number): number {
    return lo & ~READ_ONLY
  }
  withTableAccessed(lo: number): number {
    return lo
  }
}

/** AArch64, 4 KiB granule, four levels: two halves of 47 bits, leaves of 4 KiB, 2 MiB and 1 GiB. */
export const aarch64: PteFormat = new Aarch64Format('aarch64', 4, 2)

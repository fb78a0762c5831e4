// What the kernel and the walker know of a page-table entry, whatever the processor's format.

import { kassert, PAGE_SHIFT } from '../../base/index.ts'
import type { PhysicalMemory } from '../physicalMemory.ts'

// Flags of a present entry, the same for all formats.
//
//    9     8       7     6     5        4      3    2    1     0
//  +-----+-------+-----+-----+--------+------+----+----+-----+----+
//  |VALID|MANAGED|WIRED|DIRTY|ACCESSED|GLOBAL|USER|EXEC|WRITE|READ|
//  +-----+-------+-----+-----+--------+------+----+----+-----+----+
export const F_READ = 1
export const F_WRITE = 2
export const F_EXEC = 4
export const F_USER = 8
export const F_GLOBAL = 16
export const F_ACCESSED = 32
export const F_DIRTY = 64
export const F_WIRED = 128
export const F_MANAGED = 256
export const F_VALID = 512

/** For traces and panels, by bit number. */
export const FLAG_NAMES: readonly string[] = [
  'read',
  'write',
  'exec',
  'user',
  'global',
  'accessed',
  'dirty',
  'wired',
  'managed',
  'valid',
]

// A hidden leaf: a mapping that nobody may use now (PROT_NONE). The processor sees an entry that is not valid; the kernel
// sees frame, A, D, wiring and accounting as in any leaf. The same for all formats; bit 5 is what a software entry never
// has (docs/decisions/0002).
//
//   63    52 51                        12  11     10     9     8       7  6  5  4  1  0
//  +--------+----------------------------+-------+-----+-----+--------+----+---+----+---+
//  |  zero  |        frame number        |MANAGED|WIRED|DIRTY|ACCESSED| 00 | 1 |zero| 0 |
//  +--------+----------------------------+-------+-----+-----+--------+----+---+----+---+

// Software (non-present) entries, the same for all formats (DESIGN.md, decision 5).
//
//   63    52 51                                12 11    7   6   5     1   0
//  +--------+------------------------------------+-------+-----+-------+---+
//  |  zero  |  value: page index, swap slot, …   | kind  |file | zero  | 0 |
//  +--------+------------------------------------+-------+-----+-------+---+
//  file = 1: a file entry, kind is zero.  file = 0: bits 7-11 number the kind.
export const SOFT_NONE = 0
export const SOFT_SWAP = 1
export const SOFT_GUARD = 2
export const SOFT_UFFD_WP = 3
/** Kinds with numbers of their own are 0 … 31. */
export const SOFT_KINDS = 32
/** A file entry: told by bit 6, not by a number in bits 7-11. */
export const SOFT_FILE = 32
/** Values are below this. */
export const SOFT_VALUE_LIMIT = 2 ** 40

const GIGABYTE = 2 ** 30
const HIDDEN_BIT = 1 << 5
const MAPPED_BITS = HIDDEN_BIT | 1
const HIDDEN_FLAGS = F_ACCESSED | F_DIRTY | F_WIRED | F_MANAGED
const SOFT_FILE_BIT = 1 << 6

/** Bytes an entry of level 0, 1, 2, 3 maps. */
export const LEVEL_BYTES: readonly number[] = [2 ** 12, 2 ** 21, 2 ** 30, 2 ** 39]
/** Frames an entry of level 0, 1, 2, 3 maps. */
export const LEVEL_FRAMES: readonly number[] = [1, 2 ** 9, 2 ** 18, 2 ** 27]

/**
 * One processor's page-table format: 8-byte entries, 512 to a table, levels of 9 bits above a 12-bit offset.
 *
 * An entry is two 32-bit words `(lo, hi)`, signed or unsigned. Level 0 entries map 4 KiB, level 1 2 MiB, level 2 1 GiB.
 * What `encode…` answers stands in `lo` and `hi`, borrowed until the next call.
 */
export interface PteFormat {
  readonly name: string
  /** Levels of tables; the root has level `levels - 1`. */
  readonly levels: number
  /** Bits of a virtual address, the sign included. */
  readonly vaBits: number
  readonly entriesPerTable: number
  /** Highest level at which an entry may be a leaf. */
  readonly maxLeafLevel: number
  lo: number
  hi: number

  /** Does the processor see an entry? Bit 0, in every format. */
  isValid(lo: number, hi: number): boolean
  /** Does the kernel see a mapping: a valid entry, or a hidden leaf? */
  isMapped(lo: number): boolean
  /** Of a valid entry without reserved bits: does it map memory, or point to a table? */
  isLeaf(lo: number, hi: number, level: number): boolean
  /** Is the valid entry an encoding that the processor refuses with a page fault? */
  hasReservedBits(lo: number, hi: number, level: number): boolean
  /** Frame of the mapped memory, hidden or not, or of the next table. */
  pfnOf(lo: number, hi: number): number
  /** The place of that frame in memory, or -1: PhysicalMemory.framePlace, with less arithmetic. */
  placeOf(memory: PhysicalMemory, lo: number, hi: number): number
  /** F_… of a leaf; of a hidden one without F_VALID and permissions; 0 when nothing is mapped. */
  flagsOf(lo: number, hi: number, level: number): number
  /** F_READ, F_WRITE, F_EXEC, F_USER as far as a table entry lets them through. */
  allowedBelow(lo: number, hi: number): number
  /**
   * A leaf. At least one of F_READ, F_WRITE, F_EXEC; F_WRITE brings F_READ with it, and where the format cannot say
   * "execute only" so does F_EXEC.
   */
  encodeLeaf(pfn: number, flags: number, level: number): void
  /** A hidden leaf of a user's page, of level 0; of `flags` it keeps accessed, dirty, wired and managed. */
  encodeHidden(pfn: number, flags: number): void
  encodeTable(pfn: number): void

  /** The low word with the accessed flag set. */
  withAccessed(lo: number): number
  /** The low word of a writable leaf with the dirty flag set. */
  withDirty(lo: number): number
  /** The low word of a table entry after a walk has passed through it. */
  withTableAccessed(lo: number): number

  /** `kind` is SOFT_…; `value` is below 2^40. SOFT_NONE with value 0 is the empty entry, two zero words. */
  encodeSoftware(kind: number, value: number): void
  softwareKind(lo: number, hi: number): number
  softwareValue(lo: number, hi: number): number

  /** Index of `va` in its table of that level. */
  indexAt(va: number, level: number): number
  isCanonical(va: number): boolean
}

/** What all formats share: geometry, and the software entries. */
export abstract class PteBase {
  readonly name: string
  readonly levels: number
  readonly vaBits: number
  readonly entriesPerTable = 512
  readonly maxLeafLevel: number
  lo = 0
  hi = 0
  readonly #halfBytes: number

  constructor(name: string, levels: number, maxLeafLevel: number) {
    this.name = name
    this.levels = levels
    this.maxLeafLevel = maxLeafLevel
    this.vaBits = PAGE_SHIFT + 9 * levels
    this.#halfBytes = 2 ** (this.vaBits - 1)
  }

  isMapped(lo: number): boolean {
    return (lo & MAPPED_BITS) !== 0
  }
  encodeHidden(pfn: number, flags: number): void {
    this.lo = ((pfn & 0xfffff) << 12) | ((flags & HIDDEN_FLAGS) << 3) | HIDDEN_BIT
    this.hi = Math.floor(pfn / 0x100000) | 0
  }
  /** pfnOf and flagsOf of an entry that is not valid. */
  protected hiddenPfn(lo: number, hi: number): number {
    return (hi & 0xfffff) * 0x100000 + (lo >>> 12)
  }
  protected hiddenFlags(lo: number): number {
    return (lo & HIDDEN_BIT) === 0 ? 0 : ((lo >>> 3) & HIDDEN_FLAGS) | F_USER
  }

  encodeSoftware(kind: number, value: number): void {
    kassert(kind >= 0 && kind <= SOFT_FILE, 'a software entry has a known kind')
    kassert(value >= 0 && value < SOFT_VALUE_LIMIT, 'a software entry holds 40 bits')
    kassert(kind !== SOFT_NONE || value === 0, 'an empty entry has no value')
    const tag = kind === SOFT_FILE ? SOFT_FILE_BIT : kind << 7
    this.lo = tag | ((value & 0xfffff) << 12)
    this.hi = Math.floor(value / 0x100000) | 0
  }
  softwareKind(lo: number, _hi: number): number {
    return (lo & SOFT_FILE_BIT) !== 0 ? SOFT_FILE : (lo >>> 7) & 31
  }
  softwareValue(lo: number, hi: number): number {
    return (hi & 0xfffff) * 0x100000 + (lo >>> 12)
  }

  indexAt(va: number, level: number): number {
    // The low word of `va` has all of the two lowest levels; a walk asks for each level, and divisions take their time.
    if (level === 0) return (va >>> 12) & 0x1ff
    if (level === 1) return (va >>> 21) & 0x1ff
    return (Math.floor(va / GIGABYTE) >>> ((level - 2) * 9)) & 0x1ff
  }
  isCanonical(va: number): boolean {
    return va >= -this.#halfBytes && va < this.#halfBytes
  }
}

/** Asserts what every format asks of a leaf. */
export function checkLeaf(pfn: number, flags: number, level: number, maxLevel: number): void {
  kassert(level >= 0 && level <= maxLevel, 'the format has leaves at this level')
  kassert(level === 0 || pfn % LEVEL_FRAMES[level]! === 0, 'a superpage starts at a multiple of its size')
  kassert((flags & (F_READ | F_WRITE | F_EXEC)) !== 0, 'a present entry allows some access')
}

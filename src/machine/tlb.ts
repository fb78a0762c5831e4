// One CPU's translation look-aside buffer: the architectural entries, and a front that answers most hits.
//
//   architectural, entry e = set * ways + way          front, slot i = vpn & FRONT_MASK
//     vpn[e]    first vpn of the page, NaN = empty       readTag[i]      vpn if a user load may proceed, else NaN
//     level[e]  0 = 4 KiB, 1 = 2 MiB, 2 = 1 GiB …         writeTag[i]     the same for a store: only if D is set
//     pfn[e]    first frame                              execTag[i]      the same for a fetch
//     flags[e]  F_…                                      frontOffset[i]  byte offset of the frame in memory
//     asid[e]   owner; ignored if F_GLOBAL               frontEntry[i]   the entry it was derived from, or -1
//
// The front holds the current address space's user pages only, so a hit needs one compare and no other test. It is a
// strict subset of the architectural entries: dropping an entry drops its slots. Replacement is round robin in each
// set and hits do not touch it, so the front hides nothing.
//
// An entry is found by its first vpn, whatever the number of ways:
//
//   #bucket[first & #bucketMask] ─► e ─► #chain[e] ─► … ─► -1

import { kassert, PAGE_SIZE } from '../base/index.ts'
import { F_DIRTY, F_EXEC, F_GLOBAL, F_READ, F_USER, F_WRITE, LEVEL_FRAMES } from './pte/format.ts'

export interface TlbConfig {
  /** Entries altogether: 1 … 4096 or more. */
  readonly entries: number
  /** Entries that one page can be in. Default: all of them up to 64 entries, else 4. */
  readonly ways?: number
}

export const FRONT_SLOTS = 1024
export const FRONT_MASK = FRONT_SLOTS - 1
/** For `asid` of the invalidations: every address space, and global entries too. */
export const ALL_ASIDS = -1
/** Address-space identifiers are 0 … ASID_LIMIT - 1. */
export const ASID_LIMIT = 65536

const LEVELS = 4
const NONE = -1
/** Ranges of more pages are dropped by one scan over the entries, shorter ones page by page. */
const RANGE_PROBE_LIMIT = 64

export type TlbVisitor = (vpn: number, level: number, pfn: number, flags: number, asid: number) => void

/** Nothing drops an entry but an invalidation or replacement; an ASID change hides those of the other address spaces. */
export class Tlb {
  readonly entries: number
  readonly ways: number
  readonly sets: number

  readonly readTag = new Float64Array(FRONT_SLOTS).fill(NaN)
  readonly writeTag = new Float64Array(FRONT_SLOTS).fill(NaN)
  readonly execTag = new Float64Array(FRONT_SLOTS).fill(NaN)
  /** 32 bits: a buffer has at most 4 GiB. Integers keep the hit free of conversions. */
  readonly frontOffset = new Uint32Array(FRONT_SLOTS)
  readonly #frontEntry = new Int32Array(FRONT_SLOTS).fill(NONE)

  readonly vpn: Float64Array
  readonly level: Uint8Array
  readonly pfn: Float64Array
  readonly flags: Int32Array
  readonly asidOf: Int32Array
  readonly #nextWay: Int32Array
  /** Of each set: ways below this one are in use. */
  readonly #firstEmpty: Int32Array
  readonly #bucket: Int32Array
  readonly #bucketMask: number
  /** Bucket of each entry that is not empty. */
  readonly #bucketOf: Int32Array
  readonly #chain: Int32Array
  /** Entries of each level: levels without any are not probed. */
  readonly #atLevel = new Int32Array(LEVELS)

  /** The current address space; changed by setAsid. */
  asid = 0
  /** Look-ups that found no architectural entry. */
  misses = 0
  fills = 0
  /** Entries replaced by a fill for another page. */
  evictions = 0
  /** Entries dropped by an invalidation. */
  invalidations = 0

  constructor(config: TlbConfig) {
    const entries = config.entries
    const ways = config.ways ?? (entries <= 64 ? entries : 4)
    const sets = entries / ways
    kassert(entries >= 1 && ways >= 1 && Number.isInteger(sets), 'TLB entries are a multiple of its ways')
    kassert(Number.isInteger(Math.log2(sets)), 'a TLB has a power of two of sets', `${entries}/${ways}`)
    this.entries = entries
    this.ways = ways
    this.sets = sets
    this.vpn = new Float64Array(entries).fill(NaN)
    this.level = new Uint8Array(entries)
    this.pfn = new Float64Array(entries)
    this.flags = new Int32Array(entries)
    this.asidOf = new Int32Array(entries)
    this.#nextWay = new Int32Array(sets)
    this.#firstEmpty = new Int32Array(sets)
    // Twice as many buckets as entries, and the next power of two.
    const buckets = 2 ** Math.ceil(Math.log2(entries * 2))
    this.#bucket = new Int32Array(buckets).fill(NONE)
    this.#bucketMask = buckets - 1
    this.#bucketOf = new Int32Array(entries)
    this.#chain = new Int32Array(entries).fill(NONE)
  }

  /**
   * The entry that translates `vpn` for `asid`, or -1 and a miss is counted. Small pages are preferred to large ones.
   * Permission is the caller's to check, in `flags[e]`.
   */
  lookup(vpn: number, asid: number): number {
    const e = this.#find(vpn, asid)
    if (e === NONE) this.misses++
    return e
  }
  /** The 4 KiB frame that entry `e` maps `vpn` to. */
  pfnAt(e: number, vpn: number): number {
    return this.pfn[e]! + (vpn - this.vpn[e]!)
  }

  /**
   * Enters a translation, replacing the one this address space already has for the page at that level.
   *
   * @param vpn     the page asked for; for a superpage any page in it
   * @param level   of the leaf
   * @param pfn     frame of `vpn`
   * @param flags   F_… of the leaf, as they are in RAM now
   * @param offset  byte offset of frame `pfn` in memory
   * @returns       the entry
   */
  fill(vpn: number, level: number, pfn: number, flags: number, asid: number, offset: number): number {
    const first = vpn - (vpn & (LEVEL_FRAMES[level]! - 1))
    const old = this.#findAt(first, level, asid)
    if (old === NONE)
      return this.#put(this.#victim(this.#setOf(first, level)), first, vpn, level, pfn, flags, asid, offset)
    this.#drop(old)
    return this.#put(old, first, vpn, level, pfn, flags, asid, offset)
  }
  /** The same when `lookup` has just answered -1: there is nothing to replace but a victim. */
  fillMissing(vpn: number, level: number, pfn: number, flags: number, asid: number, offset: number): number {
    const first = level === 0 ? vpn : vpn - (vpn & (LEVEL_FRAMES[level]! - 1))
    return this.#put(this.#victim(this.#setOf(first, level)), first, vpn, level, pfn, flags, asid, offset)
  }
  #put(
    e: number,
    first: number,
    vpn: number,
    level: number,
    pfn: number,
    flags: number,
    asid: number,
    offset: number,
  ): number {
    const bucket = first & this.#bucketMask
    this.#bucketOf[e] = bucket
    this.#chain[e] = this.#bucket[bucket]!
    this.#bucket[bucket] = e
    this.vpn[e] = first
    this.level[e] = level
    this.pfn[e] = pfn - (vpn - first)
    this.flags[e] = flags
    this.asidOf[e] = asid
    this.#atLevel[level]!++
    this.fills++
    if (asid === this.asid) this.fillFront(e, vpn, offset)
    return e
  }
  /** Derives the front slot of `vpn` from entry `e`, which translates it for the current address space. */
  fillFront(e: number, vpn: number, offset: number): void {
    const flags = this.flags[e]!
    if ((flags & F_USER) === 0) return
    const i = vpn & FRONT_MASK
    this.readTag[i] = (flags & F_READ) !== 0 ? vpn : NaN
    this.writeTag[i] = (flags & (F_WRITE | F_DIRTY)) === (F_WRITE | F_DIRTY) ? vpn : NaN
    this.execTag[i] = (flags & F_EXEC) !== 0 ? vpn : NaN
    this.frontOffset[i] = offset
    this.#frontEntry[i] = e
  }

  /** Drops what translates the byte `va`: of one address space, sparing global entries, or ALL_ASIDS. */
  invalidatePage(va: number, asid: number): void {
    this.#invalidateVpn(Math.floor(va / PAGE_SIZE), asid)
  }
  /** Drops what translates any byte of [start, end). */
  invalidateRange(start: number, end: number, asid: number): void {
    const from = Math.floor(start / PAGE_SIZE)
    const to = Math.ceil(end / PAGE_SIZE)
    if (to - from <= RANGE_PROBE_LIMIT) {
      for (let vpn = from; vpn < to; vpn++) this.#invalidateVpn(vpn, asid)
      return
    }
    for (let e = 0; e < this.entries; e++) {
      const first = this.vpn[e]!
      if (first < to && first + LEVEL_FRAMES[this.level[e]!]! > from && this.#belongsTo(e, asid)) this.#invalidate(e)
    }
  }
  /** Drops the entries of one address space; global ones stay. */
  invalidateAsid(asid: number): void {
    for (let e = 0; e < this.entries; e++) {
      if (!this.isEmpty(e) && this.asidOf[e] === asid && (this.flags[e]! & F_GLOBAL) === 0) this.#invalidate(e)
    }
  }
  invalidateAll(keepGlobal: boolean): void {
    for (let e = 0; e < this.entries; e++) {
      if (!this.isEmpty(e) && !(keepGlobal && (this.flags[e]! & F_GLOBAL) !== 0)) this.#invalidate(e)
    }
  }

  /** Switches the address space. The front starts empty; the entries stay, each for its own address space. */
  setAsid(asid: number): void {
    if (asid === this.asid) return
    kassert(asid >= 0 && asid < ASID_LIMIT, 'an ASID has 16 bits')
    this.asid = asid
    this.clearFront()
  }
  clearFront(): void {
    this.readTag.fill(NaN)
    this.writeTag.fill(NaN)
    this.execTag.fill(NaN)
    this.#frontEntry.fill(NONE)
  }

  isEmpty(e: number): boolean {
    return Number.isNaN(this.vpn[e]!)
  }
  /** The entry a front slot was derived from, or -1. */
  frontEntryAt(slot: number): number {
    return this.#frontEntry[slot]!
  }
  /** Calls `visit` with every entry, in the order of sets and ways. */
  forEachEntry(visit: TlbVisitor): void {
    for (let e = 0; e < this.entries; e++) {
      if (this.isEmpty(e)) continue
      visit(this.vpn[e]!, this.level[e]!, this.pfn[e]!, this.flags[e]!, this.asidOf[e]!)
    }
  }

  #setOf(first: number, level: number): number {
    return this.sets === 1 ? 0 : Math.floor(first / LEVEL_FRAMES[level]!) & (this.sets - 1)
  }
  #find(vpn: number, asid: number): number {
    for (let level = 0; level < LEVELS; level++) {
      if (this.#atLevel[level] === 0) continue
      const e = this.#findAt(vpn - (vpn & (LEVEL_FRAMES[level]! - 1)), level, asid)
      if (e !== NONE) return e
    }
    return NONE
  }
  /** The entry of the lowest way, should a global one and one of this address space both match. */
  #findAt(first: number, level: number, asid: number): number {
    let found = NONE
    for (let e = this.#bucket[first & this.#bucketMask]!; e !== NONE; e = this.#chain[e]!) {
      if (this.vpn[e] !== first || this.level[e] !== level) continue
      if (this.asidOf[e] !== asid && (this.flags[e]! & F_GLOBAL) === 0) continue
      if (found === NONE || e < found) found = e
    }
    return found
  }
  /** The first empty way of the set, or the next one in turn, emptied. */
  #victim(set: number): number {
    const { ways } = this
    const start = set * ways
    let way = this.#firstEmpty[set]!
    while (way < ways && !this.isEmpty(start + way)) way++
    if (way === ways) {
      way = this.#nextWay[set]!
      this.#nextWay[set] = way + 1 === ways ? 0 : way + 1
      this.evictions++
      this.#drop(start + way)
      this.#firstEmpty[set] = ways
    } else this.#firstEmpty[set] = way + 1
    return start + way
  }
  #belongsTo(e: number, asid: number): boolean {
    return asid === ALL_ASIDS || (this.asidOf[e] === asid && (this.flags[e]! & F_GLOBAL) === 0)
  }
  #invalidateVpn(vpn: number, asid: number): void {
    for (let level = 0; level < LEVELS; level++) {
      if (this.#atLevel[level] === 0) continue
      const first = vpn - (vpn & (LEVEL_FRAMES[level]! - 1))
      for (let e = this.#bucket[first & this.#bucketMask]!; e !== NONE;) {
        const next = this.#chain[e]!
        if (this.vpn[e] === first && this.level[e] === level && this.#belongsTo(e, asid)) this.#invalidate(e)
        e = next
      }
    }
  }
  #invalidate(e: number): void {
    this.invalidations++
    this.#drop(e)
    const set = this.sets === 1 ? 0 : Math.floor(e / this.ways)
    this.#firstEmpty[set] = Math.min(this.#firstEmpty[set]!, e - set * this.ways)
  }
  /** Empties an entry; whoever does not fill it again at once sees to #firstEmpty. */
  #drop(e: number): void {
    const level = this.level[e]!
    if (level === 0) {
      const i = this.vpn[e]! & FRONT_MASK
      if (this.#frontEntry[i] === e) this.#dropFront(i)
    } else {
      for (let i = 0; i < FRONT_SLOTS; i++) if (this.#frontEntry[i] === e) this.#dropFront(i)
    }
    this.#unchain(e)
    this.vpn[e] = NaN
    this.#atLevel[level]!--
  }
  #unchain(e: number): void {
    const bucket = this.#bucketOf[e]!
    const chain = this.#chain
    if (this.#bucket[bucket] === e) {
      this.#bucket[bucket] = chain[e]!
      return
    }
    let before = this.#bucket[bucket]!
    while (chain[before] !== e) before = chain[before]!
    chain[before] = chain[e]!
  }
  #dropFront(i: number): void {
    this.readTag[i] = NaN
    this.writeTag[i] = NaN
    this.execTag[i] = NaN
    this.#frontEntry[i] = NONE
  }
}

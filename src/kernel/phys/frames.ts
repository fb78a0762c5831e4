import { kassert, panic, pfn, type Pfn } from '../../base/index.ts'
import { PG_reserved } from './pageFlags.ts'

/** Bytes of bookkeeping a frame costs; the sum of the element sizes below. */
export const FRAME_BYTES = 48
/** Map count of the head of a free block on a buddy list. */
export const BUDDY_MAPCOUNT = -128

/**
 * The frame table: what the kernel knows of every frame, as parallel typed arrays over the frame index `f`.
 *
 *   section number -> first frame index        pfn = section * sectionPages + offset
 *   0: 0     1: 32768    2: -1 (absent)    3: 65536 …
 *
 * Indexes are dense over the present sections, so holes cost nothing; inside a section (and so inside every
 * buddy block) consecutive pfns have consecutive indexes with equal low bits: `f ^ 2^order` is the buddy.
 *
 * Lists are circular and doubly linked through lruNext/lruPrev. A list is named by the index of its sentinel,
 * which lies behind the last frame. A frame is on one list at most; off every list both links are -1.
 */
export class Frames {
  readonly sectionShift: number
  readonly sectionPages: number
  /** Number of frames. */
  readonly count: number
  readonly #offsetMask: number
  readonly #sectionFirst: Int32Array
  readonly #sectionPfn: Float64Array
  /** The same where it is below 2^31, else -1. */
  readonly #sectionSmallPfn: Int32Array

  readonly flags: Uint32Array
  /** _count: owner 1, private data 1, each managed PTE, look-ups, LRU batches, loans. */
  readonly refcount: Int32Array
  /** _mapcount: managed PTEs - 1; BUDDY_MAPCOUNT for the head of a free block. */
  readonly mapcount: Int32Array
  /** Order of a free block (its head); head frame of a compound tail; else the owner's. */
  readonly private: Uint32Array
  /** Object or anon id (PG_anon says which), 0 = none. */
  readonly owner: Uint32Array
  /** Page index inside the owner. */
  readonly pgoff: Float64Array
  readonly lruNext: Int32Array
  readonly lruPrev: Int32Array
  readonly wireCount: Uint16Array
  readonly loanCount: Uint16Array
  /** Head of the reverse map's chain, owned by the pmap room; 0 = none. */
  readonly pvHead: Uint32Array
  /** Saved referenced and modified attributes, owned by the pmap room. */
  readonly attrs: Uint16Array
  /** Zone slot: node * 4 + zone index. */
  readonly zone: Uint8Array
  /** Migrate type of the list a free page is (or was last) on. */
  readonly freeType: Uint8Array

  #nextList: number
  readonly #listEnd: number

  /**
   * @param sections      numbers of the present sections, ascending
   * @param sectionShift  log2 of the pages of a section
   * @param lists         number of list sentinels
   */
  constructor(sections: readonly number[], sectionShift: number, lists: number) {
    this.sectionShift = sectionShift
    this.sectionPages = 2 ** sectionShift
    this.#offsetMask = this.sectionPages - 1
    this.count = sections.length * this.sectionPages
    this.#sectionFirst = new Int32Array(sections.length === 0 ? 0 : sections[sections.length - 1]! + 1).fill(-1)
    this.#sectionPfn = new Float64Array(sections.length)
    this.#sectionSmallPfn = new Int32Array(sections.length)
    sections.forEach((section, i) => {
      this.#sectionFirst[section] = i * this.sectionPages
      const first = section * this.sectionPages
      this.#sectionPfn[i] = first
      this.#sectionSmallPfn[i] = first < 2 ** 31 ? first : -1
    })
    const n = this.count
    this.flags = new Uint32Array(n).fill(PG_reserved)
    this.refcount = new Int32Array(n).fill(1)
    this.mapcount = new Int32Array(n).fill(-1)
    this.private = new Uint32Array(n)
    this.owner = new Uint32Array(n)
    this.pgoff = new Float64Array(n)
    this.lruNext = new Int32Array(n + lists).fill(-1)
    this.lruPrev = new Int32Array(n + lists).fill(-1)
    this.wireCount = new Uint16Array(n)
    this.loanCount = new Uint16Array(n)
    this.pvHead = new Uint32Array(n)
    this.attrs = new Uint16Array(n)
    this.zone = new Uint8Array(n)
    this.freeType = new Uint8Array(n)
    this.#nextList = n
    this.#listEnd = n + lists
  }

  /** The frame index of a pfn, -1 if the pfn is not valid (no present section). */
  indexOf(pfn: number): number {
    // Below 8 TiB in small integers.
    const section = pfn >= 0 && pfn < 2 ** 31 ? pfn >>> this.sectionShift : Math.floor(pfn / this.sectionPages)
    if (!(section >= 0 && section < this.#sectionFirst.length)) return -1
    const first = this.#sectionFirst[section]!
    return first < 0 ? -1 : first + (pfn & this.#offsetMask)
  }
  /** The pfn of a frame index. */
  pfnAt(f: number): Pfn {
    const section = f >>> this.sectionShift
    const first = this.#sectionSmallPfn[section]!
    return pfn((first >= 0 ? first : this.#sectionPfn[section]!) + (f & this.#offsetMask))
  }
  /** The frame index of a pfn that must be valid. */
  frameOf(pfn: number): number {
    const f = this.indexOf(pfn)
    if (f < 0) panic('a page is named by a valid pfn', `pfn ${pfn}`)
    return f
  }

  /** Makes an empty list and returns its name. */
  newList(): number {
    const list = this.#nextList++
    kassert(list < this.#listEnd, 'there are enough frame lists', `${this.#listEnd - this.count}`)
    this.lruNext[list] = list
    this.lruPrev[list] = list
    return list
  }
  pushFront(list: number, f: number): void {
    const next = this.lruNext[list]!
    this.lruNext[f] = next
    this.lruPrev[f] = list
    this.lruPrev[next] = f
    this.lruNext[list] = f
  }
  pushBack(list: number, f: number): void {
    const prev = this.lruPrev[list]!
    this.lruPrev[f] = prev
    this.lruNext[f] = list
    this.lruNext[prev] = f
    this.lruPrev[list] = f
  }
  unlink(f: number): void {
    const next = this.lruNext[f]!
    const prev = this.lruPrev[f]!
    this.lruNext[prev] = next
    this.lruPrev[next] = prev
    this.lruNext[f] = -1
    this.lruPrev[f] = -1
  }
  isEmpty(list: number): boolean {
    return this.lruNext[list] === list
  }
  /** The pfns on a list, front first (tests, panels). */
  listPfns(list: number): number[] {
    const pfns: number[] = []
    for (let f = this.lruNext[list]!; f !== list; f = this.lruNext[f]!) pfns.push(this.pfnAt(f))
    return pfns
  }
}

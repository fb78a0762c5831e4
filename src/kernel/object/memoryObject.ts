// A memory object: pages found by index, supplied by a pager, mapped by map entries.

import { RadixTree, type Err, type OrErr, type Pfn, type Sleep, type WouldSleep } from '../../base/index.ts'

/** Access that asks for a page: the protection bits of the fault, VM_PROT_READ 1, WRITE 2, EXECUTE 4. */
export type Access = number

/** What `PagerOps.put` is asked to do with the pages of a range (uvm specification, 2.9). */
export const PGO_CLEANIT = 0x01
export const PGO_SYNCIO = 0x02
export const PGO_DEACTIVATE = 0x04
export const PGO_FREE = 0x08
export const PGO_ALLPAGES = 0x10

/**
 * How an object gets and keeps its pages. Bound when the object is made; each object has one.
 *
 * A page that `getTry` or `get` answers is resident, up to date, unlocked and in `object.pages`. The answer holds no
 * reference: the kernel is single-threaded, so it stays true until the caller next sleeps.
 */
export interface PagerOps {
  readonly name: string
  /** One more reference to the object. Never sleeps. */
  reference(object: MemoryObject): void
  /** One reference less; the last one frees or caches the pages, as the pager decides. */
  detach(object: MemoryObject): void
  /** The page at `pgoff` if that needs no sleep. EINVAL beyond the end (SIGBUS), EIO, ENOMEM. */
  getTry(object: MemoryObject, pgoff: number, access: Access): Pfn | WouldSleep | Err
  /** The page at `pgoff`, reading it from its store if need be. */
  get(object: MemoryObject, pgoff: number, access: Access): Sleep<OrErr<Pfn>>
  /** Cleans, frees or deactivates pages `[lo, hi)`; `PGO_*` flags. Private copies are not touched. */
  put?(object: MemoryObject, lo: number, hi: number, flags: number): Sleep<OrErr<0>>
  /** Makes pages `[lo, hi)` a hole of the store itself; translations go, private copies stay. Absent: not supported. */
  punch?(object: MemoryObject, lo: number, hi: number): 0 | Err
  /**
   * Replaces the ordinary lower-layer fault: maps the page itself (devices). `entry` is the map entry of the fault;
   * `flags` are the access and PMAP_… bits for pmapEnter.
   */
  fault?(object: MemoryObject, entry: ObjectMapping, va: number, flags: number): 0 | WouldSleep | Err
  /**
   * A copy takes the place of a page on loan, which is not mapped any more; takes over the caller's reference to the
   * copy. False: not now. Absent: pages have no state but their slot.
   */
  replacePage?(object: MemoryObject, old: Pfn, fresh: Pfn): boolean
  /** A page became dirty through a mapping. */
  pageDirtied(object: MemoryObject, pgoff: number, pfn: Pfn): void
  /** Where its pages go that live nowhere but in memory; absent: they have another home, or stay. */
  readonly swap?: SwapStore | undefined
  /** True if a clean page must fault on its first store so that the pager hears of it (write-notify). */
  readonly notifiesWrites: boolean
  /** True if a miss may be filled for neighbours too, at once, without sleeping (anonymous objects, netbsd). */
  readonly fillsNeighbours: boolean
}

/** How the pages of an object go to swap. A slot is the swap room's number: 0 none, -1 the data is lost. None sleeps. */
export interface SwapStore {
  /**
   * True: a page is given up as soon as its bytes are on their way to the device, and its slot with the copy that comes
   * back. False: it is locked until the device has answered (`ioDone`), and keeps its slot while nobody writes to it.
   */
  readonly givesUpAtOnce: boolean
  slotOf(object: MemoryObject, pgoff: number): number
  setSlot(object: MemoryObject, pgoff: number, slot: number): void
  /** Gives the slot up; the page, if there is one, is dirty from now on. */
  dropSwap(object: MemoryObject, pgoff: number): void
  /** Takes an unmapped page, which is locked or nobody uses, from the object; its slot stays. */
  dropPage(object: MemoryObject, pgoff: number): void
  /** The transfer of a page has ended. @returns false: the object had given it up; it is gone */
  ioDone(object: MemoryObject, pgoff: number, clear: number): boolean
}

/** One map entry's view of an object, so that truncation finds every mapping (DESIGN.md, decision 14). */
export interface ObjectMapping {
  /** First page index mapped, and how many pages. */
  readonly firstPage: number
  readonly pageCount: number
  /** Removes translations, and private copies if asked, of object pages `[lo, hi)`. */
  unmapRange(lo: number, hi: number, dropPrivateCopies: boolean): void
  /** True if stores through this mapping reach the object. */
  readonly isSharedWritable: boolean
  /** True if instructions may be fetched through this mapping. */
  readonly isExecutable?: boolean
}

/** The objects of one system, by the number that a frame's owner field holds. */
export class ObjectTable {
  readonly byId = new Map<number, MemoryObject>()
  #lastId = 0
  enter(object: MemoryObject): number {
    this.byId.set(++this.#lastId, object)
    return this.#lastId
  }
  /** The object is gone: it has no page and no mapping left. */
  remove(object: MemoryObject): void {
    this.byId.delete(object.id)
  }
}

/** Every field is set here, in one order; `id` names the object in the frame array's owner field. */
export class MemoryObject {
  readonly id: number
  readonly pager: PagerOps
  /** Pager's own state: a vnode, a device, a shared-memory segment. */
  readonly backing: object | null
  refs: number
  /** Resident pages by index; the value is the pfn + 1, or negative for an exceptional entry. */
  readonly pages: RadixTree
  readonly mappings: Set<ObjectMapping>
  /** Bytes; a page wholly beyond is not part of the object. Infinity where the pager has no end. */
  sizeBytes: number

  constructor(table: ObjectTable, pager: PagerOps, backing: object | null, sizeBytes: number) {
    this.pager = pager
    this.backing = backing
    this.refs = 1
    this.pages = new RadixTree()
    this.mappings = new Set()
    this.sizeBytes = sizeBytes
    this.id = table.enter(this)
  }

  /** The resident page at `pgoff`, whatever its state, or -1. */
  pageAt(pgoff: number): number {
    const value = this.pages.get(pgoff)
    return value > 0 ? value - 1 : -1
  }
}

/** Unmaps object pages `[lo, hi)` from every address space; `dropPrivateCopies` for truncation under linux. */
export function unmapMappingRange(object: MemoryObject, lo: number, hi: number, dropPrivateCopies: boolean): void {
  for (const mapping of object.mappings) {
    if (mapping.firstPage < hi && mapping.firstPage + mapping.pageCount > lo)
      mapping.unmapRange(lo, hi, dropPrivateCopies)
  }
}

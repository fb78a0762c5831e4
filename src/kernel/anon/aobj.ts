// Anonymous memory objects: memory that several maps share, without a file. Their pages are zeros until written.

import {
  EINVAL,
  EIO,
  isErr,
  PAGE_SIZE,
  roundPage,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
  sleepOn,
  WouldSleep,
} from '../../base/index.ts'
import {
  type Access,
  MemoryObject,
  type ObjectTable,
  type PagerOps,
  PGO_CLEANIT,
  PGO_DEACTIVATE,
  PGO_FREE,
  type SwapStore,
  unmapMappingRange,
} from '../object/index.ts'
import {
  __GFP_ZERO,
  allocPages,
  allocPagesTry,
  GFP_HIGHUSER_MOVABLE,
  PG_dirty,
  PG_locked,
  PG_queued,
  PG_released,
  PG_swapbacked,
  PG_uptodate,
  type Phys,
  putPage,
} from '../phys/index.ts'
import { pmapClearModify } from '../pmap/index.ts'
import { SWSLOT_BAD, uvmSwapFree, uvmSwapGet, uvmSwapMarkBad } from '../swap/index.ts'
import type { Anons } from './anon.ts'

const ZEROED = GFP_HIGHUSER_MOVABLE | __GFP_ZERO
const FLAGS = PG_uptodate | PG_dirty | PG_swapbacked

/**
 * The pager of one anonymous object. Its pages go to swap as anons do; `slots` says where: none, a slot, or -1 if the data
 * is lost. A page with a slot is clean until somebody writes to it.
 */
export class AobjPager implements PagerOps, SwapStore {
  readonly name = 'aobj'
  readonly notifiesWrites = false
  readonly fillsNeighbours = true
  readonly swap = this
  readonly givesUpAtOnce = false
  readonly slots = new Map<number, number>()
  readonly #anons: Anons
  readonly #phys: Phys
  readonly #table: ObjectTable
  readonly #isEternal: boolean
  constructor(anons: Anons, table: ObjectTable, isEternal: boolean) {
    this.#anons = anons
    this.#phys = anons.phys
    this.#table = table
    this.#isEternal = isEternal
  }
  reference(object: MemoryObject): void {
    if (!this.#isEternal) object.refs++
  }
  detach(object: MemoryObject): void {
    if (this.#isEternal || --object.refs > 0) return
    this.#drop(object, 0, Infinity)
    this.#forgetIfEmpty(object)
  }
  getTry(object: MemoryObject, pgoff: number, _access: Access): Pfn | WouldSleep | Err {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const present = object.pageAt(pgoff)
    if (present >= 0) return this.#isBusy(present) ? WouldSleep : (present as Pfn)
    const slot = this.slots.get(pgoff) ?? 0
    if (slot !== 0) return slot === SWSLOT_BAD ? EIO : WouldSleep
    const pfn = allocPagesTry(this.#phys, ZEROED, 0)
    return pfn === WouldSleep || isErr(pfn) ? WouldSleep : this.#add(object, pgoff, pfn)
  }
  *get(object: MemoryObject, pgoff: number, access: Access): Sleep<OrErr<Pfn>> {
    for (;;) {
      const page = this.getTry(object, pgoff, access)
      if (page !== WouldSleep) return page
      if (object.pageAt(pgoff) >= 0) {
        yield* sleepOn(this.#anons.ioQueue)
        continue
      }
      const slot = this.slots.get(pgoff) ?? 0
      const pfn = yield* allocPages(this.#phys, slot === 0 ? ZEROED : GFP_HIGHUSER_MOVABLE, 0)
      if (isErr(pfn)) return pfn
      if (object.pageAt(pgoff) >= 0 || (this.slots.get(pgoff) ?? 0) !== slot) putPage(this.#phys, pfn)
      else if (slot === 0) return this.#add(object, pgoff, pfn)
      else {
        const error = yield* this.#read(object, pgoff, pfn, slot)
        if (error !== 0) return error
      }
    }
  }
  /** Reads a page back. It is in the object meanwhile, locked, so that others wait for it. */
  *#read(object: MemoryObject, pgoff: number, pfn: Pfn, slot: number): Sleep<0 | Err> {
    const { flags } = this.#phys.frames
    const f = this.#phys.frames.indexOf(pfn)
    this.#add(object, pgoff, pfn)
    flags[f] = (flags[f]! | PG_locked) & ~(PG_uptodate | PG_dirty)
    const error = yield* uvmSwapGet(this.#anons.swap!, pfn, slot)
    if (error === 0) {
      flags[f] = flags[f]! | PG_uptodate
      pmapClearModify(this.#anons.pmaps, pfn)
    } else {
      uvmSwapMarkBad(this.#anons.swap!, slot, 1)
      this.slots.set(pgoff, SWSLOT_BAD)
    }
    if (this.ioDone(object, pgoff, 0) && error !== 0) this.dropPage(object, pgoff)
    return error
  }
  // Nothing is ever written anywhere but to swap: cleaning alone does nothing, and shared pages are not freed.
  *put(object: MemoryObject, lo: number, hi: number, flags: number): Sleep<OrErr<0>> {
    if ((flags & (PGO_FREE | PGO_CLEANIT | PGO_DEACTIVATE)) === PGO_FREE && object.refs === 1) {
      this.#drop(object, lo, hi)
    } else if ((flags & (PGO_FREE | PGO_DEACTIVATE)) !== 0) this.#deactivate(object, lo, hi)
    return 0
  }
  pageDirtied(object: MemoryObject, pgoff: number, pfn: Pfn): void {
    const { frames } = this.#phys
    const f = frames.indexOf(pfn)
    frames.flags[f] = frames.flags[f]! | PG_dirty
  }

  slotOf(_object: MemoryObject, pgoff: number): number {
    return this.slots.get(pgoff) ?? 0
  }
  setSlot(_object: MemoryObject, pgoff: number, slot: number): void {
    this.slots.set(pgoff, slot)
  }
  /** Gives the page's swap slot up, if it has one; the page, if there is one, is dirty from now on. */
  dropSwap(object: MemoryObject, pgoff: number): void {
    const slot = this.slots.get(pgoff) ?? 0
    this.slots.delete(pgoff)
    if (slot <= 0) return
    const pfn = object.pageAt(pgoff)
    if (pfn >= 0) this.pageDirtied(object, pgoff, pfn as Pfn)
    uvmSwapFree(this.#anons.swap!, slot, 1, pfn < 0)
  }
  /** Takes an unmapped page from the object; its slot, if it has one, stays. */
  dropPage(object: MemoryObject, pgoff: number): void {
    const { frames, queues } = this.#phys
    const pfn = object.pageAt(pgoff) as Pfn
    const f = frames.indexOf(pfn)
    if ((frames.flags[f]! & PG_queued) !== 0) queues!.dequeue(f)
    frames.owner[f] = 0
    frames.pgoff[f] = 0
    frames.flags[f] = frames.flags[f]! & ~FLAGS
    object.pages.delete(pgoff)
    putPage(this.#phys, pfn)
  }
  /** As anonIoDone. */
  ioDone(object: MemoryObject, pgoff: number, clear: number): boolean {
    const { flags } = this.#phys.frames
    const f = this.#phys.frames.indexOf(object.pageAt(pgoff) as Pfn)
    const isReleased = (flags[f]! & PG_released) !== 0
    flags[f] = flags[f]! & ~(PG_locked | PG_released | clear)
    if (isReleased) {
      this.dropSwap(object, pgoff)
      this.dropPage(object, pgoff)
      if (object.refs === 0) this.#forgetIfEmpty(object)
    }
    this.#anons.ioQueue.wakeAll()
    return !isReleased
  }

  #isBusy(pfn: number): boolean {
    return (this.#phys.frames.flags[this.#phys.frames.indexOf(pfn)]! & PG_locked) !== 0
  }
  #add(object: MemoryObject, pgoff: number, pfn: Pfn): Pfn {
    const { frames } = this.#phys
    const f = frames.indexOf(pfn)
    frames.owner[f] = object.id
    frames.pgoff[f] = pgoff
    frames.flags[f] = frames.flags[f]! | FLAGS
    object.pages.set(pgoff, pfn + 1)
    return pfn
  }
  /** Pages that are being transferred are freed when that has ended. */
  #drop(object: MemoryObject, lo: number, hi: number): void {
    unmapMappingRange(object, lo, hi, false)
    const { flags } = this.#phys.frames
    for (let i = object.pages.next(lo); i >= 0 && i < hi; i = object.pages.next(i + 1)) {
      const pfn = object.pageAt(i)
      const f = this.#phys.frames.indexOf(pfn)
      if (this.#isBusy(pfn)) {
        flags[f] = flags[f]! | PG_released
        continue
      }
      this.dropSwap(object, i)
      this.dropPage(object, i)
    }
    for (const i of this.slots.keys()) if (i >= lo && i < hi && object.pageAt(i) < 0) this.dropSwap(object, i)
  }
  #deactivate(object: MemoryObject, lo: number, hi: number): void {
    const { frames, queues } = this.#phys
    if (queues === null) return
    for (let i = object.pages.next(lo); i >= 0 && i < hi; i = object.pages.next(i + 1)) {
      const f = frames.indexOf(object.pageAt(i))
      if ((frames.flags[f]! & PG_locked) === 0 && frames.wireCount[f] === 0) queues.deactivate(f)
    }
  }
  #forgetIfEmpty(object: MemoryObject): void {
    if (object.pages.next(0) < 0) this.#table.remove(object)
  }
}

/** Never dies: the kernel object. */
export const UAO_FLAG_KERNOBJ = 1

/**
 * A new anonymous object with one reference, the caller's. No page is allocated.
 *
 * @param sizeBytes  rounded up to pages
 * @manual uao_create, uvm(9), NetBSD
 */
export function uaoCreate(anons: Anons, table: ObjectTable, sizeBytes: number, flags = 0): MemoryObject {
  const pager = new AobjPager(anons, table, (flags & UAO_FLAG_KERNOBJ) !== 0)
  return new MemoryObject(table, pager, null, roundPage(sizeBytes))
}

// Anonymous memory objects: memory that several maps share, without a file. Their pages are zeros until written.

import {
  EINVAL,
  isErr,
  PAGE_SIZE,
  roundPage,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
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
  unmapMappingRange,
} from '../object/index.ts'
import {
  __GFP_ZERO,
  allocPages,
  allocPagesTry,
  GFP_HIGHUSER_MOVABLE,
  PG_dirty,
  PG_swapbacked,
  PG_uptodate,
  type Phys,
  putPage,
} from '../phys/index.ts'

const ZEROED = GFP_HIGHUSER_MOVABLE | __GFP_ZERO
const FLAGS = PG_uptodate | PG_dirty | PG_swapbacked

class AobjPager implements PagerOps {
  readonly name = 'aobj'
  readonly notifiesWrites = false
  readonly fillsNeighbours = true
  readonly #phys: Phys
  readonly #table: ObjectTable
  readonly #isEternal: boolean
  constructor(phys: Phys, table: ObjectTable, isEternal: boolean) {
    this.#phys = phys
    this.#table = table
    this.#isEternal = isEternal
  }
  reference(object: MemoryObject): void {
    if (!this.#isEternal) object.refs++
  }
  detach(object: MemoryObject): void {
    if (this.#isEternal || --object.refs > 0) return
    this.#drop(object, 0, Infinity)
    this.#table.remove(object)
  }
  getTry(object: MemoryObject, pgoff: number, _access: Access): Pfn | WouldSleep | Err {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const present = object.pageAt(pgoff)
    if (present >= 0) return present as Pfn
    const pfn = allocPagesTry(this.#phys, ZEROED, 0)
    return pfn === WouldSleep || isErr(pfn) ? WouldSleep : this.#add(object, pgoff, pfn)
  }
  *get(object: MemoryObject, pgoff: number, _access: Access): Sleep<OrErr<Pfn>> {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const pfn = yield* allocPages(this.#phys, ZEROED, 0)
    if (isErr(pfn)) return pfn
    const present = object.pageAt(pgoff)
    if (present < 0) return this.#add(object, pgoff, pfn)
    putPage(this.#phys, pfn)
    return present as Pfn
  }
  // Nothing is ever written anywhere but to swap: cleaning alone does nothing, and shared pages are not freed.
  *put(object: MemoryObject, lo: number, hi: number, flags: number): Sleep<OrErr<0>> {
    const isFree = (flags & (PGO_FREE | PGO_CLEANIT | PGO_DEACTIVATE)) === PGO_FREE
    if (isFree && object.refs === 1) this.#drop(object, lo, hi)
    return 0
  }
  pageDirtied(): void {}

  #add(object: MemoryObject, pgoff: number, pfn: Pfn): Pfn {
    const { frames } = this.#phys
    const f = frames.indexOf(pfn)
    frames.owner[f] = object.id
    frames.pgoff[f] = pgoff
    frames.flags[f] = frames.flags[f]! | FLAGS
    object.pages.set(pgoff, pfn + 1)
    return pfn
  }
  #drop(object: MemoryObject, lo: number, hi: number): void {
    unmapMappingRange(object, lo, hi, false)
    const { frames } = this.#phys
    for (let i = object.pages.next(lo); i >= 0 && i < hi; i = object.pages.next(i + 1)) {
      const pfn = object.pageAt(i) as Pfn
      const f = frames.indexOf(pfn)
      frames.owner[f] = 0
      frames.pgoff[f] = 0
      frames.flags[f] = frames.flags[f]! & ~FLAGS
      object.pages.delete(i)
      putPage(this.#phys, pfn)
    }
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
export function uaoCreate(phys: Phys, table: ObjectTable, sizeBytes: number, flags = 0): MemoryObject {
  const pager = new AobjPager(phys, table, (flags & UAO_FLAG_KERNOBJ) !== 0)
  return new MemoryObject(table, pager, null, roundPage(sizeBytes))
}

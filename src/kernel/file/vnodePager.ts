// Pagers of regular files. One that keeps bytes in memory alone is here; that of host files is in hostPager.ts.

import {
  EINVAL,
  isErr,
  kassert,
  PAGE_SIZE,
  WouldSleep,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import { MemoryObject, type Access, type PagerOps } from '../object/index.ts'
import { __GFP_ZERO, allocPages, allocPagesTry, GFP_HIGHUSER_MOVABLE, putPage } from '../phys/index.ts'
import { addFilePage, dropFilePages, markFilePageDirty, markSwapBacked } from './filePages.ts'
import type { Files } from './files.ts'
import { vnodeHold, vnodeRelease, type Vnode } from './vnode.ts'

/** What read and write ask of a file's pager, besides what a fault asks. */
export interface FilePager extends PagerOps {
  /** A page that is not resident is zeros: reading it needs no page. */
  readonly absentIsZero: boolean
  /** The page that is about to be written, also one beyond the end of the file. */
  pageForWriteTry(object: MemoryObject, pgoff: number): Pfn | WouldSleep | Err
  pageForWrite(object: MemoryObject, pgoff: number): Sleep<OrErr<Pfn>>
}

/** The page cache of a regular file. `backing` is the vnode, `sizeBytes` the size of the file. */
export interface FileObject extends MemoryObject {
  readonly pager: FilePager
}

/** The page cache of a new, empty file. */
export function newFileObject(files: Files, pager: FilePager, vnode: Vnode): FileObject {
  return new MemoryObject(files.objects, pager, vnode, 0) as FileObject
}
export function vnodeOf(object: MemoryObject): Vnode {
  return object.backing as Vnode
}

/** References of a file's object: each one also holds the vnode, so that mapped files outlive their names. */
export function referenceVnodeObject(object: MemoryObject): void {
  object.refs++
  vnodeHold(vnodeOf(object))
}
export function detachVnodeObject(object: MemoryObject): void {
  object.refs--
  kassert(object.refs >= 1, "a file's object is detached as often as it was referenced", vnodeOf(object).name)
  vnodeRelease(vnodeOf(object))
}

/** The vnode is gone: frees its pages and forgets its object. */
export function releaseVnodeObject(files: Files, vnode: Vnode): void {
  const { object } = vnode
  if (object === null) return
  kassert(object.mappings.size === 0, 'a mapped file is not given up', vnode.name)
  dropFilePages(files, object, 0, Infinity, false)
  files.objects.remove(object)
  vnode.object = null
}

const PAGE_OF_ZEROS = GFP_HIGHUSER_MOVABLE | __GFP_ZERO

/** A fresh page of zeros at `pgoff`. */
export function addZeroPageTry(files: Files, object: MemoryObject, pgoff: number): Pfn | WouldSleep | Err {
  const pfn = allocPagesTry(files.phys, PAGE_OF_ZEROS, 0)
  if (pfn !== WouldSleep && !isErr(pfn)) addFilePage(files, object, pgoff, pfn)
  return pfn
}
/** The same, waiting for memory; answers the page that somebody else has put there meanwhile, if so. */
export function* addZeroPage(files: Files, object: MemoryObject, pgoff: number): Sleep<OrErr<Pfn>> {
  const pfn = yield* allocPages(files.phys, PAGE_OF_ZEROS, 0)
  if (isErr(pfn)) return pfn
  const present = object.pageAt(pgoff)
  if (present >= 0) {
    putPage(files.phys, pfn)
    return present as Pfn
  }
  addFilePage(files, object, pgoff, pfn)
  return pfn
}

/** Pages of memory files: what is not resident has never been written, and is zeros. */
export class RamPager implements FilePager {
  readonly name = 'ram'
  readonly absentIsZero = true
  readonly notifiesWrites = false
  readonly fillsNeighbours = false
  readonly #files: Files
  constructor(files: Files) {
    this.#files = files
  }
  reference(object: MemoryObject): void {
    referenceVnodeObject(object)
  }
  detach(object: MemoryObject): void {
    detachVnodeObject(object)
  }
  getTry(object: MemoryObject, pgoff: number, _access: Access): Pfn | WouldSleep | Err {
    return pgoff * PAGE_SIZE >= object.sizeBytes ? EINVAL : this.pageForWriteTry(object, pgoff)
  }
  *get(object: MemoryObject, pgoff: number, _access: Access): Sleep<OrErr<Pfn>> {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const pfn = yield* this.pageForWrite(object, pgoff)
    // The file may have shrunk during the wait; a page beyond its end would never be found again.
    if (!isErr(pfn) && pgoff * PAGE_SIZE >= object.sizeBytes) {
      dropFilePages(this.#files, object, pgoff, pgoff + 1, false)
      return EINVAL
    }
    return pfn
  }
  pageForWriteTry(object: MemoryObject, pgoff: number): Pfn | WouldSleep | Err {
    const pfn = object.pageAt(pgoff)
    if (pfn >= 0) return pfn as Pfn
    const fresh = addZeroPageTry(this.#files, object, pgoff)
    if (fresh !== WouldSleep && !isErr(fresh)) markSwapBacked(this.#files, fresh)
    return fresh
  }
  *pageForWrite(object: MemoryObject, pgoff: number): Sleep<OrErr<Pfn>> {
    const pfn = object.pageAt(pgoff)
    if (pfn >= 0) return pfn as Pfn
    const fresh = yield* addZeroPage(this.#files, object, pgoff)
    if (!isErr(fresh)) markSwapBacked(this.#files, fresh)
    return fresh
  }
  punch(object: MemoryObject, lo: number, hi: number): 0 {
    dropFilePages(this.#files, object, lo, hi, false)
    return 0
  }
  pageDirtied(object: MemoryObject, pgoff: number, pfn: Pfn): void {
    markFilePageDirty(this.#files, object, pgoff, pfn)
  }
}

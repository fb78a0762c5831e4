// What all pagers of regular files have in common. They are in ramPager.ts and hostPager.ts.

import { isErr, kassert, WouldSleep, type Err, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import type { MemoryObject, PagerOps } from '../object/index.ts'
import {
  FileObject as CachedObject,
  getPageForRead,
  newReadaheadState,
  putCachePage,
  type BackingDevice,
  type FileOps,
  type PageCache,
  type ReadaheadState,
} from '../pagecache/index.ts'
import { __GFP_ZERO, allocPages, allocPagesTry, GFP_HIGHUSER_MOVABLE, putPage } from '../phys/index.ts'
import { addFilePage, assertGone, dropFilePages, usablePage } from './filePages.ts'
import type { Files } from './files.ts'
import { vnodeHold, vnodeRelease, type Vnode } from './vnode.ts'

/** What read and write ask of a file's pager, besides what a fault asks. */
export interface FilePager extends PagerOps {
  /** What the page cache asks, and of which device. */
  readonly ops: FileOps
  readonly device: BackingDevice
  /** A page that is neither resident nor stored is zeros: reading it needs no page. */
  readonly absentIsZero: boolean
  /** The store has bytes for the page: it must be read before a part of it is written. */
  hasStored(object: FileObject, pgoff: number): boolean
  /** What is stored of pages `[lo, hi)` is given up; nobody works on them any more. Absent: the store sees to that. */
  forget?(object: FileObject, lo: number, hi: number): void
}

/** The page cache of a regular file. `backing` is the vnode, `sizeBytes` the size of the file. */
export class FileObject extends CachedObject {
  declare readonly pager: FilePager
  /** Reading around faults, for all its mappings; made with the first fault that reads. */
  faultReadahead: ReadaheadState | null
  /** Swap slots of pages of a memory file that are not in memory; null while there never was one. */
  slots: Map<number, number> | null
  constructor(cache: PageCache, pager: FilePager, vnode: Vnode) {
    const { ops, device } = pager
    super(cache, pager, vnode, 0, { ops, device, ino: vnode.id, dev: vnode.fs.device })
    this.faultReadahead = null
    this.slots = null
  }
}

/** The page cache of a new, empty file. */
export function newFileObject(files: Files, pager: FilePager, vnode: Vnode): FileObject {
  return new FileObject(files.cache, pager, vnode)
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
  assertGone(object)
  files.objects.remove(object)
  vnode.object = null
}

const PAGE_OF_ZEROS = GFP_HIGHUSER_MOVABLE | __GFP_ZERO

/** A fresh page of zeros at `pgoff`. */
export function addZeroPageTry(
  files: Files,
  object: FileObject,
  pgoff: number,
  isSwapBacked: boolean,
): Pfn | WouldSleep | Err {
  const pfn = allocPagesTry(files.phys, PAGE_OF_ZEROS, 0)
  if (pfn === WouldSleep || isErr(pfn)) return pfn
  const failed = addFilePage(files, object, pgoff, pfn, isSwapBacked)
  return isErr(failed) ? failed : pfn
}
/** The same, waiting for memory; answers the page that somebody else has put there meanwhile, if so. */
export function* addZeroPage(
  files: Files,
  object: FileObject,
  pgoff: number,
  isSwapBacked: boolean,
): Sleep<OrErr<Pfn>> {
  const pfn = yield* allocPages(files.phys, PAGE_OF_ZEROS, 0)
  if (isErr(pfn)) return pfn
  const present = object.pageAt(pgoff)
  if (present >= 0) {
    putPage(files.phys, pfn)
    return present as Pfn
  }
  const failed = addFilePage(files, object, pgoff, pfn, isSwapBacked)
  return isErr(failed) ? failed : pfn
}

/** The page of a memory file, brought back or made if it is not there; also beyond the end. */
export function* pageOfMemoryFile(files: Files, object: FileObject, pgoff: number): Sleep<OrErr<Pfn>> {
  for (;;) {
    const pfn = usablePage(files, object, pgoff)
    if (pfn >= 0) return pfn as Pfn
    if (object.pageAt(pgoff) < 0 && !object.pager.hasStored(object, pgoff))
      return yield* addZeroPage(files, object, pgoff, true)
    const page = yield* getPageForRead(files.cache, object, newReadaheadState(object), pgoff, 1)
    if (isErr(page)) return page
    putCachePage(files.cache, page)
  }
}

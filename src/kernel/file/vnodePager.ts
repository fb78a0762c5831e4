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
import type { Access, MemoryObject, PagerOps } from '../object/index.ts'
import {
  FileObject as CachedObject,
  setPageDirty,
  setPageDirtyNoWriteback,
  unlockPage,
  zeroBytes,
  type BackingDevice,
  type FileOps,
  type PageCache,
  type ReadaheadState,
} from '../pagecache/index.ts'
import { __GFP_ZERO, allocPages, allocPagesTry, GFP_HIGHUSER_MOVABLE, PG_uptodate, putPage } from '../phys/index.ts'
import { addFilePage, assertGone, dropFilePages, replaceFilePage, usablePage } from './filePages.ts'
import type { Files } from './files.ts'
import { vnodeHold, vnodeRelease, type Vnode } from './vnode.ts'

/** What read and write ask of a file's pager, besides what a fault asks. */
export interface FilePager extends PagerOps {
  /** What the page cache asks, and of which device. */
  readonly ops: FileOps
  readonly device: BackingDevice
  /** A page that is not resident is zeros: reading it needs no page. */
  readonly absentIsZero: boolean
  /** The store has bytes for the page: it must be read before a part of it is written. */
  hasStored(object: FileObject, pgoff: number): boolean
}

/** The page cache of a regular file. `backing` is the vnode, `sizeBytes` the size of the file. */
export class FileObject extends CachedObject {
  declare readonly pager: FilePager
  /** Reading around faults, for all its mappings; made with the first fault that reads. */
  faultReadahead: ReadaheadState | null
  constructor(cache: PageCache, pager: FilePager, vnode: Vnode) {
    const { ops, device } = pager
    super(cache, pager, vnode, 0, { ops, device, ino: vnode.id, dev: vnode.fs.device })
    this.faultReadahead = null
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

/** The page of a memory file, made if it is not there; also beyond the end. */
export function* pageOfMemoryFile(files: Files, object: FileObject, pgoff: number): Sleep<OrErr<Pfn>> {
  const pfn = usablePage(files, object, pgoff)
  return pfn >= 0 ? (pfn as Pfn) : yield* addZeroPage(files, object, pgoff, true)
}

/** Pages of memory files: what is not resident has never been written, and is zeros. Nobody works on one for long. */
export class RamPager implements FilePager {
  readonly name = 'ram'
  readonly absentIsZero = true
  readonly notifiesWrites = false
  readonly fillsNeighbours = false
  readonly ops: FileOps
  readonly device: BackingDevice
  readonly #files: Files
  constructor(files: Files) {
    this.#files = files
    this.device = files.cache.memoryDevice
    this.ops = {
      // oxlint-disable-next-line require-yield
      *readPage(_object, pfn): Sleep<number> {
        const { cache } = files
        zeroBytes(cache, pfn, 0, PAGE_SIZE)
        cache.frames.flags[cache.frames.frameOf(pfn)]! |= PG_uptodate
        unlockPage(cache, pfn)
        return 0
      },
      setPageDirty: (_object, pfn) => setPageDirtyNoWriteback(files.cache, pfn),
    }
  }
  reference(object: MemoryObject): void {
    referenceVnodeObject(object)
  }
  detach(object: MemoryObject): void {
    detachVnodeObject(object)
  }
  getTry(object: FileObject, pgoff: number, _access: Access): Pfn | WouldSleep | Err {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const pfn = usablePage(this.#files, object, pgoff)
    return pfn >= 0 ? (pfn as Pfn) : addZeroPageTry(this.#files, object, pgoff, true)
  }
  *get(object: FileObject, pgoff: number, _access: Access): Sleep<OrErr<Pfn>> {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const pfn = yield* pageOfMemoryFile(this.#files, object, pgoff)
    // The file may have shrunk during the wait; a page beyond its end would never be found again.
    if (!isErr(pfn) && pgoff * PAGE_SIZE >= object.sizeBytes) {
      dropFilePages(this.#files, object, pgoff, pgoff + 1, false)
      return EINVAL
    }
    return pfn
  }
  hasStored(): boolean {
    return false
  }
  punch(object: FileObject, lo: number, hi: number): 0 {
    dropFilePages(this.#files, object, lo, hi, false)
    return 0
  }
  replacePage(_object: MemoryObject, old: Pfn, fresh: Pfn): boolean {
    return replaceFilePage(this.#files, old, fresh)
  }
  pageDirtied(_object: MemoryObject, _pgoff: number, pfn: Pfn): void {
    setPageDirty(this.#files.cache, pfn)
  }
}

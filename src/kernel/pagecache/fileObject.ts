// The memory object of a file: its page cache (the manuals' address_space).

import type { Err, Pfn, Sleep } from '../../base/index.ts'
import { MemoryObject, type PagerOps } from '../object/index.ts'
import { GFP_HIGHUSER_MOVABLE } from '../phys/index.ts'
import type { BackingDevice } from './backingDevice.ts'
import type { PageCache } from './pageCache.ts'

/** One request to write pages. Fields that count down are changed by the walk. */
export interface WritebackControl {
  /** Budget in pages, taken off for every page handed to the file system. */
  nrToWrite: number
  /** Pages the file system declined. */
  pagesSkipped: number
  /** Bytes, `rangeEnd` inclusive; used unless cyclic. */
  rangeStart: number
  rangeEnd: number
  /** WB_SYNC_NONE cleans some memory, WB_SYNC_ALL is for integrity. */
  readonly isSyncAll: boolean
  /** Start where the last cyclic walk stopped, and wrap once. */
  readonly rangeCyclic: boolean
  /** Work through a TOWRITE snapshot although this is no integrity sync. */
  readonly taggedWritepages: boolean
  readonly forKupdate: boolean
  readonly forBackground: boolean
  readonly forReclaim: boolean
}

/**
 * What a file system does with cached pages (a_ops). A page is in the index and locked on entry unless said otherwise.
 *
 * Answers: 0, a negative errno, or one of the two positive AOP_* codes.
 */
export interface FileOps {
  /**
   * Fills a page that is not up to date. Afterwards, perhaps later, it is up to date or has PG_error, and is unlocked;
   * an error answer leaves it unlocked too.
   */
  readPage(object: FileObject, pfn: Pfn): Sleep<number>
  /** Adds what it wants of these pages to the index and reads it. Not in the index, pgoff set; takes from the end. */
  readPages?(object: FileObject, pages: number[]): Sleep<void>
  /** Writes a page whose PG_dirty has been cleared; unlocks it unless it answers AOP_WRITEPAGE_ACTIVATE. */
  writePage?(object: FileObject, pfn: Pfn, wbc: WritebackControl): Sleep<number>
  /** Writes pages of the range. */
  writePages?(object: FileObject, wbc: WritebackControl): Sleep<number>
  /** Sets PG_dirty, tags, accounts. True: it became dirty now. */
  setPageDirty?(object: FileObject, pfn: Pfn): boolean
  /** Forgets private data inside the byte range. */
  invalidatePage?(object: FileObject, pfn: Pfn, offset: number, bytes: number): void
  /** Drops all private data; false if it cannot. */
  releasePage?(object: FileObject, pfn: Pfn, gfp: number): boolean
  /** The page has left the index. */
  freePage?(object: FileObject, pfn: Pfn): void
  /** Writes a dirty, unmapped page at once; it stays locked. */
  launderPage?(object: FileObject, pfn: Pfn): Sleep<0 | Err>
  /** Are the blocks that cover the bytes valid although the page is not up to date? */
  isPartiallyUptodate?(object: FileObject, pfn: Pfn, offset: number, bytes: number): boolean
}

export interface FileObjectOptions {
  readonly ops: FileOps
  readonly device: BackingDevice
  /** Inode and device number, for tracepoints. */
  readonly ino?: number
  readonly dev?: number
  /** log2 of the block size, at most 12. */
  readonly blockShift?: number
  /** How its pages are allocated. */
  readonly gfp?: number
}

/** `sizeBytes` is the size of the file (i_size): changed under the inode's lock, read without. */
export class FileObject extends MemoryObject {
  readonly ops: FileOps
  readonly device: BackingDevice
  readonly ino: number
  readonly dev: number
  readonly blockShift: number
  gfp: number
  /** AS_*. */
  flags: number
  /** Page entries, and shadow entries, of `pages`. */
  nrPages: number
  nrShadows: number
  /** Where a cyclic walk of the dirty pages goes on. */
  writebackIndex: number
  /** I_DIRTY_*. */
  dirtyState: number

  constructor(
    cache: PageCache,
    pager: PagerOps,
    backing: object | null,
    sizeBytes: number,
    options: FileObjectOptions,
  ) {
    super(cache.objects, pager, backing, sizeBytes)
    this.ops = options.ops
    this.device = options.device
    this.ino = options.ino ?? 0
    this.dev = options.dev ?? 0
    this.blockShift = options.blockShift ?? 12
    this.gfp = options.gfp ?? GFP_HIGHUSER_MOVABLE
    this.flags = 0
    this.nrPages = 0
    this.nrShadows = 0
    this.writebackIndex = 0
    this.dirtyState = 0
  }
}

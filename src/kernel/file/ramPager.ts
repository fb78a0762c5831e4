// The pager of memory files. Their bytes live in page-cache frames; what does not fit goes to swap.
//
//   page of frames ──reclaim──► slot (the frame is free once its bytes are on their way to the device)
//        ▲                        │
//        └── locked, being read ◄─┘ readPage: the slot is given back when the bytes have come
//
// A page that has neither has never been written, and is zeros.

import { EINVAL, isErr, PAGE_SIZE, WouldSleep, type Err, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import type { Access, MemoryObject, SwapStore } from '../object/index.ts'
import {
  deleteFromPageCache,
  getCachePage,
  isolateLruPage,
  putbackLruPage,
  putCachePage,
  setPageDirty,
  setPageDirtyNoWriteback,
  unlockPage,
  zeroBytes,
  type BackingDevice,
  type FileOps,
} from '../pagecache/index.ts'
import { NR_SHMEM, PG_dirty, PG_error, PG_reclaim, PG_swapbacked, PG_uptodate, PG_writeback } from '../phys/index.ts'
import { SWSLOT_BAD, uvmSwapFree, uvmSwapGetStart, uvmSwapMarkBad } from '../swap/index.ts'
import { dropFilePages, replaceFilePage, usablePage } from './filePages.ts'
import type { Files } from './files.ts'
import {
  addZeroPageTry,
  detachVnodeObject,
  pageOfMemoryFile,
  referenceVnodeObject,
  type FileObject,
  type FilePager,
} from './vnodePager.ts'

/** A page that the device has not yet answered for. */
interface SwapRead {
  readonly page: Pfn
  readonly pgoff: number
  isCancelled: boolean
}

export class RamPager implements FilePager, SwapStore {
  readonly name = 'ram'
  readonly absentIsZero = true
  readonly notifiesWrites = false
  readonly fillsNeighbours = false
  readonly givesUpAtOnce = true
  readonly ops: FileOps
  readonly device: BackingDevice
  readonly #files: Files
  readonly #reads = new Map<FileObject, Set<SwapRead>>()
  constructor(files: Files) {
    this.#files = files
    this.device = files.cache.memoryDevice
    this.ops = {
      // oxlint-disable-next-line require-yield
      readPage: function* (this: void, object, pfn): Sleep<number> {
        files.ramPager.read(object as FileObject, pfn)
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
    if (pfn >= 0) return pfn as Pfn
    if (object.pageAt(pgoff) >= 0 || this.hasStored(object, pgoff)) return WouldSleep
    return addZeroPageTry(this.#files, object, pgoff, true)
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
  hasStored(object: FileObject, pgoff: number): boolean {
    return object.slots !== null && object.slots.has(pgoff)
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

  /** Fills a locked page: with zeros at once, or from its slot. It is unlocked then. */
  read(object: FileObject, page: Pfn): void {
    const { cache, swap } = this.#files
    const { flags, pgoff: indexes } = cache.frames
    const f = cache.frames.frameOf(page)
    const pgoff = indexes[f]!
    const slot = this.slotOf(object, pgoff)
    this.#makeSwapBacked(page, f)
    if (slot === 0) {
      zeroBytes(cache, page, 0, PAGE_SIZE)
      flags[f]! |= PG_uptodate
    } else if (slot === SWSLOT_BAD) flags[f]! |= PG_error
    else {
      const read = { page, pgoff, isCancelled: false }
      this.#noteRead(object, read)
      // The frame stays until the device has answered, whatever becomes of the page.
      getCachePage(cache, page)
      uvmSwapGetStart(swap!, page, slot, (error) => {
        if (!read.isCancelled) this.#finishRead(object, read, slot, error)
        putCachePage(cache, page)
      })
      return
    }
    unlockPage(cache, page)
  }
  /** The page counts as shared memory; the list of the page cache that it is on depends on that. */
  #makeSwapBacked(page: Pfn, f: number): void {
    const { cache } = this.#files
    if (cache.has(f, PG_swapbacked)) return
    const wasListed = isolateLruPage(cache, page)
    cache.frames.flags[f]! |= PG_swapbacked
    cache.count(f, NR_SHMEM, 1)
    if (wasListed) putbackLruPage(cache, page)
  }
  #noteRead(object: FileObject, read: SwapRead): void {
    const reads = this.#reads.get(object)
    if (reads === undefined) this.#reads.set(object, new Set([read]))
    else reads.add(read)
  }
  #finishRead(object: FileObject, read: SwapRead, slot: number, error: 0 | Err): void {
    const { cache, swap, phys } = this.#files
    const { flags } = cache.frames
    const { page, pgoff } = read
    const f = cache.frames.frameOf(page)
    this.#endRead(object, read)
    if (error === 0) {
      object.slots!.delete(pgoff)
      uvmSwapFree(swap!, slot, 1)
      flags[f]! |= PG_uptodate | PG_dirty
      phys.queues?.activate(f)
    } else {
      uvmSwapMarkBad(swap!, slot, 1)
      this.setSlot(object, pgoff, SWSLOT_BAD)
      flags[f]! |= PG_error
    }
    unlockPage(cache, page)
  }
  #endRead(object: FileObject, read: SwapRead): void {
    const reads = this.#reads.get(object)!
    reads.delete(read)
    if (reads.size === 0) this.#reads.delete(object)
  }

  // SwapStore
  /** Itself, where there is swap. */
  get swap(): SwapStore | undefined {
    return this.#files.swap === null ? undefined : this
  }
  slotOf(object: MemoryObject, pgoff: number): number {
    return (object as FileObject).slots?.get(pgoff) ?? 0
  }
  setSlot(object: MemoryObject, pgoff: number, slot: number): void {
    const file = object as FileObject
    file.slots ??= new Map()
    file.slots.set(pgoff, slot)
  }
  /** No page in memory has a slot. */
  dropSwap(): void {}
  dropPage(object: MemoryObject, pgoff: number): void {
    const { cache } = this.#files
    const page = object.pageAt(pgoff) as Pfn
    const f = cache.frames.frameOf(page)
    cache.frames.flags[f]! &= ~(PG_dirty | PG_writeback | PG_reclaim)
    getCachePage(cache, page)
    deleteFromPageCache(cache, page)
    unlockPage(cache, page)
    putCachePage(cache, page)
  }
  ioDone(): boolean {
    return true
  }
  forget(object: FileObject, lo: number, hi: number): void {
    for (const read of this.#reads.get(object) ?? []) {
      if (read.pgoff < lo || read.pgoff >= hi) continue
      read.isCancelled = true
      this.#endRead(object, read)
      unlockPage(this.#files.cache, read.page)
      this.#freeSlot(object, read.pgoff, false)
    }
    if (object.slots === null) return
    for (const pgoff of object.slots.keys()) if (pgoff >= lo && pgoff < hi) this.#freeSlot(object, pgoff, true)
  }
  #freeSlot(object: FileObject, pgoff: number, isOnlyCopy: boolean): void {
    const slot = object.slots!.get(pgoff)!
    object.slots!.delete(pgoff)
    uvmSwapFree(this.#files.swap!, slot, 1, isOnlyCopy)
  }
}

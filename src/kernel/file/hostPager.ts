// Pages of host files: read and written in runs, with the latency of a simulated device.
//
//   read    pages enter the cache locked ──► request ──► the device answers: bytes, PG_uptodate, unlocked
//   write   dirty pages under PG_writeback ──► the host has the bytes ──► the device answers: writeback ends

import {
  EINVAL,
  EIO,
  ENOMEM,
  isErr,
  kassert,
  PAGE_SIZE,
  sleepUntil,
  WouldSleep,
  type Clock,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import {
  PGO_ALLPAGES,
  PGO_CLEANIT,
  PGO_FREE,
  PGO_SYNCIO,
  unmapMappingRange,
  type Access,
  type MemoryObject,
} from '../object/index.ts'
import {
  BackingDevice,
  clearPageDirtyForIo,
  endPageWriteback,
  mappingSetError,
  newReadaheadState,
  putCachePage,
  readCachePages,
  setPageDirty,
  setPageWriteback,
  TAG_DIRTY,
  truncateInodePagesRange,
  trylockPage,
  unlockPage,
  VM_MAX_READAHEAD_PAGES,
  zeroBytes,
  type FileOps,
  type PageCache,
  type WritebackControl,
} from '../pagecache/index.ts'
import { PG_error, PG_uptodate, PG_writeback } from '../phys/index.ts'
import { filemapFdatawriteRange, filemapWriteAndWaitRange, writeCachePages } from '../writeback/index.ts'
import { filemapFault, VM_FAULT_LOCKED, VM_FAULT_OOM } from './filemapFault.ts'
import { dropFilePages, replaceFilePage, usablePage } from './filePages.ts'
import type { Files } from './files.ts'
import type { HostFile } from './hostFiles.ts'
import { vnodeHold, vnodeRelease, type Vnode } from './vnode.ts'
import {
  addZeroPageTry,
  detachVnodeObject,
  referenceVnodeObject,
  vnodeOf,
  type FileObject,
  type FilePager,
} from './vnodePager.ts'

/** Pages written with one request. */
const WRITE_RUN_PAGES = 64

/** What HostFs keeps of a regular file. */
export interface StoredFile {
  /** Size of the file on the host: what lies beyond has never been written there, and reads as zeros. */
  storedBytes: number
  /** Something was written that the host may still lose. */
  needsSync: boolean
  /** Requests that the device has not answered. */
  readonly requests: Set<StoreRequest>
}
/** One request: pages in a row, locked (read) or under writeback (write). */
export interface StoreRequest {
  readonly isRead: boolean
  readonly pages: readonly Pfn[]
  readonly cancel: () => void
}
/** What the pager asks of its file system. */
export interface FileStore {
  storedFile(vnode: Vnode): StoredFile
  /** The open host file of a vnode in use. */
  hostFile(vnode: Vnode, isWritable: boolean): OrErr<HostFile>
  makeDurable(vnode: Vnode): OrErr<0>
}

/** When the simulated device that holds the files answers: requests one after the other, latency and bandwidth. */
export class StoreTime {
  readonly #clock: Clock
  readonly #latencyNs: number
  readonly #bytesPerSecond: number
  #freeAt = 0
  constructor(clock: Clock, latencyNs: number, bytesPerSecond: number) {
    this.#clock = clock
    this.#latencyNs = latencyNs
    this.#bytesPerSecond = bytesPerSecond
  }
  /** When a request of `bytes` submitted now is answered. */
  answerAt(bytes: number): number {
    const service = this.#latencyNs + Math.ceil((bytes * 1e9) / this.#bytesPerSecond)
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now) + service
    return this.#freeAt
  }
}

export class HostPager implements FilePager {
  readonly name = 'host'
  readonly absentIsZero = false
  readonly notifiesWrites = true
  readonly fillsNeighbours = false
  readonly ops: FileOps
  readonly device: BackingDevice
  readonly #files: Files
  readonly #cache: PageCache
  readonly #store: FileStore
  readonly #time: StoreTime

  /** @param windowPages  most pages that are read ahead; 1: none */
  constructor(files: Files, store: FileStore, time: StoreTime, windowPages = VM_MAX_READAHEAD_PAGES) {
    this.#files = files
    this.#cache = files.cache
    this.#store = store
    this.#time = time
    this.device = new BackingDevice('host', 0, windowPages === 1 ? 0 : windowPages)
    this.ops = {
      readPage: (object, page) => this.#readPage(object as FileObject, page),
      readPages: (object, pages) => this.#readPages(object as FileObject, pages),
      writePage: (object, page) => this.#writePage(object as FileObject, page),
      writePages: (object, wbc) => this.#writePages(object as FileObject, wbc),
    }
  }
  reference(object: MemoryObject): void {
    referenceVnodeObject(object)
  }
  detach(object: MemoryObject): void {
    detachVnodeObject(object)
  }
  hasStored(object: FileObject, pgoff: number): boolean {
    return pgoff * PAGE_SIZE < this.#store.storedFile(vnodeOf(object)).storedBytes
  }
  getTry(object: FileObject, pgoff: number, _access: Access): Pfn | WouldSleep | Err {
    if (pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
    const page = usablePage(this.#files, object, pgoff)
    if (page >= 0) return page as Pfn
    if (object.pageAt(pgoff) >= 0 || this.hasStored(object, pgoff)) return WouldSleep
    return addZeroPageTry(this.#files, object, pgoff, false)
  }
  *get(object: FileObject, pgoff: number, _access: Access): Sleep<OrErr<Pfn>> {
    const fault = {
      object,
      ra: (object.faultReadahead ??= newReadaheadState(object)),
      pgoff,
      flags: 0,
      isRandom: false,
      isSequential: false,
      releaseMapLock: null,
      page: null,
    }
    const result = yield* filemapFault(this.#cache, fault)
    if ((result & VM_FAULT_LOCKED) === 0) {
      if ((result & VM_FAULT_OOM) !== 0) return ENOMEM
      if (pgoff * PAGE_SIZE < object.sizeBytes) return EIO
      dropFilePages(this.#files, object, pgoff, pgoff + 1, false)
      return EINVAL
    }
    const page = fault.page! as Pfn
    unlockPage(this.#cache, page)
    putCachePage(this.#cache, page)
    return page
  }
  replacePage(object: FileObject, old: Pfn, fresh: Pfn): boolean {
    if (this.#cache.has(this.#cache.frames.frameOf(old), PG_writeback)) this.finishNow(object)
    return replaceFilePage(this.#files, old, fresh)
  }
  pageDirtied(_object: MemoryObject, _pgoff: number, pfn: Pfn): void {
    setPageDirty(this.#cache, pfn)
  }
  *put(object: FileObject, lo: number, hi: number, flags: number): Sleep<OrErr<0>> {
    const isAll = (flags & PGO_ALLPAGES) !== 0
    const from = isAll ? 0 : lo
    const to = isAll ? Infinity : hi
    let result: OrErr<0> = 0
    if ((flags & PGO_CLEANIT) !== 0) {
      if ((flags & PGO_SYNCIO) !== 0) result = yield* this.sync(object, from, to)
      else {
        const range = byteRange(from, to)
        result = (yield* filemapFdatawriteRange(this.#cache, object, range.start, range.last, false)) as OrErr<0>
      }
    }
    if ((flags & PGO_FREE) !== 0) {
      const { start, last } = byteRange(from, to)
      unmapMappingRange(object, from, to, false)
      yield* truncateInodePagesRange(this.#cache, object, start, last === Infinity ? -1 : last)
    }
    return result
  }

  /** Gives dirty pages `[lo, hi)` to the host and waits as long as the device takes. */
  *write(object: FileObject, lo: number, hi: number): Sleep<OrErr<0>> {
    const { start, last } = byteRange(lo, hi)
    return (yield* filemapWriteAndWaitRange(this.#cache, object, start, last)) as OrErr<0>
  }
  /** The same, and the host has it on its medium when it returns. */
  *sync(object: FileObject, lo: number, hi: number): Sleep<OrErr<0>> {
    const vnode = vnodeOf(object)
    const written = yield* this.write(object, lo, hi)
    if (!this.#store.storedFile(vnode).needsSync) return written
    yield* sleepUntil(this.#time.answerAt(0))
    const durable = this.#store.makeDurable(vnode)
    return isErr(written) ? written : durable
  }
  /**
   * Gives every dirty page to the host, without waiting for the device. Nobody uses the file any more, so that no dirty
   * page is locked.
   */
  writeNow(object: FileObject): void {
    const { pages } = object
    const run = new Run()
    for (let i = pages.nextTagged(0, TAG_DIRTY); i >= 0; i = pages.nextTagged(i + 1, TAG_DIRTY)) {
      const page = object.pageAt(i) as Pfn
      if (this.#cache.has(this.#cache.frames.frameOf(page), PG_writeback)) this.finishNow(object)
      kassert(trylockPage(this.#cache, page), 'a dirty page of a file that nobody uses is not locked')
      if (clearPageDirtyForIo(this.#cache, page)) {
        if (!run.fits(i)) this.#submitWrite(object, run.take())
        setPageWriteback(this.#cache, page)
        run.add(page, i)
      } else pages.clearTag(i, TAG_DIRTY)
      unlockPage(this.#cache, page)
    }
    this.#submitWrite(object, run.take())
  }
  /** Whatever the device still owes for this file, it answers now: reads with nothing, writes with their end. */
  finishNow(object: FileObject): void {
    const { requests } = this.#store.storedFile(vnodeOf(object))
    for (const request of requests) {
      requests.delete(request)
      request.cancel()
      for (const page of request.pages)
        if (request.isRead) unlockPage(this.#cache, page)
        else endPageWriteback(this.#cache, page)
    }
  }

  // oxlint-disable-next-line require-yield
  *#readPage(object: FileObject, page: Pfn): Sleep<number> {
    if (!this.#fillHole(object, page)) this.#submitRead(object, [page])
    return 0
  }
  *#readPages(object: FileObject, pages: number[]): Sleep<void> {
    const { frames } = this.#cache
    const run = new Run()
    const pager = this
    // oxlint-disable-next-line require-yield
    yield* readCachePages(this.#cache, object, pages, function* (page) {
      if (pager.#fillHole(object, page)) return 0
      const index = frames.pgoff[frames.frameOf(page)]!
      if (!run.fits(index)) pager.#submitRead(object, run.take())
      run.add(page, index)
      return 0
    })
    this.#submitRead(object, run.take())
  }
  // oxlint-disable-next-line require-yield
  *#writePage(object: FileObject, page: Pfn): Sleep<number> {
    setPageWriteback(this.#cache, page)
    unlockPage(this.#cache, page)
    this.#submitWrite(object, [page])
    return 0
  }
  *#writePages(object: FileObject, wbc: WritebackControl): Sleep<number> {
    const { frames } = this.#cache
    const run = new Run()
    const pager = this
    const vnode = vnodeHold(vnodeOf(object))
    try {
      // oxlint-disable-next-line require-yield
      return yield* writeCachePages(this.#cache, object, wbc, function* (page) {
        const index = frames.pgoff[frames.frameOf(page)]!
        if (!run.fits(index)) pager.#submitWrite(object, run.take())
        setPageWriteback(pager.#cache, page)
        unlockPage(pager.#cache, page)
        run.add(page, index)
        return 0
      })
    } finally {
      this.#submitWrite(object, run.take())
      vnodeRelease(vnode)
    }
  }

  /** A locked page that the store knows nothing of is zeros, at once. */
  #fillHole(object: FileObject, page: Pfn): boolean {
    const { frames } = this.#cache
    const f = frames.frameOf(page)
    if (this.hasStored(object, frames.pgoff[f]!)) return false
    zeroBytes(this.#cache, page, 0, PAGE_SIZE)
    frames.flags[f]! |= PG_uptodate
    unlockPage(this.#cache, page)
    return true
  }
  #submitRead(object: FileObject, pages: readonly Pfn[]): void {
    if (pages.length === 0) return
    this.#submit(object, true, pages, pages.length * PAGE_SIZE, () => this.#finishRead(object, pages))
  }
  #finishRead(object: FileObject, pages: readonly Pfn[]): void {
    const { frames } = this.#cache
    const { memory } = this.#files.machine
    const vnode = vnodeOf(object)
    const start = frames.pgoff[frames.frameOf(pages[0]!)]! * PAGE_SIZE
    const end = Math.min(this.#store.storedFile(vnode).storedBytes, object.sizeBytes, start + pages.length * PAGE_SIZE)
    const bytes = new Uint8Array(Math.max(0, end - start))
    const host = this.#store.hostFile(vnode, false)
    const got = isErr(host) ? host : host.read(bytes, start)
    pages.forEach((page, i) => {
      const f = frames.frameOf(page)
      if (isErr(got)) frames.flags[f]! |= PG_error
      else {
        const to = memory.frameOffset(page)
        const part = bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)
        memory.u8.set(part, to)
        memory.u8.fill(0, to + part.length, to + PAGE_SIZE)
        frames.flags[f]! |= PG_uptodate
      }
      unlockPage(this.#cache, page)
    })
  }
  /** The host has the bytes when this returns; the program hears of it when the device answers. */
  #submitWrite(object: FileObject, pages: readonly Pfn[]): void {
    if (pages.length === 0) return
    const { frames } = this.#cache
    const { memory } = this.#files.machine
    const vnode = vnodeOf(object)
    const start = frames.pgoff[frames.frameOf(pages[0]!)]! * PAGE_SIZE
    // The file may have become shorter since the page was dirtied.
    const length = Math.max(0, Math.min(start + pages.length * PAGE_SIZE, object.sizeBytes) - start)
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; done += PAGE_SIZE) {
      const from = memory.frameOffset(pages[done / PAGE_SIZE]!)
      bytes.set(memory.u8.subarray(from, from + Math.min(PAGE_SIZE, length - done)), done)
    }
    if (length > 0) {
      const host = this.#store.hostFile(vnode, true)
      const written = isErr(host) ? host : host.write(bytes, start)
      const stored = this.#store.storedFile(vnode)
      stored.needsSync = true
      if (isErr(written)) {
        vnode.writeErrors++
        vnode.writeError = written
        mappingSetError(object, written)
        for (const page of pages) frames.flags[frames.frameOf(page)]! |= PG_error
      } else stored.storedBytes = Math.max(stored.storedBytes, start + length)
    }
    this.#submit(object, false, pages, length, () => {
      for (const page of pages) endPageWriteback(this.#cache, page)
    })
  }
  #submit(object: FileObject, isRead: boolean, pages: readonly Pfn[], bytes: number, answered: () => void): void {
    const { requests } = this.#store.storedFile(vnodeOf(object))
    this.#files.phys.events.add(isRead ? 'pgpgin' : 'pgpgout', Math.ceil(bytes / 1024))
    const request: StoreRequest = {
      isRead,
      pages,
      cancel: this.#files.machine.clock.at(this.#time.answerAt(bytes), () => {
        requests.delete(request)
        answered()
      }),
    }
    requests.add(request)
  }
}

/** Pages in a row, on their way into one request. */
class Run {
  #pages: Pfn[] = []
  #next = -1
  fits(index: number): boolean {
    return this.#pages.length === 0 || (index === this.#next && this.#pages.length < WRITE_RUN_PAGES)
  }
  add(page: Pfn, index: number): void {
    this.#pages.push(page)
    this.#next = index + 1
  }
  take(): readonly Pfn[] {
    const pages = this.#pages
    this.#pages = []
    return pages
  }
}

/** The bytes of pages `[lo, hi)`, last one included. */
function byteRange(lo: number, hi: number): { start: number; last: number } {
  return { start: lo * PAGE_SIZE, last: hi === Infinity ? Infinity : hi * PAGE_SIZE - 1 }
}

// Pages of host files: read in windows, with the latency of a simulated device, and written back in runs.

import {
  EINVAL,
  isErr,
  PAGE_SIZE,
  sleepOn,
  sleepUntil,
  WaitQueue,
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
import { allocPages, allocPagesTry, GFP_HIGHUSER_MOVABLE, putPage } from '../phys/index.ts'
import { addFilePage, dropFilePages, markFilePageClean, markFilePageDirty, TAG_DIRTY } from './filePages.ts'
import type { Files } from './files.ts'
import type { HostFile } from './hostFiles.ts'
import type { Vnode } from './vnode.ts'
import {
  addZeroPage,
  addZeroPageTry,
  detachVnodeObject,
  referenceVnodeObject,
  vnodeOf,
  type FilePager,
} from './vnodePager.ts'

/** Pages read with one request, aligned to their number. */
export const READ_WINDOW_PAGES = 16
/** Pages written with one request. */
const WRITE_RUN_PAGES = 64

/** What HostFs keeps of a regular file. */
export interface StoredFile {
  /** Size of the file on the host: what lies beyond has never been written there, and reads as zeros. */
  storedBytes: number
  /** Something was written that the host may still lose. */
  needsSync: boolean
  /** Reads on their way, by first page of their window. */
  readonly reads: Map<number, WaitQueue>
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
  readonly #files: Files
  readonly #store: FileStore
  readonly #time: StoreTime
  readonly #windowPages: number
  constructor(files: Files, store: FileStore, time: StoreTime, windowPages = READ_WINDOW_PAGES) {
    this.#files = files
    this.#store = store
    this.#time = time
    this.#windowPages = windowPages
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
    const pfn = yield* this.#bring(object, pgoff, true)
    if (isErr(pfn) || pgoff * PAGE_SIZE < object.sizeBytes) return pfn
    dropFilePages(this.#files, object, pgoff, pgoff + 1, false)
    return EINVAL
  }
  pageForWriteTry(object: MemoryObject, pgoff: number): Pfn | WouldSleep | Err {
    const pfn = object.pageAt(pgoff)
    if (pfn >= 0) return pfn as Pfn
    return this.#isStored(object, pgoff) ? WouldSleep : addZeroPageTry(this.#files, object, pgoff)
  }
  *pageForWrite(object: MemoryObject, pgoff: number): Sleep<OrErr<Pfn>> {
    return yield* this.#bring(object, pgoff, false)
  }
  pageDirtied(object: MemoryObject, pgoff: number, pfn: Pfn): void {
    markFilePageDirty(this.#files, object, pgoff, pfn)
  }
  *put(object: MemoryObject, lo: number, hi: number, flags: number): Sleep<OrErr<0>> {
    const isAll = (flags & PGO_ALLPAGES) !== 0
    const from = isAll ? 0 : lo
    const to = isAll ? Infinity : hi
    let result: OrErr<0> = 0
    if ((flags & PGO_CLEANIT) !== 0) {
      result = (flags & PGO_SYNCIO) !== 0 ? yield* this.sync(object, from, to) : this.writeNow(object, from, to, null)
    }
    if ((flags & PGO_FREE) !== 0) dropFilePages(this.#files, object, from, to, false)
    return result
  }

  /**
   * Gives dirty pages `[lo, hi)` to the host, at once: what was dirty has been written when it returns, though no time
   * has passed. Translations of the pages go, so that the next store through a mapping is heard of.
   *
   * @param sizes  takes the bytes of each request, for whoever waits for them
   */
  writeNow(object: MemoryObject, lo: number, hi: number, sizes: number[] | null): OrErr<0> {
    const files = this.#files
    const vnode = vnodeOf(object)
    const { frameOffset } = this.#memory
    let result: OrErr<0> = 0
    for (let at = lo; ;) {
      const first = object.pages.nextTagged(at, TAG_DIRTY)
      if (first < 0 || first >= hi) break
      let end = first + 1
      while (end < hi && end - first < WRITE_RUN_PAGES && object.pages.hasTag(end, TAG_DIRTY)) end++
      at = end
      unmapMappingRange(object, first, end, false)
      const start = first * PAGE_SIZE
      const bytes = new Uint8Array(Math.min(end * PAGE_SIZE, object.sizeBytes) - start)
      for (let i = first; i < end; i++) {
        const from = frameOffset(object.pageAt(i))
        const inRun = (i - first) * PAGE_SIZE
        bytes.set(this.#memory.u8.subarray(from, from + Math.min(PAGE_SIZE, bytes.length - inRun)), inRun)
        markFilePageClean(files, object, i)
      }
      sizes?.push(bytes.length)
      const host = this.#store.hostFile(vnode, true)
      const written = isErr(host) ? host : host.write(bytes, start)
      const stored = this.#store.storedFile(vnode)
      stored.needsSync = true
      if (isErr(written)) {
        vnode.writeErrors++
        vnode.writeError = written
        result = written
      } else stored.storedBytes = Math.max(stored.storedBytes, start + bytes.length)
    }
    return result
  }
  /** The same, waiting as long as the device takes. */
  *write(object: MemoryObject, lo: number, hi: number): Sleep<OrErr<0>> {
    const sizes: number[] = []
    const written = this.writeNow(object, lo, hi, sizes)
    let answer = 0
    for (const bytes of sizes) answer = this.#time.answerAt(bytes)
    if (sizes.length > 0) yield* sleepUntil(answer)
    return written
  }
  /** The same, and the host has it on its medium when it returns. */
  *sync(object: MemoryObject, lo: number, hi: number): Sleep<OrErr<0>> {
    const vnode = vnodeOf(object)
    const written = yield* this.write(object, lo, hi)
    if (!this.#store.storedFile(vnode).needsSync) return written
    yield* sleepUntil(this.#time.answerAt(0))
    const durable = this.#store.makeDurable(vnode)
    return isErr(written) ? written : durable
  }

  get #memory(): { readonly u8: Uint8Array; frameOffset: (pfn: number) => number } {
    const { memory } = this.#files.machine
    return { u8: memory.u8, frameOffset: (pfn) => memory.frameOffset(pfn) }
  }
  #isStored(object: MemoryObject, pgoff: number): boolean {
    return pgoff * PAGE_SIZE < this.#store.storedFile(vnodeOf(object)).storedBytes
  }
  /** The page, read if it is not there. After every sleep everything is looked at again. */
  *#bring(object: MemoryObject, pgoff: number, endsAtSize: boolean): Sleep<OrErr<Pfn>> {
    for (;;) {
      if (endsAtSize && pgoff * PAGE_SIZE >= object.sizeBytes) return EINVAL
      const present = object.pageAt(pgoff)
      if (present >= 0) return present as Pfn
      if (!this.#isStored(object, pgoff)) {
        const fresh = yield* addZeroPage(this.#files, object, pgoff)
        return fresh
      }
      const failed = yield* this.#readWindow(object, pgoff)
      if (failed !== 0) return failed
    }
  }
  // One request for all absent pages of the window.
  //   1. somebody reads it already? wait for that
  //   2. wait as long as the device takes
  //   3. frames: one for the page asked for, others only if they are free at once
  //   4. read, and enter the pages that are still absent
  *#readWindow(object: MemoryObject, pgoff: number): Sleep<0 | Err> {
    const vnode = vnodeOf(object)
    const stored = this.#store.storedFile(vnode)
    const lo = pgoff - (pgoff % this.#windowPages)
    const underway = stored.reads.get(lo)
    if (underway !== undefined) {
      yield* sleepOn(underway)
      return 0
    }
    const queue = new WaitQueue(`read ${vnode.id}`)
    stored.reads.set(lo, queue)
    try {
      const hi = Math.min(lo + this.#windowPages, Math.ceil(stored.storedBytes / PAGE_SIZE))
      yield* sleepUntil(this.#time.answerAt(this.#absent(object, lo, hi).length * PAGE_SIZE))
      const wanted = yield* allocPages(this.#files.phys, GFP_HIGHUSER_MOVABLE, 0)
      if (isErr(wanted)) return wanted
      return this.#fill(object, lo, pgoff, wanted)
    } finally {
      stored.reads.delete(lo)
      queue.wakeAll()
    }
  }
  #absent(object: MemoryObject, lo: number, hi: number): number[] {
    const absent: number[] = []
    for (let i = lo; i < hi; i++) if (object.pageAt(i) < 0) absent.push(i)
    return absent
  }
  #fill(object: MemoryObject, lo: number, pgoff: number, wanted: Pfn): 0 | Err {
    const files = this.#files
    const vnode = vnodeOf(object)
    const end = Math.min(this.#store.storedFile(vnode).storedBytes, object.sizeBytes)
    const absent = this.#absent(object, lo, Math.min(lo + this.#windowPages, Math.ceil(end / PAGE_SIZE)))
    if (!absent.includes(pgoff)) {
      putPage(files.phys, wanted)
      return 0
    }
    const first = absent[0]!
    const bytes = new Uint8Array(Math.min((absent.at(-1)! + 1) * PAGE_SIZE, end) - first * PAGE_SIZE)
    const host = this.#store.hostFile(vnode, false)
    const got = isErr(host) ? host : host.read(bytes, first * PAGE_SIZE)
    if (isErr(got)) {
      putPage(files.phys, wanted)
      return got
    }
    for (const i of absent) {
      const pfn = i === pgoff ? wanted : allocPagesTry(files.phys, GFP_HIGHUSER_MOVABLE, 0)
      if (pfn === WouldSleep || isErr(pfn)) continue
      const to = files.machine.memory.frameOffset(pfn)
      const part = bytes.subarray((i - first) * PAGE_SIZE, (i - first + 1) * PAGE_SIZE)
      files.machine.memory.u8.set(part, to)
      files.machine.memory.u8.fill(0, to + part.length, to + PAGE_SIZE)
      addFilePage(files, object, i, pfn)
    }
    return 0
  }
}

// For the tests of this room: the fixture of the page-cache specification (5), with real memory and page tables.
//
// Disk byte k of a file is pat(k). Reads and writes complete at once, or, deferred, when the test says so.

import {
  GiB,
  isErr,
  kassert,
  MiB,
  PAGE_SIZE,
  pfn,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
  type Sleeper,
  type WakeReason,
  type WouldSleep,
} from '../../base/index.ts'
import { Machine, sv48 } from '../../machine/index.ts'
import { ObjectTable, type MemoryObject, type ObjectMapping, type PagerOps } from '../object/index.ts'
import {
  allocPagesTry,
  bootPhys,
  GFP_KERNEL,
  globalStat,
  PG_error,
  PG_locked,
  PG_uptodate,
  ZONE_STAT_NAMES,
  type Phys,
  type Zone,
} from '../phys/index.ts'
import { pmapCreate, pmapEnter, pmapRemove, Pmaps, pmapUpdate, type Pmap } from '../pmap/index.ts'
import {
  addToPageCacheLru,
  BackingDevice,
  clearPageDirtyForIo,
  endPageWriteback,
  exceptionalEntry,
  FileObject,
  getPageForRead,
  getCachePage,
  lruAddDrainAll,
  mappingSetError,
  PageCache,
  putCachePage,
  setPageDirty,
  setPageWriteback,
  TAG_DIRTY,
  TAG_TOWRITE,
  TAG_WRITEBACK,
  unlockPage,
  verifyPageCache,
  type FileOps,
  type PageCacheOptions,
  type ReadaheadState,
  type WritebackControl,
} from './index.ts'

/** Contents of byte `k` of every test disk. */
export function pat(k: number): number {
  return (7 * k + 13 * Math.floor(k / PAGE_SIZE)) % 256
}

function patternDisk(pages: number): Uint8Array {
  const disk = new Uint8Array(pages * PAGE_SIZE)
  for (let k = 0; k < disk.length; k++) disk[k] = 7 * k + 13 * (k >> 12)
  return disk
}

/** A thread of the test: runs when the test says so. */
export class Task<T> {
  readonly world: TestWorld
  readonly #work: Sleep<T>
  state: 'ready' | 'asleep' | 'done' = 'ready'
  result: T | undefined = undefined
  #reason: WakeReason = 'woken'
  #leave: (() => void) | null = null
  constructor(world: TestWorld, work: Sleep<T>) {
    this.world = world
    this.#work = work
  }
  /** Runs until it sleeps or ends. */
  run(): this {
    kassert(this.state === 'ready', 'a task that runs is ready')
    const { current } = this.world.machine
    const before = current.thread
    current.thread = this
    const step = this.#work.next(this.#reason)
    current.thread = before
    if (step.done === true) {
      this.state = 'done'
      this.result = step.value
      return this
    }
    const { queue, deadline } = step.value
    this.state = 'asleep'
    const sleeper: Sleeper = { wake: (reason) => this.#wake(reason) }
    queue?.join(sleeper)
    const cancel = deadline === Infinity ? null : this.world.machine.clock.at(deadline, () => this.#wake('timeout'))
    this.#leave = () => {
      queue?.leave(sleeper)
      cancel?.()
    }
    return this
  }
  signal(): void {
    this.#wake('signal')
  }
  #wake(reason: WakeReason): void {
    if (this.state !== 'asleep') return
    this.#leave?.()
    this.#reason = reason
    this.state = 'ready'
  }
}

const NO_PAGER: PagerOps = {
  name: 'test',
  reference(object: MemoryObject): void {
    object.refs++
  },
  detach(object: MemoryObject): void {
    object.refs--
  },
  getTry(): Pfn | WouldSleep | Err {
    throw new Error('not used')
  },
  get(): Sleep<OrErr<Pfn>> {
    throw new Error('not used')
  },
  pageDirtied(): void {},
  notifiesWrites: true,
  fillsNeighbours: false,
}

/** A file of the fixture: its disk, its file system's callbacks, and what they were asked. */
export class TestFile {
  readonly world: TestWorld
  readonly object: FileObject
  disk: Uint8Array
  /** Pages whose read fails, by index. */
  readonly badPages = new Set<number>()
  isReadDeferred = false
  isWriteDeferred = false
  readonly reads: number[] = []
  readonly writes: number[] = []
  readonly log: string[] = []
  readonly #pending = new Map<number, 'read' | 'write'>()
  readonly ops: { -readonly [K in keyof FileOps]: FileOps[K] }

  constructor(world: TestWorld, sizeBytes: number, device: BackingDevice, blockShift = 12) {
    this.world = world
    this.disk = patternDisk(Math.ceil(sizeBytes / PAGE_SIZE))
    this.ops = {
      readPage: (_object, page) => this.#readPage(page),
      writePage: (_object, page) => this.#writePage(page),
    }
    this.object = new FileObject(world.cache, NO_PAGER, null, sizeBytes, {
      ops: this.ops,
      device,
      blockShift,
      ino: 12,
      dev: 2049,
    })
  }

  /** What the walk of a buffered read does with the cache; the indexes it copied from, or its error. */
  *read(ra: ReadaheadState, position: number, bytes: number): Sleep<OrErr<number[]>> {
    const { cache } = this.world
    const seen: number[] = []
    const last = Math.ceil((position + bytes) / PAGE_SIZE)
    for (let index = Math.floor(position / PAGE_SIZE); index < last; index++) {
      const page = yield* getPageForRead(cache, this.object, ra, index, last - index)
      if (isErr(page)) return seen.length > 0 ? seen : page
      putCachePage(cache, page)
      if (index * PAGE_SIZE >= this.object.sizeBytes) break
      seen.push(index)
      ra.prevPos = index * PAGE_SIZE + ((position + bytes) % PAGE_SIZE)
    }
    return seen
  }

  /** Hands a locked dirty page to the file system. */
  *write(page: Pfn): Sleep<number> {
    clearPageDirtyForIo(this.world.cache, page)
    return yield* this.#writePage(page)
  }
  /** Writes a locked page at once and keeps it locked. */
  // oxlint-disable-next-line require-yield
  *launder(page: Pfn): Sleep<0 | Err> {
    clearPageDirtyForIo(this.world.cache, page)
    this.writes.push(this.world.indexOf(page))
    this.#toDisk(page)
    return 0
  }

  /** A read or write that was deferred is done, or has failed. */
  complete(page: Pfn, err: 0 | Err = 0): void {
    const f = this.world.frame(page)
    const what = this.#pending.get(page)
    kassert(what !== undefined, 'what completes had begun')
    this.#pending.delete(page)
    if (what === 'read') this.#finishRead(page, err)
    else {
      if (err === 0) this.#toDisk(page)
      else {
        this.world.cache.frames.flags[f] |= PG_error
        mappingSetError(this.object, err)
      }
      endPageWriteback(this.world.cache, page)
    }
  }
  bytes(page: Pfn): Uint8Array {
    return this.world.bytes(page)
  }
  /** Pages whose read or write has begun and not ended. */
  get pending(): Pfn[] {
    return [...this.#pending.keys()].map(pfn)
  }

  // oxlint-disable-next-line require-yield
  *#readPage(page: Pfn): Sleep<number> {
    this.reads.push(this.world.indexOf(page))
    if (this.isReadDeferred) this.#pending.set(page, 'read')
    else this.#finishRead(page, 0)
    return 0
  }
  #finishRead(page: Pfn, err: 0 | Err): void {
    const { cache } = this.world
    const f = this.world.frame(page)
    const index = this.world.indexOf(page)
    if (err !== 0 || this.badPages.has(index)) cache.frames.flags[f] |= PG_error
    else {
      const bytes = this.bytes(page).fill(0)
      const end = Math.min(this.object.sizeBytes, (index + 1) * PAGE_SIZE)
      if (end > index * PAGE_SIZE) bytes.set(this.disk.subarray(index * PAGE_SIZE, end))
      cache.frames.flags[f] |= PG_uptodate
    }
    unlockPage(cache, page)
  }
  // oxlint-disable-next-line require-yield
  *#writePage(page: Pfn): Sleep<number> {
    this.writes.push(this.world.indexOf(page))
    setPageWriteback(this.world.cache, page)
    unlockPage(this.world.cache, page)
    this.#pending.set(page, 'write')
    if (!this.isWriteDeferred) this.complete(page)
    return 0
  }
  #toDisk(page: Pfn): void {
    const at = this.world.indexOf(page) * PAGE_SIZE
    if (at + PAGE_SIZE > this.disk.length) {
      const grown = new Uint8Array(at + PAGE_SIZE)
      grown.set(this.disk)
      this.disk = grown
    }
    this.disk.set(this.bytes(page), at)
  }
}

export class TestWorld {
  readonly machine: Machine
  readonly phys: Phys
  readonly pmaps: Pmaps
  readonly cache: PageCache
  readonly device = new BackingDevice('bdi0')
  /** The task of the latest `now`, whose account a test looks at. */
  lastTask: object | null = null
  readonly #mappings = new Map<FileObject, Pmap>()

  constructor(options: PageCacheOptions = {}, ramBytes = 32 * MiB) {
    const ram = [{ start: 2 * GiB, end: 2 * GiB + ramBytes }]
    this.machine = new Machine({ ram, cpus: 1, tlb: { entries: 16, ways: 4 }, format: sv48, seed: 1 })
    this.phys = bootPhys(this.machine, { memory: ram })
    this.pmaps = new Pmaps(this.machine, this.phys)
    this.cache = new PageCache(this.phys, new ObjectTable(), { pmaps: this.pmaps, ...options })
  }
  file(sizeBytes: number, device = this.device, blockShift = 12): TestFile {
    return new TestFile(this, sizeBytes, device, blockShift)
  }
  start<T>(work: Sleep<T>): Task<T> {
    return new Task(this, work).run()
  }
  /** Runs what must not sleep here. */
  now<T>(work: Sleep<T>): T {
    const task = this.start(work)
    this.lastTask = task
    kassert(task.state === 'done', 'nothing has to be waited for')
    return task.result as T
  }

  /** A fresh page of the test's own, count 1. */
  page(): Pfn {
    const page = allocPagesTry(this.phys, GFP_KERNEL, 0)
    if (typeof page !== 'number' || isErr(page)) throw new Error('no memory for a test page')
    return page
  }
  lockedPage(): Pfn {
    const page = this.page()
    this.cache.frames.flags[this.frame(page)] |= PG_locked
    return page
  }
  /** An idle page of the file: up to date, clean, unlocked, count 1. */
  idle(file: TestFile, index: number, fill?: number): Pfn {
    const page = this.page()
    kassert(this.now(addToPageCacheLru(this.cache, page, file.object, index, GFP_KERNEL)) === 0, 'the index was free')
    const bytes = this.bytes(page)
    if (fill !== undefined) bytes.fill(fill)
    else for (let k = 0; k < PAGE_SIZE; k++) bytes[k] = pat(index * PAGE_SIZE + k)
    this.set(page, PG_uptodate)
    unlockPage(this.cache, page)
    putCachePage(this.cache, page)
    lruAddDrainAll(this.cache)
    return page
  }
  dirty(file: TestFile, index: number): Pfn {
    const page = this.idle(file, index)
    setPageDirty(this.cache, page)
    return page
  }
  shadow(file: TestFile, index: number, value = 0x9a2): void {
    file.object.pages.set(index, exceptionalEntry(value))
    file.object.nrShadows++
  }
  /** Maps a page of the file at page `index` of a test address space, removable through the object's mappings. */
  map(file: TestFile, index: number, prot: number): void {
    const pmap = this.#mappings.get(file.object) ?? this.#newMapping(file.object)
    const page = file.object.pageAt(index) as Pfn
    kassert(pmapEnter(pmap, (index + 1) * PAGE_SIZE, page, prot, prot) === 0, 'a test page is mapped')
    pmapUpdate(pmap)
  }
  pmapOf(file: TestFile): Pmap {
    return this.#mappings.get(file.object)!
  }
  #newMapping(object: FileObject): Pmap {
    const pmap = pmapCreate(this.pmaps)
    if (isErr(pmap)) throw new Error('no memory for a test pmap')
    this.#mappings.set(object, pmap)
    const mapping: ObjectMapping = {
      firstPage: 0,
      pageCount: 2 ** 20,
      isSharedWritable: true,
      unmapRange: (lo, hi) => {
        pmapRemove(pmap, (lo + 1) * PAGE_SIZE, (Math.min(hi, 2 ** 20) + 1) * PAGE_SIZE)
        pmapUpdate(pmap)
      },
    }
    object.mappings.add(mapping)
    return pmap
  }

  frame(page: Pfn): number {
    return this.cache.frames.frameOf(page)
  }
  countOf(page: Pfn): number {
    return this.cache.frames.refcount[this.frame(page)]
  }
  indexOf(page: Pfn): number {
    return this.cache.frames.pgoff[this.frame(page)]
  }
  ownerOf(page: Pfn): number {
    return this.cache.frames.owner[this.frame(page)]
  }
  has(page: Pfn, flag: number): boolean {
    return this.cache.has(this.frame(page), flag)
  }
  set(page: Pfn, flag: number): void {
    this.cache.frames.flags[this.frame(page)] |= flag
  }
  clear(page: Pfn, flag: number): void {
    this.cache.frames.flags[this.frame(page)] &= ~flag
  }
  hold(page: Pfn): Pfn {
    getCachePage(this.cache, page)
    return page
  }
  bytes(page: Pfn): Uint8Array {
    const offset = this.machine.memory.frameOffset(page)
    return this.machine.memory.u8.subarray(offset, offset + PAGE_SIZE)
  }
  zone(page: Pfn): Zone {
    return this.phys.zoneOfPfn(page)
  }
  /** Tags of a slot, as letters: D, W, T. */
  tags(file: TestFile, index: number): string {
    const { pages } = file.object
    const letters = [TAG_DIRTY, TAG_WRITEBACK, TAG_TOWRITE].map((tag) => (pages.hasTag(index, tag) ? 'DWT'[tag] : ''))
    return letters.join('')
  }
  /** What changes over a call, of the zone counters, events and device counters that change at all. */
  delta(act: () => void, device = this.device): Record<string, number> {
    const before = this.#counters(device)
    act()
    const after = this.#counters(device)
    const changed: Record<string, number> = {}
    for (const [name, n] of after) if (n !== before.get(name)) changed[name] = n - before.get(name)!
    return changed
  }
  #counters(device: BackingDevice): Map<string, number> {
    const all = new Map<string, number>()
    ZONE_STAT_NAMES.forEach((name, item) => {
      if (/file_pages|dirty|writeback$|dirtied|written|workingset|shmem/.test(name))
        all.set(name, globalStat(this.phys, item))
    })
    for (const name of ['pgactivate', 'pgdeactivate', 'pgrotated']) all.set(name, this.phys.events.get(name))
    all.set('BDI_RECLAIMABLE', device.reclaimable)
    all.set('BDI_WRITEBACK', device.writeback)
    all.set('BDI_DIRTIED', device.dirtied)
    all.set('BDI_WRITTEN', device.written)
    return all
  }
  verify(): void {
    verifyPageCache(this.cache)
  }
}

export const wbcNone = (nrToWrite = 100): WritebackControl => ({
  nrToWrite,
  pagesSkipped: 0,
  rangeStart: 0,
  rangeEnd: Infinity,
  isSyncAll: false,
  rangeCyclic: false,
  taggedWritepages: false,
  forKupdate: false,
  forBackground: false,
  forReclaim: false,
})

import type { Clock, Trace } from '../../base/index.ts'
import type { ObjectTable } from '../object/index.ts'
import { MAX_NR_ZONES, PG_anon, type Frames, type Phys, type Zone } from '../phys/index.ts'
import type { Pmaps } from '../pmap/index.ts'
import { BackingDevice, BDI_CAP_NO_ACCT_AND_WRITEBACK } from './backingDevice.ts'
import type { PageBuffers } from './buffers.ts'
import { Completions } from './completions.ts'
import type { Exceptional } from './constants.ts'
import { FileObject } from './fileObject.ts'
import { Lru } from './lru.ts'
import { PageWaits } from './pageWaits.ts'

/** I/O and dirtying done by one thread. */
export class TaskIo {
  readBytes = 0
  /** Charged when a page is dirtied. */
  writeBytes = 0
  /** Dirty pages that were thrown away. */
  cancelledWriteBytes = 0
  /** Pages dirtied since the throttle looked last, and how many make it look again. */
  nrDirtied = 0
  nrDirtiedPause = 32
  /** Time of the last throttle pause, 0 = never. */
  dirtyPausedWhen = 0
}

export interface PageCacheOptions {
  /** Translations of pages; without them no page is ever mapped. */
  readonly pmaps?: Pmaps
  /** Page wait queues of each zone; one for about 256 pages unless told. */
  readonly waitQueuesPerZone?: number
}

/** State of the room: the page cache of one system. */
export class PageCache {
  readonly phys: Phys
  readonly frames: Frames
  readonly objects: ObjectTable
  readonly clock: Clock
  readonly trace: Trace
  readonly lru: Lru
  readonly waits: PageWaits
  /** Who maps pages; null where nothing is mapped. */
  readonly pmaps: Pmaps | null
  readonly completions = new Completions()
  /** For objects that are their own store. */
  readonly memoryDevice = new BackingDevice('memory', BDI_CAP_NO_ACCT_AND_WRITEBACK, 0)
  /** Evictions plus activations of each zone, by zone slot. */
  readonly inactiveAge: Float64Array
  /** Pages dirtied on each CPU since its last throttle check. */
  readonly dirtyRatelimits: Int32Array
  /** Buffers of the pages that have some, by frame. */
  readonly buffers = new Map<number, PageBuffers>()
  /** The shadow that the last insertion displaced. Borrowed until the next one. */
  displaced: Exceptional | null = null
  /** Fault injection: the n-th index node wanted from now is not to be had (0 = off). */
  failIndexNodeAfter = 0
  readonly #tasks = new WeakMap<object, TaskIo>()
  readonly #noTask = new TaskIo()
  readonly #warned = new Set<string>()

  constructor(phys: Phys, objects: ObjectTable, options: PageCacheOptions = {}) {
    this.phys = phys
    this.frames = phys.frames
    this.objects = objects
    this.clock = phys.machine.clock
    this.trace = phys.machine.trace
    this.lru = new Lru(phys)
    this.waits = new PageWaits(phys, options.waitQueuesPerZone ?? 0)
    this.pmaps = options.pmaps ?? null
    this.inactiveAge = new Float64Array(phys.nodes.length * MAX_NR_ZONES)
    this.dirtyRatelimits = new Int32Array(phys.machine.cpus.length)
  }

  /** The account of the running thread; what runs without a thread shares one. */
  get io(): TaskIo {
    const thread = this.phys.machine.current.thread
    if (thread === null) return this.#noTask
    let io = this.#tasks.get(thread)
    if (io === undefined) this.#tasks.set(thread, (io = new TaskIo()))
    return io
  }
  /** The object that a frame belongs to (page.mapping), or null: none, an anon, or not a file's. */
  objectOf(f: number): FileObject | null {
    const owner = this.frames.owner[f]!
    if (owner === 0 || (this.frames.flags[f] & PG_anon) !== 0) return null
    const object = this.objects.byId.get(owner)
    return object instanceof FileObject ? object : null
  }
  /** Is the frame a page of this object (page.mapping === mapping)? */
  belongsTo(f: number, object: FileObject): boolean {
    return this.frames.owner[f] === object.id && (this.frames.flags[f] & PG_anon) === 0
  }
  has(f: number, flag: number): boolean {
    return (this.frames.flags[f] & flag) !== 0
  }
  /** Has any translation. */
  isMapped(f: number): boolean {
    return this.frames.mapcount[f] >= 0
  }
  zoneOf(f: number): Zone {
    return this.phys.zoneOf(f)
  }
  /** Adds to a zone counter of the frame's zone. */
  count(f: number, item: number, by: number): void {
    this.phys.zoneOf(f).stat[item] += by
  }
  warn(text: string): void {
    this.phys.log.warn(text)
  }
  warnOnce(text: string): void {
    if (this.#warned.has(text)) return
    this.#warned.add(text)
    this.phys.log.warn(text)
  }
  /** A frame for messages. */
  describe(f: number): string {
    const { frames } = this
    return `pfn ${frames.pfnAt(f)} object ${frames.owner[f]} index ${frames.pgoff[f]} count ${frames.refcount[f]}`
  }
}

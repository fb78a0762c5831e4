// The state of this room, and the few words all its parts use.

import { Trace } from '../../base/index.ts'
import type { Clock } from '../../base/index.ts'
import type { CoherentMemory } from './coherent.ts'
import { directCoherent } from './coherent.ts'
import type { DeviceFiles } from './device.ts'
import { plainDeviceFiles } from './device.ts'
import type { DmaPool } from './dmaPool.ts'
import type { KmemCache, Slab } from './kmemCache.ts'
import type { Mempool } from './mempool.ts'
import { Mutex } from './mutex.ts'
import type { Bookkeeping, BookkeepingKind, PageSource, RamBytes, Running } from './sources.ts'

export interface PoolsConfig {
  readonly ram: RamBytes
  readonly pages: PageSource
  readonly clock: Clock
  /** Kernel address of physical address 0 in the direct map. */
  readonly directMap: number
  readonly running?: Running
  readonly trace?: Trace
  readonly bookkeeping?: Bookkeeping
  readonly coherent?: CoherentMemory
  readonly deviceFiles?: DeviceFiles
  /** Poison free memory and check it: the debug options of slab, mempool and DMA pools together. */
  readonly debug?: boolean
  /** Receives every one-line diagnostic; they are also kept in `Pools.log`. */
  readonly warn?: (line: string) => void
}

/** Limits the diagnostics kept: a broken driver may produce them without end. */
const LOG_LINES = 1000

/** Everything the room knows. Two of them can live in one process. */
export class Pools {
  readonly ram: RamBytes
  /** `ram.u8`, by words. */
  readonly view: DataView
  readonly pages: PageSource
  readonly clock: Clock
  readonly directMap: number
  readonly running: Running | null
  readonly trace: Trace
  readonly bookkeeping: Bookkeeping | null
  readonly coherent: CoherentMemory
  readonly deviceFiles: DeviceFiles
  readonly isDebugging: boolean
  readonly log: string[] = []
  /** Every cache, oldest first. */
  readonly caches: KmemCache[] = []
  /** General-purpose caches by size class, made on first use: [any zone, DMA zone]. */
  readonly kmallocCaches: (KmemCache | null)[][] = [[], []]
  /** The slab a frame belongs to, by frame number. */
  readonly slabOfFrame = new Map<number, Slab>()
  /** Order of the kmalloc blocks too large for a slab, by first frame number. */
  readonly largeOrders = new Map<number, number>()
  readonly mempools = new Set<Mempool<unknown, unknown>>()
  readonly dmaPools = new Set<DmaPool>()
  /** Held while DMA pools are put on and off the lists of their devices, and the device's file comes and goes. */
  readonly registration = new Mutex('dma_pool registration')
  readonly #sink: ((line: string) => void) | null
  readonly #warnedOnce = new Set<string>()

  constructor(config: PoolsConfig) {
    this.ram = config.ram
    const { buffer, byteOffset, byteLength } = config.ram.u8
    this.view = new DataView(buffer, byteOffset, byteLength)
    this.pages = config.pages
    this.clock = config.clock
    this.directMap = config.directMap
    this.running = config.running ?? null
    this.trace = config.trace ?? new Trace()
    this.bookkeeping = config.bookkeeping ?? null
    this.coherent = config.coherent ?? directCoherent(this)
    this.deviceFiles = config.deviceFiles ?? plainDeviceFiles
    this.isDebugging = config.debug ?? false
    this.#sink = config.warn ?? null
  }
  /** Records a one-line diagnostic and goes on (specification 0.2, "warn"). */
  warn(line: string): void {
    if (this.log.length === LOG_LINES) this.log.shift()
    this.log.push(line)
    this.#sink?.(line)
  }
  warnOnce(line: string): void {
    if (this.#warnedOnce.has(line)) return
    this.#warnedOnce.add(line)
    this.warn(line)
  }
  /** Is there room for a descriptor? */
  reserve(what: BookkeepingKind, bytes: number): boolean {
    return this.bookkeeping === null || this.bookkeeping.reserve(what, bytes)
  }
}

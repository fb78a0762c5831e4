import { RANK_ZONE, SpinLock, WaitQueue } from '../../base/index.ts'
import { MAX_NR_ZONES, MAX_ORDER } from './configuration.ts'
import { NR_ZONE_STATS } from './counters.ts'
import type { Frames } from './frames.ts'
import { MIGRATE_PCPTYPES, MIGRATE_TYPES } from './gfp.ts'

/** One CPU's order-0 pages of one zone: three lists, front = hot. Pages on them count as allocated. */
export class PerCpuPages {
  /** Lists `lists` + 0, 1, 2: unmovable, reclaimable, movable. */
  readonly lists: number
  count = 0
  high = 0
  batch = 1
  constructor(frames: Frames) {
    this.lists = frames.newList()
    for (let i = 1; i < MIGRATE_PCPTYPES; i++) frames.newList()
  }
}

/** Compaction's memory of a zone: where its scanners stopped and how often it was put off. */
export class CompactionState {
  considered = 0
  deferShift = 0
  orderFailed = 0
  /** -1: start at the zone's ends. */
  migratePfn = -1
  freePfn = -1
}

/** A zone of a node. Every node has four; an empty one (spanned 0) still takes part in the arithmetic. */
export class Zone {
  /** node * 4 + index: the zone byte of its frames. */
  readonly slot: number
  readonly index: number
  readonly node: number
  readonly name: string
  /** Without kernel addresses; known once the movable zone is. */
  isHighmem = false

  startPfn = 0
  /** Pages from start to end, holes included. */
  spanned = 0
  /** spanned without holes. */
  present = 0
  /** Pages handed to the buddy allocator. Guarded by `lock`. */
  managed = 0

  /** MIN, LOW, HIGH, in pages. */
  readonly watermark = new Float64Array(3)
  readonly lowmemReserve = new Float64Array(MAX_NR_ZONES)
  percpuDriftMark = 0
  dirtyBalanceReserve = 0
  inactiveRatio = 1
  minUnmappedPages = 0
  minSlabPages = 0

  /** Free blocks by order, on all migrate types. Guarded by `lock`. */
  readonly nrFree = new Int32Array(MAX_ORDER)
  /** List of (order, type) is freeLists + order * 6 + type; -1 before the frame table exists. */
  freeLists = -1
  pcp: PerCpuPages[] = []
  /** Position of this zone's first pageblock minus that of frame 0 (see pageblock.ts). */
  blockOffset = 0

  nrIsolatePageblock = 0
  nrMigrateReserveBlock = 0
  isFairDepleted = false
  isReclaimLocked = false
  isOomLocked = false
  readonly compaction = new CompactionState()
  /** Exact counters, by position of ZONE_STAT_NAMES. */
  readonly stat = new Float64Array(NR_ZONE_STATS)
  readonly lock: SpinLock

  constructor(node: number, index: number, name: string) {
    this.slot = node * MAX_NR_ZONES + index
    this.index = index
    this.node = node
    this.name = name
    this.lock = new SpinLock(RANK_ZONE, `zone ${node}/${name}`)
  }
  get endPfn(): number {
    return this.startPfn + this.spanned
  }
  get isPopulated(): boolean {
    return this.present !== 0
  }
  get isEmpty(): boolean {
    return this.spanned === 0
  }
  spans(pfn: number): boolean {
    return pfn >= this.startPfn && pfn < this.startPfn + this.spanned
  }
  /** Name of the free list of an order and a migrate type. */
  freeList(order: number, type: number): number {
    return this.freeLists + order * MIGRATE_TYPES + type
  }
}

/** An ordered choice of populated zones, with the first usable entry for each request zone. */
export class Zonelist {
  readonly zones: readonly Zone[]
  /** Position of the first zone with index at most i; -1 if there is none. */
  readonly first: Int32Array
  constructor(zones: readonly Zone[]) {
    this.zones = zones
    this.first = new Int32Array(MAX_NR_ZONES)
    for (let i = 0; i < MAX_NR_ZONES; i++) this.first[i] = zones.findIndex((zone) => zone.index <= i)
  }
}

/** A node: CPUs and memory at one distance. */
export class Node {
  readonly id: number
  readonly zones: readonly Zone[]
  isOnline = false
  hasCpu = false
  /** State MEMORY: the node has present pages. */
  hasMemory = false
  hasNormalMemory = false
  hasHighMemory = false
  startPfn = 0
  /** Sum of the zones' spans. */
  spanned = 0
  present = 0
  /** Index of the highest initialised zone + 1. */
  nrZones = 0
  /** [0] all nodes in fallback order, [1] this node only. */
  zonelists: readonly [Zonelist, Zonelist] = [new Zonelist([]), new Zonelist([])]
  readonly kswapdWait: WaitQueue
  readonly pfmemallocWait: WaitQueue
  /** What the next round of the node's page daemon should achieve. */
  kswapdMaxOrder = 0
  classzoneIdx = MAX_NR_ZONES - 1

  constructor(id: number, zoneNames: readonly string[]) {
    this.id = id
    this.zones = zoneNames.map((name, index) => new Zone(id, index, name))
    this.kswapdWait = new WaitQueue(`kswapd${id}`)
    this.pfmemallocWait = new WaitQueue(`pfmemalloc${id}`)
  }
}

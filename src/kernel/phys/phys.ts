import { MapLock, panic, type Clock, type Trace } from '../../base/index.ts'
import type { CmaArea } from './cma.ts'
import { CFG64, DIRECT_MAP_BASE, MAX_NR_ZONES, type Configuration } from './configuration.ts'
import { VmEvents } from './counters.ts'
import { Frames } from './frames.ts'
import { GFP_BOOT_MASK } from './gfp.ts'
import { foldHotCounters, HotRequest } from './hotPage.ts'
import { Memblock } from './memblock.ts'
import type { MemoryTask, PageQueues, Reclaimer } from './reclaimer.ts'
import { Node, type Zone } from './zone.ts'

/** The part of RAM this room needs. */
export interface FrameMemory {
  readonly ramBytes: number
  /** Bytes that can be touched at once. */
  readonly backingBytes: number
  readonly u8: Uint8Array
  /** Byte offset of a frame, -1 without RAM or backing. */
  frameOffset(pfn: number): number
  zeroFrame(pfn: number): void
  copyFrame(dst: number, src: number): void
}
export interface PhysCpu {
  readonly id: number
  /** Memory node it is near; 0 if absent. */
  readonly node?: number
  interruptsEnabled: boolean
  preemptionDepth: number
  interruptLevel: number
}
/** The machine as this room sees it; `memory` is null in tests that only count frames. */
export interface PhysMachine {
  readonly memory: FrameMemory | null
  readonly cpus: readonly PhysCpu[]
  readonly clock: Clock
  readonly trace: Trace
  readonly current: { cpu: PhysCpu; thread: object | null }
}

/** What does not follow from the machine. */
export interface PhysOptions {
  readonly config?: Configuration
  readonly pageblockOrder?: number
  /** Node of each CPU; the machine's own unless told. */
  readonly cpuNode?: readonly number[]
  /** Online nodes besides those that have memory or CPUs. */
  readonly nodes?: readonly number[]
  /** Distance from node to node; 10 and 20 unless told. */
  readonly distance?: readonly (readonly number[])[]
  /** Pages; see freeAreaInitNodes. */
  readonly kernelcore?: number
  readonly movablecore?: number
  readonly movableNode?: boolean
  readonly guardpageMinorder?: number
  readonly directMapBase?: number
}

/** Kernel messages of this room: a ring of lines, of which warnings are marked. */
export class KernelLog {
  readonly lines: string[] = []
  readonly warnings: string[] = []
  print(text: string): void {
    if (this.lines.push(text) > 1000) this.lines.shift()
  }
  warn(text: string): void {
    this.print(text)
    if (this.warnings.push(text) > 1000) this.warnings.shift()
  }
}

/** Settings an administrator may change (physical specification, 4.7). Writers are in tunables.ts. */
export class Tunables {
  minFreeKbytes = 1024
  /** What the user wrote last, -1 if nothing. */
  userMinFreeKbytes = -1
  lowmemReserveRatio: [number, number, number]
  percpuPagelistFraction = 0
  zoneReclaimMode = 0
  minUnmappedRatio = 1
  minSlabRatio = 5
  extfragThreshold = 500
  zonelistOrder: 'node' | 'zone'
  constructor(config: Configuration) {
    this.lowmemReserveRatio = [...config.lowmemReserveRatio]
    this.zonelistOrder = config.zonelistOrder
  }
}

/** State of the room: all physical memory of one machine, from the firmware map to the last free page. */
export class Phys {
  readonly machine: PhysMachine
  readonly config: Configuration
  readonly memblock: Memblock
  readonly pageblockOrder: number
  readonly pageblockPages: number
  readonly events: VmEvents
  readonly log = new KernelLog()
  readonly tunables: Tunables
  readonly directMapBase: number
  readonly guardpageMinorder: number
  readonly movableNode: boolean
  readonly kernelcore: number
  readonly movablecore: number

  /** All possible nodes by id; offline ones have empty zones. */
  readonly nodes: readonly Node[]
  /** Zones by slot (node * 4 + index). */
  readonly zoneBySlot: readonly Zone[]
  readonly cpuNode: readonly number[]
  readonly #distance: readonly (readonly number[])[] | null

  frames: Frames
  /** Node of each present section, by section number. */
  readonly sectionNode = new Map<number, number>()
  /** Section-to-node table: always the latest caller's node. */
  readonly sectionToNode = new Map<number, number>()
  /** Pageblock nibbles, most significant first (pageblock.ts). */
  pageblockBits = new Uint32Array(0)

  reclaimer: Reclaimer | null = null
  /** Takes a page of a file off its list when its last reference goes, bound by the page cache. */
  releaseLru: ((f: number) => void) | null = null
  /** Paging queues of the page-replacement policy, bound with the reclaimer; null: pages are on none. */
  queues: PageQueues | null = null
  /** Each answers how many pages of a range a balloon holds: those do not hinder isolation. */
  readonly isolateNotifiers: ((startPfn: number, pages: number) => number)[] = []
  /** CMA areas, in the order they were made. */
  readonly cmaAreas: CmaArea[] = []
  /** One contiguous range is made at a time. */
  readonly contigMutex = new MapLock('cma')
  gfpAllowedMask = GFP_BOOT_MASK
  isMobilityGroupingDisabled = false
  /** Frames may exist that cannot be backed: allocation then checks. */
  mayLackBacking = false
  /** The kind of request that came last (hotPage.ts). */
  readonly hotRequest = new HotRequest()
  /** Fault injection: the n-th allocation from now fails (0 = off). */
  failAfter = 0
  readonly zonelistsMutex = new MapLock('zonelists')

  dmaReserve = 0
  lowestPfn = new Float64Array(MAX_NR_ZONES)
  highestPfn = new Float64Array(MAX_NR_ZONES)
  /** Start of the movable zone of each node, 0 = none. */
  zoneMovablePfn: Float64Array
  /** The zone the movable zones are cut from. */
  movableZone = 0
  nodeLoad: Float64Array
  nrKernelPages = 0
  nrAllPages = 0
  totalramPages = 0
  totalreservePages = 0
  totalcmaPages = 0
  maxPfn = 0
  highestMemmapPfn = 0
  vmTotalPages = 0
  /** Highest possible node id + 1. */
  nrNodeIds = 1
  nrOnlineNodes = 0
  nrBadPages = 0
  lastFailureWarning = -Infinity
  /** Frames taken out of service because the host could not back them. */
  nrUnbackedPages = 0
  badPageWindow = { start: -Infinity, reports: 0 }

  constructor(machine: PhysMachine, options: PhysOptions = {}) {
    this.machine = machine
    this.config = options.config ?? CFG64
    this.pageblockOrder = options.pageblockOrder ?? 9
    this.pageblockPages = 2 ** this.pageblockOrder
    this.events = new VmEvents(this.config.zoneWords)
    this.events.fold = () => foldHotCounters(this)
    this.tunables = new Tunables(this.config)
    this.directMapBase = options.directMapBase ?? DIRECT_MAP_BASE
    this.guardpageMinorder = options.guardpageMinorder ?? 0
    this.movableNode = options.movableNode ?? false
    this.kernelcore = options.kernelcore ?? 0
    this.movablecore = options.movablecore ?? 0
    this.cpuNode = machine.cpus.map((cpu, i) => options.cpuNode?.[i] ?? cpu.node ?? 0)
    this.#distance = options.distance ?? null
    this.memblock = new Memblock({
      maxNumNodes: this.config.maxNumNodes,
      warn: (text) => this.log.warn(text),
    })
    this.memblock.movableNode = this.movableNode
    const nodes: Node[] = []
    for (let id = 0; id < this.config.maxNumNodes; id++) nodes.push(new Node(id, this.config.zoneNames))
    this.nodes = nodes
    this.zoneBySlot = nodes.flatMap((node) => node.zones)
    this.zoneMovablePfn = new Float64Array(nodes.length)
    this.nodeLoad = new Float64Array(nodes.length)
    this.frames = new Frames([], this.config.sectionShift, 0)
    for (const id of this.cpuNode) {
      this.nodes[id]!.hasCpu = true
      this.setOnline(id)
    }
    for (const id of options.nodes ?? []) this.setOnline(id)
  }

  setOnline(id: number): void {
    const node = this.nodes[id]
    if (node === undefined) panic('a node id is below MAX_NUMNODES', `${id}`)
    if (!node.isOnline) this.nrOnlineNodes++
    node.isOnline = true
    this.nrNodeIds = Math.max(this.nrNodeIds, id + 1)
  }
  get onlineNodes(): Node[] {
    return this.nodes.filter((node) => node.isOnline)
  }
  /** Zones of the online nodes, ascending. */
  get zones(): Zone[] {
    return this.onlineNodes.flatMap((node) => [...node.zones])
  }
  get populatedZones(): Zone[] {
    return this.zones.filter((zone) => zone.isPopulated)
  }
  /** The node of the running CPU (numa_node_id). */
  get localNode(): number {
    return this.cpuNode[this.machine.current.cpu.id]!
  }
  get task(): MemoryTask | null {
    return this.machine.current.thread as MemoryTask | null
  }
  distance(from: number, to: number): number {
    return this.#distance === null ? (from === to ? 10 : 20) : this.#distance[from]![to]!
  }
  zoneOf(f: number): Zone {
    return this.zoneBySlot[this.frames.zone[f]!]!
  }
  /** The zone of a pfn that must be valid. */
  zoneOfPfn(pfn: number): Zone {
    return this.zoneOf(this.frames.frameOf(pfn))
  }
}

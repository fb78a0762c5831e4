// Physical memory against the simplest thing that can be right: for every page, who has it.
//
//   holding   a block as it was allocated, single pages of one, a contiguous range, or a page with contents and mappings
//   model     page -> holding; what nobody has is free
//
// Pages with contents may move whenever somebody wants a range: the model is told where to, and the contents must have
// gone along. After every step the room verifies itself, and the two are compared page by page.

import { EBUSY, EINTR, ENOMEM, isErr, type Err, type Pfn, type Rng, type Sleep } from '../../src/base/index.ts'
import type { BootConfig } from '../../src/kernel/phys/boot.ts'
import {
  __GFP_COLD,
  __GFP_COMP,
  __GFP_DMA,
  __GFP_MEMALLOC,
  __GFP_MOVABLE,
  __GFP_NOWARN,
  __GFP_RECLAIMABLE,
  __GFP_THISNODE,
  allocContigRange,
  allocPagesExact,
  allocPagesNodeTry,
  cmaAlloc,
  cmaRelease,
  compactMemory,
  drainAllPages,
  drainLocalPages,
  failNthAllocation,
  freeColdPage,
  freeContigRange,
  freeCount,
  freePages,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  getPage,
  getPageblockMigratetype,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  type MigrateMode,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
  PG_reserved,
  PG_tail,
  type Phys,
  pfnOfAddress,
  putPage,
  splitPage,
  startIsolatePageRange,
  undoIsolatePageRange,
  verify,
  writeMinFreeKbytes,
  writePercpuPagelistFraction,
  ZONE_MOVABLE,
} from '../../src/kernel/phys/index.ts'
import { run, testMachine } from '../../src/kernel/phys/testMachines.ts'
import { TestReclaimer } from '../../src/kernel/phys/testReclaimer.ts'
import { bootPhys } from '../../src/kernel/phys/boot.ts'
import type { Subject, Trial } from '../fuzz/runner.ts'

const CPUS = 3
const MiB = 2 ** 20

const MACHINES: Readonly<Record<string, BootConfig>> = {
  // DMA and normal zone, a hole of 4 MiB, a CMA area.
  frames: {
    memory: [
      { start: 0, end: 12 * MiB },
      { start: 16 * MiB, end: 28 * MiB },
    ],
    reserved: [{ start: 0, end: 64 * 1024 }],
    maxZonePfn: [1024, 1024, 7168, 0],
    cma: [{ start: 20 * MiB, end: 24 * MiB }],
  },
  // Two nodes, each with a normal and a movable zone.
  'frames-nodes': {
    memory: [
      { start: 0, end: 16 * MiB, node: 0 },
      { start: 128 * MiB, end: 144 * MiB, node: 1 },
    ],
    maxZonePfn: [0, 0, 36864, 0],
    kernelcore: 4096,
    cpuNode: [0, 0, 1],
  },
}

export interface Step {
  readonly do: string
  readonly a: number
  readonly b: number
  readonly cpu: number
}
const ACTIONS: readonly [string, number][] = [
  ['alloc', 30],
  ['free', 28],
  ['share', 3],
  ['split', 3],
  ['own', 10],
  ['contig', 8],
  ['exact', 3],
  ['cma', 3],
  ['isolate', 2],
  ['unisolate', 3],
  ['drain', 2],
  ['compact', 1],
  ['tune', 1],
  ['fail', 2],
]
const WHEEL = ACTIONS.flatMap(([name, weight]) => Array.from({ length: weight }, () => name))

/** Requests of every kind; none of them may wait but the last two. */
const REQUESTS = [
  0,
  __GFP_MOVABLE,
  __GFP_RECLAIMABLE,
  __GFP_DMA,
  __GFP_MOVABLE | __GFP_MEMALLOC,
  __GFP_MEMALLOC,
  __GFP_COLD | __GFP_MOVABLE,
  __GFP_THISNODE,
  __GFP_COMP,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
]

/** Pages that somebody has. `references` are those of the first page. */
interface Holding {
  readonly kind: 'block' | 'singles' | 'range' | 'cma' | 'owned'
  pfn: number
  readonly pages: number
  readonly order: number
  references: number
  isShared: boolean
  /** Contents of an owned page, and how often it is mapped. */
  readonly contents: string
  readonly maps: number
}

/** Moves and drops owned pages as it is told to, and tells the model. */
class ModelReclaimer extends TestReclaimer {
  moved: (from: number, to: number) => void = () => {}
  dropped: (page: number) => void = () => {};
  override *migrate(from: Pfn, to: Pfn, mode: MigrateMode, force: boolean): Sleep<0 | Err> {
    const result = yield* super.migrate(from, to, mode, force)
    if (result === 0) this.moved(from, to)
    return result
  }
  override *reclaimClean(page: Pfn): Sleep<boolean> {
    const result = yield* super.reclaimClean(page)
    if (result) this.dropped(page)
    return result
  }
}

class FramesTrial implements Trial<Step> {
  readonly phys: Phys
  readonly #reclaimer: ModelReclaimer
  readonly #holdings: Holding[] = []
  readonly #holderOf = new Map<number, Holding>()
  /** First page and end of what is isolated by hand. */
  readonly #isolated: [number, number][] = []

  constructor(config: BootConfig) {
    this.phys = bootPhys(testMachine(CPUS), config)
    this.#reclaimer = new ModelReclaimer(this.phys)
    this.#reclaimer.moved = (from, to) => this.#moved(from, to)
    this.#reclaimer.dropped = (page) => this.#forget(this.#holderOf.get(page)!)
  }

  run({ do: action, a, b, cpu }: Step): void {
    const { phys } = this
    phys.machine.current.cpu = phys.machine.cpus[cpu]!
    this.#act(action, a, b)
    phys.failAfter = 0
    this.#isFailing = false
    phys.machine.clock.advanceTo(phys.machine.clock.now + 1e6)
    this.compare()
  }

  #act(action: string, a: number, b: number): void {
    const { phys } = this
    switch (action) {
      case 'fail':
        failNthAllocation(phys, 1 + (a % 3))
        this.#isFailing = true
        this.#act(['alloc', 'contig', 'exact', 'cma'][a % 4]!, a >> 2, b)
        break
      case 'alloc':
        this.#alloc(a, b)
        break
      case 'free':
        if (this.#holdings.length > 0) this.#free(this.#pick(a), b)
        break
      case 'share': {
        const holding = this.#holdings.length > 0 ? this.#pick(a) : null
        if (holding === null || holding.kind === 'owned') break
        getPage(phys, holding.pfn)
        holding.references++
        holding.isShared = true
        break
      }
      case 'split': {
        const holding = this.#holdings.find(({ kind, isShared }) => kind === 'block' && !isShared)
        if (holding === undefined || this.#isCompound(holding)) break
        splitPage(phys, holding.pfn, holding.order)
        this.#forget(holding)
        this.#hold('singles', holding.pfn, holding.pages)
        break
      }
      case 'own':
        this.#own(a, b)
        break
      case 'exact': {
        const bytes = 1 + (a % 60_000)
        const address = run(phys, allocPagesExact(phys, bytes, GFP_KERNEL | __GFP_NOWARN))
        if (address !== null) this.#hold('singles', pfnOfAddress(phys, address), Math.ceil(bytes / 4096))
        break
      }
      case 'contig':
        this.#contig(a, b)
        break
      case 'cma': {
        const area = phys.cmaAreas[0]
        if (area === undefined || this.#meetsIsolated(area.basePfn, area.basePfn + area.pages)) break
        const pages = 1 + (a % 40)
        const page = run(phys, cmaAlloc(phys, area, pages, b % 5))
        if (page === null) break
        equal(page % 2 ** (b % 5), 0, 'alignment of a CMA range')
        this.#hold('cma', page, pages)
        break
      }
      case 'isolate':
        this.#isolate(a, b)
        break
      case 'unisolate': {
        const [range] = this.#isolated.splice(a % Math.max(1, this.#isolated.length), 1)
        if (range !== undefined) undoIsolatePageRange(phys, range[0], range[1], MIGRATE_MOVABLE)
        break
      }
      case 'drain':
        if (a % 2 === 0) drainAllPages(phys)
        else drainLocalPages(phys, null)
        break
      case 'compact':
        if (this.#isolated.length === 0) run(phys, compactMemory(phys))
        break
      case 'tune':
        if (a % 2 === 0) writeMinFreeKbytes(phys, 64 + (b % 1024))
        else writePercpuPagelistFraction(phys, b % 2 === 0 ? 0 : 8 + (b % 64))
        break
      default:
        throw new Error(`no action ${action}`)
    }
  }

  #alloc(a: number, b: number): void {
    const { phys } = this
    // Small blocks most of the time.
    const order = a % 16 < 8 ? 0 : a % 16 < 14 ? a % 4 : a % 11
    const gfp = REQUESTS[b % REQUESTS.length]! | __GFP_NOWARN
    const nid = (gfp & __GFP_THISNODE) === 0 ? phys.localNode : (a >> 4) % phys.onlineNodes.length
    let page = allocPagesNodeTry(phys, nid, gfp, order)
    const isUnlimited = order === 0 && (gfp & __GFP_MEMALLOC) !== 0 && !this.#isFailing
    if (isUnlimited && (typeof page !== 'number' || isErr(page))) {
      // What lies on other CPUs' lists could not be had.
      drainAllPages(phys)
      page = allocPagesNodeTry(phys, nid, gfp, order)
    }
    if (typeof page !== 'number' || isErr(page)) {
      if (isUnlimited) equal(this.#availablePages(gfp), 0, 'free pages when an allocation without limits fails')
      return
    }
    equal(page % 2 ** order, 0, 'alignment of a block')
    const zone = phys.zoneOfPfn(page)
    if ((gfp & __GFP_DMA) !== 0 && phys.nodes[0]!.zones[0]!.isPopulated) equal(zone.index, 0, 'zone of a DMA page')
    if ((gfp & __GFP_THISNODE) !== 0) equal(zone.node, nid, 'node of a page')
    for (let pfn = page; pfn < page + 2 ** order; pfn++) {
      const type = getPageblockMigratetype(phys, pfn)
      if (type === MIGRATE_ISOLATE) throw new Error(`page ${pfn} of an isolated pageblock is handed out`)
      if (type === MIGRATE_CMA && (gfp & __GFP_MOVABLE) === 0) throw new Error(`page ${pfn} of CMA is pinned`)
    }
    this.#hold('block', page, 2 ** order, order)
  }
  /** Is an allocation of this step made to fail? */
  #isFailing = false

  /** Listed pages that a request without watermarks could have. */
  #availablePages(gfp: number): number {
    const { phys } = this
    const { frames } = phys
    let count = 0
    for (const zone of phys.populatedZones) {
      if (zone.index === ZONE_MOVABLE) continue
      for (let order = 0; order <= 10; order++)
        for (let type = 0; type < MIGRATE_CMA + ((gfp & __GFP_MOVABLE) === 0 ? 0 : 1); type++)
          for (let f = frames.lruNext[zone.freeList(order, type)]!; f < frames.count; f = frames.lruNext[f]!)
            count += 2 ** order
    }
    return count
  }

  #free(holding: Holding, b: number): void {
    const { phys } = this
    const { pfn, order, pages, kind } = holding
    if (holding.references > 1) {
      // Not the last one: nothing is free yet.
      putPage(phys, pfn)
      holding.references--
      return
    }
    this.#forget(holding)
    switch (kind) {
      case 'block':
        if (order === 0 && b % 4 === 0) freeColdPage(phys, pfn)
        else if (b % 4 === 1 && (order === 0 || this.#isCompound(holding))) putPage(phys, pfn)
        else freePages(phys, pfn, order)
        break
      case 'singles':
        // In any order.
        for (let i = 0; i < pages; i++) freePages(phys, b % 2 === 0 ? pfn + i : pfn + pages - 1 - i, 0)
        break
      case 'range':
        freeContigRange(phys, pfn, pages)
        break
      case 'cma':
        equal(cmaRelease(phys, phys.cmaAreas[0]!, pfn, pages), true, 'release of a CMA range')
        break
      case 'owned': {
        const { frames } = phys
        const f = frames.frameOf(pfn)
        equal(this.#reclaimer.contents.get(pfn), holding.contents, `contents of page ${pfn}`)
        equal(frames.mapcount[f]! + 1, holding.maps, `mappings of page ${pfn}`)
        this.#reclaimer.contents.delete(pfn)
        frames.flags[f] = 0
        frames.owner[f] = 0
        frames.mapcount[f] = -1
        frames.refcount[f] = 1
        freePages(phys, pfn, 0)
      }
    }
  }

  /** Gives a single movable page contents and mappings, so that it may move from now on. */
  #own(a: number, b: number): void {
    const { phys } = this
    const page = allocPagesNodeTry(phys, phys.localNode, __GFP_MOVABLE | __GFP_NOWARN, 0)
    if (typeof page !== 'number' || isErr(page)) return
    const maps = a % 4
    this.#reclaimer.adopt(page as Pfn, b % 3 === 0 ? 'file' : 'anon', maps)
    const contents = `contents ${a} ${b}`
    this.#reclaimer.contents.set(page, contents)
    this.#hold('owned', page, 1, 0, contents, maps)
  }
  #moved(from: number, to: number): void {
    const holding = this.#holderOf.get(from)
    if (holding?.kind !== 'owned') throw new Error(`page ${from} moves, and nobody owns it`)
    if (this.#holderOf.has(to)) throw new Error(`page ${from} moves onto page ${to}, which is somebody's`)
    equal(this.#reclaimer.contents.get(to), holding.contents, `contents of page ${from}, now ${to}`)
    this.#holderOf.delete(from)
    holding.pfn = to
    this.#holderOf.set(to, holding)
  }

  // A range that succeeds was free, or could be made so; one that fails has a reason.
  #contig(a: number, b: number): void {
    const { phys } = this
    const zones = phys.populatedZones
    const zone = zones[a % zones.length]!
    const start = zone.startPfn + ((a >> 3) % zone.spanned)
    // Sometimes whole large blocks, as when memory is taken offline.
    const isWhole = b % 5 === 0
    const first = isWhole ? Math.ceil(start / 1024) * 1024 : start
    const end = isWhole ? first + 1024 : Math.min(first + 1 + (b % 300), zone.endPfn)
    const [outer, outerEnd] = [Math.floor(first / 1024) * 1024, Math.ceil(end / 1024) * 1024]
    if (first < zone.startPfn || end > zone.endPfn || first >= end) return
    if (outer < zone.startPfn || outerEnd > zone.endPfn || this.#meetsIsolated(outer, outerEnd)) return
    const types = new Set<boolean>()
    for (let pfn = outer; pfn < outerEnd; pfn += 512) types.add(getPageblockMigratetype(phys, pfn) === MIGRATE_CMA)
    if (types.size > 1) return
    const isCma = types.has(true)
    const result = run(phys, allocContigRange(phys, first, end, isCma ? MIGRATE_CMA : MIGRATE_MOVABLE))
    if (result === 0) {
      this.#hold('range', first, end - first)
      return
    }
    if (result !== EBUSY && result !== ENOMEM) throw new Error(`a contiguous range fails with ${result}`)
    if (result === EINTR) throw new Error('nobody has sent a signal')
    if (result === EBUSY && !this.#hasFixed(outer, outerEnd)) throw new Error(`[${first}, ${end}) is said to be busy`)
  }
  /** Is there a page that nobody may move, or no RAM? */
  #hasFixed(start: number, end: number): boolean {
    const { frames } = this.phys
    for (let pfn = start; pfn < end; pfn++) {
      const holding = this.#holderOf.get(pfn)
      if (holding !== undefined && holding.kind !== 'owned') return true
      if ((frames.flags[frames.frameOf(pfn)]! & PG_reserved) !== 0) return true
    }
    return false
  }
  #meetsIsolated(start: number, end: number): boolean {
    return this.#isolated.some(([from, to]) => from < end && to > start)
  }

  #isolate(a: number, b: number): void {
    const { phys } = this
    const zone = phys.populatedZones[a % phys.populatedZones.length]!
    const start = Math.ceil((zone.startPfn + ((a >> 3) % zone.spanned)) / 512) * 512
    const end = start + 512 * (1 + (b % 3))
    if (end > zone.endPfn || this.#isolated.length > 2 || this.#meetsIsolated(start, end)) return
    for (let pfn = start; pfn < end; pfn += 512) if (getPageblockMigratetype(phys, pfn) === MIGRATE_CMA) return
    const result = startIsolatePageRange(phys, start, end, MIGRATE_MOVABLE)
    if (result === 0) this.#isolated.push([start, end])
    else {
      equal(result, EBUSY, 'answer of an isolation')
      if (!this.#hasFixed(start, end)) throw new Error(`[${start}, ${end}) is said to have unmovable pages`)
    }
  }

  #pick(a: number): Holding {
    return this.#holdings[a % this.#holdings.length]!
  }
  #isCompound({ pfn, order }: Holding): boolean {
    const { frames } = this.phys
    return order > 0 && (frames.flags[frames.frameOf(pfn + 1)]! & PG_tail) !== 0
  }
  #hold(kind: Holding['kind'], pfn: number, pages: number, order = 0, contents = '', maps = 0): void {
    const holding = { kind, pfn, pages, order, references: 1, isShared: false, contents, maps }
    for (let at = pfn; at < pfn + pages; at++) {
      if (this.#holderOf.has(at)) throw new Error(`page ${at} is handed out, and somebody has it`)
      this.#holderOf.set(at, holding)
    }
    this.#holdings.push(holding)
  }
  #forget(holding: Holding): void {
    const i = this.#holdings.indexOf(holding)
    this.#holdings[i] = this.#holdings.at(-1)!
    this.#holdings.pop()
    for (let pfn = holding.pfn; pfn < holding.pfn + holding.pages; pfn++) this.#holderOf.delete(pfn)
  }

  /** The room's invariants; then page by page: in use exactly if the model says so, with as many references. */
  compare(): void {
    const { phys } = this
    const { frames } = phys
    verify(phys)
    equal(phys.nrBadPages, 0, 'bad pages')
    const free = this.#freePages()
    const managed = phys.populatedZones.reduce((sum, zone) => sum + zone.managed, 0)
    equal(managed - free, this.#holderOf.size, 'pages in use')
    for (const { pfn, pages, kind, references, maps } of this.#holdings) {
      const f = frames.frameOf(pfn)
      const wanted = kind === 'owned' ? 1 + maps : references
      if (frames.refcount[f] !== wanted) equal(frames.refcount[f], wanted, `references of page ${pfn}`)
      if (kind === 'block' || kind === 'owned') continue
      for (let i = 1; i < pages; i++)
        if (frames.refcount[f + i] !== 1) equal(frames.refcount[f + i], 1, `references of page ${pfn + i}`)
    }
  }

  /** Walks every list of free pages. None of them is anybody's. */
  #freePages(): number {
    const { frames, populatedZones } = this.phys
    let free = 0
    const walk = (list: number, pages: number): void => {
      for (let f = frames.lruNext[list]!; f !== list; f = frames.lruNext[f]!) {
        free += pages
        const pfn = frames.pfnAt(f)
        for (let i = 0; i < pages; i++)
          if (this.#holderOf.has(pfn + i)) throw new Error(`page ${pfn + i} is free, and somebody has it`)
      }
    }
    for (const zone of populatedZones) {
      for (let order = 0; order <= 10; order++)
        for (let type = 0; type < MIGRATE_TYPES; type++) walk(zone.freeList(order, type), 2 ** order)
      for (const { lists } of zone.pcp) for (let i = 0; i < MIGRATE_PCPTYPES; i++) walk(lists + i, 1)
    }
    return free
  }

  finish(): void {
    const { phys } = this
    for (const [start, end] of this.#isolated.splice(0)) undoIsolatePageRange(phys, start, end, MIGRATE_MOVABLE)
    while (this.#holdings.length > 0) this.#free(this.#holdings[0]!, 0)
    drainAllPages(phys)
    this.compare()
    equal(
      freeCount(phys),
      phys.populatedZones.reduce((sum, zone) => sum + zone.managed, 0),
      'free pages at the end',
    )
    equal(this.#reclaimer.contents.size, 0, 'pages with contents at the end')
  }
}

function equal<T>(got: T, wanted: T, what: string): void {
  if (got !== wanted) throw new Error(`${what}: ${String(got)}, not ${String(wanted)}`)
}

/** One subject for each machine. */
export const frameSubjects: readonly Subject<Step>[] = Object.entries(MACHINES).map(([name, config]) => ({
  name,
  steps: 100_000,
  step: (rng: Rng) => ({
    do: rng.pick(WHEEL),
    a: rng.below(2 ** 24),
    b: rng.below(2 ** 16),
    cpu: rng.below(CPUS),
  }),
  start: () => new FramesTrial(config),
}))

// Memory shortage as Linux meets it: a daemon that wakes below a zone's low watermark and works up to the high one,
// whoever finds less than the min watermark reclaiming for himself, and a killer when nothing can be reclaimed.
//
//   1. pages that a program has given up (MADV_FREE): dropped
//   2. clean pages of files that nobody maps or has used lately: dropped, to be read again
//   3. the clock of the page daemon: pages of programs, to swap; of files that are mapped, dropped
//   4. dirty pages of files written; whatever is clean then, used or not: dropped
//
// Without swap there is no clock: steps 1, 2 and 4.

import { type Err, type Pfn, type Sleep, sleepOn, sleepUntil, WaitQueue } from '../../base/index.ts'
import { getCachePage, lruAddDrainAll, type PageCache, putCachePage, reclaimCleanPage } from '../pagecache/index.ts'
import {
  GFP_HIGHUSER_MOVABLE,
  type MigrateMode,
  PG_dirty,
  PG_lazyfree,
  PG_locked,
  PG_referenced,
  PG_swapbacked,
  type Reclaimer,
  type ReclaimRequest,
  WMARK_HIGH,
  type Zone,
  zoneWatermarkOk,
} from '../phys/index.ts'
import { pmapClearReference, pmapIsModified } from '../pmap/index.ts'
import { isSwapBacked, ownerObject, type Owners } from './kinds.ts'
import { takeLazyPage, takeLazyPages } from './lazyFree.ts'
import { SwapCluster } from './swapCluster.ts'
import { UvmPageDaemon } from './uvmPageDaemon.ts'
import { takeSwapBacked, uvmpdScanQueue } from './uvmpdScan.ts'

/** Pages that one request is to free: as many as the allocator expects. */
const BATCH = 32
/** Turns of the clock hand after which a request gives up. */
const TURNS = 8
/** The same for turns in a row that found nothing: pages that were in use are taken in the next. */
const IDLE_TURNS = 3
/** Simulated nanoseconds that the daemon stays away when it has found nothing. */
const PAUSE = 100e6

/** What reclaim asks of the rooms above: bound at boot. */
export interface ReclaimHooks {
  /** Drops clean cached pages of files; those that are used too, or mapped, only with `all`. @returns how many */
  shrinkFiles(pages: number, all: boolean): number
  /** Writes what is dirty of files to their stores. */
  writeFiles(): Sleep<void>
  /** Kills a process for its memory. @returns false: nobody may be killed */
  kill(): boolean
  /** Runs the daemon beside the programs. */
  start(daemon: Sleep<unknown>): void
  /** Must the page stay (mlock)? */
  isLocked(f: number): boolean
}

/** The part of the upcall that moves pages; another room's. */
export type MovingPart = Pick<Reclaimer, 'drainLru' | 'isolateLru' | 'putBackLru' | 'reclaimClean' | 'migrate'>

export class LinuxReclaimer implements Reclaimer {
  /** null: there is no swap, and no page is on the clock. */
  daemon: UvmPageDaemon | null = null
  readonly #owners: Owners
  readonly #cache: PageCache
  readonly #mover: MovingPart
  readonly #hooks: ReclaimHooks
  readonly #wakeQueue = new WaitQueue('kswapd')
  #isStarted = false
  #isAsleep = false
  // Of the turn of the clock hand that is under way.
  #sawDirty = false
  #filePages = 0
  // What of the policy's events vmstat has been told.
  #activated = 0
  #deactivated = 0

  constructor(owners: Owners, cache: PageCache, mover: MovingPart, hooks: ReclaimHooks) {
    this.#owners = owners
    this.#cache = cache
    this.#mover = mover
    this.#hooks = hooks
    owners.phys.reclaimer = this
  }
  /** There is swap: pages of programs are on the clock from now on. */
  useSwap(): UvmPageDaemon {
    const daemon = new UvmPageDaemon(this.#owners, {
      isLocked: (f) => this.#hooks.isLocked(f),
      takeFilePage: (_, f) => this.#takeFilePage(f),
    })
    daemon.maxReactivations = Infinity
    return (this.daemon = daemon)
  }

  wake(): boolean {
    if (!this.#isStarted) {
      this.#isStarted = true
      this.#hooks.start(this.#run())
      return true
    }
    const wasAsleep = this.#isAsleep
    this.#wakeQueue.wakeAll()
    return wasAsleep
  }
  /** The daemon's thread. Never returns. */
  *#run(): Sleep<never> {
    const { phys } = this.#owners
    for (;;) {
      const zones = phys.populatedZones.filter((zone) => !isBalanced(zone))
      if (zones.length === 0) {
        this.#isAsleep = true
        yield* sleepOn(this.#wakeQueue)
        this.#isAsleep = false
        phys.events.add('pageoutrun')
        continue
      }
      const freed = yield* this.#reclaim(zones, 'kswapd')
      if (freed === 0) yield* sleepUntil(phys.machine.clock.now + PAUSE)
    }
  }

  *directReclaim(request: ReclaimRequest): Sleep<number> {
    this.#owners.phys.events.add('allocstall')
    const isMovable = (request.gfp & GFP_HIGHUSER_MOVABLE) === GFP_HIGHUSER_MOVABLE
    this.#owners.phys.events.add(isMovable ? 'allocstall_movable' : 'allocstall_normal')
    return yield* this.#reclaim(request.zones, 'direct')
  }
  // oxlint-disable-next-line require-yield
  *zoneReclaim(): Sleep<number> {
    return this.#hooks.shrinkFiles(BATCH, true)
  }
  // oxlint-disable-next-line require-yield
  *outOfMemory(): Sleep<boolean> {
    return this.#hooks.kill()
  }

  *#reclaim(zones: readonly Zone[], who: 'kswapd' | 'direct'): Sleep<number> {
    let freed = takeLazyPages(this.#owners, BATCH)
    this.#note(who, freed, freed, 'file')
    const shrink = (all: boolean): number => {
      const files = freed < BATCH ? this.#hooks.shrinkFiles(BATCH - freed, all) : 0
      this.#note(who, files, files, 'file')
      return files
    }
    freed += shrink(this.daemon === null)
    this.#sawDirty = this.daemon === null
    if (this.daemon !== null && freed < BATCH) freed += yield* this.#turnClock(this.daemon, zones, BATCH - freed, who)
    if (freed < BATCH && (this.#sawDirty || freed === 0)) {
      yield* this.#hooks.writeFiles()
      freed += shrink(true)
    }
    return freed
  }
  /** Counts pages looked at and pages taken, under the names of vmstat. */
  #note(who: 'kswapd' | 'direct', scanned: number, taken: number, kind: 'anon' | 'file'): void {
    const { events } = this.#owners.phys
    events.add(`pgscan_${who}`, scanned)
    events.add(`pgscan_${kind}`, scanned)
    events.add(`pgsteal_${who}`, taken)
    events.add(`pgsteal_${kind}`, taken)
  }
  /** Counts pages that changed lists since it was last asked. */
  #noteLists({ policy: { events } }: UvmPageDaemon): void {
    const { events: vmstat } = this.#owners.phys
    vmstat.add('pgactivate', events.pdreact - this.#activated)
    // Who looks at an active page here deactivates it.
    vmstat.add('pgrefill', events.pddeact - this.#deactivated)
    vmstat.add('pgdeactivate', events.pddeact - this.#deactivated)
    this.#activated = events.pdreact
    this.#deactivated = events.pddeact
  }
  /** Turns the clock hand until enough pages have been taken, and waits for what is being written. */
  *#turnClock(daemon: UvmPageDaemon, zones: readonly Zone[], wanted: number, who: 'kswapd' | 'direct'): Sleep<number> {
    const { phys } = this.#owners
    const { policy, owners } = daemon
    const { swap } = owners.anons
    // Every slot holds the only copy of something: no private page can go.
    if (swap !== null && swap.swpgonly === swap.swpages) return 0
    // A batch on its way to a list refers to its pages: they would seem to be in use.
    lruAddDrainAll(this.#cache)
    this.#filePages = 0
    const slots = new Set(zones.map((zone) => zone.slot))
    const isAll = slots.size === phys.populatedZones.length
    let taken = 0
    const goal = {
      isReached: (now: number) => taken + now >= wanted,
      isWanted: (f: number) => isAll || slots.has(phys.frames.zone[f]!),
    }
    let idle = 0
    for (let turn = 0; turn < TURNS && taken < wanted && idle < IDLE_TURNS; turn++) {
      const before = taken
      const scanned = policy.events.pdscans
      policy.balance()
      taken += yield* uvmpdScanQueue(daemon, goal)
      idle = taken > before ? 0 : idle + 1
      const files = this.#filePages
      this.#filePages = 0
      this.#note(who, files, files, 'file')
      this.#note(who, policy.events.pdscans - scanned - files, taken - before - files, 'anon')
    }
    this.#noteLists(daemon)
    yield* daemon.pageoutsDone()
    return taken
  }
  /** A page of a file that some program maps: it goes if it is clean, or is seen to once all is written. */
  // oxlint-disable-next-line require-yield
  *#takeFilePage(f: number): Sleep<boolean> {
    const daemon = this.daemon!
    if (this.#dropFilePage(f)) {
      this.#filePages++
      daemon.events.pdfreed++
      return true
    }
    if ((this.#owners.phys.frames.flags[f]! & PG_dirty) !== 0) this.#sawDirty = true
    daemon.policy.activate(f)
    return false
  }
  #dropFilePage(f: number): boolean {
    const { frames } = this.#owners.phys
    const pfn = frames.pfnAt(f)
    if (this.#cache.objectOf(f) === null || frames.loanCount[f]! > 0) return false
    if ((frames.flags[f]! & (PG_dirty | PG_swapbacked)) !== 0) return false
    getCachePage(this.#cache, pfn)
    const isGone = reclaimCleanPage(this.#cache, pfn)
    putCachePage(this.#cache, pfn)
    return isGone
  }

  /**
   * Takes these pages now, used or not: private ones to swap if there is any, those given up lazily at once, clean ones of
   * files. Others stay, as under Linux do dirty pages of files.
   *
   * @manual madvise(2), MADV_PAGEOUT
   */
  *pageOut(frames: readonly number[]): Sleep<void> {
    const { phys } = this.#owners
    const { flags, wireCount } = phys.frames
    const cluster = this.daemon === null ? null : new SwapCluster(this.daemon)
    lruAddDrainAll(this.#cache)
    for (const f of frames) {
      if ((flags[f]! & PG_locked) !== 0 || wireCount[f]! > 0) continue
      const object = ownerObject(this.#owners, f)
      if ((flags[f]! & PG_lazyfree) !== 0 && takeLazyPage(this.#owners, f)) continue
      if (object !== null && !isSwapBacked(object)) this.#dropFilePage(f)
      else if (cluster !== null && phys.frames.owner[f] !== 0) takeSwapBacked(this.daemon!, cluster, f)
    }
    cluster?.flush()
    if (this.daemon !== null) yield* this.daemon.pageoutsDone()
  }
  /** This page may be the next to go. @manual madvise(2), MADV_COLD */
  cool(f: number): void {
    const { phys, pmaps } = this.#owners
    const pfn = phys.frames.pfnAt(f)
    // An entry that loses A loses D, too: the page would count as written for whoever maps it next. Only for the clock.
    if (phys.queues !== null || !pmapIsModified(pmaps, pfn)) pmapClearReference(pmaps, pfn)
    phys.frames.flags[f]! &= ~PG_referenced
    phys.queues?.deactivate(f)
  }

  drainLru(): void {
    this.#mover.drainLru()
  }
  isolateLru(pfn: Pfn): boolean {
    return this.#mover.isolateLru(pfn)
  }
  putBackLru(pfn: Pfn): void {
    this.#mover.putBackLru(pfn)
  }
  reclaimClean(pfn: Pfn): Sleep<boolean> {
    return this.#mover.reclaimClean(pfn)
  }
  migrate(from: Pfn, to: Pfn, mode: MigrateMode, force: boolean): Sleep<0 | Err> {
    return this.#mover.migrate(from, to, mode, force)
  }
  zoneDirtyOk(): boolean {
    return true
  }
}

function isBalanced(zone: Zone): boolean {
  return zoneWatermarkOk(zone, 0, zone.watermark[WMARK_HIGH]!, zone.index, 0)
}

import { EAGAIN, EBUSY, type Err, type Pfn, type Sleep } from '../../base/index.ts'
import type { Anons } from '../anon/index.ts'
import type { ObjectTable } from '../object/index.ts'
import {
  isolateLruPage,
  lruAddDrainAll,
  migrateCachePage,
  type PageCache,
  putbackLruPage,
  putCachePage,
  reclaimCleanPage,
} from '../pagecache/index.ts'
import {
  type Frames,
  type MigrateMode,
  PG_anon,
  PG_lru,
  PG_locked,
  PG_pagetable,
  PG_queued,
  PG_reserved,
  PG_slab,
  PG_writeback,
  type Phys,
  putPage,
  type Reclaimer,
} from '../phys/index.ts'
import type { Pmaps } from '../pmap/index.ts'
import { moveAnonPage, moveObjectPage } from './movePage.ts'

/** The rooms whose pages move. */
export interface MigratorRooms {
  readonly phys: Phys
  readonly pmaps: Pmaps
  readonly anons: Anons
  readonly objects: ObjectTable
  /** The page cache, where there is one. */
  readonly cache: PageCache | null
}

/** The members of the Reclaimer upcall that take pages from where they are. */
type MovingPart = Pick<Reclaimer, 'drainLru' | 'isolateLru' | 'putBackLru' | 'reclaimClean' | 'migrate'>

/** Pages that nobody can part with, whatever their owner says. */
const FIXED = PG_reserved | PG_slab | PG_pagetable

export class Migrator implements MovingPart {
  readonly #rooms: MigratorRooms
  readonly #frames: Frames

  constructor(rooms: MigratorRooms) {
    this.#rooms = rooms
    this.#frames = rooms.phys.frames
  }

  drainLru(): void {
    if (this.#rooms.cache !== null) lruAddDrainAll(this.#rooms.cache)
  }

  isolateLru(pfn: Pfn): boolean {
    const { cache, phys } = this.#rooms
    const f = this.#frames.frameOf(pfn)
    const state = this.#frames.flags[f]!
    if ((state & PG_lru) !== 0) return cache !== null && isolateLruPage(cache, pfn)
    // A cache page that is on no list is in somebody's hands.
    if ((state & FIXED) !== 0 || this.#frames.owner[f] === 0 || (cache?.objectOf(f) ?? null) !== null) return false
    if ((state & PG_queued) !== 0) phys.queues?.dequeue(f)
    this.#frames.refcount[f]!++
    return true
  }

  putBackLru(pfn: Pfn): void {
    const { cache, phys } = this.#rooms
    const f = this.#frames.frameOf(pfn)
    if (cache !== null && cache.objectOf(f) !== null) putbackLruPage(cache, pfn)
    else {
      if (this.#frames.refcount[f]! > 1) this.#requeue(f)
      // A file's page that lost its file meanwhile may still be on a list.
      if (cache !== null) putCachePage(cache, pfn)
      else putPage(phys, pfn)
    }
  }

  // oxlint-disable-next-line require-yield
  *reclaimClean(pfn: Pfn): Sleep<boolean> {
    const { cache } = this.#rooms
    if (cache === null || cache.objectOf(this.#frames.frameOf(pfn)) === null) return false
    return reclaimCleanPage(cache, pfn)
  }

  /**
   * Moves an isolated page.
   *
   * @param to     a new page with one reference: its owner's, if it moves
   * @param force  may sleep for the page
   * @errors EAGAIN  in use just now; EBUSY: it stays
   */
  *migrate(from: Pfn, to: Pfn, mode: MigrateMode, force: boolean): Sleep<0 | Err> {
    const { cache, objects } = this.#rooms
    const { flags, refcount, mapcount, owner, loanCount } = this.#frames
    const f = this.#frames.frameOf(from)
    const state = flags[f]!
    if ((state & PG_anon) === 0 && cache !== null && cache.objectOf(f) !== null) {
      const mayWait = force && mode !== 'MIGRATE_ASYNC'
      return yield* migrateCachePage(cache, from, to, mayWait, mode === 'MIGRATE_SYNC')
    }
    // Its owner has let go of it, and another reference keeps it.
    if (owner[f] === 0) return EAGAIN
    if ((state & (PG_locked | PG_writeback)) !== 0) return EAGAIN
    if (loanCount[f]! > 0) return EBUSY
    // The owner's reference, the isolation's, and one for each mapping.
    if (refcount[f] !== mapcount[f]! + 3) return EAGAIN
    if ((state & PG_anon) !== 0) moveAnonPage(this.#rooms, from, to)
    else {
      const object = objects.byId.get(owner[f]!)
      if (object === undefined || object.pager.fault !== undefined) return EBUSY
      moveObjectPage(this.#rooms, object, from, to)
    }
    this.#requeue(this.#frames.frameOf(to))
    return 0
  }

  /** An anon's or object's page goes back to the policy's queues, unless it is wired. */
  #requeue(f: number): void {
    if (this.#frames.wireCount[f] === 0) this.#rooms.phys.queues?.activate(f)
  }
}

import type { Err, Pfn, Sleep } from '../../base/index.ts'
import type { Zone } from './zone.ts'

/** How hard a migration may try: ASYNC never sleeps, SYNC_LIGHT not for writeback, SYNC for everything. */
export type MigrateMode = 'MIGRATE_ASYNC' | 'MIGRATE_SYNC_LIGHT' | 'MIGRATE_SYNC'
export type MigrateReason =
  | 'compaction'
  | 'memory_failure'
  | 'memory_hotplug'
  | 'syscall_or_cpuset'
  | 'mempolicy_mbind'
  | 'numa_misplaced'
  | 'cma'

/** What the allocator could not get, as it asks for reclaim. */
export interface ReclaimRequest {
  readonly gfp: number
  readonly order: number
  /** Zones that would do, best first. */
  readonly zones: readonly Zone[]
}

/**
 * The upcall of this room (DESIGN.md, decision 14), bound once at boot by the reclaim room. Without one, nothing
 * is ever reclaimed. Every member is called without a zone lock.
 */
export interface Reclaimer {
  /** Wakes a node's page daemon; true if it was asleep. What it should achieve is in the node. */
  wake(node: number, order: number, classzoneIdx: number): boolean
  /** Reclaims about 32 pages. The task is marked PF_MEMALLOC meanwhile. @returns pages freed */
  directReclaim(request: ReclaimRequest): Sleep<number>
  /** Reclaims unmapped pages of one zone. @returns pages freed */
  zoneReclaim(zone: Zone, gfp: number, order: number): Sleep<number>
  /** Kills somebody. @returns true if that may help */
  outOfMemory(request: ReclaimRequest): Sleep<boolean>
  /** Puts every CPU's LRU batches on the lists. */
  drainLru(): void
  /** Takes a page off its LRU list (PG_lru cleared) with a reference of its own; false if it is on none. */
  isolateLru(pfn: Pfn): boolean
  /** Puts an isolated page back and drops the reference of the isolation. */
  putBackLru(pfn: Pfn): void
  /** Drops an isolated clean file page from its object and its mappings; true: only the isolation's reference is left. */
  reclaimClean(pfn: Pfn): Sleep<boolean>
  /**
   * Moves contents, owner, mappings and state of an isolated page to a new page (count 1: its owner's).
   *
   * @returns 0: `from` has only the isolation's reference left; -EAGAIN: try again; another error: never
   */
  migrate(from: Pfn, to: Pfn, mode: MigrateMode, force: boolean): Sleep<0 | Err>
  /** May this zone take another page that will be dirtied? */
  zoneDirtyOk(zone: Zone): boolean
}

/** What the allocator looks at in the running thread; a thread without these fields is an ordinary one. */
export interface MemoryTask {
  name?: string
  /** PF_MEMALLOC: reclaims memory, may use all of it. */
  isMemalloc?: boolean
  /** Was chosen by the out-of-memory killer. */
  isOomVictim?: boolean
  isRealtime?: boolean
  isDumpingCore?: boolean
  hasFatalSignal?: boolean
}

/**
 * What the rooms that own pages tell the page-replacement policy (pdpolicy, uvm specification 2.19). Bound at boot by the
 * reclaim room. A page is named by its frame index; PG_queued says that it is on a queue. None of these sleeps.
 */
export interface PageQueues {
  /** The page is in use: to the tail of the active queue. A wired page is on no queue. */
  activate(f: number): void
  /** The page may go soon: its reference bit is cleared, and it goes to the tail of the inactive queue. */
  deactivate(f: number): void
  /** The page is wired, being written out, or freed. */
  dequeue(f: number): void
}

// Moving pages elsewhere. What a page is (its owner, its mappings) is moved by the Reclaimer upcall; this is the loop
// around it (physical specification, 1.16).

import { EAGAIN, ENOMEM, isErr, type Err, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import { BUDDY_MAPCOUNT } from './frames.ts'
import { putPage } from './free.ts'
import { PG_active, PG_anon, PG_dirty, PG_head, PG_lru, PG_swapbacked, PG_tail, PG_unevictable } from './pageFlags.ts'
import type { Phys } from './phys.ts'
import type { MigrateMode, MigrateReason } from './reclaimer.ts'

const MAX_PASSES = 10
/** From this pass on the upcall may wait for locks. */
const FIRST_FORCED_PASS = 3

/** Where a moved page goes. `get` may sleep; `put` takes back a page that was not needed. */
export interface MigrationTarget {
  get(from: Pfn): Sleep<OrErr<Pfn>>
  put(page: Pfn): void
}

/**
 * Moves isolated pages. Those that are done with (moved, or never movable and put back on the LRU) leave the list;
 * those that stay in it are still isolated.
 *
 * @returns pages that were not moved, or ENOMEM when no target could be had
 * @manual migrate_pages, Linux
 */
export function* migratePages(
  phys: Phys,
  list: Pfn[],
  target: MigrationTarget,
  mode: MigrateMode,
  reason: MigrateReason,
): Sleep<number | Err> {
  const reclaimer = phys.reclaimer
  if (reclaimer === null) return list.length
  let moved = 0
  let failed = 0
  let retry = list.length
  let isOutOfMemory = false
  for (let pass = 0; pass < MAX_PASSES && retry > 0 && !isOutOfMemory; pass++) {
    retry = 0
    for (const from of list.slice()) {
      const f = phys.frames.frameOf(from)
      let result: 0 | Err = 0
      // A page of which only the isolation's reference is left was freed meanwhile: nothing to move.
      if (phys.frames.refcount[f]! > 1) {
        const to = yield* target.get(from)
        if (isErr(to)) {
          isOutOfMemory = true
          break
        }
        result = yield* reclaimer.migrate(from, to, mode, pass >= FIRST_FORCED_PASS)
        if (result !== 0) target.put(to)
      }
      if (result === EAGAIN) {
        retry++
        continue
      }
      if (result === ENOMEM) {
        isOutOfMemory = true
        break
      }
      list.splice(list.indexOf(from), 1)
      if (result === 0) {
        moved++
        putIsolated(phys, from)
      } else {
        failed++
        reclaimer.putBackLru(from)
      }
    }
  }
  failed += retry
  phys.events.add('pgmigrate_success', moved)
  phys.events.add('pgmigrate_fail', failed)
  const trace = phys.machine.trace
  if (trace.on) trace.emit('mm_migrate_pages', { nr_succeeded: moved, nr_failed: failed, mode, reason })
  return isOutOfMemory ? ENOMEM : failed
}

/**
 * Isolates at most `limit` LRU pages of [start, end) into `list`. Free, foreign, huge and pinned pages are passed over.
 *
 * @returns the pfn to go on with, 0 when a fatal signal is pending
 */
export function isolateMigratepagesRange(phys: Phys, start: number, end: number, limit: number, list: Pfn[]): number {
  const { frames, reclaimer } = phys
  if (phys.task?.hasFatalSignal === true) return 0
  let pfn = start
  let taken = 0
  while (pfn < end && taken < limit) {
    const f = frames.indexOf(pfn)
    if (f >= 0 && frames.mapcount[f] === BUDDY_MAPCOUNT) {
      pfn += 2 ** frames.private[f]!
      continue
    }
    if (f >= 0 && isMigratable(phys, f) && reclaimer !== null && reclaimer.isolateLru(frames.pfnAt(f))) {
      list.push(frames.pfnAt(f))
      taken++
    }
    pfn++
  }
  traceIsolated(phys, 'mm_compaction_isolate_migratepages', start, Math.min(pfn, end), taken)
  return Math.max(1, Math.min(pfn, end))
}

/**
 * Does somebody own the page who can part with it? The manual's "on the LRU": an anon's page is on no LRU list here, but
 * its owner names it all the same.
 */
export function isOwned(phys: Phys, f: number): boolean {
  return (phys.frames.flags[f]! & PG_lru) !== 0 || phys.frames.owner[f] !== 0
}

function isMigratable(phys: Phys, f: number): boolean {
  const { flags, refcount, mapcount } = phys.frames
  const state = flags[f]!
  if (!isOwned(phys, f) || (state & (PG_head | PG_tail)) !== 0) return false
  // An anonymous page has its anon's reference and one for each mapping: more means it is pinned.
  return (state & PG_anon) === 0 || refcount[f]! <= mapcount[f]! + 2
}

export function traceIsolated(phys: Phys, name: string, start: number, end: number, taken: number): void {
  const trace = phys.machine.trace
  if (trace.on) trace.emit(name, { start_pfn: start, end_pfn: end, nr_scanned: end - start, nr_taken: taken })
}

/** Drops the isolation's reference, the last one. What list the page was on does not matter any more. */
function putIsolated(phys: Phys, page: Pfn): void {
  phys.frames.flags[phys.frames.frameOf(page)]! &= ~(PG_active | PG_unevictable)
  putPage(phys, page)
}

/** Drops the clean file pages of the list instead of copying them. @returns how many */
export function* reclaimCleanPagesFromList(phys: Phys, list: Pfn[]): Sleep<number> {
  const reclaimer = phys.reclaimer
  if (reclaimer === null) return 0
  let dropped = 0
  for (const page of list.slice()) {
    const state = phys.frames.flags[phys.frames.frameOf(page)]!
    if ((state & (PG_dirty | PG_anon | PG_swapbacked)) !== 0) continue
    if (!(yield* reclaimer.reclaimClean(page))) continue
    list.splice(list.indexOf(page), 1)
    putIsolated(phys, page)
    dropped++
  }
  return dropped
}

/** Gives the pages left on a list back to the LRU. */
export function putBackMovablePages(phys: Phys, list: Pfn[]): void {
  for (const page of list.splice(0)) phys.reclaimer?.putBackLru(page)
}

import type { Sleep } from '../../base/index.ts'
import { PG_anon, PG_dirty, PG_lazyfree, PG_locked } from '../phys/index.ts'
import { pmapClearModify, pmapPageProtect, VM_PROT_NONE } from '../pmap/index.ts'
import { isSwapBacked, ownerObject } from './kinds.ts'
import { takeLazyPage } from './lazyFree.ts'
import { SwapCluster } from './swapCluster.ts'
import { SwapOwner } from './swapOwner.ts'
import type { UvmPageDaemon } from './uvmPageDaemon.ts'

/** A scan goes on until so many times freetarg are free, or will be. */
const ENOUGH = 4

/** What a scan is for. */
export interface ScanGoal {
  /** Is it enough? `taken` by this scan; `clustered` of them are gathered, and will be written at its end. */
  isReached(taken: number, clustered: number): boolean
  /** Would this frame help? */
  isWanted(f: number): boolean
}
function untilFree(daemon: UvmPageDaemon): ScanGoal {
  return {
    isReached: (_taken, clustered) => daemon.free + daemon.paging + clustered >= ENOUGH * daemon.freetarg,
    isWanted: () => true,
  }
}

/**
 * One turn of the clock hand: takes inactive pages away until enough are free. Clean ones are free on return, dirty ones
 * are being written (pageoutsDone waits for them).
 *
 *   1. the policy names a page; a busy one is passed over
 *   2. a file's page: its pager cleans and frees it (takeFilePage)
 *   3. swap-backed and clean: freed; its data is in swap only from now on
 *   4. swap-backed and dirty: a slot in the cluster; without one it is in use again
 *
 * @returns pages taken
 * @locks  none held while a pager works; sleeps for it
 * @manual uvm(9), NetBSD: the page daemon
 */
export function* uvmpdScanQueue(daemon: UvmPageDaemon, goal: ScanGoal = untilFree(daemon)): Sleep<number> {
  const { events, policy, phys } = daemon
  const { flags } = phys.frames
  const cluster = new SwapCluster(daemon)
  let reactivations = 0
  let taken = 0
  events.pdrevs++
  policy.beginScan()
  while (reactivations < daemon.maxReactivations && !goal.isReached(taken, cluster.count)) {
    const f = policy.selectVictim()
    if (f < 0) break
    if (!goal.isWanted(f)) continue
    if ((flags[f]! & PG_locked) !== 0) {
      events.pdbusy++
      continue
    }
    const object = ownerObject(daemon.owners, f)
    if ((flags[f]! & PG_anon) !== 0) events.pdanscan++
    else if (object === null) {
      policy.dequeue(f)
      continue
    } else events.pdobscan++

    if (daemon.isLocked(f)) policy.activate(f)
    else if (object !== null && !isSwapBacked(object)) {
      if (yield* daemon.takeFilePage(daemon, f)) taken++
    } else if (takeSwapBacked(daemon, cluster, f)) taken++
    else reactivations++
  }
  cluster.flush()
  daemon.noteFree()
  return taken
}

/** @returns false: it stays: dirty without a slot for it, on loan, or in somebody's hands */
export function takeSwapBacked(daemon: UvmPageDaemon, cluster: SwapCluster, f: number): boolean {
  const { events, owners, policy, phys } = daemon
  const { frames } = phys
  // The owner's reference, and one for each mapping.
  if (frames.refcount[f] !== frames.mapcount[f]! + 2) {
    policy.activate(f)
    return false
  }
  const page = new SwapOwner(owners, f)
  if ((frames.flags[f]! & PG_lazyfree) === 0 && !cluster.hasPlaceFor(page)) {
    policy.activate(f)
    return false
  }
  if (frames.mapcount[f]! >= 0) pmapPageProtect(owners.pmaps, page.pfn, VM_PROT_NONE)
  if (pmapClearModify(owners.pmaps, page.pfn)) frames.flags[f] = frames.flags[f]! | PG_dirty
  if ((frames.flags[f]! & PG_lazyfree) !== 0 && takeLazyPage(owners, f)) {
    events.pdfreed++
    return true
  }
  if (page.slot > 0 && (frames.flags[f]! & PG_dirty) === 0) {
    page.dropPage()
    owners.anons.swap!.swpgonly++
    events.pdfreed++
    return true
  }
  page.dropSlot()
  if (!cluster.reserve()) {
    frames.flags[f] = frames.flags[f]! | PG_dirty
    policy.activate(f)
    return false
  }
  policy.dequeue(f)
  frames.flags[f] = frames.flags[f]! & ~PG_dirty
  cluster.add(page)
  return true
}

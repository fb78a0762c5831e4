import { isErr, type Sleep } from '../../base/index.ts'
import { PGO_CLEANIT, PGO_FREE } from '../object/index.ts'
import { PG_anon, PG_dirty, PG_locked } from '../phys/index.ts'
import { pmapClearModify, pmapPageProtect, VM_PROT_NONE } from '../pmap/index.ts'
import { isSwapBacked, ownerObject } from './kinds.ts'
import { SwapCluster } from './swapCluster.ts'
import { SwapOwner } from './swapOwner.ts'
import type { UvmPageDaemon } from './uvmPageDaemon.ts'

/** Dirty pages that could not be written after which a scan gives up. */
const MAX_DIRTY_REACTIVATIONS = 16
/** A scan goes on until so many times freetarg are free, or will be. */
const ENOUGH = 4

/**
 * One turn of the clock hand: takes inactive pages away until enough are free. Clean ones are free on return, dirty ones
 * are being written (pageoutsDone waits for them).
 *
 *   1. the policy names a page; a busy one is passed over
 *   2. a file's page: its pager cleans and frees it
 *   3. swap-backed and clean: freed; its data is in swap only from now on
 *   4. swap-backed and dirty: a slot in the cluster; without one it is in use again
 *
 * @locks  none held while a pager works; sleeps for it
 * @manual uvm(9), NetBSD: the page daemon
 */
export function* uvmpdScanQueue(daemon: UvmPageDaemon): Sleep<void> {
  const { events, policy, phys } = daemon
  const { flags } = phys.frames
  const cluster = new SwapCluster(daemon)
  let reactivations = 0
  events.pdrevs++
  policy.beginScan()
  while (reactivations < MAX_DIRTY_REACTIVATIONS) {
    if (daemon.free + daemon.paging + cluster.count >= ENOUGH * daemon.freetarg) break
    const f = policy.selectVictim()
    if (f < 0) break
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

    if (object !== null && !isSwapBacked(object)) {
      if (object.pager.put === undefined) policy.activate(f)
      else yield* cleanAndFree(daemon, f)
    } else if (!takeSwapBacked(daemon, cluster, f)) reactivations++
  }
  cluster.flush()
  daemon.noteFree()
}

function* cleanAndFree(daemon: UvmPageDaemon, f: number): Sleep<void> {
  const { frames } = daemon.phys
  const object = ownerObject(daemon.owners, f)!
  const pgoff = frames.pgoff[f]!
  object.pager.reference(object)
  const error = yield* object.pager.put!(object, pgoff, pgoff + 1, PGO_CLEANIT | PGO_FREE)
  if (!isErr(error) && object.pageAt(pgoff) < 0) daemon.events.pdfreed++
  object.pager.detach(object)
}

/** @returns false: dirty, and there is no slot for it */
function takeSwapBacked(daemon: UvmPageDaemon, cluster: SwapCluster, f: number): boolean {
  const { events, owners, policy, phys } = daemon
  const { frames } = phys
  const page = new SwapOwner(owners, f)
  if (frames.mapcount[f]! >= 0) pmapPageProtect(owners.pmaps, page.pfn, VM_PROT_NONE)
  if (pmapClearModify(owners.pmaps, page.pfn)) frames.flags[f] = frames.flags[f]! | PG_dirty
  if (page.slot > 0 && (frames.flags[f]! & PG_dirty) === 0) {
    page.dropPage()
    owners.anons.swap!.swpgonly++
    events.pdfreed++
    return true
  }
  page.dropSlot()
  if (frames.loanCount[f]! > 0 || !cluster.reserve()) {
    frames.flags[f] = frames.flags[f]! | PG_dirty
    policy.activate(f)
    return false
  }
  policy.dequeue(f)
  frames.flags[f] = frames.flags[f]! & ~PG_dirty
  cluster.add(page)
  return true
}

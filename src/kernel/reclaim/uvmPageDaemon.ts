// The page daemon: takes pages from whoever the policy names, until enough are free.

import { isErr, PAGE_SIZE, type Sleep, sleepOn, WaitQueue } from '../../base/index.ts'
import { PGO_CLEANIT, PGO_FREE } from '../object/index.ts'
import { freeCount, type Phys } from '../phys/index.ts'
import type { ReplacementPolicy } from './policy.ts'
import { ClockPolicy } from './clockPolicy.ts'
import { countFilePages, ownerObject, type Owners } from './kinds.ts'

/** Events of the daemon; the names are uvmexp's, as those of its policy. */
export class DaemonEvents {
  pdwoke = 0
  pdrevs = 0
  pdfreed = 0
  pdanscan = 0
  pdobscan = 0
  pdbusy = 0
  pdpageouts = 0
  pdpending = 0
  pgswapout = 0
}

const KiB = 1024

export interface DaemonOptions {
  /** Another policy than the clock. */
  readonly policy?: (daemon: UvmPageDaemon) => ReplacementPolicy
  /** Must the page stay whatever its owner says (mlock)? None unless told. */
  readonly isLocked?: (f: number) => boolean
  /** Takes a page that a file keeps (true), or puts it back in use. Its pager cleans and frees it unless told. */
  readonly takeFilePage?: (daemon: UvmPageDaemon, f: number) => Sleep<boolean>
}

/** State of the room for the netbsd personality. */
export class UvmPageDaemon {
  readonly owners: Owners
  readonly phys: Phys
  readonly events = new DaemonEvents()
  readonly policy: ReplacementPolicy
  /** Pages that are being written out and will be free then. */
  paging = 0
  /** Requests that the swap devices have not answered. */
  requests = 0
  /** Pages that could not be taken after which a scan gives up. */
  maxReactivations = 16
  readonly isLocked: (f: number) => boolean
  readonly takeFilePage: (daemon: UvmPageDaemon, f: number) => Sleep<boolean>
  // Wake-up numbers (the personality's reclaimThresholds), pages.
  readonly reservePagedaemon = 1
  reserveKernel: number
  freemin: number
  freetarg: number
  /** Joined by the daemon while there is nothing to do. */
  readonly wakeQueue = new WaitQueue('pgdaemon')
  /** Joined by whoever waits for memory, and woken when some is free. */
  readonly freeQueue = new WaitQueue('uvmfree')
  readonly ioQueue = new WaitQueue('pageouts')
  isAsleep = true

  constructor(owners: Owners, options: DaemonOptions = {}) {
    const { phys } = owners
    const cpus = phys.machine.cpus.length
    this.owners = owners
    this.phys = phys
    this.reserveKernel = 5 * cpus
    const share = Math.floor(phys.totalramPages / 200)
    const perCpu = Math.min(Math.max(share, (128 * KiB) / PAGE_SIZE), (1024 * KiB) / PAGE_SIZE)
    this.freemin = Math.max(perCpu * cpus, this.reserveKernel + 1)
    this.freetarg = Math.max(Math.floor((this.freemin * 4) / 3), this.freemin + 1)
    this.isLocked = options.isLocked ?? (() => false)
    this.takeFilePage = options.takeFilePage ?? cleanAndFree
    this.policy =
      options.policy?.(this) ??
      new ClockPolicy(owners, {
        leastInactive: () => this.freetarg + 1,
        isSwapFull: () => this.isSwapFull,
      })
    phys.queues = this.policy
  }
  get free(): number {
    return freeCount(this.phys)
  }
  get isSwapFull(): boolean {
    return this.owners.anons.swap?.isFull ?? true
  }
  /** Should the daemon run? */
  get isNeeded(): boolean {
    const ahead = this.free + this.paging
    return ahead < this.freemin || (ahead < this.freetarg && this.policy.needsScan)
  }
  /** Could waiting for the daemon ever help? @manual uvm_reclaimable, uvm(9), NetBSD */
  get isReclaimable(): boolean {
    if (!this.isSwapFull) return true
    const { filepages, execpages } = countFilePages(this.owners)
    const queued = this.policy.active + this.policy.inactive
    return filepages + execpages >= Math.min(Math.floor(queued / 16), (5 * KiB * KiB) / PAGE_SIZE) && queued > 0
  }
  /** Memory may have become free: whoever waits for it looks again. */
  noteFree(): void {
    if (this.free > this.reserveKernel) this.freeQueue.wakeAll()
    if (this.requests === 0) this.ioQueue.wakeAll()
  }
  /** Waits until nothing is being written out any more. */
  *pageoutsDone(): Sleep<void> {
    while (this.requests > 0) yield* sleepOn(this.ioQueue)
  }
}

/** A page of a file goes back to its pager. */
function* cleanAndFree(daemon: UvmPageDaemon, f: number): Sleep<boolean> {
  const { frames } = daemon.phys
  const object = ownerObject(daemon.owners, f)!
  const pgoff = frames.pgoff[f]!
  if (object.pager.put === undefined) {
    daemon.policy.activate(f)
    return false
  }
  object.pager.reference(object)
  const error = yield* object.pager.put(object, pgoff, pgoff + 1, PGO_CLEANIT | PGO_FREE)
  const isGone = !isErr(error) && object.pageAt(pgoff) < 0
  if (isGone) daemon.events.pdfreed++
  object.pager.detach(object)
  return isGone
}

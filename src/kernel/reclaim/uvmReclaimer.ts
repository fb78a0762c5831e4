// The page daemon as the allocator knows it: what to call when memory is short.

import { EAGAIN, type Err, type Sleep } from '../../base/index.ts'
import type { Reclaimer } from '../phys/index.ts'
import { uvmpdScan } from './pageout.ts'
import type { UvmPageDaemon } from './uvmPageDaemon.ts'

/**
 * Binds a page daemon to the allocator of its system. A thread that finds no memory scans for itself, in the daemon's
 * place, and waits for what it has begun to write; nobody is killed for want of memory.
 */
export class UvmReclaimer implements Reclaimer {
  readonly daemon: UvmPageDaemon
  constructor(daemon: UvmPageDaemon) {
    this.daemon = daemon
    daemon.phys.reclaimer = this
  }
  wake(): boolean {
    const wasAsleep = this.daemon.isAsleep
    this.daemon.wakeQueue.wakeAll()
    return wasAsleep
  }
  *directReclaim(): Sleep<number> {
    const { daemon } = this
    if (!daemon.isReclaimable) return 0
    const before = daemon.free
    yield* uvmpdScan(daemon)
    yield* daemon.pageoutsDone()
    return Math.max(0, daemon.free - before)
  }
  *zoneReclaim(): Sleep<number> {
    return 0
  }
  *outOfMemory(): Sleep<boolean> {
    return false
  }
  // UVM moves no page: it has no batches, and nothing to isolate.
  drainLru(): void {}
  isolateLru(): boolean {
    return false
  }
  putBackLru(): void {}
  *reclaimClean(): Sleep<boolean> {
    return false
  }
  *migrate(): Sleep<0 | Err> {
    return EAGAIN
  }
  zoneDirtyOk(): boolean {
    return true
  }
}

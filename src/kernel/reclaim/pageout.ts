import { type Sleep, sleepOn } from '../../base/index.ts'
import { uvmpdScanQueue } from './uvmpdScan.ts'
import type { UvmPageDaemon } from './uvmPageDaemon.ts'

/** The queues in shape, then one turn of the clock hand. */
export function* uvmpdScan(daemon: UvmPageDaemon): Sleep<void> {
  daemon.policy.balance()
  yield* uvmpdScanQueue(daemon)
  daemon.policy.balance()
}

/**
 * The page daemon's thread: sleeps until it is woken, and scans while memory is short. Never returns.
 *
 * @manual uvm_pageout, uvm(9), NetBSD
 */
export function* uvmPageout(daemon: UvmPageDaemon): Sleep<never> {
  for (;;) {
    if (!daemon.isNeeded) {
      daemon.isAsleep = true
      yield* sleepOn(daemon.wakeQueue)
      daemon.isAsleep = false
      daemon.events.pdwoke++
      continue
    }
    const before = daemon.free + daemon.paging
    yield* uvmpdScan(daemon)
    yield* daemon.pageoutsDone()
    // Nothing to take: whoever waits must find that out, and another wake-up come.
    if (daemon.free <= before && daemon.isNeeded) {
      daemon.freeQueue.wakeAll()
      daemon.isAsleep = true
      yield* sleepOn(daemon.wakeQueue)
      daemon.isAsleep = false
      daemon.events.pdwoke++
    }
  }
}

/**
 * reclaim: which pages go when memory is short, and where to. A policy keeps the queues and names the next page; a daemon
 * takes it from its owner: an anon, an anonymous object (to swap), a file (to its store).
 *
 *   allocator ──wake, directReclaim──► UvmReclaimer,  ──► UvmPageDaemon ──selectVictim──► ReplacementPolicy (ClockPolicy)
 *                                      LinuxReclaimer
 *   fault, wire, clean ──activate, deactivate, dequeue───────────────────────────────────────►
 *
 * Another policy is another ReplacementPolicy; another kernel's reclaim is another Reclaimer beside this one. A policy owns
 * its arrays; only PG_queued is in the frame's flags.
 *
 * Invariants (verify of the policy):
 * - a page is on at most one queue, and exactly then it has PG_queued;
 * - a wired page is on no queue, nor is one that is being written out;
 * - `paging` is the number of pages being written that will be free when that has ended.
 *
 * Locks: the queues' lock is held for one synchronous call. Scanning sleeps where a pager does. Manual: uvm(9), NetBSD.
 */
export { PolicyEvents, type ReplacementPolicy } from './policy.ts'
export { ClockPolicy, type ClockOptions, KindLimits } from './clockPolicy.ts'
export { countFilePages, kindOf, KIND_ANON, KIND_EXEC, KIND_FILE, KIND_NONE, type Owners } from './kinds.ts'
export { DaemonEvents, type DaemonOptions, UvmPageDaemon } from './uvmPageDaemon.ts'
export { type ScanGoal, uvmpdScanQueue } from './uvmpdScan.ts'
export { uvmPageout, uvmpdScan } from './pageout.ts'
export { LinuxReclaimer, type ReclaimHooks } from './linuxReclaimer.ts'
export { UvmReclaimer } from './uvmReclaimer.ts'

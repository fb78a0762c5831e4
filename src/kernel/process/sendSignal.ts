import { EINVAL, type Err, type Sleep, sleepOn, type WaitQueue } from '../../base/index.ts'
import type { Kernel } from './kernel.ts'
import type { Process, Thread } from './process.ts'
import {
  CLD_CONTINUED,
  defaultAction,
  SA_NOCLDSTOP,
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGNAL_COUNT,
  signalBit,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  type SignalInfo,
  type SignalSet,
  UNBLOCKABLE,
} from './signals.ts'

const STOPS: SignalSet = signalBit(SIGSTOP) | signalBit(SIGTSTP) | signalBit(SIGTTIN) | signalBit(SIGTTOU)

/** A signal for a process: any of its threads that does not block it takes it. Never sleeps. @manual kill(2) */
export function sendSignal(kernel: Kernel, process: Process, info: SignalInfo): void {
  send(kernel, process, null, info)
}
/** A signal for one thread. @manual tgkill(2) */
export function sendThreadSignal(kernel: Kernel, thread: Thread, info: SignalInfo): void {
  send(kernel, thread.process, thread, info)
}
/** 0 (a question) to 64. */
export function checkSignal(signo: number): 0 | Err {
  return signo >= 0 && signo <= SIGNAL_COUNT ? 0 : EINVAL
}

function send(kernel: Kernel, process: Process, target: Thread | null, info: SignalInfo): void {
  const { signo } = info
  if (process.state !== 'alive' || process.isExiting || signo === 0) return
  const bit = signalBit(signo)
  beforeSending(kernel, process, signo)
  const threads = target === null ? process.threads : [target]
  const isBlocked = threads.every((thread) => (thread.mask & bit) !== 0n)
  const isWaitedFor = threads.some((thread) => (thread.waitingFor & bit) !== 0n)
  if (process.actions.ignores(signo) && !isBlocked && !isWaitedFor) return
  const queue = target === null ? process.pending : target.pending
  queue.add(info)
  const taker =
    threads.find((thread) => (thread.waitingFor & bit) !== 0n) ??
    threads.find((thread) => thread.tid === process.pid && isDeliverable(thread, bit)) ??
    threads.find((thread) => isDeliverable(thread, bit))
  if (taker === undefined) return
  if (isFatal(process, signo)) wakeToEnd(process)
  taker.needsAttention = true
  kernel.scheduler.interruptSleep(taker)
}
const isDeliverable = (thread: Thread, bit: SignalSet): boolean =>
  (thread.mask & bit) === 0n || (UNBLOCKABLE & bit) !== 0n

/** Stopping and continuing signals cancel each other; SIGCONT continues even when it is blocked or ignored. */
function beforeSending(kernel: Kernel, process: Process, signo: number): void {
  const discard = (signals: SignalSet): void => {
    process.pending.discard(signals)
    for (const thread of process.threads) thread.pending.discard(signals)
  }
  if ((STOPS & signalBit(signo)) !== 0n) discard(signalBit(SIGCONT))
  if (signo !== SIGCONT) return
  discard(STOPS)
  if (process.stopSignal === 0) return
  process.stopSignal = 0
  process.hasUnreportedStop = false
  process.hasUnreportedContinue = true
  tellParentOfStop(kernel, process, CLD_CONTINUED, SIGCONT)
  process.continueQueue.wakeAll()
}

/** SIGCHLD and the wait queue, for a child that stopped or goes on. */
export function tellParentOfStop(kernel: Kernel, process: Process, code: number, status: number): void {
  const { parent } = process
  if (parent === null) return
  const action = parent.actions.get(SIGCHLD)
  if (action.handler !== SIG_IGN && (action.flags & SA_NOCLDSTOP) === 0)
    sendSignal(kernel, parent, { signo: SIGCHLD, code, pid: process.pid, uid: process.who.realUid, status })
  parent.waitQueue.wakeAll()
}

/**
 * A signal that the thread has brought on itself by an instruction: it cannot be put off. If it is blocked or ignored,
 * it ends the process.
 */
export function forceSignal(thread: Thread, info: SignalInfo): void {
  const { process } = thread
  const bit = signalBit(info.signo)
  if ((thread.mask & bit) !== 0n || process.actions.get(info.signo).handler === SIG_IGN) {
    process.actions.set(info.signo, { handler: 0, flags: 0, mask: 0n })
    thread.mask &= ~bit
  }
  if (process.isExiting) return
  thread.pending.add(info)
  thread.needsAttention = true
}

/** Ends the sleeps of a process that signals do not interrupt, but its end does. */
export function wakeToEnd(process: Process): void {
  process.continueQueue.wakeAll()
  for (const thread of process.threads) thread.killQueue?.wakeAll()
}
/** The thread will not return to user code. */
export function isBeingEnded(thread: Thread): boolean {
  const { process } = thread
  if (process.isExiting || thread.mustEnd) return true
  const waiting = (thread.pending.set | process.pending.set) & (~thread.mask | UNBLOCKABLE)
  for (let signo = 1, rest = waiting; rest !== 0n; signo++, rest >>= 1n)
    if ((rest & 1n) !== 0n && isFatal(process, signo)) return true
  return false
}
/** Does the signal end the process, with nothing to run or to write down before? */
function isFatal(process: Process, signo: number): boolean {
  return process.actions.get(signo).handler === SIG_DFL && defaultAction(signo) === 'end'
}
/**
 * Sleeps until the queue is woken, whatever signals come. The caller looks again at what it waits for.
 *
 * @returns true: the thread is being ended, and need not wait any longer
 */
export function* sleepUnlessEnded(thread: Thread, queue: WaitQueue): Sleep<boolean> {
  if (isBeingEnded(thread)) return true
  thread.killQueue = queue
  yield* sleepOn(queue)
  thread.killQueue = null
  return isBeingEnded(thread)
}

/** Recomputes whether the thread must look for signals before user code runs; after its mask or an action changed. */
export function recheckSignals(thread: Thread): void {
  const { process } = thread
  const waiting = (thread.pending.set | process.pending.set) & (~thread.mask | UNBLOCKABLE)
  thread.needsAttention = waiting !== 0n || process.isExiting || thread.mustEnd || process.stopSignal !== 0
}

/** After SIG_IGN was set: what waits and would be ignored is thrown away. */
export function discardIgnored(process: Process, signo: number): void {
  if (!process.actions.ignores(signo) || defaultAction(signo) === 'continue') return
  process.pending.discard(signalBit(signo))
  for (const thread of process.threads) thread.pending.discard(signalBit(signo))
}

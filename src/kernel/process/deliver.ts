// What happens before user code runs again: the end of an exiting process, stops, signals, interrupted calls.

import { isErr, type Sleep, sleepOn } from '../../base/index.ts'
import { exitGroup, exitThread } from './exit.ts'
import type { Kernel } from './kernel.ts'
import { mapsAround } from './mapsLine.ts'
import type { Thread } from './process.ts'
import { A0 } from './registers.ts'
import { recheckSignals, tellParentOfStop } from './sendSignal.ts'
import { pushSignalFrame } from './signalFrame.ts'
import {
  CLD_STOPPED,
  defaultAction,
  SA_NODEFER,
  SA_RESETHAND,
  SA_RESTART,
  SI_KERNEL,
  SIG_DFL,
  SIG_IGN,
  SIGKILL,
  type SignalInfo,
  signalBit,
  SIGSEGV,
  UNBLOCKABLE,
} from './signals.ts'

/**
 * Does everything that stands between a thread and its next user instruction. Afterwards the thread may run, or it is
 * dead.
 *
 *   1. an exiting process: the thread ends here
 *   2. a stopped process: sleep until it continues
 *   3. each deliverable signal: ignored, ends, stops, or a frame for its handler
 *   4. a call that answered EINTR: executed again, unless a handler wants to see the EINTR
 *
 * @locks  sleeps
 * @manual signal(7)
 */
export function* returnToUser(kernel: Kernel, thread: Thread): Sleep<void> {
  const { process } = thread
  let handled = false
  for (;;) {
    if (process.isExiting || thread.mustEnd) {
      yield* exitThread(kernel, thread, process.exitStatus)
      return
    }
    const killed = thread.pending.take(signalBit(SIGKILL)) ?? process.pending.take(signalBit(SIGKILL))
    if (killed !== null) {
      endBySignal(kernel, thread, killed)
      continue
    }
    if (process.stopSignal !== 0) {
      yield* sleepOn(process.continueQueue)
      continue
    }
    const allowed = ~thread.mask | UNBLOCKABLE
    const info = thread.pending.take(allowed) ?? process.pending.take(allowed)
    if (info === null) break
    handled = (yield* act(kernel, thread, info, handled)) || handled
  }
  if (!handled) {
    if (thread.restart !== 'no') executeAgain(thread)
    if (thread.savedMask !== null) thread.mask = thread.savedMask
  }
  thread.restart = 'no'
  thread.savedMask = null
  recheckSignals(thread)
  // The mask may have been put back: look again.
  if (thread.needsAttention) yield* returnToUser(kernel, thread)
}

/** True if a handler's frame was pushed. */
function* act(kernel: Kernel, thread: Thread, info: SignalInfo, isLater: boolean): Sleep<boolean> {
  const { process } = thread
  const { signo } = info
  const action = process.actions.get(signo)
  if (action.handler === SIG_IGN) return false
  if (action.handler === SIG_DFL) {
    const what = defaultAction(signo)
    if (what === 'end') endBySignal(kernel, thread, info)
    if (what === 'stop') stop(kernel, thread, signo)
    return false
  }
  if (!isLater) {
    if (thread.restart === 'unless handled' && (action.flags & SA_RESTART) !== 0) executeAgain(thread)
    else thread.restartDeadline = Number.NaN
    thread.restart = 'no'
  }
  if ((action.flags & SA_RESETHAND) !== 0) process.actions.set(signo, { handler: SIG_DFL, flags: 0, mask: 0n })
  const pushed = yield* pushSignalFrame(thread, info, action)
  if (isErr(pushed)) {
    // No room for the frame: the program cannot go on.
    endBySignal(kernel, thread, { signo: SIGSEGV, code: SI_KERNEL, note: 'no room on the stack for a signal frame' })
    return false
  }
  thread.savedMask = null
  const own = (action.flags & SA_NODEFER) !== 0 ? 0n : signalBit(signo)
  thread.mask = (thread.mask | action.mask | own) & ~UNBLOCKABLE
  return true
}

function endBySignal(kernel: Kernel, thread: Thread, info: SignalInfo): void {
  const { process } = thread
  process.fatal ??= {
    signo: info.signo,
    code: info.code,
    address: info.address ?? 0,
    pc: thread.regs.pc,
    access: info.access ?? '',
    mappings: info.address === undefined || process.space === null ? [] : mapsAround(process.space, info.address),
    note: info.note ?? '',
  }
  exitGroup(kernel, process, info.signo)
}
function stop(kernel: Kernel, thread: Thread, signo: number): void {
  const { process } = thread
  process.stopSignal = signo
  process.hasUnreportedStop = true
  process.hasUnreportedContinue = false
  for (const other of process.threads) {
    other.needsAttention = true
    if (other !== thread) kernel.scheduler.interruptSleep(other)
  }
  tellParentOfStop(kernel, process, CLD_STOPPED, signo)
}

/** The ecall will be executed once more, with its first argument as it was. */
function executeAgain(thread: Thread): void {
  const { regs } = thread
  regs.x[2 * A0] = thread.savedA0Low
  regs.x[2 * A0 + 1] = thread.savedA0High
  regs.pc -= 4
}

// The end of threads and processes.
//
//   exit_group, fatal signal ──► isExiting ──► every thread: exitThread ──► the last one: the process is a zombie
//                                                                           ──► wait4 of the parent: gone

import { isErr, type Sleep, sleepOn } from '../../base/index.ts'
import { vnodeRelease } from '../file/index.ts'
import { uvmspaceFree } from '../map/index.ts'
import type { Kernel } from './kernel.ts'
import type { Process, Thread } from './process.ts'
import { sendSignal, wakeToEnd } from './sendSignal.ts'
import { CLD_EXITED, CLD_KILLED, SA_NOCLDWAIT, SIG_IGN, SIGCHLD, SIGNAL_COUNT } from './signals.ts'
import { copyInInt, copyIn, copyOutInt } from './userCopy.ts'

const FUTEX_OWNER_DIED = 0x40000000
const FUTEX_WAITERS = 0x80000000
const FUTEX_TID_MASK = 0x3fffffff
const ROBUST_LIST_LIMIT = 2048

/**
 * Ends all threads of a process with this wait status; the calling thread must still call `exitThread`.
 *
 * @param status  exit code << 8, or a signal number
 */
export function exitGroup(kernel: Kernel, process: Process, status: number): void {
  if (process.isExiting) return
  process.isExiting = true
  process.exitStatus = status
  for (const thread of process.threads) endSoon(kernel, thread)
  wakeToEnd(process)
}
function endSoon(kernel: Kernel, thread: Thread): void {
  thread.needsAttention = true
  kernel.scheduler.interruptSleep(thread)
}

/** execve: waits until the calling thread is the only one. */
export function* endOtherThreads(kernel: Kernel, thread: Thread): Sleep<void> {
  const { process } = thread
  if (process.threads.length === 1) return
  for (const other of process.threads) {
    if (other === thread) continue
    other.mustEnd = true
    endSoon(kernel, other)
  }
  wakeToEnd(process)
  while (process.threads.length > 1) yield* sleepOn(process.threadQueue)
}

/** The thread stops using its memory: it tells whoever waits for that. */
export function* leaveMemory(kernel: Kernel, thread: Thread): Sleep<void> {
  const { process } = thread
  const space = process.space!
  if (thread.robustList !== 0) yield* walkRobustList(kernel, thread)
  if (thread.clearChildTid !== 0 && (space.refs > 1 || process.threads.length > 1)) {
    const address = thread.clearChildTid
    thread.clearChildTid = 0
    if ((yield* copyOutInt(space, address, 0)) === 0) kernel.futexes.wake(kernel.futexes.keyOf(space, address), 1)
  }
  if (process.isVforkChild && process.threads.length <= 1) {
    process.isVforkChild = false
    process.vforkQueue.wakeAll()
  }
}

/**
 * The last thing a thread does. With the last thread the process ends.
 *
 * @param status  wait status if nobody has decided one
 * @locks  sleeps
 * @manual _exit(2)
 */
export function* exitThread(kernel: Kernel, thread: Thread, status: number): Sleep<void> {
  const { process } = thread
  thread.mustEnd = true
  if (!process.isExiting && (thread.tid === process.pid || process.threads.length === 1)) process.exitStatus = status
  yield* leaveMemory(kernel, thread)
  process.threads.splice(process.threads.indexOf(thread), 1)
  kernel.processes.removeThread(thread)
  if (process.threads.length === 0) yield* endProcess(kernel, thread)
  else process.threadQueue.wakeAll()
  if (process.space !== null) kernel.scheduler.switchSpace(thread, process.space, null)
  thread.state = 'dead'
  thread.continuation = null
  kernel.scheduler.threadExited(thread)
}

function* endProcess(kernel: Kernel, last: Thread): Sleep<void> {
  const { process } = last
  process.isExiting = true
  process.alarm?.cancel()
  process.alarm = null
  const space = process.space!
  process.usage.peakResidentPages = Math.max(process.usage.peakResidentPages, space.peakResidentPages)
  kernel.scheduler.switchSpace(last, space, null)
  process.space = null
  uvmspaceFree(space)
  const fds = process.fds!
  yield* fds.release()
  process.fds = null
  process.fs!.release()
  process.fs = null
  process.actions.refs--
  if (process.exe !== null) vnodeRelease(process.exe)
  process.exe = null
  for (const child of process.children) reparent(kernel, child)
  if (kernel.processes.init === process) kernel.processes.init = null
  tellParent(kernel, process)
  kernel.exitQueue.wakeAll()
}

function reparent(kernel: Kernel, child: Process): void {
  const { init } = kernel.processes
  const heir = init !== null && init !== child.parent && init.state === 'alive' ? init : null
  child.parent!.children.delete(child)
  child.parent = heir
  heir?.children.add(child)
  if (child.deathSignal !== 0 && child.state === 'alive')
    sendSignal(kernel, child, { signo: child.deathSignal, code: 0 })
  if (child.state !== 'zombie') return
  if (heir === null) reap(kernel, child)
  else tellParent(kernel, child)
}

/** A process has ended: a signal for its parent, and the record kept until the parent asks. */
function tellParent(kernel: Kernel, process: Process): void {
  const { parent } = process
  process.state = 'zombie'
  if (parent === null) {
    reap(kernel, process)
    return
  }
  const action = parent.actions.get(SIGCHLD)
  const isUnwanted =
    process.exitSignal === SIGCHLD && (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0)
  if (process.exitSignal >= 1 && process.exitSignal <= SIGNAL_COUNT)
    sendSignal(kernel, parent, childInfo(process, process.exitSignal))
  if (isUnwanted) reap(kernel, process)
  parent.waitQueue.wakeAll()
}
function childInfo(process: Process, signo: number) {
  const wasKilled = (process.exitStatus & 0x7f) !== 0
  return {
    signo,
    code: wasKilled ? CLD_KILLED : CLD_EXITED,
    pid: process.pid,
    uid: process.who.realUid,
    status: wasKilled ? process.exitStatus & 0x7f : process.exitStatus >> 8,
  }
}

/** Nobody will ask about the process any more: its number is free. */
export function reap(kernel: Kernel, process: Process): void {
  const { parent } = process
  if (parent !== null) {
    parent.childUsage.add(process.usage)
    parent.childUsage.add(process.childUsage)
    parent.children.delete(process)
  }
  process.state = 'gone'
  kernel.processes.remove(process)
}

// struct robust_list_head { next; futex_offset; list_op_pending }: locks that the thread held are marked as left behind.
function* walkRobustList(kernel: Kernel, thread: Thread): Sleep<void> {
  const space = thread.space
  const head = thread.robustList
  thread.robustList = 0
  const bytes = yield* copyIn(space, head, 24)
  if (isErr(bytes)) return
  const view = new DataView(bytes.buffer)
  const offset = Number(view.getBigInt64(8, true))
  const pending = Number(view.getBigUint64(16, true))
  let at = Number(view.getBigUint64(0, true))
  for (let i = 0; i < ROBUST_LIST_LIMIT && at !== head && at !== 0; i++) {
    const next = yield* copyIn(space, at - (at % 2), 8)
    if (at !== pending) yield* leaveLock(kernel, thread, at - (at % 2) + offset)
    if (isErr(next)) break
    at = Number(new DataView(next.buffer).getBigUint64(0, true))
  }
  if (pending !== 0) yield* leaveLock(kernel, thread, pending - (pending % 2) + offset)
}
function* leaveLock(kernel: Kernel, thread: Thread, address: number): Sleep<void> {
  const { space } = thread
  const word = yield* copyInInt(space, address)
  if (word === 'EFAULT' || (word & FUTEX_TID_MASK) !== thread.tid) return
  if ((yield* copyOutInt(space, address, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) !== 0) return
  if ((word & FUTEX_WAITERS) !== 0) kernel.futexes.wake(kernel.futexes.keyOf(space, address), 1)
}

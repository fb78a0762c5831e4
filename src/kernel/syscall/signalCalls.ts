// Signals: actions, masks, sending, waiting.

import {
  E2BIG,
  EAGAIN,
  EINTR,
  EINVAL,
  ENOMEM,
  EPERM,
  ESRCH,
  type Err,
  isErr,
  type OrErr,
  type Sleep,
  sleepUntil,
} from '../../base/index.ts'
import { CAP_KILL, capable } from '../file/index.ts'
import {
  checkSignal,
  copyIn,
  discardIgnored,
  forceSignal,
  isOnAltStack,
  type Kernel,
  nowNs,
  popSignalFrame,
  type Process,
  recheckSignals,
  sendSignal,
  sendThreadSignal,
  SI_KERNEL,
  SI_TKILL,
  SI_USER,
  SIGCONT,
  siginfoBytes,
  SIGKILL,
  SIGNAL_COUNT,
  type SignalInfo,
  type SignalSet,
  SIGSEGV,
  SIGSTOP,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  type Thread,
  UNBLOCKABLE,
  copyOut,
} from '../process/index.ts'
import { getLong, int, long, putLong, putStruct, REGISTERS_SET, size, timespecAt, viewOf } from './call.ts'

const SET_BYTES = 8
const ACTION_BYTES = 24

/** int rt_sigaction(int signo, const struct sigaction *new, struct sigaction *old, size_t) @manual rt_sigaction(2) */
export function* sigaction(_kernel: Kernel, thread: Thread): Sleep<number> {
  const signo = int(thread, 0)
  const { process } = thread
  if (size(thread, 3) !== SET_BYTES) return EINVAL
  const isNew = long(thread, 1) !== 0
  const bytes = isNew ? yield* copyIn(thread.space, long(thread, 1), ACTION_BYTES) : null
  if (isErr(bytes)) return bytes
  if (signo < 1 || signo > SIGNAL_COUNT || (isNew && (signo === SIGKILL || signo === SIGSTOP))) return EINVAL
  const old = process.actions.get(signo)
  if (bytes !== null) {
    const view = viewOf(bytes)
    const mask = view.getBigUint64(16, true) & ~UNBLOCKABLE
    process.actions.set(signo, { handler: getLong(view, 0), flags: view.getUint32(8, true), mask })
    discardIgnored(process, signo)
  }
  if (long(thread, 2) === 0) return 0
  return yield* putStruct(thread, long(thread, 2), ACTION_BYTES, (view) => {
    putLong(view, 0, old.handler)
    view.setUint32(8, old.flags, true)
    view.setBigUint64(16, old.mask, true)
  })
}

const SIG_BLOCK = 0
const SIG_UNBLOCK = 1
const SIG_SETMASK = 2
function* setAt(thread: Thread, address: number): Sleep<OrErr<{ set: SignalSet }>> {
  const bytes = yield* copyIn(thread.space, address, SET_BYTES)
  return isErr(bytes) ? bytes : { set: viewOf(bytes).getBigUint64(0, true) & ~UNBLOCKABLE }
}
function* putSet(thread: Thread, address: number, set: SignalSet): Sleep<OrErr<0>> {
  return yield* putStruct(thread, address, SET_BYTES, (view) => view.setBigUint64(0, BigInt.asUintN(64, set), true))
}
/** int rt_sigprocmask(int how, const sigset_t *set, sigset_t *old, size_t) @manual rt_sigprocmask(2) */
export function* sigprocmask(_kernel: Kernel, thread: Thread): Sleep<number> {
  if (size(thread, 3) !== SET_BYTES) return EINVAL
  const old = thread.mask
  if (long(thread, 1) !== 0) {
    const wanted = yield* setAt(thread, long(thread, 1))
    if (isErr(wanted)) return wanted
    const how = int(thread, 0)
    if (how === SIG_BLOCK) thread.mask = old | wanted.set
    else if (how === SIG_UNBLOCK) thread.mask = old & ~wanted.set
    else if (how === SIG_SETMASK) thread.mask = wanted.set
    else return EINVAL
    recheckSignals(thread)
  }
  return long(thread, 2) === 0 ? 0 : yield* putSet(thread, long(thread, 2), old)
}
/** @manual rt_sigpending(2) */
export function* sigpending(_kernel: Kernel, thread: Thread): Sleep<number> {
  const wanted = size(thread, 1)
  if (wanted > SET_BYTES) return EINVAL
  const set = new Uint8Array(SET_BYTES)
  viewOf(set).setBigUint64(0, (thread.pending.set | thread.process.pending.set) & thread.mask, true)
  return yield* copyOut(thread.space, long(thread, 0), set.subarray(0, wanted))
}
/** @manual rt_sigsuspend(2) */
export function* sigsuspend(_kernel: Kernel, thread: Thread): Sleep<number> {
  if (size(thread, 1) !== SET_BYTES) return EINVAL
  const wanted = yield* setAt(thread, long(thread, 0))
  if (isErr(wanted)) return wanted
  thread.savedMask = thread.mask
  thread.mask = wanted.set
  recheckSignals(thread)
  if (!thread.needsAttention) yield* sleepUntil(Infinity, true)
  return EINTR
}
/** int rt_sigtimedwait(const sigset_t *, siginfo_t *, const struct timespec *, size_t) @manual rt_sigtimedwait(2) */
export function* sigtimedwait(kernel: Kernel, thread: Thread): Sleep<number> {
  if (size(thread, 3) !== SET_BYTES) return EINVAL
  const wanted = yield* setAt(thread, long(thread, 0))
  if (isErr(wanted)) return wanted
  let deadline = Infinity
  if (long(thread, 2) !== 0) {
    const time = yield* timespecAt(thread, long(thread, 2))
    if (isErr(time)) return time
    deadline = nowNs(kernel) + time.ns
  }
  for (;;) {
    const info = thread.pending.take(wanted.set) ?? thread.process.pending.take(wanted.set)
    recheckSignals(thread)
    if (info !== null) return yield* giveInfo(thread, info)
    if (nowNs(kernel) >= deadline) return EAGAIN
    if (thread.needsAttention) return EINTR
    thread.waitingFor = wanted.set
    const reason = yield* sleepUntil(deadline, true)
    thread.waitingFor = 0n
    const here = (thread.pending.set | thread.process.pending.set) & wanted.set
    if (reason === 'signal' && here === 0n) return EINTR
  }
}
function* giveInfo(thread: Thread, info: SignalInfo): Sleep<number> {
  if (long(thread, 1) !== 0) {
    const written = yield* copyOut(thread.space, long(thread, 1), siginfoBytes(info))
    if (isErr(written)) return written
  }
  return info.signo
}

/** Its own process, one of the same user, one of the session for SIGCONT; with CAP_KILL any. */
export function mayKill({ process }: Thread, target: Process, signo: number): boolean {
  const { realUid, savedUid } = target.who
  const isSame = [process.who.uid, process.who.realUid].some((uid) => uid === realUid || uid === savedUid)
  if (process === target || isSame || (signo === SIGCONT && process.sid === target.sid)) return true
  return capable(process.who, CAP_KILL)
}
/** int kill(pid_t pid, int signo): a process, its group (0), all (-1), or a group (-pgid). @manual kill(2) */
export function kill(kernel: Kernel, thread: Thread): number {
  const pid = int(thread, 0)
  const signo = int(thread, 1)
  if (checkSignal(signo) !== 0) return EINVAL
  const { process } = thread
  const all = [...kernel.processes.byPid.values()]
  const targets =
    pid > 0
      ? all.filter((target) => target.pid === pid)
      : pid === -1
        ? all.filter((target) => target !== process && target !== kernel.processes.init)
        : all.filter((target) => target.pgid === (pid === 0 ? process.pgid : -pid))
  if (targets.length === 0) return ESRCH
  const allowed = targets.filter((target) => mayKill(thread, target, signo))
  if (allowed.length === 0) return EPERM
  const info = { signo, code: SI_USER, pid: process.pid, uid: process.who.realUid }
  for (const target of allowed) sendSignal(kernel, target, info)
  return 0
}
/** @manual tkill(2) */
export function tkill(kernel: Kernel, thread: Thread): number {
  return killThread(kernel, thread, null, int(thread, 0), int(thread, 1))
}
/** @manual tgkill(2) */
export function tgkill(kernel: Kernel, thread: Thread): number {
  return killThread(kernel, thread, int(thread, 0), int(thread, 1), int(thread, 2))
}
function killThread(kernel: Kernel, thread: Thread, pid: number | null, tid: number, signo: number): number {
  if (tid <= 0 || (pid !== null && pid <= 0) || checkSignal(signo) !== 0) return EINVAL
  const target = kernel.processes.byTid.get(tid)
  if (target === undefined || (pid !== null && target.process.pid !== pid)) return ESRCH
  if (!mayKill(thread, target.process, signo)) return EPERM
  const { process } = thread
  sendThreadSignal(kernel, target, { signo, code: SI_TKILL, pid: process.pid, uid: process.who.realUid })
  return 0
}
const SIGINFO_BYTES = 48
const SIGINFO_REST = 80
/** Codes of a process's own making; of others all 128 bytes are looked at. */
const SI_DETHREAD = -7
const SI_ASYNCNL = -60
/** A siginfo_t: the kernel knows its first 48 bytes. @errors EFAULT; E2BIG something behind them where there is nothing */
export function* signalInfoAt(thread: Thread, address: number): Sleep<{ view: DataView } | Err> {
  const bytes = yield* copyIn(thread.space, address, SIGINFO_BYTES)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const code = view.getInt32(8, true)
  if (code >= SI_DETHREAD || code === SI_ASYNCNL) return { view }
  const rest = yield* copyIn(thread.space, address + SIGINFO_BYTES, SIGINFO_REST)
  if (isErr(rest)) return rest
  return rest.some((byte) => byte !== 0) ? E2BIG : { view }
}
/** What a siginfo_t says of its sender. */
export function senderIn(view: DataView): { pid: number; uid: number; value: bigint } {
  return { pid: view.getInt32(16, true), uid: view.getInt32(20, true), value: view.getBigInt64(24, true) }
}
/** int rt_sigqueueinfo(pid_t, int, siginfo_t *) @manual rt_sigqueueinfo(2) */
export function* sigqueueinfo(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = kernel.processes.byPid.get(int(thread, 0))
  const signo = int(thread, 1)
  const given = yield* signalInfoAt(thread, long(thread, 2))
  if (isErr(given)) return given
  if (checkSignal(signo) !== 0) return EINVAL
  if (target === undefined) return ESRCH
  const { view } = given
  const code = view.getInt32(8, true)
  if ((code >= 0 || code === SI_TKILL) && target !== thread.process) return EPERM
  if (!mayKill(thread, target, signo)) return EPERM
  sendSignal(kernel, target, { signo, code, ...senderIn(view) })
  return 0
}

/** All registers come from the frame; what cannot be read back ends the program. @manual rt_sigreturn(2) */
export function* sigreturn(_kernel: Kernel, thread: Thread): Sleep<number> {
  const restored = yield* popSignalFrame(thread)
  if (isErr(restored)) forceSignal(thread, { signo: SIGSEGV, code: SI_KERNEL, note: 'the signal frame is damaged' })
  else recheckSignals(thread)
  thread.restart = 'no'
  return REGISTERS_SET
}

const MINSIGSTKSZ = 2048
/** int sigaltstack(const stack_t *new, stack_t *old) @manual sigaltstack(2) */
export function* sigaltstack(_kernel: Kernel, thread: Thread): Sleep<number> {
  const old = { ...thread.altStack }
  const isOn = isOnAltStack(thread)
  if (long(thread, 0) !== 0) {
    const bytes = yield* copyIn(thread.space, long(thread, 0), 24)
    if (isErr(bytes)) return bytes
    if (isOn) return EPERM
    const view = viewOf(bytes)
    const flags = view.getUint32(8, true)
    const mode = (flags & ~SS_AUTODISARM) >>> 0
    if (mode !== 0 && mode !== SS_ONSTACK && mode !== SS_DISABLE) return EINVAL
    if (mode === SS_DISABLE) thread.altStack = { start: 0, size: 0, flags }
    else {
      const stackBytes = getLong(view, 16)
      if (stackBytes < MINSIGSTKSZ) return ENOMEM
      thread.altStack = { start: getLong(view, 0), size: stackBytes, flags: (flags & SS_AUTODISARM) >>> 0 }
    }
  }
  if (long(thread, 1) === 0) return 0
  return yield* putStruct(thread, long(thread, 1), 24, (view) => {
    putLong(view, 0, old.start)
    view.setUint32(8, (old.flags >>> 0) | (isOn ? SS_ONSTACK : 0), true)
    putLong(view, 16, old.size)
  })
}

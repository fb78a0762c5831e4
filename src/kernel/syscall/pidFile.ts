// Processes by descriptor, and what is done to the memory of one.

import { EBADF, EINVAL, EPERM, ESRCH, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import { CAP_SYS_NICE, capable, O_NONBLOCK } from '../file/index.ts'
import { madviseRegion } from '../map/index.ts'
import {
  type Kernel,
  mayAccess,
  openPidFile,
  PidFile,
  type Process,
  sendSignal,
  SI_TKILL,
  SI_USER,
  type Thread,
} from '../process/index.ts'
import { int, long, size, vectorAt } from './call.ts'
import { mayKill, senderIn, signalInfoAt } from './signalCalls.ts'

/** int pidfd_open(pid_t pid, unsigned flags) @manual pidfd_open(2) */
export function pidfdOpen(kernel: Kernel, thread: Thread): number {
  const pid = int(thread, 0)
  const flags = int(thread, 1)
  if ((flags & ~O_NONBLOCK) !== 0 || pid <= 0) return EINVAL
  const process = kernel.processes.byPid.get(pid)
  if (process === undefined) return kernel.processes.byTid.has(pid) ? EINVAL : ESRCH
  const file = openPidFile(kernel.files, process, kernel.exitQueue, flags)
  const fd = thread.process.fds!.install(file, 0, true)
  if (isErr(fd)) file.release()
  return fd
}

/** Stand for the calling thread and its process. */
const PIDFD_SELF_THREAD = -10000
const PIDFD_SELF_PROCESS = -10001
function processOf(thread: Thread, fd: number): OrErr<Process> {
  if (fd === PIDFD_SELF_THREAD || fd === PIDFD_SELF_PROCESS) return thread.process
  const file = thread.process.fds!.get(fd)
  if (isErr(file)) return file
  return file.io instanceof PidFile ? file.io.process : EBADF
}

/** int pidfd_send_signal(int pidfd, int signo, siginfo_t *, unsigned flags) @manual pidfd_send_signal(2) */
export function* pidfdSendSignal(kernel: Kernel, thread: Thread): Sleep<number> {
  const signo = int(thread, 1)
  if (int(thread, 3) !== 0) return EINVAL
  const process = processOf(thread, int(thread, 0))
  if (isErr(process)) return process
  const given = long(thread, 2) === 0 ? null : yield* signalInfoAt(thread, long(thread, 2))
  if (isErr(given)) return given
  const code = given?.view.getInt32(8, true) ?? SI_USER
  if (given !== null && given.view.getInt32(0, true) !== signo) return EINVAL
  if (given !== null && process !== thread.process && (code >= 0 || code === SI_TKILL)) return EPERM
  if (signo < 0 || signo > 64) return EINVAL
  if (process.state !== 'alive') return ESRCH
  if (!mayKill(thread, process, signo)) return EPERM
  const { who, pid } = thread.process
  const view = given?.view
  const from = view === undefined ? { pid, uid: who.realUid } : senderIn(view)
  if (signo !== 0) sendSignal(kernel, process, { signo, code, ...from })
  return 0
}

const WILLNEED = 3
const COLD = 20
const PAGEOUT = 21
const COLLAPSE = 25
/** Advice that one process may give for another one: none of it changes what is there. */
const FOR_OTHERS = [WILLNEED, COLD, PAGEOUT, COLLAPSE]

/** ssize_t process_madvise(int pidfd, const struct iovec *, size_t, int advice, unsigned flags) @manual process_madvise(2) */
export function* processMadvise(_kernel: Kernel, thread: Thread): Sleep<number> {
  const advice = int(thread, 3)
  if (int(thread, 4) !== 0) return EINVAL
  const count = size(thread, 2)
  const ranges = yield* vectorAt(thread, long(thread, 1), count > 1024 ? -1 : count)
  if (isErr(ranges)) return ranges
  const process = processOf(thread, int(thread, 0))
  if (isErr(process)) return process
  const isOwn = process === thread.process
  if (!isOwn && !FOR_OTHERS.includes(advice)) return EINVAL
  if (process.space === null) return ESRCH
  if (!isOwn && !mayAccess(thread.process, process, 'effective')) return EPERM
  if (!isOwn && !capable(thread.process.who, CAP_SYS_NICE)) return EPERM
  let done = 0
  for (const { base, length } of ranges) {
    const error = yield* madviseRegion(process.space, base, length, advice)
    if (isErr(error)) return done > 0 ? done : error
    done += length
  }
  return done
}

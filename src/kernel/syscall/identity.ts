// Who a process is: numbers of processes, groups and users.

import { EINVAL, EPERM, ESRCH, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import {
  copyIn,
  copyOut,
  copyOutInt,
  gidsOf,
  type Ids,
  type Kernel,
  maySetGids,
  maySetUids,
  type Process,
  setId,
  setReId,
  setResId,
  type Thread,
  uidsOf,
  withGids,
  withUids,
} from '../process/index.ts'
import { int, long, viewOf } from './call.ts'

export const getpid = (_kernel: Kernel, thread: Thread): number => thread.process.pid
export const getppid = (_kernel: Kernel, thread: Thread): number => thread.process.ppid
export const gettid = (_kernel: Kernel, thread: Thread): number => thread.tid
export const getuid = (_kernel: Kernel, thread: Thread): number => thread.process.who.realUid
export const geteuid = (_kernel: Kernel, thread: Thread): number => thread.process.who.uid
export const getgid = (_kernel: Kernel, thread: Thread): number => thread.process.who.realGid
export const getegid = (_kernel: Kernel, thread: Thread): number => thread.process.who.gid

/** The process that a number names; 0 is the caller. */
export function processOf(kernel: Kernel, thread: Thread, pid: number): OrErr<Process> {
  return pid === 0 ? thread.process : (kernel.processes.byPid.get(pid) ?? ESRCH)
}
/** @manual getpgid(2) */
export function getpgid(kernel: Kernel, thread: Thread): number {
  const process = processOf(kernel, thread, int(thread, 0))
  return isErr(process) ? process : process.pgid
}
/** @manual getsid(2) */
export function getsid(kernel: Kernel, thread: Thread): number {
  const process = processOf(kernel, thread, int(thread, 0))
  return isErr(process) ? process : process.sid
}
/** @manual setpgid(2) */
export function setpgid(kernel: Kernel, thread: Thread): number {
  const target = processOf(kernel, thread, int(thread, 0))
  if (isErr(target)) return target
  const pgid = int(thread, 1) === 0 ? target.pid : int(thread, 1)
  if (pgid < 0) return EINVAL
  if (target !== thread.process && target.parent !== thread.process) return ESRCH
  if (target.sid === target.pid || target.sid !== thread.process.sid) return EPERM
  if (pgid !== target.pid && !kernel.processes.group(pgid).some(({ sid }) => sid === target.sid)) return EPERM
  target.pgid = pgid
  return 0
}
/** @manual setsid(2) */
export function setsid(kernel: Kernel, thread: Thread): number {
  const { process } = thread
  if (kernel.processes.group(process.pid).length > 0) return EPERM
  process.sid = process.pgid = process.pid
  return process.pid
}

type Change = (old: Ids, isPrivileged: boolean, thread: Thread) => OrErr<Ids>
/** One number each of the arguments; -1 keeps what is. */
const one: Change = (old, isPrivileged, thread) => {
  const id = int(thread, 0)
  return id === -1 ? EINVAL : setId(old, isPrivileged, id)
}
const two: Change = (old, isPrivileged, thread) => setReId(old, isPrivileged, int(thread, 0), int(thread, 1))
const three: Change = (old, isPrivileged, thread) =>
  setResId(old, isPrivileged, { real: int(thread, 0), effective: int(thread, 1), saved: int(thread, 2) })

const changeUids =
  (change: Change) =>
  (_kernel: Kernel, thread: Thread): number => {
    const { process } = thread
    const ids = change(uidsOf(process.who), maySetUids(process.who), thread)
    if (isErr(ids)) return ids
    process.setCredentials(withUids(process.who, ids))
    return 0
  }
const changeGids =
  (change: Change) =>
  (_kernel: Kernel, thread: Thread): number => {
    const { process } = thread
    const ids = change(gidsOf(process.who), maySetGids(process.who), thread)
    if (isErr(ids)) return ids
    process.setCredentials(withGids(process.who, ids))
    return 0
  }
/** @manual setuid(2) */
export const setuid = changeUids(one)
/** @manual setgid(2) */
export const setgid = changeGids(one)
/** @manual setreuid(2) */
export const setreuid = changeUids(two)
/** @manual setregid(2) */
export const setregid = changeGids(two)
/** @manual setresuid(2) */
export const setresuid = changeUids(three)
/** @manual setresgid(2) */
export const setresgid = changeGids(three)

function* putIds(thread: Thread, { real, effective, saved }: Ids): Sleep<number> {
  for (const [i, id] of [real, effective, saved].entries()) {
    const written = yield* copyOutInt(thread.space, long(thread, i), id)
    if (isErr(written)) return written
  }
  return 0
}
/** @manual getresuid(2) */
export const getresuid = (_kernel: Kernel, thread: Thread): Sleep<number> => putIds(thread, uidsOf(thread.process.who))
/** @manual getresgid(2) */
export const getresgid = (_kernel: Kernel, thread: Thread): Sleep<number> => putIds(thread, gidsOf(thread.process.who))

const GROUPS_MAX = 65536
/** @manual getgroups(2) */
export function* getgroups(_kernel: Kernel, thread: Thread): Sleep<number> {
  const room = int(thread, 0)
  const { groups } = thread.process.who
  if (room < 0) return EINVAL
  if (room === 0) return groups.length
  if (room < groups.length) return EINVAL
  const written = yield* copyOut(thread.space, long(thread, 1), new Uint8Array(Int32Array.from(groups).buffer))
  return isErr(written) ? written : groups.length
}
/** @manual setgroups(2) */
export function* setgroups(_kernel: Kernel, thread: Thread): Sleep<number> {
  const count = int(thread, 0)
  const { process } = thread
  if (!maySetGids(process.who)) return EPERM
  if (count < 0 || count > GROUPS_MAX) return EINVAL
  const bytes = yield* copyIn(thread.space, long(thread, 1), count * 4)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const groups = Array.from({ length: count }, (_, i) => view.getInt32(i * 4, true))
  process.setCredentials({ ...process.who, groups })
  return 0
}

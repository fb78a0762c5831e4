// Who a process is: numbers of processes, groups and users. There are no capabilities: user 0 may do everything.

import { EINVAL, EPERM, ESRCH, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import {
  capabilitiesOf,
  copyIn,
  copyOut,
  copyOutInt,
  type Kernel,
  type Process,
  type Thread,
} from '../process/index.ts'
import { int, long, viewOf } from './call.ts'

export const getpid = (_kernel: Kernel, thread: Thread): number => thread.process.pid
export const getppid = (_kernel: Kernel, thread: Thread): number => thread.process.ppid
export const gettid = (_kernel: Kernel, thread: Thread): number => thread.tid
export const getuid = (_kernel: Kernel, thread: Thread): number => thread.process.who.uid
export const getgid = (_kernel: Kernel, thread: Thread): number => thread.process.who.gid

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

/** May the caller become this? -1 keeps what is. */
function become(process: Process, field: 'uid' | 'gid', ids: readonly number[]): number {
  const wanted = ids.filter((id) => id !== -1)
  const { who } = process
  if (who.uid !== 0 && wanted.some((id) => id !== who[field])) return EPERM
  const effective = ids.length > 1 ? ids[1]! : ids[0]!
  if (effective !== -1) process.who = { ...who, [field]: effective }
  if (who.uid === 0 && process.who.uid !== 0) process.capabilities = capabilitiesOf(process.who.uid)
  return 0
}
const setId =
  (field: 'uid' | 'gid', count: number) =>
  (_kernel: Kernel, thread: Thread): number =>
    become(
      thread.process,
      field,
      Array.from({ length: count }, (_, i) => int(thread, i)),
    )
export const setuid = setId('uid', 1)
export const setgid = setId('gid', 1)
export const setreuid = setId('uid', 2)
export const setregid = setId('gid', 2)
export const setresuid = setId('uid', 3)
export const setresgid = setId('gid', 3)

/** Real, effective and saved are one here. */
const getId = (field: 'uid' | 'gid') =>
  function* (_kernel: Kernel, thread: Thread): Sleep<number> {
    for (let i = 0; i < 3; i++) {
      const written = yield* copyOutInt(thread.space, long(thread, i), thread.process.who[field])
      if (isErr(written)) return written
    }
    return 0
  }
export const getresuid = getId('uid')
export const getresgid = getId('gid')

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
  if (process.who.uid !== 0) return EPERM
  if (count < 0 || count > GROUPS_MAX) return EINVAL
  const bytes = yield* copyIn(thread.space, long(thread, 1), count * 4)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  process.who = { ...process.who, groups: Array.from({ length: count }, (_, i) => view.getInt32(i * 4, true)) }
  return 0
}

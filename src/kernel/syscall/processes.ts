// Birth, change and death.

import {
  E2BIG,
  ECHILD,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ESRCH,
  type Err,
  isErr,
  KiB,
  type OrErr,
  type Sleep,
} from '../../base/index.ts'
import { pathOf } from '../file/index.ts'
import {
  clone as cloneThread,
  CLONE_CLEAR_SIGHAND,
  CLONE_THREAD,
  copyIn,
  copyInString,
  copyOutInt,
  execve as exec,
  exitGroup as endGroup,
  exitThread,
  isElfError,
  type Kernel,
  type Thread,
  type Usage,
  WALL,
  WCLONE,
  WCONTINUED,
  WEXITED,
  type WaitFor,
  waitForChild,
  WNOHANG,
  WNOTHREAD,
  WNOWAIT,
  WUNTRACED,
  SIGCHLD,
  CLD_CONTINUED,
  CLD_EXITED,
  CLD_KILLED,
  CLD_STOPPED,
  SIGCONT,
} from '../process/index.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  contextAt,
  getLong,
  int,
  long,
  pathAt,
  putLong,
  putStruct,
  putTimeval,
  REGISTERS_SET,
  size,
  viewOf,
} from './call.ts'

/** long clone(flags, stack, parent_tid, tls, child_tid): RISC-V's order. @manual clone(2) */
export function* clone(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = size(thread, 0) % 2 ** 32
  return yield* cloneThread(kernel, thread, {
    flags: (flags & ~0xff) >>> 0,
    exitSignal: flags & 0xff,
    stack: long(thread, 1),
    parentTid: long(thread, 2),
    tls: long(thread, 3),
    childTid: long(thread, 4),
  })
}
const CLONE_ARGS_MIN = 64
const CLONE_ARGS_KNOWN = 88
const CLONE_ARGS_MAX = 4096
/** The same with its arguments in a structure. @manual clone3(2) */
export function* clone3(kernel: Kernel, thread: Thread): Sleep<number> {
  const bytes = size(thread, 1)
  if (bytes < CLONE_ARGS_MIN) return EINVAL
  if (bytes > CLONE_ARGS_MAX) return E2BIG
  const args = yield* copyIn(thread.space, long(thread, 0), bytes)
  if (isErr(args)) return args
  if (args.subarray(CLONE_ARGS_KNOWN).some((byte) => byte !== 0)) return E2BIG
  const view = viewOf(args)
  const [flags, , childTid, parentTid, exitSignal, stack, stackSize, tls] = Array.from({ length: 8 }, (_, i) =>
    getLong(view, 8 * i),
  ) as [number, number, number, number, number, number, number, number]
  const clears = Math.floor(flags / CLONE_CLEAR_SIGHAND) % 2 === 1
  if (flags < 0 || flags - (clears ? CLONE_CLEAR_SIGHAND : 0) >= 2 ** 32 || (flags & 0xff) !== 0) return EINVAL
  if (exitSignal < 0 || exitSignal > 64 || (stack === 0) !== (stackSize === 0)) return EINVAL
  if ((flags & CLONE_THREAD) !== 0 && exitSignal !== 0) return EINVAL
  return yield* cloneThread(kernel, thread, {
    flags: flags % 2 ** 32,
    exitSignal,
    stack: stack === 0 ? 0 : stack + stackSize,
    parentTid,
    tls,
    childTid,
    clearsHandlers: clears,
  })
}

const STRING_MAX = 128 * KiB
const POINTERS_MAX = 0x7fffffff / 8
/** The strings that an array of pointers, ended by 0, names. EFAULT, E2BIG. */
function* stringsAt(thread: Thread, address: number): Sleep<OrErr<Uint8Array[]>> {
  const strings: Uint8Array[] = []
  if (address === 0) return strings
  for (let i = 0; i < POINTERS_MAX; i++) {
    const pointer = yield* copyIn(thread.space, address + 8 * i, 8)
    if (isErr(pointer)) return pointer
    const at = getLong(viewOf(pointer), 0)
    if (at === 0) return strings
    const text = yield* copyInString(thread.space, at, STRING_MAX)
    if (isErr(text)) return text === ENAMETOOLONG ? E2BIG : text
    strings.push(text)
    if (strings.length > STRING_MAX) return E2BIG
  }
  return E2BIG
}
/** int execve(const char *path, char *const argv[], char *const envp[]) @manual execve(2) */
export function* execve(kernel: Kernel, thread: Thread): Sleep<number> {
  const path = yield* pathAt(thread, long(thread, 0))
  if (isErr(path)) return path
  return yield* execAt(kernel, thread, AT_FDCWD, path, long(thread, 1), long(thread, 2))
}
/** @manual execveat(2) */
export function* execveat(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 4)
  if ((flags & ~(AT_EMPTY_PATH | 0x100)) !== 0) return EINVAL
  let path = yield* pathAt(thread, long(thread, 1))
  if (isErr(path)) return path
  let dirfd = int(thread, 0)
  if (path === '' && (flags & AT_EMPTY_PATH) !== 0) {
    const file = thread.process.fds!.get(dirfd)
    if (isErr(file)) return file
    path = pathOf(file.vnode)
    dirfd = AT_FDCWD
  }
  return yield* execAt(kernel, thread, dirfd, path, long(thread, 2), long(thread, 3))
}
function* execAt(
  kernel: Kernel,
  thread: Thread,
  dirfd: number,
  path: string,
  argvAddress: number,
  envAddress: number,
): Sleep<number> {
  const context = contextAt(thread, dirfd, path)
  if (isErr(context)) return context
  const argv = yield* stringsAt(thread, argvAddress)
  if (isErr(argv)) return argv
  const env = yield* stringsAt(thread, envAddress)
  if (isErr(env)) return env
  const result = yield* exec(kernel, thread, context, { path, argv, env })
  if (isElfError(result)) return result.errno
  return isErr(result) ? result : REGISTERS_SET
}

/** @manual _exit(2) */
export function* exit(kernel: Kernel, thread: Thread): Sleep<number> {
  yield* exitThread(kernel, thread, (int(thread, 0) & 0xff) << 8)
  return REGISTERS_SET
}
/** @manual exit_group(2) */
export function* exitGroup(kernel: Kernel, thread: Thread): Sleep<number> {
  endGroup(kernel, thread.process, (int(thread, 0) & 0xff) << 8)
  yield* exitThread(kernel, thread, thread.process.exitStatus)
  return REGISTERS_SET
}

function whom(pid: number, thread: Thread): WaitFor {
  if (pid === -1) return { kind: 'any' }
  if (pid > 0) return { kind: 'pid', id: pid }
  return { kind: 'group', id: pid === 0 ? thread.process.pgid : -pid }
}
/** pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage) @manual wait4(2) */
export function* wait4(kernel: Kernel, thread: Thread): Sleep<number> {
  const options = int(thread, 2) >>> 0
  const known = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE
  if ((options & ~known) !== 0) return EINVAL
  const pid = int(thread, 0)
  if (pid === -0x80000000) return ESRCH
  const result = yield* waitForChild(kernel, thread, whom(pid, thread), options | WEXITED)
  if (result === null) return 0
  if (isErr(result)) return result
  if (long(thread, 1) !== 0) {
    const written = yield* copyOutInt(thread.space, long(thread, 1), result.status)
    if (isErr(written)) return EFAULT
  }
  if (long(thread, 3) !== 0) {
    const written = yield* putUsage(thread, long(thread, 3), result.usage)
    if (isErr(written)) return EFAULT
  }
  return result.pid
}
const P_ALL = 0
const P_PID = 1
const P_PGID = 2
/** int waitid(idtype_t, id_t, siginfo_t *, int options, struct rusage *) @manual waitid(2) */
export function* waitid(kernel: Kernel, thread: Thread): Sleep<number> {
  const kind = int(thread, 0)
  const id = int(thread, 1)
  const options = int(thread, 3) >>> 0
  const known = WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE
  if ((options & ~known) !== 0 || (options & (WEXITED | WUNTRACED | WCONTINUED)) === 0) return EINVAL
  if (kind < P_ALL || kind > P_PGID || (kind === P_PID && id <= 0) || id < 0) return kind === 3 ? ECHILD : EINVAL
  const target: WaitFor =
    kind === P_ALL
      ? { kind: 'any' }
      : { kind: kind === P_PID ? 'pid' : 'group', id: kind === P_PGID && id === 0 ? thread.process.pgid : id }
  const result = yield* waitForChild(kernel, thread, target, options)
  if (isErr(result)) return result
  if (long(thread, 4) !== 0 && result !== null) {
    const written = yield* putUsage(thread, long(thread, 4), result.usage)
    if (isErr(written)) return written
  }
  if (long(thread, 2) === 0) return 0
  const [code, status] = result === null ? [0, 0] : describe(result.status)
  // Of siginfo_t only these fields are written: signal, errno, code at 0; process, user, status at 16.
  const head = yield* putInts(thread, long(thread, 2), [result === null ? 0 : SIGCHLD, 0, code])
  if (isErr(head)) return head
  const who = [result?.pid ?? 0, result?.child.who.realUid ?? 0]
  return yield* putInts(thread, long(thread, 2) + 16, [...who, status])
}
function putInts(thread: Thread, address: number, values: readonly number[]): Sleep<0 | Err> {
  return putStruct(thread, address, 4 * values.length, (view) =>
    values.forEach((value, i) => view.setInt32(4 * i, value, true)),
  )
}
/** si_code and si_status of a wait status. */
function describe(status: number): [number, number] {
  if (status === 0xffff) return [CLD_CONTINUED, SIGCONT]
  if ((status & 0xff) === 0x7f) return [CLD_STOPPED, status >> 8]
  return (status & 0x7f) !== 0 ? [CLD_KILLED, status & 0x7f] : [CLD_EXITED, status >> 8]
}

const KIB_PER_PAGE = 4
/** struct rusage, 144 bytes. */
export function* putUsage(thread: Thread, address: number, usage: Usage): Sleep<0 | Err> {
  return yield* putStruct(thread, address, 144, (view) => {
    putTimeval(view, 0, usage.userNs)
    putTimeval(view, 16, usage.systemNs)
    putLong(view, 32, usage.peakResidentPages * KIB_PER_PAGE)
    putLong(view, 64, usage.minorFaults)
    putLong(view, 72, usage.majorFaults)
    putLong(view, 128, usage.voluntarySwitches)
    putLong(view, 136, usage.involuntarySwitches)
  })
}
/** @manual set_tid_address(2) */
export function setTidAddress(_kernel: Kernel, thread: Thread): number {
  thread.clearChildTid = long(thread, 0)
  return thread.tid
}
const ROBUST_LIST_BYTES = 24
/** @manual set_robust_list(2) */
export function setRobustList(_kernel: Kernel, thread: Thread): number {
  if (size(thread, 1) !== ROBUST_LIST_BYTES) return EINVAL
  thread.robustList = long(thread, 0)
  return 0
}
/** @manual get_robust_list(2) */
export function* getRobustList(kernel: Kernel, thread: Thread): Sleep<number> {
  const tid = int(thread, 0)
  const target = tid === 0 ? thread : kernel.processes.byTid.get(tid)
  if (target === undefined) return ESRCH
  const head = yield* putStruct(thread, long(thread, 1), 8, (view) => putLong(view, 0, target.robustList))
  if (isErr(head)) return head
  return yield* putStruct(thread, long(thread, 2), 8, (view) => putLong(view, 0, ROBUST_LIST_BYTES))
}

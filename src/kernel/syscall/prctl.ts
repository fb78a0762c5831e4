// prctl: many small calls behind one number.

import { EFAULT, EINVAL, EPERM, type Err, isErr, type Sleep } from '../../base/index.ts'
import { CAP_LAST, CAP_SETPCAP, capable, nameFromBytes, nameToBytes } from '../file/index.ts'
import {
  copyIn,
  copyInString,
  copyOut,
  copyOutInt,
  type Kernel,
  type Process,
  RLIMIT_DATA,
  type Thread,
} from '../process/index.ts'
import { getLong, int, long, putStruct, putLong, size, viewOf } from './call.ts'

const PR_SET_PDEATHSIG = 1
const PR_GET_PDEATHSIG = 2
const PR_GET_DUMPABLE = 3
const PR_SET_DUMPABLE = 4
const PR_GET_KEEPCAPS = 7
const PR_SET_KEEPCAPS = 8
const PR_SET_NAME = 15
const PR_GET_NAME = 16
const PR_GET_SECCOMP = 21
const PR_CAPBSET_READ = 23
const PR_CAPBSET_DROP = 24
const PR_GET_SECUREBITS = 27
const PR_SET_TIMERSLACK = 29
const PR_GET_TIMERSLACK = 30
const PR_SET_MM = 35
const PR_SET_NO_NEW_PRIVS = 38
const PR_GET_NO_NEW_PRIVS = 39
const PR_GET_TID_ADDRESS = 40
const PR_SET_THP_DISABLE = 41
const PR_GET_THP_DISABLE = 42
const PR_CAP_AMBIENT = 47
const PR_GET_AUXV = 0x41555856
const NAME_BYTES = 16
const TIMER_SLACK_NS = 50_000

/** int prctl(int option, long, long, long, long). PR_SET_VMA is not configured. @manual prctl(2) */
export function* prctl(_kernel: Kernel, thread: Thread): Sleep<number> {
  const { process } = thread
  const value = int(thread, 1)
  const hasRest = [2, 3, 4].some((i) => long(thread, i) !== 0)
  switch (int(thread, 0)) {
    case PR_SET_PDEATHSIG:
      if (value < 0 || value > 64) return EINVAL
      process.deathSignal = value
      return 0
    case PR_GET_PDEATHSIG:
      return yield* copyOutInt(thread.space, long(thread, 1), process.deathSignal)
    case PR_GET_DUMPABLE:
      return process.dumpable
    case PR_SET_DUMPABLE:
      if (value !== 0 && value !== 1) return EINVAL
      process.dumpable = value
      return 0
    case PR_SET_NAME: {
      const name = yield* copyInName(thread)
      if (isErr(name)) return name
      thread.name = name
      if (thread.tid === process.pid) process.name = name
      return 0
    }
    case PR_GET_NAME: {
      const bytes = new Uint8Array(NAME_BYTES)
      bytes.set(nameToBytes(thread.name).subarray(0, NAME_BYTES - 1))
      return yield* copyOut(thread.space, long(thread, 1), bytes)
    }
    case PR_CAPBSET_READ:
      return size(thread, 1) > CAP_LAST ? EINVAL : Number((process.who.bounding >> BigInt(size(thread, 1))) & 1n)
    case PR_CAPBSET_DROP:
      return dropForGood(process, size(thread, 1))
    case PR_CAP_AMBIENT:
      return changeAmbient(process, value, size(thread, 2), long(thread, 3) !== 0 || long(thread, 4) !== 0)
    case PR_SET_KEEPCAPS:
      if (size(thread, 1) > 1) return EINVAL
      process.who = { ...process.who, keepsPermitted: value === 1 }
      return 0
    case PR_GET_KEEPCAPS:
      return Number(process.who.keepsPermitted)
    case PR_GET_SECUREBITS:
      return process.who.keepsPermitted ? SECBIT_KEEP_CAPS : 0
    case PR_GET_SECCOMP:
    case PR_SET_TIMERSLACK:
      return 0
    case PR_SET_NO_NEW_PRIVS:
      if (long(thread, 1) !== 1 || hasRest) return EINVAL
      process.hasNoNewPrivileges = true
      return 0
    case PR_GET_NO_NEW_PRIVS:
      return value !== 0 || hasRest ? EINVAL : Number(process.hasNoNewPrivileges)
    case PR_GET_TIMERSLACK:
      return TIMER_SLACK_NS
    case PR_GET_TID_ADDRESS:
      return yield* putStruct(thread, long(thread, 1), 8, (view) => putLong(view, 0, thread.clearChildTid))
    case PR_SET_THP_DISABLE:
      return setLargePages(thread)
    case PR_GET_THP_DISABLE:
      return value !== 0 || hasRest ? EINVAL : thread.space.largePagesOff
    case PR_SET_MM:
      return yield* setSpace(thread)
    case PR_GET_AUXV:
      return yield* putAuxv(thread)
    default:
      return EINVAL
  }
}
const SECBIT_KEEP_CAPS = 1 << 4

/** PR_CAPBSET_DROP: execve never gives it again. */
function dropForGood(process: Process, capability: number): number {
  const { who } = process
  if (!capable(who, CAP_SETPCAP)) return EPERM
  if (capability > CAP_LAST) return EINVAL
  process.who = { ...who, bounding: who.bounding & ~(1n << BigInt(capability)) }
  return 0
}

const PR_CAP_AMBIENT_IS_SET = 1
const PR_CAP_AMBIENT_RAISE = 2
const PR_CAP_AMBIENT_LOWER = 3
const PR_CAP_AMBIENT_CLEAR_ALL = 4
/** PR_CAP_AMBIENT: what execve keeps for those who are not user 0; only what is permitted and inheritable. */
function changeAmbient(process: Process, what: number, capability: number, hasMore: boolean): number {
  const { who } = process
  if (hasMore) return EINVAL
  if (what === PR_CAP_AMBIENT_CLEAR_ALL) {
    if (capability !== 0) return EINVAL
    process.who = { ...who, ambient: 0n }
    return 0
  }
  if (capability > CAP_LAST || what < PR_CAP_AMBIENT_IS_SET || what > PR_CAP_AMBIENT_LOWER) return EINVAL
  const bit = 1n << BigInt(capability)
  if (what === PR_CAP_AMBIENT_IS_SET) return Number((who.ambient & bit) !== 0n)
  const isRaise = what === PR_CAP_AMBIENT_RAISE
  if (isRaise && (who.permitted & who.inheritable & bit) === 0n) return EPERM
  process.who = { ...who, ambient: isRaise ? who.ambient | bit : who.ambient & ~bit }
  return 0
}

function* copyInName(thread: Thread): Sleep<string | Err> {
  const space = thread.space
  const address = long(thread, 1)
  const text = yield* copyInString(space, address, NAME_BYTES - 1)
  if (!isErr(text)) return nameFromBytes(text)
  // Longer names are cut.
  const bytes = yield* copyIn(space, address, NAME_BYTES - 1)
  return isErr(bytes) ? bytes : nameFromBytes(bytes)
}

/** PR_THP_DISABLE_EXCEPT_ADVISED: where madvise asks for them there may be large pages. */
const EXCEPT_ADVISED = 2
function setLargePages(thread: Thread): number {
  const isOff = long(thread, 1) !== 0
  const flags = long(thread, 2)
  if (long(thread, 3) !== 0 || long(thread, 4) !== 0) return EINVAL
  if ((flags & ~EXCEPT_ADVISED) !== 0 || (!isOff && flags !== 0)) return EINVAL
  thread.space.largePagesOff = isOff ? 1 | flags : 0
  return 0
}
/** The whole vector is there or nothing; answers how many bytes it has. */
function* putAuxv(thread: Thread): Sleep<number> {
  if (long(thread, 3) !== 0 || long(thread, 4) !== 0) return EINVAL
  const { auxv } = thread.process
  const written = yield* copyOut(thread.space, long(thread, 1), auxv.subarray(0, size(thread, 2)))
  return isErr(written) ? written : auxv.length
}

const PR_SET_MM_AUXV = 12
const PR_SET_MM_MAP = 14
const PR_SET_MM_MAP_SIZE = 15
/** struct prctl_mm_map: eleven addresses, auxv, auxv_size, exe_fd. */
const MM_MAP_BYTES = 104
const AUXV_MOST = 64 * 8
const FIELDS = [
  'startCode',
  'endCode',
  'startData',
  'endData',
  'startBrk',
  'brk',
  'startStack',
  'argStart',
  'argEnd',
  'envStart',
  'envEnd',
] as const

/** The place marks of the address space, all at once; one by one they need a capability that nobody has. */
function* setSpace(thread: Thread): Sleep<number> {
  const option = int(thread, 1)
  const address = long(thread, 2)
  const bytes = size(thread, 3)
  const mayHaveSize = option === PR_SET_MM_AUXV || option === PR_SET_MM_MAP || option === PR_SET_MM_MAP_SIZE
  if (long(thread, 4) !== 0 || (bytes !== 0 && !mayHaveSize)) return EINVAL
  if (option === PR_SET_MM_MAP_SIZE) return yield* copyOutInt(thread.space, address, MM_MAP_BYTES)
  if (option !== PR_SET_MM_MAP) return EPERM
  if (bytes !== MM_MAP_BYTES) return EINVAL
  const read = yield* copyIn(thread.space, address, MM_MAP_BYTES)
  if (isErr(read)) return read
  const view = viewOf(read)
  const marks = FIELDS.map((_name, i) => getLong(view, i * 8))
  const auxv = getLong(view, 88)
  const auxvBytes = view.getUint32(96, true)
  if (!areMarks(thread, marks) || (auxvBytes > 0 && (auxv === 0 || auxvBytes > AUXV_MOST))) return EINVAL
  if (auxvBytes > 0) {
    const vector = yield* copyIn(thread.space, auxv, auxvBytes)
    if (isErr(vector)) return EFAULT
    const whole = new Uint8Array(Math.max(16, auxvBytes + (auxvBytes % 16)))
    whole.set(vector)
    whole.fill(0, whole.length - 16)
    thread.process.auxv = whole
  }
  if (view.getInt32(100, true) !== -1) return EPERM
  const { space } = thread
  FIELDS.forEach((name, i) => (space[name] = marks[i]!))
  return 0
}
/** In the window, in order, and within RLIMIT_DATA. */
function areMarks({ space, process }: Thread, marks: readonly number[]): boolean {
  if (marks.some((at) => at >= space.map.max || at < space.vm.minAddress)) return false
  const [code, endCode, data, endData, startBrk, brk, , arg, argEnd, env, envEnd] = marks as number[]
  if (code! >= endCode! || data! > endData! || startBrk! > brk! || arg! > argEnd! || env! > envEnd!) return false
  return brk! - startBrk! + (endData! - data!) <= process.limits.soft[RLIMIT_DATA]!
}

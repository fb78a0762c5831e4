import { EFAULT, EINVAL, EPERM, type Err, isErr, type Sleep } from '../../base/index.ts'
import { CAP_SYS_RESOURCE, capable } from '../file/index.ts'
import {
  copyIn,
  isWholly,
  type Kernel,
  type Process,
  RLIMIT_AS,
  RLIMIT_COUNT,
  RLIMIT_DATA,
  RLIMIT_MEMLOCK,
  RLIMIT_NOFILE,
  RLIMIT_STACK,
  type Thread,
  Usage,
} from '../process/index.ts'
import { getUnsigned, int, long, putLong, putStruct, viewOf } from './call.ts'
import { processOf } from './identity.ts'
import { putUsage } from './processes.ts'

/** RLIM_INFINITY is all ones; what would be inexact is as good as none. */
const fromAbi = (value: number): number => (value >= 2 ** 53 ? Infinity : value)
const toAbi = (limit: number): number => (limit === Infinity ? -1 : limit)

/** int prlimit64(pid_t pid, int which, const struct rlimit64 *new, struct rlimit64 *old) @manual prlimit(2) */
export function* prlimit64(kernel: Kernel, thread: Thread): Sleep<number> {
  const wanted = yield* limitAt(thread, long(thread, 2))
  if (isErr(wanted)) return wanted
  const process = processOf(kernel, thread, int(thread, 0))
  if (isErr(process)) return process
  const { who } = thread.process
  const mayReach = process === thread.process || isWholly(process.who, who.realUid, who.realGid)
  if (!mayReach && !capable(who, CAP_SYS_RESOURCE)) return EPERM
  return yield* limit(thread, process, int(thread, 1), wanted, long(thread, 3), long(thread, 3) === 0)
}
/** @manual getrlimit(2) */
export function* getrlimit(_kernel: Kernel, thread: Thread): Sleep<number> {
  return yield* limit(thread, thread.process, int(thread, 0), null, long(thread, 1), false)
}
/** @manual setrlimit(2) */
export function* setrlimit(_kernel: Kernel, thread: Thread): Sleep<number> {
  const wanted = long(thread, 1) === 0 ? EFAULT : yield* limitAt(thread, long(thread, 1))
  return isErr(wanted) ? wanted : yield* limit(thread, thread.process, int(thread, 0), wanted, 0, true)
}

interface LimitPair {
  readonly soft: number
  readonly hard: number
}
/** struct rlimit64 { u64 soft, u64 hard }, or null where there is none. @errors EFAULT */
function* limitAt(thread: Thread, address: number): Sleep<LimitPair | null | Err> {
  if (address === 0) return null
  const bytes = yield* copyIn(thread.space, address, 16)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  return { soft: fromAbi(getUnsigned(view, 0)), hard: fromAbi(getUnsigned(view, 8)) }
}
function* limit(
  thread: Thread,
  process: Process,
  which: number,
  wanted: LimitPair | null,
  oldAt: number,
  isUnasked: boolean,
): Sleep<number> {
  if (which < 0 || which >= RLIMIT_COUNT) return EINVAL
  const { soft, hard } = process.limits
  const old = [soft[which]!, hard[which]!]
  if (wanted !== null) {
    if (wanted.soft > wanted.hard) return EINVAL
    if (wanted.hard > old[1]! && !capable(thread.process.who, CAP_SYS_RESOURCE)) return EPERM
    process.limits.set(which, wanted.soft, wanted.hard)
    apply(process, which)
  }
  if (isUnasked) return 0
  return yield* putStruct(thread, oldAt, 16, (view) => {
    putLong(view, 0, toAbi(old[0]!))
    putLong(view, 8, toAbi(old[1]!))
  })
}
/** Limits that somebody else keeps a copy of. */
function apply(process: Process, which: number): void {
  if ([RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK].includes(which)) process.noteLimits()
  if (which === RLIMIT_NOFILE && process.fds !== null) process.fds.limit = process.limits.soft[which]!
}

const RUSAGE_SELF = 0
const RUSAGE_CHILDREN = -1
const RUSAGE_THREAD = 1
/** @manual getrusage(2) */
export function* getrusage(_kernel: Kernel, thread: Thread): Sleep<number> {
  const { process } = thread
  const who = int(thread, 0)
  if (who === RUSAGE_CHILDREN) return yield* putUsage(thread, long(thread, 1), process.childUsage)
  if (who !== RUSAGE_SELF && who !== RUSAGE_THREAD) return EINVAL
  const usage = new Usage()
  usage.add(process.usage)
  const space = process.space!
  usage.peakResidentPages = Math.max(usage.peakResidentPages, space.peakResidentPages)
  return yield* putUsage(thread, long(thread, 1), usage)
}

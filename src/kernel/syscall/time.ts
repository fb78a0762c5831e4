import { EFAULT, EINTR, EINVAL, EOPNOTSUPP, EPERM, isErr, type Sleep, sleepUntil } from '../../base/index.ts'
import {
  copyIn,
  countedNs,
  type Kernel,
  nowNs,
  type Process,
  sendSignal,
  SI_KERNEL,
  SIGALRM,
  type Thread,
} from '../process/index.ts'
import { getLong, int, long, putLong, putStruct, putTimespec, putTimeval, timespecAt, viewOf } from './call.ts'

const CLOCK_REALTIME = 0
const CLOCK_MONOTONIC = 1
const CLOCK_PROCESS_CPUTIME_ID = 2
const CLOCK_THREAD_CPUTIME_ID = 3
const CLOCK_MONOTONIC_RAW = 4
const CLOCK_REALTIME_COARSE = 5
const CLOCK_MONOTONIC_COARSE = 6
const CLOCK_BOOTTIME = 7
const CLOCK_REALTIME_ALARM = 8
const CLOCK_BOOTTIME_ALARM = 9
const CLOCK_TAI = 11
const TIMER_ABSTIME = 1
/** Clocks that cannot wake anybody. */
const NO_SLEEP = [CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE]
/** In a negative number: the clock of one thread. */
const CLOCK_OF_THREAD = 4

/** A clock: whole seconds that it is ahead, and nanoseconds beside them (a sum would exceed 2^53). null for none. */
function readClock(kernel: Kernel, thread: Thread, clock: number): { base: number; ns: number } | null {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      return { base: kernel.files.bootSeconds, ns: nowNs(kernel) }
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return { base: 0, ns: nowNs(kernel) }
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
      return { base: 0, ns: cpuNs(thread.process) }
    default:
      // A negative number names the clock of a process: (~pid << 3) | kind; pid 0 is the caller.
      return clock < 0 && ~(clock >> 3) === 0 ? { base: 0, ns: cpuNs(thread.process) } : null
  }
}
export const cpuNs = (process: Process): number => process.usage.userNs + process.usage.systemNs

/** int clock_gettime(clockid_t, struct timespec *) @manual clock_gettime(2) */
export function* clockGettime(kernel: Kernel, thread: Thread): Sleep<number> {
  const time = readClock(kernel, thread, int(thread, 0))
  if (time === null) return EINVAL
  return yield* putStruct(thread, long(thread, 1), 16, (view) => {
    putLong(view, 0, time.base + Math.floor(time.ns / 1e9))
    putLong(view, 8, time.ns % 1e9)
  })
}
/** Every clock counts nanoseconds. @manual clock_getres(2) */
export function* clockGetres(kernel: Kernel, thread: Thread): Sleep<number> {
  if (readClock(kernel, thread, int(thread, 0)) === null) return EINVAL
  if (long(thread, 1) === 0) return 0
  return yield* putStruct(thread, long(thread, 1), 16, (view) => putTimespec(view, 0, 1))
}
/** The simulated clock is nobody's to set. @manual clock_settime(2) */
export function clockSettime(): number {
  return EPERM
}
/** @manual gettimeofday(2) */
export function* gettimeofday(kernel: Kernel, thread: Thread): Sleep<number> {
  if (long(thread, 1) !== 0) {
    const zone = yield* putStruct(thread, long(thread, 1), 8, () => {})
    if (isErr(zone)) return zone
  }
  if (long(thread, 0) === 0) return 0
  const now = nowNs(kernel)
  return yield* putStruct(thread, long(thread, 0), 16, (view) => {
    putTimeval(view, 0, now)
    putLong(view, 0, kernel.files.bootSeconds + Math.floor(now / 1e9))
  })
}

/** int nanosleep(const struct timespec *duration, struct timespec *rest) @manual nanosleep(2) */
export function* nanosleep(kernel: Kernel, thread: Thread): Sleep<number> {
  const time = yield* timespecAt(thread, long(thread, 0))
  if (isErr(time)) return time
  return yield* sleepFor(kernel, thread, time.ns, long(thread, 1))
}
/** int clock_nanosleep(clockid_t, int flags, const struct timespec *, struct timespec *rest) @manual clock_nanosleep(2) */
export function* clockNanosleep(kernel: Kernel, thread: Thread): Sleep<number> {
  const clock = int(thread, 0)
  const now = readClock(kernel, thread, clock)
  if (now === null) return EINVAL
  if (NO_SLEEP.includes(clock)) return EOPNOTSUPP
  const time = yield* timespecAt(thread, long(thread, 2))
  if (isErr(time)) return time
  // Nobody sleeps until he himself has run so long.
  if (clock < 0 && (clock & CLOCK_OF_THREAD) !== 0) return EINVAL
  if ((int(thread, 1) & TIMER_ABSTIME) === 0) return yield* sleepFor(kernel, thread, time.ns, long(thread, 3))
  const left = time.ns - (now.base * 1e9 + now.ns)
  if (left <= 0) return 0
  return (yield* sleepUntil(nowNs(kernel) + left, true)) === 'signal' ? EINTR : 0
}
/** A sleep that is executed again after a signal without handler goes on to its old end. */
function* sleepFor(kernel: Kernel, thread: Thread, ns: number, restAddress: number): Sleep<number> {
  const again = thread.restartDeadline
  const end = Number.isNaN(again) ? nowNs(kernel) + ns : again
  thread.restartDeadline = Number.NaN
  while (nowNs(kernel) < end) {
    if ((yield* sleepUntil(end, true)) !== 'signal') continue
    thread.restartDeadline = end
    if (restAddress === 0) return EINTR
    const rest = Math.max(0, end - nowNs(kernel))
    const written = yield* putStruct(thread, restAddress, 16, (view) => putTimespec(view, 0, rest))
    return isErr(written) ? EFAULT : EINTR
  }
  return 0
}

const ITIMER_REAL = 0
const ITIMER_VIRTUAL = 1
const ITIMER_COUNT = 3
/** int getitimer(int which, struct itimerval *) @manual getitimer(2) */
export function* getitimer(kernel: Kernel, thread: Thread): Sleep<number> {
  const which = int(thread, 0)
  if (which < 0 || which >= ITIMER_COUNT) return EINVAL
  return yield* putTimer(thread, long(thread, 1), timerNow(kernel, thread.process, which))
}
/** Without a new value the timer is stopped, as the kernel does. @manual setitimer(2) */
export function* setitimer(kernel: Kernel, thread: Thread): Sleep<number> {
  const { process } = thread
  const which = int(thread, 0)
  let interval = 0
  let first = 0
  if (long(thread, 1) !== 0) {
    const bytes = yield* copyIn(thread.space, long(thread, 1), 32)
    if (isErr(bytes)) return bytes
    const view = viewOf(bytes)
    const micros = [getLong(view, 8), getLong(view, 24)]
    if (micros.some((us) => us < 0 || us >= 1e6) || getLong(view, 0) < 0 || getLong(view, 16) < 0) return EINVAL
    interval = getLong(view, 0) * 1e9 + micros[0]! * 1000
    first = getLong(view, 16) * 1e9 + micros[1]! * 1000
  }
  if (which < 0 || which >= ITIMER_COUNT) return EINVAL
  const old = timerNow(kernel, process, which)
  if (which === ITIMER_REAL) {
    process.alarm?.cancel()
    process.alarm = null
    if (first > 0) setAlarm(kernel, process, nowNs(kernel) + first, interval)
  } else {
    const name = which === ITIMER_VIRTUAL ? 'virtual' : 'prof'
    process.cpuTimers ??= { virtual: null, prof: null }
    const expiresNs = countedNs(process, name) + first
    process.cpuTimers[name] = first > 0 ? { expiresNs, intervalNs: interval } : null
  }
  // The kernel sets the timer before it tells of the old one.
  return long(thread, 2) === 0 ? 0 : yield* putTimer(thread, long(thread, 2), old)
}
interface TimerValue {
  readonly leftNs: number
  readonly intervalNs: number
}
/** What is left of a timer; null for one that does not run. */
function timerNow(kernel: Kernel, process: Process, which: number): TimerValue | null {
  if (which === ITIMER_REAL) {
    const { alarm } = process
    return alarm === null ? null : { leftNs: alarm.at - nowNs(kernel), intervalNs: alarm.intervalNs }
  }
  const name = which === ITIMER_VIRTUAL ? 'virtual' : 'prof'
  const timer = process.cpuTimers?.[name] ?? null
  return timer === null ? null : { leftNs: timer.expiresNs - countedNs(process, name), intervalNs: timer.intervalNs }
}
function setAlarm(kernel: Kernel, process: Process, at: number, intervalNs: number): void {
  const cancel = kernel.machine.clock.at(at, () => {
    process.alarm = null
    if (intervalNs > 0) setAlarm(kernel, process, at + intervalNs, intervalNs)
    sendSignal(kernel, process, { signo: SIGALRM, code: SI_KERNEL })
  })
  process.alarm = { cancel, at, intervalNs }
}
function* putTimer(thread: Thread, address: number, timer: TimerValue | null): Sleep<number> {
  return yield* putStruct(thread, address, 32, (view) => {
    if (timer === null) return
    putTimeval(view, 0, timer.intervalNs)
    putTimeval(view, 16, Math.max(1000, timer.leftNs))
  })
}

const TICKS_PER_SECOND = 100
/** clock_t times(struct tms *) @manual times(2) */
export function* times(kernel: Kernel, thread: Thread): Sleep<number> {
  const ticks = (ns: number): number => Math.floor((ns * TICKS_PER_SECOND) / 1e9)
  const { usage, childUsage } = thread.process
  if (long(thread, 0) !== 0) {
    const written = yield* putStruct(thread, long(thread, 0), 32, (view) => {
      const fields = [usage.userNs, usage.systemNs, childUsage.userNs, childUsage.systemNs]
      fields.forEach((ns, i) => putLong(view, 8 * i, ticks(ns)))
    })
    if (isErr(written)) return written
  }
  return ticks(nowNs(kernel))
}

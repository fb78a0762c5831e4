import { EFAULT, EINTR, EINVAL, type Err, isErr, type OrErr, type Sleep, sleepOn, WaitQueue } from '../../base/index.ts'
import type { OpenFile } from '../file/index.ts'
import { copyIn, copyOut, type Kernel, nowNs, RLIMIT_NOFILE, type Thread, UNBLOCKABLE } from '../process/index.ts'
import { int, long, size, timespecAt, viewOf, getLong } from './call.ts'
import { recheckSignals } from '../process/index.ts'

const POLLIN = 1
const POLLPRI = 2
const POLLOUT = 4
const POLLERR = 8
const POLLHUP = 0x10
const POLLNVAL = 0x20
const ALWAYS = POLLERR | POLLHUP

interface Watched {
  readonly file: OpenFile
  readonly events: number
}

/**
 * Sleeps until `look` finds something or the time is over.
 *
 * @param look  how many of the files have something to say; called anew after every wake
 * @returns     what `look` said last, or EINTR
 */
function* waitFor(watched: readonly Watched[], deadline: number, kernel: Kernel, look: () => number): Sleep<number> {
  const queue = new WaitQueue('poll')
  const sleeper = { wake: () => void queue.wakeAll() }
  for (;;) {
    const ready = look()
    if (ready > 0 || nowNs(kernel) >= deadline) return ready
    const queues = new Set<WaitQueue>()
    for (const { file } of watched) if (file.io.pollQueue !== null) queues.add(file.io.pollQueue)
    for (const other of queues) other.join(sleeper)
    const reason = yield* sleepOn(queue, deadline, true)
    for (const other of queues) other.leave(sleeper)
    if (reason === 'signal') return EINTR
  }
}
const eventsOf = (file: OpenFile, events: number): number => file.io.poll(file) & (events | ALWAYS)

function* deadlineAt(kernel: Kernel, thread: Thread, address: number): Sleep<OrErr<number>> {
  if (address === 0) return Infinity
  const time = yield* timespecAt(thread, address)
  return isErr(time) ? time : nowNs(kernel) + time.ns
}
/** The mask of ppoll and pselect6 holds during the call only; with a handler it is put back after the handler. */
function* swapMask(thread: Thread, address: number, bytes: number): Sleep<0 | Err> {
  if (address === 0) return 0
  if (bytes !== 8) return EINVAL
  const set = yield* copyIn(thread.space, address, 8)
  if (isErr(set)) return set
  thread.savedMask = thread.mask
  thread.mask = viewOf(set).getBigUint64(0, true) & ~UNBLOCKABLE
  recheckSignals(thread)
  return 0
}
function restoreMask(thread: Thread, result: number): number {
  if (result !== EINTR && thread.savedMask !== null) {
    thread.mask = thread.savedMask
    thread.savedMask = null
    recheckSignals(thread)
  }
  return result
}

/** int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t) @manual ppoll(2) */
export function* ppoll(kernel: Kernel, thread: Thread): Sleep<number> {
  const address = long(thread, 0)
  const count = size(thread, 1)
  if (count > thread.process.limits.soft[RLIMIT_NOFILE]!) return EINVAL
  const deadline = yield* deadlineAt(kernel, thread, long(thread, 2))
  if (isErr(deadline)) return deadline
  const bytes = yield* copyIn(thread.space, address, count * 8)
  if (isErr(bytes)) return bytes
  const masked = yield* swapMask(thread, long(thread, 3), size(thread, 4))
  if (masked !== 0) return masked
  const view = viewOf(bytes)
  const { fds } = thread.process
  const entries = Array.from({ length: count }, (_, i) => {
    const fd = view.getInt32(i * 8, true)
    return { at: i * 8, file: fd < 0 ? null : fds!.get(fd), events: view.getUint16(i * 8 + 4, true) }
  })
  const watched = entries.filter((e): e is typeof e & Watched => e.file !== null && !isErr(e.file))
  const ready = yield* waitFor(watched, deadline, kernel, () => {
    let found = 0
    for (const { at, file, events } of entries) {
      const got = file === null ? 0 : isErr(file) ? POLLNVAL : eventsOf(file, events)
      view.setUint16(at + 6, got, true)
      if (got !== 0) found++
    }
    return found
  })
  if (!isErr(ready)) {
    const written = yield* copyOut(thread.space, address, bytes)
    if (isErr(written)) return restoreMask(thread, EFAULT)
  }
  return restoreMask(thread, ready)
}

const SETS = [POLLIN | ALWAYS, POLLOUT | POLLERR, POLLPRI] as const
/** int pselect6(int n, fd_set *r, fd_set *w, fd_set *e, struct timespec *timeout, {mask, size} *) @manual pselect(2) */
export function* pselect6(kernel: Kernel, thread: Thread): Sleep<number> {
  const limit = int(thread, 0)
  if (limit < 0) return EINVAL
  const setBytes = Math.ceil(Math.min(limit, 65536) / 64) * 8
  const deadline = yield* deadlineAt(kernel, thread, long(thread, 4))
  if (isErr(deadline)) return deadline
  const sets: { address: number; asked: Uint8Array; answer: Uint8Array; events: number }[] = []
  for (const [i, events] of SETS.entries()) {
    const address = long(thread, i + 1)
    if (address === 0) continue
    const asked = yield* copyIn(thread.space, address, setBytes)
    if (isErr(asked)) return asked
    sets.push({ address, asked, answer: new Uint8Array(setBytes), events })
  }
  if (long(thread, 5) !== 0) {
    const pair = yield* copyIn(thread.space, long(thread, 5), 16)
    if (isErr(pair)) return pair
    const masked = yield* swapMask(thread, getLong(viewOf(pair), 0), getLong(viewOf(pair), 8))
    if (masked !== 0) return masked
  }
  const watched: (Watched & { fd: number; set: (typeof sets)[number] })[] = []
  for (const set of sets) {
    for (let fd = 0; fd < limit; fd++) {
      if ((set.asked[fd >> 3]! & (1 << (fd & 7))) === 0) continue
      const file = thread.process.fds!.get(fd)
      if (isErr(file)) return restoreMask(thread, file)
      watched.push({ file, fd, set, events: set.events })
    }
  }
  const ready = yield* waitFor(watched, deadline, kernel, () => {
    let found = 0
    for (const { file, fd, set } of watched) {
      if ((file.io.poll(file) & set.events) === 0) continue
      set.answer[fd >> 3]! |= 1 << (fd & 7)
      found++
    }
    return found
  })
  if (isErr(ready)) return restoreMask(thread, ready)
  for (const { address, answer } of sets) {
    const written = yield* copyOut(thread.space, address, answer)
    if (isErr(written)) return restoreMask(thread, EFAULT)
  }
  return restoreMask(thread, ready)
}

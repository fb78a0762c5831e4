// userfaultfd: the call, and the ioctls of its descriptor.

import {
  EAGAIN,
  EINVAL,
  ENOMEM,
  EPERM,
  ESRCH,
  type Err,
  isErr,
  isPageAligned,
  kassert,
  PAGE_SIZE,
  type Sleep,
} from '../../base/index.ts'
import { CAP_SYS_PTRACE, capable, O_CLOEXEC, O_NONBLOCK } from '../file/index.ts'
import { VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from '../map/index.ts'
import { copyIn, copyOut, isBeingEnded, type Kernel, sleepUnlessEnded, type Thread } from '../process/index.ts'
import {
  type FillRequest,
  fillRange,
  moveRange,
  openUserFaults,
  protectRange,
  registerRange,
  type FaultingThread,
  UFFD_API,
  UFFD_API_IOCTLS,
  UFFD_CONTINUE,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFD_FEATURES,
  UFFD_RANGE_IOCTLS,
  UFFD_USER_MODE_ONLY,
  UFFD_WRITEPROTECT,
  unregisterRange,
  type UserFaults,
} from '../uffd/index.ts'
import { getLong, getUnsigned, int, putLong, viewOf } from './call.ts'

const FLAGS = O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY
/** int userfaultfd(int flags) @manual userfaultfd(2) */
export function userfaultfd(kernel: Kernel, thread: Thread): number {
  const flags = int(thread, 0)
  const userModeOnly = (flags & UFFD_USER_MODE_ONLY) !== 0
  // vm.unprivileged_userfaultfd is 0.
  if (!userModeOnly && !capable(thread.process.who, CAP_SYS_PTRACE)) return EPERM
  if ((flags & ~FLAGS) !== 0) return EINVAL
  return install(kernel, thread, flags)
}
function install(kernel: Kernel, thread: Thread, flags: number): number {
  const current = () => faultingThread(kernel.machine.current.thread as Thread | null)
  const file = openUserFaults(kernel.files, thread.space, { flags, current })
  const fd = thread.process.fds!.install(file, 0, (flags & O_CLOEXEC) !== 0)
  if (isErr(fd)) file.release()
  return fd
}
function faultingThread(thread: Thread | null): FaultingThread {
  kassert(thread !== null, 'a thread makes the faults of an address space')
  return {
    tid: thread.tid,
    isInCall: thread.syscall !== -1,
    isEnding: isBeingEnded(thread),
    fds: thread.process.fds,
    sleepUnlessEnded: (queue) => sleepUnlessEnded(thread, queue),
  }
}

/** Of /dev/userfaultfd: a new one, with the flags of the call. @manual userfaultfd(2) */
const USERFAULTFD_IOC_NEW = 0xaa00
export function userFaultDeviceControl(kernel: Kernel, thread: Thread, argument: number): number {
  if (int(thread, 1) >>> 0 !== USERFAULTFD_IOC_NEW) return EINVAL
  return (argument & ~FLAGS) !== 0 ? EINVAL : install(kernel, thread, argument)
}

const API = 0xc018aa3f
const REGISTER = 0xc020aa00
const UNREGISTER = 0x8010aa01
const WAKE = 0x8010aa02
const COPY = 0xc028aa03
const ZEROPAGE = 0xc020aa04
const MOVE = 0xc028aa05
const WRITEPROTECT = 0xc018aa06
const CONTINUE = 0xc020aa07
const POISON = 0xc020aa08

/** ioctl of a userfaultfd. @manual ioctl_userfaultfd(2) */
export function* userFaultControl(thread: Thread, listener: UserFaults, address: number): Sleep<number> {
  const request = int(thread, 1) >>> 0
  if (request === API) return yield* handshake(thread, listener, address)
  if (!listener.isReady) return EINVAL
  switch (request) {
    case REGISTER:
      return yield* register(thread, listener, address)
    case UNREGISTER:
    case WAKE: {
      const range = yield* rangeAt(thread, listener, address, 16)
      if (isErr(range)) return range
      if (request === UNREGISTER && listener.space.refs === 0) return ENOMEM
      if (request === UNREGISTER) return yield* unregisterRange(listener, range.start, range.end)
      listener.wake(range.start, range.end)
      return 0
    }
    case COPY:
      return yield* copy(thread, listener, address)
    case ZEROPAGE:
      return yield* fill(thread, listener, address, 'zero', 1)
    case CONTINUE:
      return yield* fill(thread, listener, address, 'continue', 3)
    case POISON:
      return yield* fill(thread, listener, address, 'poison', 1)
    case MOVE:
      return yield* move(thread, listener, address)
    case WRITEPROTECT:
      return yield* writeProtect(thread, listener, address)
    default:
      return EINVAL
  }
}

/** struct uffdio_api: api, features, ioctls. It must come first, and once; an error answers zeros. */
function* handshake(thread: Thread, listener: UserFaults, address: number): Sleep<number> {
  const bytes = yield* copyIn(thread.space, address, 24)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const asked = getUnsigned(view, 8)
  let error: 0 | Err = 0
  if (view.getBigUint64(0, true) !== BigInt(UFFD_API)) error = EINVAL
  else if (asked % 4 >= UFFD_FEATURE_EVENT_FORK && !capable(thread.process.who, CAP_SYS_PTRACE)) error = EPERM
  else if (asked > UFFD_FEATURES || (asked & ~UFFD_FEATURES) !== 0) error = EINVAL
  if (error === 0) {
    putLong(view, 8, UFFD_FEATURES)
    view.setBigUint64(16, UFFD_API_IOCTLS, true)
    const written = yield* copyOut(thread.space, address, bytes)
    if (isErr(written)) return written
    if (!listener.isReady) {
      // What is not told of must be known of untouched memory too.
      listener.features = (asked & UFFD_FEATURE_WP_ASYNC) !== 0 ? asked | UFFD_FEATURE_WP_UNPOPULATED : asked
      listener.isReady = true
      return 0
    }
    error = EINVAL
  }
  const written = yield* copyOut(thread.space, address, new Uint8Array(24))
  return isErr(written) ? written : error
}

interface Range {
  readonly start: number
  readonly end: number
}
/** What validate_range of the kernel refuses. */
function isRange({ space }: UserFaults, start: number, length: number): boolean {
  if (!isPageAligned(start) || !isPageAligned(length) || length <= 0) return false
  return start >= 0 && start + length <= space.map.max
}
/** The range at the head of a structure. @errors EFAULT, EINVAL */
function* rangeAt(
  thread: Thread,
  listener: UserFaults,
  address: number,
  bytes: number,
): Sleep<(Range & { view: DataView }) | Err> {
  const read = yield* copyIn(thread.space, address, bytes)
  if (isErr(read)) return read
  const view = viewOf(read)
  const start = getLong(view, 0)
  const length = getLong(view, 8)
  return isRange(listener, start, length) ? { start, end: start + length, view } : EINVAL
}
function* putField(thread: Thread, address: number, value: number): Sleep<0 | Err> {
  const bytes = new Uint8Array(8)
  putLong(viewOf(bytes), 0, value)
  return yield* copyOut(thread.space, address, bytes)
}

const MODES = [VM_UFFD_MISSING, VM_UFFD_WP, VM_UFFD_MINOR] as const
/** struct uffdio_register: start, length, mode, ioctls. */
function* register(thread: Thread, listener: UserFaults, address: number): Sleep<number> {
  const bytes = yield* copyIn(thread.space, address, 24)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const mode = getUnsigned(view, 16)
  if (mode === 0 || mode > 7) return EINVAL
  const start = getLong(view, 0)
  const length = getLong(view, 8)
  if (!isRange(listener, start, length)) return EINVAL
  if (listener.space.refs === 0) return ENOMEM
  const flags = MODES.reduce((sum, flag, i) => ((mode & (1 << i)) !== 0 ? sum | flag : sum), 0)
  const error = yield* registerRange(listener, start, start + length, flags)
  if (error !== 0) return error
  let ioctls = UFFD_RANGE_IOCTLS
  if ((flags & VM_UFFD_WP) === 0) ioctls &= ~UFFD_WRITEPROTECT
  if ((flags & VM_UFFD_MINOR) === 0) ioctls &= ~UFFD_CONTINUE
  return yield* putField(thread, address + 24, ioctls)
}

const DONTWAKE = 1
const MODE_WP = 2

/** struct uffdio_copy: dst, src, length, mode, copied. */
function* copy(thread: Thread, listener: UserFaults, address: number): Sleep<number> {
  if (listener.isChanging) return yield* putOff(thread, address + 32)
  const bytes = yield* copyIn(thread.space, address, 32)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const [start, from, length, mode] = [0, 8, 16, 24].map((at) => getLong(view, at)) as [number, number, number, number]
  if (!isRange(listener, start, length) || from < 0 || from + length > listener.space.map.max) return EINVAL
  if ((mode & ~(DONTWAKE | MODE_WP)) !== 0) return EINVAL
  return yield* run(thread, listener, address + 32, (mode & DONTWAKE) === 0, {
    start,
    length,
    kind: 'copy',
    source: (offset) => copyIn(thread.space, from + offset, PAGE_SIZE),
    isProtected: (mode & MODE_WP) !== 0,
  })
}
/** struct uffdio_zeropage, _continue, _poison: start, length, mode, done. */
function* fill(
  thread: Thread,
  listener: UserFaults,
  address: number,
  kind: FillRequest['kind'],
  modes: number,
): Sleep<number> {
  if (listener.isChanging) return yield* putOff(thread, address + 24)
  const range = yield* rangeAt(thread, listener, address, 24)
  if (isErr(range)) return range
  const mode = getLong(range.view, 16)
  if ((mode & ~modes) !== 0) return EINVAL
  const { start, end } = range
  const request = { start, length: end - start, kind, isProtected: (mode & MODE_WP) !== 0 }
  return yield* run(thread, listener, address + 24, (mode & DONTWAKE) === 0, request)
}
/** An event has not been heard: what is asked for may be wrong by now. */
function* putOff(thread: Thread, answerAt: number): Sleep<number> {
  const written = yield* putField(thread, answerAt, EAGAIN)
  return isErr(written) ? written : EAGAIN
}
/** The count, or the error, is also written behind the structure; a part done answers EAGAIN. */
function* run(thread: Thread, listener: UserFaults, answerAt: number, wakes: boolean, r: FillRequest): Sleep<number> {
  if (listener.space.refs === 0) return ESRCH
  const done = yield* fillRange(listener, r)
  const written = yield* putField(thread, answerAt, done)
  if (isErr(written)) return written
  if (isErr(done)) return done
  if (wakes) listener.wake(r.start, r.start + done)
  return done === r.length ? 0 : EAGAIN
}

const ALLOW_SRC_HOLES = 2
/** struct uffdio_move: dst, src, length, mode, moved. */
function* move(thread: Thread, listener: UserFaults, address: number): Sleep<number> {
  if (listener.isChanging) return yield* putOff(thread, address + 32)
  const bytes = yield* copyIn(thread.space, address, 32)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const [to, from, length, mode] = [0, 8, 16, 24].map((at) => getLong(view, at)) as [number, number, number, number]
  if (!isRange(listener, to, length) || !isRange(listener, from, length)) return EINVAL
  if ((mode & ~(DONTWAKE | ALLOW_SRC_HOLES)) !== 0) return EINVAL
  if (listener.space !== thread.space) return EINVAL
  const done = yield* moveRange(listener, to, from, length, (mode & ALLOW_SRC_HOLES) !== 0)
  const written = yield* putField(thread, address + 32, done)
  if (isErr(written)) return written
  if (isErr(done)) return done
  if ((mode & DONTWAKE) === 0) listener.wake(to, to + done)
  return done === length ? 0 : EAGAIN
}

const WP_ON = 1
const WP_DONTWAKE = 2
/** struct uffdio_writeprotect: start, length, mode. */
function* writeProtect(thread: Thread, listener: UserFaults, address: number): Sleep<number> {
  if (listener.isChanging) return EAGAIN
  const range = yield* rangeAt(thread, listener, address, 24)
  if (isErr(range)) return range
  const mode = getLong(range.view, 16)
  if ((mode & ~(WP_ON | WP_DONTWAKE)) !== 0 || mode === (WP_ON | WP_DONTWAKE)) return EINVAL
  if (listener.space.refs === 0) return ESRCH
  const error = yield* protectRange(listener, range.start, range.end, mode === WP_ON)
  if (error !== 0) return error
  if (mode === 0) listener.wake(range.start, range.end)
  return 0
}

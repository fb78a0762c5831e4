import { EINVAL, isErr, type Sleep } from '../../base/index.ts'
import { makePipe, O_ACCMODE, O_CLOEXEC, O_CREAT, O_NONBLOCK, O_TMPFILE, openAt } from '../file/index.ts'
import { copyOut, type Kernel, type Thread } from '../process/index.ts'
import { contextAt, int, long, pathAt } from './call.ts'

const O_DIRECT = 0o40000

/** int openat(int dirfd, const char *path, int flags, mode_t mode) @manual openat(2) */
export function* openat(kernel: Kernel, thread: Thread): Sleep<number> {
  return yield* open(kernel, thread, int(thread, 0), long(thread, 1), int(thread, 2), int(thread, 3))
}
function* open(
  kernel: Kernel,
  thread: Thread,
  dirfd: number,
  pathAddress: number,
  flags: number,
  mode: number,
): Sleep<number> {
  if ((flags & O_ACCMODE) === O_ACCMODE) return EINVAL
  const path = yield* pathAt(thread, pathAddress)
  if (isErr(path)) return path
  const context = contextAt(thread, dirfd, path)
  if (isErr(context)) return context
  const { fds, fs } = thread.process
  const makes = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE
  const permissions = makes ? mode & 0o7777 & ~fs!.umask : 0
  const file = yield* openAt(kernel.files, context, path, flags, permissions)
  if (isErr(file)) return file
  const fd = fds!.install(file, 0, (flags & O_CLOEXEC) !== 0)
  if (isErr(fd)) file.release()
  return fd
}

/** @manual close(2) */
export function* close(_kernel: Kernel, thread: Thread): Sleep<number> {
  return yield* thread.process.fds!.close(int(thread, 0))
}
const CLOSE_RANGE_UNSHARE = 2
const CLOSE_RANGE_CLOEXEC = 4
/** int close_range(unsigned first, unsigned last, unsigned flags) @manual close_range(2) */
export function* closeRange(_kernel: Kernel, thread: Thread): Sleep<number> {
  const first = int(thread, 0) >>> 0
  const last = int(thread, 1) >>> 0
  const flags = int(thread, 2)
  const { process } = thread
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return EINVAL
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && process.fds!.refs > 1) {
    const own = process.fds!.copy()
    yield* process.fds!.release()
    process.fds = own
  }
  for (const fd of process.fds!.open) {
    if (fd < first || fd > last) continue
    if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) process.fds!.setClosesOnExec(fd, true)
    else yield* process.fds!.close(fd)
  }
  return 0
}

/** int pipe2(int fds[2], int flags) @manual pipe2(2) */
export function* pipe2(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 1)
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return EINVAL
  const { fds } = thread.process
  const { reader, writer } = makePipe(kernel.files, flags & O_NONBLOCK, thread.process.who)
  const isCloexec = (flags & O_CLOEXEC) !== 0
  const first = fds!.install(reader, 0, isCloexec)
  if (isErr(first)) {
    reader.release()
    writer.release()
    return first
  }
  const second = fds!.install(writer, 0, isCloexec)
  if (isErr(second)) {
    writer.release()
    yield* fds!.close(first)
    return second
  }
  const bytes = new Uint8Array(Int32Array.of(first, second).buffer)
  const written = yield* copyOut(thread.space, long(thread, 0), bytes)
  if (!isErr(written)) return 0
  yield* fds!.close(first)
  yield* fds!.close(second)
  return written
}

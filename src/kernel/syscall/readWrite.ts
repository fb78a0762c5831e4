// Bytes in and out.

import { EBADF, EINVAL, EISDIR, EPIPE, ESPIPE, type Err, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import {
  filePread,
  filePwrite,
  fileRead,
  fileSeek,
  fileWrite,
  KernelUio,
  O_APPEND,
  type OpenFile,
} from '../file/index.ts'
import {
  copyIn,
  copyOut,
  type IoVec,
  type Kernel,
  sendThreadSignal,
  SI_KERNEL,
  SIGPIPE,
  type Thread,
  UserUio,
} from '../process/index.ts'
import { bufferAt, fileArg, getLong, holding, int, long, putLong, RW_MAX, size, vectorAt, viewOf } from './call.ts'

/** ssize_t read(int fd, void *buf, size_t count) @manual read(2) */
export function* read(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* readInto(thread, file, bufferAt(thread, long(thread, 1), size(thread, 2)), null)
}
/** @manual write(2) */
export function* write(kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* writeFrom(kernel, thread, file, bufferAt(thread, long(thread, 1), size(thread, 2)), null)
}
/** @manual readv(2) */
export function* readv(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* readInto(thread, file, yield* vectorAt(thread, long(thread, 1), int(thread, 2)), null)
}
/** @manual writev(2) */
export function* writev(kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* writeFrom(kernel, thread, file, yield* vectorAt(thread, long(thread, 1), int(thread, 2)), null)
}
/** @manual pread64(2) */
export function* pread(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* readInto(thread, file, bufferAt(thread, long(thread, 1), size(thread, 2)), long(thread, 3))
}
/** @manual pwrite64(2) */
export function* pwrite(kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* writeFrom(kernel, thread, file, bufferAt(thread, long(thread, 1), size(thread, 2)), long(thread, 3))
}
/** @manual preadv(2) */
export function* preadv(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* readInto(thread, file, yield* vectorAt(thread, long(thread, 1), int(thread, 2)), long(thread, 3))
}
/** @manual pwritev(2) */
export function* pwritev(kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* writeFrom(
    kernel,
    thread,
    file,
    yield* vectorAt(thread, long(thread, 1), int(thread, 2)),
    long(thread, 3),
  )
}
/** Position -1 is the file's own; the RWF_ flags are hints that may be ignored, but not unknown. @manual preadv2(2) */
export function* preadv2(kernel: Kernel, thread: Thread): Sleep<number> {
  if ((int(thread, 5) & ~0x1f) !== 0) return EINVAL
  return yield* long(thread, 3) === -1 ? readv(kernel, thread) : preadv(kernel, thread)
}
/** @manual pwritev2(2) */
export function* pwritev2(kernel: Kernel, thread: Thread): Sleep<number> {
  if ((int(thread, 5) & ~0x1f) !== 0) return EINVAL
  return yield* long(thread, 3) === -1 ? writev(kernel, thread) : pwritev(kernel, thread)
}

function* readInto(thread: Thread, file: OpenFile, vectors: OrErr<IoVec[]>, position: number | null): Sleep<number> {
  if (!file.isReadable) return EBADF
  if (isErr(vectors)) return vectors
  const uio = new UserUio(thread.space, vectors, RW_MAX)
  return yield* holding(file, position === null ? fileRead(file, uio) : filePread(file, uio, position))
}
function* writeFrom(
  kernel: Kernel,
  thread: Thread,
  file: OpenFile,
  vectors: OrErr<IoVec[]>,
  position: number | null,
): Sleep<number> {
  if (!file.isWritable) return EBADF
  if (isErr(vectors)) return vectors
  const uio = new UserUio(thread.space, vectors, RW_MAX)
  const written = yield* holding(file, position === null ? fileWrite(file, uio) : filePwrite(file, uio, position))
  return noteBrokenPipe(kernel, thread, written)
}
/** Writing where nobody reads any more is a signal too. */
function noteBrokenPipe(kernel: Kernel, thread: Thread, result: OrErr<number>): number {
  if (result === EPIPE) sendThreadSignal(kernel, thread, { signo: SIGPIPE, code: SI_KERNEL })
  return result
}

/** @manual lseek(2) */
export function lseek(_kernel: Kernel, thread: Thread): number {
  const file = fileArg(thread, 0)
  return isErr(file) ? file : fileSeek(file, long(thread, 1), int(thread, 2))
}

const PIECE = 65536
/** ssize_t sendfile(int out, int in, off_t *offset, size_t count) @manual sendfile(2) */
export function* sendfile(kernel: Kernel, thread: Thread): Sleep<number> {
  const out = fileArg(thread, 0)
  if (isErr(out)) return out
  const source = fileArg(thread, 1)
  if (isErr(source)) return source
  if ((out.flags & O_APPEND) !== 0) return EINVAL
  return yield* copyBetween(kernel, thread, source, long(thread, 2), out, 0, Math.min(size(thread, 3), RW_MAX))
}
/** @manual copy_file_range(2) */
export function* copyFileRange(kernel: Kernel, thread: Thread): Sleep<number> {
  const source = fileArg(thread, 0)
  if (isErr(source)) return source
  const out = fileArg(thread, 2)
  if (isErr(out)) return out
  if (int(thread, 5) !== 0) return EINVAL
  if (source.vnode.kind === 'dir' || out.vnode.kind === 'dir') return EISDIR
  if (source.vnode.kind !== 'file' || out.vnode.kind !== 'file') return EINVAL
  if ((out.flags & O_APPEND) !== 0) return EBADF
  return yield* copyBetween(
    kernel,
    thread,
    source,
    long(thread, 1),
    out,
    long(thread, 3),
    Math.min(size(thread, 4), RW_MAX),
  )
}

/** Offsets are addresses of positions in user memory, 0 for the file's own position. */
function* copyBetween(
  kernel: Kernel,
  thread: Thread,
  source: OpenFile,
  sourceOffset: number,
  out: OpenFile,
  outOffset: number,
  count: number,
): Sleep<number> {
  if (!source.isReadable || !out.isWritable) return EBADF
  if (!source.io.isSeekable) return sourceOffset === 0 ? EINVAL : ESPIPE
  const from = yield* positionAt(thread, sourceOffset, source)
  if (isErr(from)) return from
  const to = outOffset === 0 ? 0 : yield* positionAt(thread, outOffset, out)
  if (isErr(to)) return to
  let done = 0
  let failed: Err | null = null
  source.reference()
  while (done < count) {
    const bytes = new Uint8Array(Math.min(count - done, PIECE))
    const got = yield* filePread(source, new KernelUio(source.files, bytes), from + done)
    if (isErr(got) || got === 0) {
      if (isErr(got)) failed = got
      break
    }
    const uio = new KernelUio(out.files, bytes.subarray(0, got))
    const put = yield* holding(out, outOffset === 0 ? fileWrite(out, uio) : filePwrite(out, uio, to + done))
    if (isErr(put)) {
      failed = put
      break
    }
    done += put
    if (put < got) break
  }
  source.release()
  if (done === 0 && failed !== null) return noteBrokenPipe(kernel, thread, failed)
  const stored = yield* storePosition(thread, sourceOffset, source, from + done)
  if (isErr(stored)) return stored
  const storedOut = outOffset === 0 ? 0 : yield* storePosition(thread, outOffset, out, to + done)
  return isErr(storedOut) ? storedOut : done
}
function* positionAt(thread: Thread, address: number, file: OpenFile): Sleep<OrErr<number>> {
  if (address === 0) return file.offset
  const bytes = yield* copyIn(thread.space, address, 8)
  if (isErr(bytes)) return bytes
  const position = getLong(viewOf(bytes), 0)
  return position < 0 ? EINVAL : position
}
function* storePosition(thread: Thread, address: number, file: OpenFile, position: number): Sleep<OrErr<0>> {
  if (address === 0) {
    file.offset = position
    return 0
  }
  const view = new DataView(new ArrayBuffer(8))
  putLong(view, 0, position)
  return yield* copyOut(thread.space, address, new Uint8Array(view.buffer))
}

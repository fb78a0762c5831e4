// What every system call file uses: the type of a call, its arguments, the structures it copies.

import { EBADF, EFAULT, EINVAL, type Err, isErr, ENOTDIR, type OrErr, type Sleep } from '../../base/index.ts'
import { closeFile, type Credentials, nameFromBytes, type OpenFile, PATH_MAX, type WalkContext } from '../file/index.ts'
import {
  A0,
  copyIn,
  copyInString,
  copyOut,
  type IoVec,
  type Kernel,
  regInt,
  regUnsigned,
  type Thread,
} from '../process/index.ts'

/**
 * One system call. Its arguments stand in a0 … a5 of the thread's registers; the answer goes to a0. A call that may
 * sleep is a generator.
 */
export type Call = (kernel: Kernel, thread: Thread) => number | Sleep<number>

/** Answered by calls that have set all registers themselves. */
export const REGISTERS_SET = Number.NaN

/** Argument i as a C int or unsigned int's low 32 bits. */
export const int = (thread: Thread, i: number): number => regInt(thread.regs, A0 + i)
/** Argument i as an address or a signed 64-bit number. */
export const long = (thread: Thread, i: number): number => thread.regs.get(A0 + i)
/** Argument i as a size_t. */
export const size = (thread: Thread, i: number): number => regUnsigned(thread.regs, A0 + i)

/** A path of at most PATH_MAX bytes with its NUL: EFAULT, ENAMETOOLONG. */
export function* pathAt(thread: Thread, address: number): Sleep<OrErr<string>> {
  const bytes = yield* copyInString(thread.space, address, PATH_MAX)
  return isErr(bytes) ? bytes : nameFromBytes(bytes)
}

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_EACCESS = 0x200
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_NO_AUTOMOUNT = 0x800
export const AT_EMPTY_PATH = 0x1000

/** Where a path begins: the working directory, or the directory that `dirfd` names. */
export function contextAt(
  thread: Thread,
  dirfd: number,
  path: string,
  who: Credentials = thread.process.who,
): OrErr<WalkContext> {
  const { root, cwd } = thread.process.fs!
  if (dirfd === AT_FDCWD || path.startsWith('/')) return { root, cwd, who }
  const file = thread.process.fds!.get(dirfd)
  if (isErr(file)) return file
  if (file.vnode.kind !== 'dir') return ENOTDIR
  return { root, cwd: file.vnode, who }
}

/** The open file of descriptor argument i; EBADF for none and for an O_PATH file. The answer holds no reference. */
export function fileArg(thread: Thread, i: number): OrErr<OpenFile> {
  const file = thread.process.fds!.get(int(thread, i))
  return !isErr(file) && file.isPath ? EBADF : file
}
/** Keeps an open file while `work` sleeps: another thread may close the descriptor. */
export function* holding<T>(file: OpenFile, work: Sleep<T>): Sleep<T> {
  file.reference()
  const result = yield* work
  if (file.refs === 1) yield* closeFile(file)
  else file.release()
  return result
}

const IOV_MAX = 1024
/** Most bytes of one read or write, as Linux has it. */
export const RW_MAX = 0x7ffff000

/**
 * The buffers of readv and writev.
 *
 * @param isElsewhere  they lie in the memory of another process: only their lengths are looked at
 * @errors EINVAL more than 1024, or a negative length; EFAULT
 */
export function* vectorAt(thread: Thread, address: number, count: number, isElsewhere = false): Sleep<OrErr<IoVec[]>> {
  if (count < 0 || count > IOV_MAX) return EINVAL
  const bytes = yield* copyIn(thread.space, address, count * 16)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const vectors: IoVec[] = []
  for (let i = 0; i < count; i++) {
    const length = getLong(view, i * 16 + 8)
    if (length < 0) return EINVAL
    const base = getLong(view, i * 16)
    if (!isElsewhere && length > 0 && (base < 0 || base + length > thread.space.map.max)) return EFAULT
    vectors.push({ base, length })
  }
  return vectors
}
/** One buffer: EFAULT if it reaches beyond user memory. */
export function bufferAt(thread: Thread, address: number, length: number): OrErr<IoVec[]> {
  const bytes = Math.min(length, RW_MAX)
  return length > 0 && (address < 0 || address + bytes > thread.space.map.max)
    ? EFAULT
    : [{ base: address, length: bytes }]
}

// Structures, little endian. 64-bit fields are numbers here; all of them stay below 2^53 or are negative errors.
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
export function getLong(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
}
export function getUnsigned(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
}
export function putLong(view: DataView, at: number, value: number): void {
  view.setInt32(at, value | 0, true)
  view.setInt32(at + 4, Math.floor(value / 2 ** 32) | 0, true)
}
/** Writes a structure of `bytes` bytes that `fill` has filled; 0 or EFAULT. */
export function* putStruct(
  thread: Thread,
  address: number,
  bytes: number,
  fill: (view: DataView) => void,
): Sleep<0 | Err> {
  const view = new DataView(new ArrayBuffer(bytes))
  fill(view)
  return yield* copyOut(thread.space, address, new Uint8Array(view.buffer))
}

/** struct timespec { s64 seconds, s64 nanoseconds } as nanoseconds; EINVAL if it is none, EFAULT. */
export function* timespecAt(thread: Thread, address: number): Sleep<{ ns: number } | Err> {
  const bytes = yield* copyIn(thread.space, address, 16)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const seconds = getLong(view, 0)
  const ns = getLong(view, 8)
  if (seconds < 0 || ns < 0 || ns >= 1e9) return EINVAL
  return { ns: seconds * 1e9 + ns }
}
export function putTimespec(view: DataView, at: number, ns: number): void {
  putLong(view, at, Math.floor(ns / 1e9))
  putLong(view, at + 8, Math.floor(ns % 1e9))
}
export function putTimeval(view: DataView, at: number, ns: number): void {
  putLong(view, at, Math.floor(ns / 1e9))
  putLong(view, at + 8, Math.floor((ns % 1e9) / 1000))
}

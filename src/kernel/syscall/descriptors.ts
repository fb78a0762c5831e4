// What is done with a descriptor beside moving bytes.

import { EAGAIN, EBADF, EINVAL, ENOTTY, EPERM, type Err, isErr, type Sleep } from '../../base/index.ts'
import { addSeals, DEV_USERFAULTFD, getSeals, O_CLOEXEC, O_SETTABLE, type OpenFile, PIPE_PAGES } from '../file/index.ts'
import { copyIn, copyOut, copyOutInt, type Kernel, type Thread } from '../process/index.ts'
import { UserFaults } from '../uffd/index.ts'
import { fileArg, int, long, putStruct, viewOf } from './call.ts'
import { userFaultControl, userFaultDeviceControl } from './userfaultfd.ts'

/** @manual dup(2) */
export function dup(_kernel: Kernel, thread: Thread): number {
  return thread.process.fds!.dup(int(thread, 0))
}
/** @manual dup3(2) */
export function* dup3(_kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 2)
  if ((flags & ~O_CLOEXEC) !== 0) return EINVAL
  return yield* thread.process.fds!.dup3(int(thread, 0), int(thread, 1), flags !== 0)
}

const F_DUPFD = 0
const F_GETFD = 1
const F_SETFD = 2
const F_GETFL = 3
const F_SETFL = 4
const F_GETLK = 5
const F_SETLK = 6
const F_SETLKW = 7
const F_SETOWN = 8
const F_GETOWN = 9
const F_DUPFD_CLOEXEC = 1030
const F_SETPIPE_SZ = 1031
const F_GETPIPE_SZ = 1032
const F_ADD_SEALS = 1033
const F_GET_SEALS = 1034
const FD_CLOEXEC = 1
const F_UNLCK = 2

/** int fcntl(int fd, int cmd, ...) @manual fcntl(2) */
export function* fcntl(_kernel: Kernel, thread: Thread): Sleep<number> {
  const fds = thread.process.fds!
  const fd = int(thread, 0)
  const file = fds.get(fd)
  if (isErr(file)) return file
  const command = int(thread, 1)
  const value = int(thread, 2)
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return fds.dup(fd, value, command === F_DUPFD_CLOEXEC)
    case F_GETFD:
      return fds.closesOnExec(fd) ? FD_CLOEXEC : 0
    case F_SETFD:
      return fds.setClosesOnExec(fd, (value & FD_CLOEXEC) !== 0)
    case F_GETFL:
      return file.flags
    default:
      return file.isPath ? EBADF : yield* fcntlOpen(thread, file, command, value)
  }
}
function* fcntlOpen(thread: Thread, file: OpenFile, command: number, value: number): Sleep<number> {
  switch (command) {
    case F_SETFL:
      file.flags = (file.flags & ~O_SETTABLE) | (value & O_SETTABLE)
      return 0
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
      return yield* recordLock(thread, command)
    case F_SETOWN:
      return 0
    case F_GETOWN:
      return 0
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
      // A pipe has one size here: asking for at most that is granted.
      if (file.vnode.kind !== 'pipe') return EBADF
      return command === F_SETPIPE_SZ && value > PIPE_PAGES * 4096 ? EPERM : PIPE_PAGES * 4096
    case F_ADD_SEALS:
      return addSeals(file, value)
    case F_GET_SEALS:
      return getSeals(file)
    default:
      return EINVAL
  }
}
/** Locks of ranges, advisory: the record locks of one process are kept by nobody else here, so none is in the way. */
function* recordLock(thread: Thread, command: number): Sleep<number> {
  const address = long(thread, 2)
  const bytes = yield* copyIn(thread.space, address, 32)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  const type = view.getInt16(0, true)
  if (type < 0 || type > F_UNLCK) return EINVAL
  if (command !== F_GETLK) return 0
  view.setInt16(0, F_UNLCK, true)
  return yield* copyOut(thread.space, address, bytes)
}

const TCGETS = 0x5401
const TCSETS = 0x5402
const TCSETSF = 0x5404
const TIOCGPGRP = 0x540f
const TIOCSPGRP = 0x5410
const TIOCGWINSZ = 0x5413
const FIONREAD = 0x541b
const FIONBIO = 0x5421
const FIONCLEX = 0x5450
const FIOCLEX = 0x5451
const O_NONBLOCK = 0o4000

/** int ioctl(int fd, unsigned long request, void *argument): terminals, and what every file has. @manual ioctl(2) */
export function* ioctl(kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  const fds = thread.process.fds!
  const address = long(thread, 2)
  switch (int(thread, 1)) {
    case FIOCLEX:
      return fds.setClosesOnExec(int(thread, 0), true)
    case FIONCLEX:
      return fds.setClosesOnExec(int(thread, 0), false)
    case FIONBIO: {
      const bytes = yield* copyIn(thread.space, address, 4)
      if (isErr(bytes)) return bytes
      const on = viewOf(bytes).getInt32(0, true) !== 0
      file.flags = on ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK
      return 0
    }
    case FIONREAD: {
      const unread = bytesUnread(file)
      return isErr(unread) ? unread : yield* copyOutInt(thread.space, address, unread)
    }
    default:
      if (file.io instanceof UserFaults) return yield* userFaultControl(thread, file.io, address)
      if (file.vnode.rdev === DEV_USERFAULTFD) return userFaultDeviceControl(kernel, thread, address)
      if (file.io.control !== undefined) {
        const read = (at: number, length: number) => copyIn(thread.space, at, length)
        const write = (at: number, from: Uint8Array) => copyOut(thread.space, at, from)
        return yield* file.io.control(int(thread, 1) >>> 0, address, { read, write })
      }
      return yield* terminalControl(kernel, thread, file, address)
  }
}
function bytesUnread(file: OpenFile): number | Err {
  const pipe = file.vnode.kind === 'pipe' ? file.files.fifos.get(file.vnode) : undefined
  if (pipe !== undefined) return pipe.used
  return file.vnode.kind === 'file' ? Math.max(0, file.vnode.size - file.offset) : ENOTTY
}

function* terminalControl(kernel: Kernel, thread: Thread, file: OpenFile, address: number): Sleep<number> {
  const device = file.vnode.kind === 'chardev' ? kernel.files.devices.get(file.vnode.rdev) : undefined
  const terminal = device?.terminal ?? null
  if (terminal === null) return ENOTTY
  switch (int(thread, 1)) {
    case TIOCGWINSZ:
      return yield* putStruct(thread, address, 8, (view) => {
        view.setUint16(0, terminal.rows, true)
        view.setUint16(2, terminal.columns, true)
      })
    case TCGETS:
      // struct termios: a plain line discipline, as a program finds it that was started from a shell.
      return yield* putStruct(thread, address, 36, (view) => {
        view.setUint32(0, 0x4500, true)
        view.setUint32(4, 0x5, true)
        view.setUint32(8, 0xbf, true)
        view.setUint32(12, 0x8a3b, true)
        const controls = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22]
        controls.forEach((code, i) => view.setUint8(17 + i, code))
      })
    case TCSETS:
    case TCSETS + 1:
    case TCSETSF:
      return 0
    case TIOCGPGRP:
      return yield* copyOutInt(thread.space, address, thread.process.pgid)
    case TIOCSPGRP:
      return 0
    default:
      return ENOTTY
  }
}

const LOCK_NB = 4
/** Whole-file locks by open file. */
const flocks = new WeakMap<object, { owners: Set<OpenFile>; isExclusive: boolean }>()
/** int flock(int fd, int operation): shared 1, exclusive 2, unlock 8. @manual flock(2) */
export function flock(_kernel: Kernel, thread: Thread): number {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  const operation = int(thread, 1) & ~LOCK_NB
  if (![1, 2, 8].includes(operation)) return EINVAL
  const lock = flocks.get(file.vnode) ?? { owners: new Set<OpenFile>(), isExclusive: false }
  flocks.set(file.vnode, lock)
  lock.owners.delete(file)
  for (const owner of lock.owners) if (owner.refs === 0) lock.owners.delete(owner)
  if (operation === 8) return 0
  if (lock.owners.size > 0 && (operation === 2 || lock.isExclusive)) return EAGAIN
  lock.owners.add(file)
  lock.isExclusive = operation === 2
  return 0
}

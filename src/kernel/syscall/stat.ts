import { EINVAL, ENOENT, type Err, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import {
  type Credentials,
  lookupPath,
  type Stat,
  statFileSystem,
  statVnode,
  type Vnode,
  WALK_FOLLOW,
  type FsStat,
} from '../file/index.ts'
import type { Kernel, Thread } from '../process/index.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_SYMLINK_NOFOLLOW,
  contextAt,
  int,
  long,
  pathAt,
  putLong,
  putStruct,
} from './call.ts'

/** The vnode that a dirfd, a path and AT_ flags name. */
export function* vnodeAt(
  thread: Thread,
  dirfd: number,
  pathAddress: number,
  flags: number,
  who: Credentials = thread.process.who,
): Sleep<OrErr<Vnode>> {
  const path = (flags & AT_EMPTY_PATH) !== 0 && pathAddress === 0 ? '' : yield* pathAt(thread, pathAddress)
  if (isErr(path)) return path
  if (path === '') {
    if ((flags & AT_EMPTY_PATH) === 0) return ENOENT
    if (dirfd === AT_FDCWD) return thread.process.fs!.cwd
    const file = thread.process.fds!.get(dirfd)
    return isErr(file) ? file : file.vnode
  }
  const context = contextAt(thread, dirfd, path, who)
  if (isErr(context)) return context
  return lookupPath(context, path, (flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : WALK_FOLLOW)
}

/** int fstat(int fd, struct stat *buf) @manual fstat(2) */
export function* fstat(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = thread.process.fds!.get(int(thread, 0))
  if (isErr(file)) return file
  return yield* putStat(thread, long(thread, 1), statVnode(file.vnode))
}
/** int newfstatat(int dirfd, const char *path, struct stat *buf, int flags) @manual fstatat(2) */
export function* newfstatat(_kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 3)
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) !== 0) return EINVAL
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), flags)
  if (isErr(vnode)) return vnode
  return yield* putStat(thread, long(thread, 2), statVnode(vnode))
}

/** struct stat of asm-generic, 128 bytes (Linux specification 3.1). */
function* putStat(thread: Thread, address: number, s: Stat): Sleep<0 | Err> {
  return yield* putStruct(thread, address, 128, (view) => {
    putLong(view, 0, s.device)
    putLong(view, 8, s.inode)
    view.setUint32(16, s.mode, true)
    view.setUint32(20, s.nlink, true)
    view.setUint32(24, s.uid, true)
    view.setUint32(28, s.gid, true)
    putLong(view, 32, s.rdev)
    putLong(view, 48, s.size)
    view.setInt32(56, s.blockBytes, true)
    putLong(view, 64, s.blocks)
    const times = [s.atime, s.mtime, s.ctime]
    times.forEach(({ sec, nsec }, i) => {
      putLong(view, 72 + 16 * i, sec)
      putLong(view, 80 + 16 * i, nsec)
    })
  })
}

const STATX_BASIC_STATS = 0x7ff
const STATX_RESERVED = 0x80000000
const STATX_SYNC_TYPE = 0x6000
/** int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *buf) @manual statx(2) */
export function* statx(_kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 2)
  const known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | STATX_SYNC_TYPE
  if ((flags & ~known) !== 0 || (flags & STATX_SYNC_TYPE) === STATX_SYNC_TYPE) return EINVAL
  if ((int(thread, 3) & STATX_RESERVED) !== 0) return EINVAL
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), flags)
  if (isErr(vnode)) return vnode
  const s = statVnode(vnode)
  return yield* putStruct(thread, long(thread, 4), 256, (view) => {
    view.setUint32(0, STATX_BASIC_STATS, true)
    view.setUint32(4, s.blockBytes, true)
    view.setUint32(16, s.nlink, true)
    view.setUint32(20, s.uid, true)
    view.setUint32(24, s.gid, true)
    view.setUint16(28, s.mode, true)
    putLong(view, 32, s.inode)
    putLong(view, 40, s.size)
    putLong(view, 48, s.blocks)
    const times: readonly (readonly [number, Stat['atime']])[] = [
      [64, s.atime],
      [96, s.ctime],
      [112, s.mtime],
    ]
    for (const [at, { sec, nsec }] of times) {
      putLong(view, at, sec)
      view.setUint32(at + 8, nsec, true)
    }
    putDevice(view, 128, s.rdev)
    putDevice(view, 136, s.device)
  })
}
function putDevice(view: DataView, at: number, device: number): void {
  view.setUint32(at, (device >>> 8) & 0xfff, true)
  view.setUint32(at + 4, (device & 0xff) | ((device >>> 12) & 0xfff00), true)
}

/** @manual statfs(2) */
export function* statfs(kernel: Kernel, thread: Thread): Sleep<number> {
  const vnode = yield* vnodeAt(thread, AT_FDCWD, long(thread, 0), 0)
  if (isErr(vnode)) return vnode
  return yield* putStatfs(thread, long(thread, 1), statFileSystem(kernel.files, vnode.fs))
}
/** @manual fstatfs(2) */
export function* fstatfs(kernel: Kernel, thread: Thread): Sleep<number> {
  const file = thread.process.fds!.get(int(thread, 0))
  if (isErr(file)) return file
  return yield* putStatfs(thread, long(thread, 1), statFileSystem(kernel.files, file.vnode.fs))
}
const ST_RDONLY = 1
const ST_VALID = 0x20
function* putStatfs(thread: Thread, address: number, s: FsStat): Sleep<0 | Err> {
  return yield* putStruct(thread, address, 120, (view) => {
    const fields = [s.type, s.blockBytes, s.blocks, s.freeBlocks, s.freeBlocks, 0, 0, 0, s.nameMax, s.blockBytes]
    fields.forEach((value, i) => putLong(view, 8 * i, value))
    putLong(view, 80, ST_VALID | (s.isReadOnly ? ST_RDONLY : 0))
  })
}

// Names: making, removing, moving and reading them; and what belongs to a file beside its bytes.

import {
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  EPERM,
  ERANGE,
  EROFS,
  ESPIPE,
  isErr,
  type OrErr,
  type Sleep,
} from '../../base/index.ts'
import {
  changeAttributes,
  fileAllocate,
  fileSync,
  makeDirectory,
  makeLink,
  makeNode,
  makeSymlink,
  MAY_WRITE,
  nameToBytes,
  pathOf,
  removeDirectory,
  renamePath,
  S_IFMT,
  syncAll,
  type Timestamp,
  truncateVnode,
  unlinkPath,
  type Vnode,
  vnodeAccess,
  type VnodeKind,
  type WalkContext,
} from '../file/index.ts'
import { copyIn, copyOut, type Kernel, realCredentials, type Thread } from '../process/index.ts'
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  contextAt,
  fileArg,
  getLong,
  holding,
  int,
  long,
  pathAt,
  size,
  viewOf,
} from './call.ts'
import { vnodeAt } from './stat.ts'

interface Place {
  readonly path: string
  readonly context: WalkContext
}
/** dirfd in argument i, the path's address in argument i + 1. */
function* placeAt(thread: Thread, i: number): Sleep<OrErr<Place>> {
  const path = yield* pathAt(thread, long(thread, i + 1))
  if (isErr(path)) return path
  const context = contextAt(thread, int(thread, i), path)
  return isErr(context) ? context : { path, context }
}
const zeroOr = (made: OrErr<unknown>): number => (isErr(made) ? made : 0)

/** @manual mkdirat(2) */
export function* mkdirat(kernel: Kernel, thread: Thread): Sleep<number> {
  const place = yield* placeAt(thread, 0)
  if (isErr(place)) return place
  const permissions = int(thread, 2) & 0o1777 & ~thread.process.fs!.umask
  return zeroOr(makeDirectory(kernel.files, place.context, place.path, permissions))
}
const NODE_KINDS = new Map<number, VnodeKind>([
  [0, 'file'],
  [0o100000, 'file'],
  [0o020000, 'chardev'],
  [0o010000, 'pipe'],
])
/** @manual mknodat(2) */
export function* mknodat(kernel: Kernel, thread: Thread): Sleep<number> {
  const place = yield* placeAt(thread, 0)
  if (isErr(place)) return place
  const mode = int(thread, 2)
  const kind = NODE_KINDS.get(mode & S_IFMT)
  if (kind === undefined) return (mode & S_IFMT) === 0o040000 ? EPERM : EINVAL
  const permissions = mode & 0o7777 & ~thread.process.fs!.umask
  return zeroOr(makeNode(kernel.files, place.context, place.path, kind, permissions, int(thread, 3) >>> 0))
}
/** @manual unlinkat(2) */
export function* unlinkat(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 2)
  if ((flags & ~AT_REMOVEDIR) !== 0) return EINVAL
  const place = yield* placeAt(thread, 0)
  if (isErr(place)) return place
  return (flags & AT_REMOVEDIR) !== 0
    ? removeDirectory(kernel.files, place.context, place.path)
    : unlinkPath(kernel.files, place.context, place.path)
}
/** @manual symlinkat(2) */
export function* symlinkat(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = yield* pathAt(thread, long(thread, 0))
  if (isErr(target)) return target
  const place = yield* placeAt(thread, 1)
  if (isErr(place)) return place
  return zeroOr(makeSymlink(kernel.files, place.context, target, place.path))
}
/** @manual linkat(2) */
export function* linkat(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 4)
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL
  const how = (flags & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), (flags & AT_EMPTY_PATH) | how)
  if (isErr(vnode)) return vnode
  const place = yield* placeAt(thread, 2)
  if (isErr(place)) return place
  return makeLink(kernel.files, place.context, vnode, place.path)
}
/** @manual renameat2(2) */
export function* renameat2(kernel: Kernel, thread: Thread): Sleep<number> {
  const from = yield* placeAt(thread, 0)
  if (isErr(from)) return from
  const to = yield* placeAt(thread, 2)
  if (isErr(to)) return to
  return renamePath(kernel.files, from.context, from.path, to.context, to.path, int(thread, 4))
}
/** ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size) @manual readlinkat(2) */
export function* readlinkat(_kernel: Kernel, thread: Thread): Sleep<number> {
  const room = int(thread, 3)
  if (room <= 0) return EINVAL
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
  if (isErr(vnode)) return vnode
  if (vnode.kind !== 'symlink') return EINVAL
  const target = vnode.fs.readlink(vnode)
  if (isErr(target)) return target
  const bytes = nameToBytes(target).subarray(0, room)
  const written = yield* copyOut(thread.space, long(thread, 2), bytes)
  return isErr(written) ? written : bytes.length
}

/** @manual faccessat(2) */
export function* faccessat(_kernel: Kernel, thread: Thread): Sleep<number> {
  return yield* access(thread, 0)
}
/** @manual faccessat2(2) */
export function* faccessat2(_kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 3)
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return EINVAL
  return yield* access(thread, flags)
}
/** The real user asks, unless told otherwise. */
function* access(thread: Thread, flags: number): Sleep<number> {
  const isEffective = (flags & AT_EACCESS) !== 0
  const who = isEffective ? thread.process.who : realCredentials(thread.process.who)
  const want = int(thread, 2)
  if ((want & ~7) !== 0) return EINVAL
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), flags, who)
  if (isErr(vnode)) return vnode
  if (want === 0) return 0
  if ((want & MAY_WRITE) !== 0 && vnode.fs.isReadOnly && vnode.kind !== 'chardev' && vnode.kind !== 'pipe') return EROFS
  return vnodeAccess(vnode, who, want)
}

/** @manual fchmod(2) */
export function fchmod(kernel: Kernel, thread: Thread): number {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return changeAttributes(kernel.files, thread.process.who, file.vnode, { permissions: int(thread, 1) & 0o7777 })
}
/** @manual fchmodat(2) */
export function* fchmodat(kernel: Kernel, thread: Thread): Sleep<number> {
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), 0)
  if (isErr(vnode)) return vnode
  return changeAttributes(kernel.files, thread.process.who, vnode, { permissions: int(thread, 2) & 0o7777 })
}
function owners(thread: Thread, i: number): { uid?: number; gid?: number } {
  const uid = int(thread, i)
  const gid = int(thread, i + 1)
  return { ...(uid === -1 ? {} : { uid: uid >>> 0 }), ...(gid === -1 ? {} : { gid: gid >>> 0 }) }
}
/** @manual fchown(2) */
export function fchown(kernel: Kernel, thread: Thread): number {
  const file = fileArg(thread, 0)
  return isErr(file) ? file : changeAttributes(kernel.files, thread.process.who, file.vnode, owners(thread, 1))
}
/** @manual fchownat(2) */
export function* fchownat(kernel: Kernel, thread: Thread): Sleep<number> {
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), int(thread, 4))
  if (isErr(vnode)) return vnode
  return changeAttributes(kernel.files, thread.process.who, vnode, owners(thread, 2))
}
const UTIME_NOW = 0x3fffffff
const UTIME_OMIT = 0x3ffffffe
/** int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags) @manual utimensat(2) */
export function* utimensat(kernel: Kernel, thread: Thread): Sleep<number> {
  const now = kernel.files.now()
  let times: (Timestamp | null)[] = [now, now]
  if (long(thread, 2) !== 0) {
    const bytes = yield* copyIn(thread.space, long(thread, 2), 32)
    if (isErr(bytes)) return bytes
    const view = viewOf(bytes)
    times = [0, 16].map((at) => {
      const nsec = getLong(view, at + 8)
      return nsec === UTIME_NOW ? now : nsec === UTIME_OMIT ? null : { sec: getLong(view, at), nsec }
    })
    if (times.some((time) => time !== null && (time.nsec < 0 || time.nsec >= 1e9))) return EINVAL
  }
  const isNameless = long(thread, 1) === 0
  const flags = isNameless ? AT_EMPTY_PATH : int(thread, 3)
  const vnode = yield* vnodeAt(thread, int(thread, 0), long(thread, 1), flags)
  if (isErr(vnode)) return vnode
  const [atime, mtime] = times
  const isTouch = atime === now && mtime === now
  const change = { isTouch, ...(atime == null ? {} : { atime }), ...(mtime == null ? {} : { mtime }) }
  return changeAttributes(kernel.files, thread.process.who, vnode, change)
}

/** @manual truncate(2) */
export function* truncate(kernel: Kernel, thread: Thread): Sleep<number> {
  const vnode = yield* vnodeAt(thread, AT_FDCWD, long(thread, 0), 0)
  if (isErr(vnode)) return vnode
  if (vnode.kind === 'dir') return EISDIR
  if (vnode.kind !== 'file') return EINVAL
  if (vnode.fs.isReadOnly) return EROFS
  const refused = vnodeAccess(vnode, thread.process.who, MAY_WRITE)
  return refused !== 0 ? refused : yield* truncateVnode(kernel.files, vnode, long(thread, 1))
}
/** @manual ftruncate(2) */
export function* ftruncate(kernel: Kernel, thread: Thread): Sleep<number> {
  if (long(thread, 1) < 0) return EINVAL
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  if (!file.isWritable || file.vnode.kind !== 'file') return EINVAL
  return yield* holding(file, truncateVnode(kernel.files, file.vnode, long(thread, 1)))
}
/** @manual fallocate(2) */
export function* fallocate(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  return yield* holding(file, fileAllocate(file, int(thread, 1), long(thread, 2), long(thread, 3)))
}
/** Advice about a file that nothing depends on: only its form is checked. @manual posix_fadvise(2) */
export function fadvise64(_kernel: Kernel, thread: Thread): number {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  const advice = int(thread, 3)
  return advice < 0 || advice > 5 ? EINVAL : file.vnode.kind === 'pipe' ? ESPIPE : 0
}

/** @manual sync(2) */
export function* sync(kernel: Kernel): Sleep<number> {
  yield* syncAll(kernel.files)
  return 0
}
/** fsync, fdatasync and sync_file_range. @manual fsync(2) */
export function* fsync(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  return isErr(file) ? file : yield* holding(file, fileSync(file))
}
/** @manual syncfs(2) */
export function* syncfs(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  yield* holding(file, file.vnode.fs.syncAll())
  return 0
}

/** char *getcwd(char *buf, size_t size): the bytes written, the NUL included. @manual getcwd(2) */
export function* getcwd(_kernel: Kernel, thread: Thread): Sleep<number> {
  const { cwd } = thread.process.fs!
  if (cwd.nlink === 0) return ENOENT
  const bytes = nameToBytes(`${pathOf(cwd)}\0`)
  if (size(thread, 1) < bytes.length) return ERANGE
  const written = yield* copyOut(thread.space, long(thread, 0), bytes)
  return isErr(written) ? written : bytes.length
}
/** @manual chdir(2) */
export function* chdir(_kernel: Kernel, thread: Thread): Sleep<number> {
  const vnode = yield* vnodeAt(thread, AT_FDCWD, long(thread, 0), 0)
  return isErr(vnode) ? vnode : enter(thread, vnode)
}
/** @manual fchdir(2) */
export function fchdir(_kernel: Kernel, thread: Thread): number {
  const file = thread.process.fds!.get(int(thread, 0))
  return isErr(file) ? file : enter(thread, file.vnode)
}
function enter(thread: Thread, vnode: Vnode): number {
  if (vnode.kind !== 'dir') return ENOTDIR
  const refused = vnodeAccess(vnode, thread.process.who, 1)
  if (refused === 0) thread.process.fs!.chdir(vnode)
  return refused
}
/** The old mask. @manual umask(2) */
export function umask(_kernel: Kernel, thread: Thread): number {
  const fs = thread.process.fs!
  const old = fs.umask
  fs.umask = int(thread, 0) & 0o777
  return old
}

import {
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  EOPNOTSUPP,
  EROFS,
  isErr,
  type OrErr,
  type Sleep,
} from '../../base/index.ts'
import {
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_CLOEXEC,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from './constants.ts'
import type { Files } from './files.ts'
import { namei, WALK_FOLLOW, WALK_PARENT, type WalkContext } from './namei.ts'
import { OpenFile } from './openFile.ts'
import { waitForOtherEnd } from './pipe.ts'
import { truncateVnode } from './truncate.ts'
import { vnodeAccess, type Vnode, type VnodeInit } from './vnode.ts'

const NOT_KEPT = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC

/**
 * Opens a file, making it if asked.
 *
 *   1. O_PATH keeps only O_DIRECTORY and O_NOFOLLOW; O_TMPFILE makes a nameless file in a directory
 *   2. walk; a name that is not there is made with O_CREAT
 *   3. check kind and permission
 *   4. truncate, then make the open file
 *
 * @param permissions  of a new file, the process's umask already applied
 * @returns  an open file with one reference, for the caller to install; EEXIST, EISDIR, ELOOP, ENOTDIR, EROFS, EACCES,
 *           EINVAL and the errors of the walk
 * @locks    sleeps (truncation; a named pipe waits for its other end)
 * @manual   open(2)
 */
export function* openAt(
  files: Files,
  context: WalkContext,
  path: string,
  flags: number,
  permissions: number,
): Sleep<OrErr<OpenFile>> {
  if ((flags & O_PATH) !== 0) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW
  const wantsCreate = (flags & O_CREAT) !== 0
  if ((flags & O_TMPFILE) === O_TMPFILE) return openNameless(files, context, path, flags, permissions)
  if (wantsCreate && (flags & O_DIRECTORY) !== 0) return EINVAL
  const isExclusive = wantsCreate && (flags & O_EXCL) !== 0
  const follows = (flags & O_NOFOLLOW) === 0 && !isExclusive
  const found = namei(context, path, (follows ? WALK_FOLLOW : 0) | (wantsCreate ? WALK_PARENT : 0))
  if (isErr(found)) return found

  let vnode = found.vnode
  const isNew = vnode === null
  if (vnode === null) {
    if (found.mustBeDir) return EISDIR
    if (found.dir.nlink === 0) return ENOENT
    const refused = vnodeAccess(found.dir, context.who, MAY_WRITE | MAY_EXEC)
    if (refused !== 0) return refused
    const made = found.dir.fs.create(found.dir, found.name, initFor(files, context, permissions))
    if (isErr(made)) return made
    found.dir.mtime = found.dir.ctime = files.now()
    vnode = made
  } else {
    if (isExclusive) return EEXIST
    if (vnode.kind === 'symlink' && (flags & O_PATH) === 0) return ELOOP
    if ((flags & O_DIRECTORY) !== 0 && vnode.kind !== 'dir') return ENOTDIR
    if (vnode.kind === 'dir' && (wantsCreate || wantsWrite(flags))) return EISDIR
    const refused = mayOpen(vnode, context, flags)
    if (refused !== 0) return refused
  }
  const file = new OpenFile(files, vnode, flags & ~NOT_KEPT)
  if ((flags & O_TRUNC) !== 0 && !isNew && vnode.kind === 'file') {
    const truncated = yield* truncateVnode(files, vnode, 0)
    if (isErr(truncated)) return drop(file, truncated)
  }
  const opened = openIo(file)
  if (isErr(opened)) return drop(file, opened)
  if (vnode.kind === 'pipe' && !file.isPath) {
    const waited = yield* waitForOtherEnd(file)
    if (isErr(waited)) return drop(file, waited)
  }
  return file
}

/** An open file of a vnode that needs no name: memory files, the interpreter of a program, tests. */
export function openVnode(files: Files, vnode: Vnode, flags: number): OrErr<OpenFile> {
  const file = new OpenFile(files, vnode, flags & ~NOT_KEPT)
  const opened = openIo(file)
  return isErr(opened) ? drop(file, opened) : file
}

function openNameless(
  files: Files,
  context: WalkContext,
  path: string,
  flags: number,
  permissions: number,
): OrErr<OpenFile> {
  if (!wantsWrite(flags)) return EINVAL
  const found = namei(context, path, WALK_FOLLOW)
  if (isErr(found)) return found
  const dir = found.vnode!
  if (dir.kind !== 'dir') return ENOTDIR
  const refused = vnodeAccess(dir, context.who, MAY_WRITE | MAY_EXEC)
  if (refused !== 0) return refused
  const vnode = dir.fs.createNameless(initFor(files, context, permissions))
  if (isErr(vnode)) return isErr(vnode) && !dir.fs.isReadOnly ? EOPNOTSUPP : vnode
  vnode.name = `/#${vnode.id}`
  return openVnode(files, vnode, flags & ~O_DIRECTORY)
}

function openIo(file: OpenFile): OrErr<0> {
  if (file.isPath) return 0
  const io = file.vnode.fs.open(file.vnode, file)
  if (isErr(io)) return io
  file.io = io
  return 0
}
function drop<E>(file: OpenFile, error: E): E {
  file.release()
  return error
}
function initFor(files: Files, context: WalkContext, permissions: number): VnodeInit {
  const { uid, gid } = context.who
  return { kind: 'file', permissions: permissions & 0o7777, uid, gid, time: files.now() }
}
const wantsWrite = (flags: number): boolean => (flags & O_ACCMODE) !== O_RDONLY || (flags & O_TRUNC) !== 0

function mayOpen(vnode: Vnode, context: WalkContext, flags: number): OrErr<0> {
  if ((flags & O_PATH) !== 0) return 0
  const reads = (flags & O_ACCMODE) !== O_WRONLY
  const writes = wantsWrite(flags)
  if (writes && vnode.kind === 'file' && vnode.fs.isReadOnly) return EROFS
  return vnodeAccess(vnode, context.who, (reads ? MAY_READ : 0) | (writes ? MAY_WRITE : 0))
}

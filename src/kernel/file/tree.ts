// Making, moving and removing names. Each call is atomic; none sleeps.

import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
  EROFS,
  isErr,
  type OrErr,
} from '../../base/index.ts'
import { MAY_EXEC, MAY_WRITE, RENAME_EXCHANGE, RENAME_NOREPLACE, S_ISVTX } from './constants.ts'
import { CAP_FOWNER, capable } from './credentials.ts'
import type { Files } from './files.ts'
import { isPlainName, mountRefuses, namei, WALK_PARENT, type WalkContext, type WalkResult } from './namei.ts'
import { vnodeAccess, vnodeMaybeGone, type Vnode, type VnodeInit, type VnodeKind } from './vnode.ts'

/** Finds the free name where something is to be made. */
function freeName(context: WalkContext, path: string): OrErr<WalkResult> {
  const found = namei(context, path, WALK_PARENT)
  if (isErr(found)) return found
  if (found.vnode !== null) return EEXIST
  return mayChange(context, found.dir) ?? found
}
/** null, or why names of the directory may not be changed. */
function mayChange(context: WalkContext, dir: Vnode) {
  if (dir.fs.isReadOnly) return EROFS
  // A directory that was removed while somebody held it takes no names.
  if (dir.nlink === 0) return ENOENT
  const refused = vnodeAccess(dir, context.who, MAY_WRITE | MAY_EXEC)
  return refused === 0 ? null : refused
}
/** null, or why a name may not be taken away: a sticky directory protects what belongs to others. */
function mayRemove(context: WalkContext, dir: Vnode, vnode: Vnode) {
  const refused = mayChange(context, dir)
  if (refused !== null) return refused
  const { who } = context
  const isProtected = (dir.mode & S_ISVTX) !== 0 && who.uid !== vnode.uid && who.uid !== dir.uid
  return isProtected && !capable(who, CAP_FOWNER) ? EPERM : null
}
function initFor(files: Files, context: WalkContext, kind: VnodeKind, permissions: number): VnodeInit {
  const { uid, gid } = context.who
  return { kind, permissions: permissions & 0o7777, uid, gid, time: files.now() }
}
function touch(files: Files, ...dirs: Vnode[]): void {
  for (const dir of dirs) dir.mtime = dir.ctime = files.now()
}

/** mkdir(2). EEXIST, ENOENT, ENOTDIR, EACCES, EROFS, ENOSPC. */
export function makeDirectory(files: Files, context: WalkContext, path: string, permissions: number): OrErr<Vnode> {
  return makeNode(files, context, path, 'dir', permissions, 0)
}

/**
 * mknod(2): an empty file, a directory, a named pipe or a device.
 *
 * @param rdev  device number of a device
 */
export function makeNode(
  files: Files,
  context: WalkContext,
  path: string,
  kind: VnodeKind,
  permissions: number,
  rdev: number,
): OrErr<Vnode> {
  const found = freeName(context, path)
  if (isErr(found)) return found
  if (found.mustBeDir && kind !== 'dir') return ENOENT
  const made = found.dir.fs.create(found.dir, found.name, initFor(files, context, kind, permissions))
  if (isErr(made)) return made
  made.rdev = rdev
  if (kind === 'dir') found.dir.nlink++
  touch(files, found.dir)
  // Nobody holds it yet: a store need not keep it open.
  made.fs.inactive(made)
  return made
}

/** symlink(2). The target is any text; it is read when the link is walked. */
export function makeSymlink(files: Files, context: WalkContext, target: string, path: string): OrErr<Vnode> {
  if (target === '') return ENOENT
  const found = freeName(context, path)
  if (isErr(found)) return found
  if (found.mustBeDir) return ENOENT
  const made = found.dir.fs.symlink(found.dir, found.name, target, initFor(files, context, 'symlink', 0o777))
  if (!isErr(made)) touch(files, found.dir)
  return made
}

/** link(2): another name for a file. EPERM for a directory, EXDEV across file systems. */
export function makeLink(files: Files, context: WalkContext, vnode: Vnode, path: string): OrErr<0> {
  const found = freeName(context, path)
  if (isErr(found)) return found
  if (vnode.kind === 'dir') return EPERM
  if (found.mustBeDir) return ENOENT
  if (found.dir.fs !== vnode.fs) return EXDEV
  const linked = vnode.fs.link(found.dir, found.name, vnode)
  if (isErr(linked)) return linked
  vnode.nlink++
  vnode.ctime = files.now()
  touch(files, found.dir)
  return 0
}

/** unlink(2). EISDIR for a directory, ENOTDIR for a file named with a trailing slash, EBUSY. */
export function unlinkPath(files: Files, context: WalkContext, path: string): OrErr<0> {
  const found = namei(context, path, 0)
  if (isErr(found)) return found
  const vnode = found.vnode!
  if (!isPlainName(found.name) || vnode.kind === 'dir') return EISDIR
  const refused = mayRemove(context, found.dir, vnode)
  if (refused !== null) return refused
  const removed = found.dir.fs.unlink(found.dir, found.name, vnode)
  if (isErr(removed)) return removed
  vnode.nlink--
  vnode.ctime = files.now()
  touch(files, found.dir)
  vnodeMaybeGone(vnode)
  return 0
}

/** rmdir(2). ENOTDIR, ENOTEMPTY, EBUSY for a mount point or '/', EINVAL for '.', ENOTEMPTY for '..'. */
export function removeDirectory(files: Files, context: WalkContext, path: string): OrErr<0> {
  const found = namei(context, path, 0)
  if (isErr(found)) return found
  const vnode = found.vnode!
  if (found.name === '.') return EINVAL
  if (found.name === '..') return ENOTEMPTY
  if (vnode.kind !== 'dir') return ENOTDIR
  const busy = mountRefuses(vnode)
  if (busy !== 0) return busy
  const refused = mayRemove(context, found.dir, vnode)
  if (refused !== null) return refused
  const entries = vnode.fs.list(vnode)
  if (isErr(entries)) return entries
  if (entries.length > 0) return ENOTEMPTY
  const removed = found.dir.fs.rmdir(found.dir, found.name, vnode)
  if (isErr(removed)) return removed
  vnode.nlink = 0
  found.dir.nlink--
  touch(files, found.dir)
  vnodeMaybeGone(vnode)
  return 0
}

/**
 * Moves a name, replacing what stands at the target if it is of the same sort.
 *
 * @param how  RENAME_NOREPLACE, RENAME_EXCHANGE or 0
 * @errors     EXDEV, EBUSY, EEXIST, ENOENT, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL (into its own subtree)
 * @manual     renameat2(2)
 */
export function renamePath(
  files: Files,
  from: WalkContext,
  oldPath: string,
  to: WalkContext,
  newPath: string,
  how: number,
): OrErr<0> {
  const isExchange = (how & RENAME_EXCHANGE) !== 0
  if ((how & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0 || how === (RENAME_NOREPLACE | RENAME_EXCHANGE)) return EINVAL
  const source = namei(from, oldPath, 0)
  if (isErr(source)) return source
  const target = namei(to, newPath, isExchange ? 0 : WALK_PARENT)
  if (isErr(target)) return target
  const vnode = source.vnode!
  const over = target.vnode
  for (const end of [source, target]) {
    if (!isPlainName(end.name)) return end === target && how === RENAME_NOREPLACE ? EEXIST : EBUSY
    if (end.vnode !== null && mountRefuses(end.vnode) !== 0) return mountRefuses(end.vnode)
  }
  if (source.dir.fs !== target.dir.fs) return EXDEV
  const refused =
    mayRemove(from, source.dir, vnode) ?? (over === null ? mayChange(to, target.dir) : mayRemove(to, target.dir, over))
  if (refused !== null) return refused
  if (over !== null && (how & RENAME_NOREPLACE) !== 0) return EEXIST
  if (over === vnode) return 0
  if (vnode.kind !== 'dir' && target.mustBeDir) return ENOTDIR
  if (vnode.kind === 'dir' && isInside(target.dir, vnode)) return EINVAL
  if (isExchange && over!.kind === 'dir' && isInside(source.dir, over!)) return EINVAL

  const fs = vnode.fs
  if (over !== null && !isExchange) {
    if (over.kind === 'dir' && vnode.kind !== 'dir') return EISDIR
    if (over.kind !== 'dir' && vnode.kind === 'dir') return ENOTDIR
    const entries = over.kind === 'dir' ? fs.list(over) : []
    if (isErr(entries)) return entries
    if (entries.length > 0) return ENOTEMPTY
  }
  const moved = isExchange
    ? fs.exchange(source.dir, source.name, vnode, target.dir, target.name, over!)
    : fs.rename(source.dir, source.name, vnode, target.dir, target.name, over)
  if (isErr(moved)) return moved

  if (isExchange) moveParent(over!, target.dir, source.dir, source.name)
  else if (over !== null) {
    over.nlink = over.kind === 'dir' ? 0 : over.nlink - 1
    if (over.kind === 'dir') target.dir.nlink--
    vnodeMaybeGone(over)
  }
  moveParent(vnode, source.dir, target.dir, target.name)
  vnode.ctime = files.now()
  touch(files, source.dir, target.dir)
  return 0
}

function moveParent(vnode: Vnode, from: Vnode, to: Vnode, name: string): void {
  vnode.parent = to
  vnode.name = name
  if (vnode.kind !== 'dir') return
  from.nlink--
  to.nlink++
}
function isInside(dir: Vnode, top: Vnode): boolean {
  for (let at: Vnode | null = dir; at !== null; at = at.parent) if (at === top) return true
  return false
}

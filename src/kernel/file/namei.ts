import { EBUSY, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, isErr, type Err, type OrErr } from '../../base/index.ts'
import { NAME_MAX, PATH_MAX, SYMLINK_LIMIT } from './constants.ts'
import type { Credentials } from './credentials.ts'
import { nameLength } from './names.ts'
import { crossMounts, parentOf } from './path.ts'
import { maySearch, type Vnode } from './vnode.ts'

/** Where a walk begins and what it may see: a process's view of the tree. */
export interface WalkContext {
  /** '/' and the top of '..'. */
  readonly root: Vnode
  /** Where relative paths begin: the working directory, or the directory of the `…at` calls. */
  readonly cwd: Vnode
  readonly who: Credentials
}

/** Follow a symbolic link that is the last component. */
export const WALK_FOLLOW = 1
/** The caller will make or remove the last component: find its directory even if the name is not there. */
export const WALK_PARENT = 2

/** Where a path leads. */
export interface WalkResult {
  /** The directory of the last component. For a path that ends in '/', '.' or '..', `vnode` itself. */
  readonly dir: Vnode
  /** The last component; '', '.' or '..' where it is none that could be made or removed. */
  readonly name: string
  /** What the name names, mount points crossed; null if it is free (WALK_PARENT only). */
  readonly vnode: Vnode | null
  /** The path ended in '/': it must be, or become, a directory. */
  readonly mustBeDir: boolean
}

/**
 * Walks a path.
 *
 *   1. '/' or the start directory
 *   2. each component: search permission, '.', '..' (not above the root), a mount point is crossed downward
 *   3. a symbolic link that is not last, or last and followed, puts its text in front of the rest; 40 at most
 *
 * @returns  where it leads; ENOENT (also for the empty path), ENOTDIR, EACCES, ELOOP, ENAMETOOLONG
 * @manual   path_resolution(7)
 */
export function namei(context: WalkContext, path: string, how: number): OrErr<WalkResult> {
  if (path === '') return ENOENT
  if (nameLength(path) >= PATH_MAX) return ENAMETOOLONG
  let dir = path.startsWith('/') ? context.root : context.cwd
  const rest = components(path)
  let mustBeDir = path.endsWith('/')
  let links = 0
  if (rest.length === 0) return { dir, name: '', vnode: dir, mustBeDir }
  for (;;) {
    const name = rest.pop()!
    const isLast = rest.length === 0
    const refused = maySearch(dir, context.who)
    if (refused !== 0) return refused
    if (name === '.' || name === '..') {
      if (name === '..' && dir !== context.root) dir = crossMounts(parentOf(dir))
      if (isLast) return { dir, name, vnode: dir, mustBeDir }
      continue
    }
    const found = lookupName(dir, name)
    if (isErr(found)) return found
    if (found === null) {
      return isLast && (how & WALK_PARENT) !== 0 ? { dir, name, vnode: null, mustBeDir } : ENOENT
    }
    if (found.kind === 'symlink' && (!isLast || mustBeDir || (how & WALK_FOLLOW) !== 0)) {
      if (++links > SYMLINK_LIMIT) return ELOOP
      const magic = found.fs.followLink(found)
      if (isErr(magic)) return magic
      if (magic !== null) {
        if (isLast) return mustBeDir && magic.kind !== 'dir' ? ENOTDIR : { dir, name: '', vnode: magic, mustBeDir }
        if (magic.kind !== 'dir') return ENOTDIR
        dir = magic
        continue
      }
      const target = found.fs.readlink(found)
      if (isErr(target)) return target
      if (target === '') return ENOENT
      if (isLast && target.endsWith('/')) mustBeDir = true
      if (target.startsWith('/')) dir = context.root
      rest.push(...components(target))
      if (rest.length === 0) return { dir, name: '', vnode: dir, mustBeDir }
      continue
    }
    if (isLast) return mustBeDir && found.kind !== 'dir' ? ENOTDIR : { dir, name, vnode: found, mustBeDir }
    if (found.kind !== 'dir') return ENOTDIR
    dir = found
  }
}

/** `namei` for a path that must lead somewhere. */
export function lookupPath(context: WalkContext, path: string, how = WALK_FOLLOW): OrErr<Vnode> {
  const found = namei(context, path, how)
  return isErr(found) ? found : found.vnode!
}

/** One name in one directory, mount points crossed; null if it is not there. Permissions are the caller's. */
export function lookupName(dir: Vnode, name: string): OrErr<Vnode> | null {
  if (name.length > NAME_MAX / 4 && nameLength(name) > NAME_MAX) return ENAMETOOLONG
  const found = dir.fs.lookup(dir, name)
  if (found === null || isErr(found)) return found
  found.parent = dir
  found.name = name
  return crossMounts(found)
}

/** The components of a path, last first. */
function components(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .reverse()
}

/** A name under which something can be made or removed. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..'
}

/** Something mounted here, or the root of a mount, keeps a directory from being removed or moved. */
export function mountRefuses(vnode: Vnode): 0 | Err {
  return vnode.parent === null || vnode.mountedHere !== null ? EBUSY : 0
}

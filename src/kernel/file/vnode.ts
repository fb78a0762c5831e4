// Vnodes: files, directories and devices in core. What exists once a file is an object with a fixed shape.

import { EACCES, EINVAL, ENOTDIR, EPERM, EROFS, kassert, type Err, type OrErr, type Sleep } from '../../base/index.ts'
import { MAY_EXEC, MAY_READ, MAY_WRITE, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from './constants.ts'
import {
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  capable,
  type Credentials,
  isInGroup,
} from './credentials.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import { InodeLock } from './inodeLock.ts'
import type { FileObject } from './vnodePager.ts'

export type VnodeKind = 'file' | 'dir' | 'symlink' | 'chardev' | 'pipe'

/** A moment: seconds since 1970 and nanoseconds. */
export interface Timestamp {
  readonly sec: number
  readonly nsec: number
}

const TYPE_BITS: Readonly<Record<VnodeKind, number>> = {
  file: S_IFREG,
  dir: S_IFDIR,
  symlink: S_IFLNK,
  chardev: S_IFCHR,
  pipe: S_IFIFO,
}

/** What a new vnode is made with. */
export interface VnodeInit {
  readonly kind: VnodeKind
  /** Permission bits, 0 … 0o7777. */
  readonly permissions: number
  readonly uid: number
  readonly gid: number
  readonly time: Timestamp
}

/**
 * One file, directory, link, device or pipe.
 *
 * Lives while it has a name (`nlink`) or a holder (`holds`: open files, working directories, mappings through their
 * open file); when both are 0 its file system gives up its pages (`FileSystem.evict`).
 */
export class Vnode {
  readonly fs: FileSystem
  /** Inode number, unique in its file system. */
  readonly id: number
  readonly kind: VnodeKind
  /** Type and permission bits, as in st_mode. */
  mode: number
  uid: number
  gid: number
  nlink: number
  holds: number
  /** Open files that may write it: a program being written is not executed. */
  writers: number
  /** Major and minor number of a device, as in st_rdev. */
  rdev: number
  atime: Timestamp
  mtime: Timestamp
  ctime: Timestamp
  /** Page cache of a regular file; null for everything else. Its `sizeBytes` is the size of the file. */
  object: FileObject | null
  /** The directory and name of the link it was last found or moved under; null for a root and where there is none. */
  parent: Vnode | null
  name: string
  /** The file system mounted on this directory. */
  mountedHere: FileSystem | null
  /** F_SEAL_* of a memory file. */
  seals: number
  /** Of memory that was promised whole when it was made: its pages. 0: pages count as they come. */
  promisedPages: number
  /** How often writing to the store has failed, and how it failed last; each open file reports it once. */
  writeErrors: number
  writeError: Err | 0
  /** Held while size or content change (rank: inode mutex). */
  readonly lock: InodeLock

  constructor(fs: FileSystem, id: number, init: VnodeInit) {
    this.fs = fs
    this.id = id
    this.kind = init.kind
    this.mode = TYPE_BITS[init.kind] | init.permissions
    this.uid = init.uid
    this.gid = init.gid
    this.nlink = init.kind === 'dir' ? 2 : 1
    this.holds = 0
    this.writers = 0
    this.rdev = 0
    this.atime = init.time
    this.mtime = init.time
    this.ctime = init.time
    this.object = null
    this.parent = null
    this.name = ''
    this.mountedHere = null
    this.seals = 0
    this.promisedPages = 0
    this.writeErrors = 0
    this.writeError = 0
    this.lock = new InodeLock(`inode ${id}`)
  }

  /** Size in bytes; 0 for what has no page cache. */
  get size(): number {
    return this.object === null ? this.fs.sizeOf(this) : this.object.sizeBytes
  }
}

/** What of a file is to change; what is absent stays. */
export interface AttributeChange {
  /** Permission bits, 0 … 0o7777. */
  readonly permissions?: number
  readonly uid?: number
  readonly gid?: number
  readonly atime?: Timestamp
  readonly mtime?: Timestamp
  /** Both times become the present one, as by a write: whoever may write may do that. */
  readonly isTouch?: boolean
}

/**
 * One mounted file system. Subclasses answer for their vnodes; what they do not offer fails as the system calls say.
 * Directory operations are plain: they never sleep, and each is atomic.
 */
export abstract class FileSystem {
  /** The word of /proc/mounts. */
  abstract readonly typeName: string
  /** Device number of st_dev, given by the mount table. */
  device = 0
  isReadOnly = false
  /** As file systems of disks do: mappings are placed so that 2 MiB of a file could be one page. */
  readonly alignsLarge: boolean = false
  /** The directory this file system covers; null for the root file system and one that is not mounted. */
  mountedOn: Vnode | null = null
  abstract readonly root: Vnode
  protected nextId = 1

  /** The vnode of a name, or null. The name is one component, not '.' or '..'. */
  abstract lookup(dir: Vnode, name: string): OrErr<Vnode> | null
  /** The names of a directory in a stable order, without '.' and '..'. */
  abstract list(dir: Vnode): OrErr<readonly { readonly name: string; readonly id: number; readonly kind: VnodeKind }[]>
  /** How an open file of this vnode moves bytes. */
  abstract open(vnode: Vnode, file: OpenFile): OrErr<FileIo>

  create(_dir: Vnode, _name: string, _init: VnodeInit): OrErr<Vnode> {
    return this.isReadOnly ? EROFS : EPERM
  }
  symlink(_dir: Vnode, _name: string, _target: string, _init: VnodeInit): OrErr<Vnode> {
    return this.isReadOnly ? EROFS : EPERM
  }
  link(_dir: Vnode, _name: string, _vnode: Vnode): OrErr<0> {
    return this.isReadOnly ? EROFS : EPERM
  }
  /** Removes a name that is not a directory. */
  unlink(_dir: Vnode, _name: string, _vnode: Vnode): OrErr<0> {
    return this.isReadOnly ? EROFS : EPERM
  }
  /** Removes an empty directory. */
  rmdir(_dir: Vnode, _name: string, _vnode: Vnode): OrErr<0> {
    return this.isReadOnly ? EROFS : EPERM
  }
  /** Moves a name; `over` is what stands at the target already. Common checks have been made. */
  rename(_from: Vnode, _oldName: string, _vnode: Vnode, _to: Vnode, _newName: string, _over: Vnode | null): OrErr<0> {
    return this.isReadOnly ? EROFS : EPERM
  }
  /** Two names change places. */
  exchange(_dir: Vnode, _name: string, _vnode: Vnode, _dir2: Vnode, _name2: string, _vnode2: Vnode): OrErr<0> {
    return this.isReadOnly ? EROFS : EINVAL
  }
  readlink(_vnode: Vnode): OrErr<string> {
    return EINVAL
  }
  /** The vnode that a magic link leads to (/proc/PID/fd/N); null for a link that is its text. */
  followLink(_vnode: Vnode): OrErr<Vnode> | null {
    return null
  }
  /** A nameless file (O_TMPFILE, memory files). */
  createNameless(_init: VnodeInit): OrErr<Vnode> {
    return this.isReadOnly ? EROFS : EPERM
  }
  /** Size of a vnode without a page cache. */
  sizeOf(_vnode: Vnode): number {
    return 0
  }
  /** Told after mode, owner or times were changed; a store that keeps them does so here. */
  attributesChanged(_vnode: Vnode, _change: AttributeChange): OrErr<0> {
    return 0
  }
  /** Asked before a regular file gets another size; a store takes it over, or says why not. */
  setStoredSize(_vnode: Vnode, _sizeBytes: number): OrErr<0> {
    return 0
  }
  /** Nobody can reach the vnode any more: free its pages. Never sleeps. */
  evict(_vnode: Vnode): void {}
  /** The last holder is gone but a name remains: let go of what only users need. Never sleeps. */
  inactive(_vnode: Vnode): void {}
  /** Writes what is dirty to the store and waits for it, not for its medium. */
  *writeBack(_vnode: Vnode): Sleep<OrErr<0>> {
    return 0
  }
  /** Makes everything written to the file durable. */
  *sync(_vnode: Vnode): Sleep<OrErr<0>> {
    return 0
  }
  /** The same for everything the file system holds. */
  *syncAll(): Sleep<OrErr<0>> {
    return 0
  }
  /** The objects whose pages can be read again from a store. */
  storedObjects(): readonly FileObject[] {
    return []
  }
  /** Frees up to so many pages that can be read again; answers how many. Never sleeps. */
  shrink(_pages: number, _all = true): number {
    return 0
  }
}

/** One more holder of the vnode. */
export function vnodeHold(vnode: Vnode): Vnode {
  vnode.holds++
  return vnode
}
/** One holder less; a vnode without name and holder is gone. */
export function vnodeRelease(vnode: Vnode): void {
  kassert(vnode.holds > 0, 'a vnode is released as often as it was held', vnode.name)
  vnode.holds--
  vnodeMaybeGone(vnode)
}
/** After a name went away: evicts the vnode if that was the last of it. */
export function vnodeMaybeGone(vnode: Vnode): void {
  if (vnode.holds > 0) return
  if (vnode.nlink === 0) vnode.fs.evict(vnode)
  else vnode.fs.inactive(vnode)
}

/**
 * May `who` do this with the vnode? Its permission bits say so, or a capability does; but nobody executes a file that nobody
 * may execute.
 *
 * @param want  MAY_READ | MAY_WRITE | MAY_EXEC
 * @returns     0 or EACCES
 */
export function vnodeAccess(vnode: Vnode, who: Credentials, want: number): 0 | Err {
  const shift = who.uid === vnode.uid ? 6 : isInGroup(who, vnode.gid) ? 3 : 0
  if (((vnode.mode >> shift) & want) === want) return 0
  const isDirectory = vnode.kind === 'dir'
  const reads = want === MAY_READ || (isDirectory && (want & MAY_WRITE) === 0)
  if (reads && capable(who, CAP_DAC_READ_SEARCH)) return 0
  const canRun = isDirectory || (vnode.mode & 0o111) !== 0
  return ((want & MAY_EXEC) === 0 || canRun) && capable(who, CAP_DAC_OVERRIDE) ? 0 : EACCES
}

/** May `who` do what only the owner may? */
export function isOwner(vnode: Vnode, who: Credentials): boolean {
  return who.uid === vnode.uid || capable(who, CAP_FOWNER)
}

/** `dir` is a directory in which `who` may look names up. */
export function maySearch(dir: Vnode, who: Credentials): 0 | Err {
  return dir.kind === 'dir' ? vnodeAccess(dir, who, MAY_EXEC) : ENOTDIR
}

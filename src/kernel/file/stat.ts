import { PAGE_SIZE } from '../../base/index.ts'
import type { Files } from './files.ts'
import type { FileSystem, Timestamp, Vnode } from './vnode.ts'
import type { FileObject } from './vnodePager.ts'

/** What stat(2) says of a file. */
export interface Stat {
  readonly device: number
  readonly inode: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  readonly blockBytes: number
  /** Units of 512 bytes. */
  readonly blocks: number
  readonly atime: Timestamp
  readonly mtime: Timestamp
  readonly ctime: Timestamp
}

/** Pages of a memory file, in memory or in swap. */
function pagesOf(object: FileObject): number {
  let pages = object.nrPages
  for (const pgoff of object.slots?.keys() ?? []) if (object.pageAt(pgoff) < 0) pages++
  return pages
}

/** @manual stat(2) */
export function statVnode(vnode: Vnode): Stat {
  const { object } = vnode
  const stored = object === null ? 0 : object.pager.absentIsZero ? pagesOf(object) * PAGE_SIZE : object.sizeBytes
  return {
    device: vnode.fs.device,
    inode: vnode.id,
    mode: vnode.mode,
    nlink: vnode.nlink,
    uid: vnode.uid,
    gid: vnode.gid,
    rdev: vnode.rdev,
    size: vnode.size,
    blockBytes: PAGE_SIZE,
    blocks: Math.ceil(stored / 512),
    atime: vnode.atime,
    mtime: vnode.mtime,
    ctime: vnode.ctime,
  }
}

/** What statfs(2) says of a file system; counts are in units of `blockBytes`. */
export interface FsStat {
  readonly type: number
  readonly blockBytes: number
  readonly blocks: number
  readonly freeBlocks: number
  readonly nameMax: number
  readonly isReadOnly: boolean
}

/** f_type by the word of /proc/mounts. */
const MAGIC: Readonly<Record<string, number>> = {
  tmpfs: 0x01021994,
  devtmpfs: 0x01021994,
  proc: 0x9fa0,
  sysfs: 0x62656572,
  pipefs: 0x50495045,
  hostfs: 0x00c0ffee,
}

/** @manual statfs(2) */
export function statFileSystem(files: Files, fs: FileSystem): FsStat {
  // A memory file system may fill half of memory, as tmpfs does unless told otherwise.
  const isRam = fs.typeName === 'tmpfs' || fs.typeName === 'devtmpfs'
  const blocks = isRam ? Math.floor(files.phys.totalramPages / 2) : 0
  return {
    type: MAGIC[fs.typeName] ?? 0,
    blockBytes: PAGE_SIZE,
    blocks,
    freeBlocks: Math.min(
      blocks,
      files.phys.populatedZones.reduce((sum, zone) => sum + zone.stat[0]!, 0),
    ),
    nameMax: 255,
    isReadOnly: fs.isReadOnly,
  }
}

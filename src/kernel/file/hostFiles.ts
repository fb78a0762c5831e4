// What a host directory must offer to be shown by HostFs. Implemented over node:fs in cli/hostFiles.ts.

import type { OrErr } from '../../base/index.ts'
import type { Timestamp } from './vnode.ts'

export type HostKind = 'file' | 'dir' | 'symlink'

export interface HostStat {
  readonly kind: HostKind
  /** The same for every name of one file, different for different files: device and inode number. */
  readonly key: string
  /** Permission bits, 0 … 0o777. */
  readonly permissions: number
  readonly nlink: number
  readonly sizeBytes: number
  readonly atime: Timestamp
  readonly mtime: Timestamp
  readonly ctime: Timestamp
}
export interface HostEntry {
  readonly name: string
  readonly key: string
  readonly kind: HostKind
}

/** An open regular file of the host. It stays readable when its name is gone. */
export interface HostFile {
  stat(): OrErr<HostStat>
  /** Fills `into` from `offset` on; fewer bytes only at the end of the file. */
  read(into: Uint8Array, offset: number): OrErr<number>
  /** Writes all of `from`. */
  write(from: Uint8Array, offset: number): OrErr<0>
  truncate(sizeBytes: number): OrErr<0>
  /** Content and size are on the medium when it returns. */
  sync(): OrErr<0>
  close(): void
}

/**
 * A directory of the host and what is in it. Calls are synchronous and answer at once; simulated time is HostFs's.
 *
 * A path is relative to the directory: components joined by '/', '' for the directory itself; no component is '', '.' or
 * '..'. Names keep every byte, as in names.ts. No call follows a symbolic link in the last component, and none reaches
 * anything outside the directory: EACCES. What is neither file, directory nor link does not exist here.
 */
export interface HostFiles {
  stat(path: string): OrErr<HostStat>
  list(path: string): OrErr<readonly HostEntry[]>
  readlink(path: string): OrErr<string>
  open(path: string, isWritable: boolean): OrErr<HostFile>
  /** Makes a regular file that does not exist yet, and opens it for reading and writing. */
  create(path: string, permissions: number): OrErr<HostFile>
  makeDirectory(path: string, permissions: number): OrErr<0>
  makeSymlink(target: string, path: string): OrErr<0>
  makeLink(from: string, to: string): OrErr<0>
  /** Removes a name that is not a directory. */
  remove(path: string): OrErr<0>
  removeDirectory(path: string): OrErr<0>
  rename(from: string, to: string): OrErr<0>
  setPermissions(path: string, permissions: number): OrErr<0>
  setTimes(path: string, atime: Timestamp, mtime: Timestamp): OrErr<0>
  /** The names in a directory are on the medium when it returns. */
  syncDirectory(path: string): OrErr<0>
}

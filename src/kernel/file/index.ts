/**
 * file: what a program reaches through a descriptor. Vnodes and file systems, the mount table and path walks, open
 * files and descriptor tables, pipes, devices, the console, and the bytes of regular files in their pages.
 *
 *   descriptor ──► OpenFile ──► Vnode ──► FileObject ──► frames       (regular files)
 *   FdTable        flags,       fs, id,   in pagecache,
 *                  offset       mode      mapped by map entries
 *
 * Key types: Files (the state of the room), Vnode, FileSystem (RamFs, HostFs, TextFs), OpenFile, FdTable, Uio, FilePager.
 *
 *   read      genericFileReadIter ──► the page cache, reading ahead ──► FileOps of the pager
 *   fault     filemapFault, or at once what is resident
 *   write     genericFileWriteIter ──► writeBegin, copy, writeEnd ──► dirty ──► writeback, when asked for
 *
 * Invariants:
 *  - an OpenFile holds its vnode once; `refs` counts the descriptors and map entries that name it;
 *  - every reference to a file's object but the vnode's own also holds the vnode, so mapped pages outlive their name;
 *  - pages are the page cache's: a dirty one is up to date, and tagged if its file has a store;
 *  - no page in use lies wholly beyond the end of its file, but while the inode lock is held for writing;
 *  - pages of host files that are locked or under writeback are in a request that the device has not answered;
 *  - a vnode without name and holder has no pages and no object;
 *  - a host file system touches nothing outside the directory it shows.
 *
 * Locks: the inode lock (`Vnode.lock`, rank inode) is held while size or content change. Name operations are plain and
 * atomic. A pipe is guarded by its not sleeping between check and change.
 *
 * Manuals: The Linux Kernel API, chapter 4, More Memory Management Functions (3.18/4.0); open(2) read(2) write(2) lseek(2) stat(2) getdents64(2) path_resolution(7) pipe(2) dup(2) memfd_create(2)
 * fallocate(2) truncate(2) fsync(2) mount(2) and their kin, Linux.
 */
export * from './constants.ts'
export { Files, makedev, type CharDevice, type FilesMachine, type FilesOptions } from './files.ts'
export {
  FileSystem,
  isOwner,
  vnodeAccess,
  vnodeHold,
  vnodeRelease,
  Vnode,
  type AttributeChange,
  type Timestamp,
  type VnodeInit,
  type VnodeKind,
} from './vnode.ts'
export * from './credentials.ts'
export { vnodeOf, type FileObject, type FilePager } from './vnodePager.ts'
export { RamFs } from './ramFs.ts'
export { HostFs, type HostFsOptions } from './hostFs.ts'
export type { HostEntry, HostFile, HostFiles, HostKind, HostStat } from './hostFiles.ts'
export {
  fixedDir,
  textFile,
  TextFs,
  type BytesNode,
  type DirNode,
  type GeneratedNode,
  type LinkNode,
  type TextNode,
} from './textFs.ts'
export { SimpleIo } from './simpleIo.ts'
export { DEV_CONSOLE, DEV_TTY, DEV_USERFAULTFD, makeDevFs, registerMemoryDevices } from './devices.ts'
export { ConsoleDevice, type ConsoleSink, type ConsoleSource } from './console.ts'
export { mount, mountInfoLines, mountLines, replaceRoot, unmount } from './mount.ts'
export { lookupPath, namei, WALK_FOLLOW, WALK_PARENT, type WalkContext, type WalkResult } from './namei.ts'
export { parentOf, pathOf } from './path.ts'
export { nameFromBytes, nameLength, nameToBytes } from './names.ts'
export { makeDirectory, makeLink, makeNode, makeSymlink, removeDirectory, renamePath, unlinkPath } from './tree.ts'
export { openAt, openVnode } from './open.ts'
export { closeFile } from './close.ts'
export { OpenFile, type DirEntry, type FileIo } from './openFile.ts'
export { DEFAULT_FD_LIMIT, FdTable } from './fdTable.ts'
export type { Uio, UserBytes } from './uio.ts'
export { KernelUio, readBytes } from './kernelUio.ts'
export { filePread, filePwrite, fileRead, fileReadTry, fileWrite, fileWriteTry } from './fileIo.ts'
export { genericFileReadIter, genericFileReadIterTry, type FileIocb } from './genericFileRead.ts'
export { genericFileWriteIter, genericFileWriteIterLocked, genericFileWriteIterTry } from './genericFileWrite.ts'
export * from './filemapFault.ts'
export { copyBytes } from './copyBytes.ts'
export { fileSeek } from './seek.ts'
export { getdents64 } from './directoryIo.ts'
export { statFileSystem, statVnode, type FsStat, type Stat } from './stat.ts'
export { changeAttributes } from './attributes.ts'
export { fileTruncate, truncateVnode } from './truncate.ts'
export { fileAllocate } from './fallocate.ts'
export { dropFileCache, fileSync, shrinkFileCache, syncAll } from './sync.ts'
export {
  addSeals,
  areMemfdFlags,
  createMemfd,
  createShmemObject,
  getSeals,
  openShmemObject,
  promiseWhole,
} from './memoryFile.ts'
export { verifyVnode } from './verify.ts'
export { makePipe, openFifo, PIPE_BUF, PIPE_PAGES, PipeEnd } from './pipe.ts'

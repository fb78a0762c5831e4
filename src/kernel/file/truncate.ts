import {
  EBADF,
  EFBIG,
  EINVAL,
  EPERM,
  isErr,
  PAGE_MASK,
  PAGE_SIZE,
  roundPage,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import { F_SEAL_GROW, F_SEAL_SHRINK, MAX_FILE_BYTES } from './constants.ts'
import { setPageDirty, truncateInodePagesRange, truncateSetsize } from '../pagecache/index.ts'
import { usablePage } from './filePages.ts'
import type { Files } from './files.ts'
import type { OpenFile } from './openFile.ts'
import type { Vnode } from './vnode.ts'
import { pageOfMemoryFile, type FileObject } from './vnodePager.ts'

/** ftruncate(2): EBADF for an O_PATH file, EINVAL if it is not open for writing, and as `truncateVnode`. */
export function* fileTruncate(file: OpenFile, size: number): Sleep<OrErr<0>> {
  if (file.isPath) return EBADF
  return file.isWritable ? yield* truncateVnode(file.files, file.vnode, size) : EINVAL
}

/**
 * Gives a regular file another size. A generated text has none: opening /proc/sys/… with O_TRUNC changes nothing.
 *
 *   1. the store: if it refuses, nothing has changed
 *   2. what the last page holds beyond the end must not become part of a growing file
 *   3. the size, and what lies beyond goes: truncateSetsize
 *
 * @errors  EINVAL not a regular file or a negative size, EFBIG, EPERM sealed, those of the store
 * @locks   inode lock; sleeps for it
 * @manual  truncate(2)
 */
export function* truncateVnode(files: Files, vnode: Vnode, size: number): Sleep<OrErr<0>> {
  if (size < 0) return EINVAL
  if (vnode.object === null) return vnode.kind === 'file' ? 0 : EINVAL
  if (size > MAX_FILE_BYTES) return EFBIG
  yield* vnode.lock.acquire()
  try {
    return yield* setSizeLocked(files, vnode, size)
  } finally {
    vnode.lock.release()
  }
}

/** The same with the inode lock held. */
export function* setSizeLocked(files: Files, vnode: Vnode, size: number): Sleep<OrErr<0>> {
  const object = vnode.object!
  const old = object.sizeBytes
  if (size < old && (vnode.seals & F_SEAL_SHRINK) !== 0) return EPERM
  if (size > old && (vnode.seals & F_SEAL_GROW) !== 0) return EPERM
  const stored = vnode.fs.setStoredSize(vnode, size)
  if (isErr(stored)) return stored
  // A memory file shows what a mapping has stored behind its end when it grows, as the real kernel's does.
  if (size > old && object.pager.absentIsZero) object.sizeBytes = size
  else {
    if (size > old) yield* zeroTail(files, object, old)
    yield* bringEdge(files, object, size)
    yield* truncateSetsize(files.cache, object, size)
    object.pager.forget?.(object, Math.ceil(size / PAGE_SIZE), Infinity)
    // Memory files zero the rest of the last page, and have it dirty, even if the size stays: as the real kernel does.
    if (object.pager.absentIsZero) dirtyEdge(files, object, size)
  }
  vnode.mtime = vnode.ctime = files.now()
  return 0
}

/**
 * Zeroes what the last page of a file of `size` bytes holds beyond the end: a store through a mapping may have left
 * bytes there, and they must not become part of the file when it grows.
 */
export function* zeroTail(files: Files, object: FileObject, size: number): Sleep<void> {
  const end = roundPage(size)
  if (end > size) yield* truncateInodePagesRange(files.cache, object, size, end - 1)
}

/** The page of a memory file that is going to be zeroed in part comes back from swap. One that cannot be read stays lost. */
export function* bringEdge(files: Files, object: FileObject, position: number): Sleep<void> {
  const pgoff = Math.floor(position / PAGE_SIZE)
  if ((position & PAGE_MASK) !== 0 && object.pager.absentIsZero && object.pager.hasStored(object, pgoff))
    yield* pageOfMemoryFile(files, object, pgoff)
}

/** The page of a memory file that a truncation or hole has zeroed in part is dirty. */
export function dirtyEdge(files: Files, object: FileObject, position: number): void {
  const page = (position & PAGE_MASK) === 0 ? -1 : usablePage(files, object, Math.floor(position / PAGE_SIZE))
  if (page >= 0) setPageDirty(files.cache, page as Pfn)
}

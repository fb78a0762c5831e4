import { EBADF, EFBIG, EINVAL, EPERM, isErr, PAGE_MASK, PAGE_SIZE, type OrErr, type Sleep } from '../../base/index.ts'
import { F_SEAL_GROW, F_SEAL_SHRINK, MAX_FILE_BYTES } from './constants.ts'
import { dropFilePages, zeroBeyondEnd, zeroInPage } from './filePages.ts'
import type { Files } from './files.ts'
import type { OpenFile } from './openFile.ts'
import type { Vnode } from './vnode.ts'

/** ftruncate(2): EBADF for an O_PATH file, EINVAL if it is not open for writing, and as `truncateVnode`. */
export function* fileTruncate(file: OpenFile, size: number): Sleep<OrErr<0>> {
  if (file.isPath) return EBADF
  return file.isWritable ? yield* truncateVnode(file.files, file.vnode, size) : EINVAL
}

/**
 * Gives a regular file another size.
 *
 *   1. the store: if it refuses, nothing has changed
 *   2. the size
 *   3. shrinking: pages wholly beyond the end are unmapped everywhere, private copies too, and freed
 *   4. the rest of the last page reads as zeros, before and after
 *
 * @errors  EINVAL not a regular file or a negative size, EFBIG, EPERM sealed, those of the store
 * @locks   inode lock; sleeps for it
 * @manual  truncate(2)
 */
export function* truncateVnode(files: Files, vnode: Vnode, size: number): Sleep<OrErr<0>> {
  if (vnode.object === null || size < 0) return EINVAL
  if (size > MAX_FILE_BYTES) return EFBIG
  yield* vnode.lock.acquire()
  try {
    return setSizeLocked(files, vnode, size)
  } finally {
    vnode.lock.release()
  }
}

/** The same with the inode lock held. */
export function setSizeLocked(files: Files, vnode: Vnode, size: number): OrErr<0> {
  const object = vnode.object!
  const old = object.sizeBytes
  if (size < old && (vnode.seals & F_SEAL_SHRINK) !== 0) return EPERM
  if (size > old && (vnode.seals & F_SEAL_GROW) !== 0) return EPERM
  const stored = vnode.fs.setStoredSize(vnode, size)
  if (isErr(stored)) return stored
  // A memory file shows what a mapping has stored behind its end when it grows, as the real kernel's does.
  if (size > old && !object.pager.absentIsZero) zeroBeyondEnd(files, object)
  object.sizeBytes = size
  // Memory files zero the rest of the last page, and have it dirty, even if the size stays: as the real kernel does.
  if (size < old || (size === old && object.pager.absentIsZero)) {
    dropFilePages(files, object, Math.ceil(size / PAGE_SIZE), Infinity, true)
    const inPage = size & PAGE_MASK
    if (inPage !== 0) zeroInPage(files, object, size, size - inPage + PAGE_SIZE)
  }
  vnode.mtime = vnode.ctime = files.now()
  return 0
}

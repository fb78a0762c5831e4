// read(2), write(2) and their kin on an open file. The generators may sleep; the Try forms move what needs no sleep.

import { EBADF, EINVAL, ESPIPE, isErr, WouldSleep, type Err, type OrErr, type Sleep } from '../../base/index.ts'
import { O_APPEND } from './constants.ts'
import { genericFileWriteIter } from './genericFileWrite.ts'
import type { OpenFile } from './openFile.ts'
import { pageCacheIo } from './pageCacheIo.ts'
import type { Uio } from './uio.ts'

/**
 * Reads at the file's position, which moves on by what was read.
 *
 * @returns  bytes moved, 0 at the end; EBADF if not open for reading, EISDIR, EFAULT, EIO, EINTR, EAGAIN
 * @locks    sleeps
 * @manual   read(2)
 */
export function* fileRead(file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
  if (!file.isReadable) return EBADF
  const moved = yield* file.io.read(file.files, file, uio, file.offset)
  if (!isErr(moved) && file.io.isSeekable) file.offset += moved
  return moved
}
/** `fileRead` without sleeping. A count below `uio.resid` may mean that the rest would sleep: go on with `fileRead`. */
export function fileReadTry(file: OpenFile, uio: Uio): number | WouldSleep | Err {
  if (!file.isReadable) return EBADF
  const moved = file.io.readTry(file.files, file, uio, file.offset)
  if (moved !== WouldSleep && !isErr(moved) && file.io.isSeekable) file.offset += moved
  return moved
}

/**
 * Writes at the file's position, or at its end with O_APPEND; the position moves behind what was written.
 *
 * @returns  bytes moved; EBADF if not open for writing, EFAULT, EFBIG, ENOMEM, ENOSPC, EPERM sealed, EPIPE (the
 *           caller raises SIGPIPE), EINTR, EAGAIN, EIO
 * @locks    inode lock of a regular file; sleeps
 * @manual   write(2)
 */
export function* fileWrite(file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
  if (!file.isWritable) return EBADF
  if (file.io !== pageCacheIo) {
    const moved = yield* file.io.write(file.files, file, uio, file.offset)
    if (!isErr(moved) && file.io.isSeekable) file.offset += moved
    return moved
  }
  const iocb = { file, position: file.offset }
  const moved = yield* genericFileWriteIter(iocb, uio)
  if (!isErr(moved) && moved > 0) file.offset = iocb.position
  return moved
}
/** `fileWrite` without sleeping, as `fileReadTry` is to `fileRead`. */
export function fileWriteTry(file: OpenFile, uio: Uio): number | WouldSleep | Err {
  if (!file.isWritable) return EBADF
  const moved = file.io.writeTry(file.files, file, uio, file.offset)
  if (moved === WouldSleep || isErr(moved) || moved === 0 || !file.io.isSeekable) return moved
  // What was appended ends at the end of the file: nobody has run since.
  const appends = (file.flags & O_APPEND) !== 0 && file.vnode.object !== null
  file.offset = appends ? file.vnode.size : file.offset + moved
  return moved
}

/** Reads at `position` and leaves the file's own position alone. ESPIPE for a pipe or terminal. */
export function* filePread(file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
  if (position < 0) return EINVAL
  if (!file.isReadable) return EBADF
  if (!file.io.isSeekable) return ESPIPE
  return yield* file.io.read(file.files, file, uio, position)
}
/** Writes at `position` (at the end with O_APPEND) and leaves the file's own position alone. */
export function* filePwrite(file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
  if (position < 0) return EINVAL
  if (!file.isWritable) return EBADF
  if (!file.io.isSeekable) return ESPIPE
  return yield* file.io.write(file.files, file, uio, position)
}

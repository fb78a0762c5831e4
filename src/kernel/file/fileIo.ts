// read(2), write(2) and their kin on an open file. The generators may sleep; the Try forms move what needs no sleep.

import { EBADF, EINVAL, ESPIPE, isErr, WouldSleep, type Err, type OrErr, type Sleep } from '../../base/index.ts'
import { O_APPEND, O_DSYNC } from './constants.ts'
import type { OpenFile } from './openFile.ts'
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
  const moved = yield* file.io.write(file.files, file, uio, file.offset)
  if (isErr(moved)) return moved
  advance(file, moved)
  return yield* written(file, moved)
}
/** `fileWrite` without sleeping, as `fileReadTry` is to `fileRead`. */
export function fileWriteTry(file: OpenFile, uio: Uio): number | WouldSleep | Err {
  if (!file.isWritable) return EBADF
  if (mustSync(file)) return WouldSleep
  const moved = file.io.writeTry(file.files, file, uio, file.offset)
  if (moved !== WouldSleep && !isErr(moved)) advance(file, moved)
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
  const moved = yield* file.io.write(file.files, file, uio, position)
  return isErr(moved) ? moved : yield* written(file, moved)
}

function advance(file: OpenFile, moved: number): void {
  if (!file.io.isSeekable || moved === 0) return
  // What was appended ends at the end of the file: nobody has run since.
  const appends = (file.flags & O_APPEND) !== 0 && file.vnode.object !== null
  file.offset = appends ? file.vnode.size : file.offset + moved
}
function mustSync(file: OpenFile): boolean {
  return (file.flags & O_DSYNC) !== 0 && file.vnode.object !== null
}
function* written(file: OpenFile, moved: number): Sleep<OrErr<number>> {
  if (moved === 0 || !mustSync(file)) return moved
  const synced = yield* file.vnode.fs.sync(file.vnode)
  return isErr(synced) ? synced : moved
}

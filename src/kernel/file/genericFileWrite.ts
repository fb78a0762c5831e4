import {
  EFAULT,
  EFBIG,
  EINVAL,
  EPERM,
  isErr,
  PAGE_MASK,
  PAGE_SIZE,
  WouldSleep,
  type Err,
  type OrErr,
  type Sleep,
} from '../../base/index.ts'
import { F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, MAX_FILE_BYTES, O_APPEND, O_DSYNC } from './constants.ts'
import { removeFilePages, usablePage } from './filePages.ts'
import type { Files } from './files.ts'
import type { FileIocb } from './genericFileRead.ts'
import type { OpenFile } from './openFile.ts'
import { bytesInPage, writeBegin, writeBeginTry, writeEnd } from './pageWrite.ts'
import { zeroTail } from './truncate.ts'
import type { Uio } from './uio.ts'
import type { Vnode } from './vnode.ts'
import type { FileObject } from './vnodePager.ts'

/**
 * Writes into the pages of a file, one after the other. With O_APPEND at its end.
 *
 * @returns  bytes written; less than asked for if an error came after some
 * @errors   EINVAL, EFBIG, EPERM (sealed), EFAULT, ENOMEM, EIO
 * @locks    inode lock held; sleeps. Nothing is synced
 * @manual   __generic_file_write_iter, Linux
 */
export function* genericFileWriteIterLocked(iocb: FileIocb, uio: Uio): Sleep<OrErr<number>> {
  const { files, vnode } = iocb.file
  const object = vnode.object!
  const limit = writeChecks(iocb, uio)
  if (isErr(limit) || limit === 0) return limit
  if (iocb.position + limit > object.sizeBytes && !object.pager.absentIsZero)
    yield* zeroTail(files, object, object.sizeBytes)
  let done = 0
  let error: 0 | Err = 0
  // How much of the source is there, where a copy into a page that must first be read was short.
  let narrow = Infinity
  while (done < limit) {
    const at = iocb.position + done
    const bytes = Math.min(bytesInPage(at, limit - done), narrow)
    const page = yield* writeBegin(files, object, Math.floor(at / PAGE_SIZE), bytes)
    if (isErr(page)) {
      error = page
      break
    }
    // No fault is taken while the page is locked: it may be the very page that is copied from.
    const copied = uio.moveFrom(files.machine.memory.frameOffset(page) + (at & PAGE_MASK), bytes)
    const counts = writeEnd(files, vnode, page, at, bytes, copied)
    done += counts
    narrow = counts < copied ? copied : Infinity
    if (counts < copied) uio.unmove(copied - counts)
    if (counts === bytes || counts < copied) continue
    if (isErr(yield* uio.faultIn(false))) {
      error = EFAULT
      break
    }
  }
  return finish(files, iocb, done, error)
}

/**
 * The same with the inode lock taken here, and with the sync that O_DSYNC and O_SYNC ask for. A failed sync replaces the
 * result; what was written stays, and the position has moved.
 *
 * @locks   sleeps
 * @manual  generic_file_write_iter, Linux
 */
export function* genericFileWriteIter(iocb: FileIocb, uio: Uio): Sleep<OrErr<number>> {
  const { file } = iocb
  yield* file.vnode.lock.acquire()
  let written: OrErr<number>
  try {
    written = yield* genericFileWriteIterLocked(iocb, uio)
  } finally {
    file.vnode.lock.release()
  }
  if (isErr(written) || written === 0 || !mustSync(file)) return written
  const synced = yield* file.vnode.fs.sync(file.vnode)
  return isErr(synced) ? synced : written
}

/** What needs no sleep of a write that asks for no sync. Hot. */
export function genericFileWriteIterTry(iocb: FileIocb, uio: Uio): number | WouldSleep | Err {
  const { files, vnode } = iocb.file
  const object = vnode.object!
  if (mustSync(iocb.file) || !vnode.lock.tryAcquire()) return WouldSleep
  const limit = writeChecks(iocb, uio)
  const result = isErr(limit) || limit === 0 ? limit : writePages(files, vnode, object, iocb, uio, limit)
  vnode.lock.release()
  return result
}
function writePages(
  files: Files,
  vnode: Vnode,
  object: FileObject,
  iocb: FileIocb,
  uio: Uio,
  limit: number,
): number | WouldSleep | Err {
  // The page that the file now ends in may have to be zeroed behind the end, under its lock.
  const endsInside = (object.sizeBytes & PAGE_MASK) !== 0 && !object.pager.absentIsZero
  if (endsInside && iocb.position + limit > object.sizeBytes) {
    const index = Math.floor(object.sizeBytes / PAGE_SIZE)
    const page = usablePage(files, object, index)
    if (page < 0 && object.pageAt(index) >= 0) return WouldSleep
    if (page >= 0) {
      const start = files.machine.memory.frameOffset(page)
      files.machine.memory.u8.fill(0, start + (object.sizeBytes & PAGE_MASK), start + PAGE_SIZE)
    }
  }
  let done = 0
  while (done < limit) {
    const at = iocb.position + done
    const bytes = bytesInPage(at, limit - done)
    const page = writeBeginTry(files, object, Math.floor(at / PAGE_SIZE), bytes)
    if (page === WouldSleep) break
    if (isErr(page)) {
      if (done === 0) return finish(files, iocb, 0, page)
      break
    }
    const copied = uio.moveFrom(files.machine.memory.frameOffset(page) + (at & PAGE_MASK), bytes)
    const counts = writeEnd(files, vnode, page, at, bytes, copied)
    if (counts < copied) uio.unmove(copied - counts)
    done += counts
    if (counts < bytes) break
  }
  const result = finish(files, iocb, done, 0)
  return result === 0 ? WouldSleep : result
}

/** The end of a write: pages made for it beyond the end of the file go, the position and the times move. */
function finish(files: Files, iocb: FileIocb, done: number, error: 0 | Err): OrErr<number> {
  const { vnode } = iocb.file
  removeFilePages(files, vnode.object!, Math.ceil(vnode.size / PAGE_SIZE), Infinity)
  if (done === 0) return error
  iocb.position += done
  vnode.mtime = vnode.ctime = files.now()
  return done
}

/** Where the write goes, and how many bytes of it may. */
function writeChecks(iocb: FileIocb, uio: Uio): OrErr<number> {
  const { flags, vnode } = iocb.file
  if (iocb.position < 0) return EINVAL
  if ((flags & O_APPEND) !== 0) iocb.position = vnode.size
  if (uio.resid === 0) return 0
  if (iocb.position >= MAX_FILE_BYTES) return EFBIG
  if ((vnode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM
  const end = (vnode.seals & F_SEAL_GROW) === 0 ? MAX_FILE_BYTES : vnode.size
  return iocb.position >= end ? EPERM : Math.min(uio.resid, end - iocb.position)
}
function mustSync(file: OpenFile): boolean {
  return (file.flags & O_DSYNC) !== 0
}

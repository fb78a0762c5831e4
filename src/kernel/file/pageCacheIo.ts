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
import { PG_arch_1, PG_referenced } from '../phys/index.ts'
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_WRITE,
  MAX_FILE_BYTES,
  O_APPEND,
  O_NOATIME,
  POLLIN,
  POLLOUT,
} from './constants.ts'
import { removeFilePages, zeroBeyondEnd } from './filePages.ts'
import type { Files } from './files.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import type { Uio } from './uio.ts'
import type { Vnode } from './vnode.ts'
import type { FileObject } from './vnodePager.ts'

/**
 * Regular files: bytes are copied between the pages of the file and the user, one page at a time.
 *
 *   read     page resident?  copy  :  hole of a memory file?  copy zeros  :  have the pager read it
 *   write    (inode lock)  get the page, copy, mark it dirty, move the end of the file
 */
export const pageCacheIo: FileIo = {
  isSeekable: true,
  pollQueue: null,

  readTry(files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err {
    const object = file.vnode.object!
    const moved = copyOut(files, object, uio, position)
    if (moved === 0 && uio.resid > 0 && position < object.sizeBytes) return WouldSleep
    if (moved > 0) accessed(files, file)
    return moved
  },

  *read(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    const object = file.vnode.object!
    let done = 0
    for (;;) {
      done += copyOut(files, object, uio, position + done)
      const at = position + done
      if (uio.resid === 0 || at >= object.sizeBytes) break
      const pgoff = Math.floor(at / PAGE_SIZE)
      if (object.pageAt(pgoff) < 0 && !object.pager.absentIsZero) {
        const page = yield* object.pager.get(object, pgoff, 1)
        if (page === EINVAL) continue // the file has shrunk: look at its end again
        if (isErr(page)) return done > 0 ? done : page
      } else if (isErr(yield* uio.faultIn(true))) return done > 0 ? done : EFAULT
    }
    if (done > 0) accessed(files, file)
    return done
  },

  writeTry(files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err {
    const { vnode } = file
    if (!vnode.lock.tryAcquire()) return WouldSleep
    const from = (file.flags & O_APPEND) !== 0 ? vnode.object!.sizeBytes : position
    const limit = writeLimit(vnode, from, uio.resid)
    const moved = isErr(limit) || limit === 0 ? limit : copyIn(files, vnode, uio, from, limit)
    trim(files, vnode.object!)
    vnode.lock.release()
    return moved
  },

  *write(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    const { vnode } = file
    const object = vnode.object!
    yield* vnode.lock.acquire()
    try {
      const from = (file.flags & O_APPEND) !== 0 ? object.sizeBytes : position
      const limit = writeLimit(vnode, from, uio.resid)
      if (isErr(limit)) return limit
      let done = 0
      while (done < limit) {
        const moved = copyIn(files, vnode, uio, from + done, limit - done)
        if (isErr(moved)) return done > 0 ? done : moved
        if (moved !== WouldSleep) {
          done += moved
          continue
        }
        const pgoff = Math.floor((from + done) / PAGE_SIZE)
        const page = yield* object.pager.pageForWrite(object, pgoff)
        if (isErr(page)) return done > 0 ? done : page
        if (isErr(yield* uio.faultIn(false))) return done > 0 ? done : EFAULT
      }
      return done
    } finally {
      trim(files, object)
      vnode.lock.release()
    }
  },

  poll: () => POLLIN | POLLOUT,
  release() {},
}

/** Copies to the user what needs no sleep. */
function copyOut(files: Files, object: FileObject, uio: Uio, position: number): number {
  let moved = 0
  while (uio.resid > 0) {
    const at = position + moved
    const left = object.sizeBytes - at
    if (left <= 0) break
    const pfn = object.pageAt(Math.floor(at / PAGE_SIZE))
    if (pfn < 0 && !object.pager.absentIsZero) break
    const page = pfn < 0 ? files.zeros : files.machine.memory.frameOffset(pfn)
    if (pfn >= 0) markReferenced(files, pfn)
    const inPage = at & PAGE_MASK
    const want = Math.min(uio.resid, left, PAGE_SIZE - inPage)
    const step = uio.moveTo(page + inPage, want)
    moved += step
    if (step < want) break
  }
  return moved
}

/** Somebody uses the page: it is not the first to go when memory is short. */
function markReferenced(files: Files, pfn: number): void {
  const { frames } = files.phys
  frames.flags[frames.frameOf(pfn)]! |= PG_referenced
}

/** Copies from the user what needs no sleep, up to `limit` bytes; WouldSleep if that is nothing. Inode lock held. */
function copyIn(files: Files, vnode: Vnode, uio: Uio, position: number, limit: number): number | WouldSleep | Err {
  const object = vnode.object!
  const { pager } = object
  if (position + limit > object.sizeBytes && !object.pager.absentIsZero) zeroBeyondEnd(files, object)
  let moved = 0
  while (moved < limit) {
    const at = position + moved
    const pgoff = Math.floor(at / PAGE_SIZE)
    const page = pager.pageForWriteTry(object, pgoff)
    if (page === WouldSleep) break
    if (isErr(page)) {
      if (moved === 0) return page
      break
    }
    const inPage = at & PAGE_MASK
    const want = Math.min(limit - moved, PAGE_SIZE - inPage)
    const step = uio.moveFrom(files.machine.memory.frameOffset(page) + inPage, want)
    moved += step
    if (step > 0) {
      pager.pageDirtied(object, pgoff, page)
      // Instructions decoded from these bytes are stale once the page is mapped for execution again.
      files.phys.frames.flags[files.phys.frames.frameOf(page)]! &= ~PG_arch_1
      if (at + step > object.sizeBytes) object.sizeBytes = at + step
    }
    if (step < want) break
  }
  if (moved === 0) return WouldSleep
  vnode.mtime = vnode.ctime = files.now()
  return moved
}

/** Frees pages that were made for a write which then put nothing into them. */
function trim(files: Files, object: FileObject): void {
  removeFilePages(files, object, Math.ceil(object.sizeBytes / PAGE_SIZE), Infinity)
}

/** How many bytes may be written at `position`. */
function writeLimit(vnode: Vnode, position: number, bytes: number): OrErr<number> {
  if (bytes === 0) return 0
  if (position >= MAX_FILE_BYTES) return EFBIG
  if ((vnode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM
  const end = (vnode.seals & F_SEAL_GROW) === 0 ? MAX_FILE_BYTES : vnode.object!.sizeBytes
  return position >= end ? EPERM : Math.min(bytes, end - position)
}

/** The access time, as relatime keeps it: only where it would be older than the last change. */
function accessed(files: Files, file: OpenFile): void {
  const { vnode } = file
  if (vnode.fs.isReadOnly || (file.flags & O_NOATIME) !== 0) return
  const { atime, mtime } = vnode
  if (atime.sec > mtime.sec || (atime.sec === mtime.sec && atime.nsec > mtime.nsec)) return
  vnode.atime = files.now()
}

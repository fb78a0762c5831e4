import {
  EFAULT,
  isErr,
  PAGE_MASK,
  PAGE_SIZE,
  WouldSleep,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import { getPageForRead, getPageForReadTry, markPageAccessed, putCachePage } from '../pagecache/index.ts'
import { O_NOATIME } from './constants.ts'
import { removeFilePages } from './filePages.ts'
import type { Files } from './files.ts'
import type { OpenFile } from './openFile.ts'
import type { Uio } from './uio.ts'
import type { FileObject } from './vnodePager.ts'

/** A read or write under way (kiocb): moves its position, not that of the file. */
export interface FileIocb {
  readonly file: OpenFile
  position: number
}

/** Where a read is in its file, while it walks. */
interface Walk {
  readonly files: Files
  readonly object: FileObject
  readonly uio: Uio
  position: number
  /** Page and offset at which this file's reading stopped: tiny reads of one page are one use of it. */
  prevIndex: number
  prevOffset: number
}

/**
 * Reads a file through its pages: those that are there are copied, others are read ahead or one by one.
 *
 * @returns  bytes read, fewer at the end of the file or if an error came after some; 0 at or past the end
 * @errors   EFAULT, EIO, ENOMEM, EINTR (killed)
 * @locks    none held; sleeps
 * @manual   generic_file_read_iter, Linux
 */
export function* genericFileReadIter(iocb: FileIocb, uio: Uio): Sleep<OrErr<number>> {
  const walk = startWalk(iocb, uio)
  const { files, object } = walk
  const start = walk.position
  const last = Math.ceil((start + uio.resid) / PAGE_SIZE)
  let error: 0 | Err = 0
  while (uio.resid > 0 && walk.position < object.sizeBytes) {
    const index = Math.floor(walk.position / PAGE_SIZE)
    const isHole = isHoleAt(object, index)
    let page: Pfn | null = null
    if (!isHole) {
      const offset = walk.position & PAGE_MASK
      const found = yield* getPageForRead(files.cache, object, iocb.file.ra!, index, last - index, offset, uio.resid)
      if (isErr(found)) {
        error = found
        break
      }
      page = found
    }
    const isShort = copyPage(walk, page, index)
    if (page !== null) putCachePage(files.cache, page)
    if (!isShort) continue
    if (isErr(yield* uio.faultIn(true))) {
      error = EFAULT
      break
    }
  }
  // The file may have shrunk while a page was read.
  if (walk.position >= object.sizeBytes)
    removeFilePages(files, object, Math.ceil(object.sizeBytes / PAGE_SIZE), Infinity)
  const done = finishWalk(walk, iocb)
  return done > 0 ? done : error
}

/** The same without sleeping: what is there is copied, and no read is started. Hot. */
export function genericFileReadIterTry(iocb: FileIocb, uio: Uio): number | WouldSleep {
  const walk = startWalk(iocb, uio)
  const { files, object } = walk
  while (uio.resid > 0 && walk.position < object.sizeBytes) {
    const index = Math.floor(walk.position / PAGE_SIZE)
    let page: Pfn | null = null
    if (!isHoleAt(object, index)) {
      const found = getPageForReadTry(files.cache, object, index)
      if (found === WouldSleep) break
      page = found
    }
    const isShort = copyPage(walk, page, index)
    if (page !== null) putCachePage(files.cache, page)
    if (isShort) break
  }
  const wantsMore = uio.resid > 0 && walk.position < object.sizeBytes
  const done = finishWalk(walk, iocb)
  return done === 0 && wantsMore ? WouldSleep : done
}

/** Nothing is there, and nothing is stored: zeros. */
function isHoleAt(object: FileObject, index: number): boolean {
  const { pager } = object
  return pager.absentIsZero && object.pageAt(index) < 0 && !pager.hasStored(object, index)
}

function startWalk({ file, position }: FileIocb, uio: Uio): Walk {
  const { prevPos } = file.ra!
  return {
    files: file.files,
    object: file.vnode.object!,
    uio,
    position,
    prevIndex: prevPos < 0 ? -1 : Math.floor(prevPos / PAGE_SIZE),
    prevOffset: prevPos < 0 ? 0 : prevPos & PAGE_MASK,
  }
}

/**
 * Copies what the read wants of one page (null: a hole), up to the size of the file as it is now: a page read before the
 * size was looked at shows neither the zeros of a file that has grown since, nor what a truncation has taken away.
 *
 * @returns true: the user's page is missing
 */
function copyPage(walk: Walk, page: Pfn | null, index: number): boolean {
  const { files, object, uio } = walk
  const offset = walk.position & PAGE_MASK
  const want = Math.min(uio.resid, PAGE_SIZE - offset, object.sizeBytes - walk.position)
  if (want <= 0) return false
  if (page !== null && !(walk.prevIndex === index && walk.prevOffset === offset)) markPageAccessed(files.cache, page)
  const step = uio.moveTo((page === null ? files.zeros : files.machine.memory.frameOffset(page)) + offset, want)
  walk.position += step
  walk.prevIndex = index
  walk.prevOffset = (offset + step) & PAGE_MASK
  return step < want
}

/** Remembers where the read stopped. @returns the bytes read */
function finishWalk(walk: Walk, iocb: FileIocb): number {
  const { file } = iocb
  const done = walk.position - iocb.position
  if (done === 0) return 0
  iocb.position = walk.position
  file.ra!.prevPos = walk.prevIndex * PAGE_SIZE + walk.prevOffset
  accessed(walk.files, file)
  return done
}

/** The access time, as relatime keeps it: only where it would be older than the last change. */
function accessed(files: Files, file: OpenFile): void {
  const { vnode } = file
  if (vnode.fs.isReadOnly || (file.flags & O_NOATIME) !== 0) return
  const { atime, mtime } = vnode
  if (atime.sec > mtime.sec || (atime.sec === mtime.sec && atime.nsec > mtime.nsec)) return
  vnode.atime = files.now()
}

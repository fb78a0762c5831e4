// Starting writes of a file, and waiting for them. Byte ranges are inclusive; Infinity: to the end.

import { EIO, PAGE_SIZE, pfn, PGOFF_MAX, type Sleep } from '../../base/index.ts'
import { PG_error } from '../phys/index.ts'
import {
  filemapCheckErrors,
  findGetPagesTag,
  pagevecRelease,
  PVEC_SIZE,
  TAG_WRITEBACK,
  waitOnPageWriteback,
  type FileObject,
  type PageCache,
} from '../pagecache/index.ts'
import { writebackControl } from './control.ts'
import { doWritepages } from './genericWritepages.ts'

/** Writes what is dirty in a range. Nothing on a device that does no writeback. */
export function* filemapFdatawriteRange(
  cache: PageCache,
  object: FileObject,
  startByte: number,
  endByte: number,
  isSyncAll: boolean,
): Sleep<number> {
  if (!object.device.doesWriteback) return 0
  const wbc = writebackControl(Infinity, { rangeStart: startByte, rangeEnd: endByte, isSyncAll })
  return yield* doWritepages(cache, object, wbc)
}

/**
 * Starts writing what is dirty and not being written yet. For cleaning, not for integrity: neither waits nor looks at
 * latched errors.
 *
 * @returns 0 or the file system's error
 * @locks   sleeps for page locks
 * @manual  filemap_flush, Linux
 */
export function* filemapFlush(cache: PageCache, object: FileObject): Sleep<number> {
  return yield* filemapFdatawriteRange(cache, object, 0, Infinity, false)
}

/**
 * Waits for the writes under way in a range; then takes the latched error of the file, also for an empty range.
 *
 * @returns 0; EIO if a page waited for has failed; else the latched error (EIO, ENOSPC), which is gone then
 * @locks   sleeps
 * @manual  filemap_fdatawait_range, Linux
 */
export function* filemapFdatawaitRange(
  cache: PageCache,
  object: FileObject,
  startByte: number,
  endByte: number,
): Sleep<number> {
  const { flags } = cache.frames
  const last = Math.min(PGOFF_MAX, Math.floor(endByte / PAGE_SIZE))
  const cursor = { index: Math.floor(startByte / PAGE_SIZE) }
  const pages: number[] = []
  let result = 0
  while (endByte >= startByte && cursor.index <= last) {
    const from = cursor.index
    const most = Math.min(last - from + 1, PVEC_SIZE)
    const count = findGetPagesTag(cache, object, cursor, TAG_WRITEBACK, most, pages)
    if (count === 0) break
    for (let i = 0; i < count; i++) {
      const f = cache.frames.frameOf(pages[i])
      if (cache.frames.pgoff[f] > last) continue
      yield* waitOnPageWriteback(cache, pfn(pages[i]))
      if (cache.has(f, PG_error)) result = EIO
      flags[f] &= ~PG_error
    }
    pagevecRelease(cache, pages, count)
    if (cursor.index < from) break
  }
  const latched = filemapCheckErrors(object)
  return result === 0 ? latched : result
}

/**
 * Waits for the writes under way in the whole file. An empty file keeps its latched error.
 *
 * @locks  sleeps
 * @manual filemap_fdatawait, Linux
 */
export function* filemapFdatawait(cache: PageCache, object: FileObject): Sleep<number> {
  const { sizeBytes } = object
  return sizeBytes === 0 ? 0 : yield* filemapFdatawaitRange(cache, object, 0, sizeBytes - 1)
}

/**
 * Writes a range for integrity, and waits: what was dirty in it is on the store afterwards.
 *
 * @param lend  inclusive; -1 or Infinity: to the end
 * @returns     0; the error of the write, at once if it is EIO; else that of the wait
 * @locks       sleeps
 * @manual      filemap_write_and_wait_range, Linux
 */
export function* filemapWriteAndWaitRange(
  cache: PageCache,
  object: FileObject,
  lstart: number,
  lend: number,
): Sleep<number> {
  const end = lend === -1 ? Infinity : lend
  if (object.nrPages === 0) return filemapCheckErrors(object)
  const written = yield* filemapFdatawriteRange(cache, object, lstart, end, true)
  if (written === EIO) return written
  const waited = yield* filemapFdatawaitRange(cache, object, lstart, end)
  return written === 0 ? waited : written
}

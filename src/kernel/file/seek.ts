import { EBADF, EINVAL, ENXIO, ESPIPE, isErr, PAGE_SIZE, type OrErr } from '../../base/index.ts'
import { MAX_FILE_BYTES, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from './constants.ts'
import type { OpenFile } from './openFile.ts'
import type { Vnode } from './vnode.ts'

/**
 * Moves the position of an open file.
 *
 * @returns  the new position; ESPIPE for a pipe or terminal, EINVAL, ENXIO (no data, or position beyond the end)
 * @manual   lseek(2)
 */
export function fileSeek(file: OpenFile, offset: number, whence: number): OrErr<number> {
  if (file.isPath) return EBADF
  if (!file.io.isSeekable) return ESPIPE
  const to = target(file, offset, whence)
  if (isErr(to)) return to
  if (to < 0 || to > MAX_FILE_BYTES) return EINVAL
  file.offset = to
  return to
}

function target(file: OpenFile, offset: number, whence: number): OrErr<number> {
  const { vnode } = file
  switch (whence) {
    case SEEK_SET:
      return offset < 0 ? EINVAL : offset
    case SEEK_CUR:
      return file.offset + offset < 0 ? EINVAL : file.offset + offset
    case SEEK_END:
      return vnode.size + offset < 0 ? EINVAL : vnode.size + offset
    case SEEK_DATA:
    case SEEK_HOLE:
      if (offset < 0 || offset >= vnode.size) return ENXIO
      return whence === SEEK_DATA ? nextData(vnode, offset) : nextHole(vnode, offset)
    default:
      return EINVAL
  }
}
// Only memory files have holes that we know of: pages that are not there.
function nextData(vnode: Vnode, offset: number): OrErr<number> {
  const { object } = vnode
  if (object === null || !object.pager.absentIsZero) return offset
  const first = Math.floor(offset / PAGE_SIZE)
  let pgoff = object.pages.next(first)
  for (const stored of object.slots?.keys() ?? []) if (stored >= first && (pgoff < 0 || stored < pgoff)) pgoff = stored
  if (pgoff < 0 || pgoff * PAGE_SIZE >= object.sizeBytes) return ENXIO
  return Math.max(offset, pgoff * PAGE_SIZE)
}
function nextHole(vnode: Vnode, offset: number): number {
  const { object } = vnode
  if (object === null || !object.pager.absentIsZero) return vnode.size
  let pgoff = Math.floor(offset / PAGE_SIZE)
  while (object.pageAt(pgoff) >= 0 || object.pager.hasStored(object, pgoff)) pgoff++
  return Math.min(Math.max(offset, pgoff * PAGE_SIZE), object.sizeBytes)
}

import {
  EBADF,
  EFBIG,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  ESPIPE,
  isErr,
  PAGE_SIZE,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import { F_SEAL_GROW, F_SEAL_WRITE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, MAX_FILE_BYTES } from './constants.ts'
import { transferModified, truncatePagecacheRange } from '../pagecache/index.ts'
import { PG_dirty } from '../phys/index.ts'
import { dropFilePages, usablePage } from './filePages.ts'
import type { OpenFile } from './openFile.ts'
import { bringEdge, dirtyEdge, setSizeLocked } from './truncate.ts'
import { pageOfMemoryFile } from './vnodePager.ts'

/** What memory files do. */
const OFFERED = [0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE]
/** Modes that are none of a memory file's but make sense: collapse, zero, insert, unshare, write zeros. */
const MODES = [...OFFERED, 0x08, 0x10, 0x11, 0x20, 0x40, 0x41, 0x80]

/**
 * Gives a range of a memory file its pages, or takes them away again.
 *
 *   mode 0                      pages of zeros where there are none; the file grows to the end of the range
 *   KEEP_SIZE                   the same inside the file; its size stays
 *   PUNCH_HOLE | KEEP_SIZE      whole pages are freed, the rest of the range is zeroed
 *
 * @errors  EINVAL; EOPNOTSUPP no such mode; EBADF, ESPIPE, ENODEV, EFBIG; EOPNOTSUPP a mode of others, or a file of a
 *          store; EPERM sealed; ENOMEM
 * @locks   inode lock; sleeps for it and for memory
 * @manual  fallocate(2)
 */
export function* fileAllocate(file: OpenFile, mode: number, offset: number, length: number): Sleep<OrErr<0>> {
  if (offset < 0 || length <= 0) return EINVAL
  if (!MODES.includes(mode)) return EOPNOTSUPP
  if (!file.isWritable) return EBADF
  const { files, vnode } = file
  const isPunch = (mode & FALLOC_FL_PUNCH_HOLE) !== 0
  if (vnode.kind === 'pipe') return ESPIPE
  const { object } = vnode
  if (object === null) return ENODEV
  if (offset + length > MAX_FILE_BYTES) return EFBIG
  if (!object.pager.absentIsZero || !OFFERED.includes(mode)) return EOPNOTSUPP
  const end = offset + length
  yield* vnode.lock.acquire()
  try {
    if (isPunch) {
      if ((vnode.seals & F_SEAL_WRITE) !== 0) return EPERM
      yield* bringEdge(files, object, offset)
      yield* bringEdge(files, object, end)
      object.pager.forget?.(object, Math.ceil(offset / PAGE_SIZE), Math.floor(end / PAGE_SIZE))
      yield* truncatePagecacheRange(files.cache, object, offset, end - 1)
      dirtyEdge(files, object, offset)
      dirtyEdge(files, object, end)
      vnode.mtime = vnode.ctime = files.now()
      return 0
    }
    const grows = end > object.sizeBytes
    if (grows && (vnode.seals & F_SEAL_GROW) !== 0) return EPERM
    const fresh: number[] = []
    const undo = (): void => {
      // What a store through a mapping has filled meanwhile is no longer ours.
      for (const pgoff of fresh) {
        const pfn = usablePage(files, object, pgoff)
        if (pfn < 0) continue
        transferModified(files.cache, pfn as Pfn)
        if (!files.cache.has(files.cache.frames.frameOf(pfn), PG_dirty))
          dropFilePages(files, object, pgoff, pgoff + 1, false)
      }
    }
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0
    // A page wholly beyond the end is not part of the file, so KEEP_SIZE has nothing to keep there.
    const last = keepsSize ? Math.min(end, object.sizeBytes) : end
    for (let pgoff = Math.floor(offset / PAGE_SIZE); pgoff * PAGE_SIZE < last; pgoff++) {
      if (object.pageAt(pgoff) >= 0 || object.pager.hasStored(object, pgoff)) continue
      const page = yield* pageOfMemoryFile(files, object, pgoff)
      if (isErr(page)) {
        undo()
        return page
      }
      fresh.push(pgoff)
    }
    if (grows && !keepsSize) return yield* setSizeLocked(files, vnode, end)
    vnode.ctime = files.now()
    return 0
  } finally {
    vnode.lock.release()
  }
}

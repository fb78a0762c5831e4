import { EBADF, EINVAL, EOPNOTSUPP, EPERM, isErr, PAGE_SIZE, type Pfn, type Sleep } from '../../base/index.ts'
import { isOwner, MAY_WRITE, vnodeAccess } from '../file/index.ts'
import { PG_dirty, PG_writeback } from '../phys/index.ts'
import { copyIn, type Kernel, type Thread } from '../process/index.ts'
import { getUnsigned, int, long, putLong, putStruct, viewOf } from './call.ts'

/**
 * int cachestat(int fd, struct cachestat_range *, struct cachestat *, unsigned flags): pages of a part of a file that are
 * cached, dirty, being written, evicted, and evicted not long ago. A length of 0 means to the end.
 *
 * @manual cachestat(2)
 */
export function* cachestat({ phys }: Kernel, thread: Thread): Sleep<number> {
  const file = thread.process.fds!.get(int(thread, 0))
  if (isErr(file) || file.isPath) return EBADF
  const bytes = yield* copyIn(thread.space, long(thread, 1), 16)
  if (isErr(bytes)) return bytes
  const { who } = thread.process
  if (!file.isWritable && !isOwner(file.vnode, who) && vnodeAccess(file.vnode, who, MAY_WRITE) !== 0) return EPERM
  if (file.vnode.object === null && file.vnode.kind === 'file') return EOPNOTSUPP
  if (int(thread, 3) !== 0) return EINVAL
  const view = viewOf(bytes)
  const offset = getUnsigned(view, 0)
  const length = getUnsigned(view, 8)
  const first = Math.floor(offset / PAGE_SIZE)
  const last = length === 0 ? Infinity : Math.floor((offset + length - 1) / PAGE_SIZE)
  const { object } = file.vnode
  const count = { cached: 0, dirty: 0, writing: 0 }
  if (object !== null) {
    const end = Math.min(last, Math.ceil(object.sizeBytes / PAGE_SIZE) - 1)
    for (let pgoff = first; pgoff <= end; pgoff++) {
      const pfn = object.pageAt(pgoff)
      if (pfn < 0) continue
      const flags = phys.frames.flags[phys.frames.indexOf(pfn as Pfn)]!
      count.cached++
      if (object.pager.notifiesWrites && (flags & PG_dirty) !== 0) count.dirty++
      if ((flags & PG_writeback) !== 0) count.writing++
    }
  }
  return yield* putStruct(thread, long(thread, 2), 40, (answer) =>
    [count.cached, count.dirty, count.writing, 0, 0].forEach((value, i) => putLong(answer, i * 8, value)),
  )
}

import {
  ADDRESS_END,
  EBUSY,
  EINVAL,
  ENOMEM,
  type Err,
  isErr,
  isPageAligned,
  PAGE_SIZE,
  pageLength,
  type Sleep,
  unsigned64,
} from '../../base/index.ts'
import { PGO_CLEANIT, PGO_SYNCIO } from '../object/index.ts'
import { VM_LOCKED, VM_SHARED } from './entry.ts'
import type { VmSpace } from './vmSpace.ts'

export const MS_ASYNC = 1
export const MS_INVALIDATE = 2
export const MS_SYNC = 4

/**
 * msync(2): writes the dirty pages of shared file mappings back and waits for them (MS_SYNC).
 *
 * @errors EINVAL; ENOMEM a hole (the mapped parts are synced); EBUSY MS_INVALIDATE of locked memory; EIO
 * @locks  none held while it waits
 * @manual msync(2), Linux
 */
export function* msyncRegion(space: VmSpace, addr: number, bytes: number, flags: number): Sleep<0 | Err> {
  if ((flags & ~7) !== 0 || !isPageAligned(addr) || (flags & 5) === 5) return EINVAL
  const start = unsigned64(addr)
  const end = start + pageLength(bytes)
  if (end >= ADDRESS_END) return ENOMEM
  let hole = false
  for (let at = start; at < end;) {
    const entry = space.map.firstEndingAbove(at)
    if (entry === null || entry.start >= end) return ENOMEM
    if (entry.start > at) hole = true
    const s = Math.max(at, entry.start)
    const e = Math.min(end, entry.end)
    at = e
    if ((flags & MS_INVALIDATE) !== 0 && (entry.vmFlags & VM_LOCKED) !== 0) return EBUSY
    const { object } = entry
    if ((flags & MS_SYNC) === 0 || (entry.vmFlags & VM_SHARED) === 0 || object?.pager.put === undefined) continue
    const first = entry.pgoffOf(s)
    object.pager.reference(object)
    const error = yield* object.pager.put(object, first, first + (e - s) / PAGE_SIZE, PGO_CLEANIT | PGO_SYNCIO)
    object.pager.detach(object)
    if (isErr(error)) return error
  }
  return hole ? ENOMEM : 0
}

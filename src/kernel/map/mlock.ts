import {
  ADDRESS_END,
  EINVAL,
  ENOMEM,
  EPERM,
  type Err,
  isErr,
  PAGE_MASK,
  pageLength,
  type Sleep,
  truncPage,
  unsigned64,
} from '../../base/index.ts'
import { VM_DROPPABLE, VM_IO, VM_LOCKED, VM_LOCKONFAULT, VM_PFNMAP, type VmMapEntry } from './entry.ts'
import { lockedBytes } from './growDown.ts'
import { locked } from './locked.ts'
import { modifyPart } from './modifyRange.ts'
import type { VmSpace } from './vmSpace.ts'

export const MLOCK_ONFAULT = 1
export const MCL_CURRENT = 1
export const MCL_FUTURE = 2
export const MCL_ONFAULT = 4
const LOCKS = VM_LOCKED | VM_LOCKONFAULT
const NEVER = VM_IO | VM_PFNMAP | VM_DROPPABLE

/**
 * mlock(2), mlock2(2): marks whole pages as locked, in ascending order, then faults them in.
 *
 * @param onFault  lock pages as they come; nothing is faulted in
 * @errors EPERM the limit is 0; ENOMEM above the limit, a hole, or a page that cannot be had (the entries marked so far
 *         stay marked); EINVAL the range wraps
 * @locks  map write-locked while marking; sleeps
 * @manual mlock(2), Linux
 */
export function* mlockRegion(space: VmSpace, addr: number, bytes: number, onFault: boolean): Sleep<0 | Err> {
  const { limits } = space
  if (limits.memlock === 0) return EPERM
  const start = unsigned64(truncPage(addr))
  const end = start + pageLength(bytes + (addr & PAGE_MASK))
  if (lockedBytes(space) + (end - start) - lockedBytesIn(space, start, end) > limits.memlock) return ENOMEM
  if (end >= ADDRESS_END) return EINVAL
  const error = yield* locked(space.map, () => mark(space, start, end, onFault ? LOCKS : VM_LOCKED))
  if (error !== 0 || onFault) return error
  const done = yield* space.vm.populate(space, start, end, 0)
  return isErr(done) ? ENOMEM : 0
}

/** munlock(2). @errors EINVAL, ENOMEM a hole @manual munlock(2), Linux */
export function* munlockRegion(space: VmSpace, addr: number, bytes: number): Sleep<0 | Err> {
  const start = unsigned64(truncPage(addr))
  const end = start + pageLength(bytes + (addr & PAGE_MASK))
  if (end >= ADDRESS_END) return EINVAL
  return yield* locked(space.map, () => mark(space, start, end, 0))
}

/**
 * mlockall(2): all that is mapped (MCL_CURRENT), all that will be (MCL_FUTURE), perhaps as it is touched (MCL_ONFAULT).
 *
 * @errors EINVAL; EPERM the limit is 0; ENOMEM MCL_CURRENT above the limit
 * @manual mlockall(2), Linux
 */
export function* mlockall(space: VmSpace, flags: number): Sleep<0 | Err> {
  if (flags === 0 || (flags & ~7) !== 0 || flags === MCL_ONFAULT) return EINVAL
  const { limits, map } = space
  if (limits.memlock === 0) return EPERM
  if ((flags & MCL_CURRENT) !== 0 && map.size > limits.memlock) return ENOMEM
  const vmFlags = (flags & MCL_ONFAULT) !== 0 ? LOCKS : VM_LOCKED
  space.futureFlags = (flags & MCL_FUTURE) !== 0 ? vmFlags : 0
  if ((flags & MCL_CURRENT) === 0) return 0
  yield* locked(space.map, () => markAll(space, vmFlags))
  if ((flags & MCL_ONFAULT) === 0) yield* space.vm.populate(space, map.min, map.max, 0, true)
  return 0
}

/** munlockall(2). @manual munlockall(2), Linux */
export function* munlockall(space: VmSpace): Sleep<0> {
  space.futureFlags = 0
  yield* locked(space.map, () => markAll(space, 0))
  return 0
}

function markAll(space: VmSpace, vmFlags: number): void {
  for (let e: VmMapEntry | null = space.map.tree.first; e !== null;) {
    const marked = markEntry(space, e, e.start, e.end, vmFlags)
    e = isErr(marked) ? e.next : marked.next
  }
}
function mark(space: VmSpace, start: number, end: number, vmFlags: number): 0 | Err {
  for (let at = start; at < end;) {
    const entry = space.map.lookup(at)
    if (entry === null) return ENOMEM
    const reached = Math.min(end, entry.end)
    const marked = markEntry(space, entry, at, reached, vmFlags)
    if (isErr(marked)) return marked
    at = reached
  }
  return 0
}
function markEntry(space: VmSpace, entry: VmMapEntry, s: number, e: number, vmFlags: number): VmMapEntry | Err {
  if ((entry.vmFlags & LOCKS) === vmFlags || (entry.vmFlags & NEVER) !== 0) return entry
  return modifyPart(space, entry, s, e, (part) => {
    part.vmFlags = (part.vmFlags & ~LOCKS) | vmFlags
  })
}

function lockedBytesIn(space: VmSpace, start: number, end: number): number {
  let bytes = 0
  for (let e = space.map.firstEndingAbove(start); e !== null && e.start < end; e = e.next)
    if ((e.vmFlags & VM_LOCKED) !== 0) bytes += Math.min(end, e.end) - Math.max(start, e.start)
  return bytes
}

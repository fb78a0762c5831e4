import { EBUSY, EINVAL, EPERM, type Err, isErr, type Sleep } from '../../base/index.ts'
import {
  locked,
  modifyPart,
  VM_DROPPABLE,
  VM_UFFD,
  VM_UFFD_MINOR,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
  type VmMapEntry,
} from '../map/index.ts'
import type { UserFaults } from './userFaults.ts'

/** Memory without a file, or a memory file: what can be told of. Protection that is not told of is for every kind. */
function canListen({ isAsync }: UserFaults, entry: VmMapEntry, flags: number): boolean {
  if ((entry.vmFlags & VM_DROPPABLE) !== 0) return false
  const isMemoryFile = entry.object !== null && entry.object.pager.name === 'ram'
  if ((flags & VM_UFFD_MINOR) !== 0 && !isMemoryFile) return false
  if (isAsync && flags === VM_UFFD_WP) return true
  return isMemoryFile || (entry.object === null && entry.file === null)
}

/**
 * Faults of the kinds `flags` in `[start, end)` are told to the listener from now on. Holes are passed over.
 *
 * @param flags  VM_UFFD_…, one or more
 * @errors EINVAL nothing mapped, or memory of another kind; EPERM it may never be written; EBUSY another one's
 * @locks  map write-locked; sleeps for it
 * @manual ioctl_userfaultfd(2), UFFDIO_REGISTER
 */
export function* registerRange(listener: UserFaults, start: number, end: number, flags: number): Sleep<0 | Err> {
  return yield* locked(listener.space.map, () => register(listener, start, end, flags))
}
function register(listener: UserFaults, start: number, end: number, flags: number): 0 | Err {
  const { space } = listener
  const { map } = space
  const first = map.firstEndingAbove(start)
  if (first === null || first.start >= end) return EINVAL
  for (let e: VmMapEntry | null = first; e !== null && e.start < end; e = e.next) {
    if (!canListen(listener, e, flags)) return EINVAL
    if ((e.maxProtection & 2) === 0) return EPERM
    if (e.listener !== null && e.listener !== listener) return EBUSY
  }
  for (let at = start; at < end;) {
    const e = map.firstEndingAbove(at)
    if (e === null || e.start >= end) break
    const reached = Math.min(end, e.end)
    if (e.listener !== listener || (e.vmFlags & VM_UFFD) !== flags) {
      const part = modifyPart(space, e, Math.max(at, e.start), reached, (p) => {
        p.listener = listener
        p.vmFlags = (p.vmFlags & ~VM_UFFD) | flags
      })
      if (isErr(part)) return part
    }
    at = reached
  }
  return 0
}

/**
 * Faults in `[start, end)` are ordinary again; who waits for a page there looks anew.
 *
 * @errors EINVAL nothing mapped, memory of another kind, or another one's
 * @manual ioctl_userfaultfd(2), UFFDIO_UNREGISTER
 */
export function* unregisterRange(listener: UserFaults, start: number, end: number): Sleep<0 | Err> {
  return yield* locked(listener.space.map, () => unregister(listener, start, end))
}
function unregister(listener: UserFaults, start: number, end: number): 0 | Err {
  const { space } = listener
  const { map } = space
  const first = map.firstEndingAbove(start)
  if (first === null || first.start >= end) return EINVAL
  for (let e: VmMapEntry | null = first; e !== null && e.start < end; e = e.next)
    if (!canListen(listener, e, e.vmFlags & VM_UFFD) || (e.listener !== null && e.listener !== listener)) return EINVAL
  for (let at = start; at < end;) {
    const e = map.firstEndingAbove(at)
    if (e === null || e.start >= end) break
    const reached = Math.min(end, e.end)
    if (e.listener !== null) {
      const s = Math.max(at, e.start)
      listener.forget(s, reached)
      if ((e.vmFlags & VM_UFFD_MISSING) !== 0) listener.wake(s, reached)
      const part = modifyPart(space, e, s, reached, (p) => {
        p.listener = null
        p.vmFlags &= ~VM_UFFD
      })
      if (isErr(part)) return part
    }
    at = reached
  }
  return 0
}

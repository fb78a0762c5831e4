import {
  EACCES,
  EINVAL,
  ENOMEM,
  EPERM,
  type Err,
  isErr,
  isPageAligned,
  roundPage,
  type Sleep,
} from '../../base/index.ts'
import { pmapProtect, pmapUpdate } from '../pmap/index.ts'
import {
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_NORESERVE,
  VM_SEALED,
  VM_SHARED,
  type VmMapEntry,
} from './entry.ts'
import { dataBytes, isData, mayCommit } from './mmap.ts'
import { locked } from './locked.ts'
import { modifyPart } from './modifyRange.ts'
import type { VmSpace } from './vmSpace.ts'

const PROT_SEM = 8
const PROT_GROWSDOWN = 0x01000000
const PROT_GROWSUP = 0x02000000

/**
 * mprotect(2): changes the protection, entry by entry in ascending order; what was changed before an error stays changed.
 *
 * Lowering takes effect at once; raising by the next fault.
 *
 * @errors EINVAL, ENOMEM a hole, a limit or a split; EACCES beyond the maximum; EPERM sealed
 * @manual mprotect(2), Linux
 */
export function* mprotectRegion(space: VmSpace, addr: number, length: number, prot: number): Sleep<0 | Err> {
  const result = yield* locked(space, () => {
    const changed = mprotectLocked(space, addr, length, prot)
    pmapUpdate(space.pmap)
    return changed
  })
  // Locked private memory that may be written now is faulted in.
  if (result === 0 && (prot & 2) !== 0) yield* populateLocked(space, addr, addr + roundPage(length))
  return result
}

function* populateLocked(space: VmSpace, start: number, end: number): Sleep<void> {
  for (let at = start; at < end;) {
    const entry = space.map.firstEndingAbove(at)
    if (entry === null || entry.start >= end) return
    at = entry.end
    if (entry.isCow && (entry.vmFlags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED)
      yield* space.vm.populate(space, Math.max(start, entry.start), Math.min(end, at), 0, true)
  }
}

function mprotectLocked(space: VmSpace, addr: number, bytes: number, prot: number): 0 | Err {
  const { map } = space
  const growsDown = (prot & PROT_GROWSDOWN) !== 0
  if (growsDown && (prot & PROT_GROWSUP) !== 0) return EINVAL
  if (!isPageAligned(addr)) return EINVAL
  if (bytes === 0) return 0
  const length = roundPage(bytes)
  if (addr < 0 || addr + length > 2 ** 52 || length <= 0) return ENOMEM
  if ((prot & ~(7 | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP)) !== 0) return EINVAL
  const protection = prot & 7
  const end = addr + length
  let start = addr
  let entry = map.firstEndingAbove(start)
  if (entry === null) return ENOMEM
  if (growsDown) {
    if (entry.start >= end) return ENOMEM
    if ((entry.vmFlags & VM_GROWSDOWN) === 0) return EINVAL
    start = entry.start
  } else {
    if (entry.start > start) return ENOMEM
    if ((prot & PROT_GROWSUP) !== 0) return EINVAL
  }
  for (;;) {
    const error = protectEntry(space, entry, start, end, protection)
    if (isErr(error)) return error
    const reached: number = Math.min(error.end, end)
    if (reached >= end) return 0
    const next: VmMapEntry | null = map.firstEndingAbove(reached)
    if (next === null || next.start !== reached) return ENOMEM
    entry = next
    start = reached
  }
}

function protectEntry(
  space: VmSpace,
  entry: VmMapEntry,
  start: number,
  end: number,
  protection: number,
): VmMapEntry | Err {
  const { map } = space
  if ((protection & ~entry.maxProtection) !== 0) return EACCES
  if ((entry.vmFlags & VM_SEALED) !== 0) return EPERM
  const s = Math.max(start, entry.start)
  const e = Math.min(end, entry.end)
  if (protection === entry.protection) return entry
  let vmFlags = entry.vmFlags
  const isPrivate = (vmFlags & VM_SHARED) === 0 && entry.isCow
  if ((protection & 2) !== 0) {
    if (isPrivate && (entry.protection & 2) === 0 && (vmFlags & (VM_ACCOUNT | VM_NORESERVE)) === 0) {
      if (!mayCommit(space, e - s)) return ENOMEM
      vmFlags |= VM_ACCOUNT
    }
    if (
      space.limits.data !== Infinity &&
      !isData(entry) &&
      isData({ protection, vmFlags }) &&
      dataBytes(space) + e - s > space.limits.data
    )
      return ENOMEM
  } else if ((vmFlags & VM_ACCOUNT) !== 0 && entry.object === null && entry.anonGroup === null && isPrivate)
    vmFlags &= ~VM_ACCOUNT
  const merged = modifyPart(space, entry, s, e, (part) => {
    part.protection = protection
    part.vmFlags = vmFlags
  })
  // Write permission is never granted here: the next fault does that.
  if (!isErr(merged)) pmapProtect(map.pmap, s, e, protection & ~2)
  return merged
}

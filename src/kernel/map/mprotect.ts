import {
  ADDRESS_END,
  EACCES,
  EINVAL,
  ENOMEM,
  EPERM,
  type Err,
  isErr,
  isPageAligned,
  type Pfn,
  pageLength,
  type Sleep,
  unsigned64,
} from '../../base/index.ts'
import { amapLookup, anonPage } from '../anon/index.ts'
import { PG_dirty } from '../phys/index.ts'
import { ATTR_EXCLUSIVE, pmapSetProtection, pmapUpdate } from '../pmap/index.ts'
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
import { mayCommit } from './commit.ts'
import { locked } from './locked.ts'
import { modifyPart } from './modifyRange.ts'
import { isData } from './sizes.ts'
import type { VmSpace } from './vmSpace.ts'

const PROT_SEM = 8
const PROT_GROWSDOWN = 0x01000000
const PROT_GROWSUP = 0x02000000

/**
 * mprotect(2): changes the protection, entry by entry in ascending order; what was changed before an error stays changed.
 *
 * Takes effect at once, but for stores that a fault must see: to pages not yet the process's own, or not yet dirty.
 *
 * @errors EINVAL, ENOMEM a hole, a limit or a split; EACCES beyond the maximum; EPERM sealed
 * @manual mprotect(2), Linux
 */
export function* mprotectRegion(space: VmSpace, addr: number, length: number, prot: number): Sleep<0 | Err> {
  const toPopulate: number[] = []
  const result = yield* locked(space.map, () => {
    const changed = mprotectLocked(space, addr, length, prot, toPopulate)
    pmapUpdate(space.pmap)
    return changed
  })
  for (let i = 0; i < toPopulate.length; i += 2)
    yield* space.vm.populate(space, toPopulate[i]!, toPopulate[i + 1]!, 0, true)
  return result
}

/** @param toPopulate  gets start and end of each range of locked private memory that may be written from now on */
function mprotectLocked(space: VmSpace, addr: number, bytes: number, prot: number, toPopulate: number[]): 0 | Err {
  const { map } = space
  const growsDown = (prot & PROT_GROWSDOWN) !== 0
  if (growsDown && (prot & PROT_GROWSUP) !== 0) return EINVAL
  if (!isPageAligned(addr)) return EINVAL
  if (bytes === 0) return 0
  let start = unsigned64(addr)
  const end = start + pageLength(bytes)
  if (end === start || end >= ADDRESS_END) return ENOMEM
  if ((prot & ~(7 | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP)) !== 0) return EINVAL
  const protection = prot & 7
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
    const error = protectEntry(space, entry, start, end, protection, toPopulate)
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
  toPopulate: number[],
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
      map.sizes.data + e - s > space.limits.data
    )
      return ENOMEM
  } else if ((vmFlags & VM_ACCOUNT) !== 0 && entry.object === null && entry.anonGroup === null && isPrivate)
    vmFlags &= ~VM_ACCOUNT
  const isOpened = (protection & 2) !== 0 && (entry.protection & 2) === 0 && isPrivate
  if (isOpened && (vmFlags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED) toPopulate.push(s, e)
  const merged = modifyPart(space, entry, s, e, (part) => {
    part.protection = protection
    part.vmFlags = vmFlags
  })
  if (isErr(merged)) return merged
  pmapSetProtection(map.pmap, s, e, protection, (va, pfn) => mayStore(merged, va, pfn))
  merged.listener?.protectAgain(space, s, e)
  return merged
}

/** May a page of a writable entry be written without a fault? */
function mayStore(entry: VmMapEntry, va: number, pfn: number): boolean {
  const { vm } = entry.map
  const { frames } = vm.phys
  const f = frames.indexOf(pfn as Pfn)
  // The borrower of a lent page must not see the store.
  if (f >= 0 && frames.loanCount[f]! > 0) return false
  if (!entry.isCow) {
    if (entry.object?.pager.notifiesWrites !== true) return true
    return f >= 0 && (frames.flags[f]! & PG_dirty) !== 0
  }
  if (entry.needsCopy || entry.amap === null || f < 0 || (frames.attrs[f]! & ATTR_EXCLUSIVE) === 0) return false
  const anon = amapLookup(vm.anons, vm.chunks, entry.amap, entry.slotOf(va))
  return anon !== 0 && vm.anons.ref[anon] === 1 && anonPage(vm.anons, anon) === pfn
}

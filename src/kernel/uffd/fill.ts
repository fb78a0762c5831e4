import {
  EAGAIN,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  type Err,
  isErr,
  PAGE_SIZE,
  type Pfn,
  type Sleep,
  WouldSleep,
} from '../../base/index.ts'
import { amapAdd, amapLookup, anonAllocWithPage, anonPage, anonUnref } from '../anon/index.ts'
import { pageProtection } from '../fault/index.ts'
import {
  amapCopy,
  prepareAnonGroup,
  VM_MAYPOISON,
  VM_SHARED,
  VM_UFFD_WP,
  type VmMapEntry,
  type VmSpace,
} from '../map/index.ts'
import { allocPages, GFP_HIGHUSER_MOVABLE, putPage } from '../phys/index.ts'
import {
  ATTR_EXCLUSIVE,
  ATTR_MODIFIED,
  PMAP_CANFAIL,
  pmapEnter,
  pmapEnterSoft,
  pmapLookup,
  pmapUpdate,
  SOFT_GUARD,
  SOFT_NONE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from '../pmap/index.ts'
import type { UserFaults } from './userFaults.ts'

/** Value of the guard marker that stands for a poisoned page. */
export const POISON_VALUE = 1

export interface FillRequest {
  readonly start: number
  /** Bytes, whole pages. */
  readonly length: number
  /** bytes: the caller's; zero; what the memory file has already (continue); or nothing, ever (poison). */
  readonly kind: 'copy' | 'zero' | 'continue' | 'poison'
  /** Of a copy: the bytes of the page at an offset. */
  readonly source?: (offset: number) => Sleep<Uint8Array | Err>
  /** Stores to the new pages are told of. */
  readonly isProtected: boolean
}

/**
 * Makes missing pages, one after the other.
 *
 * @returns bytes done, if there are any
 * @errors EAGAIN an event has not been heard; ENOENT not registered, or not in one entry; EEXIST the page is there; EINVAL
 *         write-protection without having registered for it; EFAULT the source, or beyond the end of the file; ENOMEM
 * @locks  sleeps for the source and for memory; a page is made at one instant
 * @manual ioctl_userfaultfd(2), UFFDIO_COPY and its kin
 */
export function* fillRange(listener: UserFaults, r: FillRequest): Sleep<number | Err> {
  const { space } = listener
  let done = 0
  let error: 0 | Err = 0
  while (done < r.length && error === 0) {
    const target = listener.isChanging ? EAGAIN : targetOf(listener, r, r.start + done)
    if (isErr(target)) {
      error = target
      break
    }
    const bytes = r.source === undefined ? null : yield* r.source(done)
    if (bytes !== null && isErr(bytes)) {
      error = bytes
      break
    }
    const made = fillPage(listener, r, r.start + done, bytes)
    if (made === WouldSleep) {
      const page = yield* allocPages(space.vm.phys, GFP_HIGHUSER_MOVABLE, 0)
      if (isErr(page)) error = ENOMEM
      else putPage(space.vm.phys, page)
    } else if (made !== 0) error = made
    else done += PAGE_SIZE
  }
  pmapUpdate(space.pmap)
  return done > 0 ? done : error
}

/** The entry that the page goes into: all of the request lies in it. It may have gone while the source was read. */
function targetOf({ space }: UserFaults, r: FillRequest, va: number): VmMapEntry | Err {
  const entry = space.map.lookup(va)
  if (entry === null || entry.listener === null || entry.start > r.start || entry.end < r.start + r.length)
    return ENOENT
  if (r.isProtected && (entry.vmFlags & VM_UFFD_WP) === 0) return EINVAL
  if (r.kind === 'continue' && entry.object?.pager.name !== 'ram') return EINVAL
  return entry
}
function fillPage(listener: UserFaults, r: FillRequest, va: number, bytes: Uint8Array | null): 0 | Err | WouldSleep {
  const { space } = listener
  const { map, vm } = space
  let entry = targetOf(listener, r, va)
  if (isErr(entry)) return entry
  const isThere = pmapLookup(map.pmap, va)
  if (isThere || vm.pmaps.softKind !== SOFT_NONE) return EEXIST
  if (r.kind === 'poison') {
    entry.vmFlags |= VM_MAYPOISON
    return pmapEnterSoft(map.pmap, va, SOFT_GUARD, POISON_VALUE)
  }
  const isObjects = (entry.vmFlags & VM_SHARED) !== 0 && entry.object !== null
  if (isObjects) return fillShared(listener, r, entry, va, bytes)
  if (entry.amap !== null && amapLookup(vm.anons, vm.chunks, entry.amap, entry.slotOf(va)) !== 0) return EEXIST
  if (r.kind === 'continue') return fillShared(listener, r, entry, va, bytes)
  prepareAnonGroup(entry)
  if (bytes === null) {
    if (pmapEnter(map.pmap, va, vm.zeroPfn, VM_PROT_READ, VM_PROT_READ | PMAP_CANFAIL) !== 0) return WouldSleep
    if (r.isProtected) listener.setProtected(va, true)
    return 0
  }
  if (entry.needsCopy || entry.amap === null) entry = amapCopy(map, entry, va, va + PAGE_SIZE)
  const anon = anonAllocWithPage(vm.anons, GFP_HIGHUSER_MOVABLE)
  if (isErr(anon)) return WouldSleep
  const pfn = anonPage(vm.anons, anon) as Pfn
  vm.machine.memory.u8.set(bytes, vm.machine.memory.frameOffset(pfn))
  if (pmapEnter(map.pmap, va, pfn, pageProtection(entry), VM_PROT_READ | PMAP_CANFAIL) !== 0) {
    anonUnref(vm.anons, anon)
    return WouldSleep
  }
  amapAdd(vm.chunks, entry.amap!, entry.slotOf(va), anon)
  note(space, pfn, ATTR_EXCLUSIVE | ATTR_MODIFIED)
  if (r.isProtected) listener.setProtected(va, true)
  return 0
}

/** The page belongs to the memory file; private memory shows it until it is stored to. */
function fillShared(
  listener: UserFaults,
  r: FillRequest,
  entry: VmMapEntry,
  va: number,
  bytes: Uint8Array | null,
): 0 | Err | WouldSleep {
  const { vm, map } = listener.space
  const object = entry.object!
  const pgoff = entry.pgoffOf(va)
  if (pgoff * PAGE_SIZE >= object.sizeBytes) return EFAULT
  const isThere = object.pageAt(pgoff) >= 0
  if (r.kind === 'continue') {
    if (!isThere) return EFAULT
  } else if (isThere) return EEXIST
  const pfn = object.pager.getTry(object, pgoff, VM_PROT_WRITE)
  if (pfn === WouldSleep || isErr(pfn)) return pfn
  if (bytes !== null) vm.machine.memory.u8.set(bytes, vm.machine.memory.frameOffset(pfn))
  const prot = entry.isCow ? pageProtection(entry) & ~VM_PROT_WRITE : pageProtection(entry)
  if (pmapEnter(map.pmap, va, pfn, prot, VM_PROT_READ | PMAP_CANFAIL) !== 0) return WouldSleep
  if (bytes !== null) object.pager.pageDirtied(object, pgoff, pfn)
  if (r.isProtected) listener.setProtected(va, true)
  return 0
}
function note({ vm }: VmSpace, pfn: Pfn, attributes: number): void {
  const { frames } = vm.phys
  frames.attrs[frames.indexOf(pfn)]! |= attributes
}

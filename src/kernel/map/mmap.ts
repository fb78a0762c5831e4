import { EAGAIN, EINVAL, ENOMEM, EPERM, type Err, isErr, PAGE_SIZE, roundPage, type Sleep } from '../../base/index.ts'
import type { MemoryObject } from '../object/index.ts'
import {
  type EntryAttributes,
  type MappedFile,
  VM_ACCOUNT,
  VM_DONTDUMP,
  VM_DROPPABLE,
  VM_GROWSDOWN,
  VM_INHERIT_COPY,
  VM_INHERIT_SHARE,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYSHARE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_SHARED,
  VM_WIPEONFORK,
} from './entry.ts'
import { mayCommit, OVERCOMMIT_NEVER } from './commit.ts'
import { tellUnmapped } from './faultListener.ts'
import { findSpace } from './findSpace.ts'
import { lockedBytes } from './growDown.ts'
import { cutOut } from './munmap.ts'
import { locked } from './locked.ts'
import { isData } from './sizes.ts'
import type { VmSpace } from './vmSpace.ts'

export const MAP_SHARED = 0x01
export const MAP_PRIVATE = 0x02
export const MAP_SHARED_VALIDATE = 0x03
export const MAP_DROPPABLE = 0x08
export const MAP_TYPE = 0x0f
export const MAP_ANONYMOUS = 0x20
export const MAP_GROWSDOWN = 0x100
export const MAP_LOCKED = 0x2000
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000
export const MAP_NONBLOCK = 0x10000
export const MAP_STACK = 0x20000
export const MAP_HUGETLB = 0x40000

export interface MmapRequest {
  readonly addr: number
  /** Bytes as the caller gave them. */
  readonly length: number
  /** PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4. */
  readonly prot: number
  /** MAP_…; the type bits are valid (the caller's door has looked). */
  readonly flags: number
  /** What is mapped: an object whose reference the call takes over on success, or null for private anonymous memory. */
  readonly object: MemoryObject | null
  /** The open file, whose reference goes the same way. */
  readonly file: MappedFile | null
  /** Page index of the first page in the object. */
  readonly pgoff: number
  /** Of a shared mapping: it may never be made writable (a sealed memory file). */
  readonly neverWritable?: boolean
  /** Of an object that is charged whole: called when it has been allowed. */
  readonly promise?: () => void
  /** Those who listen to what it replaces do not hear of it. */
  readonly isUntold?: boolean
  /** What a file allows; checked after the address was chosen, as the kernel does. */
  readonly validate?: () => 0 | Err
}

/**
 * mmap(2): maps an object or private anonymous memory. No page is allocated and no translation made,
 * unless MAP_POPULATE or a lock asks for it.
 *
 * @returns the address
 * @errors in the kernel's order: EINVAL, ENOMEM, the errors of the address choice, those of the file, EPERM something
 *         sealed in the way, limits
 * @locks  map write-locked; sleeps for it
 * @manual mmap(2), Linux
 */
export function* mmapRegion(space: VmSpace, request: MmapRequest): Sleep<number | Err> {
  const at = yield* locked(space.map, () => mmapLocked(space, request))
  if (isErr(at)) return at
  const wantsPages = (request.flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE
  const lock = (request.flags & MAP_LOCKED) !== 0 ? VM_LOCKED : space.futureFlags
  // A page that cannot be had is nobody's error: the mapping stands.
  if (wantsPages || (lock & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED)
    yield* space.vm.populate(space, at, at + roundPage(request.length), 0, true)
  return at
}

/** mmap with the map lock held. Until the old mappings are removed nothing has changed, but that they are split. */
export function mmapLocked(space: VmSpace, r: MmapRequest): number | Err {
  const { map } = space
  if (r.length === 0) return EINVAL
  const length = roundPage(r.length)
  if (!(length > 0) || length > 2 ** 52) return ENOMEM
  if (map.entryCount > space.maxMapCount) return ENOMEM

  const isShared = (r.flags & MAP_TYPE) === MAP_SHARED || (r.flags & MAP_TYPE) === MAP_SHARED_VALIDATE
  const onDisk = r.file?.alignsLarge === true ? r.pgoff * PAGE_SIZE : -1
  const at = findSpace(space, r.addr, length, r.flags, r.object === null, onDisk)
  if (isErr(at)) return at
  const lockFlags = (r.flags & MAP_LOCKED) !== 0 ? VM_LOCKED : space.futureFlags
  if (lockFlags !== 0) {
    if (space.limits.memlock === 0) return EPERM
    if (lockedBytes(space) + length > space.limits.memlock) return EAGAIN
  }
  const refused = r.validate?.() ?? 0
  if (refused !== 0) return refused

  // Where nothing is overcommitted nobody goes without a reserve.
  const isStrict = space.vm.commit.mode === OVERCOMMIT_NEVER
  const a = attributesOf(r, isShared, lockFlags, at, isStrict)
  const first = cutOut(space, at, at + length)
  if (isErr(first)) return first
  const limited = checkLimits(space, at, length, a)
  if (limited !== 0) return limited
  const isCharged = (a.vmFlags & VM_ACCOUNT) !== 0 || r.promise !== undefined
  if (isCharged && !mayCommit(space, length)) return ENOMEM
  r.promise?.()

  const prev = first === null ? map.tree.floor(at) : first.prev
  if (first !== null) {
    if (r.isUntold !== true) tellUnmapped(first, at, at + length)
    map.removeFrom(first, at + length)
  }
  map.mergeAround(map.link(at, at + length, a, prev), true, true)
  return at
}

function attributesOf(
  r: MmapRequest,
  isShared: boolean,
  lockFlags: number,
  at: number,
  isStrict: boolean,
): EntryAttributes {
  const isWritableFile = r.file === null || r.file.isWritable
  let vmFlags = lockFlags
  if (isShared) vmFlags |= VM_MAYSHARE | (isWritableFile ? VM_SHARED : 0)
  if ((r.flags & MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN
  if ((r.flags & MAP_STACK) !== 0) vmFlags |= VM_NOHUGEPAGE
  if ((r.flags & MAP_NORESERVE) !== 0 && !isStrict) vmFlags |= VM_NORESERVE
  else if (!isShared && (r.prot & 2) !== 0) vmFlags |= VM_ACCOUNT
  if ((r.flags & MAP_TYPE) === MAP_DROPPABLE)
    vmFlags = (vmFlags & ~VM_ACCOUNT) | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP | VM_DROPPABLE
  return {
    object: r.object,
    offset: r.object === null ? 0 : r.pgoff,
    file: r.file,
    isCow: !isShared,
    needsCopy: !isShared,
    protection: r.prot & 7,
    maxProtection: isShared && (!isWritableFile || r.neverWritable === true) ? 5 : 7,
    inheritance: isShared ? VM_INHERIT_SHARE : VM_INHERIT_COPY,
    advice: 0,
    vmFlags,
    noMerge: false,
    anonPgoff: at / PAGE_SIZE,
  }
}

export function checkLimits(
  space: VmSpace,
  at: number,
  length: number,
  a: { protection: number; vmFlags: number },
): 0 | Err {
  const { limits, map } = space
  if (limits.as === Infinity && limits.data === Infinity) return 0
  const more = length - mappedBytes(space, at, at + length)
  if (map.size + more > limits.as) return ENOMEM
  if (isData(a) && map.sizes.data + more > limits.data) return ENOMEM
  return 0
}
export function mappedBytes(space: VmSpace, start: number, end: number): number {
  let bytes = 0
  for (let e = space.map.firstEndingAbove(start); e !== null && e.start < end; e = e.next)
    bytes += Math.min(e.end, end) - Math.max(e.start, start)
  return bytes
}

import {
  ADDRESS_END,
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  type Err,
  isErr,
  isPageAligned,
  PAGE_SIZE,
  pageLength,
  type Sleep,
  unsigned64,
} from '../../base/index.ts'
import { amapMoveRange } from '../anon/index.ts'
import { pmapMove, pmapUpdate } from '../pmap/index.ts'
import {
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_PFNMAP,
  VM_SEALED,
  VM_UFFD,
  type VmMapEntry,
} from './entry.ts'
import { mayCommit } from './commit.ts'
import { tellUnmapped } from './faultListener.ts'
import { findSpace } from './findSpace.ts'
import { lockedBytes } from './growDown.ts'
import { munmapLocked } from './munmap.ts'
import { locked } from './locked.ts'
import { isData } from './sizes.ts'
import type { VmSpace } from './vmSpace.ts'

export const MREMAP_MAYMOVE = 1
export const MREMAP_FIXED = 2
export const MREMAP_DONTUNMAP = 4

interface Request {
  readonly space: VmSpace
  readonly old: number
  readonly oldLength: number
  readonly newLength: number
  readonly flags: number
  readonly target: number
  /** Of `map.news`: how much there was when the place was ready. A move is told of before what it unmaps. */
  newsBefore: number
}

/**
 * mremap(2): grows, shrinks or moves a mapping. Pages, private copies, guard markers and locks move with it; no page is
 * copied and none is faulted in but those that a locked mapping gains.
 *
 * @param target  the new address with MREMAP_FIXED, a hint with MREMAP_DONTUNMAP
 * @returns the address of the mapping
 * @errors EINVAL, EFAULT, EPERM, ENOMEM, EAGAIN, in the kernel's order (Linux specification 1.8)
 * @locks  map write-locked; sleeps for it
 * @manual mremap(2), Linux
 */
export function* mremapRegion(
  space: VmSpace,
  old: number,
  oldBytes: number,
  newBytes: number,
  flags: number,
  target: number,
): Sleep<number | Err> {
  const r: Request = {
    space,
    old,
    oldLength: pageLength(oldBytes),
    newLength: pageLength(newBytes),
    flags,
    target,
    newsBefore: 0,
  }
  const { map } = space
  const result = yield* locked(map, () => {
    // While it moves a mapping is there twice: that is no peak.
    const peak = Math.max(map.peakSize, map.size)
    const done = mremapLocked(r)
    map.peakSize = peak
    return done
  })
  if (isErr(result) || r.newLength <= r.oldLength) return result
  const entry = map.lookup(result + r.oldLength)
  if (entry !== null && (entry.vmFlags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED)
    yield* space.vm.populate(space, result + r.oldLength, result + r.newLength, 0, true)
  return result
}

function mremapLocked(r: Request): number | Err {
  const { space, old, oldLength, newLength, flags } = r
  const { map } = space
  const refused = checkArguments(r)
  if (refused !== 0) return refused
  if ((flags & MREMAP_FIXED) !== 0 && oldLength === newLength) return moveEach(r)

  const entry = map.lookup(old)
  if (entry === null) return EFAULT
  if ((entry.vmFlags & VM_SEALED) !== 0) return EPERM
  if (newLength <= oldLength && (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) === 0) {
    if (newLength === oldLength) return old
    const error = munmapLocked(space, old + newLength, oldLength - newLength)
    return error === 0 ? old : error
  }
  const cannot = checkSource(r, entry)
  if (cannot !== 0) return cannot
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return moveTo(r, entry)
  return growOrMove(r, entry)
}

function checkArguments({ space, old, oldLength, newLength, flags, target }: Request): 0 | Err {
  const taskSize = space.map.max
  if ((flags & ~7) !== 0 || !isPageAligned(old) || newLength === 0 || !(newLength <= taskSize)) return EINVAL
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) === 0) return 0
  if (target > taskSize - newLength || target < 0 || !isPageAligned(target)) return EINVAL
  if ((flags & MREMAP_MAYMOVE) === 0) return EINVAL
  if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLength !== newLength) return EINVAL
  const start = unsigned64(old)
  const end = (start + oldLength) % ADDRESS_END
  if (end > target && target + newLength > start) return EINVAL
  // In the worst case a move makes entries of what lies at both places.
  return space.map.entryCount + 2 >= space.maxMapCount - 3 ? ENOMEM : 0
}

/** The checks of growing and moving; a shrinking move looks only at what will be moved. */
function checkSource({ space, old, oldLength, newLength, flags }: Request, entry: VmMapEntry): 0 | Err {
  const special = (entry.vmFlags & (VM_DONTEXPAND | VM_PFNMAP)) !== 0
  const keepsOld = (flags & MREMAP_DONTUNMAP) !== 0
  if (oldLength === 0 && entry.isCow) return EINVAL
  if (keepsOld && special) return EINVAL
  const source = Math.min(oldLength, newLength)
  if (source > entry.end - old) return EFAULT
  if (oldLength === newLength && !keepsOld) return 0
  if (newLength !== oldLength) {
    if (entry.pgoffOf(old) + newLength / PAGE_SIZE > 2 ** 52) return EINVAL
    if (special) return EFAULT
  }
  const more = keepsOld ? newLength : Math.max(0, newLength - oldLength)
  const { limits } = space
  if ((entry.vmFlags & VM_LOCKED) !== 0 && !keepsOld && lockedBytes(space) + more > limits.memlock) return EAGAIN
  if (limits.as !== Infinity && space.map.size + more > limits.as) return ENOMEM
  return limits.data !== Infinity && isData(entry) && space.map.sizes.data + more > limits.data ? ENOMEM : 0
}

function growOrMove(r: Request, entry: VmMapEntry): number | Err {
  const { space, old, oldLength, newLength, flags } = r
  const { map } = space
  const end = old + newLength
  if (oldLength > 0 && entry.end === old + oldLength && end <= map.max && map.isFree(entry.end, end)) {
    if (!mayCharge(space, entry, newLength - oldLength)) return ENOMEM
    map.growBack(entry, end)
    map.mergeAround(entry, false, entry.file?.hearsOfEnds !== true)
    return old
  }
  if ((flags & MREMAP_MAYMOVE) === 0 || map.entryCount >= space.maxMapCount - 3) return ENOMEM
  const to = findSpace(space, 0, newLength, 0, entry.object === null, diskOffset(entry, old))
  return isErr(to) ? to : move(r, entry, old, Math.min(oldLength, newLength), to, newLength)
}

/** What `findSpace` wants to know of a file on a disk. */
function diskOffset({ file, offset, start }: VmMapEntry, old: number): number {
  return file?.alignsLarge === true ? offset * PAGE_SIZE + old - start : -1
}

/** MREMAP_FIXED with another length, or MREMAP_DONTUNMAP: the target is cleared, a shrunk tail unmapped, the rest moved. */
function moveTo(r: Request, entry: VmMapEntry): number | Err {
  const { space, old, oldLength, newLength, flags, target } = r
  let to: number | Err = target
  if ((flags & MREMAP_FIXED) !== 0) {
    const error = munmapLocked(space, target, newLength)
    if (error !== 0) return error
    if (space.map.lookup(old) === null) return EFAULT
  } else to = findSpace(space, target, newLength, 0, entry.object === null, diskOffset(entry, old))
  if (isErr(to)) return to
  r.newsBefore = space.map.news.length
  if (newLength < oldLength) {
    const error = munmapLocked(space, old + newLength, oldLength - newLength)
    if (error !== 0) return error
  }
  if (to < space.lowest) return EPERM
  return move(r, space.map.lookup(old)!, old, Math.min(oldLength, newLength), to, newLength)
}

/** Of several entries none may be listened to, nor need to hear of its end. */
function movesAlone({ listener, file }: VmMapEntry): boolean {
  return listener !== null || file?.hearsOfEnds === true
}

/** MREMAP_FIXED of the same length: entry by entry, with their distances; what failed stops it, earlier ones have moved. */
function moveEach(r: Request): number | Err {
  const { space, old, oldLength, target } = r
  if (space.map.lookup(old) === null) return EFAULT
  const end = old + oldLength
  for (let at = old; at < end;) {
    const entry = space.map.firstEndingAbove(at)
    if (entry === null || entry.start >= end) break
    const s = Math.max(at, entry.start)
    const e = Math.min(end, entry.end)
    if (movesAlone(entry) && (at > old || e < end)) return EFAULT
    if ((entry.vmFlags & VM_SEALED) !== 0) return EPERM
    const cannot = checkSource({ ...r, old: s, oldLength: e - s, newLength: e - s }, entry)
    if (cannot !== 0) return cannot
    const to = target + (s - old)
    const error = munmapLocked(space, to, e - s)
    if (error !== 0) return error
    if (to < space.lowest) return EPERM
    r.newsBefore = space.map.news.length
    const moved = move(r, space.map.lookup(s)!, s, e - s, to, e - s)
    if (isErr(moved)) return moved
    at = e
  }
  return target
}

function mayCharge(space: VmSpace, { vmFlags }: VmMapEntry, bytes: number): boolean {
  return (vmFlags & VM_ACCOUNT) === 0 || bytes === 0 || mayCommit(space, bytes)
}

/**
 * Maps at `to`, `newLength` long, what `[s, s + bytes)` of the entry shows, with its pages; removes the source unless it
 * is kept, or was only duplicated (`bytes` 0).
 */
function move(r: Request, entry: VmMapEntry, s: number, bytes: number, to: number, newLength: number): number | Err {
  const { map } = r.space
  const isKept = (r.flags & MREMAP_DONTUNMAP) !== 0
  if (!mayCharge(r.space, entry, isKept ? newLength : newLength - bytes)) return ENOMEM
  const isUntouched = entry.object === null && entry.anonGroup === null
  entry.object?.pager.reference(entry.object)
  entry.file?.reference()
  const fresh = map.link(to, to + newLength, {
    object: entry.object,
    offset: entry.object === null ? 0 : entry.pgoffOf(s),
    file: entry.file,
    isCow: entry.isCow,
    needsCopy: entry.isCow,
    protection: entry.protection,
    maxProtection: entry.maxProtection,
    inheritance: entry.inheritance,
    advice: entry.advice,
    vmFlags: entry.vmFlags & ~VM_UFFD,
    policy: entry.policy,
    noMerge: entry.noMerge,
    anonPgoff: isUntouched ? to / PAGE_SIZE : entry.anonPgoff + (s - entry.start) / PAGE_SIZE,
  })
  fresh.anonGroup = entry.anonGroup
  fresh.isForkChild = entry.isForkChild
  if (bytes > 0) {
    const error = pmapMove(map.pmap, s, to, bytes)
    if (error !== 0) {
      pmapMove(map.pmap, to, s, bytes)
      map.removeRange(to, to + newLength)
      return error
    }
    pmapUpdate(map.pmap)
    if (entry.amap !== null && entry.amap.used > 0) {
      const from = map.ownAmap(entry)
      amapMoveRange(map.vm.chunks, from, entry.slotOf(s), bytes / PAGE_SIZE, map.ownAmap(fresh), fresh.amapSlot)
    }
    if (entry.listener !== null) goAlong(r, entry, fresh, s, bytes)
    if (!isKept) {
      tellUnmapped(map.firstEndingAbove(s), s, s + bytes)
      map.removeRange(s, s + bytes)
    }
  }
  const merged = map.mergeAround(fresh, true, true)
  if (isKept) {
    // The whole entry that shows the old place loses its lock, the moved part too where both have become one.
    const old = map.lookup(s)!
    map.alter(old, (e) => (e.vmFlags &= ~(VM_LOCKED | VM_LOCKONFAULT)))
    if (merged !== old && old.start === s && old.end === s + bytes) old.anonGroup = null
  }
  return to
}

/** Who listens to the old place listens to the new one too, if it wants to hear of moves. */
function goAlong(r: Request, entry: VmMapEntry, fresh: VmMapEntry, s: number, bytes: number): void {
  const { news } = r.space.map
  const count = news.length
  if (entry.listener!.moved(s, fresh.start, bytes)) {
    fresh.listener = entry.listener
    fresh.vmFlags |= entry.vmFlags & VM_UFFD
  }
  if (news.length > count) news.splice(r.newsBefore, 0, news.pop()!)
}

import { isErr, PAGE_SIZE, roundPage, type Sleep } from '../../base/index.ts'
import { tellUnmapped } from './faultListener.ts'
import { findSpace, gappedStart, MAP_FIXED } from './findSpace.ts'
import { mayCommit } from './commit.ts'
import { MAP_PRIVATE, mappedBytes, checkLimits } from './mmap.ts'
import { lockedBytes } from './growDown.ts'
import { VM_ACCOUNT, VM_INHERIT_COPY, VM_LOCKED, VM_LOCKONFAULT } from './entry.ts'
import { locked } from './locked.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * brk(2): moves the program break. Never fails with an error; answers the resulting break, exact to the byte.
 *
 * @manual brk(2), Linux
 */
export function* brkRegion(space: VmSpace, wanted: number): Sleep<number> {
  const oldEnd = roundPage(space.brk)
  const moved = yield* locked(space.map, () => brkLocked(space, wanted))
  if (moved) space.brk = wanted
  const isLocked = (space.futureFlags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED
  if (moved && isLocked && roundPage(wanted) > oldEnd)
    yield* space.vm.populate(space, oldEnd, roundPage(wanted), 0, true)
  return space.brk
}

/** Makes the heap end where `wanted` says; false if it is refused. */
function brkLocked(space: VmSpace, wanted: number): boolean {
  const { map, limits } = space
  if (wanted < space.startBrk || wanted > map.max) return false
  if (wanted - space.startBrk + (space.endData - space.startData) > limits.data) return false
  const oldEnd = roundPage(space.brk)
  const newEnd = roundPage(wanted)
  if (oldEnd === newEnd) return true
  if (newEnd < oldEnd) {
    if (mappedBytes(space, newEnd, oldEnd) === 0) return false
    tellUnmapped(map.firstEndingAbove(newEnd), newEnd, oldEnd)
    map.removeRange(newEnd, oldEnd)
    return true
  }
  const next = map.firstEndingAbove(oldEnd)
  if (next !== null && newEnd + PAGE_SIZE > gappedStart(next)) return false
  const length = newEnd - oldEnd
  const vmFlags = VM_ACCOUNT | space.futureFlags
  if (isErr(findSpace(space, oldEnd, length, MAP_FIXED | MAP_PRIVATE, false))) return false
  if (space.futureFlags !== 0 && lockedBytes(space) + length > limits.memlock) return false
  if (checkLimits(space, oldEnd, length, { protection: 3, vmFlags }) !== 0) return false
  if (map.entryCount > space.maxMapCount || !mayCommit(space, length)) return false
  const entry = map.link(oldEnd, newEnd, {
    object: null,
    offset: 0,
    file: null,
    isCow: true,
    needsCopy: true,
    protection: 3,
    maxProtection: 7,
    inheritance: VM_INHERIT_COPY,
    advice: 0,
    vmFlags,
    noMerge: false,
    anonPgoff: oldEnd / PAGE_SIZE,
  })
  // Only with memory that reaches above the heap's start: what ends exactly there stays separate.
  map.mergeAround(entry, entry.prev !== null && entry.prev.end > space.startBrk, false)
  return true
}

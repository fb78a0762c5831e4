import { EINVAL, ENOMEM, EPERM, type Err, isErr, isPageAligned, roundPage, type Sleep } from '../../base/index.ts'
import { VM_SEALED, type VmMapEntry } from './entry.ts'
import { tellUnmapped } from './faultListener.ts'
import { locked } from './locked.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * munmap(2): removes every mapping of whole pages in the range; holes are fine.
 *
 * @errors EINVAL unaligned, empty or outside; EPERM a sealed entry (nothing is unmapped); ENOMEM a split at the limit
 * @manual munmap(2), Linux
 */
export function* munmapRegion(space: VmSpace, addr: number, length: number): Sleep<0 | Err> {
  return yield* locked(space.map, () => munmapLocked(space, addr, length))
}

/** @param isTold  those who listen to the range hear of it */
export function munmapLocked(space: VmSpace, addr: number, bytes: number, isTold = true): 0 | Err {
  const { map } = space
  if (!isPageAligned(addr) || addr < 0 || addr > map.max || bytes > map.max - addr) return EINVAL
  const length = roundPage(bytes)
  if (length === 0) return EINVAL
  const end = addr + length
  const first = cutOut(space, addr, end)
  if (isErr(first)) return first
  if (first === null) return 0
  if (isTold) tellUnmapped(first, addr, end)
  map.removeFrom(first, end)
  return 0
}

/**
 * Readies a range for its removal: splits what reaches out of it, so that whole entries can go. Whoever goes no further
 * leaves the pieces as they are, as the kernel does.
 *
 * @returns the first entry of the range; null: nothing is there
 * @errors ENOMEM one entry would become two more at the limit; EPERM something sealed, pieces before it are split
 * @locks  map write-locked
 */
export function cutOut(space: VmSpace, start: number, end: number): VmMapEntry | null | Err {
  const { map } = space
  let first = map.firstEndingAbove(start)
  if (first === null || first.start >= end) return null
  if (first.start < start) {
    if (first.end > end && map.entryCount >= space.maxMapCount) return ENOMEM
    if ((first.vmFlags & VM_SEALED) !== 0) return EPERM
    first = map.split(first, start)
  }
  for (let e: VmMapEntry | null = first; e !== null && e.start < end; e = e.next) {
    if ((e.vmFlags & VM_SEALED) !== 0) return EPERM
    map.clipEnd(e, end)
  }
  return first
}

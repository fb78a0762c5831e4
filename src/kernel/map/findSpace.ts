import { EEXIST, EINVAL, ENOMEM, EPERM, type Err, isPageAligned, MiB, PAGE_SIZE, truncPage } from '../../base/index.ts'
import { VM_GROWSDOWN, type VmMapEntry } from './entry.ts'
import { STACK_GUARD_PAGES } from './growDown.ts'
import type { VmMap } from './vmMap.ts'
import type { VmSpace } from './vmSpace.ts'

export const MAP_FIXED = 0x10
export const MAP_FIXED_NOREPLACE = 0x100000
/** What a hint is raised to. */
const HINT_MIN = 65536
const HUGE = 2 * MiB

/** Where an entry begins for whoever wants to come close from below: a stack keeps its guard gap. */
export function gappedStart(entry: VmMapEntry): number {
  return (entry.vmFlags & VM_GROWSDOWN) === 0 ? entry.start : Math.max(0, entry.start - STACK_GUARD_PAGES * PAGE_SIZE)
}

/**
 * Linux's get_unmapped_area (specification 1.3).
 *
 * @param length    bytes, a multiple of the page size
 * @param isAnonPrivate  private anonymous memory of whole 2 MiB is aligned to 2 MiB when there is no hint
 * @param fileOffset     bytes, of a disk's file: a 2 MiB block of it that is mapped whole is aligned to 2 MiB; or -1
 * @returns the address, or ENOMEM, EINVAL, EPERM, EEXIST
 */
export function findSpace(
  space: VmSpace,
  addr: number,
  length: number,
  flags: number,
  isAnonPrivate: boolean,
  fileOffset = -1,
): number | Err {
  const { map } = space
  if (length > map.max) return ENOMEM
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (addr < 0 || addr > map.max - length) return ENOMEM
    if (!isPageAligned(addr)) return EINVAL
    if (addr < Math.max(space.lowest, map.min)) return EPERM
    if ((flags & MAP_FIXED_NOREPLACE) !== 0 && !map.isFree(addr, addr + length)) return EEXIST
    return addr
  }
  const hint = addr >= 0 && addr <= map.max ? truncPage(addr) : 0
  const wanted = hint === 0 ? 0 : Math.max(hint, HINT_MIN)
  if (fileOffset >= 0 && holdsBlock(fileOffset, length)) {
    if (wanted !== 0 && isFreeAt(map, wanted, length + HUGE)) return wanted
    const padded = search(space, map, length + HUGE)
    if (padded >= 0) return congruent(padded, fileOffset)
  }
  if (wanted !== 0 && isFreeAt(map, wanted, length)) return wanted
  if (hint === 0 && isAnonPrivate && length % HUGE === 0) {
    const padded = search(space, map, length + HUGE)
    if (padded >= 0) return congruent(padded, 0)
  }
  const at = search(space, map, length)
  return at >= 0 ? at : ENOMEM
}

function isFreeAt(map: VmMap, at: number, length: number): boolean {
  if (at + length > map.max) return false
  const next = map.firstEndingAbove(at)
  return next === null || at + length <= gappedStart(next)
}
function holdsBlock(offset: number, length: number): boolean {
  return offset + length - Math.ceil(offset / HUGE) * HUGE >= HUGE
}
/** The first address above `at`, which has room for a block more, that is `offset` modulo the block. */
function congruent(at: number, offset: number): number {
  const more = (offset - at) % HUGE
  return at + (more > 0 ? more : more + HUGE)
}

/** Top-down, first fit from the top; then one search from the bottom. -1 if nothing fits. */
function search(space: VmSpace, map: VmMap, length: number): number {
  const low = Math.max(map.min, PAGE_SIZE)
  let high = space.mmapBase
  for (;;) {
    const end = map.tree.highestHole(length, low, high)
    if (end < 0) break
    const next = map.tree.holeNext
    if (next === null || gappedStart(next) >= end) return end - length
    // The hole lies under a stack: the whole guard gap is skipped.
    high = gappedStart(next)
  }
  const bottom = Math.ceil(map.max / 3 / PAGE_SIZE) * PAGE_SIZE
  const start = map.tree.lowestHole(length, bottom, map.max)
  return start >= 0 ? start : -1
}

import { PAGE_SIZE, truncPage } from '../../base/index.ts'
import { prepareAnonGroup } from './anonGroup.ts'
import { VM_GROWSDOWN, VM_LOCKED, type VmMapEntry } from './entry.ts'
import type { VmSpace } from './vmSpace.ts'

/** What is mapped lower has been asked for by address: no stack comes there. */
const STACK_MIN_ADDR = 65536
/** Pages kept free between a growing stack and an accessible mapping below it. */
export const STACK_GUARD_PAGES = 256

/**
 * An access below a grows-down entry extends it to the page touched, any distance in one step (Linux specification 1.3).
 *
 * @returns the entry, now containing `va`, or null if no entry may grow that far
 */
export function growDown(space: VmSpace, va: number): VmMapEntry | null {
  const { map } = space
  const entry = map.firstEndingAbove(va)
  if (entry === null || (entry.vmFlags & VM_GROWSDOWN) === 0 || entry.start <= va) return null
  const start = truncPage(va)
  const below = entry.prev
  if (start < STACK_MIN_ADDR || start < map.min) return null
  if (
    below !== null &&
    below.protection !== 0 &&
    (below.vmFlags & VM_GROWSDOWN) === 0 &&
    start - below.end < STACK_GUARD_PAGES * PAGE_SIZE
  )
    return null
  prepareAnonGroup(entry)
  const growth = entry.start - start
  if (entry.end - start > space.limits.stack || map.size + growth > space.limits.as) return null
  if ((entry.vmFlags & VM_LOCKED) !== 0 && lockedBytes(space) + growth > space.limits.memlock) return null
  map.growFront(entry, start)
  return entry
}

export function lockedBytes(space: VmSpace): number {
  return space.map.sizes.locked
}

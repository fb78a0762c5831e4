import { roundPage, type Sleep, truncPage } from '../../base/index.ts'
import { assertPages } from './assertPages.ts'
import { locked } from './locked.ts'
import { UVM_FLAG_VAONLY } from './uvmFlags.ts'
import type { VmMap } from './vmMap.ts'

/**
 * Removes every mapping in `[start, end)`. All translations are gone before any reference is dropped, and references are
 * dropped with the map unlocked. Holes are fine; the range is clamped to the map.
 *
 * @param start  bytes, page aligned, as is `end`
 * @param flags  UVM_FLAG_VAONLY: no page is mapped or owned in the range any more; else 0
 * @locks  map write-locked; sleeps for it
 * @manual uvm_unmap, uvm_map(9), NetBSD
 */
export function* uvmUnmap(map: VmMap, start: number, end: number, flags = 0): Sleep<void> {
  assertPages(start, end)
  const hasPages = (flags & UVM_FLAG_VAONLY) === 0
  const dead = yield* locked(map, () => map.unlinkRange(Math.max(start, map.min), Math.min(end, map.max), hasPages))
  for (const entry of dead) map.detach(entry)
}

/**
 * The same for every page that `[start, start + size)` touches. Size 0 does nothing.
 *
 * @returns 0
 * @manual uvm_deallocate, uvm_map(9), NetBSD
 */
export function* uvmDeallocate(map: VmMap, start: number, size: number): Sleep<0> {
  if (size > 0) yield* uvmUnmap(map, truncPage(start), roundPage(start + size))
  return 0
}

import { ENOENT, type Err, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { amapLookup } from '../anon/index.ts'
import { locked, VM_UFFD_WP, type VmMapEntry } from '../map/index.ts'
import { pmapLookup, pmapUpdate } from '../pmap/index.ts'
import { UFFD_FEATURE_WP_UNPOPULATED } from './constants.ts'
import type { UserFaults } from './userFaults.ts'

/**
 * Stores to the pages of `[start, end)` are told of from now on, or no longer. Of memory without a file only pages that
 * are there are protected, unless the feature says otherwise.
 *
 * @errors ENOENT a part that is not registered for it; earlier parts are done
 * @manual ioctl_userfaultfd(2), UFFDIO_WRITEPROTECT
 */
export function* protectRange(listener: UserFaults, start: number, end: number, isOn: boolean): Sleep<0 | Err> {
  return yield* locked(listener.space.map, () => protect(listener, start, end, isOn))
}
function protect(listener: UserFaults, start: number, end: number, isOn: boolean): 0 | Err {
  const { space } = listener
  let result: 0 | Err = ENOENT
  for (let e = space.map.firstEndingAbove(start); e !== null && e.start < end; e = e.next) {
    if (e.listener !== listener || (e.vmFlags & VM_UFFD_WP) === 0) {
      result = ENOENT
      break
    }
    const last = Math.min(end, e.end)
    for (let va = Math.max(start, e.start); va < last; va += PAGE_SIZE)
      if (!isOn || isPopulated(listener, e, va)) listener.setProtected(va, isOn)
    result = 0
  }
  pmapUpdate(space.pmap)
  return result
}
function isPopulated({ space, features }: UserFaults, entry: VmMapEntry, va: number): boolean {
  if (entry.object !== null || (features & UFFD_FEATURE_WP_UNPOPULATED) !== 0) return true
  if (pmapLookup(space.pmap, va)) return true
  return entry.amap !== null && amapLookup(space.vm.anons, space.vm.chunks, entry.amap, entry.slotOf(va)) !== 0
}

import { EACCES, EFAULT, type Err, isErr, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { type Vm, type VmMapEntry, type VmSpace } from '../map/index.ts'
import { pmapLookup } from '../pmap/index.ts'
import { EXECUTE, READ, uvmFault, WRITE } from './uvmFault.ts'
import { uvmMapPageable } from './wire.ts'

/**
 * Faults in every page of `[start, end)` that is mapped, in order.
 *
 * @param access        1 read, 2 write; 0: a write where memory is private and writable, else what is allowed
 * @param ignoreErrors  an entry whose page cannot be had is left, and the next one is begun
 * @errors EACCES not allowed; EFAULT a hole that opened meanwhile; what the fault says
 * @locks  none held between pages; sleeps
 */
export function* populateRange(
  space: VmSpace,
  start: number,
  end: number,
  access: number,
  ignoreErrors = false,
): Sleep<0 | Err> {
  for (let at = start; at < end;) {
    const entry = space.map.firstEndingAbove(at)
    if (entry === null || entry.start >= end) return 0
    const stop = Math.min(entry.end, end)
    const error = yield* populateEntry(space, entry, Math.max(at, entry.start), stop, access)
    if (isErr(error) && !ignoreErrors) return error
    at = stop
  }
  return 0
}

function* populateEntry(space: VmSpace, entry: VmMapEntry, start: number, end: number, asked: number): Sleep<0 | Err> {
  const { protection } = entry
  const access =
    asked !== 0 ? asked : (protection & WRITE) !== 0 && entry.isCow ? WRITE : (protection & READ) !== 0 ? READ : EXECUTE
  if ((access & protection) === 0) return EACCES
  const { pmaps } = space.vm
  for (let va = start; va < end; va += PAGE_SIZE) {
    if (pmapLookup(space.pmap, va) && (access !== WRITE || (pmaps.prot & WRITE) !== 0)) continue
    if (space.map.lookup(va) === null) return EFAULT
    const error = yield* uvmFault(space, va, access)
    if (isErr(error)) return error
  }
  return 0
}

/** Binds the upcalls through which the map room has pages faulted in and wired. */
export function bindFault(vm: Vm): void {
  vm.populate = populateRange
  vm.wire = (map, start, end) => uvmMapPageable(map, start, end, false, 0)
}

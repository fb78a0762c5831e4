import { EACCES, EFAULT, type Err, isErr, PAGE_SIZE, type Pfn, type Sleep } from '../../base/index.ts'
import { F_DIRTY } from '../../machine/index.ts'
import { type Vm, type VmMapEntry, type VmSpace } from '../map/index.ts'
import { ATTR_TOUCHED, pmapLookup } from '../pmap/index.ts'
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
  if (protection === 0 || (asked & ~protection) !== 0) return EACCES
  const isCopied = (protection & WRITE) !== 0 && entry.isCow
  // What may be written may be read.
  const access = asked !== 0 ? asked : isCopied ? WRITE : (protection & (READ | WRITE)) !== 0 ? READ : EXECUTE
  const { pmaps } = space.vm
  for (let va = start; va < end; va += PAGE_SIZE) {
    if (pmapLookup(space.pmap, va) && (pmaps.prot & access) !== 0) {
      if (access === WRITE && (pmaps.flags & F_DIRTY) === 0) markDirty(space, va, pmaps.pfn as Pfn)
      continue
    }
    if (space.map.lookup(va) === null) return EFAULT
    const error = yield* uvmFault(space, va, access)
    if (isErr(error)) return error
  }
  return 0
}

/** Faulting in for a store dirties what could be written already: the page, not its translation. */
function markDirty(space: VmSpace, va: number, pfn: Pfn): void {
  const { frames } = space.vm.phys
  const entry = space.map.lookup(va)!
  const f = frames.indexOf(pfn)
  if (f < 0) return
  if (!entry.isCow && entry.object !== null) entry.object.pager.pageDirtied(entry.object, entry.pgoffOf(va), pfn)
  else frames.attrs[f]! |= ATTR_TOUCHED
}

/** Binds the upcalls through which the map room has pages faulted in and wired. */
export function bindFault(vm: Vm): void {
  vm.populate = populateRange
  vm.wire = (map, start, end) => uvmMapPageable(map, start, end, false, 0)
}

import { EFAULT, EINVAL, ENOMEM, type Err, isErr, kassert, PAGE_SIZE, type Pfn, type Sleep } from '../../base/index.ts'
import {
  amapCopy,
  assertPages,
  MCL_CURRENT,
  MCL_FUTURE,
  pageOf,
  unwirePages,
  uvmPageunwire,
  type VmMap,
  type VmMapEntry,
} from '../map/index.ts'
import { pmapLookup, pmapUnwire } from '../pmap/index.ts'
import { FAULT_MAXPROT, FAULT_WIRE, faultMap } from './uvmFault.ts'

/** The caller holds the write lock already. */
export const UVM_LK_ENTER = 1
/** The write lock is held on return, on every path. */
export const UVM_LK_EXIT = 2

/**
 * Faults in every page of `[start, end)` and wires it; after an error none is wired by this call.
 *
 * @param access      0: whatever the entries' maximum protection allows; else VM_PROT_…, as for a transient wiring of a buffer
 * @locks  the map must not be write-locked; sleeps
 * @manual uvm_fault_wire, uvm(9), NetBSD
 */
export function* uvmFaultWire(map: VmMap, start: number, end: number, access: number): Sleep<0 | Err> {
  const how = access === 0 ? FAULT_WIRE | FAULT_MAXPROT : FAULT_WIRE
  for (let va = start; va < end; va += PAGE_SIZE) {
    const error = yield* faultMap(map, va, access, how)
    if (isErr(error)) {
      // uvmMapPageable has counted this very wiring in the entry already.
      uvmFaultUnwire(map, start, va, access === 0 ? 1 : 0)
      return error
    }
  }
  return 0
}

/**
 * Takes one wiring from every page of the range.
 *
 * @param own  how many of the entry's wirings are the caller's: with no other one the translations may be forgotten again
 * @manual uvm_fault_unwire, uvm(9), NetBSD
 */
export function uvmFaultUnwire(map: VmMap, start: number, end: number, own = 0): void {
  for (let va = start; va < end; va += PAGE_SIZE) {
    const entry = map.lookup(va)
    const pfn = entry === null ? -1 : pageOf(entry, va)
    if (entry === null || pfn < 0) continue
    if (entry.wiredCount <= own && pmapLookup(map.pmap, va)) pmapUnwire(map.pmap, va)
    uvmPageunwire(map.vm, pfn as Pfn)
  }
}

/**
 * Wires `[start, end)`, or makes it pageable again. One unwiring undoes any number of wirings. A wiring that fails
 * leaves every count as it was.
 *
 * @param newPageable  true: unwire
 * @param lockflags    UVM_LK_…
 * @errors EFAULT `start` is not mapped; EINVAL a hole, an entry without access, or unwiring what is not wired; or the fault's
 * @locks  the map write lock while counts change, the map busy while pages are faulted in; sleeps
 * @manual uvm_map_pageable, uvm_map(9), NetBSD
 */
export function* uvmMapPageable(
  map: VmMap,
  start: number,
  end: number,
  newPageable: boolean,
  lockflags: number,
): Sleep<0 | Err> {
  assertPages(start, end)
  kassert(map.isPageable, 'only a pageable map has its pages wired and unwired')
  const owner = (lockflags & UVM_LK_ENTER) !== 0 ? map.lock.writer : {}
  kassert(owner !== null, 'UVM_LK_ENTER means that the caller holds the write lock')
  if ((lockflags & UVM_LK_ENTER) === 0) yield* map.lock.write(owner!)
  const result = yield* pageable(map, Math.max(start, map.min), Math.min(end, map.max), newPageable, owner!)
  if ((lockflags & UVM_LK_EXIT) === 0) map.lock.unlockWrite()
  return result
}

function* pageable(map: VmMap, start: number, end: number, newPageable: boolean, owner: object): Sleep<0 | Err> {
  if (start >= end) return 0
  const first = map.lookup(start)
  if (first === null) return EFAULT
  if (!newPageable) return yield* wire(map, first, start, end, false, owner)
  const entry = map.clipStart(first, start)
  for (let e = entry; ; e = e.next!) {
    if (e.wiredCount === 0) return EINVAL
    if (e.end >= end) break
    if (e.next === null || e.next.start > e.end) return EINVAL
  }
  for (let e: VmMapEntry | null = entry; e !== null && e.start < end; e = e.next) {
    map.clipEnd(e, end)
    unwire(e)
  }
  return 0
}

function unwire(entry: VmMapEntry): void {
  entry.wiredCount = 0
  unwirePages(entry, entry.start, entry.end)
}

/**
 * Wires the entries of a range, write-locked on entry and on return.
 *
 * @param passesOver  leave entries without access and holes alone (lock-all)
 */
function* wire(
  map: VmMap,
  first: VmMapEntry,
  start: number,
  end: number,
  passesOver: boolean,
  owner: object,
): Sleep<0 | Err> {
  const entries: VmMapEntry[] = []
  const undo = (error: Err): Err => {
    for (const e of entries) e.wiredCount--
    return error
  }
  for (let e: VmMapEntry | null = first; e !== null && e.start < end; e = e.next) {
    if (passesOver && e.protection === 0) continue
    if (e.wiredCount === 0 && e.needsCopy && ((e.maxProtection & 2) !== 0 || e.object === null)) {
      e = amapCopy(map, e, Math.max(start, e.start), Math.min(end, e.end))
    }
    e = map.clipStart(e, start)
    map.clipEnd(e, end)
    e.wiredCount++
    entries.push(e)
    if (passesOver) continue
    const isHole = e.end < end && (e.next === null || e.next.start > e.end)
    if (e.protection === 0 || isHole) return undo(EINVAL)
  }

  map.lock.setBusy(owner)
  map.lock.unlockWrite()
  let failed = -1
  let error: 0 | Err = 0
  for (let i = 0; i < entries.length && error === 0; i++) {
    const e = entries[i]!
    if (e.wiredCount !== 1) continue
    error = yield* uvmFaultWire(map, e.start, e.end, 0)
    if (error !== 0) failed = i
  }
  yield* map.lock.write(owner)
  map.lock.clearBusy()
  if (error === 0) return 0
  for (let i = 0; i < entries.length; i++) {
    const e = entries[i]!
    if (i < failed && e.wiredCount === 1) unwire(e)
    else e.wiredCount--
  }
  return error
}

/**
 * Locks or unlocks all of a map: MCL_CURRENT what is mapped and accessible, MCL_FUTURE what will be, 0 nothing any more.
 *
 * @param limit  bytes that may be wired, 0 for no limit
 * @errors ENOMEM above the limit or the system's; or the fault's
 * @manual uvm_map_pageable_all, uvm_map(9), NetBSD
 */
export function* uvmMapPageableAll(map: VmMap, flags: number, limit: number): Sleep<0 | Err> {
  const { vm } = map
  const owner = {}
  yield* map.lock.write(owner)
  let result: 0 | Err = 0
  if (flags === 0) {
    for (const e of map.entries()) if (e.wiredCount > 0) unwire(e)
    map.wireFuture = false
  } else {
    if ((flags & MCL_FUTURE) !== 0) map.wireFuture = true
    if ((flags & MCL_CURRENT) !== 0) {
      let bytes = 0
      for (const e of map.entries()) if (e.wiredCount === 0 && e.protection !== 0) bytes += e.end - e.start
      const isTooMuch = bytes / PAGE_SIZE + vm.wiredPages > vm.wiredMax
      const isAboveLimit = limit !== 0 && bytes + map.pmap.wiredCount * PAGE_SIZE > limit
      if (isTooMuch || isAboveLimit) result = ENOMEM
      else if (map.tree.first !== null) result = yield* wire(map, map.tree.first, map.min, map.max, true, owner)
    }
  }
  map.lock.unlockWrite()
  return result
}

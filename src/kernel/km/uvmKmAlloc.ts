import { isErr, kassert, PAGE_SIZE, type Pfn, roundPage, type Sleep, sleepUntil, WouldSleep } from '../../base/index.ts'
import {
  UVM_ADV_RANDOM,
  UVM_INH_NONE,
  UVM_PROT_ALL,
  UVM_PROT_RW,
  UVM_UNKNOWN_OFFSET,
  uvmMap,
  uvmMapflag,
  type VmMap,
} from '../map/index.ts'
import { allocPages, allocPagesTry, GFP_KERNEL } from '../phys/index.ts'
import { pmapKenterPa, pmapUpdate, pmapZeroPage } from '../pmap/index.ts'
import {
  isKmType,
  UVM_KMF_CANFAIL,
  UVM_KMF_EXEC,
  UVM_KMF_MAPFLAGS,
  UVM_KMF_NOWAIT,
  UVM_KMF_PAGEABLE,
  UVM_KMF_TYPEMASK,
  UVM_KMF_WIRED,
  UVM_KMF_ZERO,
} from './flags.ts'
import { uvmKmFree } from './uvmKmFree.ts'

/** Between two looks for memory that must be had, nanoseconds. */
const PAUSE = 10e6

/**
 * Kernel memory: addresses in a kernel map and, if WIRED, frames behind them.
 *
 * @param size   bytes, rounded up to pages
 * @param align  bytes, a power of two, or 0; with COLORMATCH a page colour
 * @param flags  UVM_KMF_…: one type, and what else is wanted
 * @returns the address (below 0), or 0: no address, or with NOWAIT or CANFAIL no memory; then nothing has changed
 * @locks  the map write-locked for a moment; sleeps for it, for addresses with WAITVA, and for memory without NOWAIT
 * @manual uvm_km_alloc, uvm_km(9), NetBSD
 */
export function* uvmKmAlloc(map: VmMap, size: number, align: number, flags: number): Sleep<number> {
  const { vm } = map
  const type = flags & UVM_KMF_TYPEMASK
  kassert(map.pmap.isKernel, 'kernel memory is in a kernel map')
  kassert(isKmType(type), 'kernel memory has one type', `flags ${flags.toString(16)}`)
  kassert((flags & UVM_KMF_ZERO) === 0 || type === UVM_KMF_WIRED, 'only wired kernel memory is made zero')
  const bytes = roundPage(size)
  const prot = (flags & UVM_KMF_EXEC) !== 0 ? UVM_PROT_ALL : UVM_PROT_RW
  const object = type === UVM_KMF_PAGEABLE ? vm.kernelObject : null
  const how = uvmMapflag(prot, UVM_PROT_ALL, UVM_INH_NONE, UVM_ADV_RANDOM, flags & UVM_KMF_MAPFLAGS)
  const va = yield* uvmMap(map, map.min, bytes, object, UVM_UNKNOWN_OFFSET, align, how)
  if (isErr(va)) return 0
  if (type !== UVM_KMF_WIRED) return va

  for (let at = va; at < va + bytes; at += PAGE_SIZE) {
    const page = yield* frame(map, flags)
    if (page < 0) {
      yield* uvmKmFree(map, va, bytes, UVM_KMF_WIRED)
      return 0
    }
    if ((flags & UVM_KMF_ZERO) !== 0) pmapZeroPage(vm.pmaps, page)
    pmapKenterPa(vm.pmaps, at, page, prot)
  }
  pmapUpdate(map.pmap)
  return va
}

/** One frame without an owner, or -1. */
function* frame(map: VmMap, flags: number): Sleep<Pfn | -1> {
  const { phys, machine } = map.vm
  for (;;) {
    const atOnce = allocPagesTry(phys, GFP_KERNEL, 0)
    if (atOnce !== WouldSleep && !isErr(atOnce)) return atOnce
    if ((flags & UVM_KMF_NOWAIT) !== 0) return -1
    const page = yield* allocPages(phys, GFP_KERNEL, 0)
    if (!isErr(page)) return page
    // The allocator has reclaimed what there was.
    if ((flags & UVM_KMF_CANFAIL) !== 0) return -1
    yield* sleepUntil(machine.clock.now + PAUSE)
  }
}

import { kassert, PAGE_SIZE, type Pfn, roundPage, type Sleep } from '../../base/index.ts'
import { UVM_FLAG_VAONLY, uvmUnmap, type VmMap } from '../map/index.ts'
import { PGO_FREE } from '../object/index.ts'
import { putPage } from '../phys/index.ts'
import { pmapKremove, pmapLookup, pmapRemove, pmapUpdate } from '../pmap/index.ts'
import { isKmType, UVM_KMF_PAGEABLE, UVM_KMF_WIRED } from './flags.ts'

/**
 * Gives kernel memory back: pages of WIRED memory, pages and swap of PAGEABLE memory, and the addresses.
 *
 * @param addr  what uvmKmAlloc answered, or a page inside
 * @param size  bytes, rounded up to pages
 * @param type  the type that it was allocated with: no entry remembers it
 * @locks  the map write-locked for a moment; sleeps for it
 * @manual uvm_km_free, uvm_km(9), NetBSD
 */
export function* uvmKmFree(map: VmMap, addr: number, size: number, type: number): Sleep<void> {
  kassert(isKmType(type), 'kernel memory is freed as the type it has', `type ${type}`)
  const { vm } = map
  const end = addr + roundPage(size)
  if (type === UVM_KMF_PAGEABLE) {
    const object = vm.kernelObject!
    const first = (addr - vm.kernelMap!.min) / PAGE_SIZE
    pmapRemove(map.pmap, addr, end)
    pmapUpdate(map.pmap)
    yield* object.pager.put!(object, first, first + (end - addr) / PAGE_SIZE, PGO_FREE)
  } else if (type === UVM_KMF_WIRED) freeFrames(map, addr, end)
  else checkBare(map, addr, end)
  yield* uvmUnmap(map, addr, end, UVM_FLAG_VAONLY)
}

/** Frames go back only when no TLB translates to them any more. */
function freeFrames(map: VmMap, start: number, end: number): void {
  const { pmaps, phys } = map.vm
  const pages: Pfn[] = []
  for (let va = start; va < end; va += PAGE_SIZE) if (pmapLookup(map.pmap, va)) pages.push(pmaps.pfn as Pfn)
  pmapKremove(pmaps, start, end - start)
  pmapUpdate(map.pmap)
  for (const page of pages) putPage(phys, page)
}

function checkBare(map: VmMap, start: number, end: number): void {
  for (let va = start; va < end; va += PAGE_SIZE)
    kassert(!pmapLookup(map.pmap, va), 'nothing is mapped in VAONLY memory that is given back', va.toString(16))
}

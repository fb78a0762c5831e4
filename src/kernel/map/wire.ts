// Wiring: pages that stay resident. A page counts its wirings; the system counts wired pages.

import { kassert, PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { amapLookup, anonDropSwap, anonPage } from '../anon/index.ts'
import { PG_anon } from '../phys/index.ts'
import { pmapLookup, pmapUnwire } from '../pmap/index.ts'
import type { VmMapEntry } from './entry.ts'
import type { Vm } from './vm.ts'

/** One wiring more; the first makes the page a wired one. @manual uvm_pagewire, uvm(9), NetBSD */
export function uvmPagewire(vm: Vm, pfn: Pfn): void {
  const { frames } = vm.phys
  const f = frames.indexOf(pfn)
  if (frames.wireCount[f] === 0) {
    vm.wiredPages++
    vm.phys.queues?.dequeue(f)
    // A page that stays has no use for a copy in swap.
    if ((frames.flags[f]! & PG_anon) !== 0) anonDropSwap(vm.anons, frames.owner[f]!)
    else {
      const object = vm.objects.byId.get(frames.owner[f]!)
      object?.pager.swap?.dropSwap(object, frames.pgoff[f]!)
    }
  }
  frames.wireCount[f] = frames.wireCount[f]! + 1
}

/** One wiring less. @manual uvm_pageunwire, uvm(9), NetBSD */
export function uvmPageunwire(vm: Vm, pfn: Pfn): void {
  const { frames } = vm.phys
  const f = frames.indexOf(pfn)
  kassert(frames.wireCount[f]! > 0, 'a page is not unwired more often than it was wired', `pfn ${pfn}`)
  frames.wireCount[f] = frames.wireCount[f]! - 1
  if (frames.wireCount[f]! > 0) return
  vm.wiredPages--
  vm.phys.queues?.activate(f)
}

/**
 * Takes one wiring from every page of `[start, end)` of an entry, found through the page table or, where a translation
 * was removed meanwhile (protection NONE), through the amap and the object.
 */
export function unwirePages(entry: VmMapEntry, start: number, end: number): void {
  const { map } = entry
  const { vm } = map
  for (let va = start; va < end; va += PAGE_SIZE) {
    const pfn = pageOf(entry, va)
    if (entry.wiredCount === 0 && pmapLookup(map.pmap, va)) pmapUnwire(map.pmap, va)
    if (pfn >= 0 && vm.phys.frames.wireCount[vm.phys.frames.indexOf(pfn as Pfn)]! > 0) uvmPageunwire(vm, pfn as Pfn)
  }
}

/** The resident page that the entry shows at `va`, mapped or not; -1 for none. */
export function pageOf(entry: VmMapEntry, va: number): Pfn | -1 {
  const { vm, pmap } = entry.map
  if (pmapLookup(pmap, va)) return vm.pmaps.pfn as Pfn
  const anon = entry.amap === null ? 0 : amapLookup(vm.anons, vm.chunks, entry.amap, entry.slotOf(va))
  if (anon !== 0) return anonPage(vm.anons, anon)
  return entry.object === null ? -1 : (entry.object.pageAt(entry.pgoffOf(va)) as Pfn | -1)
}

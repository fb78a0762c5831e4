// Large pages: a first store to a part of private memory that is 2 MiB, aligned and untouched brings all of it, as 512 anons
// whose frames lie side by side and one superpage. Everybody else sees 512 pages that were touched one after the other.

import { PAGE_SIZE, type Pfn, pfn as asPfn, WouldSleep, isErr } from '../../base/index.ts'
import { amapAdd, amapForEach, anonSetPage, anonUnref, amapRemove } from '../anon/index.ts'
import {
  amapCopy,
  VM_DROPPABLE,
  VM_GROWSDOWN,
  VM_HUGEPAGE,
  VM_NOHUGEPAGE,
  type VmMap,
  type VmMapEntry,
} from '../map/index.ts'
import { __GFP_COMP, allocPagesTry, GFP_TRANSHUGE, splitPage } from '../phys/index.ts'
import { ATTR_EXCLUSIVE, pmapEnterLarge, pmapForEachSoft, pmapRemove, pmapUpdate, pmapZeroPage } from '../pmap/index.ts'

const ORDER = 9
const PAGES = 1 << ORDER
const LARGE = PAGES * PAGE_SIZE
const WRITE = 2
const EXECUTE = 4

/**
 * Makes the 2 MiB around `va` resident, if the policy and the entry allow it, nothing of it is yet, and there is a block of
 * that size. No wait and no reclaiming: small pages are always good enough.
 *
 * @param access  of the fault: WRITE, or a read where untouched memory gets private pages
 * @param prot    what the translations may allow
 * @returns true: the access can be executed again
 * @locks  as the fault; does not sleep
 */
export function enterLargePage(map: VmMap, found: VmMapEntry, va: number, access: number, prot: number): boolean {
  const start = Math.floor(va / LARGE) * LARGE
  if (!isWanted(map, found, start, prot) || !isUntouched(map, found, start)) return false
  const { anons, chunks, phys, pmaps, stats } = map.vm
  const block = allocPagesTry(phys, GFP_TRANSHUGE & ~__GFP_COMP, ORDER)
  if (block === WouldSleep || isErr(block)) return false
  splitPage(phys, block, ORDER)
  let entry = found
  if (entry.needsCopy || entry.amap === null) {
    stats.fltamcopy++
    entry = amapCopy(map, entry, start, start + LARGE)
  }
  const amap = entry.amap!
  const slot = entry.slotOf(start)
  for (let i = 0; i < PAGES; i++) {
    pmapZeroPage(pmaps, block + i)
    const anon = anons.alloc()
    anonSetPage(anons, anon, asPfn(block + i))
    amapAdd(chunks, amap, slot + i, anon)
  }
  // The page of zeros may have been mapped for reads.
  pmapRemove(map.pmap, start, start + LARGE)
  pmapUpdate(map.pmap)
  if (pmapEnterLarge(map.pmap, start, block, prot, access) !== 0) {
    for (let i = 0; i < PAGES; i++) anonUnref(anons, amapRemove(chunks, amap, slot + i))
    return false
  }
  const { frames, queues } = phys
  for (let i = 0; i < PAGES; i++) {
    const f = frames.indexOf((block + i) as Pfn)
    if ((access & WRITE) !== 0) frames.attrs[f]! |= ATTR_EXCLUSIVE
    queues?.activate(f)
  }
  stats.flt_przero++
  stats.largePages++
  return true
}

function isWanted({ vm, space }: VmMap, entry: VmMapEntry, start: number, prot: number): boolean {
  if (vm.largePages === 'never' || space === null) return false
  const isAdvised = (entry.vmFlags & VM_HUGEPAGE) !== 0
  if (vm.largePages === 'advised' && !isAdvised) return false
  // prctl(PR_SET_THP_DISABLE): at all, or but for what was advised.
  if (space.largePagesOff !== 0 && (space.largePagesOff === 1 || !isAdvised)) return false
  if (start < entry.start || start + LARGE > entry.end) return false
  if ((entry.vmFlags & (VM_NOHUGEPAGE | VM_GROWSDOWN | VM_DROPPABLE)) !== 0) return false
  // A userfaultfd wants to hear of each page.
  if (entry.listener !== null) return false
  return entry.object === null && entry.wiredCount === 0 && (prot & WRITE) !== 0 && (prot & EXECUTE) === 0
}

/** No page of it was ever stored to, and nothing is recorded of it. */
function isUntouched(map: VmMap, entry: VmMapEntry, start: number): boolean {
  const { amap } = entry
  let isEmpty = true
  const slot = entry.slotOf(start)
  if (amap !== null) amapForEach(map.vm.chunks, amap, slot, slot + PAGES, () => (isEmpty = false))
  if (isEmpty) pmapForEachSoft(map.pmap, start, start + LARGE, () => (isEmpty = false))
  return isEmpty
}

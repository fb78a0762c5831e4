// Pages near a fault that cost nothing more to map: they are there already, or their pager makes them without sleeping.

import { isErr, PAGE_SIZE, type Pfn, WouldSleep } from '../../base/index.ts'
import { amapLookup, anonPage, isAnonReady } from '../anon/index.ts'
import { pageOf, UVM_ADV_SEQUENTIAL, type VmMap, type VmMapEntry } from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'
import { PG_locked, PG_uptodate } from '../phys/index.ts'
import { pmapEnter, PMAP_CANFAIL, pmapLookup } from '../pmap/index.ts'
import { objectProtection, pageProtection, READ, WRITE } from './uvmFault.ts'

/** What the last-level page table of an address maps. */
const TABLE_BYTES = 512 * PAGE_SIZE

/** Maps resident anons of the window around `va`; without permission to store where somebody else sees the page. */
export function mapAnonNeighbours(map: VmMap, entry: VmMapEntry, va: number): void {
  const [back, forward] = map.personality.anonWindow[entry.advice]!
  if (back + forward === 0) return
  const { anons, chunks, phys, stats } = map.vm
  const to = Math.min(va + (forward + 1) * PAGE_SIZE, entry.end)
  for (let at = firstOf(map, entry, va, back); at < to; at += PAGE_SIZE) {
    if (at === va || pmapLookup(map.pmap, at)) continue
    const anon = amapLookup(anons, chunks, entry.amap!, entry.slotOf(at))
    if (anon === 0 || !isAnonReady(anons, anon)) continue
    const pfn = anonPage(anons, anon) as Pfn
    const f = phys.frames.indexOf(pfn)
    if (phys.frames.loanCount[f]! > 0) continue
    const isShared = anons.ref[anon]! > 1 || entry.needsCopy
    const prot = isShared ? pageProtection(entry) & ~WRITE : pageProtection(entry)
    pmapEnter(map.pmap, at, pfn, prot, (prot & READ) | PMAP_CANFAIL)
    phys.queues?.activate(f)
    stats.fltnamap++
  }
}

/** Maps resident object pages of the window, where no anon is in front of them. */
export function mapObjectNeighbours(map: VmMap, entry: VmMapEntry, object: MemoryObject, va: number): void {
  const window = map.personality.objectWindow
  let from: number
  let to: number
  if (typeof window === 'number') {
    const bytes = window * PAGE_SIZE
    from = Math.max(Math.floor(va / bytes) * bytes, entry.start)
    // One page table is filled, no more.
    to = Math.min(from + bytes, (Math.floor(va / TABLE_BYTES) + 1) * TABLE_BYTES)
  } else {
    const [back, forward] = window[entry.advice]!
    from = firstOf(map, entry, va, back)
    to = va + (forward + 1) * PAGE_SIZE
  }
  to = Math.min(to, entry.end)
  const { vm } = map
  for (let at = from; at < to; at += PAGE_SIZE) {
    if (at === va || pmapLookup(map.pmap, at) || vm.pmaps.softKind !== 0) continue
    if (entry.amap !== null && amapLookup(vm.anons, vm.chunks, entry.amap, entry.slotOf(at)) !== 0) continue
    const pfn = residentPage(map, object, entry.pgoffOf(at))
    if (pfn < 0) continue
    const prot = objectProtection(map, entry, object, pfn as Pfn, false)
    if (pmapEnter(map.pmap, at, pfn as Pfn, prot, (prot & READ) | PMAP_CANFAIL) !== 0) return
    vm.phys.queues?.activate(vm.phys.frames.indexOf(pfn as Pfn))
    vm.stats.fltnomap++
  }
}

/** Sequential access does not come back: pages behind are not mapped. */
function firstOf(map: VmMap, entry: VmMapEntry, va: number, back: number): number {
  return entry.advice === UVM_ADV_SEQUENTIAL ? va : Math.max(va - back * PAGE_SIZE, entry.start)
}

/** Pages that sequential access has left behind may go first, anons and object pages. Wired and busy ones stay. */
export function deactivateBehind(map: VmMap, entry: VmMapEntry, va: number): void {
  const { queues, frames } = map.vm.phys
  if (queues === null) return
  const back = map.personality.anonWindow[UVM_ADV_SEQUENTIAL]![0]
  for (let at = Math.max(va - back * PAGE_SIZE, entry.start); at < va; at += PAGE_SIZE) {
    const pfn = pageOf(entry, at)
    const f = pfn < 0 ? -1 : frames.indexOf(pfn)
    if (f >= 0 && (frames.flags[f]! & PG_locked) === 0 && frames.wireCount[f] === 0) queues.deactivate(f)
  }
}

function residentPage(map: VmMap, object: MemoryObject, pgoff: number): Pfn | -1 {
  const pfn = object.pageAt(pgoff)
  if (pfn < 0) {
    if (!object.pager.fillsNeighbours) return -1
    const made = object.pager.getTry(object, pgoff, READ)
    return made === WouldSleep || isErr(made) ? -1 : made
  }
  const { frames } = map.vm.phys
  const flags = frames.flags[frames.indexOf(pfn as Pfn)]!
  return (flags & (PG_uptodate | PG_locked)) === PG_uptodate ? (pfn as Pfn) : -1
}

// The one fault routine. Cases, as UVM draws them:
//
//   no entry, or access not allowed          EFAULT (not mapped) | EACCES (not allowed)
//   case 1  the page is in an anon           1A map the anon's page        1B copy it (write, anon shared)
//   case 2  the page is in the object        2A map the object's page      2B promote it: copy (write, private)
//           there is neither                    map the zero page (read)   2B promote zeros
//
// The Try form never sleeps. Where it would have to, it answers WouldSleep and has changed nothing a program can see.

import {
  type Err,
  EACCES,
  EFAULT,
  ENOMEM,
  isErr,
  kassert,
  PAGE_SIZE,
  type Pfn,
  truncPage,
  WouldSleep,
} from '../../base/index.ts'
import type { Sleep } from '../../base/index.ts'
import { amapAdd, amapLookup, anonAllocWithPage, anonPage, anonUnref } from '../anon/index.ts'
import {
  amapCopy,
  growDown,
  prepareAnonGroup,
  VM_MAYGUARD,
  type VmMap,
  type VmMapEntry,
  type VmSpace,
} from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'
import { allocPages, GFP_HIGHUSER_MOVABLE, PG_dirty, PG_locked, PG_uptodate, putPage } from '../phys/index.ts'
import {
  pmapCopyPage,
  pmapEnter,
  PMAP_CANFAIL,
  pmapLookup,
  pmapUpdate,
  pmapZeroPage,
  SOFT_GUARD,
} from '../pmap/index.ts'

/** Waits for a frame that did not let the fault go on, before it is called out of memory. */
const MAX_SHORTAGES = 16

export const READ = 1
export const WRITE = 2
export const EXECUTE = 4

/**
 * Makes the page at `va` accessible, or says why it cannot be.
 *
 * @param space   the address space of the access
 * @param va      any byte of the page
 * @param access  1 read, 2 write, 4 execute: one of them
 * @returns       0: execute the access again
 * @errors EFAULT nothing is mapped there (SIGSEGV, MAPERR); EACCES not allowed (SIGSEGV, ACCERR);
 *                EINVAL beyond the end of the object, EIO (SIGBUS); ENOMEM no frame and nothing to wait for
 * @locks  takes the map lock for reading, tries only
 * @manual uvm_fault, uvm(9), NetBSD
 */
export function uvmFaultTry(space: VmSpace, va: number, access: number): 0 | Err | WouldSleep {
  const { map } = space
  const { stats } = map.vm
  if (map.lock.writer !== null) return WouldSleep
  stats.faults++
  const result = resolve(space, map, truncPage(va), access)
  if (result === WouldSleep) stats.faults--
  else if (result === 0) {
    stats.minorFaults++
    space.notePeak()
  } else stats.protectionFaults++
  return result
}

/** The same, waiting for locks, I/O and memory. */
export function* uvmFault(space: VmSpace, va: number, access: number): Sleep<0 | Err> {
  const { map } = space
  const { stats } = map.vm
  let isMajor = false
  let shortages = 0
  for (;;) {
    const result = uvmFaultTry(space, va, access)
    if (result !== WouldSleep) {
      if (result === 0 && isMajor) {
        stats.majorFaults++
        stats.minorFaults--
      }
      return result
    }
    if (map.lock.writer !== null) {
      yield* map.lock.read()
      map.lock.unlockRead()
      continue
    }
    // The object's page is not there: have the pager bring it, then look at everything again.
    const entry = map.lookup(va)
    if (entry === null) continue
    const { object } = entry
    if (object !== null && needsObjectPage(map, entry, va)) {
      stats.fltget++
      isMajor = true
      object.pager.reference(object)
      const page = yield* object.pager.get(object, entry.pgoffOf(truncPage(va)), access)
      object.pager.detach(object)
      if (isErr(page)) {
        stats.faults++
        stats.protectionFaults++
        return page
      }
      continue
    }
    // No frame was free at once: wait for one, give it back, and look again.
    stats.fltnoram++
    if (++shortages > MAX_SHORTAGES) return ENOMEM
    const page = yield* allocPages(map.vm.phys, GFP_HIGHUSER_MOVABLE, 0)
    if (isErr(page)) {
      stats.fltnoanon++
      return page
    }
    putPage(map.vm.phys, page)
  }
}

function needsObjectPage(map: VmMap, entry: VmMapEntry, va: number): boolean {
  if (entry.object === null) return false
  if (entry.amap !== null && amapLookup(map.vm.anons, map.vm.chunks, entry.amap, entry.slotOf(va)) !== 0) return false
  const pfn = entry.object.pageAt(entry.pgoffOf(truncPage(va)))
  if (pfn < 0) return true
  const { frames } = map.vm.phys
  const flags = frames.flags[frames.indexOf(pfn as Pfn)]!
  return (flags & PG_uptodate) === 0 || (flags & PG_locked) !== 0
}

// Phase "check".
//   1. the entry, or a stack that may grow down to here; its protection
//   2. a guard marker counts as not mapped
//   3. a private write: the anon group; an amap of the entry's own
//   4. upper layer, then lower layer
function resolve(space: VmSpace, map: VmMap, va: number, access: number): 0 | Err | WouldSleep {
  let entry = map.lookup(va)
  if (entry === null) {
    entry = growDown(space, va)
    if (entry === null) return EFAULT
  }
  // A page that may be written may be read: no page-table format has write without read.
  const allowed = (entry.protection & WRITE) !== 0 ? entry.protection | READ : entry.protection
  if ((access & ~allowed) !== 0) return EACCES
  if ((entry.vmFlags & VM_MAYGUARD) !== 0 && !pmapLookup(map.pmap, va) && map.vm.pmaps.softKind === SOFT_GUARD)
    return EFAULT

  const isWrite = (access & WRITE) !== 0
  if (entry.isCow && isWrite) prepareAnonGroup(entry)
  const wantsAmap = isWrite || (entry.object === null && map.personality.zeroRead === 'private page')
  if (entry.needsCopy && wantsAmap) entry = amapCopy(map, entry, va)
  if (entry.amap === null && entry.object === null && !entry.isCow) return EFAULT

  const anon = entry.amap === null ? 0 : amapLookup(map.vm.anons, map.vm.chunks, entry.amap, entry.slotOf(va))
  const result = anon !== 0 ? upper(map, entry, va, access, anon) : lower(map, entry, va, access)
  if (result === 0) pmapUpdate(map.pmap)
  return result
}

// Case 1: the page is in an anon.
function upper(map: VmMap, entry: VmMapEntry, va: number, access: number, anon: number): 0 | Err | WouldSleep {
  const { anons, stats } = map.vm
  stats.fltanget++
  const pfn = anonPage(anons, anon)
  if (pfn < 0) return WouldSleep
  const isShared = anons.ref[anon]! > 1
  if ((access & WRITE) !== 0 && isShared) {
    // 1B: others see this page; copy it.
    const fresh = anonAllocWithPage(anons, GFP_HIGHUSER_MOVABLE)
    if (isErr(fresh)) return WouldSleep
    const copy = anonPage(anons, fresh) as Pfn
    pmapCopyPage(map.vm.pmaps, pfn, copy)
    const error = enter(map, va, copy, entry.protection, access)
    if (error !== 0) {
      anonUnref(anons, fresh)
      return error
    }
    amapAdd(map.vm.chunks, entry.amap!, entry.slotOf(va), fresh)
    anonUnref(anons, anon)
    stats.flt_acow++
    return 0
  }
  // 1A
  stats.flt_anon++
  const prot = isShared || entry.needsCopy ? entry.protection & ~WRITE : entry.protection
  return enter(map, va, pfn as Pfn, prot, access)
}

// Case 2: no anon.
function lower(map: VmMap, entry: VmMapEntry, va: number, access: number): 0 | Err | WouldSleep {
  const { vm } = map
  const { stats } = vm
  const isWrite = (access & WRITE) !== 0
  const { object } = entry
  if (object === null) {
    if (!isWrite && map.personality.zeroRead === 'zero page') {
      stats.zeroPageReads++
      return enter(map, va, vm.zeroPfn, entry.protection & ~WRITE, access)
    }
    return promote(map, entry, va, access, -1)
  }
  const pgoff = entry.pgoffOf(va)
  stats.fltlget++
  const pfn = object.pager.getTry(object, pgoff, access)
  if (pfn === WouldSleep || isErr(pfn)) return pfn
  if (isWrite && entry.isCow) return promote(map, entry, va, access, pfn)

  // 2A
  stats.flt_obj++
  if (isWrite) object.pager.pageDirtied(object, pgoff, pfn)
  const error = enter(map, va, pfn, objectProtection(map, entry, object, pfn, isWrite), access)
  if (error === 0 && (!isWrite || map.personality.windowOnWrite)) mapNeighbours(map, entry, object, va)
  return error
}

/** What a mapping of an object page allows: never a store past copy-on-write, nor one that the pager must hear of first. */
function objectProtection(map: VmMap, entry: VmMapEntry, object: MemoryObject, pfn: Pfn, isWrite: boolean): number {
  if (entry.isCow) return entry.protection & ~WRITE
  if (isWrite || !object.pager.notifiesWrites) return entry.protection
  const { frames } = map.vm.phys
  return (frames.flags[frames.indexOf(pfn)]! & PG_dirty) !== 0 ? entry.protection : entry.protection & ~WRITE
}

// 2B: a new anon with a copy of the object's page, or with zeros.
function promote(map: VmMap, entry: VmMapEntry, va: number, access: number, from: Pfn | -1): 0 | Err | WouldSleep {
  const { anons, stats, chunks, pmaps } = map.vm
  if (entry.amap === null) entry = amapCopy(map, entry, va)
  const anon = anonAllocWithPage(anons, GFP_HIGHUSER_MOVABLE)
  if (isErr(anon)) return WouldSleep
  const page = anonPage(anons, anon) as Pfn
  if (from < 0) pmapZeroPage(pmaps, page)
  else pmapCopyPage(pmaps, from as Pfn, page)
  const error = enter(map, va, page, entry.protection, access)
  if (error !== 0) {
    anonUnref(anons, anon)
    return error
  }
  const old = amapAdd(chunks, entry.amap!, entry.slotOf(va), anon)
  kassert(old === 0, 'a promoted page goes into an empty slot')
  if (from < 0) stats.flt_przero++
  else stats.flt_prcopy++
  return 0
}

function enter(map: VmMap, va: number, pfn: Pfn, prot: number, access: number): 0 | WouldSleep {
  // No frame for a page table is a wait for memory like any other.
  return pmapEnter(map.pmap, va, pfn, prot, access | PMAP_CANFAIL) === 0 ? 0 : WouldSleep
}

// Resident neighbours in the object are mapped too, so that they cost no fault of their own.
function mapNeighbours(map: VmMap, entry: VmMapEntry, object: MemoryObject, va: number): void {
  const window = map.personality.objectWindow
  let from: number
  let to: number
  if (typeof window === 'number') {
    const bytes = window * PAGE_SIZE
    from = Math.floor(va / bytes) * bytes
    to = from + bytes
  } else {
    const [back, forward] = window[entry.advice]!
    from = va - back * PAGE_SIZE
    to = va + (forward + 1) * PAGE_SIZE
  }
  from = Math.max(from, entry.start)
  to = Math.min(to, entry.end)
  const { vm } = map
  const { frames } = vm.phys
  for (let at = from; at < to; at += PAGE_SIZE) {
    if (at === va) continue
    const pfn = object.pageAt(entry.pgoffOf(at))
    if (pfn < 0) continue
    const flags = frames.flags[frames.indexOf(pfn as Pfn)]!
    if ((flags & (PG_uptodate | PG_locked)) !== PG_uptodate) continue
    if (entry.amap !== null && amapLookup(vm.anons, vm.chunks, entry.amap, entry.slotOf(at)) !== 0) continue
    if (pmapLookup(map.pmap, at) || vm.pmaps.softKind !== 0) continue
    const prot = objectProtection(map, entry, object, pfn as Pfn, false)
    if (pmapEnter(map.pmap, at, pfn as Pfn, prot, READ | PMAP_CANFAIL) !== 0) return
    vm.stats.fltnomap++
  }
}

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
  EINTR,
  EINVAL,
  ENOMEM,
  isErr,
  kassert,
  PAGE_SIZE,
  type Pfn,
  type Sleep,
  sleepOn,
  truncPage,
  WouldSleep,
} from '../../base/index.ts'
import {
  amapAdd,
  amapLookup,
  anonAllocWithPage,
  anonDropSwap,
  anonGet,
  anonPage,
  anonUnref,
  GOT_ZEROS,
  isAnonBusy,
  isAnonReady,
} from '../anon/index.ts'
import {
  amapCopy,
  growDown,
  prepareAnonGroup,
  UVM_ADV_SEQUENTIAL,
  uvmPagewire,
  VM_INHERIT_SHARE,
  VM_MAYGUARD,
  VM_MAYPOISON,
  VM_UFFD_MINOR,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
  type VmMap,
  type VmMapEntry,
  type VmSpace,
} from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'
import { allocPages, GFP_HIGHUSER_MOVABLE, PG_dirty, PG_locked, PG_uptodate, putPage } from '../phys/index.ts'
import {
  ATTR_EXCLUSIVE,
  pmapCopyPage,
  pmapEnter,
  PMAP_CANFAIL,
  PMAP_WIRED,
  pmapLookup,
  pmapPageProtect,
  pmapUpdate,
  pmapZeroPage,
  SOFT_GUARD,
  VM_PROT_NONE,
} from '../pmap/index.ts'
import { breakAnonLoan, breakObjectLoan, isLoaned } from './breakLoan.ts'
import { enterLargePage } from './largePage.ts'
import { deactivateBehind, mapAnonNeighbours, mapObjectNeighbours } from './neighbours.ts'

/** Waits for a frame that did not let the fault go on, before it is called out of memory. */
const MAX_SHORTAGES = 16

export const READ = 1
export const WRITE = 2
export const EXECUTE = 4

// How a fault is made, beside the access.
/** The page is to stay: it gets a wiring, and a translation that may not be forgotten. */
export const FAULT_WIRE = 1
/** Judge by the entry's maximum protection. */
export const FAULT_MAXPROT = 2
/** Not the first attempt: no neighbours, and what was counted is not counted again. */
const FAULT_AGAIN = 4

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
  return faultTry(space.map, truncPage(va), access, 0)
}

/** The same, waiting for locks, I/O and memory. */
export function* uvmFault(space: VmSpace, va: number, access: number): Sleep<0 | Err> {
  return yield* faultMap(space.map, va, access, 0)
}

/** A fault in any map, kernel maps included; `how` is FAULT_… */
export function* faultMap(map: VmMap, address: number, access: number, how: number): Sleep<0 | Err> {
  const { stats } = map.vm
  const va = truncPage(address)
  let isMajor = false
  let isSwapIn = false
  let shortages = 0
  for (;;) {
    const result = faultTry(map, va, access, how)
    if (result !== WouldSleep) {
      if (result === 0 && isMajor) {
        stats.majorFaults++
        stats.minorFaults--
        if (isSwapIn) stats.swapFaults++
        map.vm.chargeFaults(-1, 1)
      }
      return result
    }
    if (map.lock.writer !== null) {
      yield* map.lock.read()
      map.lock.unlockRead()
      continue
    }
    const entry = map.lookup(va)
    if (entry === null) continue
    how |= FAULT_AGAIN
    const listener = entry.listener
    const kind = listener === null ? 0 : toldKind(map, entry, va, access)
    if (listener !== null && kind !== 0) {
      const error = yield* listener.wait(map.space!, address, access, kind)
      if (error === 0) continue
      if (error !== EINTR) {
        stats.faults++
        stats.protectionFaults++
      }
      return error
    }
    const { object } = entry
    const anon = anonAt(map, entry, va)
    if (anon !== 0 && !isAnonReady(map.vm.anons, anon)) {
      const error = yield* bringAnon(map, anon)
      if (error === 0) {
        isMajor = isSwapIn = true
        continue
      }
      if (error === WAITED) continue
      if (error !== ENOMEM) {
        stats.faults++
        stats.protectionFaults++
        return error
      }
    } else if (object !== null && needsObjectPage(map, entry, va)) {
      // The pager brings the page; then everything is looked at again.
      isMajor = true
      stats.fltget++
      const { timestamp } = map.lock
      object.pager.reference(object)
      const page = yield* object.pager.get(object, entry.pgoffOf(va), access)
      object.pager.detach(object)
      if (isErr(page)) {
        stats.faults++
        stats.protectionFaults++
        return page
      }
      stats.fltrelck++
      if (map.lock.timestamp === timestamp) stats.fltrelckok++
      continue
    }
    // No frame was free at once: wait for one, give it back, and look again.
    const page = yield* allocPages(map.vm.phys, GFP_HIGHUSER_MOVABLE, 0)
    if (isErr(page) || ++shortages > MAX_SHORTAGES) {
      if (!isErr(page)) putPage(map.vm.phys, page)
      stats.fltnoanon++
      stats.faults++
      stats.minorFaults++
      return ENOMEM
    }
    stats.fltnoram++
    putPage(map.vm.phys, page)
  }
}

/** What bringAnon answers when nothing was read: somebody else's transfer has ended, or the page is zeros. */
const WAITED = 1

/** Waits for a page that is being transferred, or reads it back. @errors ENOMEM no frame at once; EIO */
function* bringAnon(map: VmMap, anon: number): Sleep<0 | Err | typeof WAITED> {
  const { anons, stats } = map.vm
  if (isAnonBusy(anons, anon)) {
    stats.fltpgwait++
    yield* sleepOn(anons.ioQueue)
    return WAITED
  }
  const { timestamp } = map.lock
  const error = yield* anonGet(anons, anon)
  if (error === ENOMEM) return error
  if (error === GOT_ZEROS) return WAITED
  stats.pageins++
  if (error !== 0) return error
  stats.fltanretry++
  stats.fltrelck++
  if (map.lock.timestamp === timestamp) stats.fltrelckok++
  return 0
}

function anonAt(map: VmMap, entry: VmMapEntry, va: number): number {
  return entry.amap === null ? 0 : amapLookup(map.vm.anons, map.vm.chunks, entry.amap, entry.slotOf(va))
}

function faultTry(map: VmMap, va: number, access: number, how: number): 0 | Err | WouldSleep {
  const { stats } = map.vm
  if (map.lock.writer !== null) return WouldSleep
  const result = resolve(map, va, access, how)
  if (result === WouldSleep) return result
  stats.faults++
  if (result === 0) {
    stats.minorFaults++
    map.vm.chargeFaults(1, 0)
  } else stats.protectionFaults++
  return result
}

function needsObjectPage(map: VmMap, entry: VmMapEntry, va: number): boolean {
  if (entry.object === null) return false
  if (anonAt(map, entry, va) !== 0) return false
  const pfn = entry.object.pageAt(entry.pgoffOf(va))
  if (pfn < 0) return true
  const { frames } = map.vm.phys
  const flags = frames.flags[frames.indexOf(pfn as Pfn)]!
  return (flags & PG_uptodate) === 0 || (flags & PG_locked) !== 0
}

// Phase "check".
//   1. the entry, or a stack that may grow down to here; its protection
//   2. a guard marker counts as not mapped
//   3. a private write: the anon group; an amap of the entry's own
//   4. neighbours, then upper layer, then lower layer
function resolve(map: VmMap, va: number, asked: number, how: number): 0 | Err | WouldSleep {
  let entry = map.lookup(va)
  if (entry === null) {
    entry = map.space === null ? null : growDown(map.space, va)
    if (entry === null) return EFAULT
  }
  const { vm, personality } = map
  const limit = (how & FAULT_MAXPROT) !== 0 ? entry.maxProtection : entry.protection
  // A page that may be written may be read: no page-table format has write without read.
  const allowed = (limit & WRITE) !== 0 ? limit | READ : limit
  if ((asked & ~allowed) !== 0) return EACCES
  if ((entry.vmFlags & (VM_MAYGUARD | VM_MAYPOISON)) !== 0 && !pmapLookup(map.pmap, va)) {
    // A marker with a value stands for a poisoned page.
    if (vm.pmaps.softKind === SOFT_GUARD) return vm.pmaps.softValue === 0 ? EFAULT : EINVAL
  }
  if (entry.listener !== null && toldKind(map, entry, va, asked) !== 0) return WouldSleep

  // A wired page is made ready for every access that the entry will ever allow.
  const isWired = (how & FAULT_WIRE) !== 0 || entry.wiredCount > 0
  const access = isWired ? asked | entry.protection : asked
  // In a shared amap, or one that a child will share, a page that is wired is nobody else's snapshot: no later store or
  // wiring of a sharer will put another in its place.
  const isSharers = entry.amap?.isShared === true || entry.inheritance === VM_INHERIT_SHARE
  const isGroups = (how & FAULT_WIRE) !== 0 && entry.isCow && isSharers
  const isWrite = ((isWired ? limit : asked) & WRITE) !== 0 || isGroups
  if (isWrite && entry.isCow) prepareAnonGroup(entry)
  const isFirst = (how & (FAULT_WIRE | FAULT_AGAIN)) === 0
  const isFill = isWrite || personality.zeroRead === 'private page'
  if (vm.largePages !== 'never' && isFirst && isFill && enterLargePage(map, entry, va, asked, pageProtection(entry)))
    return 0
  if (entry.needsCopy && (isWrite || (entry.object === null && personality.zeroRead === 'private page'))) {
    vm.stats.fltamcopy++
    entry = amapCopy(map, entry, va, va + PAGE_SIZE)
  }
  if (entry.amap === null && entry.object === null && !entry.isCow) return EFAULT

  if (isFirst && entry.advice === UVM_ADV_SEQUENTIAL) deactivateBehind(map, entry, va)
  if (entry.amap !== null && isFirst) mapAnonNeighbours(map, entry, va)
  const anon = anonAt(map, entry, va)
  const flags = access | PMAP_CANFAIL | (isWired ? PMAP_WIRED : 0)
  const result =
    anon !== 0 ? upper(map, entry, va, isWrite, flags, how, anon) : lower(map, entry, va, isWrite, flags, how)
  if (result === 0) {
    if (entry.listener !== null) {
      if (entry.listener.isAsync && isWrite) entry.listener.setProtected(va, false)
      entry.listener.protectAgain(map.space!, va, va + PAGE_SIZE)
    }
    pmapUpdate(map.pmap)
  }
  return result
}

/** The kind of fault that a userfaultfd must be told of (VM_UFFD_…), or 0: this one is the kernel's own to see to. */
function toldKind(map: VmMap, entry: VmMapEntry, va: number, access: number): number {
  const { vmFlags, object } = entry
  const isWrite = (access & WRITE) !== 0
  const isTold = (vmFlags & VM_UFFD_WP) !== 0 && !entry.listener!.isAsync
  if (isTold && isWrite && entry.listener!.isProtected(va)) {
    if (pmapLookup(map.pmap, va) || object !== null || anonAt(map, entry, va) !== 0) return VM_UFFD_WP
  }
  if ((vmFlags & (VM_UFFD_MISSING | VM_UFFD_MINOR)) === 0) return 0
  if (pmapLookup(map.pmap, va) || anonAt(map, entry, va) !== 0) return 0
  const isCached = object !== null && isKept(object, entry.pgoffOf(va))
  if (isCached) return vmFlags & VM_UFFD_MINOR
  // Beyond the end of the file there is nothing to be made.
  if (object !== null && entry.pgoffOf(va) * PAGE_SIZE >= object.sizeBytes) return 0
  return vmFlags & VM_UFFD_MISSING
}

/** In memory, or in swap. */
function isKept(object: MemoryObject, pgoff: number): boolean {
  return object.pageAt(pgoff) >= 0 || (object.pager.swap?.slotOf(object, pgoff) ?? 0) !== 0
}

// Case 1: the page is in an anon.
function upper(
  map: VmMap,
  entry: VmMapEntry,
  va: number,
  isWrite: boolean,
  flags: number,
  how: number,
  anon: number,
): 0 | Err | WouldSleep {
  const { anons, stats, pmaps, chunks } = map.vm
  if ((how & FAULT_AGAIN) === 0) stats.fltanget++
  if (!isAnonReady(anons, anon)) return WouldSleep
  let pfn = anonPage(anons, anon) as Pfn
  const isShared = anons.ref[anon]! > 1
  if (isWrite && isShared) {
    // 1B: others see this page; copy it.
    const fresh = anonAllocWithPage(anons, GFP_HIGHUSER_MOVABLE)
    if (isErr(fresh)) return WouldSleep
    const copy = anonPage(anons, fresh) as Pfn
    pmapCopyPage(pmaps, pfn, copy)
    const error = enter(map, va, copy, pageProtection(entry), flags, how)
    if (error !== 0) {
      anonUnref(anons, fresh)
      return error
    }
    amapAdd(chunks, entry.amap!, entry.slotOf(va), fresh)
    if (entry.amap!.isShared) pmapPageProtect(pmaps, pfn, VM_PROT_NONE)
    anonUnref(anons, anon)
    noteExclusive(map, copy)
    stats.flt_acow++
    return 0
  }
  // 1A
  if (isWrite && isLoaned(map.vm.phys, pfn)) {
    const own = breakAnonLoan(anons, anon)
    if (own === WouldSleep) return own
    pfn = own
  }
  const prot =
    isShared || entry.needsCopy || isLoaned(map.vm.phys, pfn) ? pageProtection(entry) & ~WRITE : pageProtection(entry)
  const error = enter(map, va, pfn, prot, flags, how)
  if (error !== 0) return error
  if (isWrite) {
    noteExclusive(map, pfn)
    if (anons.slot[anon]! > 0 && anons.swap!.freesEarly) anonDropSwap(anons, anon)
  }
  stats.flt_anon++
  return 0
}

function noteExclusive(map: VmMap, pfn: Pfn): void {
  const { frames } = map.vm.phys
  frames.attrs[frames.indexOf(pfn)]! |= ATTR_EXCLUSIVE
}

// Case 2: no anon.
function lower(
  map: VmMap,
  entry: VmMapEntry,
  va: number,
  isWrite: boolean,
  flags: number,
  how: number,
): 0 | Err | WouldSleep {
  const { vm } = map
  const { stats } = vm
  const { object } = entry
  if (object === null) {
    // Not where a child will share the memory: the zero page has no reverse map through which a store could take it away.
    const isOwn = entry.inheritance !== VM_INHERIT_SHARE
    if (!isWrite && isOwn && map.personality.zeroRead === 'zero page') {
      stats.zeroPageReads++
      return enter(map, va, vm.zeroPfn, pageProtection(entry) & ~WRITE, flags, how)
    }
    return promote(map, entry, va, flags, how, -1)
  }
  if (object.pager.fault !== undefined) {
    const error = object.pager.fault(object, entry, va, flags)
    // A device page is no page of the system: its fault is neither minor nor major.
    if (error === 0) {
      stats.minorFaults--
      vm.chargeFaults(-1, 0)
    }
    return error
  }

  const pgoff = entry.pgoffOf(va)
  const isFirst = (how & FAULT_AGAIN) === 0
  if (isFirst) stats.fltlget++
  let pfn = object.pager.getTry(object, pgoff, flags & 7)
  const isAlone = (entry.vmFlags & (VM_UFFD_WP | VM_UFFD_MINOR)) !== 0
  if (isFirst && !isAlone && (how & FAULT_WIRE) === 0 && (!isWrite || map.personality.windowOnWrite))
    mapObjectNeighbours(map, entry, object, va)
  if (pfn === WouldSleep || isErr(pfn)) return pfn
  if (isWrite && entry.isCow) return promote(map, entry, va, flags, how, pfn)

  // 2A
  if (isWrite && isLoaned(vm.phys, pfn)) {
    pfn = breakObjectLoan(vm.phys, vm.pmaps, object, pgoff, pfn)
    if (pfn === WouldSleep) return pfn
  }
  if (isWrite) object.pager.pageDirtied(object, pgoff, pfn)
  const error = enter(map, va, pfn, objectProtection(map, entry, object, pfn, isWrite), flags, how)
  if (error === 0) stats.flt_obj++
  return error
}

/** What a mapping of an object page allows: never a store past copy-on-write, nor one that the pager must hear of first. */
export function objectProtection(
  map: VmMap,
  entry: VmMapEntry,
  object: MemoryObject,
  pfn: Pfn,
  isWrite: boolean,
): number {
  if (entry.isCow) return pageProtection(entry) & ~WRITE
  if (isLoaned(map.vm.phys, pfn)) return pageProtection(entry) & ~WRITE
  if (isWrite || !object.pager.notifiesWrites) return pageProtection(entry)
  const { frames } = map.vm.phys
  return (frames.flags[frames.indexOf(pfn)]! & PG_dirty) !== 0 ? pageProtection(entry) : pageProtection(entry) & ~WRITE
}

// 2B: a new anon with a copy of the object's page, or with zeros.
function promote(
  map: VmMap,
  entry: VmMapEntry,
  va: number,
  flags: number,
  how: number,
  from: Pfn | -1,
): 0 | Err | WouldSleep {
  const { anons, stats, chunks, pmaps } = map.vm
  if (entry.amap === null) entry = amapCopy(map, entry, va, va + PAGE_SIZE)
  const anon = anonAllocWithPage(anons, GFP_HIGHUSER_MOVABLE)
  if (isErr(anon)) return WouldSleep
  const page = anonPage(anons, anon) as Pfn
  if (from < 0) pmapZeroPage(pmaps, page)
  else pmapCopyPage(pmaps, from as Pfn, page)
  const error = enter(map, va, page, pageProtection(entry), flags, how)
  if (error !== 0) {
    anonUnref(anons, anon)
    return error
  }
  const old = amapAdd(chunks, entry.amap!, entry.slotOf(va), anon)
  kassert(old === 0, 'a promoted page goes into an empty slot')
  noteExclusive(map, page)
  if (from < 0) stats.flt_przero++
  else {
    stats.flt_prcopy++
    // Sharers of the amap still see the object's page: they fault again, and find the anon.
    if (entry.amap!.isShared) pmapPageProtect(pmaps, from as Pfn, VM_PROT_NONE)
  }
  return 0
}

/** What translations of an entry's pages may allow: no format has a page that can be written and not read. */
export function pageProtection(entry: VmMapEntry): number {
  return (entry.protection & WRITE) !== 0 ? entry.protection | READ : entry.protection
}

function enter(map: VmMap, va: number, pfn: Pfn, prot: number, flags: number, how: number): 0 | WouldSleep {
  // No frame for a page table is a wait for memory like any other.
  if (pmapEnter(map.pmap, va, pfn, prot, flags) !== 0) return WouldSleep
  if ((how & FAULT_WIRE) !== 0) uvmPagewire(map.vm, pfn)
  else map.vm.phys.queues?.activate(map.vm.phys.frames.indexOf(pfn))
  return 0
}

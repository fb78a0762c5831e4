// A vmspace: one map, one pmap, and what a process's address space remembers beside them.

import { ENOMEM, type Err, isErr, kassert, MiB, panic, type Pfn, type Sleep } from '../../base/index.ts'
import type { Cpu } from '../../machine/index.ts'
import { amapForEach, amapRef, anonAllocWithPage, amapAdd, anonUnref, anonPage } from '../anon/index.ts'
import { GFP_KERNEL } from '../phys/index.ts'
import {
  pmapActivate,
  pmapCopyPage,
  PMAP_COPY_SHARED,
  pmapCopyRange,
  pmapCreate,
  pmapDeactivate,
  pmapDestroy,
  pmapPageProtect,
  pmapProtect,
  pmapRemoveAll,
  pmapUpdate,
  VM_PROT_READ,
  VM_PROT_EXECUTE,
} from '../pmap/index.ts'
import {
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_INHERIT_NONE,
  VM_INHERIT_SHARE,
  VM_INHERIT_ZERO,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYGUARD,
  VM_MAYPOISON,
  VM_UFFD,
  VM_WIPEONFORK,
  type VmMapEntry,
} from './entry.ts'
import { mayCommit } from './commit.ts'
import { takeNews } from './faultListener.ts'
import type { Personality } from './personality.ts'
import { uvmUnmap } from './uvmUnmap.ts'
import type { Vm } from './vm.ts'
import { VmMap } from './vmMap.ts'

/** Limits of setrlimit that concern memory, in bytes; Infinity for none. */
export interface SpaceLimits {
  as: number
  data: number
  stack: number
  memlock: number
  /** May ask for addresses below `Vm.minAddress`: those with CAP_SYS_RAWIO. */
  mapsLow: boolean
}

export class VmSpace {
  readonly vm: Vm
  readonly map: VmMap
  refs = 1
  // Linux's place marks, bytes.
  mmapBase: number
  startBrk = 0
  brk = 0
  startCode = 0
  endCode = 0
  startData = 0
  endData = 0
  startStack = 0
  argStart = 0
  argEnd = 0
  envStart = 0
  envEnd = 0
  limits: SpaceLimits = { as: Infinity, data: Infinity, stack: 8 * MiB, memlock: 8 * MiB, mapsLow: false }
  /** mlockall(MCL_FUTURE): flags that later mappings get. */
  futureFlags = 0
  maxMapCount: number
  /** prctl(PR_SET_THP_DISABLE): 1, or 3 for where madvise does not ask for large pages; 0 for not. */
  largePagesOff = 0

  constructor(vm: Vm, map: VmMap) {
    this.vm = vm
    this.map = map
    this.mmapBase = map.max
    this.maxMapCount = vm.maxMapCount
    map.space = this
    vm.spaces[map.pmap.id] = this
  }
  get pmap(): VmMap['pmap'] {
    return this.map.pmap
  }
  get residentPages(): number {
    return this.map.pmap.residentCount
  }
  /** The most pages that were resident at once. */
  get peakResidentPages(): number {
    const { peakResident, residentCount } = this.map.pmap
    return Math.max(peakResident, residentCount)
  }
  /** The lowest address that may be asked for. */
  get lowest(): number {
    return this.limits.mapsLow ? 0 : this.vm.minAddress
  }
  /** From now on the peak is what is resident now. */
  forgetPeak(): void {
    this.map.pmap.peakResident = 0
  }
}

/**
 * A new, empty address space `[min, max)` with its own pmap.
 *
 * @errors ENOMEM  no frame for the root page table
 * @manual uvmspace_alloc, uvm_map(9), NetBSD
 */
export function uvmspaceAlloc(
  vm: Vm,
  personality: Personality,
  min: number,
  max: number,
  topdown = false,
): VmSpace | Err {
  const pmap = pmapCreate(vm.pmaps)
  if (isErr(pmap)) return pmap
  const map = new VmMap(vm, pmap, personality, min, max)
  map.isTopdown = topdown
  return new VmSpace(vm, map)
}

/** One more user of the address space. @manual uvmspace_addref, uvm_map(9), NetBSD */
export function uvmspaceAddref(space: VmSpace): void {
  kassert(space.refs > 0 && !space.map.isDying, 'a dying vmspace gains no reference')
  space.refs++
}

/** Whoever runs in an address space: a process, and the CPU that runs it now. */
export interface SpaceHolder {
  space: VmSpace | null
  readonly cpu: Cpu | null
}

/**
 * `to` runs in the address space of `from` from now on: the same object, one more user.
 *
 * @manual uvmspace_share, uvm_map(9), NetBSD
 */
export function uvmspaceShare(from: { space: VmSpace }, to: SpaceHolder): void {
  uvmspaceAddref(from.space)
  to.space = from.space
}

/**
 * Gives a process an empty address space `[start, end)`: its own one, emptied, if nobody shares it and it grows the same
 * way; otherwise a new one, and the others keep the old.
 *
 * @errors ENOMEM  no frame for the new root page table; nothing has changed
 * @locks  must not hold the map lock; sleeps for it
 * @manual uvmspace_exec, uvm_map(9), NetBSD
 */
export function* uvmspaceExec(l: SpaceHolder, start: number, end: number, topdown = false): Sleep<0 | Err> {
  const old = l.space
  kassert(old !== null, 'a process that executes has an address space')
  const { map, vm } = old!
  if (old!.refs === 1 && map.isTopdown === topdown) {
    map.wireFuture = false
    pmapRemoveAll(map.pmap)
    yield* uvmUnmap(map, map.min, map.max)
    kassert(map.entryCount === 0 && map.size === 0, 'an emptied map is empty')
    map.setBounds(start, end)
    return 0
  }
  const fresh = uvmspaceAlloc(vm, map.personality, start, end, topdown)
  if (isErr(fresh)) return fresh
  if (l.cpu !== null) {
    pmapDeactivate(vm.pmaps, l.cpu, map.pmap)
    pmapActivate(vm.pmaps, l.cpu, fresh.pmap)
  }
  l.space = fresh
  uvmspaceFree(old!)
  return 0
}

/**
 * One user less; the last one removes every mapping and the pmap, which no CPU may have loaded then.
 *
 * @manual uvmspace_free, uvm_map(9), NetBSD
 */
export function uvmspaceFree(space: VmSpace): void {
  kassert(space.refs > 0, 'a vmspace is not freed twice')
  if (--space.refs > 0) return
  const { map } = space
  map.isDying = true
  pmapRemoveAll(map.pmap)
  map.removeRange(map.min, map.max)
  if (map.entryCount !== 0 || map.size !== 0) panic('a freed vmspace is empty')
  space.vm.spaces[map.pmap.id] = null
  pmapDestroy(map.pmap)
}

/**
 * A copy of an address space, entry by entry as its inheritance says. Private memory becomes copy-on-write in both:
 * they share one amap, marked needs-copy, and the parent's translations lose their write permission. No page is copied.
 *
 * @errors ENOMEM  no frame for the child's page tables, or no promise of its memory; nothing is left behind
 * @locks  parent's map write-locked throughout; may sleep for it
 * @manual uvmspace_fork, uvm_map(9), NetBSD
 */
export function* uvmspaceFork(parent: VmSpace): Sleep<VmSpace | Err> {
  const { vm } = parent
  const owner = {}
  yield* parent.map.lock.write(owner)
  const { map } = parent
  const child = uvmspaceAlloc(vm, map.personality, map.min, map.max, map.isTopdown)
  if (isErr(child)) {
    parent.map.lock.unlockWrite()
    return child
  }
  vm.stats.forks++
  for (const entry of parent.map.entries()) {
    const error = forkEntry(entry, child.map)
    if (error !== 0) {
      pmapUpdate(parent.pmap)
      for (const news of takeNews(map)) news.cancel()
      parent.map.lock.unlockWrite()
      uvmspaceFree(child)
      return error
    }
  }
  child.mmapBase = parent.mmapBase
  child.startBrk = parent.startBrk
  child.brk = parent.brk
  child.startCode = parent.startCode
  child.endCode = parent.endCode
  child.startData = parent.startData
  child.endData = parent.endData
  child.startStack = parent.startStack
  child.argStart = parent.argStart
  child.argEnd = parent.argEnd
  child.envStart = parent.envStart
  child.envEnd = parent.envEnd
  child.limits = { ...parent.limits }
  child.maxMapCount = parent.maxMapCount
  child.largePagesOff = parent.largePagesOff
  pmapUpdate(parent.pmap)
  const news = takeNews(map)
  parent.map.lock.unlockWrite()
  for (const one of news) yield* one.tell()
  return child
}

function forkEntry(entry: VmMapEntry, child: VmMap): 0 | Err {
  if (entry.inheritance === VM_INHERIT_NONE || (entry.vmFlags & VM_DONTCOPY) !== 0) return 0
  const { space } = entry.map
  if ((entry.vmFlags & VM_ACCOUNT) !== 0 && space !== null && !mayCommit(space, entry.end - entry.start)) return ENOMEM
  const isWiped = entry.inheritance === VM_INHERIT_ZERO || (entry.vmFlags & VM_WIPEONFORK) !== 0
  if (entry.inheritance === VM_INHERIT_SHARE && entry.needsCopy) entry.map.ownAmap(entry)

  if (entry.object !== null && !isWiped) entry.object.pager.reference(entry.object)
  if (!isWiped) entry.file?.reference()
  const copy = child.link(entry.start, entry.end, {
    object: isWiped ? null : entry.object,
    offset: isWiped ? 0 : entry.offset,
    file: isWiped ? null : entry.file,
    isCow: entry.inheritance === VM_INHERIT_SHARE ? entry.isCow : true,
    needsCopy: entry.inheritance === VM_INHERIT_SHARE ? entry.needsCopy : true,
    protection: entry.protection,
    maxProtection: entry.maxProtection,
    inheritance: entry.inheritance,
    advice: entry.advice,
    vmFlags: entry.vmFlags & ~(VM_LOCKED | VM_LOCKONFAULT | VM_UFFD),
    policy: entry.policy,
    noMerge: entry.noMerge,
    anonPgoff: entry.anonPgoff,
  })
  copy.listener = entry.listener?.inherited(child.space!, entry.start, entry.end) ?? null
  if (copy.listener !== null) copy.vmFlags |= entry.vmFlags & VM_UFFD
  if (isWiped) return 0
  if (entry.inheritance === VM_INHERIT_SHARE) {
    if (entry.amap !== null) {
      copy.amap = entry.amap
      copy.amapSlot = entry.amapSlot
      amapRef(entry.amap, entry.amapSlot, entry.pageCount, true)
    }
    return (entry.vmFlags & (VM_MAYGUARD | VM_MAYPOISON)) === 0 ? 0 : copyEntries(entry, copy, PMAP_COPY_SHARED)
  }
  if (entry.anonGroup !== null) {
    copy.anonGroup = child.vm.newGroup()
    copy.isForkChild = true
  }
  if (entry.amap !== null) return forkAmap(entry, copy)
  return hasRecords(entry) ? copyEntries(entry, copy, 0) : 0
}

/**
 * Are the entry's translations worth copying? Those of the object alone are made again by faults; guard markers are
 * records, and a group says that there may be more than the object's pages.
 */
function hasRecords(entry: VmMapEntry): boolean {
  return (entry.vmFlags & (VM_MAYGUARD | VM_MAYPOISON)) !== 0 || entry.anonGroup !== null
}

/** COPY inheritance of an entry with an amap (uvm specification 2.14.4, steps 1 to 4). */
function forkAmap(entry: VmMapEntry, copy: VmMapEntry): 0 | Err {
  const amap = entry.amap!
  copy.amap = amap
  copy.amapSlot = entry.amapSlot
  amapRef(amap, entry.amapSlot, entry.pageCount, false)
  const { pmap, personality } = entry.map
  if (amap.isShared || entry.wiredCount > 0) {
    copy.map.ownAmap(copy)
    const error = cowNow(copy, entry.wiredCount > 0)
    return error !== 0 || entry.wiredCount > 0 ? error : shareProtect(entry)
  }
  entry.isCow = true
  entry.needsCopy = true
  if (personality.forkPtes === 'copy') return hasRecords(entry) ? copyEntries(entry, copy, 0) : 0
  if ((entry.maxProtection & 2) !== 0) pmapProtect(pmap, entry.start, entry.end, VM_PROT_READ | VM_PROT_EXECUTE)
  return 0
}

function copyEntries(entry: VmMapEntry, copy: VmMapEntry, flags: number): 0 | Err {
  if (entry.map.personality.forkPtes !== 'copy') return 0
  return pmapCopyRange(copy.map.pmap, entry.map.pmap, entry.start, entry.end, flags)
}

/** A genuinely shared amap: every sharer's translation becomes read-only, so that the child's snapshot stays one. */
function shareProtect(entry: VmMapEntry): 0 {
  const { vm } = entry.map
  amapForEach(vm.chunks, entry.amap!, entry.amapSlot, entry.amapSlot + entry.pageCount, (_slot, anon) => {
    const pfn = anonPage(vm.anons, anon)
    if (pfn >= 0) pmapPageProtect(vm.pmaps, pfn as Pfn, VM_PROT_READ | VM_PROT_EXECUTE)
  })
  return 0
}

/**
 * The child of a wired entry gets its own pages now, and its own copy of every page that a sharer of the parent's amap has
 * wired; wired mappings are left alone.
 *
 * @param all  the parent's entry is wired itself
 */
function cowNow(copy: VmMapEntry, all: boolean): 0 | Err {
  const { vm } = copy.map
  const slots: number[] = []
  amapForEach(vm.chunks, copy.amap!, copy.amapSlot, copy.amapSlot + copy.pageCount, (slot, anon) =>
    slots.push(slot, anon),
  )
  for (let i = 0; i < slots.length; i += 2) {
    const old = slots[i + 1]!
    if (vm.anons.ref[old]! <= 1 || !(all || isAnonWired(vm, old))) continue
    const fresh = anonAllocWithPage(vm.anons, GFP_KERNEL)
    if (isErr(fresh)) return fresh
    pmapCopyPage(vm.pmaps, anonPage(vm.anons, old) as Pfn, anonPage(vm.anons, fresh) as Pfn)
    amapAdd(vm.chunks, copy.amap!, slots[i]!, fresh)
    anonUnref(vm.anons, old)
  }
  return 0
}

function isAnonWired({ anons, phys }: Vm, anon: number): boolean {
  const pfn = anonPage(anons, anon)
  return pfn >= 0 && phys.frames.wireCount[phys.frames.indexOf(pfn as Pfn)]! > 0
}

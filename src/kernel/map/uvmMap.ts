import {
  EACCES,
  EAGAIN,
  EINVAL,
  ENOMEM,
  type Err,
  isPageAligned,
  kassert,
  PAGE_SIZE,
  type Sleep,
  sleepOn,
} from '../../base/index.ts'
import { Amap } from '../anon/index.ts'
import type { MemoryObject } from '../object/index.ts'
import { pmapGrowkernel } from '../pmap/index.ts'
import type { EntryAttributes, MappedFile, VmMapEntry } from './entry.ts'
import { uvmFindSpace } from './uvmFindSpace.ts'
import {
  isEntryAdvice,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_NOMERGE,
  UVM_FLAG_NOWAIT,
  UVM_FLAG_OVERLAY,
  UVM_FLAG_QUANTUM,
  UVM_FLAG_TRYLOCK,
  UVM_FLAG_UNMAP,
  UVM_FLAG_WAITVA,
  UVM_INH_DONATE,
  UVM_INH_MASK,
  UVM_UNKNOWN_OFFSET,
  uvmAdvice,
  uvmInherit,
  uvmMaxprotection,
  uvmProtection,
} from './uvmFlags.ts'
import type { VmMap } from './vmMap.ts'

const SECOND = 1e9

/**
 * Establishes a mapping. No page is allocated and no translation made, whatever the flags.
 *
 * @param start   bytes, page aligned: the address with FIXED, else where the search begins
 * @param size    bytes, a positive multiple of the page size
 * @param object  what is mapped, or null; its one reference is the map's after success, and stays the caller's after an error
 * @param offset  bytes into the object; UVM_UNKNOWN_OFFSET for none in particular
 * @param align   bytes, a power of two, or 0; with COLORMATCH a page colour
 * @param flags   see uvmMapflag
 * @param file    the open file behind the object, for listings; its reference goes the object's way
 * @returns the address
 * @errors EACCES  protection beyond the maximum, or address 0; EAGAIN TRYLOCK and the map is locked; ENOMEM no space,
 *                 FIXED target occupied or outside; EINVAL advice or inheritance that no entry can have
 * @locks  map write-locked; sleeps for it, and with WAITVA for space
 * @manual uvm_map(9), NetBSD
 */
export function* uvmMap(
  map: VmMap,
  start: number,
  size: number,
  object: MemoryObject | null,
  offset: number,
  align: number,
  flags: number,
  file: MappedFile | null = null,
): Sleep<number | Err> {
  checkCall(map, start, size, object, offset, align, flags)
  if (!isEntryAdvice(uvmAdvice(flags)) || (flags & UVM_INH_MASK) === UVM_INH_DONATE) return EINVAL
  if ((flags & UVM_FLAG_FIXED) !== 0 && start === 0 && map.vm.isVa0Disabled && map !== map.vm.kernelMap) return EACCES
  if ((uvmProtection(flags) & ~uvmMaxprotection(flags)) !== 0) return EACCES
  const owner = {}
  for (;;) {
    if (!map.lock.tryWrite(owner)) {
      if ((flags & UVM_FLAG_TRYLOCK) !== 0) return EAGAIN
      yield* map.lock.write(owner)
    }
    const at = place(map, start, size, offset, align, flags)
    if (at !== -1) {
      const dead = (flags & UVM_FLAG_UNMAP) !== 0 ? map.unlinkRange(at, at + size) : []
      enter(map, at, size, object, offset, flags, file)
      map.lock.unlockWrite()
      for (const entry of dead) map.detach(entry)
      return at
    }
    map.lock.unlockWrite()
    if ((flags & UVM_FLAG_WAITVA) === 0) return ENOMEM
    yield* sleepOn(map.spaceQueue, map.vm.machine.clock.now + SECOND)
  }
}

function checkCall(
  map: VmMap,
  start: number,
  size: number,
  object: MemoryObject | null,
  offset: number,
  align: number,
  flags: number,
): void {
  kassert(size > 0 && isPageAligned(size), 'uvm_map maps whole pages', `size ${size}`)
  kassert(isPageAligned(start), 'uvm_map starts at a page', `start ${start.toString(16)}`)
  const has = (flag: number): boolean => (flags & flag) !== 0
  kassert(
    !has(UVM_FLAG_UNMAP) || (has(UVM_FLAG_FIXED) && !has(UVM_FLAG_NOWAIT)),
    'UVM_FLAG_UNMAP goes with FIXED and without NOWAIT',
  )
  kassert(!(has(UVM_FLAG_NOWAIT) && has(UVM_FLAG_WAITVA)), 'UVM_FLAG_NOWAIT excludes WAITVA')
  kassert(!has(UVM_FLAG_QUANTUM) || map === map.vm.kernelMap, 'UVM_FLAG_QUANTUM is for kernel maps')
  kassert((align & (align - 1)) === 0 || align > 2 ** 31 || (flags & 0x04000000) !== 0, 'alignment is a power of two')
  kassert(
    object === null || offset !== UVM_UNKNOWN_OFFSET || object === map.vm.kernelObject,
    'only the kernel object is mapped at an unknown offset',
  )
}

function place(map: VmMap, start: number, size: number, offset: number, align: number, flags: number): number {
  if ((flags & UVM_FLAG_UNMAP) === 0) return uvmFindSpace(map, start, size, offset, align, flags)
  return start >= map.min && start + size <= map.max ? start : -1
}

function enter(
  map: VmMap,
  at: number,
  size: number,
  object: MemoryObject | null,
  offset: number,
  flags: number,
  file: MappedFile | null,
): VmMapEntry {
  if (map === map.vm.kernelMap) pmapGrowkernel(map.vm.pmaps, at + size)
  const isCow = (flags & UVM_FLAG_COPYONW) !== 0
  const hasOverlay = (flags & UVM_FLAG_OVERLAY) !== 0
  const attributes: EntryAttributes = {
    object,
    offset: object === null ? 0 : (offset === UVM_UNKNOWN_OFFSET ? at - map.min : offset) / PAGE_SIZE,
    file,
    isCow,
    needsCopy: isCow && !hasOverlay,
    protection: uvmProtection(flags),
    maxProtection: uvmMaxprotection(flags),
    inheritance: uvmInherit(flags),
    advice: uvmAdvice(flags),
    vmFlags: 0,
    noMerge: (flags & UVM_FLAG_NOMERGE) !== 0,
    isQuantum: (flags & UVM_FLAG_QUANTUM) !== 0,
    anonPgoff: at / PAGE_SIZE,
  }
  const entry = map.mergeAround(map.link(at, at + size, attributes), true, true)
  // A merged entry has grown the amap of its neighbour; one that stands alone gets its own.
  if (hasOverlay && entry.amap === null) entry.amap = new Amap(0, entry.pageCount)
  return entry
}

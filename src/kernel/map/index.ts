/**
 * map: what is mapped where. One `VmMap` per address space: entries in a list and a B+ tree with gaps, split and joined
 * as the personality says; one `VmSpace` per process: map, pmap and Linux's place marks.
 *
 * Invariants (`VmMap.verify`):
 * - entries are page aligned, do not overlap, and lie within the map;
 * - protection is within the maximum, and needs-copy implies copy-on-write;
 * - an amap slot that no entry covers is empty, and an amap counts its entries and how often each slot is covered
  (`verifyAmaps`);
 * - every object knows each entry that shows it.
 *
 * Locks: the map lock, before any amap, object or pmap lock. The `…Region` functions take it for writing and may sleep
 * for it; `…Locked` ones are called with it held and never sleep.
 * Manuals: uvm_map(9), NetBSD; mmap(2) and its kin, Linux.
 */
export * from './entry.ts'
export * from './personality.ts'
export * from './policy.ts'
export * from './commit.ts'
export type { FaultListener, FaultNews } from './faultListener.ts'
export * from './vm.ts'
export { VmMap } from './vmMap.ts'
export * from './vmSpace.ts'
export { amapCopy } from './amapCopy.ts'
export { prepareAnonGroup } from './anonGroup.ts'
export { locked } from './locked.ts'
export { growDown, lockedBytes, STACK_GUARD_PAGES } from './growDown.ts'
export { findSpace, MAP_FIXED, MAP_FIXED_NOREPLACE } from './findSpace.ts'
export * from './mmap.ts'
export { munmapLocked, munmapRegion } from './munmap.ts'
export { mprotectRegion } from './mprotect.ts'
export { brkRegion } from './brk.ts'
export { modifyPart } from './modifyRange.ts'
export { madviseRegion } from './madvise.ts'
export * from './mremap.ts'
export { mincoreRegion } from './mincore.ts'
export { msyncRegion } from './msync.ts'
export * from './mlock.ts'
export { msealRegion } from './mseal.ts'
export { remapFilePages } from './remapFilePages.ts'
export * from './wire.ts'
export * from './uvmFlags.ts'
export { uvmFindSpace } from './uvmFindSpace.ts'
export { assertPages } from './assertPages.ts'
export { uvmMap } from './uvmMap.ts'
export { uvmDeallocate, uvmUnmap } from './uvmUnmap.ts'
export { uvmMapCheckprot, uvmMapProtect } from './uvmProtect.ts'
export { uvmMapAdvice, uvmMapInherit } from './uvmAttributes.ts'
export { verifyAmaps } from './verifyAmaps.ts'
export { type MappableDevice, udvAttach } from './deviceObject.ts'
export { isMlocked } from './isMlocked.ts'
export { forEachSwapped, swapUse, type SwapUse } from './swapUse.ts'

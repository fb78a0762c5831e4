/**
 * pmap: edits page tables in simulated RAM, remembers who maps a frame, and tells the TLBs.
 *
 *   Pmaps ──► kernel: Pmap            one room state for each system
 *     ├─────► byId: Pmap[]            root ─► tables in RAM ─► leaves and software entries
 *     ├─────► ReverseMap              frame ─► (pmap, vpn) pairs
 *     └─────► CpuState for each CPU   ASIDs, mailbox of deferred invalidations, quick frame
 *
 * Present managed entries are a cache, which may forget; unmanaged and software entries are records (DESIGN.md,
 * decision 5).
 *
 * Invariants (verify recomputes them)
 *  - A leaf may be hidden: mapped for the kernel, not valid for the processor (pmapSetProtection). All that follows holds for it.
 *  - A superpage of a user is 512 managed pages in all that follows; a table is held back for splitting it (large.ts).
 *  - A managed leaf has exactly one entry in the reverse map, and every entry of the reverse map has its leaf.
 *  - mapcount + 1 is the number of managed leaves of a frame; each of them holds one of its references.
 *  - residentCount counts the managed leaves of a pmap, wiredCount the leaves with the wired bit, tablePages its tables.
 *  - frames.private of a table counts its entries that are not zero; no user table but the root is empty.
 *  - A leaf that is dirty is accessed.
 *  - The kernel half of every root is the kernel root's.
 *  - An ASID of a TLB belongs to one pmap; what a TLB holds for a pmap is in its tables, or some CPU's mailbox says
 *    that it will be dropped.
 *
 * A frame with PG_reserved (the shared zero page) and a pfn without a frame are entered unmanaged.
 *
 * Locks: nothing here sleeps. Page functions need the lock of the page's owner. Changes to present entries reach other
 * CPUs at pmapUpdate at the latest; replacing a frame reaches them at once.
 *
 * @manual pmap(9), NetBSD; pmap_quick_enter_page(9), pmap_qenter(9), FreeBSD
 */
export {
  ATTR_EXCLUSIVE,
  ATTR_MODIFIED,
  ATTR_REFERENCED,
  ATTR_TOUCHED,
  PMAP_CANFAIL,
  PMAP_COPY_SHARED,
  PMAP_NOCACHE,
  PMAP_NOCACHE_OVR,
  PMAP_UNMANAGED,
  PMAP_WIRED,
  PMAP_WRITE_BACK,
  PMAP_WRITE_COMBINE,
  VM_PROT_ALL,
  VM_PROT_EXECUTE,
  VM_PROT_NONE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from './constants.ts'
export { SOFT_FILE, SOFT_GUARD, SOFT_NONE, SOFT_SWAP, SOFT_UFFD_WP } from '../../machine/index.ts'
export { CpuState, Pmap, PmapCounters, Pmaps, type PmapOptions } from './pmaps.ts'
export { type TableSource } from './tables.ts'
export { pmapShootdownKernel } from './shootdown.ts'
export { pmapCreate, pmapDestroy, pmapReference } from './pmapCreate.ts'
export { pmapEnter } from './pmapEnter.ts'
export { pmapEnterSoft } from './pmapEnterSoft.ts'
export { pmapEnterLarge } from './large.ts'
export { pmapRemove, pmapRemoveAll } from './pmapRemove.ts'
export { pmapProtect } from './pmapProtect.ts'
export { pmapCleanRange } from './pmapCleanRange.ts'
export { pmapClearAccessed } from './pmapClearAccessed.ts'
export { pmapSetProtection } from './pmapSetProtection.ts'
export { pmapUnwire } from './pmapUnwire.ts'
export { pmapExtract, pmapForEach, pmapForEachSoft, pmapLookup } from './pmapLookup.ts'
export { pmapCopy } from './pmapCopy.ts'
export { pmapCopyRange } from './pmapCopyRange.ts'
export { pmapMove } from './pmapMove.ts'
export { pmapReplacePage } from './pmapReplacePage.ts'
export { pmapUpdate } from './pmapUpdate.ts'
export { pmapActivate, pmapDeactivate } from './pmapActivate.ts'
export {
  pmapClearModify,
  pmapClearReference,
  pmapIsModified,
  pmapIsReferenced,
  pmapPageProtect,
} from './pmapPageProtect.ts'
export {
  pmapGrowkernel,
  pmapKenterPa,
  pmapKernelTables,
  pmapKremove,
  pmapKremoveNoFlush,
  pmapQenter,
  pmapQremove,
  pmapVirtualSpace,
} from './kernelMappings.ts'
export { verify } from './verify.ts'
export { pmapCopyPage, pmapZeroPage } from './pageData.ts'
export { pmapQuickEnterPage, pmapQuickRemovePage } from './pmapQuick.ts'

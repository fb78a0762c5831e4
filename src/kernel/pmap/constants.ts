// Words of the pmap interface.

import { F_ACCESSED, F_DIRTY, F_EXEC, F_READ, F_WRITE } from '../../machine/index.ts'

// Protection and kind of access: the numbers of UVM and of PROT_… alike.
export const VM_PROT_NONE = 0
export const VM_PROT_READ = 1
export const VM_PROT_WRITE = 2
export const VM_PROT_EXECUTE = 4
export const VM_PROT_ALL = 7

// Flags of pmapEnter.
//
//   12        11    8  6         5       4     2      0
//  +---------+-------+---------+-------+-----+--------+
//  |UNMANAGED| cache |    –    |CANFAIL|WIRED| access |
//  +---------+-------+---------+-------+-----+--------+
/** The mapping is never forgotten. */
export const PMAP_WIRED = 0x10
/** Answer ENOMEM when there is no page for a page table; without it that is a panic. */
export const PMAP_CANFAIL = 0x20
// Cache modes are accepted and have no effect: the machine has no caches.
export const PMAP_NOCACHE = 0x100
export const PMAP_WRITE_COMBINE = 0x200
export const PMAP_WRITE_BACK = 0x300
export const PMAP_NOCACHE_OVR = 0x400
/** No reverse map, no reference, no attributes, though the frame has a page: a record made by a driver. */
export const PMAP_UNMANAGED = 0x1000

// Flags of pmapCopyRange.
/** A shared mapping: entries are copied as they are, neither side loses its write permission. */
export const PMAP_COPY_SHARED = 1

// Saved attributes in Frames.attrs.
/** A PTE that is gone had D set. */
export const ATTR_MODIFIED = 1
/** A PTE that is gone had A set. */
export const ATTR_REFERENCED = 2
/** The mapped page counts as anonymous in the statistics of its zone. */
export const ATTR_COUNTED_ANON = 4
/**
 * An anonymous page that a store of one address space has made its own: since then no fork has given it to another one.
 * Permission to store may be given back to it without a fault (Linux's PG_anon_exclusive).
 */
export const ATTR_EXCLUSIVE = 8
/**
 * An anonymous page was faulted in for a store that its translation allowed already: it counts as dirty, whatever the
 * translations say (Linux's PG_dirty of such a page). ATTR_MODIFIED, which only says that its bytes matter, does not show.
 */
export const ATTR_TOUCHED = 16

/** F_READ, F_WRITE, F_EXEC: the bits of a protection, unchanged (asserted by the tests). */
export const F_PROT = F_READ | F_WRITE | F_EXEC

/** Bytes that one lowest-level table maps. */
export const TABLE_SPAN = 2 ** 21

/** One bit of a word for each CPU. */
export const CPU_LIMIT = 32

/** Must a TLB that may hold a leaf with flags `was` be told when it becomes `now` (0 = gone)? Specification, 2.23.1. */
export function needsInvalidation(was: number, now: number): boolean {
  if ((was & F_ACCESSED) === 0) return false
  const lost = was & ~now & F_PROT
  if ((lost & (F_READ | F_EXEC)) !== 0) return true
  return (lost & F_WRITE) !== 0 && (was & F_DIRTY) !== 0
}

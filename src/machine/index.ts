/**
 * machine: the hardware. RAM, CPUs with their TLBs and page walkers, interprocessor interrupts, disks, and the
 * formats of page tables. It knows no kernel.
 *
 *   Machine ──► PhysicalMemory        all RAM, page tables included, in one buffer
 *      └─────► Cpu ──► Mmu ──► Tlb    virtual address -> byte offset in that buffer, or a negative cause
 *                        └───► Walker reads PteFormat words in RAM
 *
 * Invariants
 *  - A frame's byte offset never changes once frameOffset has answered it.
 *  - Every front slot of a TLB is derived from an architectural entry that is still there, belongs to the current
 *    address space, has F_USER, and allows what its tags say; a store tag has F_DIRTY.
 *  - Nothing drops an architectural entry but an invalidation or a replacement. A cached entry that denies an access
 *    faults without a walk: whoever raises permission in RAM invalidates the page on the CPUs that are to notice,
 *    at least on the one that faulted, even when the entry in RAM was found right already (a spurious fault).
 *  - Absent entries are not cached: making an entry valid needs no invalidation.
 *  - A walk that fails has changed no leaf; one that succeeds has set A, and for a store D.
 *  - `machine.current.cpu` is the CPU whose code runs, inside interrupt handlers too.
 *
 * Locks: none. Interrupt handlers take none either.
 */
export * from './physicalMemory.ts'
export {
  F_ACCESSED,
  F_DIRTY,
  F_EXEC,
  F_GLOBAL,
  F_MANAGED,
  F_READ,
  F_USER,
  F_VALID,
  F_WIRED,
  F_WRITE,
  FLAG_NAMES,
  LEVEL_BYTES,
  LEVEL_FRAMES,
  SOFT_FILE,
  SOFT_GUARD,
  SOFT_KINDS,
  SOFT_NONE,
  SOFT_SWAP,
  SOFT_UFFD_WP,
  SOFT_VALUE_LIMIT,
  type PteFormat,
} from './pte/format.ts'
export { sv39 } from './pte/sv39.ts'
export { sv48 } from './pte/sv48.ts'
export { x86_64 } from './pte/x86_64.ts'
export { aarch64 } from './pte/aarch64.ts'
export * from './tlb.ts'
export * from './walker.ts'
export * from './mmu.ts'
export * from './cpu.ts'
export * from './ipi.ts'
export * from './disk.ts'
export * from './layout.ts'
export * from './machine.ts'
export { verify, verifyTlb } from './verify.ts'

/**
 * fault: the one fault routine. What a load, a store or a fetch needs at an address, it makes; or it says why not.
 *
 * Invariants: after uvmFault answers 0 the translation that the access needs is in the page table of the address space,
 * unless something unmapped it meanwhile; a store is never let through to a page that somebody else sees privately.
 *
 * Locks: the map lock for reading. The Try form never sleeps. Manual: uvm(9), NetBSD.
 */
export {
  EXECUTE,
  FAULT_MAXPROT,
  FAULT_WIRE,
  faultMap,
  pageProtection,
  READ,
  uvmFault,
  uvmFaultTry,
  WRITE,
} from './uvmFault.ts'
export { bindFault, populateRange } from './populate.ts'
export * from './wire.ts'
export { uvmMapClean } from './clean.ts'

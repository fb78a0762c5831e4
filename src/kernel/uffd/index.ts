/**
 * uffd: faults that a program sees to itself. A userfaultfd is registered for ranges of one address space; whoever faults
 * there sleeps, a message says where, and the reader makes the page. Who unmaps, moves or drops a range, or forks, sleeps
 * until the reader has heard of it, if it wants to.
 *
 *   fault routine ──wait──► UserFaults ──messages──► read(fd)
 *        ▲                      ▲
 *        └───────wake───────────┼── ioctl: copy, zero, continue, move, poison, write-protect, wake
 *   map room ─────news──────────┘
 *
 * Invariants
 *  - an entry with a VM_UFFD bit has a listener, and one with a listener has such a bit;
 *  - a sleeping fault is in exactly one of two lists: not yet read, or read;
 *  - a page that is write-protected here has no writable translation;
 *  - while news is waiting to be heard, no page is made.
 *
 * Locks: none of its own. Filling takes the map lock of the address space; what it does with it held does not sleep.
 * Manual: userfaultfd(2), ioctl_userfaultfd(2), Linux.
 */
export { type FaultingThread, openUserFaults, UserFaults, type UserFaultsOptions } from './userFaults.ts'
export * from './constants.ts'
export { registerRange, unregisterRange } from './register.ts'
export { fillRange, type FillRequest } from './fill.ts'
export { moveRange } from './move.ts'
export { protectRange } from './protect.ts'

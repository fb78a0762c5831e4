/**
 * trap: the kernel's front door. A hart has stopped; what its thread needs is done, and the thread runs on.
 *
 * Invariants
 *  - An instruction that faulted is executed again, or its thread gets a signal that it cannot put off.
 *  - After handleTrap and its work the thread has nothing left to do in the kernel, or is dead.
 *
 * Locks: none of its own. The usual fault and the usual system call do not sleep and make no generator.
 */
export { beforeUser, handleTrap } from './handleTrap.ts'

/**
 * syscall: the calls of Linux's RISC-V ABI, one thin file for a call or a tight family. A call takes its arguments from
 * the registers, copies what they point to, calls one function of a room below, and answers a number.
 *
 * Invariants
 *  - A call that answers an error has changed nothing but what its manual says.
 *  - Numbers without a row answer ENOSYS.
 *  - a0 is the only register that a call changes, but for execve, rt_sigreturn and the exits.
 *
 * Locks: none of its own; calls sleep. Manuals: section 2 of Linux's manual pages.
 */
export { dispatchSyscall } from './dispatch.ts'
export { syscallOf, type TableEntry } from './table.ts'

/**
 * process: what runs. Processes and threads, execve, fork and clone, exit and wait, signals, copies to and from user
 * memory, futexes.
 *
 *   Process ──► VmSpace, FdTable, FsContext, SignalActions      each shared or copied, as clone was asked
 *      └─────► Thread ──► Registers, signal mask, continuation
 *
 * Invariants
 *  - A process with a thread has an address space and descriptors; a zombie has neither.
 *  - The parent of a living process lives; children of the dead belong to the first process, or to nobody.
 *  - execve changes nothing until the new address space is whole.
 *  - No thread returns to user code with a deliverable signal, nor in a process that is exiting.
 *  - `needsAttention` is true wherever there is something to do before user code runs again.
 *
 * Locks: the map locks of address spaces, through the map room. Most functions sleep.
 * Manuals: execve(2), clone(2), wait4(2), signal(7), elf(5); the RISC-V ELF psABI; copy(9), NetBSD.
 */
export * from './kernel.ts'
export * from './process.ts'
export * from './processTable.ts'
export * from './limits.ts'
export * from './credentials.ts'
export { checkCpuTimers, countedNs, type CpuTimer, type CpuTimers } from './cpuTimers.ts'
export { openPidFile, PidFile } from './pidFile.ts'
export * from './signals.ts'
export * from './futex.ts'
export * from './registers.ts'
export * from './userCopy.ts'
export * from './uio.ts'
export * from './elf.ts'
export { createVdso, VDSO_FILE } from './vdso.ts'
export { mayAccess } from './mayAccess.ts'
export { entryName, mapsAround, mapsLine } from './mapsLine.ts'
export { HWCAP_RV64GC, SIGNAL_FRAME_BYTES } from './initialStack.ts'
export { execve, type ExecRequest } from './execve.ts'
export { createInit, type InitRequest } from './createInit.ts'
export * from './clone.ts'
export { exitGroup, exitThread, reap } from './exit.ts'
export * from './wait.ts'
export {
  checkSignal,
  discardIgnored,
  forceSignal,
  isBeingEnded,
  recheckSignals,
  sendSignal,
  sendThreadSignal,
  sleepUnlessEnded,
} from './sendSignal.ts'
export { isOnAltStack, popSignalFrame, siginfoBytes } from './signalFrame.ts'
export { returnToUser } from './deliver.ts'
export { nowNs } from './now.ts'
export { killForMemory, oomBadness, oomTotalPages } from './oomKiller.ts'

/**
 * proc: the files of /proc. Texts in the kernel's formats, made from the other rooms' state when they are read; this
 * room keeps nothing of its own.
 *
 *   makeProcFs ──► TextFs ──► self, PID/…        processDir, of a Process
 *                        └──► meminfo, vmstat, …  systemFiles, of the whole kernel
 *
 * Invariants:
 *  - reading a file changes nothing that a program can see, but for pages of /proc/PID/mem that it faults in;
 *  - `mapsText` is the one writer of /proc/PID/maps: reports and tests use it too.
 *
 * Locks: none. Texts are made in one synchronous call, so no line is torn by a concurrent change.
 * Manual: proc(5), Linux; the formats are sections 2.1 to 2.6 of the system-call specification.
 */
export { makeProcFs } from './procFs.ts'
export { makeSysFs } from './sysFs.ts'
export { frameFlags, frameMappings, type FrameWord } from './frameFiles.ts'
export { swapsText, vmallocinfoText } from './memoryTexts.ts'
export { largePagesIn } from './largeFrames.ts'
export { mapsText } from './maps.ts'
export { countResident, smapsText, type Resident, vmFlagCodes } from './smaps.ts'
export { virtualSizes, type VirtualSizes } from './virtualSizes.ts'
export { pagemapBytes } from './pagemap.ts'
export { committedPages } from './committed.ts'
export { countFrames, type FrameUse } from './systemFiles.ts'
export { verifyProc } from './verifyProc.ts'

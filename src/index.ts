/**
 * pagewright: the virtual memory of an operating system, as a library.
 *
 *   const system = createSystem({ memory: '64M', tlb: '64x4' })
 *   const program = system.spawn(bytesOfARiscvExecutable, { args: ['3'] })
 *   system.run(program)
 *   console.log(program.stdout, formatReport(system.report()))
 *
 * Everything a program may want stands here; examples/ shows it at work. `System.rooms` leads to the kernel itself.
 */
export * from './system/index.ts'
export type {
  ConsoleSink,
  ConsoleSource,
  HostEntry,
  HostFile,
  HostFiles,
  HostStat,
  Timestamp,
} from './kernel/file/index.ts'
export { nameFromBytes, nameToBytes } from './kernel/file/index.ts'
export {
  comparable,
  describeDifference,
  generate,
  isCompared,
  OracleWorld,
  parseRecording,
  PROFILE_NAMES,
  replay,
  shrink,
  type Difference,
  type Level,
  type Op,
  type Replay,
  type Sequence,
} from './oracle/index.ts'
export { KernelPanic, WaitQueue, type OrErr } from './base/index.ts'
export * as errno from './base/errno.ts'

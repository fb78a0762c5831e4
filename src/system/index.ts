/**
 * system: one whole computer, made from a configuration. Boots the rooms and binds their upcalls, runs programs on its
 * CPUs in turns, and answers what is going on in plain records.
 *
 *   checkConfig ──► boot ──► System ──► spawn ──► GuestProcess
 *                              └─────► step / run ──► Scheduler ──► Hart.run, handleTrap, kernel work
 *                              └─────► report ──► Report ──► formatReport, JSON
 *
 * Invariants:
 *  - same configuration, programs and input: same run, event for event; nothing here asks the host for time or chance;
 *  - a task is ready, running, asleep or ended, and only sleeping ones are in a wait queue (Scheduler.verify);
 *  - the hart of a CPU has the registers, and the CPU the page tables, of the thread that runs on it;
 *  - a report is plain data: it holds no reference into the system.
 *
 * Locks: none; one host thread plays all CPUs.
 */
export {
  checkConfig,
  ConfigError,
  CPUS_MOST,
  DEFAULTS,
  formatSize,
  MEMORY_LEAST,
  MEMORY_MOST,
  NODES_MOST,
  PAGES_NAMES,
  parseSize,
  type CheckedConfig,
  type PagesName,
  type SystemConfig,
} from './config.ts'
export {
  createSystem,
  GuestProcess,
  ProgramError,
  StuckError,
  System,
  type SpawnOptions,
  type Terminal,
} from './system.ts'
export { causeLines, count, formatReport, printable, REPORT_SCHEMA } from './report.ts'
export type {
  EndCause,
  EndReport,
  FaultReport,
  FrameReport,
  MachineReport,
  ProcessReport,
  Report,
  TlbReport,
} from './report.ts'
export type { ProcessCounters } from './inspect.ts'
export type { StepResult } from './scheduler.ts'

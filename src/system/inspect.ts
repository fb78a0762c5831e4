// What a panel, a report or a test may know of a running system, as plain records. Reads every room, changes none.

import { strayPages } from '../kernel/pagecache/index.ts'
import { countFrames, mapsText, virtualSizes } from '../kernel/proc/index.ts'
import {
  BUS_ADRALN,
  type FatalSignal,
  type Kernel,
  type Process,
  SEGV_ACCERR,
  SIGBUS,
  SIGILL,
  signalName,
  SIGSEGV,
  SIGTRAP,
} from '../kernel/process/index.ts'
import { freeCount } from '../kernel/phys/index.ts'
import type { VmSpace } from '../kernel/map/index.ts'
import type { Booted } from './boot.ts'
import type { CheckedConfig } from './config.ts'
import {
  REPORT_SCHEMA,
  type EndCause,
  type EndReport,
  type FrameReport,
  type ProcessReport,
  type Report,
} from './report.ts'

/** Frames in use for the kernel's own sake when the system had booted: what they are compared with later. */
export interface BootFrames {
  readonly free: number
  readonly kernel: number
  readonly pageTables: number
}

/** The numbers of /proc/PID/statm and getrusage of one process, now. */
export interface ProcessCounters {
  readonly instructions: number
  readonly minorFaults: number
  readonly majorFaults: number
  readonly residentPages: number
  readonly peakResidentPages: number
  readonly pageTablePages: number
  readonly virtualPages: number
}

export function countersOf(process: Process, space: VmSpace | null = process.space): ProcessCounters {
  const { usage } = process
  return {
    instructions: usage.instructions,
    minorFaults: usage.minorFaults,
    majorFaults: usage.majorFaults,
    residentPages: space?.residentPages ?? 0,
    peakResidentPages: Math.max(usage.peakResidentPages, space?.peakResidentPages ?? 0),
    pageTablePages: space?.pmap.tablePages ?? 0,
    virtualPages: space === null ? 0 : virtualSizes(space).total,
  }
}

/** The record of a process, `space` being what it has or is about to give up. */
export function processReport(process: Process, space: VmSpace | null, hasMaps: boolean): ProcessReport {
  return {
    pid: process.pid,
    parent: process.ppid,
    name: process.name,
    status: space === null || process.isExiting ? shellStatus(process.exitStatus) : null,
    ...countersOf(process, space),
    maps: hasMaps && space !== null ? mapsText(space).split('\n').slice(0, -1) : null,
  }
}

/** A wait status as a shell shows it: the exit code, or 128 + the signal's number. */
export function shellStatus(waitStatus: number): number {
  const signo = waitStatus & 0x7f
  return signo === 0 ? (waitStatus >> 8) & 0xff : 128 + signo
}

/** How a process that has ended did so. */
export function endReport(process: Process): EndReport {
  const signo = process.exitStatus & 0x7f
  return {
    status: shellStatus(process.exitStatus),
    signal: signo === 0 ? null : signalName(signo),
    cause: signo === 0 || process.fatal === null ? null : causeOf(process.fatal),
  }
}
function causeOf(fatal: FatalSignal): EndCause | null {
  const reason = fatal.note !== '' ? fatal.note : reasonOf(fatal)
  if (reason === null) return null
  return {
    reason,
    access: fatal.access === '' ? null : fatal.access,
    address: hex(fatal.address),
    pc: hex(fatal.pc),
    around: fatal.access === '' ? [] : fatal.mappings,
  }
}
/** null: somebody sent the signal. */
function reasonOf({ signo, code }: FatalSignal): string | null {
  if (code <= 0 || code >= 0x80) return null
  switch (signo) {
    case SIGSEGV:
      return code === SEGV_ACCERR ? 'not permitted' : 'no mapping'
    case SIGBUS:
      return code === BUS_ADRALN ? 'misaligned' : 'beyond the end of the file, or it cannot be read'
    case SIGILL:
      return 'illegal instruction'
    case SIGTRAP:
      return 'breakpoint'
    default:
      return null
  }
}
function hex(n: number): string {
  return `0x${(n < 0 ? BigInt.asUintN(64, BigInt(n)) : BigInt(n)).toString(16)}`
}

/** Frames by owner, and what has been lost since boot. */
export function frameReport(kernel: Kernel, atBoot: BootFrames | null): FrameReport {
  const { phys, files } = kernel
  const use = countFrames(phys)
  // Given up by their file, on their way to a list.
  const stray = strayPages(files.cache)
  const free = freeCount(phys)
  const present = phys.populatedZones.reduce((sum, zone) => sum + zone.present, 0)
  const managed = phys.populatedZones.reduce((sum, zone) => sum + zone.managed, 0)
  const used = use.anon + use.file + stray + use.shmem + use.slab + use.pageTables
  const kernelFrames = managed - free - used
  let leaked = 0
  if (atBoot !== null) {
    leaked = kernelFrames - atBoot.kernel
    // Nobody lives: private memory and page tables have no owner any more.
    if (![...kernel.processes.byPid.values()].some((process) => process.state === 'alive')) {
      leaked += use.anon + use.pageTables - atBoot.pageTables
    }
  }
  return {
    total: present,
    free,
    anonymous: use.anon,
    fileCache: use.file + stray,
    sharedMemory: use.shmem,
    pageTables: use.pageTables,
    slab: use.slab,
    kernel: kernelFrames,
    reserved: present - managed,
    freeAtBoot: atBoot?.free ?? free,
    leaked,
  }
}

/** What `makeReport` gathers beside the rooms. */
export interface RunRecord {
  readonly atBoot: BootFrames
  readonly ended: readonly ProcessReport[]
  readonly leftOut: number
  readonly first: Process | null
}

export function makeReport(config: CheckedConfig, booted: Booted, record: RunRecord): Report {
  const { machine, kernel, harts, scheduler } = booted
  const { stats } = kernel.vm
  const sum = (count: (i: number) => number) => machine.cpus.reduce((total, _, i) => total + count(i), 0)
  const instructions = sum((i) => harts[i]!.instructions)
  const loads = sum((i) => harts[i]!.loads)
  const stores = sum((i) => harts[i]!.stores)
  // What ended in a fault asked for a translation too; it is counted as an instruction only when it is done.
  const accesses = instructions + loads + stores + scheduler.faultStops
  const misses = sum((i) => machine.cpus[i]!.tlb.misses)
  const living = [...kernel.processes.byPid.values()].filter((process) => process.space !== null)
  const { first } = record
  // A fault that waited for a disk is major, whether it then mapped the page or copied it.
  const fileMajor = stats.majorFaults - stats.swapFaults
  const majorCopies = Math.max(0, fileMajor - stats.flt_obj)
  const swapCopies = Math.max(0, stats.swapFaults - stats.flt_anon)
  const { swap } = kernel.vm.anons
  return {
    schema: REPORT_SCHEMA,
    machine: {
      memoryBytes: config.memoryBytes,
      cpus: config.cpus,
      nodes: config.nodes,
      tlbEntries: config.tlb.entries,
      tlbWays: config.tlb.ways,
      pages: config.pages,
      seed: config.seed,
      turn: config.turn,
    },
    end: first === null || first.state === 'alive' ? null : endReport(first),
    simulatedNs: Math.max(machine.clock.now, ...machine.cpus.map((cpu) => cpu.time)),
    instructions,
    loads,
    stores,
    systemCalls: scheduler.systemCalls,
    faults: {
      total: stats.minorFaults + stats.majorFaults + stats.protectionFaults,
      zeroFill: stats.flt_przero,
      zeroPage: stats.zeroPageReads,
      copyOnWrite: stats.flt_acow + stats.flt_prcopy - majorCopies - swapCopies,
      fileMinor: stats.flt_obj - fileMajor + majorCopies,
      fileMajor,
      swapIn: stats.swapFaults,
      remap: stats.flt_anon - stats.swapFaults + swapCopies,
      protection: stats.protectionFaults,
    },
    tlb: {
      accesses,
      hits: Math.max(0, accesses - misses),
      misses,
      evictions: sum((i) => machine.cpus[i]!.tlb.evictions),
      invalidations: sum((i) => machine.cpus[i]!.tlb.invalidations),
      walks: sum((i) => machine.cpus[i]!.mmu.walks),
      walkReads: sum((i) => machine.cpus[i]!.mmu.walkReads),
      shootdowns: kernel.pmaps.counters.shootdowns,
      interrupts: kernel.pmaps.counters.ipis,
    },
    frames: frameReport(kernel, record.atBoot),
    swap:
      swap === null
        ? null
        : {
            pages: swap.swpages,
            inUse: swap.swpginuse,
            pagesOut: kernel.phys.events.get('pswpout'),
            pagesIn: kernel.phys.events.get('pswpin'),
          },
    processes: [...record.ended, ...living.map((process) => processReport(process, process.space, true))],
    processesLeftOut: record.leftOut,
  }
}

// The record of all rooms of one running kernel. Boot (the system room) builds it; a system call gets it first.

import type { WaitQueue } from '../../base/index.ts'
import type { Machine } from '../../machine/index.ts'
import type { Files } from '../file/index.ts'
import type { Personality, Vm, VmSpace } from '../map/index.ts'
import type { MemoryObject } from '../object/index.ts'
import type { Phys } from '../phys/index.ts'
import type { Pmaps } from '../pmap/index.ts'
import type { Segments } from '../sysv/index.ts'
import type { FutexTable } from './futex.ts'
import type { Thread } from './process.ts'
import type { ProcessTable } from './processTable.ts'

/** The kernel whose behaviour and texts these are, as uname and /proc tell it (DESIGN.md, decision 17). */
export const KERNEL_RELEASE = '6.18.0-pagewright'
export const KERNEL_VERSION = '#1 SMP'

/** What the process room asks of whoever runs threads. Bound at boot (DESIGN.md, decision 14). */
export interface SchedulerUpcalls {
  /** A thread that was not runnable is: new, or continued. It runs from its registers. */
  threadReady(thread: Thread): void
  /** The thread will never run again; its state is 'dead'. */
  threadExited(thread: Thread): void
  /** Ends the thread's sleep with reason 'signal' if it sleeps interruptibly. */
  interruptSleep(thread: Thread): void
  /** The thread's turn is over although it could go on. */
  yieldTurn(thread: Thread): void
  /**
   * The thread leaves its address space for another one, or for none. Afterwards no CPU has the old one loaded on the
   * thread's behalf; a CPU that runs the thread has the new one.
   */
  switchSpace(thread: Thread, from: VmSpace, to: VmSpace | null): void
  /** Decoded instructions may be stale: on one CPU, or on all. */
  flushCode(thread: Thread, everywhere: boolean): void
}

export interface KernelInit {
  readonly machine: Machine
  readonly phys: Phys
  readonly pmaps: Pmaps
  readonly vm: Vm
  readonly files: Files
  /** System V shared memory. */
  readonly segments: Segments
  readonly personality: Personality
  readonly scheduler: SchedulerUpcalls
  readonly processes: ProcessTable
  readonly futexes: FutexTable
  /** The page of the signal-return code, mapped into every address space. */
  readonly vdso: MemoryObject
  readonly hostname: string
}

/** All rooms' state. Plain data: functions of the rooms take it, or the part they need. */
export interface Kernel extends KernelInit {
  hostname: string
  domainname: string
  /** Woken when a process ends; what `system.run` waits for. */
  readonly exitQueue: WaitQueue
}

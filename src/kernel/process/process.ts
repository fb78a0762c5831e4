// Processes and threads. A process is what shares an address space by default; a thread is what runs.

import { WaitQueue, type Sleep } from '../../base/index.ts'
import { Registers } from '../../rv64/index.ts'
import { type FdTable, type Vnode, vnodeHold, vnodeRelease } from '../file/index.ts'
import type { MemoryPolicy, VmSpace } from '../map/index.ts'
import type { CpuTimers } from './cpuTimers.ts'
import type { ProcessCredentials } from './credentials.ts'
import type { Limits } from './limits.ts'
import { SignalActions, SignalQueue, type AlternateStack, type SignalSet } from './signals.ts'

/** Root and working directory and the mode mask of new files. Shared by clone(CLONE_FS), copied by fork. */
export class FsContext {
  root: Vnode
  cwd: Vnode
  umask: number
  refs = 1
  constructor(root: Vnode, cwd: Vnode, umask = 0o022) {
    this.root = vnodeHold(root)
    this.cwd = vnodeHold(cwd)
    this.umask = umask
  }
  copy(): FsContext {
    return new FsContext(this.root, this.cwd, this.umask)
  }
  release(): void {
    if (--this.refs > 0) return
    vnodeRelease(this.root)
    vnodeRelease(this.cwd)
  }
  chdir(to: Vnode): void {
    vnodeHold(to)
    vnodeRelease(this.cwd)
    this.cwd = to
  }
}

/** What getrusage counts, of one process or summed over its waited-for children. Times in simulated nanoseconds. */
export class Usage {
  minorFaults = 0
  majorFaults = 0
  instructions = 0
  userNs = 0
  systemNs = 0
  voluntarySwitches = 0
  involuntarySwitches = 0
  peakResidentPages = 0
  add(other: Usage): void {
    this.minorFaults += other.minorFaults
    this.majorFaults += other.majorFaults
    this.instructions += other.instructions
    this.userNs += other.userNs
    this.systemNs += other.systemNs
    this.voluntarySwitches += other.voluntarySwitches
    this.involuntarySwitches += other.involuntarySwitches
    this.peakResidentPages = Math.max(this.peakResidentPages, other.peakResidentPages)
  }
}

/** Why a process was ended by a signal, taken before its address space goes: for reports. */
export interface FatalSignal {
  readonly signo: number
  /** si_code: SEGV_MAPERR 1, SEGV_ACCERR 2, … */
  readonly code: number
  /** The byte that faulted, or 0. */
  readonly address: number
  readonly pc: number
  /** 'load' | 'store' | 'fetch' for a fault. */
  readonly access: string
  /** Mappings at and around the address, one per line as in /proc/PID/maps. */
  readonly mappings: readonly string[]
  /** The kernel's own words where there are any: "out of memory". */
  readonly note: string
}

/** 'zombie': ended, its parent has not asked yet. 'gone': nobody will. */
export type ProcessState = 'alive' | 'zombie' | 'gone'

export class Process {
  readonly pid: number
  /** null: the kernel itself. */
  parent: Process | null
  readonly children = new Set<Process>()
  readonly threads: Thread[] = []
  pgid: number
  sid: number
  state: ProcessState = 'alive'
  /** As wait4 reports it: exit code << 8, or the signal number. */
  exitStatus = 0
  /** exit_group or a fatal signal is ending it: no thread may return to user code. */
  isExiting = false
  /** Stopped by a signal of job control, with the signal that did it; 0 for running. */
  stopSignal = 0
  /** wait4 has not yet been told of the stop, or of the continuation. */
  hasUnreportedStop = false
  hasUnreportedContinue = false
  /** Signal to the parent at the end; 0 for none. */
  exitSignal: number

  /** null once it has ended. */
  space: VmSpace | null
  fds: FdTable | null
  fs: FsContext | null
  /** Changed by `setCredentials`. */
  who: ProcessCredentials
  /** Shared by CLONE_SIGHAND. */
  actions: SignalActions
  readonly pending = new SignalQueue()
  readonly limits: Limits

  /** comm: at most 15 bytes. */
  name = ''
  /** Absolute path of the program. */
  exePath = ''
  exe: Vnode | null = null
  /** As given to execve; the program may have changed its copy. */
  argv: readonly string[] = []
  env: readonly string[] = []
  /** Pairs of u64, as they lie on the stack. */
  auxv: Uint8Array = new Uint8Array(0)

  readonly usage = new Usage()
  readonly childUsage = new Usage()
  /** Simulated time of its birth. */
  readonly startNs: number
  fatal: FatalSignal | null = null

  /** wait4 of this process sleeps here; its children wake it. */
  readonly waitQueue = new WaitQueue('wait4')
  /** A parent that used CLONE_VFORK sleeps here until exec or exit. */
  readonly vforkQueue = new WaitQueue('vfork')
  isVforkChild = false
  readonly continueQueue = new WaitQueue('stopped')
  /** execve waits here for the other threads to end. */
  readonly threadQueue = new WaitQueue('threads')
  /** Cancels the pending alarm of setitimer(ITIMER_REAL). */
  alarm: { cancel: () => void; at: number; intervalNs: number } | null = null
  /** Timers of setitimer that count its own time; null while it has never had any. */
  cpuTimers: CpuTimers | null = null
  dumpable = 1
  hasNoNewPrivileges = false
  /** What the out-of-memory killer adds to its count, -1000 … 1000. */
  oomScoreAdj = 0
  /** Simulated time at which it was chosen, or -1. */
  oomKilledAt = -1
  /** Pages that it answers for, because children of it had to be killed. */
  lostToKiller = 0
  deathSignal = 0
  /** Commands that membarrier has registered. */
  barriers = 0

  constructor(pid: number, parent: Process | null, init: ProcessInit) {
    this.pid = pid
    this.parent = parent
    this.pgid = parent?.pgid ?? pid
    this.sid = parent?.sid ?? pid
    this.exitSignal = init.exitSignal
    this.space = init.space
    this.fds = init.fds
    this.fs = init.fs
    this.who = init.who
    this.actions = init.actions
    this.limits = init.limits
    this.startNs = init.startNs
    parent?.children.add(this)
  }
  /** Who it is from now on. Others may not look into the memory of a process that has changed its user or gained something. */
  setCredentials(who: ProcessCredentials): void {
    const old = this.who
    if (who.uid !== old.uid || who.gid !== old.gid || (who.permitted & ~old.permitted) !== 0n) this.dumpable = 0
    this.who = who
    this.noteLimits()
  }
  /** Its address space keeps a copy of the limits that concern it. */
  noteLimits(): void {
    if (this.space !== null) this.space.limits = this.limits.forSpace(this.who)
  }
  get ppid(): number {
    return this.parent?.pid ?? 0
  }
  /** The thread whose number is the process's; after its exit any other. */
  get leader(): Thread | null {
    return this.threads.find((thread) => thread.tid === this.pid) ?? this.threads[0] ?? null
  }
}

export interface ProcessInit {
  readonly exitSignal: number
  readonly space: VmSpace
  readonly fds: FdTable
  readonly fs: FsContext
  readonly who: ProcessCredentials
  readonly actions: SignalActions
  readonly limits: Limits
  readonly startNs: number
}

/** 'runnable': user code or a continuation can go on. The scheduler moves it between the first three. */
export type ThreadState = 'runnable' | 'running' | 'sleeping' | 'dead'

/** Executed again: never | unless a handler without SA_RESTART runs | unless any handler runs. */
export type Restart = 'no' | 'unless handled' | 'unless any handler'

export class Thread {
  readonly tid: number
  readonly process: Process
  readonly regs: Registers
  state: ThreadState = 'runnable'
  /** Kernel work to finish before user code runs again; the scheduler pumps it. */
  continuation: Sleep<unknown> | null = null
  /** The CPU it last ran on. */
  cpu = 0
  /** CPUs it may run on, one bit each. */
  affinity = -1
  /** The system call it is in, or -1. */
  syscall = -1
  /** a0 as it was at the ecall, low and high word: a call that is executed again needs it. */
  savedA0Low = 0
  savedA0High = 0
  /** What becomes of the call that has answered EINTR. */
  restart: Restart = 'no'
  /** Simulated time at which a sleep that is executed again ends; NaN for none. */
  restartDeadline = Number.NaN

  /** Where it sleeps so that no signal wakes it, but its end does (`sleepUnlessEnded`). */
  killQueue: WaitQueue | null = null

  readonly pending = new SignalQueue()
  mask: SignalSet = 0n
  /** Mask to put back after the handler of a signal that sigsuspend or ppoll waited for. */
  savedMask: SignalSet | null = null
  /** Signals that sigtimedwait waits for, although they are blocked. */
  waitingFor: SignalSet = 0n
  /** execve of another thread ends it. */
  mustEnd = false
  /** There may be something to do before user code runs again: a signal, a stop, the end. Checked on every return. */
  needsAttention = false
  // What the allocator looks at (MemoryTask).
  isMemalloc = false
  isOomVictim = false
  altStack: AlternateStack = { start: 0, size: 0, flags: 2 }

  /** set_tid_address; 0 for none. */
  clearChildTid = 0
  robustList = 0
  name = ''
  /** set_mempolicy; null for the default. */
  policy: MemoryPolicy | null = null
  /** Address of the restartable sequence structure: not offered, always 0. */
  readonly rseq = 0

  constructor(tid: number, process: Process, regs = new Registers()) {
    this.tid = tid
    this.process = process
    this.regs = regs
    process.threads.push(this)
  }
  /** The address space; the thread is alive. */
  get space(): VmSpace {
    return this.process.space!
  }
}

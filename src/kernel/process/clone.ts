import { EAGAIN, EINVAL, ENOMEM, type Err, isErr, type Sleep } from '../../base/index.ts'
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE, capable, vnodeHold } from '../file/index.ts'
import { uvmspaceAddref, uvmspaceFork, uvmspaceFree, type VmSpace } from '../map/index.ts'
import { allocPages, GFP_KERNEL, putPage } from '../phys/index.ts'
import type { Kernel } from './kernel.ts'
import { Limits, RLIMIT_NPROC } from './limits.ts'
import { Process, Thread } from './process.ts'
import { A0, SP, TP } from './registers.ts'
import { sleepUnlessEnded } from './sendSignal.ts'
import { SignalActions, SS_DISABLE } from './signals.ts'
import { copyOutInt } from './userCopy.ts'

export const CLONE_VM = 0x100
export const CLONE_FS = 0x200
export const CLONE_FILES = 0x400
export const CLONE_SIGHAND = 0x800
export const CLONE_PTRACE = 0x2000
export const CLONE_VFORK = 0x4000
export const CLONE_PARENT = 0x8000
export const CLONE_THREAD = 0x10000
export const CLONE_SYSVSEM = 0x40000
export const CLONE_SETTLS = 0x80000
export const CLONE_PARENT_SETTID = 0x100000
export const CLONE_CHILD_CLEARTID = 0x200000
export const CLONE_DETACHED = 0x400000
export const CLONE_UNTRACED = 0x800000
export const CLONE_CHILD_SETTID = 0x1000000
/** clone3 only: the child starts without handlers. */
export const CLONE_CLEAR_SIGHAND = 0x100000000
/** Namespaces, cgroups, pidfd and I/O contexts are not built: asking for one is refused. */
const REFUSED =
  0x80000000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x1000 | 0x20000 | 0x80

export interface CloneRequest {
  /** CLONE_* without the exit signal. */
  readonly flags: number
  readonly exitSignal: number
  /** 0: the stack pointer stays. */
  readonly stack: number
  readonly tls: number
  readonly parentTid: number
  readonly childTid: number
  readonly clearsHandlers?: boolean
}

/**
 * A new process (fork, vfork) or a new thread of this one. Memory is copied on write, or shared with CLONE_VM.
 *
 * @returns the child's number; the child returns 0. EINVAL, EAGAIN, ENOMEM: nothing has changed
 * @locks   the map of the parent for writing; with CLONE_VFORK sleeps until the child has left the memory
 * @manual  clone(2)
 */
export function* clone(kernel: Kernel, thread: Thread, r: CloneRequest): Sleep<number | Err> {
  const { flags } = r
  if ((flags & REFUSED) !== 0) return EINVAL
  if ((flags & CLONE_SIGHAND) !== 0 && (flags & CLONE_VM) === 0) return EINVAL
  if ((flags & CLONE_THREAD) !== 0 && (flags & CLONE_SIGHAND) === 0) return EINVAL
  if (r.clearsHandlers === true && (flags & CLONE_SIGHAND) !== 0) return EINVAL
  const { process } = thread
  if (kernel.processes.byTid.size >= process.limits.soft[RLIMIT_NPROC]! && !isUnlimited(process)) return EAGAIN
  const pid = kernel.processes.newPid()
  if (isErr(pid)) return pid
  const child = (flags & CLONE_THREAD) !== 0 ? new Thread(pid, process) : yield* newProcess(kernel, thread, pid, r)
  if (isErr(child)) return child

  child.regs.copyFrom(thread.regs)
  child.regs.set(A0, 0)
  if (r.stack !== 0) child.regs.set(SP, r.stack)
  if ((flags & CLONE_SETTLS) !== 0) child.regs.set(TP, r.tls)
  child.mask = thread.mask
  child.affinity = thread.affinity
  child.cpu = thread.cpu
  child.name = thread.name
  child.policy = thread.policy
  const sharesMemory = (flags & CLONE_VM) !== 0
  if (!sharesMemory || (flags & CLONE_VFORK) !== 0) child.altStack = { ...thread.altStack }
  else child.altStack = { start: 0, size: 0, flags: SS_DISABLE }
  if ((flags & CLONE_CHILD_CLEARTID) !== 0) child.clearChildTid = r.childTid
  if ((flags & CLONE_PARENT_SETTID) !== 0) yield* copyOutInt(process.space!, r.parentTid, child.tid)
  if ((flags & CLONE_CHILD_SETTID) !== 0) yield* copyOutInt(child.process.space!, r.childTid, child.tid)
  kernel.processes.enterThread(child)
  if (process.isExiting) child.needsAttention = true
  if ((flags & CLONE_VFORK) !== 0 && child.process !== process) child.process.isVforkChild = true
  kernel.scheduler.threadReady(child)
  if ((flags & CLONE_VFORK) !== 0 && child.process !== process) yield* waitForVforkChild(thread, child.process)
  return child.tid
}

/** RLIMIT_NPROC is for others. */
function isUnlimited({ who }: Process): boolean {
  return who.realUid === 0 || capable(who, CAP_SYS_RESOURCE) || capable(who, CAP_SYS_ADMIN)
}

/** Until the child has an address space of its own or is gone; or the parent is being ended itself. */
function* waitForVforkChild(thread: Thread, child: Process): Sleep<void> {
  while (child.isVforkChild) if (yield* sleepUnlessEnded(thread, child.vforkQueue)) return
}

/** Times that memory is waited for before a fork is called out of memory. */
const MAX_SHORTAGES = 16

/** A copy of an address space. Where there is no frame for its tables at once, memory is reclaimed, and it is tried again. */
function* forkSpace(kernel: Kernel, from: VmSpace): Sleep<VmSpace | Err> {
  for (let shortages = 0; ; shortages++) {
    const space = yield* uvmspaceFork(from)
    if (space !== ENOMEM || shortages === MAX_SHORTAGES) return space
    const page = yield* allocPages(kernel.phys, GFP_KERNEL, 0)
    if (isErr(page)) return ENOMEM
    putPage(kernel.phys, page)
  }
}

function* newProcess(kernel: Kernel, thread: Thread, pid: number, r: CloneRequest): Sleep<Thread | Err> {
  const { flags } = r
  const { process } = thread
  const sharesMemory = (flags & CLONE_VM) !== 0
  const space = sharesMemory ? process.space! : yield* forkSpace(kernel, process.space!)
  if (isErr(space)) return space
  if (sharesMemory) uvmspaceAddref(space)
  // The wait may have given the number away.
  const free = kernel.processes.isUsed(pid) ? kernel.processes.newPid() : pid
  if (isErr(free)) {
    uvmspaceFree(space)
    return free
  }
  const share = <T extends { refs: number }>(bit: number, it: T, copy: () => T): T => {
    if ((flags & bit) === 0) return copy()
    it.refs++
    return it
  }
  const parent = (flags & CLONE_PARENT) !== 0 ? process.parent : process
  const child = new Process(free, parent, {
    exitSignal: r.exitSignal,
    space,
    fds: share(CLONE_FILES, process.fds!, () => process.fds!.copy()),
    fs: share(CLONE_FS, process.fs!, () => process.fs!.copy()),
    who: process.who,
    actions:
      r.clearsHandlers === true
        ? process.actions.forExec()
        : share(CLONE_SIGHAND, process.actions, () => new SignalActions(process.actions)),
    limits: new Limits(process.limits),
    startNs: kernel.machine.clock.now,
  })
  child.pgid = process.pgid
  child.sid = process.sid
  child.name = thread.name
  child.exePath = process.exePath
  if (process.exe !== null) child.exe = vnodeHold(process.exe)
  child.argv = process.argv
  child.env = process.env
  child.auxv = process.auxv
  child.dumpable = process.dumpable
  child.hasNoNewPrivileges = process.hasNoNewPrivileges
  child.oomScoreAdj = process.oomScoreAdj
  kernel.processes.enter(child)
  return new Thread(free, child)
}

import { isErr, PAGE_SIZE, runToEnd, type Sleep } from '../base/index.ts'
import { CAP_IPC_LOCK, createShmemObject, FdTable, ROOT } from '../kernel/file/index.ts'
import {
  linux,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  mmapRegion,
  uvmspaceAlloc,
  type VmSpace,
} from '../kernel/map/index.ts'
import type { MemoryObject } from '../kernel/object/index.ts'
import { pmapActivate, pmapDeactivate } from '../kernel/pmap/index.ts'
import {
  FsContext,
  fullCredentials,
  type Kernel,
  Limits,
  Process,
  SIGCHLD,
  SignalActions,
  Thread,
} from '../kernel/process/index.ts'
import { createSystem } from '../system/index.ts'
import { ARENA, HEAP, OTHER_VMAS, OUR_OTHERS, SHARED_EDGE, SIZE, SLOTS, TASK_SIZE } from './arena.ts'
import { Guest } from './guest.ts'

/**
 * One world: a kernel, and the processes that the commands make. A new one is what a new helper process is on a host.
 *
 * Nothing is scheduled: each command runs in the thread it names, to its end, as the helper's do.
 */
export class OracleWorld {
  readonly kernel: Kernel
  readonly first: Guest
  #active: VmSpace | null = null
  /** Files in the order they were made: their names in listings. */
  readonly files: MemoryObject[] = []

  constructor() {
    this.kernel = createSystem({ memory: '256M', cpus: 1 }).rooms.kernel
    this.first = new Guest(
      this,
      this.#firstThread(),
      Array.from({ length: SLOTS }, () => null),
    )
  }
  /** Runs work that may sleep to its end; simulated time passes meanwhile. */
  wait<T>(work: Sleep<T>): T {
    return runToEnd(this.kernel.machine.clock, work)
  }
  /** The answer to one command line. */
  answer(line: string): string {
    return this.first.answer(line)
  }
  /** Loads an address space, for the accesses that follow. */
  use(space: VmSpace): void {
    if (this.#active === space) return
    const { machine, pmaps } = this.kernel
    const cpu = machine.cpus[0]!
    if (this.#active !== null) pmapDeactivate(pmaps, cpu, this.#active.pmap)
    pmapActivate(pmaps, cpu, space.pmap)
    this.#active = space
  }
  /** Recomputes the invariants of every address space. */
  verify(): void {
    for (const process of this.kernel.processes.byPid.values()) process.space?.map.verify()
  }

  #firstThread(): Thread {
    const { kernel } = this
    const limits = new Limits()
    // As in the recordings, RLIMIT_MEMLOCK counts.
    const who = fullCredentials({ ...ROOT, effective: ROOT.effective & ~CAP_IPC_LOCK })
    const space = uvmspaceAlloc(kernel.vm, linux, PAGE_SIZE, TASK_SIZE)
    if (isErr(space)) throw new Error('no memory for the first process')
    space.limits = limits.forSpace(who)
    space.maxMapCount += OUR_OTHERS - OTHER_VMAS
    // The recordings were made with large pages switched off for the process.
    space.largePagesOff = 1
    const process = new Process(1, null, {
      exitSignal: SIGCHLD,
      space,
      fds: new FdTable(),
      fs: new FsContext(kernel.files.root, kernel.files.root),
      who,
      actions: new SignalActions(),
      limits,
      startNs: 0,
    })
    const thread = new Thread(1, process)
    kernel.processes.enter(process)
    kernel.processes.enterThread(thread)
    kernel.processes.init = process
    this.#seal(space)
    space.startBrk = space.brk = ARENA + HEAP
    return thread
  }
  #seal(space: VmSpace): void {
    const map = (start: number, end: number, isShared: boolean): void => {
      const object = isShared ? createShmemObject(this.kernel.files, end - start) : null
      const flags = (isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED
      const length = end - start
      this.wait(mmapRegion(space, { addr: start, length, prot: 0, flags, object, file: null, pgoff: 0 }))
    }
    map(space.map.min, ARENA - SHARED_EDGE, false)
    map(ARENA - SHARED_EDGE, ARENA, true)
    map(ARENA + SIZE, ARENA + SIZE + SHARED_EDGE, true)
    map(ARENA + SIZE + SHARED_EDGE, space.map.max, false)
  }
}

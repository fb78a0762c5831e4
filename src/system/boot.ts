// From a checked configuration to a kernel that can run programs: every room is made, bottom to top, and the upcalls
// are bound. Nothing here decides anything but the order.

import { ENOENT, ENOMEM, GiB, isErr, kassert, MiB, PAGE_SIZE, WaitQueue, type OrErr } from '../base/index.ts'
import { bindFault } from '../kernel/fault/index.ts'
import {
  Files,
  type FileSystem,
  HostFs,
  lookupPath,
  makeDevFs,
  makeDirectory,
  mount,
  RamFs,
  registerMemoryDevices,
  ROOT,
  shrinkFileCache,
  syncAll,
  type Vnode,
  type WalkContext,
} from '../kernel/file/index.ts'
import { isMlocked, linux, mayCommit, mayPromise, Vm } from '../kernel/map/index.ts'
import { Migrator } from '../kernel/migrate/index.ts'
import { bootPhys } from '../kernel/phys/index.ts'
import { Pmaps } from '../kernel/pmap/index.ts'
import {
  createVdso,
  FutexTable,
  type Kernel,
  killForMemory,
  ProcessTable,
  type Thread,
} from '../kernel/process/index.ts'
import { committedPages, makeProcFs, makeSysFs } from '../kernel/proc/index.ts'
import { LinuxReclaimer } from '../kernel/reclaim/index.ts'
import { Swap, swapOn } from '../kernel/swap/index.ts'
import { Segments } from '../kernel/sysv/index.ts'
import { Disk, Machine, sv39, sv48 } from '../machine/index.ts'
import { DecodeCache, Hart } from '../rv64/index.ts'
import type { CheckedConfig } from './config.ts'
import { MemoryFiles } from './memoryFiles.ts'
import { Scheduler } from './scheduler.ts'

/** Where RAM begins, as on most RISC-V boards. */
const RAM_START = 2 * GiB
/** Nodes begin at multiples of this: a section belongs to one node. */
const NODE_ALIGN = 128 * MiB
/** Of a swap device, as of the disk that host files lie on. */
const DISK_BYTES_PER_SECOND = 1e9
const FORMATS = { sv39, sv48 } as const

/** What boot leaves behind. */
export interface Booted {
  readonly machine: Machine
  readonly kernel: Kernel
  readonly scheduler: Scheduler
  readonly harts: readonly Hart[]
  readonly decodeCache: DecodeCache
  readonly reclaimer: LinuxReclaimer
  /** The directory of programs that the system was given, at /bin. */
  readonly programs: MemoryFiles
  readonly devFs: RamFs
}

/**
 * Boots a system.
 *
 *   1. the machine: RAM of each node, CPUs dealt out to them
 *   2. frames; page tables; address spaces with the fault routine; the scheduler over one hart for each CPU
 *   3. files: / and /tmp in RAM, /dev, /proc, and /bin with the programs
 */
export function boot(config: CheckedConfig): Booted {
  const ram = nodeRanges(config)
  const cpuNode = Array.from({ length: config.cpus }, (_, id) => Math.floor((id * config.nodes) / config.cpus))
  const machine = new Machine({
    ram,
    cpus: config.cpus,
    cpuNode,
    tlb: config.tlb,
    format: FORMATS[config.pages],
    seed: config.seed,
  })
  const phys = bootPhys(machine, { memory: ram, cpuNode })
  const pmaps = new Pmaps(machine, phys)
  const vm = new Vm(machine, phys, pmaps)
  vm.largePages = config.largePages
  bindFault(vm)
  vm.chargeFaults = (minor, major) => {
    const thread = machine.current.thread as Thread | null
    if (thread === null) return
    const { usage } = thread.process
    usage.minorFaults += minor
    usage.majorFaults += major
  }

  const decodeCache = new DecodeCache(machine.memory)
  pmaps.newCode = (pfn) => decodeCache.invalidateFrame(machine.memory.frameOffset(pfn))
  const harts = machine.cpus.map((cpu) => {
    const time = () => Math.floor(Math.max(cpu.time, machine.clock.now))
    return new Hart(cpu.mmu, machine.memory, { cache: decodeCache, time })
  })
  const scheduler = new Scheduler(machine, harts, config.turn)
  const files = new Files(machine, phys, vm.objects, { pmaps })
  const { anons, objects } = vm
  const migrator = new Migrator({ phys, pmaps, anons, objects, cache: files.cache })
  const reclaimer = new LinuxReclaimer(vm, files.cache, migrator, {
    shrinkFiles: (pages, all) => shrinkFileCache(files, pages, all),
    writeFiles: () => syncAll(files),
    kill: () => killForMemory(kernel),
    start: (daemon) => scheduler.spawnKernel('kswapd0', daemon, true),
    isLocked: (f) => isMlocked(vm, f),
  })
  vm.pageOut = (frames) => reclaimer.pageOut(frames)
  vm.cool = (f) => reclaimer.cool(f)
  if (config.swap.length > 0) {
    const swap = new Swap(phys)
    swap.freesEarly = true
    config.swap.forEach((bytes, i) => {
      const latencyNs = config.diskLatency * 1000
      const name = `/dev/swap${i}`
      // The first page is the header's. Of equals the first device is used first, as Linux has it.
      const sizeBytes = bytes - PAGE_SIZE
      swapOn(swap, new Disk(machine.clock, { name, sizeBytes, latencyNs, bytesPerSecond: DISK_BYTES_PER_SECOND }), i)
    })
    anons.swap = files.swap = swap
    reclaimer.useSwap()
  }
  const kernel: Kernel = {
    machine,
    phys,
    pmaps,
    vm,
    files,
    segments: new Segments(
      files,
      (bytes, noReserve) => {
        const space = (machine.current.thread as Thread | null)?.space ?? null
        if (!vm.commit.promisesWhole(noReserve)) return false
        return (space === null ? mayPromise(vm, bytes) : mayCommit(space, bytes)) ? true : ENOMEM
      },
      () => (machine.current.thread as Thread | null)?.process.pid ?? 0,
    ),
    personality: linux,
    scheduler,
    processes: new ProcessTable(),
    futexes: new FutexTable(),
    vdso: createVdso(files),
    hostname: config.hostname,
    domainname: '(none)',
    exitQueue: new WaitQueue('exit'),
  }
  scheduler.bind(kernel)
  vm.commit.committed = () => committedPages(kernel)

  mount(files, new RamFs(files), null)
  const context = rootContext(kernel)
  for (const path of ['/bin', '/dev', '/proc', '/sys', '/etc', '/mnt', '/root'])
    must(makeDirectory(files, context, path, 0o755))
  must(makeDirectory(files, context, '/tmp', 0o1777))
  registerMemoryDevices(files)
  const devFs = makeDevFs(files)
  const programs = new MemoryFiles()
  const at = (path: string) => must(mountPoint(kernel, path))
  must(mount(files, devFs, at('/dev')))
  must(mount(files, makeProcFs(kernel), at('/proc')))
  must(mount(files, makeSysFs(kernel), at('/sys')))
  must(mount(files, new HostFs(files, programs, { latencyNs: config.diskLatency * 1000 }), at('/bin')))
  return { machine, kernel, scheduler, harts, decodeCache, reclaimer, programs, devFs }
}

/** RAM of each node: equal shares, the last one with the rest, each from the start of a section. */
function nodeRanges(config: CheckedConfig): { start: number; end: number; node: number }[] {
  const { memoryBytes, nodes } = config
  const share = Math.floor(memoryBytes / nodes / PAGE_SIZE) * PAGE_SIZE
  const ranges = []
  let start = RAM_START
  for (let node = 0; node < nodes; node++) {
    const bytes = node === nodes - 1 ? memoryBytes - share * (nodes - 1) : share
    ranges.push({ start, end: start + bytes, node })
    start = Math.ceil((start + bytes) / NODE_ALIGN) * NODE_ALIGN
  }
  return ranges
}

/** The kernel's own view of the tree. */
export function rootContext(kernel: Kernel): WalkContext {
  const { root } = kernel.files
  return { root, cwd: root, who: ROOT }
}

/** The directory at a path, made with its parents if it is not there. */
export function mountPoint(kernel: Kernel, path: string): OrErr<Vnode> {
  const context = rootContext(kernel)
  let at: OrErr<Vnode> = context.root
  let walked = ''
  for (const name of path.split('/').filter((part) => part !== '')) {
    walked += `/${name}`
    at = lookupOrMake(kernel, context, walked)
    if (isErr(at)) return at
  }
  return at
}
function lookupOrMake(kernel: Kernel, context: WalkContext, path: string): OrErr<Vnode> {
  const found = lookupPath(context, path)
  return found === ENOENT ? makeDirectory(kernel.files, context, path, 0o755) : found
}

/** Shows a file system at a path. EBUSY, ENOTDIR and the errors of making the directory. */
export function mountAt(kernel: Kernel, fs: FileSystem, path: string): OrErr<0> {
  const on = mountPoint(kernel, path)
  return isErr(on) ? on : mount(kernel.files, fs, on)
}

function must<T>(result: OrErr<T>): T {
  kassert(!isErr(result), 'boot finds its directories')
  return result as T
}

// Random orders of several processes about memory. There is no model: what /proc shows is compared with what is.

import type { Rng } from '../../src/base/index.ts'
import { TestHost } from '../../src/kernel/file/testHost.ts'
import type { VmSpace } from '../../src/kernel/map/index.ts'
import type { Process } from '../../src/kernel/process/index.ts'
import { freeCount } from '../../src/kernel/phys/index.ts'
import { verifyProc } from '../../src/kernel/proc/index.ts'
import type { SystemConfig } from '../../src/system/index.ts'
import type { Subject, Trial } from '../fuzz/runner.ts'
import { A, ANON, Caller, FIXED, PAGE, PRIVATE, SHARED } from '../process/caller.ts'
import { call, jump, li, tinyElf } from '../tinyElf.ts'

const PROCESSES = 5
const SEGMENTS = 4
const FILE_PAGES = 48
/** A program is begun only if so many pages are free. */
const SPARE_PAGES = 300
const DISK_PAGES = 512
/** Steps between two looks at /proc. */
const INTERVAL = 32
const SCRATCH = 0x1000_0000
/** Structures of ioctl lie here. */
const WORDS = SCRATCH + 8 * PAGE
const AT_FDCWD = -100
const SIGKILL = 9
const WNOHANG = 1
const ESRCH = -3

/** Sleeps for ever, so that it does nothing but what it is made to do: ppoll(NULL, 0, NULL, NULL), again and again. */
const PROGRAM = tinyElf([li('a0', 0), li('a1', 0), li('a2', 0), li('a3', 0), ...call(73), jump(-24)])
const ADVICE = [0, 1, 2, 3, 4, 4, 4, 8, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 21, 22, 23, 24, 25, 102, 103]
const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)

/** A machine, and how much of it is used. */
interface Setting {
  readonly config: SystemConfig
  /** Pages of the window. */
  readonly pages: number
}

class World extends Caller {
  readonly setting: Setting
  files: readonly number[] = []
  readonly segments: number[] = []
  userFaults = -1
  /** Where the program begins. */
  #entry = 0

  constructor(setting: Setting) {
    super(setting.config)
    this.setting = setting
    const host = new TestHost()
    host.put('disk', new Uint8Array(DISK_PAGES * PAGE).fill(7))
    this.system.mount(host, '/mnt', true)
    const busy = this.process
    this.start()
    this.end(busy)
    this.openFiles()
  }
  openFiles(): void {
    this.userFaults = -1
    this.files = [
      this.call('memfd_create', 'memory', 0),
      this.call('openat', AT_FDCWD, '/tmp/file', 0o102, 0o600),
      this.call('openat', AT_FDCWD, '/mnt/disk', 2, 0),
    ]
    for (const fd of this.files.slice(0, 2)) this.call('ftruncate', fd, FILE_PAGES * PAGE)
  }
  /** The oldest first; an access that waited may have ended its process with a signal. */
  get living(): Process[] {
    const { byPid } = this.system.rooms.kernel.processes
    const living = [...byPid.values()].filter((process) => process.threads.length > 0)
    if (living.length > 0) return living
    this.start()
    this.openFiles()
    return [this.process]
  }
  /** Executes a program anew. */
  start(): void {
    this.process = this.system.spawn(PROGRAM).process
    this.#entry = this.thread.regs.pc
    this.system.step(1000)
    this.mmap(SCRATCH, 16, 3)
  }
  fork(): void {
    const child = this.system.rooms.kernel.processes.byPid.get(this.call('clone', 17, 0, 0, 0, 0))
    if (child === undefined) return
    child.threads[0]!.regs.pc = this.#entry
    this.system.step(1000)
  }
  override call(name: string, ...args: (number | string | Uint8Array)[]): number {
    return this.process.threads.length === 0 ? ESRCH : super.call(name, ...args)
  }
  override touch(address: number, isStore = false): string {
    if (this.process.threads.length === 0) return 'ended'
    // A fault that sleeps and then ends its process would be driven twice: here, and by the scheduler.
    const mayEnd = this.process.space!.map.lookup(address)?.listener != null
    return mayEnd && this.setting.config.swap !== undefined ? 'left alone' : super.touch(address, isStore)
  }
  file(n: number): number {
    return this.files[n % this.files.length]!
  }
  write(path: string, text: string): void {
    const fd = this.call('openat', AT_FDCWD, path, 1, 0)
    this.call('write', fd, text, text.length)
    this.call('close', fd)
  }
  ioctl(request: number, ...words: number[]): void {
    this.poke(WORDS, u64(...words))
    this.call('ioctl', this.userFaults, request, WORDS)
  }
  /** Ends a process; the oldest asks how. */
  end(process: Process): void {
    this.process = this.living.find((one) => one !== process) ?? process
    this.call('kill', process.pid, SIGKILL)
    // It may wait for a disk on its way out. Nobody else drives it meanwhile.
    for (let i = 0; process.threads.length > 0; i++) {
      if (i === 5000) throw new Error(`process ${process.pid} was killed and does not end`)
      this.system.step(2000)
    }
    this.call('wait4', -1, 0, WNOHANG, 0)
  }
}

/** An address in the window, which begins at a multiple of 2 MiB: mostly near its start, so that orders meet. */
const address = (w: World, a: number): number =>
  A + (((a & 7) === 0 ? a >>> 3 : (a >>> 3) % 96) % w.setting.pages) * PAGE
/** A length in bytes: mostly a few pages, now and then megabytes. */
const length = (w: World, b: number): number =>
  ((b & 31) === 0 ? 1 + ((b >>> 5) % (w.setting.pages / 2)) : 1 + ((b >>> 5) % 24)) * PAGE

type Order = (w: World, a: number, b: number, c: number) => unknown
const ORDERS: Record<string, Order> = {
  mapPrivate: (w, a, b, c) =>
    w.call('mmap', address(w, a), length(w, b), c % 8, PRIVATE | ANON | FIXED | lock(c), -1, 0),
  mapWritable: (w, a, b, c) => w.call('mmap', address(w, a), length(w, b), 3, PRIVATE | ANON | FIXED | lock(c), -1, 0),
  mapShared: (w, a, b, c) =>
    w.call('mmap', address(w, a), length(w, b), 3, SHARED | ANON | FIXED | lock(c) | (c % 5 === 0 ? 0x4000 : 0), -1, 0),
  mapFile: (w, a, b, c) => {
    const kind = c % 3 === 0 ? PRIVATE : SHARED
    w.call('mmap', address(w, a), length(w, b), c % 5 === 0 ? 1 : 3, kind | FIXED | lock(c), w.file(b), (c % 32) * PAGE)
  },
  mapLarge: (w, a, b, c) =>
    w.call('mmap', A + (a % 3) * 512 * PAGE, (1 + (b % 2)) * 512 * PAGE, 3, 0x32 | lock(c), -1, 0),
  unmap: (w, a, b) => w.call('munmap', address(w, a), length(w, b)),
  protect: (w, a, b, c) => w.call('mprotect', address(w, a), length(w, b), c % 8),
  advise: (w, a, b, c) => w.call('madvise', address(w, a), length(w, b), ADVICE[c % ADVICE.length]!),
  move: (w, a, b, c) => w.call('mremap', address(w, a), length(w, b), length(w, c), 3, address(w, c)),
  grow: (w, a, b, c) => w.call('mremap', address(w, a), length(w, b), length(w, c), c % 2, 0),
  keepMoved: (w, a, b, c) => w.call('mremap', address(w, a), length(w, b), length(w, b), 5, address(w, c)),
  load: (w, a, b) => touch(w, a, b, false),
  store: (w, a, b) => touch(w, a, b, true),
  lock: (w, a, b, c) => w.call('mlock2', address(w, a), length(w, b), c % 2),
  unlock: (w, a, b) => w.call('munlock', address(w, a), length(w, b)),
  lockAll: (w, a) => w.call(a % 4 === 0 ? 'mlockall' : 'munlockall', 1 + (a % 7)),
  break: (w, _a, b) => w.call('brk', w.process.space!.startBrk + length(w, b) / 2),
  sync: (w, a, b, c) => w.call('msync', address(w, a), length(w, b), [1, 4, 2][c % 3]!),
  truncate: (w, a, b) => w.call('ftruncate', w.file(a), (b % FILE_PAGES) * PAGE + (b % 3) * 1000),
  punch: (w, a, b, c) => w.call('fallocate', w.file(a), 3, (b % FILE_PAGES) * PAGE, (1 + (c % 9)) * PAGE),
  fill: (w, _a, b) => w.call('pread64', w.files[2]!, SCRATCH + 10 * PAGE, 5 * PAGE, (b % DISK_PAGES) * PAGE),
  read: (w, a, b) => w.call('pread64', w.file(a), SCRATCH + 10 * PAGE, 5000, (b % FILE_PAGES) * PAGE),
  write: (w, a, b) => w.call('pwrite64', w.file(a), SCRATCH + 10 * PAGE, 5000, (b % FILE_PAGES) * PAGE),
  syncFile: (w, a) => w.call('fsync', w.file(a)),
  remapFile: (w, a, b, c) => w.call('remap_file_pages', address(w, a), length(w, b), 0, c % FILE_PAGES, 0),
  makeSegment: (w, a) => {
    if (w.segments.length >= SEGMENTS) return
    const id = w.call('shmget', 0, (1 + (a % 40)) * PAGE, 0o1600 | (a % 3 === 0 ? 0o10000 : 0))
    if (id >= 0) w.segments.push(id)
  },
  attach: (w, a, b) => {
    if (w.segments.length > 0) w.call('shmat', w.segments[b % w.segments.length]!, address(w, a), 0o40000)
  },
  detach: (w, a) => w.call('shmdt', address(w, a)),
  controlSegment: (w, a, b) => {
    const id = w.segments[a % Math.max(1, w.segments.length)]
    if (id === undefined) return
    const command = [0, 11, 12][b % 3]!
    w.call('shmctl', id, command, 0)
    if (command === 0) w.segments.splice(w.segments.indexOf(id), 1)
  },
  fork: (w) => {
    if (w.living.length >= PROCESSES) return
    w.fork()
  },
  exit: (w) => {
    if (w.process !== w.living[0]) w.end(w.process)
  },
  execute: (w) => {
    // There may be too little memory for one more.
    if (w.living.length < PROCESSES && freeCount(w.system.rooms.kernel.phys) > SPARE_PAGES) w.start()
  },
  /** Faults on what is registered end in SIGBUS, so nobody waits for an answer. */
  seeToFaults: (w, a, b, c) => {
    w.process = w.living[0]!
    if (w.userFaults < 0) {
      w.userFaults = w.call('userfaultfd', 0o4000)
      w.ioctl(0xc018aa3f, 0xaa, 1 << 7, 0)
    }
    w.ioctl(0xc020aa00, address(w, a), length(w, b), 1 + (c % 3), 0)
  },
  ignoreFaults: (w, a, b) => {
    if (w.userFaults >= 0) w.ioctl(0x8010aa01, address(w, a), length(w, b))
  },
  answerFault: (w, a, b, c) => {
    if (w.userFaults < 0) return
    if (c % 3 === 0) w.ioctl(0xc028aa03, address(w, a), SCRATCH + 10 * PAGE, PAGE, 0, 0)
    else if (c % 3 === 1) w.ioctl(0xc020aa04, address(w, a), PAGE, 0, 0)
    else w.ioctl(0xc018aa06, address(w, a), length(w, b), c & 1)
  },
  clearReferences: (w, a) => {
    w.write('/proc/self/clear_refs', String(1 + (a % 4)))
  },
  dropCaches: (w) => w.write('/proc/sys/vm/drop_caches', '3'),
  compact: (w) => w.write('/proc/sys/vm/compact_memory', '1'),
  largePages: (w, a) => w.call('prctl', 41, a % 2, 0, 0, 0),
}

const lock = (c: number): number => (c % 11 === 0 ? 0x2000 : c % 7 === 0 ? 0x8000 : 0)
function touch(w: World, a: number, b: number, isStore: boolean): void {
  for (let at = address(w, a), n = 1 + (b % 6); n > 0; n--, at += PAGE) w.touch(at, isStore)
}
const WEIGHTS: Readonly<Record<string, number>> = {
  load: 12,
  store: 20,
  mapWritable: 5,
  mapFile: 6,
  advise: 8,
  fork: 4,
  exit: 3,
  move: 3,
}
const WHEEL = Object.keys(ORDERS).flatMap((name) => Array.from({ length: WEIGHTS[name] ?? 2 }, () => name))

/** One order: of the process `by`, with three numbers that mean something in every state. */
export interface Step {
  readonly do: string
  readonly by: number
  readonly a: number
  readonly b: number
  readonly c: number
}

class ProcTrial implements Trial<Step> {
  readonly #world: World
  readonly #peaks = new WeakMap<VmSpace, { resident: number; size: number }>()
  #steps = 0

  constructor(setting: Setting) {
    this.#world = new World(setting)
  }
  run(step: Step): void {
    const world = this.#world
    const { living } = world
    world.process = living[step.by % living.length]!
    ORDERS[step.do]!(world, step.a, step.b, step.c)
    if (++this.#steps % INTERVAL === 0) this.#check()
  }
  finish(): void {
    const world = this.#world
    this.#check()
    world.system.verify()
    world.system.signalAll(SIGKILL)
    world.system.run()
    world.system.verify()
    const { leaked, anonymous } = world.system.report().frames
    if (leaked !== 0 || anonymous !== 0)
      throw new Error(`all have ended: ${leaked} frames leaked, ${anonymous} anonymous`)
  }
  #check(): void {
    const { kernel } = this.#world.system.rooms
    verifyProc(kernel)
    for (const { space, pid } of kernel.processes.byPid.values()) {
      if (space === null) continue
      const now = { resident: space.peakResidentPages, size: Math.max(space.map.peakSize, space.map.size) }
      const before = this.#peaks.get(space) ?? now
      if (now.resident < before.resident || now.size < before.size) throw new Error(`a peak of ${pid} has shrunk`)
      this.#peaks.set(space, now)
    }
  }
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  'proc-ample': { config: { memory: '64M' }, pages: 2048 },
  'proc-nodes': { config: { memory: '64M', nodes: 2, cpus: 2 }, pages: 2048 },
  'proc-large': { config: { memory: '128M', largePages: 'always' }, pages: 2048 },
  'proc-scarce': { config: { memory: '8M' }, pages: 160 },
  'proc-swap': { config: { memory: '8M', swap: '32M' }, pages: 512 },
}
/** What `npm run fuzz` carries out, and the tests a part of. */
export const procSubjects: readonly Subject<Step>[] = Object.entries(SETTINGS).map(([name, setting]) => ({
  name,
  steps: 50_000,
  step: (rng: Rng) => ({
    do: rng.pick(WHEEL),
    by: rng.below(60),
    a: rng.below(2 ** 20),
    b: rng.below(2 ** 20),
    c: rng.below(2 ** 20),
  }),
  start: () => new ProcTrial(setting),
}))

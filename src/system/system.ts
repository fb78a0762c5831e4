// A system: what people hold in their hands. Boots, runs programs, answers questions; its rooms stay behind it.

import {
  E2BIG,
  EACCES,
  EBUSY,
  ELOOP,
  ENOENT,
  ENOMEM,
  ENOTDIR,
  type Err,
  errName,
  isErr,
  KernelPanic,
  type OrErr,
  type Sleep,
  WaitQueue,
  WouldSleep,
} from '../base/index.ts'
import {
  ConsoleDevice,
  type ConsoleSink,
  type ConsoleSource,
  type HostFiles,
  HostFs,
  makedev,
  nameFromBytes,
  nameToBytes,
  O_RDONLY,
  O_WRONLY,
  type OpenFile,
  openVnode,
} from '../kernel/file/index.ts'
import { mapsText } from '../kernel/proc/index.ts'
import {
  copyIn,
  copyInTry,
  copyOut,
  copyOutTry,
  createInit,
  elfErrorLine,
  type ElfErrorKind,
  isElfError,
  type Process,
  sendSignal,
  SI_USER,
  type Thread,
} from '../kernel/process/index.ts'
import { boot, type Booted, mountAt } from './boot.ts'
import { changeRoot, PROGRAMS, PROGRAMS_IN_ROOT } from './changeRoot.ts'
import { checkConfig, type CheckedConfig, type SystemConfig } from './config.ts'
import {
  type BootFrames,
  countersOf,
  endReport,
  frameReport,
  makeReport,
  type ProcessCounters,
  processReport,
} from './inspect.ts'
import { readProc } from './readProc.ts'
import type { EndReport, ProcessReport, Report } from './report.ts'
import type { StepResult } from './scheduler.ts'
import { verifySystem } from './verify.ts'

/** A program that cannot be started. `message` is one line naming the file and the reason. */
export class ProgramError extends Error {
  readonly kind: ElfErrorKind | 'cannot start'
  /** Byte offset in the file of what is wrong, or null. */
  readonly offset: number | null
  constructor(kind: ElfErrorKind | 'cannot start', offset: number | null, message: string) {
    super(message)
    this.name = 'ProgramError'
    this.kind = kind
    this.offset = offset
  }
}

/** A system that can go on only if the host does something, and the caller did not mean to wait for it. */
export class StuckError extends Error {
  /** What each thread sleeps on. */
  readonly sleepers: readonly string[]
  constructor(sleepers: readonly string[]) {
    super(`nothing can run: ${sleepers.join('; ')}`)
    this.name = 'StuckError'
    this.sleepers = sleepers
  }
}

export interface SpawnOptions {
  /** What the program is called in messages and in the directory of programs. Default 'program'. */
  readonly name?: string
  /** argv[0]; the path in /bin unless told. */
  readonly argv0?: string
  readonly args?: readonly string[]
  /** `NAME=VALUE` each; nothing is inherited. */
  readonly env?: readonly string[]
  readonly cwd?: string
  /** All of standard input, or a source that is asked; at its end at once unless told. */
  readonly stdin?: string | Uint8Array | ConsoleSource
  /** Called with each piece of output; the array is borrowed. Kept in `stdout` and `stderr` unless told. */
  readonly stdout?: (bytes: Uint8Array) => void
  readonly stderr?: (bytes: Uint8Array) => void
  /** Called as it ends, just before its memory goes: all of it can still be looked at. */
  readonly atEnd?: (guest: GuestProcess) => void
  /** Window size of the terminal behind each of the three streams; null or absent: no terminal. */
  readonly terminals?: readonly (Terminal | null)[]
}
export interface Terminal {
  readonly rows: number
  readonly columns: number
}

/** Instructions between two looks at whether `run` may return. */
const RUN_BUDGET = 1_000_000
/** Ended processes whose record is kept. */
const RECORDS_KEPT = 1000
/** Device major of the program's standard streams. */
const CONSOLE_MAJOR = 229

/** Makes a system and boots it. @throws ConfigError */
export function createSystem(config: SystemConfig = {}): System {
  return new System(checkConfig(config))
}

export class System {
  readonly config: CheckedConfig
  /** The rooms: for tests and the curious. Programs are run without looking in here. */
  readonly rooms: Booted
  readonly #atBoot: BootFrames
  readonly #ended: ProcessReport[] = []
  readonly #handles = new Map<Process, GuestProcess>()
  #leftOut = 0
  #first: GuestProcess | null = null
  #consoles = 0
  #mounts = 0
  #programsAt: string = PROGRAMS

  constructor(config: CheckedConfig) {
    this.config = config
    this.rooms = boot(config)
    const { free, kernel, pageTables } = frameReport(this.rooms.kernel, null)
    this.#atBoot = { free, kernel, pageTables }
    this.rooms.scheduler.onSpaceLeft = (thread, space) => {
      const { process } = thread
      if (process.threads.length > 0) return
      const handle = this.#handles.get(process)
      const isOurs = handle !== undefined
      const record = processReport(process, space, isOurs)
      if (isOurs) {
        handle.last = record
        handle.leave(thread)
      }
      if (this.#ended.length < RECORDS_KEPT || isOurs) this.#ended.push(record)
      else this.#leftOut++
    }
  }

  /** Simulated nanoseconds since boot. */
  get now(): number {
    return this.rooms.machine.clock.now
  }

  /**
   * Shows a host directory to programs. Read-only unless told; it is the implementation of HostFiles that confines it.
   *
   * At '/' it is the root of all, and what programs see of the system (/proc, /sys, /dev, memory at /tmp) lies in it:
   * only before anything else is mounted or started. Programs handed over as bytes are then at /run.
   *
   * @throws Error in one line, if the place is taken
   */
  mount(host: HostFiles, path: string, isWritable = false): void {
    const { kernel } = this.rooms
    const latencyNs = this.config.diskLatency * 1000
    const fs = new HostFs(kernel.files, host, { isReadOnly: !isWritable, latencyNs })
    const done = path === '/' ? this.#changeRoot(fs) : mountAt(kernel, fs, path)
    if (typeof done === 'object') throw new Error(`cannot mount at ${path}: it has no directory ${done.missing}`)
    if (isErr(done)) throw new Error(`cannot mount at ${path}: ${errName(done)}`)
    this.#mounts++
  }
  #changeRoot(fs: HostFs): ReturnType<typeof changeRoot> {
    if (this.#mounts > 0 || this.#first !== null) return EBUSY
    const done = changeRoot(this.rooms.kernel, fs)
    if (done === 0) this.#programsAt = PROGRAMS_IN_ROOT
    return done
  }

  /**
   * Starts a program. It runs when the system is pumped: by `run`, or by `step`.
   *
   * @param program  the bytes of the executable, or the path of one that the system has mounted
   * @throws ProgramError
   */
  spawn(program: Uint8Array | string, options: SpawnOptions = {}): GuestProcess {
    const { kernel, programs } = this.rooms
    const name = options.name ?? (typeof program === 'string' ? program : 'program')
    const base = name.slice(name.lastIndexOf('/') + 1)
    const path = typeof program === 'string' ? program : `${this.#programsAt}/${programs.add(base, program)}`
    const stdout = new Output(options.stdout)
    const stderr = new Output(options.stderr)
    const stdio = this.#stdio(options, stdout, stderr)
    const made = this.runKernel(
      createInit(kernel, {
        path,
        argv: [options.argv0 ?? path, ...(options.args ?? [])],
        env: options.env ?? [],
        cwd: options.cwd ?? '/',
        stdio,
      }),
    )
    if (isElfError(made)) {
      const error = made.file === path ? { ...made, file: name } : made
      throw new ProgramError(made.kind, made.offset, elfErrorLine(error))
    }
    if (isErr(made))
      throw new ProgramError(
        'cannot start',
        null,
        `${name}: cannot be started: ${startProblem(made, program, options)}`,
      )
    const handle = new GuestProcess(this, made, stdout, stderr, options.atEnd ?? null)
    this.#handles.set(made, handle)
    this.#first ??= handle
    return handle
  }

  /**
   * Runs about `budget` instructions and answers what comes next. Never blocks: whoever pumps decides when to go on
   * (DESIGN.md, decision 10).
   */
  step(budget: number): StepResult {
    return this.rooms.scheduler.step(budget)
  }
  /**
   * Runs until a process has ended, or all have.
   *
   * @returns the process's exit status as a shell shows it; without a process, the first one's
   * @throws  StuckError if it can go on only by input from the host
   */
  run(process?: GuestProcess): number {
    const { scheduler } = this.rooms
    const isEnough = () => process !== undefined && process.hasEnded
    while (!isEnough()) {
      const result = scheduler.step(RUN_BUDGET, isEnough)
      if (result === 'done') break
      if (result === 'waiting for host') throw new StuckError(scheduler.describe())
    }
    return (process ?? this.#first)?.status ?? 0
  }
  /** Drives kernel work to its end while simulated time passes and programs run. @throws StuckError */
  runKernel<T>(work: Sleep<T>): T {
    let result: { value: T } | null = null
    const { scheduler } = this.rooms
    scheduler.spawnKernel(
      'host',
      (function* () {
        result = { value: yield* work }
      })(),
    )
    const answer = () => result as { value: T } | null
    while (answer() === null) {
      if (scheduler.step(RUN_BUDGET, () => answer() !== null) === 'waiting for host' && answer() === null)
        throw new StuckError(scheduler.describe())
    }
    return answer()!.value
  }

  /** What the virtual memory has done so far. */
  report(): Report {
    return makeReport(this.config, this.rooms, {
      atBoot: this.#atBoot,
      ended: this.#ended,
      leftOut: this.#leftOut,
      first: this.#first?.process ?? null,
    })
  }
  /**
   * The text of a file of /proc or /sys as it is now: `/proc/meminfo`, `/proc/1/smaps`. /proc/self is the first process.
   *
   * @throws Error in one line: no such file, or it cannot be read
   */
  readProc(path: string): string {
    return readProc(this.rooms.kernel, path, null)
  }
  /** Recomputes the invariants of every room. @throws KernelPanic naming the one that is broken */
  verify(): void {
    verifySystem(this.rooms)
  }
  /** Sends a signal to every process. */
  signalAll(signo: number): void {
    for (const process of this.rooms.kernel.processes.byPid.values())
      if (process.state === 'alive') sendSignal(this.rooms.kernel, process, { signo, code: SI_USER, pid: 0, uid: 0 })
  }

  #stdio(options: SpawnOptions, stdout: ConsoleSink, stderr: ConsoleSink): OpenFile[] {
    const { kernel, devFs } = this.rooms
    const source =
      typeof options.stdin === 'object' && 'queue' in options.stdin ? options.stdin : fixedSource(options.stdin)
    return [0, 1, 2].map((fd) => {
      const minor = this.#consoles++
      const sink = fd === 0 ? null : fd === 1 ? stdout : stderr
      const device = new ConsoleDevice(`hvc${minor}`, sink, fd === 0 ? source : null, options.terminals?.[fd] ?? null)
      const rdev = makedev(CONSOLE_MAJOR, minor)
      kernel.files.devices.set(rdev, device)
      const time = kernel.files.now()
      const vnode = devFs.create(devFs.root, device.name, { kind: 'chardev', permissions: 0o620, uid: 0, gid: 0, time })
      if (isErr(vnode)) throw new KernelPanic('a console has a place in /dev')
      vnode.rdev = rdev
      vnode.parent = devFs.root
      vnode.name = device.name
      const file = openVnode(kernel.files, vnode, fd === 0 ? O_RDONLY : O_WRONLY)
      if (isErr(file)) throw new KernelPanic('a console can be opened')
      return file
    })
  }
}

/** A program that was spawned: its streams, its end, its memory. */
export class GuestProcess {
  readonly system: System
  readonly process: Process
  /** The record made when it gave up its address space; null before. */
  last: ProcessReport | null = null
  readonly #stdout: Output
  readonly #stderr: Output
  readonly #atEnd: ((guest: GuestProcess) => void) | null
  /** The thread that ended last, while the memory is still there. */
  #leaving: Thread | null = null

  constructor(
    system: System,
    process: Process,
    stdout: Output,
    stderr: Output,
    atEnd: ((guest: GuestProcess) => void) | null,
  ) {
    this.system = system
    this.process = process
    this.#stdout = stdout
    this.#stderr = stderr
    this.#atEnd = atEnd
  }
  /** It is about to give up its memory; for the system that it runs in. */
  leave(last: Thread): void {
    this.#leaving = last
    this.#atEnd?.(this)
    this.#leaving = null
  }
  get pid(): number {
    return this.process.pid
  }
  get hasEnded(): boolean {
    return this.process.state !== 'alive'
  }
  /** How it ended, or null while it runs. */
  get end(): EndReport | null {
    return this.hasEnded ? endReport(this.process) : null
  }
  /** The exit code, or 128 + the signal's number; null while it runs. */
  get status(): number | null {
    return this.end?.status ?? null
  }
  /** What it has written so far, where no function was given to take it. */
  get stdout(): string {
    return this.#stdout.text
  }
  get stderr(): string {
    return this.#stderr.text
  }
  /** Its counters now, or when it ended. */
  get counters(): ProcessCounters {
    return this.last ?? countersOf(this.process)
  }
  /** /proc/PID/maps now, or when it ended. */
  get maps(): string {
    const { space } = this.process
    return space !== null ? mapsText(space) : (this.last?.maps ?? []).map((line) => `${line}\n`).join('')
  }
  /**
   * The text of a file of /proc or /sys as it is now; /proc/self is this process.
   *
   * @throws Error in one line: no such file, it cannot be read, or the process has ended
   */
  readProc(path: string): string {
    const thread = this.process.leader ?? this.#leaving
    if (thread === null) throw new Error(`${path}: the process has ended`)
    return readProc(this.system.rooms.kernel, path, thread)
  }
  /**
   * Bytes of its memory, through its address space: pages arrive by faults as they would for itself.
   *
   * @throws RangeError if a part is not mapped or not readable, or the process has ended
   */
  load(address: number, length: number): Uint8Array {
    const { space } = this.process
    if (space === null) throw new RangeError('the process has ended')
    const bytes = new Uint8Array(length)
    const done = copyInTry(space, address, bytes)
    if (done === 0) return bytes
    const slow: OrErr<Uint8Array> = done === WouldSleep ? this.system.runKernel(copyIn(space, address, length)) : done
    if (isErr(slow)) throw new RangeError(`cannot load ${length} bytes at 0x${address.toString(16)}: ${errName(slow)}`)
    return slow
  }
  /** Writes bytes to its memory as it could itself: never to a read-only page. @throws RangeError */
  store(address: number, bytes: Uint8Array): void {
    const { space } = this.process
    if (space === null) throw new RangeError('the process has ended')
    const done = copyOutTry(space, address, bytes)
    if (done === 0) return
    const slow = done === WouldSleep ? this.system.runKernel(copyOut(space, address, bytes)) : done
    if (isErr(slow))
      throw new RangeError(`cannot store ${bytes.length} bytes at 0x${address.toString(16)}: ${errName(slow)}`)
  }
  /** Sends it a signal, by number. */
  kill(signo: number): void {
    if (!this.hasEnded) sendSignal(this.system.rooms.kernel, this.process, { signo, code: SI_USER, pid: 0, uid: 0 })
  }
}

/** An output stream: kept, or handed on. */
class Output implements ConsoleSink {
  readonly #take: ((bytes: Uint8Array) => void) | null
  readonly #parts: Uint8Array[] = []
  constructor(take?: (bytes: Uint8Array) => void) {
    this.#take = take ?? null
  }
  write(bytes: Uint8Array): void {
    if (this.#take === null) this.#parts.push(bytes.slice())
    else this.#take(bytes)
  }
  get text(): string {
    const all = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.#parts) {
      all.set(part, at)
      at += part.length
    }
    return nameFromBytes(all)
  }
}

function fixedSource(stdin: string | Uint8Array | ConsoleSource | undefined): ConsoleSource {
  let rest = typeof stdin === 'string' ? nameToBytes(stdin) : stdin instanceof Uint8Array ? stdin : new Uint8Array(0)
  return {
    queue: new WaitQueue('stdin'),
    read(max) {
      if (rest.length === 0) return 'eof'
      const part = rest.subarray(0, max)
      rest = rest.subarray(part.length)
      return part
    },
  }
}

/** In words, why no process could be made; ELF files and their interpreters speak for themselves. */
function startProblem(error: Err, program: Uint8Array | string, { cwd = '/' }: SpawnOptions): string {
  switch (error) {
    case ENOENT:
      // A program that was handed over as bytes is there.
      return `no such ${typeof program === 'string' ? 'file, or ' : ''}working directory ${cwd}`
    case ENOTDIR:
      return `${cwd} is not a directory`
    case ENOMEM:
      return 'not enough simulated memory'
    case E2BIG:
      return 'its arguments and environment are too long'
    case EACCES:
      return 'not a regular file, or no permission'
    case ELOOP:
      return 'too many scripts that name scripts as their interpreters, or too many symbolic links'
    default:
      return errName(error)
  }
}

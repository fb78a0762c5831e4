import { type Err, isErr, kassert, type Sleep } from '../../base/index.ts'
import { FdTable, nameToBytes, type OpenFile, lookupPath, type Credentials, ROOT } from '../file/index.ts'
import { fullCredentials } from './credentials.ts'
import { type ElfError, isElfError } from './elf.ts'
import { become, buildProgram } from './execve.ts'
import type { Kernel } from './kernel.ts'
import { Limits } from './limits.ts'
import { FsContext, Process, Thread } from './process.ts'
import { SIGCHLD, SignalActions } from './signals.ts'

export interface InitRequest {
  /** As the kernel's namespace names it. */
  readonly path: string
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  /** Descriptors 0, 1, 2; a reference of each goes over to the process. */
  readonly stdio: readonly OpenFile[]
  readonly who?: Credentials
  readonly limits?: Limits
}

/**
 * A process that no program asked for: what a person starts. The first one is the parent of orphans.
 *
 * @returns the process, whose thread is ready; an ElfError or Err about the file or the working directory, and the
 *          descriptors have been given up
 * @locks   sleeps
 */
export function* createInit(kernel: Kernel, request: InitRequest): Sleep<Process | Err | ElfError> {
  const fds = new FdTable()
  for (const file of request.stdio) kassert(!isErr(fds.install(file)), 'a new table has room for three descriptors')
  const made = yield* make(kernel, request, fds)
  if (!(made instanceof Process)) yield* fds.release()
  return made
}

function* make(kernel: Kernel, request: InitRequest, fds: FdTable): Sleep<Process | Err | ElfError> {
  const { root } = kernel.files
  const who = fullCredentials(request.who ?? ROOT)
  const limits = request.limits ?? new Limits()
  const cwd = lookupPath({ root, cwd: root, who }, request.cwd)
  if (isErr(cwd)) return cwd
  const env = request.env.map(nameToBytes)
  const exec = { path: request.path, argv: request.argv.map(nameToBytes), env }
  const built = yield* buildProgram(kernel, limits, { root, cwd, who }, { old: who, keeps: true }, exec, false)
  if (isErr(built) || isElfError(built)) return built
  const pid = kernel.processes.newPid()
  kassert(!isErr(pid), 'there is a number for a process')
  const process = new Process(pid, null, {
    exitSignal: SIGCHLD,
    space: built.space,
    fds,
    fs: new FsContext(root, cwd),
    who,
    actions: new SignalActions(),
    limits,
    startNs: kernel.machine.clock.now,
  })
  const thread = new Thread(pid, process)
  kernel.processes.enter(process)
  kernel.processes.enterThread(thread)
  kernel.processes.init ??= process
  yield* become(process, thread, built, env)
  kernel.scheduler.threadReady(thread)
  return process
}

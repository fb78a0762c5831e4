// execve: a new address space for an old process. Everything that can fail happens before anything is changed.
//
//   1. find the file, through at most five scripts
//   2. read and check it, and its interpreter
//   3. build the address space: stack, segments, interpreter, vdso, strings
//   4. the point of no return: end the other threads, switch, give up what execve does not keep

import {
  E2BIG,
  EACCES,
  ELOOP,
  ENOMEM,
  ETXTBSY,
  type Err,
  isErr,
  KiB,
  MiB,
  type OrErr,
  PAGE_SIZE,
  roundPage,
  type Sleep,
  truncPage,
} from '../../base/index.ts'
import {
  MAY_EXEC,
  nameFromBytes,
  nameToBytes,
  openAt,
  type OpenFile,
  O_RDONLY,
  readBytes,
  vnodeAccess,
  vnodeHold,
  vnodeRelease,
  type WalkContext,
} from '../file/index.ts'
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  mmapRegion,
  uvmspaceAlloc,
  uvmspaceFree,
  VM_DONTEXPAND,
  type VmSpace,
} from '../map/index.ts'
import {
  ElfComplaint,
  type ElfError,
  type ElfImage,
  type ElfLimits,
  interpreterName,
  isElfError,
  noInterpreter,
} from './elf.ts'
import { credentialsForExec, isSecureExec, type ProcessCredentials } from './credentials.ts'
import { endOtherThreads, leaveMemory } from './exit.ts'
import { argumentBytes, buildInitialStack, type InitialStack } from './initialStack.ts'
import type { Kernel } from './kernel.ts'
import { type Limits, RLIMIT_STACK } from './limits.ts'
import { chooseBias, dynBase, mapImage, noteSegments, readElf } from './loadElf.ts'
import type { Process, Thread } from './process.ts'
import { SP } from './registers.ts'
import { copyOut } from './userCopy.ts'
import { VDSO_FILE } from './vdso.ts'

const SCRIPT_LEVELS = 5
const SCRIPT_LINE = 255
/** The interpreter's name follows "#!". */
const SCRIPT_NAME_AT = 2
/** MAX_ARG_STRLEN */
const ARGUMENT_MAX = 128 * KiB
const ARGUMENTS_MAX = 6 * MiB
/** Stack mapped below the strings at the start, Linux's stack_expand. */
const STACK_ROOM = 128 * KiB
/** Least and most (of 6 parts) of the window that is kept above mmap_base for the stack. */
const STACK_GAP_MIN = 128 * MiB

export interface ExecRequest {
  readonly path: string
  readonly argv: readonly Uint8Array[]
  readonly env: readonly Uint8Array[]
}
/** Who executes, and whether the numbers of the file count. */
interface Executor {
  readonly old: ProcessCredentials
  readonly keeps: boolean
}
interface Built {
  readonly who: ProcessCredentials
  readonly space: VmSpace
  readonly stack: InitialStack
  readonly pc: number
  readonly file: OpenFile
  readonly argv: readonly Uint8Array[]
  readonly path: string
}

/**
 * Replaces the program of a process.
 *
 * @returns 0: the thread's registers are the new program's; or why nothing has changed: an ElfError, ENOENT, EACCES,
 *          ENOTDIR, ELOOP, ETXTBSY, E2BIG, ENOMEM, EIO
 * @locks   sleeps
 * @manual  execve(2)
 */
export function* execve(
  kernel: Kernel,
  thread: Thread,
  context: WalkContext,
  request: ExecRequest,
): Sleep<0 | Err | ElfError> {
  const { who, hasNoNewPrivileges, limits } = thread.process
  const executor = { old: who, keeps: hasNoNewPrivileges }
  const built = yield* buildProgram(kernel, limits, context, executor, request, true)
  if (isErr(built) || isElfError(built)) return built
  yield* endOtherThreads(kernel, thread)
  const { process } = thread
  const old = process.space!
  yield* leaveMemory(kernel, thread)
  process.usage.peakResidentPages = Math.max(process.usage.peakResidentPages, old.peakResidentPages)
  kernel.scheduler.switchSpace(thread, old, built.space)
  process.space = built.space
  uvmspaceFree(old)
  yield* become(process, thread, built, request.env)
  return 0
}

/** Steps 1 to 3. `needsPermission`: the file must be executable for the caller. */
export function* buildProgram(
  kernel: Kernel,
  limits: Limits,
  context: WalkContext,
  executor: Executor,
  request: ExecRequest,
  needsPermission: boolean,
): Sleep<Built | Err | ElfError> {
  const found = yield* findProgram(kernel, context, request, needsPermission)
  if (isErr(found) || isElfError(found)) return found
  const { file, path, argv } = found
  const result = yield* buildFrom(kernel, limits, context, executor, file, path, argv, request)
  if (isErr(result) || isElfError(result)) file.release()
  return result
}

/** Step 4: what changes in the process itself. The new address space is in place. */
export function* become(process: Process, thread: Thread, built: Built, env: readonly Uint8Array[]): Sleep<void> {
  const { stack, file } = built
  if (process.fds!.refs > 1) {
    const own = process.fds!.copy()
    yield* process.fds!.release()
    process.fds = own
  }
  yield* process.fds!.closeOnExec()
  process.actions.refs--
  process.actions = process.actions.forExec()
  thread.altStack = { start: 0, size: 0, flags: 2 }
  thread.clearChildTid = 0
  thread.robustList = 0
  thread.restart = 'no'
  thread.regs.clear()
  thread.regs.set(SP, stack.sp)
  thread.regs.pc = built.pc
  process.name = commOf(built.path)
  thread.name = process.name
  if (process.exe !== null) vnodeRelease(process.exe)
  process.exe = vnodeHold(file.vnode)
  process.exePath = file.path
  process.argv = built.argv.map(nameFromBytes)
  process.env = env.map(nameFromBytes)
  process.auxv = stack.auxv
  process.dumpable = isSecureExec(process.who, built.who) ? 0 : 1
  process.who = built.who
  file.release()
}
/** comm: the last part of the path, 15 bytes of it. */
function commOf(path: string): string {
  return nameFromBytes(nameToBytes(path.split('/').at(-1) ?? '').subarray(0, 15))
}

// Step 1.
function* findProgram(
  kernel: Kernel,
  context: WalkContext,
  request: ExecRequest,
  needsPermission: boolean,
): Sleep<{ file: OpenFile; path: string; argv: readonly Uint8Array[] } | Err | ElfError> {
  let { path } = request
  let script: string | null = null
  let argv = request.argv.length === 0 ? [new Uint8Array(0)] : request.argv
  for (let level = 0; ; level++) {
    const file = yield* openProgram(kernel, context, path, needsPermission)
    if (isErr(file)) return script === null ? file : noInterpreter(new ElfComplaint(script), SCRIPT_NAME_AT, path, file)
    const head = yield* readBytes(file, 0, SCRIPT_LINE + 1)
    if (isErr(head)) {
      file.release()
      return head
    }
    if (head[0] !== 0x23 || head[1] !== 0x21) return { file, path, argv }
    file.release()
    if (level === SCRIPT_LEVELS) return ELOOP
    const line = scriptLine(head)
    if (line === null) {
      const why = 'it is a script whose first line names no interpreter'
      return new ElfComplaint(path).error('interpreter', SCRIPT_NAME_AT, why)
    }
    // #! interpreter [argument] runs: interpreter, argument, path of the script, its arguments.
    argv = [...line.map(nameToBytes), nameToBytes(path), ...argv.slice(1)]
    script = path
    path = line[0]!
  }
}
function scriptLine(head: Uint8Array): string[] | null {
  const end = head.indexOf(0x0a)
  if (end < 0 && head.length > SCRIPT_LINE) return null
  const text = nameFromBytes(head.subarray(2, end < 0 ? head.length : end)).trim()
  if (text === '') return null
  const space = text.search(/[ \t]/)
  return space < 0 ? [text] : [text.slice(0, space), text.slice(space).trim()]
}

function* openProgram(
  kernel: Kernel,
  context: WalkContext,
  path: string,
  needsPermission: boolean,
): Sleep<OrErr<OpenFile>> {
  const file = yield* openAt(kernel.files, context, path, O_RDONLY, 0)
  if (isErr(file)) return file
  const { vnode } = file
  const refused = vnode.kind !== 'file' || vnode.object === null ? EACCES : vnodeAccess(vnode, context.who, MAY_EXEC)
  const error = refused !== 0 && (needsPermission || vnode.kind !== 'file') ? EACCES : vnode.writers > 0 ? ETXTBSY : 0
  if (error === 0) return file
  file.release()
  return error
}

// Steps 2 and 3.
function* buildFrom(
  kernel: Kernel,
  limits: Limits,
  context: WalkContext,
  executor: Executor,
  file: OpenFile,
  path: string,
  argv: readonly Uint8Array[],
  request: ExecRequest,
): Sleep<Built | Err | ElfError> {
  const { env } = request
  const { user } = kernel.machine.layout
  const elfLimits: ElfLimits = {
    minAddress: PAGE_SIZE,
    maxAddress: user.end,
    memoryBytes: kernel.machine.memory.ramBytes,
  }
  const tooLong = [...argv, ...env].some(({ length }) => length >= ARGUMENT_MAX)
  const stackLimit = limits.soft[RLIMIT_STACK]!
  const argumentLimit = Math.max(ARGUMENT_MAX, Math.min(stackLimit / 4, ARGUMENTS_MAX))
  if (tooLong || argumentBytes(argv, env) > argumentLimit) return E2BIG

  const complaint = new ElfComplaint(path)
  const image = yield* readElf(file, elfLimits, complaint)
  if (isErr(image) || isElfError(image)) return image
  const interpreter = yield* readInterpreter(kernel, context, file, image, elfLimits, complaint)
  if (isErr(interpreter) || isElfError(interpreter)) return interpreter

  const who = credentialsForExec(executor.old, file.vnode, executor.keeps)
  // Page 0 too: whoever has CAP_SYS_RAWIO may map it.
  const space = uvmspaceAlloc(kernel.vm, kernel.personality, 0, user.end)
  if (isErr(space)) {
    interpreter?.file.release()
    return space
  }
  space.limits = limits.forSpace(who)
  const gap = Math.min(Math.max(stackLimit, STACK_GAP_MIN), truncPage(Math.floor(user.end / 6) * 5))
  space.mmapBase = user.end - roundPage(gap)
  const result = yield* fillSpace(kernel, space, executor.old, who, file, image, interpreter, argv, env, request.path)
  interpreter?.file.release()
  if (isErr(result)) {
    uvmspaceFree(space)
    return result === ENOMEM
      ? complaint.error('too large', null, 'there is not enough memory to load it', ENOMEM)
      : result
  }
  return { who, space, file, argv, path, stack: result.stack, pc: result.pc }
}

interface Interpreter {
  readonly file: OpenFile
  readonly image: ElfImage
}
function* readInterpreter(
  kernel: Kernel,
  context: WalkContext,
  file: OpenFile,
  image: ElfImage,
  limits: ElfLimits,
  complaint: ElfComplaint,
): Sleep<Interpreter | null | Err | ElfError> {
  if (image.interpreter === null) return null
  const { offset, length } = image.interpreter
  const bytes = yield* readBytes(file, offset, length)
  if (isErr(bytes)) return bytes
  const name = interpreterName(bytes, offset, complaint)
  if (typeof name !== 'string') return name
  const opened = yield* openProgram(kernel, context, name, true)
  if (isErr(opened)) return noInterpreter(complaint, offset, name, opened)
  const read = yield* readElf(opened, limits, new ElfComplaint(name, true))
  if (!isErr(read) && !isElfError(read)) return { file: opened, image: read }
  opened.release()
  return read
}

function* fillSpace(
  kernel: Kernel,
  space: VmSpace,
  old: ProcessCredentials,
  who: ProcessCredentials,
  file: OpenFile,
  image: ElfImage,
  interpreter: Interpreter | null,
  argv: readonly Uint8Array[],
  env: readonly Uint8Array[],
  fileName: string,
): Sleep<{ stack: InitialStack; pc: number } | Err> {
  const top = space.map.max
  const name = nameToBytes(fileName)
  // Room for the vector of pointers and the auxiliary vector is counted generously: at most a page too much.
  const used = roundPage(argumentBytes(argv, env) + name.length + PAGE_SIZE)
  const stackBytes = Math.max(used, Math.min(used - PAGE_SIZE + STACK_ROOM + PAGE_SIZE, truncPage(space.limits.stack)))
  const stackProt = image.hasExecutableStack ? 7 : 3
  const mapped = yield* mmapRegion(space, {
    addr: top - stackBytes,
    length: stackBytes,
    prot: stackProt,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
    object: null,
    file: null,
    pgoff: 0,
  })
  if (isErr(mapped)) return mapped

  const bias = chooseBias(space, image, interpreter !== null)
  if (isErr(bias)) return bias
  const loaded = yield* mapImage(space, file, image, bias)
  if (isErr(loaded)) return loaded
  noteSegments(space, image, bias)
  const isStaticPie = image.isPositionIndependent && interpreter === null
  space.startBrk = space.brk = isStaticPie ? dynBase(space) : image.end + bias

  let base = 0
  let pc = image.entry + bias
  if (interpreter !== null) {
    const chosen = chooseBias(space, interpreter.image, false)
    if (isErr(chosen)) return chosen
    const there = yield* mapImage(space, interpreter.file, interpreter.image, chosen)
    if (isErr(there)) return there
    base = chosen
    pc = interpreter.image.entry + chosen
  }
  const vdso = yield* mapVdso(kernel, space)
  if (isErr(vdso)) return vdso

  const stack = buildInitialStack(
    top,
    {
      argv,
      env,
      fileName: name,
      phdr: image.phdrAddress === 0 ? 0 : image.phdrAddress + bias,
      phnum: image.phnum,
      base,
      entry: image.entry + bias,
      who,
      isSecure: isSecureExec(old, who),
    },
    kernel.machine.rng,
  )
  const written = yield* copyOut(space, stack.sp, stack.bytes)
  if (isErr(written)) return ENOMEM
  space.startStack = stack.sp
  space.argStart = stack.argStart
  space.argEnd = stack.argEnd
  space.envStart = stack.argEnd
  space.envEnd = stack.envEnd
  return { stack, pc }
}

function* mapVdso(kernel: Kernel, space: VmSpace): Sleep<number | Err> {
  const { vdso } = kernel
  vdso.pager.reference(vdso)
  const mapped = yield* mmapRegion(space, {
    addr: 0,
    length: PAGE_SIZE,
    prot: 5,
    flags: MAP_PRIVATE,
    object: vdso,
    file: VDSO_FILE,
    pgoff: 0,
  })
  if (isErr(mapped)) vdso.pager.detach(vdso)
  else space.map.lookup(mapped)!.vmFlags |= VM_DONTEXPAND
  return mapped
}

// pagewright run: one program, its streams, its exit code, its report.

import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import {
  causeLines,
  createSystem,
  formatReport,
  type GuestProcess,
  printable,
  ProgramError,
  type System,
} from '../src/index.ts'
import { NodeHostFiles } from './hostFiles.ts'
import { type MountOption, type RunOptions, UsageError } from './options.ts'
import { pump } from './pump.ts'
import { HostOutput, StdinSource, terminalOf } from './streams.ts'

/** Files above this are no programs for this machine. */
const PROGRAM_MOST = 1 << 30
/** Ends that whoever sits at the terminal brought about, and needs no word about; shells keep silent there too. */
const QUIET_ENDS = new Set(['SIGINT', 'SIGPIPE'])

/** Runs a program to its end. @returns the exit code for the host */
export async function run(options: RunOptions): Promise<number> {
  const root = options.mounts.find(({ guestDir }) => guestDir === '/')
  const program = root === undefined ? readProgram(options.program) : options.program
  const { report: wantsReport, reportFile, show, showFile } = options
  const report = wantsReport === null ? null : openOutput('--report-file', reportFile)
  const shown = show.length === 0 ? null : openOutput('--show-file', showFile)
  let texts = ''
  const system = createSystem(options.config)
  if (root !== undefined) mountDirectory(system, root)
  for (const mount of options.mounts) if (mount !== root) mountDirectory(system, mount)
  const stdin = new StdinSource(process.stdin)
  const stdout = HostOutput.of(process.stdout)
  const stderr = HostOutput.of(process.stderr)
  let guest: GuestProcess
  try {
    guest = system.spawn(program, {
      name: options.program,
      argv0: options.program,
      args: options.args,
      env: options.env,
      cwd: options.cwd,
      stdin,
      stdout: stdout.write,
      stderr: stderr.write,
      atEnd: (ending) => {
        try {
          texts = showTexts(ending, show)
        } catch (error) {
          texts = `pagewright: --show: ${(error as Error).message}\n`
        }
      },
      terminals: [terminalOf(process.stdin), terminalOf(process.stdout), terminalOf(process.stderr)],
    })
  } catch (error) {
    if (error instanceof ProgramError) throw new UsageError(error.message)
    throw error
  }
  try {
    showTexts(guest, show)
  } catch (error) {
    throw new UsageError(`--show: ${(error as Error).message}`)
  }
  await pump(system, guest, stdin, [stdout, stderr])
  const { end } = guest
  if (end !== null && end.signal !== null && !QUIET_ENDS.has(end.signal)) {
    const lines = [`pagewright: ${options.program}: ended by ${end.signal}`]
    if (end.cause !== null) lines.push(...causeLines(end.cause))
    process.stderr.write(`${lines.map(printable).join('\n')}\n`)
  }
  shown?.(texts)
  report?.(reportText(system, options))
  return end?.status ?? 0
}

function readProgram(path: string): Uint8Array {
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) throw new UsageError(`${path}: is a directory`)
    if (!stat.isFile()) throw new UsageError(`${path}: is not a regular file`)
    if (stat.size > PROGRAM_MOST) throw new UsageError(`${path}: is too large for a program (${stat.size} bytes)`)
    return readFileSync(path)
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${path}: ${hostProblem(error)}`)
  }
}

function mountDirectory(system: System, { hostDir, guestDir, isWritable }: MountOption): void {
  let files: NodeHostFiles
  try {
    files = new NodeHostFiles(hostDir, !isWritable)
  } catch (error) {
    throw new UsageError(`--mount: ${hostDir}: ${hostProblem(error)}`)
  }
  try {
    system.mount(files, guestDir, isWritable)
  } catch (error) {
    throw new UsageError(`--mount: ${(error as Error).message}`)
  }
}

/** What files of /proc and /sys say now; each under its name if there are several, as head(1) has it. */
function showTexts(guest: GuestProcess, paths: readonly string[]): string {
  if (paths.length === 1) return guest.readProc(paths[0]!)
  return paths.map((path, i) => `${i === 0 ? '' : '\n'}==> ${path} <==\n${guest.readProc(path)}`).join('')
}

/** Where a text goes: a file, or standard error. The file is opened before anything runs, so that a wrong name is told at once. */
function openOutput(option: string, name: string | null): (text: string) => void {
  if (name === null) return (text) => void process.stderr.write(text)
  let fd: number
  try {
    fd = openSync(name, 'w')
  } catch (error) {
    throw new UsageError(`${option}: ${name}: ${hostProblem(error)}`)
  }
  return (text) => {
    writeSync(fd, text)
    closeSync(fd)
  }
}
function reportText(system: System, { report }: RunOptions): string {
  return report === 'json' ? `${JSON.stringify(system.report(), null, 2)}\n` : formatReport(system.report())
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
}
function hostProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return PROBLEMS[code ?? ''] ?? message
}

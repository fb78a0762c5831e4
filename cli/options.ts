// The arguments of the commands, read with util.parseArgs and checked. What is wrong becomes a UsageError of one line.

import { parseArgs, type ParseArgsConfig } from 'node:util'
import { checkConfig, ConfigError, type Level, type SystemConfig } from '../src/index.ts'
import type { OracleOptions } from './oracle.ts'

/** Wrong arguments: one line for standard error, exit code 2. */
export class UsageError extends Error {}

export interface MountOption {
  readonly hostDir: string
  readonly guestDir: string
  readonly isWritable: boolean
}
export type ReportFormat = 'text' | 'json'
export interface RunOptions {
  readonly config: SystemConfig
  readonly mounts: readonly MountOption[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly report: ReportFormat | null
  readonly reportFile: string | null
  /** Files of /proc or /sys to show as the program ends. */
  readonly show: readonly string[]
  readonly showFile: string | null
  readonly program: string
  readonly args: readonly string[]
}

type Declared = NonNullable<ParseArgsConfig['options']>
const MACHINE: Declared = {
  memory: { type: 'string' },
  swap: { type: 'string', multiple: true },
  cpus: { type: 'string' },
  nodes: { type: 'string' },
  tlb: { type: 'string' },
  pages: { type: 'string' },
  'large-pages': { type: 'string' },
  seed: { type: 'string' },
  turn: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
}
const RUN: Declared = {
  ...MACHINE,
  mount: { type: 'string', multiple: true },
  env: { type: 'string', multiple: true },
  cwd: { type: 'string' },
  report: { type: 'string' },
  'report-file': { type: 'string' },
  show: { type: 'string', multiple: true },
  'show-file': { type: 'string' },
}
const ORACLE: Declared = {
  level: { type: 'string' },
  live: { type: 'boolean' },
  inside: { type: 'boolean' },
  seed: { type: 'string' },
  ops: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
}
/** Names of the options of a command, without the dashes; for the test of the help texts. */
export const OPTION_NAMES = { run: Object.keys(RUN), demo: Object.keys(MACHINE), oracle: Object.keys(ORACLE) } as const

type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

/** Reads the arguments of `run`. 'help' if that was asked for. */
export function parseRun(argv: readonly string[]): RunOptions | 'help' {
  const { values, rest } = parse('run', RUN, argv)
  if (values['help'] === true) return 'help'
  const config = machineConfig(values)
  const [program, ...args] = rest
  if (program === undefined || program === '') throw new UsageError('no PROGRAM given; see `pagewright help run`')
  const report = one(values, 'report')
  if (report !== undefined && report !== 'text' && report !== 'json')
    throw new UsageError(`--report: must be text or json; got ${JSON.stringify(report)}`)
  const reportFile = one(values, 'report-file') ?? null
  if (reportFile === '') throw new UsageError('--report-file: must name a file')
  const show = many(values, 'show')
  for (const path of show)
    if (!/^\/(?:proc|sys)\/./.test(path))
      throw new UsageError(`--show: must name a file of /proc or /sys; got ${JSON.stringify(path)}`)
  const showFile = one(values, 'show-file') ?? null
  if (showFile === '') throw new UsageError('--show-file: must name a file')
  if (showFile !== null && show.length === 0) throw new UsageError('--show-file: needs --show')
  const cwd = one(values, 'cwd') ?? '/'
  if (!cwd.startsWith('/')) throw new UsageError(`--cwd: must be an absolute path; got ${JSON.stringify(cwd)}`)
  return {
    config,
    mounts: many(values, 'mount').map((text) => parseMount(text)),
    env: many(values, 'env').map(parseEnv),
    cwd,
    report: report ?? (reportFile === null ? null : 'text'),
    reportFile,
    show,
    showFile,
    program,
    args,
  }
}

/** Reads the arguments of `demo`. */
export function parseDemo(argv: readonly string[]): SystemConfig | 'help' {
  const { values, rest } = parse('demo', MACHINE, argv)
  if (values['help'] === true) return 'help'
  if (rest.length > 0)
    throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}; see \`pagewright help demo\``)
  return machineConfig(values)
}

/** Reads the arguments of `oracle`. */
export function parseOracle(argv: readonly string[]): OracleOptions | 'help' {
  const { values, rest: files } = parse('oracle', ORACLE, argv)
  if (values['help'] === true) return 'help'
  const level = wholeNumber(values, 'level', 3, 1, 3) as Level
  const seed = wholeNumber(values, 'seed', 1, 0, Number.MAX_SAFE_INTEGER)
  const operations = wholeNumber(values, 'ops', 20_000, 1, 1_000_000_000)
  const isInside = values['inside'] === true
  if (values['live'] === true) {
    if (isInside) throw new UsageError('--inside: reads FILES; it cannot be combined with --live')
    if (files.length > 0) throw new UsageError(`--live: reads no files; got ${JSON.stringify(files[0])}`)
    return { level, files, isInside, live: { seed, operations } }
  }
  for (const name of ['seed', 'ops'])
    if (one(values, name) !== undefined) throw new UsageError(`--${name}: needs --live`)
  if (files.length === 0) throw new UsageError('no FILES given, nor --live; see `pagewright help oracle`')
  return { level, files, isInside, live: null }
}
function wholeNumber(values: Values, name: string, unless: number, least: number, most: number): number {
  const text = one(values, name)
  if (text === undefined) return unless
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`--${name}: must be a whole number from ${least} to ${most}; got ${JSON.stringify(text)}`)
}

/** Options up to the first argument that is none; that one and the rest are the program's. */
function parse(command: string, options: Declared, argv: readonly string[]): { values: Values; rest: string[] } {
  // parseArgs knows no optional values: a bare --report means text.
  const args = argv.map((arg) => (arg === '--report' ? '--report=text' : arg))
  let end = args.length
  let isTerminated = false
  try {
    const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true })
    for (const token of tokens) {
      if (token.kind !== 'positional' && token.kind !== 'option-terminator') continue
      end = token.index
      isTerminated = token.kind === 'option-terminator'
      break
    }
    const { values } = parseArgs({ args: args.slice(0, end), options, strict: true, allowPositionals: false })
    return { values: values as Values, rest: argv.slice(isTerminated ? end + 1 : end) }
  } catch (error) {
    throw new UsageError(`${parseProblem(error as Error)}; see \`pagewright help ${command}\``)
  }
}
/** What parseArgs complains about, in our words: `--option: what is wrong`. */
function parseProblem({ message }: Error): string {
  const option = /'(?:-\w, )?(-[^ ']*)/.exec(message)?.[1] ?? ''
  if (message.startsWith('Unknown option')) return `no option ${JSON.stringify(option)}`
  if (message.includes('argument missing')) return `${option}: needs a value`
  if (message.includes('ambiguous'))
    return `${option}: needs a value; one that begins with "-" is written ${option}=VALUE`
  if (message.includes('does not take an argument')) return `${option}: takes no value`
  return message.split(/\.(?:\s|$)|\n/)[0]!
}
function one(values: Values, name: string): string | undefined {
  return values[name] as string | undefined
}
function many(values: Values, name: string): string[] {
  return (values[name] as string[] | undefined) ?? []
}

/** The words of /sys/kernel/mm/transparent_hugepage/enabled. */
const LARGE_PAGES: Readonly<Record<string, SystemConfig['largePages']>> = Object.assign(Object.create(null), {
  never: 'never',
  madvise: 'advised',
  always: 'always',
})

/** The part of the options that describes the machine. An error carries the option as it is typed. */
function machineConfig(values: Values): SystemConfig {
  const config: Record<string, unknown> = {}
  for (const name of ['memory', 'tlb', 'pages']) {
    const text = one(values, name)
    if (text !== undefined) config[name] = text
  }
  const swap = many(values, 'swap')
  if (swap.length > 0) config['swap'] = swap.length === 1 ? swap[0] : swap
  for (const name of ['cpus', 'nodes', 'seed', 'turn']) {
    const text = one(values, name)
    if (text !== undefined) config[name] = /^\d{1,17}$/.test(text) ? Number(text) : text
  }
  const largePages = one(values, 'large-pages')
  if (largePages !== undefined) {
    const policy = LARGE_PAGES[largePages]
    if (policy === undefined)
      throw new UsageError(`--large-pages: must be never, madvise or always; got ${JSON.stringify(largePages)}`)
    config['largePages'] = policy
  }
  try {
    checkConfig(config)
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(`--${error.message}`)
    throw error
  }
  return config
}

/** `HOSTDIR[:GUESTDIR][:rw]`. On Windows a drive letter belongs to HOSTDIR. */
export function parseMount(text: string, isWindows = process.platform === 'win32'): MountOption {
  const wrong = (why: string) =>
    new UsageError(`--mount: must be HOSTDIR[:GUESTDIR][:rw], ${why}; got ${JSON.stringify(text)}`)
  const parts = text.split(':')
  if (isWindows && /^[A-Za-z]$/.test(parts[0]!) && parts.length > 1 && /^[\\/]/.test(parts[1]!)) {
    parts.splice(0, 2, `${parts[0]}:${parts[1]}`)
  }
  const last = parts.at(-1)
  const isWritable = parts.length > 1 && last === 'rw'
  if (parts.length > 1 && (last === 'rw' || last === 'ro')) parts.pop()
  if (parts.length > 2) throw wrong('with at most one GUESTDIR')
  const [hostDir, guestDir = '/mnt'] = parts
  if (hostDir === '') throw wrong('HOSTDIR not empty')
  if (!guestDir.startsWith('/') || guestDir.split('/').includes('..')) throw wrong('GUESTDIR an absolute path')
  const clean = `/${guestDir
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`
  if (['/proc', '/sys', '/dev', '/bin'].includes(clean)) throw wrong(`GUESTDIR not ${clean}`)
  return { hostDir: hostDir!, guestDir: clean, isWritable }
}

function parseEnv(text: string): string {
  const at = text.indexOf('=')
  if (at <= 0 || text.includes('\0')) throw new UsageError(`--env: must be NAME=VALUE; got ${JSON.stringify(text)}`)
  return text
}

// `pagewright oracle`: what a real kernel has answered, or answers now, beside what ours does.

import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import {
  comparable,
  createSystem,
  describeDifference,
  type Difference,
  generate,
  isCompared,
  type Level,
  OracleWorld,
  parseRecording,
  printable,
  PROFILE_NAMES,
  replay,
  type Replay,
  type Sequence,
  shrink,
} from '../src/index.ts'
import { UsageError } from './options.ts'

export interface OracleOptions {
  readonly level: Level
  readonly files: readonly string[]
  /** Run the helper itself as a guest program. */
  readonly isInside: boolean
  /** Ask the host's kernel instead of reading files. */
  readonly live: { readonly seed: number; readonly operations: number } | null
}

const EXIT_DIFFERS = 1
/** This host has no kernel that can be asked. */
const EXIT_NO_HOST = 3
/** Differences that are shown whole. */
const SHOWN = 3
/** Random operations of a live sequence. */
const SEQUENCE_OPERATIONS = 200
/** The kernel whose behaviour is specified; older ones answer otherwise. */
const OLDEST_KERNEL = [6, 18] as const

/** @returns the exit code: 0 all agree, 1 something differs, 3 no host to ask */
export function oracle(options: OracleOptions): number {
  return options.live === null ? replayFiles(options) : askHost(options.level, options.live)
}

/** What was compared, by profile. */
class Tally {
  readonly #rows = new Map<string, { sequences: number; compared: number; agreeing: number; differing: number }>()
  #shown = 0
  #sequences = 0
  #compared = 0
  isDifferent = false

  add(sequence: Sequence, compared: number, agreeing: number, difference: Difference | undefined): void {
    let row = this.#rows.get(sequence.profile)
    if (row === undefined)
      this.#rows.set(sequence.profile, (row = { sequences: 0, compared: 0, agreeing: 0, differing: 0 }))
    row.sequences++
    row.compared += compared
    row.agreeing += agreeing
    row.differing += compared - agreeing
    if (difference !== undefined) this.isDifferent = true
    this.#sequences++
    this.#compared += compared
    if (process.stderr.isTTY)
      process.stderr.write(`\r${this.#sequences} sequences, ${this.#compared} operations compared`)
  }
  show(sequence: Sequence, difference: Difference): void {
    if (this.#shown++ >= SHOWN) return
    clearLine()
    process.stdout.write(`${describeDifference(sequence, difference)}\n\n`)
  }
  print(): void {
    clearLine()
    const heads = ['profile', 'sequences', 'operations', 'agreeing', 'differing']
    const rows = [...this.#rows].map(([name, row]) => [name, ...Object.values(row).map(String)])
    const sums = [1, 2, 3, 4].map((column) => String(rows.reduce((sum, row) => sum + Number(row[column]), 0)))
    for (const row of [heads, ...rows, ['all', ...sums]])
      process.stdout.write(
        `${row[0]!.padEnd(10)}${row
          .slice(1)
          .map((cell) => cell.padStart(12))
          .join('')}\n`,
      )
    if (this.#shown > SHOWN) process.stdout.write(`${this.#shown - SHOWN} further sequences differ.\n`)
  }
}

/** Takes away the line that tells how far it is. */
function clearLine(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

function replayFiles({ files, level, isInside }: OracleOptions): number {
  const tally = new Tally()
  const check = isInside ? replayInside : replay
  for (const file of files) {
    for (const sequence of readRecording(file)) {
      const { compared, agreeing, differences } = check(sequence, level)
      tally.add(sequence, compared, agreeing, differences[0])
      if (differences[0] !== undefined) tally.show(sequence, differences[0])
    }
  }
  tally.print()
  return tally.isDifferent ? EXIT_DIFFERS : 0
}
/** docs/decisions/0006-oracle-exceptions.md */
const X86_ONLY = /^mremap .* 0x800000000000 /
let guestHelper: Uint8Array | null = null

/** The helper, compiled for RISC-V, runs on our kernel and is given the commands. */
function replayInside(sequence: Sequence, level: Level): Replay {
  guestHelper ??= readFileSync(helperFile('programs/bin/linux-oracle.elf'))
  const system = createSystem()
  const stdin = `${sequence.ops.map(([command]) => command).join('\n')}\n`
  const program = system.spawn(guestHelper, { name: 'linux-oracle', stdin })
  system.run(program)
  const answers = program.stdout.split('\n').slice(1)
  const result: Replay = { compared: 0, agreeing: 0, differences: [] }
  for (const [index, [command, theirs]] of sequence.ops.entries()) {
    const ours = answers[index] ?? 'no answer'
    if (!isCompared(command, level) || X86_ONLY.test(command)) continue
    result.compared++
    if (comparable(ours, level) === comparable(theirs, level)) result.agreeing++
    else {
      result.differences.push({ index, command, theirs, ours, theirMaps: '?', ourMaps: '?' })
      return result
    }
  }
  system.verify()
  return result
}
/** A file of the package, from a clone or from what is installed. */
function helperFile(name: string): URL {
  const places = ['../', '../../'].map((up) => new URL(up + name, import.meta.url))
  const found = places.find((place) => existsSync(place))
  if (found === undefined) throw new UsageError(`${name}: is missing`)
  return found
}
function readRecording(file: string): Sequence[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new UsageError(`${file}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'error'}`)
  }
  try {
    const isCompressed = bytes[0] === 0x1f && bytes[1] === 0x8b
    return parseRecording((isCompressed ? gunzipSync(bytes) : bytes).toString('utf8'))
  } catch (error) {
    throw new UsageError(`${file}: no recording: ${printable((error as Error).message)}`)
  }
}

/** Asks the host's kernel what our answers to random sequences should have been. */
function askHost(level: Level, { seed, operations }: { seed: number; operations: number }): number {
  const helper = hostHelper()
  if (helper === null) return EXIT_NO_HOST
  const tally = new Tally()
  for (let i = 0; i * SEQUENCE_OPERATIONS < operations; i++) {
    const profile = PROFILE_NAMES[(seed + i) % PROFILE_NAMES.length]!
    const world = new OracleWorld()
    const count = Math.min(SEQUENCE_OPERATIONS, operations - i * SEQUENCE_OPERATIONS)
    const ours = generate((command) => world.answer(command), seed + i, profile, count)
    world.verify()
    const commands = ours.map(([command]) => command)
    const theirs = helper(commands)
    const sequence: Sequence = { seq: seed + i, profile, ops: commands.map((c, n) => [c, theirs[n] ?? 'dead']) }
    const index = firstDifference(
      sequence,
      ours.map(([, answer]) => answer),
      level,
    )
    const compared = commands.filter((command) => isCompared(command, level))
    if (index < 0) {
      tally.add(sequence, compared.length, compared.length, undefined)
      continue
    }
    const short = shortest(helper, commands.slice(0, index + 1), level, sequence)
    const before = commands.slice(0, index).filter((command) => isCompared(command, level)).length
    const difference = replay(short, level).differences[0]
    tally.add(sequence, before + 1, before, difference ?? replay(sequence, level).differences[0])
    if (difference !== undefined) tally.show(short, difference)
    process.stdout.write(`Found with --live --seed ${seed + i} --ops ${count} (${profile}). The commands:\n`)
    process.stdout.write(`${short.ops.map(([command, answer]) => `  ${command} => ${answer}`).join('\n')}\n\n`)
  }
  tally.print()
  return tally.isDifferent ? EXIT_DIFFERS : 0
}
function firstDifference(sequence: Sequence, ours: readonly string[], level: Level): number {
  return sequence.ops.findIndex(
    ([command, theirs], i) => isCompared(command, level) && comparable(theirs, level) !== comparable(ours[i]!, level),
  )
}
function shortest(helper: Helper, commands: readonly string[], level: Level, { seq, profile }: Sequence): Sequence {
  const asked = (tried: readonly string[]): Sequence => {
    const answers = helper(tried)
    return { seq, profile, ops: tried.map((command, i) => [command, answers[i] ?? 'dead'] as const) }
  }
  return asked(shrink(commands, (tried) => replay(asked(tried), level).differences.length > 0))
}

/** Gives commands to a new helper process: the kernel's answers. */
type Helper = (commands: readonly string[]) => string[]

/** The helper, compiled for this host; null, and a word why, if its kernel cannot be asked. */
function hostHelper(): Helper | null {
  const say = (why: string): null => {
    process.stderr.write(`pagewright: oracle --live: ${why}\n`)
    return null
  }
  if (process.platform !== 'linux') return say(`needs Linux; this is ${process.platform}`)
  const [major = 0, minor = 0] = release().split('.').map(Number)
  if (major < OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor < OLDEST_KERNEL[1]))
    return say(`needs Linux ${OLDEST_KERNEL.join('.')} or newer; this is ${release()}`)
  const source = ['../test/oracle/linux/linux-oracle.c', '../../test/oracle/linux/linux-oracle.c']
    .map((path) => new URL(path, import.meta.url))
    .find((path) => existsSync(path))
  if (source === undefined) return say('needs test/oracle/linux/linux-oracle.c, which is in a clone')
  const text = readFileSync(source)
  const folder = join(
    tmpdir(),
    `pagewright-oracle-${process.getuid!()}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`,
  )
  const program = join(folder, 'linux-oracle')
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const fresh = `${program}.${process.pid}`
    const made = spawnSync(process.env['CC'] ?? 'cc', ['-O2', '-x', 'c', '-', '-o', fresh], { input: text })
    if (made.error !== undefined || made.status !== 0) return say('needs a C compiler that works (cc, or $CC)')
    renameSync(fresh, program)
  }
  const ask: Helper = (commands) => {
    const { stdout } = spawnSync(program, ['0x2000000'], {
      input: `${commands.join('\n')}\n`,
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    return stdout.split('\n').slice(1, -1)
  }
  const { stdout } = spawnSync(program, ['0x2000000'], { input: '', encoding: 'utf8' })
  if (!/ sealed=1\b/.test(stdout ?? '')) return say('the helper could not seal its address space here')
  return ask
}

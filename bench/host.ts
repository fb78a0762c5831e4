// The host's Linux as a yardstick: host.c and hostCalls.c, compiled where there is a C compiler.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** In the environment of a subject: what `runHost` has answered. */
const VARIABLE = 'PAGEWRIGHT_BENCH_HOST'

/** Nanoseconds by name, or the reason why there are none. */
export type HostTimes = Readonly<Record<string, number>> | string

/** Compiles and runs host.c. */
export const runHost = (): HostTimes => runSource('host.c', [])
/** Runs hostCalls.c: the calls, or the random faults, among so many other mappings. Empty where that is not possible. */
export function runHostCalls(mappings: number, what = 'calls'): Readonly<Record<string, number>> {
  const times = runSource('hostCalls.c', [String(mappings), what])
  if (typeof times !== 'string') return times
  console.error(`bench: ${times}`)
  return {}
}
function runSource(name: string, args: readonly string[]): HostTimes {
  if (process.platform !== 'linux') return 'the host is not Linux'
  const folder = mkdtempSync(join(tmpdir(), 'pagewright-bench-'))
  try {
    const program = join(folder, 'host')
    const source = fileURLToPath(new URL(name, import.meta.url))
    const compiled = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' })
    if (compiled.error !== undefined) return 'no C compiler'
    if (compiled.status !== 0) return `${name} does not compile here`
    const ran = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    if (ran.status !== 0) return `${name} does not run here`
    const lines = ran.stdout.trim().split('\n')
    return Object.fromEntries(lines.map((line) => [line.split('\t')[0]!, Number(line.split('\t')[1])]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
export const hostEnvironment = (times: HostTimes): Record<string, string> => ({ [VARIABLE]: JSON.stringify(times) })

/** For subjects: what the host takes. */
export function hostTimes() {
  const given = process.env[VARIABLE]
  const times: HostTimes = given === undefined ? 'not measured' : (JSON.parse(given) as HostTimes)
  const ns = (name: string): number | null => (typeof times === 'string' ? null : (times[name] ?? null))
  return {
    ns,
    /** The part of a row that names the yardstick. */
    beside(name: string, own: number) {
      const hostNs = ns(name)
      const yardstick = 'the same on the host'
      if (hostNs === null) return { yardstick, yardstickNs: null, ratio: null, note: String(times) }
      return { yardstick, yardstickNs: hostNs, ratio: own / hostNs }
    },
  }
}

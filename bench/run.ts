// npm run bench [SUBJECT…]: measures, prints a table, and writes it to bench/RESULTS.md unless subjects are named.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { hostEnvironment, runHost } from './host.ts'
import type { Findings } from './measure.ts'
import { resultsText } from './results.ts'

const SUBJECTS = [
  'frames',
  'translate',
  'zeroFill',
  'copyOnWrite',
  'mapUnmap',
  'fork',
  'mapEntries',
  'calls',
  'faults',
  'reserve',
  'programs',
]

const asked = process.argv.slice(2)
if (asked.includes('--help') || asked.includes('-h')) {
  console.log(`Usage: npm run bench -- [SUBJECT...]

Measures each subject beside its yardstick and prints tables. Without SUBJECT all are measured and written to
bench/RESULTS.md. The host's calls need a C compiler, qemu-riscv64 is asked where it is installed.

Subjects: ${SUBJECTS.join(', ')}

Examples:
  npm run bench
  npm run bench -- zeroFill copyOnWrite`)
  process.exit(0)
}
for (const name of asked) {
  if (SUBJECTS.includes(name)) continue
  console.error(`bench: no subject ${name}; there are ${SUBJECTS.join(', ')}`)
  process.exit(2)
}
console.error('bench: the host …')
const environment = { ...process.env, ...hostEnvironment(runHost()) }
const found: Findings[] = []
for (const name of asked.length > 0 ? asked : SUBJECTS) {
  console.error(`bench: ${name} …`)
  const args = [...process.execArgv, fileURLToPath(new URL('one.ts', import.meta.url)), name]
  const child = spawnSync(process.execPath, args, {
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.status !== 0) {
    console.error(`bench: ${name} failed`)
    process.exit(1)
  }
  found.push(JSON.parse(child.stdout) as Findings)
}
const text = resultsText(found, release().split('-')[0]!)
process.stdout.write(text)
if (asked.length === 0) writeFileSync(new URL('RESULTS.md', import.meta.url), text)

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
  'reserve',
  'programs',
]

const asked = process.argv.slice(2)
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

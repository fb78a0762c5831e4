// npm run fuzz: long random sequences against naive models, or against what /proc shows, with shrinking.
//
//   npm run fuzz                          every subject, one seed, as many steps as the subject wants
//   npm run fuzz -- spaces-linux          this subject
//   npm run fuzz -- --seed 7 --seeds 3    seeds 7, 8 and 9
//   npm run fuzz -- --steps 1000          fewer steps
//
// A failure is printed with its shortest sequence of steps; the exit code is 1.

import { failureText, fuzz, type Subject } from './fuzz/runner.ts'
import { frameSubjects } from './phys/framesModel.ts'
import { procSubjects } from './proc/model.ts'
import { scriptArguments } from './scriptArguments.ts'
import { spaceSubjects } from './uvm/model.ts'

const SUBJECTS: readonly Subject<never>[] = [
  ...spaceSubjects,
  ...frameSubjects,
  ...procSubjects,
] as unknown as readonly Subject<never>[]

const USAGE = `Usage: npm run fuzz -- [SUBJECT...] [options]

Long random sequences of steps against naive models, or against what /proc shows. A failure is printed with its shortest sequence; exit code 1.

Subjects (default: all):
${SUBJECTS.map(({ name, steps }) => `  ${name.padEnd(22)} ${steps} steps`).join('\n')}

Options:
  --seed N      the first seed (default 1)
  --seeds N     how many seeds (default 1)
  --steps N     steps of each (default: as above)
  -h, --help    this text

Examples:
  npm run fuzz
  npm run fuzz -- ${SUBJECTS[0]!.name} --seed 7 --seeds 3 --steps 1000`

const { positionals, number } = scriptArguments('fuzz', USAGE, {
  seed: { type: 'string' },
  seeds: { type: 'string' },
  steps: { type: 'string' },
})
const unknown = positionals.find((name) => !SUBJECTS.some((subject) => subject.name === name))
if (unknown !== undefined) {
  console.error(`fuzz: no subject ${JSON.stringify(unknown)}; see \`npm run fuzz -- --help\``)
  process.exit(2)
}
const firstSeed = number('seed', 1, 0)
const lastSeed = firstSeed + number('seeds', 1) - 1
let failures = 0
for (const subject of SUBJECTS) {
  if (positionals.length > 0 && !positionals.includes(subject.name)) continue
  const steps = number('steps', subject.steps)
  for (let seed = firstSeed; seed <= lastSeed; seed++) {
    const start = Date.now()
    const progress = process.stderr.isTTY
      ? (done: number) => process.stderr.write(`\r${subject.name}, seed ${seed}: ${done} of ${steps} `)
      : undefined
    const failure = fuzz(subject, seed, steps, 300_000, progress)
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    const seconds = ((Date.now() - start) / 1000).toFixed(1)
    if (failure === null) console.log(`${subject.name}, seed ${seed}: ${steps} steps in ${seconds} s`)
    else {
      failures++
      console.log(failureText(subject.name, failure))
    }
  }
}
process.exit(failures === 0 ? 0 : 1)

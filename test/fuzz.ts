// npm run fuzz: long random sequences against naive models, with shrinking.
//
//   npm run fuzz                          every subject, one seed, as many steps as the subject wants
//   npm run fuzz -- spaces-linux          this subject
//   npm run fuzz -- --seed 7 --seeds 3    seeds 7, 8 and 9
//   npm run fuzz -- --steps 1000          fewer steps
//
// A failure is printed with its shortest sequence of steps; the exit code is 1.

import { parseArgs } from 'node:util'
import { failureText, fuzz, type Subject } from './fuzz/runner.ts'
import { frameSubjects } from './phys/framesModel.ts'
import { spaceSubjects } from './uvm/model.ts'

const SUBJECTS: readonly Subject<never>[] = [...spaceSubjects, ...frameSubjects] as unknown as readonly Subject<never>[]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    steps: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  console.log('Usage: npm run fuzz -- [SUBJECT…] [--seed N] [--seeds N] [--steps N]')
  console.log(`Subjects: ${SUBJECTS.map(({ name }) => name).join(', ')}`)
  process.exit(0)
}
const unknown = positionals.find((name) => !SUBJECTS.some((subject) => subject.name === name))
const numbers = [values.seed, values.seeds, values.steps ?? '1'].map(Number)
if (unknown !== undefined || numbers.some((n) => !Number.isInteger(n) || n < 0)) {
  console.error(unknown !== undefined ? `fuzz: no subject ${unknown}` : 'fuzz: a seed and a count are whole numbers')
  process.exit(2)
}
let failures = 0
for (const subject of SUBJECTS) {
  if (positionals.length > 0 && !positionals.includes(subject.name)) continue
  const steps = values.steps === undefined ? subject.steps : Number(values.steps)
  for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed++) {
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

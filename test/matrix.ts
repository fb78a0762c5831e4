// npm run matrix: every program under every configuration of "it is done when", compared with its native output.
//
//   npm run matrix                      all that is left, on every core of this computer
//   npm run matrix -- --minutes 10      stop after ten minutes; the next call goes on
//   npm run matrix -- --jobs 1          on one core
//   npm run matrix -- --fresh           forget what was done
//
// What is done is kept in matrix-state.jsonl, with a hash of the sources and programs: a change begins anew.

import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { allCells, cellName, runCell, type Cell, type Outcome } from './matrix/programs.ts'
import { scriptArguments } from './scriptArguments.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const state = `${root}matrix-state.jsonl`

const USAGE = `Usage: npm run matrix -- [options]

Runs every program under every TLB, page-table format, number of CPUs and seed, and compares what it prints.
What is done is kept; the next call goes on, unless a source or a program has changed.

Options:
  --minutes N   stop after N minutes
  --jobs N      so many at a time (default: one for each core)
  --fresh       forget what was done
  -h, --help    this text

Examples:
  npm run matrix
  npm run matrix -- --minutes 10 --jobs 1`

interface Done extends Outcome {
  readonly cell: string
  readonly hash: string
}

if (process.send === undefined) await main()
else work()

/** A worker: runs the cells it is sent, one after the other. */
function work(): void {
  process.on('message', (cell: Cell) => {
    let outcome: Outcome
    try {
      outcome = runCell(cell)
    } catch (error) {
      outcome = { wrong: String((error as Error).stack ?? error), instructions: 0 }
    }
    process.send!(outcome)
  })
}

async function main(): Promise<void> {
  const given = scriptArguments('matrix', USAGE, {
    minutes: { type: 'string' },
    jobs: { type: 'string' },
    fresh: { type: 'boolean' },
  })
  const jobsWanted = given.number('jobs', availableParallelism())
  const minutes = given.number('minutes', Infinity)
  if (given.values['fresh'] === true) rmSync(state, { force: true })
  const hash = hashOfSources()
  const done = readState(hash)
  const cells = allCells()
  const left = cells.filter((cell) => !done.has(cellName(cell)))
  const jobs = Math.max(1, Math.min(jobsWanted, left.length))
  const end = Date.now() + minutes * 60_000
  console.log(`${cells.length} combinations, ${cells.length - left.length} done before, ${jobs} at a time`)
  const started = Date.now()
  let count = 0
  let failed = [...done.values()].filter(({ wrong }) => wrong !== null).length
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      const worker = fork(fileURLToPath(import.meta.url), [], { stdio: 'inherit' })
      for (let cell = left.shift(); cell !== undefined && Date.now() < end; cell = left.shift()) {
        const outcome = await ask(worker, cell)
        count++
        if (outcome.wrong !== null) {
          failed++
          console.log(`FAILED ${cellName(cell)}\n  ${outcome.wrong}`)
        }
        appendFileSync(state, `${JSON.stringify({ cell: cellName(cell), hash, ...outcome })}\n`)
        if (count % 20 === 0) progress(count)
      }
      worker.disconnect()
    }),
  )
  const total = done.size + count
  console.log(`${total} of ${cells.length} combinations done, ${failed} failed`)
  if (total < cells.length) console.log('run `npm run matrix` again to go on')
  process.exitCode = failed > 0 ? 1 : 0

  function progress(ran: number): void {
    const seconds = (Date.now() - started) / 1000
    const rest = Math.round(((left.length + jobs) * seconds) / ran)
    console.log(`${done.size + ran} of ${cells.length}, ${failed} failed, about ${rest} s to go`)
  }
}

function ask(worker: ReturnType<typeof fork>, cell: Cell): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`the worker ended with ${code} at ${cellName(cell)}`))
    worker.once('exit', onExit)
    worker.once('message', (outcome) => {
      worker.off('exit', onExit)
      resolve(outcome as Outcome)
    })
    worker.send(cell)
  })
}

/** What was done with these very sources; lines of others are dropped. */
function readState(hash: string): Map<string, Done> {
  const done = new Map<string, Done>()
  if (!existsSync(state)) return done
  for (const line of readFileSync(state, 'utf8').split('\n')) {
    try {
      const entry = JSON.parse(line) as Done
      if (entry.hash === hash) done.set(entry.cell, entry)
    } catch {
      // A line that a crash cut short.
    }
  }
  writeFileSync(state, [...done.values()].map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  return done
}
function hashOfSources(): string {
  const hash = createHash('sha256')
  const add = (path: string): void => {
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) add(`${path}/${name}`)
    } else if (!path.endsWith('.test.ts')) hash.update(path.slice(root.length)).update(readFileSync(path))
  }
  for (const folder of ['src', 'programs/bin', 'programs/expected', 'test/matrix']) add(root + folder)
  return hash.digest('hex').slice(0, 16)
}

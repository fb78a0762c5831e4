// The programs of programs/matrix.json, and one run of one of them under one configuration.

import { readFileSync } from 'node:fs'
import { createSystem, type SystemConfig } from '../../src/index.ts'

const folder = new URL('../../programs/', import.meta.url)
const read = (path: string): Uint8Array => readFileSync(new URL(path, folder))

export interface ProgramCase {
  readonly name: string
  readonly elf: string
  readonly smallArgs: readonly string[]
  readonly expected: string
  readonly exitCode: number
}
export const PROGRAMS: readonly ProgramCase[] = (
  JSON.parse(readFileSync(new URL('matrix.json', folder), 'utf8')) as { programs: ProgramCase[] }
).programs

/** The axes of "it is done when": every program must print the same under all of them. */
export const AXES = {
  program: PROGRAMS.map(({ name }) => name),
  tlb: [1, 64, 4096],
  pages: ['sv39', 'sv48'],
  cpus: [1, 4],
  seed: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
} as const
export interface Cell {
  readonly program: string
  readonly tlb: number
  readonly pages: 'sv39' | 'sv48'
  readonly cpus: number
  readonly seed: number
}
export function cellName({ program, tlb, pages, cpus, seed }: Cell): string {
  return `${program} tlb=${tlb} ${pages} cpus=${cpus} seed=${seed}`
}
/** Every combination, seeds outermost, so that a run that is cut short has seen everything once. */
export function allCells(): Cell[] {
  const cells: Cell[] = []
  for (const seed of AXES.seed)
    for (const pages of AXES.pages)
      for (const cpus of AXES.cpus)
        for (const tlb of AXES.tlb) for (const program of AXES.program) cells.push({ program, tlb, pages, cpus, seed })
  return cells
}

export interface Outcome {
  /** null: as it should be; else what was not. */
  readonly wrong: string | null
  readonly instructions: number
}

/**
 * Runs a program with its small arguments and compares output, exit code, invariants and frames.
 *
 * @param memory  RAM of the system
 */
export function runCell(cell: Cell, memory = '64M'): Outcome {
  const program = PROGRAMS.find(({ name }) => name === cell.program)!
  const config: SystemConfig = { memory, tlb: cell.tlb, pages: cell.pages, cpus: cell.cpus, seed: cell.seed }
  const system = createSystem(config)
  const guest = system.spawn(read(program.elf), { name: program.name, args: program.smallArgs })
  const status = system.run(guest)
  system.run()
  const report = system.report()
  const { instructions } = report
  const expected = new TextDecoder().decode(read(program.expected))
  const fail = (wrong: string): Outcome => ({ wrong, instructions })
  if (status !== program.exitCode) return fail(`exit code ${status}: ${guest.stderr || JSON.stringify(guest.end)}`)
  if (guest.stdout !== expected) return fail(`printed ${JSON.stringify(guest.stdout)}`)
  if (guest.stderr !== '') return fail(`complained ${JSON.stringify(guest.stderr)}`)
  system.verify()
  if (report.frames.leaked !== 0) return fail(`leaked ${JSON.stringify(report.frames)}`)
  return { wrong: null, instructions }
}

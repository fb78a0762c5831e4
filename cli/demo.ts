// pagewright demo: the showcase with its report, and what to type next.

import { fileURLToPath } from 'node:url'
import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { SystemConfig } from '../src/index.ts'
import { run } from './run.ts'

/** Beside the sources in a clone, one level up from dist in a package. */
function programPath(name: string): string {
  const near = fileURLToPath(new URL(`../programs/bin/${name}`, import.meta.url))
  return existsSync(near) ? near : fileURLToPath(new URL(`../../programs/bin/${name}`, import.meta.url))
}

export async function demo(config: SystemConfig): Promise<number> {
  process.stderr.write('A RISC-V Linux program runs on simulated virtual memory; the report follows.\n\n')
  const started = Date.now()
  const code = await run({
    config,
    mounts: [],
    env: [],
    cwd: '/',
    report: 'text',
    reportFile: null,
    show: [],
    showFile: null,
    program: programPath('showcase.elf'),
    args: [],
  })
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  process.stderr.write(`That took ${seconds} s on this computer. Type next, for example:\n\n${suggestions()}`)
  return code
}

const NEXT: readonly (readonly [options: string, program: string, what: string])[] = [
  ['--report', 'hello.elf 3', 'a small program and what it touched'],
  ['--report --tlb 4', 'mem.elf', 'what a TLB of four entries costs'],
  ['--report --cpus 4', 'forkcow.elf', 'fork, copy-on-write and shootdowns'],
  ['--report=json', 'sort.elf 20', 'the same as JSON (docs/report.md)'],
  ['--help', '', 'everything else'],
]
/** Commands that work from the directory the user is in. */
function suggestions(): string {
  const folder = relative(process.cwd(), dirname(programPath('hello.elf')))
  const commands = NEXT.map(([options, program]) => `npx pagewright run ${options} ${program && join(folder, program)}`)
  const width = Math.max(...commands.map(({ length }) => length)) + 2
  return NEXT.map(([, , what], i) => `  ${commands[i]!.padEnd(width)}${what}\n`).join('')
}

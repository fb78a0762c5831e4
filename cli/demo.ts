// pagewright demo: the showcase with its report, and what to type next.

import { fileURLToPath } from 'node:url'
import { existsSync } from 'node:fs'
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
    program: programPath('showcase.elf'),
    args: [],
  })
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  process.stderr.write(`That took ${seconds} s on this computer. Type next, for example:

  npx pagewright run --report programs/bin/hello.elf 3              a small program and what it touched
  npx pagewright run --report --tlb 4 programs/bin/mem.elf          what a TLB of four entries costs
  npx pagewright run --report --cpus 4 programs/bin/forkcow.elf     fork, copy-on-write and shootdowns
  npx pagewright run --report=json programs/bin/sort.elf 20         the same as JSON (docs/report.md)
  npx pagewright run --help                                         everything else
`)
  return code
}

// programs/userfault.c and userevents.c: faults that a thread of the program sees to, and what else it hears of. Not in the
// matrix: qemu offers no userfaultfd.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSystem } from '../../src/index.ts'

const folder = new URL('../../programs/', import.meta.url)
/** The program's own word for: the kernel does not offer it. */
const SKIPPED = 77

describe.each([
  { name: 'userfault', args: ['16'] },
  { name: 'userevents', args: [] },
])('$name', ({ name, args }) => {
  const elf = readFileSync(new URL(`bin/${name}.elf`, folder))
  const expected = readFileSync(new URL(`expected/${name}.txt`, folder), 'utf8')
  it.each([
    [1, 1],
    [2, 1],
    [4, 1],
    [4, 2],
    [4, 3],
  ])('[syscall X11] prints the same on %i CPUs with seed %i', (cpus, seed) => {
    const system = createSystem({ memory: '32M', cpus, seed })
    const guest = system.spawn(elf, { name, args })
    expect([system.run(guest), guest.stdout]).toEqual([0, expected])
    system.verify()
  })
  it('prints the same on the host', (context) => {
    const compiler = spawnSync('cc', ['--version'])
    if (compiler.status !== 0 || process.platform !== 'linux') context.skip('no C compiler for Linux')
    const work = mkdtempSync(join(tmpdir(), `${name}-`))
    try {
      const program = join(work, name)
      const source = new URL(`${name}.c`, folder).pathname
      execFileSync('cc', ['-std=c11', '-O2', `-I${folder.pathname}`, '-o', program, source, '-lpthread'])
      const run = spawnSync(program, args, { encoding: 'utf8', timeout: 20_000 })
      if (run.status === SKIPPED) context.skip(run.stdout.trim())
      expect([run.status, run.stdout]).toEqual([0, expected])
    } finally {
      rmSync(work, { recursive: true })
    }
  })
})

// programs/orders.c: which error wins, for every pair of bad arguments. programs/edges.c: limits at their very edge.
// Not in the matrix: qemu has checks and limits of its own.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createSystem } from '../../src/index.ts'
import { missingTool, skipFor } from '../lacks.ts'

const folder = fileURLToPath(new URL('../../programs/', import.meta.url))
/** The kernel whose checks are the specification's. */
const KERNEL = '6.18.'
/** The programs' own word for: this kernel lacks something that they need. */
const SKIPPED = 77

/** Each line behind the head line that it belongs to, so that a difference tells where it is. */
function lines(text: string): string[] {
  let head = ''
  return text.split('\n').map((line) => (line.startsWith('  ') ? `${head}${line}` : (head = line)))
}
const expected = (name: string): string[] => lines(readFileSync(join(folder, `expected/${name}.txt`), 'utf8'))

function runHere(name: string, args: readonly string[]): string[] {
  const system = createSystem({ memory: '64M' })
  const guest = system.spawn(readFileSync(join(folder, `bin/${name}.elf`)), { name, args })
  const status = system.run(guest)
  expect([status, guest.stderr]).toEqual([0, ''])
  system.verify()
  expect(system.report().frames.leaked).toBe(0)
  return lines(guest.stdout)
}

describe.each([
  ['orders', []],
  ['edges', ['low']], // with few mappings allowed: 65530 of them take their time
])('%s', (name, args) => {
  it('prints on our kernel what is expected', () => {
    expect(runHere(name, args)).toEqual(expected(name))
  })
  it('prints the same on the host', (context) => {
    if (process.platform !== 'linux' || !release().startsWith(KERNEL)) skipFor(context, `Linux ${KERNEL}x`)
    const lacking = missingTool('cc')
    if (lacking !== null) skipFor(context, lacking)
    const work = mkdtempSync(join(tmpdir(), `${name}-`))
    try {
      const program = join(work, name)
      const built = spawnSync('cc', ['-std=c11', '-O2', `-I${folder}`, '-o', program, join(folder, `${name}.c`)])
      expect(built.stderr.toString()).toBe('')
      const { status, stdout } = spawnSync(program, { encoding: 'utf8', timeout: 30_000 })
      if (status === SKIPPED) skipFor(context, stdout.trim())
      expect(lines(stdout)).toEqual(expected(name))
      expect(status).toBe(0)
    } finally {
      rmSync(work, { recursive: true })
    }
  })
})

describe('edges modes', () => {
  // Not on the host: the setting is everybody's there.
  it('promises exactly what vm.overcommit_memory allows', () => {
    expect(runHere('edges', ['modes'])).toEqual(expected('edges-modes'))
  })
})

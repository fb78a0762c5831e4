// programs/orders.c: which error wins, for every pair of bad arguments. Not in the matrix: qemu has checks of its own.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createSystem } from '../../src/index.ts'
import { missingTool, skipFor } from '../lacks.ts'

const folder = fileURLToPath(new URL('../../programs/', import.meta.url))
const read = (path: string): string => readFileSync(join(folder, path), 'utf8')
/** The kernel whose order of checks is the specification's. */
const KERNEL = '6.18.'
/** The program's own word for: this kernel lacks something that it needs. */
const SKIPPED = 77

/** Lines, so that a difference shows the call it belongs to. */
function lines(text: string): string[] {
  let call = ''
  return text.split('\n').map((line) => (line.startsWith('  ') ? `${call}${line}` : (call = line)))
}

describe.each(['orders'])('%s', (name) => {
  const expected = lines(read(`expected/${name}.txt`))

  it('prints on our kernel what is expected', () => {
    const system = createSystem({ memory: '64M' })
    const guest = system.spawn(readFileSync(join(folder, `bin/${name}.elf`)), { name })
    const status = system.run(guest)
    expect(lines(guest.stdout)).toEqual(expected)
    expect([status, guest.stderr]).toEqual([0, ''])
    system.verify()
    expect(system.report().frames.leaked).toBe(0)
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
      expect(lines(stdout)).toEqual(expected)
      expect(status).toBe(0)
    } finally {
      rmSync(work, { recursive: true })
    }
  })
})

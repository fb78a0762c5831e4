// programs/privileges.c: user numbers and capabilities. Not in the matrix: on the host it must be run by root.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSystem } from '../../src/index.ts'
import { skipFor } from '../lacks.ts'
import { build, FOLDER, lackingGlibc, lackingNative } from '../matrix/builds.ts'

const expected = readFileSync(join(FOLDER, 'expected/privileges.txt'), 'utf8')
/** The program's own word for: this computer lacks something. */
const LACKING = 77

function runHere(elf: Uint8Array): void {
  const system = createSystem({ memory: '64M' })
  const guest = system.spawn(elf, { name: 'privileges' })
  expect([system.run(guest), guest.stdout]).toEqual([0, expected])
  system.verify()
}

describe('privileges', () => {
  it('prints what Linux prints', () => runHere(readFileSync(join(FOLDER, 'bin/privileges.elf'))))
  it('prints the same when it is built against static glibc', (context) => {
    const lacking = lackingGlibc()
    if (lacking !== null) skipFor(context, lacking)
    runHere(readFileSync(join(build('--glibc'), 'privileges.elf')))
  })
  it('prints the same on the kernel of this computer', (context) => {
    const lacking = lackingNative()
    if (lacking !== null) skipFor(context, lacking)
    const program = join(build('--native'), 'privileges')
    const { status, stdout } = spawnSync(program, { encoding: 'utf8', timeout: 20_000 })
    if (status === LACKING) skipFor(context, /^lacks (.*)$/m.exec(stdout)?.[1] ?? 'what it does not say')
    expect([status, stdout]).toEqual([0, expected])
  })
})

// `pagewright oracle`: recordings that agree and that do not, files that are none, and the kernel of this computer.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { execute } from '../../cli/pagewright.ts'
import { skipFor } from '../lacks.ts'
import { generate, OracleWorld, type Op, PROFILE_NAMES, shrink } from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'pagewright-oracle-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function pagewright(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const caught = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      caught[name] += String(chunk)
      return true
    }),
  )
  try {
    return { status: await execute(args), ...caught }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
function recording(name: string, ops: readonly Op[], isCompressed = false): string {
  const text = `${JSON.stringify({ seq: 7, profile: 'anon', ops })}\n`
  writeFileSync(join(folder, name), isCompressed ? gzipSync(text) : text)
  return join(folder, name)
}
const MAPPED: readonly Op[] = [
  ['mmap @10000 0x2000 3 0x32', '@10000'],
  ['poke @10000 1', 'ok f=1'],
  ['maps', 'maps @10000-@12000 rw-p 0 -'],
]

describe('pagewright oracle FILES', () => {
  it('says how much agrees, by profile', async () => {
    const files = [recording('plain', MAPPED), recording('packed', MAPPED, true)]
    const { status, stdout, stderr } = await pagewright('oracle', ...files)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^anon +2 +6 +6 +0$/m)
    expect(stdout).toMatch(/^all +2 +6 +6 +0$/m)
  })
  it('shows the first difference: what went before, both answers, both layouts', async () => {
    const ops: Op[] = [...MAPPED, ['munmap @10000 0x1000', '-EPERM'], ['maps', 'maps @10000-@12000 rw-p 0 -']]
    const { status, stdout } = await pagewright('oracle', recording('differs', ops))
    expect(status).toBe(1)
    expect(stdout.split('\n\n')[0]!.split('\n')).toEqual([
      'sequence 7 (anon), command 3:',
      '    mmap @10000 0x2000 3 0x32 => @10000',
      '    poke @10000 1 => ok f=1',
      '    munmap @10000 0x1000',
      '  real  -EPERM',
      '  ours  ok',
      '  real maps  maps @10000-@12000 rw-p 0 -',
      '  our maps   maps @11000-@12000 rw-p 0 -',
    ])
    expect(stdout).toMatch(/^anon +1 +4 +3 +1$/m)
  })
  it('compares as strictly as it is told', async () => {
    const faults = recording('faults', [
      ['mmap @10000 0x2000 3 0x32', '@10000'],
      ['poke @10000 1', 'ok f=2'],
    ])
    const resident = recording('resident', [
      ['mmap @10000 0x1000 3 0x32', '@10000'],
      ['mincore @10000 0x1000', 'core 1'],
    ])
    const statuses = async (file: string): Promise<number[]> => {
      const answers: number[] = []
      for (const level of ['1', '2', '3']) answers.push((await pagewright('oracle', '--level', level, file)).status)
      return answers
    }
    expect(await statuses(faults)).toEqual([0, 0, 1])
    expect(await statuses(resident)).toEqual([0, 1, 1])
  })
  it('refuses what is no recording in one line', async () => {
    for (const [i, text] of ['no JSON', '{"seq":1}', '{"seq":1,"profile":"anon","ops":[["maps"]]}', '[]'].entries()) {
      writeFileSync(join(folder, `bad${i}`), text)
      const { status, stderr } = await pagewright('oracle', join(folder, `bad${i}`))
      expect(status).toBe(2)
      expect(stderr).toMatch(/^pagewright: [^\n]*bad\d: no recording: line 1 [^\n]*\n$/)
    }
    writeFileSync(join(folder, 'cut'), gzipSync('{"seq":1}').subarray(0, 20))
    for (const name of ['cut', 'absent']) expect((await pagewright('oracle', join(folder, name))).status).toBe(2)
  })
  it('answers any command line without an end of its own', () => {
    const world = new OracleWorld()
    const odd = [
      '',
      'nonsense',
      'mmap',
      'poke',
      'child',
      'child 3 maps',
      'fork',
      'pread 40 0 9',
      'reopen 1 30 2',
      'fill @0',
    ]
    for (const line of odd) expect(typeof world.answer(line)).toBe('string')
    world.verify()
  })
})

describe('random sequences', () => {
  it('depend on their seed and on nothing else', () => {
    for (const profile of PROFILE_NAMES) {
      const make = (seed: number): string => {
        const world = new OracleWorld()
        return JSON.stringify(generate((command) => world.answer(command), seed, profile, 60))
      }
      expect(make(3)).toBe(make(3))
      expect(make(3)).not.toBe(make(4))
    }
  })
  it('shrink to what is needed', () => {
    const commands = Array.from({ length: 300 }, (_, i) => `command ${i}`)
    const needed = ['command 17', 'command 170', 'command 299']
    expect(shrink(commands, (tried) => needed.every((command) => tried.includes(command)))).toEqual(needed)
  })
})

describe('pagewright oracle --live', () => {
  it('agrees with the kernel of this computer', async (context) => {
    const { status, stdout, stderr } = await pagewright('oracle', '--live', '--seed', '7', '--ops', '2000')
    // No Linux 6.18 or no compiler: what is missing is named.
    if (status === 3) skipFor(context, stderr.trim())
    expect([status, stdout.split('\nprofile')[0]]).toEqual([0, expect.stringMatching(/^profile/)])
  })
})

// The scenarios of the system-call specification that are written in the oracle's command language.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { OracleWorld } from '../../src/oracle/index.ts'

const text = readFileSync(new URL('scenarios.txt', import.meta.url), 'utf8')

describe('system calls as the real kernel answers them', () => {
  for (const block of text.split(/^## /m).slice(1)) {
    const [title = '', ...lines] = block.trimEnd().split('\n')
    const [id, ...words] = title.split(' ')
    it(`[syscall ${id}] ${words.join(' ')}`, () => {
      const world = new OracleWorld()
      const steps = lines
        .filter((line) => line.includes('=>'))
        .map((line) => line.split(/\s*=>\s*/) as [string, string])
      const answered = steps.map(([command]) => `${command} => ${world.answer(command)}`.trimEnd())
      expect(answered).toEqual(steps.map(([command, answer]) => `${command} => ${answer}`.trimEnd()))
      world.verify()
    })
  }
})

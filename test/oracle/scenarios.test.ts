// Commands in the oracle's language with the real kernel's answers: the scenarios of the system-call specification, and
// what runs beside a live kernel have found.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { OracleWorld } from '../../src/oracle/index.ts'

/** One test for each headed block; the heading is its title. */
function tests(file: string): void {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8')
  for (const block of text.split(/^## /m).slice(1)) {
    const [title = '', ...lines] = block.trimEnd().split('\n')
    it(title, () => {
      const world = new OracleWorld()
      const steps = lines
        .filter((line) => line.includes('=>'))
        .map((line) => line.split(/\s*=>\s*/) as [string, string])
      const answered = steps.map(([command]) => `${command} => ${world.answer(command)}`.trimEnd())
      expect(answered).toEqual(steps.map(([command, answer]) => `${command} => ${answer}`.trimEnd()))
      world.verify()
    })
  }
}

describe('system calls as the real kernel answers them', () => {
  tests('scenarios.txt')
  tests('found.txt')
})

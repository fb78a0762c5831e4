// /proc is consistent, whatever programs do: random orders, and what it shows is compared with what is (verifyProc).

import { describe, expect, it } from 'vitest'
import { failureText, fuzz } from '../fuzz/runner.ts'
import { procSubjects } from './model.ts'

/** Random orders of each kind of machine: 10,000 in all. */
const STEPS: Readonly<Record<string, number>> = {
  'proc-ample': 3500,
  'proc-nodes': 1500,
  'proc-large': 1500,
  'proc-scarce': 1500,
  'proc-swap': 2000,
}

describe('the sums of /proc agree', () => {
  for (const subject of procSubjects) {
    const steps = STEPS[subject.name]!
    it(`over ${steps} random orders, ${subject.name}`, { timeout: 120_000 }, () => {
      const failure = fuzz(subject, 1, steps, 10_000)
      expect(failure === null ? null : failureText(subject.name, failure)).toBeNull()
    })
  }
})

// The models of test/phys/framesModel.ts with a short budget; `npm run fuzz` goes on for 100,000 steps.

import { describe, expect, it } from 'vitest'
import { failureText, fuzz } from '../fuzz/runner.ts'
import { frameSubjects } from './framesModel.ts'

const STEPS = 1500

describe('physical memory against a map from page to holder', () => {
  for (const subject of frameSubjects) {
    for (const seed of [1, 2]) {
      it(`${subject.name}: random steps of seed ${seed}`, () => {
        const failure = fuzz(subject, seed, STEPS, 20_000)
        expect(failure === null ? '' : failureText(subject.name, failure)).toBe('')
      })
    }
  }
})

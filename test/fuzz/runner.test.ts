import { describe, expect, it } from 'vitest'
import { failureText, fuzz, type Subject } from './runner.ts'

/** Fails at the first 3 that follows a 7, however much later. */
const toy: Subject<number> = {
  name: 'toy',
  steps: 100,
  step: (rng) => rng.below(10),
  start: () => {
    let hasSeven = false
    return {
      run(step) {
        if (step === 7) hasSeven = true
        if (step === 3 && hasSeven) throw new Error('three after seven')
      },
      finish() {
        if (hasSeven) throw new Error('seven was not given back')
      },
    }
  },
}

describe('fuzz', () => {
  it('finds a failure and shrinks it to the steps that it needs', () => {
    const failure = fuzz(toy, 1, 2000)!
    expect(failure.error.message).toBe('three after seven')
    expect(['[7]', '[7,3]']).toContain(JSON.stringify(failure.steps))
    expect(failureText('toy', failure)).toContain('shrunk to')
  })
  it('is silent about what does not fail', () => {
    expect(fuzz({ ...toy, step: (rng) => rng.below(7) }, 1, 2000)).toBeNull()
  })
  it('does the same with the same seed', () => {
    expect(fuzz(toy, 5, 500)!.at).toBe(fuzz(toy, 5, 500)!.at)
  })
})

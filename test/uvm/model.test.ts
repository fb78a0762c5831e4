// Random programs against a dictionary of pages: a short run of what `npm run fuzz` does for long.

import { describe, expect, it } from 'vitest'
import { linux, netbsd } from '../../src/kernel/map/index.ts'
import { failureText, fuzz } from '../fuzz/runner.ts'
import { Model, type Step, subjectOf } from './model.ts'

const STEPS = 800
const STALE = /a TLB (holds|allows)|a store is noticed|byte (of|behind) page|load of page|store to/

describe.each([linux, netbsd])('address spaces of $name', (personality) => {
  it('hold what was stored, whatever is mapped, forked, wired, moved and protected around it', () => {
    const subject = subjectOf(personality)
    const failure = fuzz(subject, 42, STEPS)
    expect(failure === null ? '' : failureText(subject.name, failure)).toBe('')
  })
  it('hold it in large pages, too', () => {
    const subject = subjectOf(personality, { hasLargePages: true })
    const failure = fuzz(subject, 7, STEPS / 2)
    expect(failure === null ? '' : failureText(subject.name, failure)).toBe('')
  })
  it('are found stale when every third shootdown is lost', () => {
    const failure = fuzz(subjectOf(personality, { isHeard: (count) => count % 3 !== 2 }), 42, STEPS, 0)
    expect(failure!.error.message).toMatch(STALE)
  })
})

describe('one shootdown that another CPU does not hear', () => {
  const step = { who: 0, cpu: 0, page: 4, count: 2, to: 0, byte: 7, prot: 3, kind: 2 }
  const store = { ...step, do: 'store' }
  // Both CPUs have used the page; then the first one changes what may be done there.
  const program: readonly Step[] = [{ ...step, do: 'map' }, store, { ...store, cpu: 1 }]
  const changes: readonly Step[] = [
    { ...step, do: 'unmap' },
    { ...step, do: 'protect', prot: 0 },
    { ...step, do: 'protect', prot: 1 },
    { ...step, do: 'fork' },
    { ...step, do: 'move', to: 20 },
    { ...step, do: 'advise', to: 3 },
  ]
  it.each(changes)('is noticed: $do, protection $prot', (change) => {
    const heard = new Model(linux)
    for (const s of [...program, change]) heard.run(s)
    heard.finish()
    const deaf = new Model(linux, { isHeard: () => false })
    for (const s of program) deaf.run(s)
    expect(() => deaf.run(change)).toThrow(STALE)
  })
  it('is noticed by what a program reads, too', () => {
    const deaf = new Model(linux, { isHeard: () => false })
    for (const s of program) deaf.run(s)
    // The checks after each step are left out; what the other CPU stores, and the child sees, is the harness's to find.
    deaf.verify = () => {}
    deaf.run({ ...step, do: 'fork' })
    expect(() => deaf.run({ ...store, cpu: 1, byte: 9 })).toThrow('byte behind page')
  })
})

describe('what long runs have found', () => {
  it('a sharer wires a page that another one had wired before the fork', () => {
    const trial = subjectOf(netbsd).start()
    const steps: readonly Step[] = [
      { do: 'map', who: 0, cpu: 0, page: 6, count: 7, to: 6, byte: 48, prot: 1, kind: 220 },
      { do: 'wire', who: 0, cpu: 0, page: 9, count: 3, to: 10, byte: 253, prot: 3, kind: 212 },
      { do: 'fork', who: 0, cpu: 1, page: 0, count: 6, to: 12, byte: 10, prot: 2, kind: 251 },
      { do: 'wire', who: 1, cpu: 1, page: 6, count: 4, to: 4, byte: 72, prot: 5, kind: 99 },
    ]
    for (const one of steps) trial.run(one)
    expect(() => trial.finish()).not.toThrow()
  })
})

// Mutated ELF files, with a fixed budget: each is refused in one line, or runs and ends without touching the host.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createSystem, ProgramError } from '../../src/index.ts'
import { Rng } from '../../src/base/index.ts'

const sources = ['hello', 'hello-pie', 'sparse'].map(
  (name) => new Uint8Array(readFileSync(new URL(`../../programs/bin/${name}.elf`, import.meta.url))),
)
const CASES = 400
/** Programs that one system sees: a broken one must not spoil it for the next. */
const CASES_PER_SYSTEM = 20
const INSTRUCTIONS = 100_000
const HEADERS = 64 + 8 * 56
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x10, 0xf0]

function mutate(rng: Rng): Uint8Array {
  let bytes = rng.pick(sources).slice()
  const changes = 1 + rng.below(4)
  for (let i = 0; i < changes; i++) {
    switch (rng.below(6)) {
      case 0: // a byte of the headers
      case 1:
        bytes[rng.below(HEADERS)] = rng.pick(INTERESTING)
        break
      case 2: // a field of the headers
        for (let at = rng.below(HEADERS / 8) * 8, n = 0; n < 8; n++) bytes[at + n] = rng.below(256)
        break
      case 3: // one program header in the place of another
        bytes.copyWithin(64 + rng.below(5) * 56, 64 + rng.below(5) * 56, 64 + rng.below(5) * 56 + 56)
        break
      case 4: // cut short
        bytes = bytes.slice(0, rng.below(2) === 0 ? rng.below(600) : rng.below(bytes.length))
        break
      case 5: // anywhere
        bytes[rng.below(bytes.length)] = rng.below(256)
        break
    }
    if (bytes.length === 0) return bytes
  }
  return bytes
}

describe('a mutated ELF file', () => {
  it(`is refused in one line or runs, ${CASES} times, and leaves nothing behind`, () => {
    const seed = 20260101
    const rng = new Rng(seed)
    const seen = new Map<string, number>()
    let system = createSystem({ memory: '16M' })
    for (let i = 0; i < CASES; i++) {
      if (i % CASES_PER_SYSTEM === 0)
        system = createSystem({ memory: '16M', seed: i, pages: i % 40 === 0 ? 'sv39' : 'sv48' })
      const bytes = mutate(rng)
      let kind = 'ran'
      try {
        const guest = system.spawn(bytes, { name: 'fuzz' })
        let left = INSTRUCTIONS
        while (!guest.hasEnded && left > 0 && system.step(20_000) === 'ran') left -= 20_000
        system.signalAll(9)
        expect(system.run(guest), `seed ${seed} case ${i}`).toBeGreaterThanOrEqual(0)
        system.run()
      } catch (error) {
        if (!(error instanceof ProgramError)) throw new Error(`seed ${seed} case ${i}`, { cause: error })
        expect(error.message).toMatch(/^fuzz: [^\n]+$/)
        kind = error.kind
      }
      seen.set(kind, (seen.get(kind) ?? 0) + 1)
      const { leaked, anonymous } = system.report().frames
      expect({ leaked, anonymous }, `seed ${seed} case ${i}: ${kind}`).toEqual({ leaked: 0, anonymous: 0 })
      if (i % CASES_PER_SYSTEM === CASES_PER_SYSTEM - 1) system.verify()
    }
    // The mutations must reach past the first check.
    expect([...seen.keys()].length, JSON.stringify([...seen])).toBeGreaterThan(6)
    expect(seen.get('ran')).toBeGreaterThan(20)
  })
})

// A damaged program is refused in one line, or runs and ends as a program may end; never does the host notice.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Rng } from '../../src/base/index.ts'
import { createSystem, ProgramError } from '../../src/system/index.ts'

const hello = new Uint8Array(readFileSync(new URL('../../programs/bin/hello.elf', import.meta.url)))
const HEADERS = 64 + 56 * 8
const BUDGET = 200_000

function damaged(rng: Rng): Uint8Array {
  let bytes = hello.slice()
  const view = new DataView(bytes.buffer)
  for (let edits = 1 + rng.below(4); edits > 0; edits--) {
    const at = rng.below(rng.below(4) === 0 ? bytes.length - 8 : HEADERS)
    switch (rng.below(4)) {
      case 0:
        bytes[at]! ^= 1 << rng.below(8)
        break
      case 1:
        view.setUint32(at, rng.next32(), true)
        break
      case 2:
        view.setBigUint64(at, rng.pick([0n, 1n, 4095n, 0x10000n, 1n << 38n, 1n << 63n, (1n << 64n) - 1n]), true)
        break
      default:
        view.setUint16(at, rng.below(64), true)
    }
  }
  if (rng.below(5) === 0) bytes = bytes.slice(0, rng.below(bytes.length))
  return bytes
}

describe('mutated ELF files', () => {
  it('are refused in one line, or run to some end within the guest', () => {
    const rng = new Rng(2)
    const seen = { refused: 0, ran: 0 }
    for (let round = 0; round < 8; round++) {
      const system = createSystem({ memory: '8M', cpus: 1, seed: round, pages: round % 2 === 0 ? 'sv39' : 'sv48' })
      for (let i = 0; i < 60; i++) {
        try {
          system.spawn(damaged(rng), { name: `mutant${i}`, args: ['2'] })
          seen.ran++
          system.step(BUDGET)
          system.signalAll(9)
          system.run()
        } catch (error) {
          if (!(error instanceof ProgramError)) throw error
          expect(error.message).toMatch(/^[^\n]*mutant\d+: [^\n]+$/)
          seen.refused++
        }
      }
      system.verify()
      expect(system.report().frames.leaked).toBe(0)
    }
    expect(seen.refused).toBeGreaterThan(100)
    expect(seen.ran).toBeGreaterThan(50)
  })
})

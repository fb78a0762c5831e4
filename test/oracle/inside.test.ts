// The oracle's helper as a guest program: the same C source that asked the real kernel asks ours, from inside, through the
// system calls, signals, pipes and /proc files that it uses itself.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { comparable, createSystem, parseRecording } from '../../src/index.ts'

const HELPER = readFileSync(new URL('../../programs/bin/linux-oracle.elf', import.meta.url))
const RECORDING = new URL('linux/recordings/sequences-004.jsonl.gz', import.meta.url)
const sequences = parseRecording(gunzipSync(readFileSync(RECORDING)).toString('utf8'))
  .filter(({ profile }) => ['file', 'fork', 'stack', 'mixed'].includes(profile))
  .slice(0, 4)
/**
 * 2^47 is more than x86-64 has for a program and just what Sv48 has: the length is refused for another reason (system-call
 * specification 3.2). Nothing is done in either case.
 */
const X86_ONLY = /^mremap .* 0x800000000000 /

describe("the oracle's helper on this kernel", () => {
  it.each(sequences)('answers sequence $seq ($profile) as on the real one', ({ ops }) => {
    const system = createSystem()
    const stdin = `${ops.map(([command]) => command).join('\n')}\n`
    const program = system.spawn(HELPER, { name: 'linux-oracle', stdin })
    expect(system.run(program)).toBe(0)
    const [hello, ...answers] = program.stdout.split('\n')
    expect(hello).toMatch(/ heap=@800000 sealed=1 /)
    const differing = ops.flatMap(([command, real], i) => {
      const ours = comparable(answers[i] ?? 'no answer', 3)
      return ours === comparable(real, 3) || X86_ONLY.test(command) ? [] : [`${command} => ${real}, ours ${ours}`]
    })
    expect(differing).toEqual([])
    system.verify()
  })
})

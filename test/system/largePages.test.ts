// Programs do not see large pages: same output, same end, and nothing left.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createSystem } from '../../src/index.ts'
import { PROGRAMS } from '../matrix/programs.ts'

const read = (path: string): Buffer => readFileSync(new URL(`../../programs/${path}`, import.meta.url))

describe('a system with large pages', () => {
  it.each(['mem', 'forkcow', 'threads'])('runs %s as ever', (name) => {
    const { elf, smallArgs, expected, exitCode } = PROGRAMS.find((program) => program.name === name)!
    const system = createSystem({ memory: '128M', cpus: 2, largePages: 'always' })
    const guest = system.spawn(read(elf), { name, args: smallArgs })
    expect(system.run(guest)).toBe(exitCode)
    system.run()
    expect(guest.stdout).toBe(read(expected).toString())
    system.verify()
    expect(system.report().frames.leaked).toBe(0)
    const { vm } = system.rooms.kernel
    if (name === 'mem') expect(vm.stats.largePages).toBeGreaterThan(0)
  })
})

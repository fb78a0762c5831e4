// Texts of /proc for users of the library: of a program that is stopped, and of one as it ends.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createSystem } from '../../src/index.ts'
import { smapsText } from '../../src/kernel/proc/index.ts'

const sort = readFileSync(new URL('../../programs/bin/sort.elf', import.meta.url))

describe('readProc', () => {
  it('reads what a program would read, while nothing runs', () => {
    const system = createSystem({ memory: '64M' })
    const texts: string[] = []
    const guest = system.spawn(sort, {
      name: 'sort',
      args: ['20'],
      atEnd: (ending) => texts.push(ending.readProc('/proc/self/smaps'), ending.readProc('/proc/self/status')),
    })
    const other = system.spawn(sort, { name: 'sort', args: ['20'] })
    system.step(100_000)
    const before = [system.now, guest.counters.instructions]
    expect(guest.readProc('/proc/self/smaps')).toBe(smapsText(guest.process.space!))
    expect(system.readProc(`/proc/${guest.pid}/smaps`)).toBe(smapsText(guest.process.space!))
    expect(other.readProc('/proc/self/stat')).toMatch(new RegExp(`^${other.pid} \\(sort\\) R `))
    expect(system.readProc('/proc/meminfo')).toMatch(/^MemTotal: +65\d{3} kB\nMemFree: /)
    expect(system.readProc('/sys/kernel/mm/transparent_hugepage/enabled')).toMatch(/^(?:\[?\w+\]? ?){3}\n$/)
    expect([system.now, guest.counters.instructions]).toEqual(before)
    expect(system.run(guest)).toBe(0)
    expect(texts[0]).toMatch(/^00010000-[^]* \[stack\]\nSize: /)
    expect(texts[1]).toMatch(/^VmRSS:\t +[1-9]\d* kB$/m)
    system.verify()
  })
  it('says in one line what cannot be read', () => {
    const system = createSystem({ memory: '64M' })
    const guest = system.spawn(sort, { name: 'sort', args: ['1'] })
    const problems: [string, RegExp][] = [
      ['/proc/self/nope', /^\/proc\/self\/nope: no such file$/],
      ['/proc/99/maps', /^\/proc\/99\/maps: no such file$/],
      ['/tmp/x', /is not a file of \/proc or \/sys$/],
      ['/proc/self/clear_refs', /cannot be read: EINVAL$/],
      ['/proc/self/fd', /cannot be read: EISDIR$/],
    ]
    for (const [path, problem] of problems) expect(() => guest.readProc(path)).toThrow(problem)
    system.run(guest)
    expect(() => guest.readProc('/proc/self/maps')).toThrow(/the process has ended$/)
  })
})

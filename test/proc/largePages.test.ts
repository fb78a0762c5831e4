// What smaps tells of large pages: program test X23 of the system-call specification, but for MADV_COLLAPSE.

import { describe, expect, it } from 'vitest'
import { smapsText } from '../../src/kernel/proc/index.ts'
import { Caller, PAGE, PRIVATE, PROT_R, PROT_RW } from '../process/caller.ts'

const HUGEPAGE = 14
const DONTNEED = 4
const MiB = 2 ** 20

describe('large pages', () => {
  it('[syscall X23] transparent huge pages', () => {
    const c = new Caller({ memory: '64M', largePages: 'advised' })
    const shown = (start: number): (number | string)[] => {
      const key = start.toString(16).padStart(8, '0')
      const text = smapsText(c.process.space!).split(new RegExp(`^${key}-`, 'm'))[1]!
      const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text)![1])
      return [...['Rss', 'AnonHugePages', 'THPeligible'].map(field), /^VmFlags: (.*) $/m.exec(text)![1]!]
    }
    const at = c.call('mmap', 0, 2 * MiB, PROT_RW, PRIVATE | 0x20, -1, 0)
    expect(at % (2 * MiB)).toBe(0)
    expect(c.touch(at, true)).toBe('ok')
    expect(shown(at)).toEqual([4, 0, 0, 'rd wr mr mw me ac'])
    expect(c.ask('madvise', at, 2 * MiB, DONTNEED)).toBe('ok')
    expect(c.ask('madvise', at, 2 * MiB, HUGEPAGE)).toBe('ok')
    expect(c.touch(at, true)).toBe('ok')
    expect(shown(at)).toEqual([2048, 2048, 1, 'rd wr mr mw me ac hg'])
    // Changing one page splits the large one.
    expect(c.ask('mprotect', at + 16 * PAGE, PAGE, PROT_R)).toBe('ok')
    expect(shown(at + 16 * PAGE)).toEqual([4, 0, 0, 'rd mr mw me ac hg'])
    expect(c.ask('madvise', at, PAGE, DONTNEED)).toBe('ok')
    expect(shown(at)).toEqual([60, 0, 0, 'rd wr mr mw me ac hg'])
    // A process that has switched them off gets none: one page more than the 15 that it is joined with.
    expect(c.ask('prctl', 41, 1)).toBe('ok')
    const other = c.call('mmap', 0, 2 * MiB, PROT_RW, PRIVATE | 0x20, -1, 0)
    expect(c.ask('madvise', other, 2 * MiB, HUGEPAGE)).toBe('ok')
    expect(c.touch(other, true)).toBe('ok')
    expect(shown(other).slice(0, 3)).toEqual([64, 0, 0])
    c.system.verify()
  })
})

// What smaps tells of large pages, and what MADV_COLLAPSE makes of small ones; program test X23 of the system-call
// specification runs as a program (test/programs).

import { describe, expect, it } from 'vitest'
import { allocPagesTry, GFP_KERNEL, putPage } from '../../src/kernel/phys/index.ts'
import { pmapLookup } from '../../src/kernel/pmap/index.ts'
import { largePagesIn, smapsText } from '../../src/kernel/proc/index.ts'
import { copyIn } from '../../src/kernel/process/index.ts'
import { A, ANON, Caller, FIXED, PAGE, PRIVATE, PROT_R, PROT_RW, SHARED } from '../process/caller.ts'

const HUGEPAGE = 14
const NOHUGEPAGE = 15
const DONTNEED = 4
const PAGEOUT = 21
const COLLAPSE = 25
const GUARD = 102
const MiB = 2 ** 20

describe('large pages', () => {
  it('[syscall X23] transparent huge pages', () => {
    const c = new Caller()
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

  it('MADV_COLLAPSE moves pages together, wherever they lie; the answers are those of Linux 6.18', () => {
    const c = new Caller()
    const B = A
    const H = 2 * MiB
    const space = c.process.space!
    const anew = (bytes: number, flags = PRIVATE | ANON | FIXED): void => {
      expect(c.ask('munmap', B, 64 * H)).toBe('ok')
      expect(c.call('mmap', B, bytes, PROT_RW, flags, -1, 0)).toBe(B)
    }
    const collapse = (at: number, bytes: number): string => c.ask('madvise', at, bytes, COLLAPSE)
    const large = (): number => largePagesIn(space, B, B + 64 * H) / 512
    const fill = (at: number, pages: number): void => {
      for (let i = 0; i < pages; i++) c.poke(at + i * PAGE, Uint8Array.of(i, i >> 8))
    }

    anew(4 * H)
    expect(collapse(B, H)).toBe('-EINVAL')
    fill(B, 3)
    expect([collapse(B, H), large(), space.residentPages >= 512]).toEqual(['ok', 1, true])
    expect([...c.peek(B + PAGE, 2), ...c.peek(B + 2 * PAGE, 2), ...c.peek(B + 3 * PAGE, 2)]).toEqual([1, 0, 2, 0, 0, 0])
    // A range without 2 MiB of its own: nothing to do if it reaches a boundary.
    expect([collapse(B, PAGE), collapse(B + PAGE, PAGE), collapse(B + H - PAGE, 2 * PAGE)]).toEqual([
      'ok',
      '-EINVAL',
      'ok',
    ])
    expect([collapse(B + 1, H), collapse(B, 0), collapse(B + H, H)]).toEqual(['-EINVAL', 'ok', '-EINVAL'])
    expect([collapse(B, H), collapse(B, 5 * H), collapse(B + 5 * H, H)]).toEqual(['ok', '-EINVAL', '-ENOMEM'])
    // One part fails, the next is done all the same; a hole is told at the end.
    fill(B + 2 * H, 1)
    expect([collapse(B + H, 2 * H), large()]).toEqual(['-EINVAL', 2])
    anew(3 * H)
    for (const i of [0, 2]) fill(B + i * H, 1)
    c.call('munmap', B + H, H)
    expect([collapse(B, 3 * H), large()]).toEqual(['-ENOMEM', 2])

    // Memory that never has them: two mappings, shared memory, code, advised against, switched off.
    anew(2 * H)
    fill(B, 1)
    c.call('mprotect', B + H / 2, H / 2, PROT_R)
    expect(collapse(B, H)).toBe('-EINVAL')
    anew(H, SHARED | ANON | FIXED)
    fill(B, 1)
    expect(collapse(B, H)).toBe('-EINVAL')
    anew(H)
    fill(B, 1)
    c.call('madvise', B, H, NOHUGEPAGE)
    expect(collapse(B, H)).toBe('-EINVAL')
    c.call('madvise', B, H, HUGEPAGE)
    c.call('prctl', 41, 1, 0, 0, 0)
    expect(collapse(B, H)).toBe('-EINVAL')
    c.call('prctl', 41, 1, 2, 0, 0)
    expect(collapse(B, H)).toBe('ok')
    c.call('prctl', 41, 0, 0, 0, 0)

    // The policy of faults does not matter; read-only and locked memory, and a guard in it.
    space.vm.largePages = 'never'
    anew(H)
    fill(B, 512)
    c.call('mprotect', B, H, PROT_R)
    expect([collapse(B, H), large(), c.touch(B, true)]).toEqual(['ok', 1, 'SIGSEGV code 2'])
    c.call('mprotect', B, H, PROT_RW)
    c.call('madvise', B + PAGE, PAGE, GUARD)
    expect([collapse(B, H), large()]).toEqual(['-EINVAL', 0])
    anew(H)
    c.call('mlock', B, H)
    expect([collapse(B, H), large()]).toEqual(['ok', 1])
    c.call('munlock', B, H)
    c.system.verify()
  })

  it('MADV_COLLAPSE copies what a child shares, reads back what is in swap, and finds no block where memory is short', () => {
    const c = new Caller({ memory: '32M', swap: '32M' })
    const H = 2 * MiB
    const { vm } = c.process.space!
    const fill = (): void => {
      c.mmap(A, 512, PROT_RW)
      for (let i = 0; i < 512; i++) c.poke(A + i * PAGE, Uint8Array.of(i, i >> 8))
    }
    const isWhole = (): boolean =>
      Array.from({ length: 512 }, (_, i) => i).every((i) => c.word(A + i * PAGE) % 65536 === i)
    const collapse = (): string => c.ask('madvise', A, H, COLLAPSE)
    fill()
    const pid = c.call('clone', 17, 0, 0, 0, 0)
    const child = c.system.rooms.kernel.processes.byPid.get(pid)!.space!
    expect(collapse()).toBe('ok')
    expect([largePagesIn(c.process.space!, A, A + H), largePagesIn(child, A, A + H), isWhole()]).toEqual([512, 0, true])
    c.poke(A, Uint8Array.of(99))
    expect(c.system.runKernel(copyIn(child, A, 1))).toEqual(Uint8Array.of(0))
    c.system.verify()

    c.call('munmap', A, H)
    fill()
    expect(c.ask('madvise', A, H, PAGEOUT)).toBe('ok')
    expect(c.process.space!.pmap.residentCount).toBeLessThan(400)
    expect([collapse(), isWhole(), largePagesIn(c.process.space!, A, A + H)]).toEqual(['ok', true, 512])

    // Every second page stays: no 2 MiB lie side by side.
    fill()
    const { phys } = vm
    const taken: number[] = []
    for (;;) {
      const pfn = allocPagesTry(phys, GFP_KERNEL, 0)
      if (typeof pfn !== 'number' || pfn < 0) break
      taken.push(pfn)
    }
    taken.forEach((pfn, i) => i % 2 === 0 && putPage(phys, pfn))
    expect([collapse(), isWhole(), vm.stats.collapseFailures]).toEqual(['-ENOMEM', true, 1])
    taken.forEach((pfn, i) => i % 2 !== 0 && putPage(phys, pfn))
    expect(collapse()).toBe('ok')
    c.system.verify()
  })

  it('MADV_COLLAPSE leaves pages alone that a userfaultfd has to do with, or that are lent', () => {
    const c = new Caller()
    const H = 2 * MiB
    const data = 0x1000_8000
    const ioctl = (request: number, ...words: number[]): string => {
      c.poke(data, new Uint8Array(BigInt64Array.from(words.map(BigInt)).buffer))
      return c.ask('ioctl', fd, request, data)
    }
    const collapse = (): string => c.ask('madvise', A, H, COLLAPSE)
    const fd = c.call('userfaultfd', 0)
    ioctl(0xc018aa3f, 0xaa, 0, 0)
    c.mmap(A, 512, PROT_RW)
    c.poke(A, Uint8Array.of(1))
    expect(ioctl(0xc020aa00, A, H, 2, 0)).toBe('ok')
    expect(collapse()).toBe('-EBUSY')
    expect([ioctl(0xc018aa06, A, PAGE, 1), collapse()]).toEqual(['ok', '-EINVAL'])
    expect(ioctl(0xc018aa06, A, PAGE, 0)).toBe('ok')
    for (let i = 0; i < 512; i++) c.poke(A + i * PAGE, Uint8Array.of(1))
    expect(collapse()).toBe('ok')
    c.call('madvise', A, H, DONTNEED)
    c.call('close', fd)
    c.poke(A, Uint8Array.of(1))
    const { frames } = c.process.space!.vm.phys
    pmapLookup(c.process.space!.pmap, A)
    const f = frames.indexOf(c.process.space!.vm.pmaps.pfn)
    frames.loanCount[f]!++
    expect(collapse()).toBe('-EAGAIN')
    frames.loanCount[f]!--
    expect(collapse()).toBe('ok')
    c.system.verify()
  })
})

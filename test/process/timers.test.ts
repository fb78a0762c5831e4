// Timers of setitimer; the kernel's own mappings, and where files are mapped.

import { describe, expect, it } from 'vitest'
import { VDSO_FILE } from '../../src/kernel/process/index.ts'
import { A, Caller, PAGE, PROT_R, PROT_RW, SHARED } from './caller.ts'

const DATA = 0x1000_8000
const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)

describe('setitimer', () => {
  it.each([
    [0, 14],
    [1, 26],
    [2, 27],
  ])('timer %i expires with signal %i, again and again', (which, signo) => {
    const c = new Caller()
    const { kernel } = c.system.rooms
    const { process } = c
    c.thread.mask = 1n << BigInt(signo - 1)
    // Ignored signals are dropped even when blocked: there is a handler, which never runs.
    process.actions.set(signo, { handler: 0x10000, flags: 0, mask: 0n })
    const set = (interval: number, first: number) => c.ask('setitimer', which, u64(0, interval, 0, first), DATA)
    expect(set(100, 300)).toBe('ok')
    expect(c.ask('getitimer', which, DATA)).toBe('ok')
    expect(c.word(DATA + 8)).toBe(100)
    expect(c.word(DATA + 24)).toBeLessThanOrEqual(300)
    expect(c.word(DATA + 24)).toBeGreaterThan(100)
    const arrived = () => (process.pending.set & (1n << BigInt(signo - 1))) !== 0n
    expect(arrived()).toBe(false)
    c.system.step(2_000_000)
    expect(arrived()).toBe(true)
    process.pending.take(1n << BigInt(signo - 1))
    c.system.step(2_000_000)
    expect(arrived()).toBe(true)
    expect(set(0, 0)).toBe('ok')
    expect(c.word(DATA + 8)).toBe(100)
    process.pending.take(1n << BigInt(signo - 1))
    c.system.step(2_000_000)
    expect(arrived()).toBe(false)
    expect(kernel.processes.byPid.size).toBe(1)
  })
  it('arguments are checked in the kernel’s order', () => {
    const c = new Caller()
    expect(c.ask('setitimer', 3, 8, 0)).toBe('-EFAULT')
    expect(c.ask('setitimer', 3, u64(0, 0, 0, 0), 0)).toBe('-EINVAL')
    expect(c.ask('setitimer', 0, u64(0, 0, 0, 1e6), 0)).toBe('-EINVAL')
    expect(c.ask('setitimer', 0, u64(0, 0, -1, 0), 0)).toBe('-EINVAL')
    expect(c.ask('setitimer', 0, 0, 0)).toBe('ok')
    expect(c.ask('setitimer', -1, 0, 0)).toBe('-EINVAL')
    expect(c.ask('getitimer', 3, DATA)).toBe('-EINVAL')
  })
})

describe('mappings of the kernel’s own', () => {
  it('mremap moves the heap, the stack and the vdso', () => {
    const c = new Caller()
    const space = c.process.space!
    const entry = [...space.map.entries()].find(({ file }) => file === VDSO_FILE)!
    const vdso = entry.start
    expect(c.ask('mremap', vdso, PAGE, 2 * PAGE, 1, 0)).toBe('-EFAULT')
    expect(c.ask('mremap', vdso, PAGE, PAGE, 5, 0)).toBe('-EINVAL')
    expect(c.ask('madvise', vdso, PAGE, 4)).toBe('ok')
    for (const advice of [8, 17, 102]) expect(c.ask('madvise', vdso, PAGE, advice)).toBe('-EINVAL')
    expect(c.ask('mprotect', vdso, PAGE, PROT_RW)).toBe('ok')
    expect(c.ask('mprotect', vdso, PAGE, 5)).toBe('ok')
    expect(c.call('mremap', vdso, PAGE, PAGE, 3, A)).toBe(A)
    expect(c.maps(A)[0]).toMatch(/^200000000000-200000001000 r-xp .* \[vdso\]$/)

    const brk = c.call('brk', 0)
    expect(c.call('brk', brk + 4 * PAGE)).toBe(brk + 4 * PAGE)
    c.poke(brk, Uint8Array.of(7))
    expect(c.call('mremap', brk, 2 * PAGE, 2 * PAGE, 3, A + 8 * PAGE)).toBe(A + 8 * PAGE)
    expect(c.peek(A + 8 * PAGE, 1)).toEqual(Uint8Array.of(7))
    expect(c.maps(A + 8 * PAGE)[0]).not.toContain('[heap]')
    expect(c.call('brk', 0)).toBe(brk + 4 * PAGE)
    expect(c.call('brk', brk + 5 * PAGE)).toBe(brk + 5 * PAGE)

    const stack = space.map.lookup(space.startStack - 1)!
    const bytes = stack.end - stack.start
    expect(c.call('mremap', stack.start, bytes, bytes, 3, A + 0x100_0000)).toBe(A + 0x100_0000)
    expect(c.maps(A + 0x100_0000)[0]).not.toContain('[stack]')
    expect(c.touch(A + 0x100_0000 - PAGE, true)).toBe('ok')
    c.system.verify()
  })
  it('files in memory are mapped directly below one another', () => {
    const c = new Caller()
    const map = (path: string | null, offset: number, bytes: number): number => {
      const fd = path === null ? c.call('memfd_create', 'f', 0) : c.call('openat', -100, path, 0o102, 0o600)
      c.call('ftruncate', fd, offset + bytes)
      return c.call('mmap', 0, bytes, PROT_R, SHARED, fd, offset)
    }
    const MiB = 2 ** 20
    const first = map(null, 0, 4 * MiB)
    expect(first % (2 * MiB)).not.toBe(0)
    expect(map('/tmp/a', 0, 4 * MiB)).toBe(first - 4 * MiB)
    expect(map('/tmp/b', PAGE, 2 * MiB + PAGE)).toBe(first - 6 * MiB - PAGE)
  })
  it('files of a disk are mapped so that 2 MiB could be one page', () => {
    const c = new Caller()
    const MiB = 2 ** 20
    const program = c.call('openat', -100, c.process.exePath, 0, 0)
    const map = (hint: number, offset: number, bytes: number): number =>
      c.call('mmap', hint, bytes, PROT_R, SHARED, program, offset)
    expect(map(0, 0, 4 * MiB) % (2 * MiB)).toBe(0)
    expect(map(0, PAGE, 4 * MiB) % (2 * MiB)).toBe(PAGE)
    const small = map(0, 0, PAGE)
    expect(small % (2 * MiB)).not.toBe(0)
    expect(c.call('mremap', small, PAGE, 4 * MiB, 1, 0) % (2 * MiB)).toBe(0)
    // A hint is taken where the block more would fit too.
    expect(map(A + PAGE, 0, 4 * MiB)).toBe(A + PAGE)
    c.mmap(A + 16 * MiB, 1, PROT_R)
    expect(map(A + 11 * MiB, 0, 4 * MiB) % (2 * MiB)).toBe(0)
    expect(map(A + 11 * MiB, 0, PAGE)).toBe(A + 11 * MiB)
  })
})

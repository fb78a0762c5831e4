// Calls around memory that are small each: protection keys, prctl, capabilities, cachestat, process_madvise.

import { describe, expect, it } from 'vitest'
import { A, Caller, PAGE, PROT_R, PROT_RW } from './caller.ts'

const DATA = 0x1000_8000
const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)
const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)
const int = (c: Caller, at: number): number => new DataView(c.peek(at, 4).buffer).getInt32(0, true)
const ranges = (lines: string[]): string[] => lines.map((line) => line.slice(0, 30))

describe('calls around memory', () => {
  it('[syscall X12] protection keys: there are none', () => {
    const c = new Caller()
    c.mmap(A, 2, PROT_RW)
    expect(c.ask('pkey_mprotect', A, PAGE, PROT_R, -1)).toBe('ok')
    expect(ranges(c.maps(A, A + 2 * PAGE))).toEqual([
      '200000000000-200000001000 r--p',
      '200000001000-200000002000 rw-p',
    ])
    expect(c.ask('pkey_mprotect', A, PAGE, PROT_RW, 5)).toBe('-EINVAL')
    expect(c.ask('pkey_mprotect', A, 0, PROT_RW, 5)).toBe('ok')
    expect(c.ask('pkey_mprotect', A, -PAGE, PROT_RW, 5)).toBe('-ENOMEM')
    expect(c.ask('pkey_alloc', 1, 0)).toBe('-EINVAL')
    expect(c.ask('pkey_alloc', 0, 4)).toBe('-EINVAL')
    expect(c.ask('pkey_alloc', 0, 0)).toBe('-ENOSPC')
    expect(c.ask('pkey_free', 1)).toBe('-EINVAL')
    expect(c.ask('pkey_free', 7)).toBe('-EINVAL')
  })

  it('prctl sets the place marks of the address space together, or none', () => {
    const c = new Caller()
    c.mmap(A, 4, PROT_RW)
    const space = c.process.space!
    const marks = (at: number) => [0x10000, 0x11000, 0x11000, 0x12000, at, at, 0x7000_0000, at, at, at, at]
    const PR_SET_MM = 35
    const MAP = 14
    const set = (values: number[], bytes = 104, exe = -1) => {
      c.poke(DATA, u64(...values, 0))
      c.poke(DATA + 96, u32(0, exe))
      return c.ask('prctl', PR_SET_MM, MAP, DATA, bytes, 0)
    }
    const old = space.brk
    expect(c.ask('prctl', PR_SET_MM, 15, DATA, 0, 0)).toBe('ok')
    expect(int(c, DATA)).toBe(104)
    expect(set(marks(A), 103)).toBe('-EINVAL')
    expect(set([...marks(A).slice(0, 1), 0x10000, ...marks(A).slice(2)])).toBe('-EINVAL')
    expect(set([0, ...marks(A).slice(1)])).toBe('-EINVAL')
    expect(set([2 ** 47, ...marks(A).slice(1)])).toBe('-EINVAL')
    expect(c.ask('prctl', PR_SET_MM, MAP, 8, 104, 0)).toBe('-EFAULT')
    expect(c.ask('prctl', PR_SET_MM, 1, A, 0, 0)).toBe('-EPERM')
    expect(c.ask('prctl', PR_SET_MM, 1, A, 8, 0)).toBe('-EINVAL')
    expect(space.brk).toBe(old)
    expect(set(marks(A + 2 * PAGE))).toBe('ok')
    expect(c.call('brk', 0)).toBe(A + 2 * PAGE)
    expect(c.ask('prctl', 0x53564d41, 0, A, PAGE, 0)).toBe('-EINVAL')
  })

  it('prctl answers as the kernel does: large pages, new privileges, the auxiliary vector', () => {
    const c = new Caller()
    const ask = (...args: number[]) => c.ask('prctl', ...args)
    const [SET, GET] = [41, 42]
    expect(ask(SET, 1)).toBe('ok')
    expect(c.call('prctl', GET)).toBe(1)
    expect(ask(SET, 0)).toBe('ok')
    expect(c.call('prctl', GET)).toBe(0)
    expect(ask(SET, 1, 1)).toBe('-EINVAL')
    expect(ask(SET, 1, 2)).toBe('ok')
    expect(c.call('prctl', GET)).toBe(3)
    expect(ask(SET, 5)).toBe('ok')
    expect(ask(GET, 1)).toBe('-EINVAL')
    expect(ask(38, 0)).toBe('-EINVAL')
    expect(ask(38, 1)).toBe('ok')
    expect(c.call('prctl', 39)).toBe(1)
    expect(c.call('prctl', 23, 40)).toBe(1)
    expect(ask(23, 41)).toBe('-EINVAL')
    expect(c.call('prctl', 0x41555856, DATA, PAGE)).toBe(c.process.auxv.length)
    expect(c.peek(DATA, 64)).toEqual(c.process.auxv.slice(0, 64))
    expect(ask(0x41555856, 8, PAGE)).toBe('-EFAULT')
    expect(ask(9999)).toBe('-EINVAL')
  })

  it('capabilities can be given up, and not be had again', () => {
    const c = new Caller()
    const V3 = 0x20080522
    const header = (version = V3, pid = 0) => u32(version, pid)
    c.poke(DATA + 64, header(0))
    expect(c.ask('capget', DATA + 64, 0)).toBe('ok')
    expect(int(c, DATA + 64)).toBe(V3)
    expect(c.ask('capget', header(), DATA)).toBe('ok')
    const [low, , , high] = [0, 4, 8, 12].map((at) => int(c, DATA + at)) as [number, number, number, number]
    expect(high).toBe(0x1ff)
    expect(c.ask('capget', header(0x1234), DATA)).toBe('-EINVAL')
    expect(c.ask('capget', header(V3, 99999), DATA)).toBe('-ESRCH')
    expect(c.ask('capget', header(V3, -1), DATA)).toBe('-EINVAL')
    expect(c.ask('capset', header(), 8)).toBe('-EFAULT')
    expect(c.ask('capset', 8, DATA)).toBe('-EFAULT')
    expect(c.ask('capset', header(V3, 9999), DATA)).toBe('-EPERM')
    expect(c.ask('capset', header(), u32(low & ~1, low & ~1, 0, high, high, 0))).toBe('ok')
    expect(c.ask('capset', header(), u32(low, low, 0, high, high, 0))).toBe('-EPERM')
    expect(c.ask('capget', header(), DATA)).toBe('ok')
    expect(int(c, DATA)).toBe(low & ~1)
  })

  it('cachestat counts the pages of a part of a file', () => {
    const c = new Caller()
    const fd = c.call('memfd_create', 'x', 0)
    c.call('ftruncate', fd, 4 * PAGE)
    c.call('pwrite64', fd, 'a', 1, 0)
    c.call('pwrite64', fd, 'a', 1, 2 * PAGE)
    const count = (offset: number, length: number) => {
      expect(c.ask('cachestat', fd, u64(offset, length), DATA, 0)).toBe('ok')
      return c.word(DATA)
    }
    expect(count(0, 4 * PAGE)).toBe(2)
    expect(count(0, 0)).toBe(2)
    expect(count(PAGE, PAGE)).toBe(0)
    expect(count(PAGE, PAGE + 1)).toBe(1)
    expect(count(100 * PAGE, 0)).toBe(0)
    expect(c.ask('cachestat', fd, u64(0, 0), DATA, 1)).toBe('-EINVAL')
    expect(c.ask('cachestat', 99, 8, 8, 1)).toBe('-EBADF')
    expect(c.ask('cachestat', fd, 8, DATA, 1)).toBe('-EFAULT')
    expect(c.ask('cachestat', fd, u64(0, 0), 8, 0)).toBe('-EFAULT')
    expect(c.ask('cachestat', fd, u64(0, 0), 8, 1)).toBe('-EINVAL')
  })

  it('process_madvise takes ranges, and of another process only hints', () => {
    const c = new Caller()
    c.mmap(A, 4, PROT_RW)
    c.poke(A, Uint8Array.of(1))
    const self = c.call('pidfd_open', c.process.pid, 0)
    const advise = (fd: number, advice: number, at = A, bytes = 2 * PAGE, count = 1, flags = 0) =>
      c.call('process_madvise', fd, u64(at, bytes), count, advice, flags)
    expect(advise(self, 20)).toBe(2 * PAGE)
    expect(advise(self, 4)).toBe(2 * PAGE)
    expect(c.peek(A, 1)).toEqual(Uint8Array.of(0))
    expect(advise(self, 99)).toBe(-22)
    expect(advise(self, 20, A, PAGE, 1, 1)).toBe(-22)
    expect(advise(99, 20)).toBe(-9)
    expect(c.call('process_madvise', 99, 8, 1, 20, 1)).toBe(-22)
    expect(c.call('process_madvise', self, 8, 1, 20, 0)).toBe(-14)
    expect(advise(self, 20, A, PAGE, 1025)).toBe(-22)
    expect(advise(self, 20, A, PAGE, 0)).toBe(0)
    expect(advise(self, 20, A + 1)).toBe(-22)
    expect(advise(-10000, 20)).toBe(2 * PAGE)
    expect(advise(c.call('memfd_create', 'x', 0), 20)).toBe(-9)
    const pid = c.call('clone', 17, 0, 0, 0, 0)
    const child = c.call('pidfd_open', pid, 0)
    expect(advise(child, 4)).toBe(-22)
    expect(advise(child, 20)).toBe(2 * PAGE)
    expect(c.ask('pidfd_send_signal', child, 9, 0, 0)).toBe('ok')
    expect(c.call('wait4', pid, 0, 0, 0)).toBe(pid)
    expect(advise(child, 20)).toBe(-3)
    expect(c.ask('pidfd_open', 99999, 0)).toBe('-ESRCH')
    expect(c.ask('pidfd_open', 0, 0)).toBe('-EINVAL')
    expect(c.ask('pidfd_open', c.process.pid, 1)).toBe('-EINVAL')
  })
})

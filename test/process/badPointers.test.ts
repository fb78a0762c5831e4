// Structures that lie across the end of what is mapped, at every byte: EFAULT. And whole ones, at its very edge: not.

import { describe, expect, it } from 'vitest'
import { A, Caller, PAGE, PRIVATE, PROT_R, PROT_RW, FIXED } from './caller.ts'

const EFAULT = -14
/** Another structure of the same call, in good memory. */
const GOOD = 0x1000_8000
/** One page of memory, nothing behind it. */
const EDGE = A
/** One page of memory, one that may not be written behind it. */
const CLOSED = A + 0x10_0000

interface Case {
  readonly name: string
  /** Which argument points to it, and how long it is. */
  readonly arg: number
  readonly bytes: number
  /** The kernel reads it, or writes it. */
  readonly way: 'in' | 'out'
  /** All arguments; the pointer's place is filled in. */
  readonly args: readonly (number | string)[]
  /** What a structure that is read has in it; zeros otherwise. */
  readonly content?: Uint8Array
}
const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)

const P = 0
const CASES: readonly Case[] = [
  { name: 'uname', arg: 0, bytes: 390, way: 'out', args: [P] },
  { name: 'sysinfo', arg: 0, bytes: 112, way: 'out', args: [P] },
  { name: 'fstat', arg: 1, bytes: 128, way: 'out', args: [0, P] },
  { name: 'newfstatat', arg: 2, bytes: 128, way: 'out', args: [-100, '/', P, 0] },
  { name: 'statx', arg: 4, bytes: 256, way: 'out', args: [-100, '/', 0, 0x7ff, P] },
  { name: 'statfs', arg: 1, bytes: 120, way: 'out', args: ['/', P] },
  { name: 'getrusage', arg: 1, bytes: 144, way: 'out', args: [0, P] },
  { name: 'getrlimit', arg: 1, bytes: 16, way: 'out', args: [3, P] },
  { name: 'prlimit64', arg: 3, bytes: 16, way: 'out', args: [0, 3, 0, P] },
  { name: 'prlimit64', arg: 2, bytes: 16, way: 'in', args: [0, 4, P, 0] },
  { name: 'setrlimit', arg: 1, bytes: 16, way: 'in', args: [4, P] },
  { name: 'clock_gettime', arg: 1, bytes: 16, way: 'out', args: [1, P] },
  { name: 'clock_getres', arg: 1, bytes: 16, way: 'out', args: [1, P] },
  { name: 'gettimeofday', arg: 0, bytes: 16, way: 'out', args: [P, 0] },
  { name: 'gettimeofday', arg: 1, bytes: 8, way: 'out', args: [0, P] },
  { name: 'nanosleep', arg: 0, bytes: 16, way: 'in', args: [P, 0] },
  { name: 'clock_nanosleep', arg: 2, bytes: 16, way: 'in', args: [1, 0, P, 0] },
  { name: 'times', arg: 0, bytes: 32, way: 'out', args: [P] },
  { name: 'getitimer', arg: 1, bytes: 32, way: 'out', args: [0, P] },
  { name: 'setitimer', arg: 1, bytes: 32, way: 'in', args: [0, P, 0] },
  { name: 'setitimer', arg: 2, bytes: 32, way: 'out', args: [0, 0, P] },
  { name: 'rt_sigaction', arg: 1, bytes: 24, way: 'in', args: [10, P, 0, 8] },
  { name: 'rt_sigaction', arg: 2, bytes: 24, way: 'out', args: [10, 0, P, 8] },
  { name: 'rt_sigprocmask', arg: 1, bytes: 8, way: 'in', args: [0, P, 0, 8] },
  { name: 'rt_sigprocmask', arg: 2, bytes: 8, way: 'out', args: [0, 0, P, 8] },
  { name: 'rt_sigpending', arg: 0, bytes: 8, way: 'out', args: [P, 8] },
  { name: 'sigaltstack', arg: 0, bytes: 24, way: 'in', args: [P, 0] },
  { name: 'sigaltstack', arg: 1, bytes: 24, way: 'out', args: [0, P] },
  { name: 'sched_getaffinity', arg: 2, bytes: 8, way: 'out', args: [0, 8, P] },
  { name: 'sched_getparam', arg: 1, bytes: 4, way: 'out', args: [0, P] },
  { name: 'sched_setparam', arg: 1, bytes: 4, way: 'in', args: [0, P] },
  { name: 'getcpu', arg: 0, bytes: 4, way: 'out', args: [P, 0, 0] },
  { name: 'getcpu', arg: 1, bytes: 4, way: 'out', args: [0, P, 0] },
  { name: 'getresuid', arg: 1, bytes: 4, way: 'out', args: [GOOD, P, GOOD] },
  { name: 'pipe2', arg: 0, bytes: 8, way: 'out', args: [P, 0] },
  { name: 'get_robust_list', arg: 1, bytes: 8, way: 'out', args: [0, P, GOOD] },
  { name: 'capget', arg: 0, bytes: 8, way: 'in', args: [P, GOOD], content: u64(0x20080522) },
  { name: 'capget', arg: 1, bytes: 24, way: 'out', args: [GOOD, P] },
  { name: 'getrandom', arg: 0, bytes: 32, way: 'out', args: [P, 32, 0] },
  { name: 'mincore', arg: 2, bytes: 16, way: 'out', args: [0x1000_0000, 16 * PAGE, P] },
  { name: 'readv', arg: 1, bytes: 32, way: 'in', args: [0, P, 2] },
  { name: 'writev', arg: 1, bytes: 32, way: 'in', args: [1, P, 2] },
  { name: 'process_vm_readv', arg: 1, bytes: 16, way: 'in', args: [1, P, 1, GOOD, 0, 0] },
  { name: 'process_vm_readv', arg: 3, bytes: 16, way: 'in', args: [1, GOOD, 1, P, 1, 0] },
  { name: 'process_madvise', arg: 1, bytes: 16, way: 'in', args: [-10000, P, 1, 20, 0] },
  { name: 'cachestat', arg: 1, bytes: 16, way: 'in', args: [9, P, GOOD, 0] },
  { name: 'cachestat', arg: 2, bytes: 40, way: 'out', args: [9, GOOD, P, 0] },
  { name: 'shmctl', arg: 2, bytes: 112, way: 'out', args: [0, 2, P] },
  { name: 'shmctl', arg: 2, bytes: 112, way: 'in', args: [0, 1, P] },
  { name: 'shmctl', arg: 2, bytes: 72, way: 'out', args: [0, 3, P] },
  { name: 'shmctl', arg: 2, bytes: 48, way: 'out', args: [0, 14, P] },
  { name: 'set_mempolicy', arg: 1, bytes: 8, way: 'in', args: [2, P, 64], content: u64(1) },
  { name: 'get_mempolicy', arg: 0, bytes: 4, way: 'out', args: [P, 0, 0, 0, 0] },
  { name: 'get_mempolicy', arg: 1, bytes: 8, way: 'out', args: [0, P, 64, 0, 0] },
  { name: 'mbind', arg: 3, bytes: 8, way: 'in', args: [0x1000_0000, PAGE, 2, P, 64, 0], content: u64(1) },
  { name: 'move_pages', arg: 2, bytes: 16, way: 'in', args: [0, 2, P, 0, GOOD, 0] },
  { name: 'move_pages', arg: 3, bytes: 8, way: 'in', args: [0, 2, GOOD, P, GOOD, 2] },
  { name: 'move_pages', arg: 4, bytes: 8, way: 'out', args: [0, 2, GOOD, 0, P, 0] },
  { name: 'ioctl', arg: 2, bytes: 24, way: 'in', args: [8, 0xc018aa3f | 0, P], content: u64(0xaa, 0, 0) },
  { name: 'prctl', arg: 1, bytes: 16, way: 'out', args: [16, P] },
  { name: 'prctl', arg: 2, bytes: 104, way: 'in', args: [35, 14, P, 104, 0] },
  { name: 'prctl', arg: 2, bytes: 4, way: 'out', args: [35, 15, P, 0, 0] },
  { name: 'ppoll', arg: 0, bytes: 16, way: 'in', args: [P, 2, GOOD, 0, 8] },
  { name: 'ppoll', arg: 2, bytes: 16, way: 'in', args: [GOOD, 0, P, 0, 8] },
  { name: 'utimensat', arg: 2, bytes: 32, way: 'in', args: [-100, '/tmp', P, 0] },
  { name: 'riscv_hwprobe', arg: 0, bytes: 32, way: 'in', args: [P, 2, 0, 0, 0] },
  { name: 'clone3', arg: 0, bytes: 64, way: 'in', args: [P, 64] },
  { name: 'memfd_create', arg: 0, bytes: 4, way: 'in', args: [P, 0], content: Uint8Array.of(97, 98, 99, 0) },
  { name: 'openat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0, 0], content: Uint8Array.of(47, 116, 109, 112, 0) },
  { name: 'execve', arg: 1, bytes: 8, way: 'in', args: ['/bin/nothing', P, 0] },
]

function prepared(): Caller {
  const c = new Caller()
  c.mmap(EDGE, 1, PROT_RW)
  c.call('munmap', EDGE + PAGE, PAGE)
  c.mmap(CLOSED, 1, PROT_RW)
  c.call('mmap', CLOSED + PAGE, PAGE, PROT_R, PRIVATE | 0x20 | FIXED, -1, 0)
  expect(c.call('shmget', 0, PAGE, 0o600)).toBe(0)
  const faults = c.call('userfaultfd', 0)
  const memory = c.call('memfd_create', 'm', 0)
  expect([c.call('dup3', faults, 8, 0), c.call('dup3', memory, 9, 0)]).toEqual([8, 9])
  return c
}

describe('pointers', () => {
  const c = prepared()
  /** Structures that the case needs elsewhere. */
  const setUp = ({ name, arg }: Case): void => {
    c.poke(GOOD, new Uint8Array(128))
    if (name === 'capget' && arg === 1) c.poke(GOOD, u64(0x20080522))
    if (name === 'process_vm_readv') c.poke(GOOD, u64(GOOD + 64, 8))
    if (name === 'move_pages') c.poke(GOOD, u64(0x1000_0000, 0x1000_1000))
  }
  const call = (one: Case, at: number): number =>
    c.call(one.name, ...one.args.map((value, i) => (i === one.arg ? at : value)))
  const title = ({ name, arg, way, bytes }: Case) => `${name}: argument ${arg}, ${bytes} bytes ${way}`

  for (const one of CASES) {
    it(`${title(one)}: EFAULT wherever it is cut`, () => {
      const { bytes, way, name } = one
      for (let here = 0; here < bytes; here++) {
        setUp(one)
        if (way === 'in' && one.content !== undefined) c.poke(EDGE + PAGE - here, one.content.subarray(0, here))
        if (way === 'in' && one.content === undefined && here > 0) c.poke(EDGE + PAGE - here, new Uint8Array(here))
        expect([here, call(one, EDGE + PAGE - here)]).toEqual([here, EFAULT])
        if (way === 'out') {
          setUp(one)
          expect([here, call(one, CLOSED + PAGE - here)]).toEqual([here, EFAULT])
        }
      }
      setUp(one)
      const at = EDGE + PAGE - bytes
      if (way === 'in') c.poke(at, one.content ?? new Uint8Array(bytes))
      if (name !== 'clone3' && name !== 'execve') expect(call(one, at)).not.toBe(EFAULT)
      expect(call(one, 8)).toBe(EFAULT)
      expect(call(one, -8)).toBe(EFAULT)
      expect(call(one, 2 ** 47)).toBe(EFAULT)
    })
  }
  it('leave a kernel that is whole', () => {
    c.system.verify()
  })
})

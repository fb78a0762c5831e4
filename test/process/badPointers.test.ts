// Structures that lie across the end of what is mapped, at every byte: EFAULT. And whole ones, at its very edge: not.

import { describe, expect, it } from 'vitest'
import { A, Caller, PAGE, PRIVATE, PROT_R, PROT_RW, FIXED } from './caller.ts'

const EFAULT = -14
const ECHILD = -10
const WNOHANG = 1
const WNOWAIT = 0x1000000
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

const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`)

const P = 0
/** REGISTER, UNREGISTER, WAKE, COPY, ZEROPAGE, MOVE, WRITEPROTECT, CONTINUE, POISON: what each of them reads. */
const UFFD = [
  [0xc020aa00, 24],
  [0x8010aa01, 16],
  [0x8010aa02, 16],
  [0xc028aa03, 32],
  [0xc020aa04, 24],
  [0xc028aa05, 32],
  [0xc018aa06, 24],
  [0xc020aa07, 24],
  [0xc020aa08, 24],
].map(([request, bytes]): Case => ({ name: 'ioctl', arg: 2, bytes: bytes!, way: 'in', args: [7, request! | 0, P] }))
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
  { name: 'getcwd', arg: 0, bytes: 2, way: 'out', args: [P, PAGE] },
  { name: 'readlinkat', arg: 1, bytes: 11, way: 'in', args: [-100, P, GOOD, 64], content: text('/proc/self') },
  { name: 'readlinkat', arg: 2, bytes: 1, way: 'out', args: [-100, '/proc/self', P, 64] },
  { name: 'statfs', arg: 0, bytes: 5, way: 'in', args: [P, GOOD], content: text('/tmp') },
  { name: 'fstatfs', arg: 1, bytes: 120, way: 'out', args: [0, P] },
  { name: 'statx', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0, 0x7ff, GOOD], content: text('/tmp') },
  { name: 'newfstatat', arg: 1, bytes: 5, way: 'in', args: [-100, P, GOOD, 0], content: text('/tmp') },
  { name: 'faccessat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0], content: text('/tmp') },
  { name: 'chdir', arg: 0, bytes: 5, way: 'in', args: [P], content: text('/tmp') },
  { name: 'mkdirat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0o700], content: text('/tmp') },
  { name: 'unlinkat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0], content: text('/tmp') },
  { name: 'symlinkat', arg: 0, bytes: 5, way: 'in', args: [P, -100, '/tmp'], content: text('/tmp') },
  { name: 'symlinkat', arg: 2, bytes: 5, way: 'in', args: ['/tmp', -100, P], content: text('/tmp') },
  { name: 'linkat', arg: 1, bytes: 5, way: 'in', args: [-100, P, -100, '/tmp', 0], content: text('/tmp') },
  { name: 'linkat', arg: 3, bytes: 5, way: 'in', args: [-100, '/dev/null', -100, P, 0], content: text('/tmp') },
  { name: 'renameat2', arg: 1, bytes: 5, way: 'in', args: [-100, P, -100, '/tmp', 0], content: text('/tmp') },
  { name: 'renameat2', arg: 3, bytes: 5, way: 'in', args: [-100, '/tmp', -100, P, 0], content: text('/tmp') },
  { name: 'truncate', arg: 0, bytes: 5, way: 'in', args: [P, 0], content: text('/tmp') },
  { name: 'fchmodat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0o777], content: text('/tmp') },
  { name: 'fchownat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0, 0, 0], content: text('/tmp') },
  { name: 'utimensat', arg: 1, bytes: 5, way: 'in', args: [-100, P, 0, 0], content: text('/tmp') },
  { name: 'execve', arg: 0, bytes: 13, way: 'in', args: [P, 0, 0], content: text('/bin/nothing') },
  { name: 'execve', arg: 2, bytes: 8, way: 'in', args: ['/bin/nothing', 0, P] },
  { name: 'read', arg: 1, bytes: 1, way: 'out', args: [9, P, 1] },
  { name: 'pread64', arg: 1, bytes: 1, way: 'out', args: [9, P, 1, 0] },
  { name: 'write', arg: 1, bytes: 1, way: 'in', args: [9, P, 1] },
  { name: 'pwrite64', arg: 1, bytes: 1, way: 'in', args: [9, P, 1, 0] },
  { name: 'preadv', arg: 1, bytes: 32, way: 'in', args: [9, P, 2, 0, 0] },
  { name: 'pwritev', arg: 1, bytes: 32, way: 'in', args: [9, P, 2, 0, 0] },
  { name: 'preadv2', arg: 1, bytes: 32, way: 'in', args: [9, P, 2, 0, 0, 0] },
  { name: 'pwritev2', arg: 1, bytes: 32, way: 'in', args: [9, P, 2, 0, 0, 0] },
  { name: 'sendfile', arg: 2, bytes: 8, way: 'in', args: [1, 9, P, 1] },
  { name: 'copy_file_range', arg: 1, bytes: 8, way: 'in', args: [9, P, 9, 0, 1, 0] },
  { name: 'copy_file_range', arg: 3, bytes: 8, way: 'in', args: [9, 0, 9, P, 1, 0] },
  { name: 'process_vm_writev', arg: 1, bytes: 16, way: 'in', args: [1, P, 1, GOOD, 0, 0] },
  { name: 'process_vm_writev', arg: 3, bytes: 16, way: 'in', args: [1, GOOD, 1, P, 1, 0] },
  { name: 'rt_sigtimedwait', arg: 0, bytes: 8, way: 'in', args: [P, 0, GOOD, 8] },
  { name: 'rt_sigtimedwait', arg: 2, bytes: 16, way: 'in', args: [GOOD, 0, P, 8] },
  { name: 'rt_sigsuspend', arg: 0, bytes: 8, way: 'in', args: [P, 8] },
  { name: 'rt_sigqueueinfo', arg: 2, bytes: 48, way: 'in', args: [1, 0, P] },
  { name: 'pidfd_send_signal', arg: 2, bytes: 48, way: 'in', args: [-10000, 0, P, 0] },
  { name: 'futex', arg: 3, bytes: 16, way: 'in', args: [GOOD, 128, 0, P] },
  { name: 'sched_setaffinity', arg: 2, bytes: 8, way: 'in', args: [0, 8, P] },
  { name: 'sched_setscheduler', arg: 2, bytes: 4, way: 'in', args: [0, 0, P] },
  { name: 'sched_rr_get_interval', arg: 1, bytes: 16, way: 'out', args: [0, P] },
  { name: 'getresuid', arg: 0, bytes: 4, way: 'out', args: [P, GOOD, GOOD] },
  { name: 'getresuid', arg: 2, bytes: 4, way: 'out', args: [GOOD, GOOD, P] },
  { name: 'getresgid', arg: 0, bytes: 4, way: 'out', args: [P, GOOD, GOOD] },
  { name: 'getresgid', arg: 1, bytes: 4, way: 'out', args: [GOOD, P, GOOD] },
  { name: 'getresgid', arg: 2, bytes: 4, way: 'out', args: [GOOD, GOOD, P] },
  { name: 'setgroups', arg: 1, bytes: 8, way: 'in', args: [2, P] },
  { name: 'get_robust_list', arg: 2, bytes: 8, way: 'out', args: [0, GOOD, P] },
  { name: 'capset', arg: 0, bytes: 8, way: 'in', args: [P, GOOD], content: u64(0x20080522) },
  { name: 'migrate_pages', arg: 2, bytes: 8, way: 'in', args: [0, 64, P, GOOD] },
  { name: 'migrate_pages', arg: 3, bytes: 8, way: 'in', args: [0, 64, GOOD, P] },
  { name: 'prctl', arg: 1, bytes: 4, way: 'out', args: [2, P] },
  { name: 'prctl', arg: 1, bytes: 8, way: 'out', args: [40, P] },
  { name: 'prctl', arg: 1, bytes: 4, way: 'in', args: [15, P], content: text('abc') },
  { name: 'fcntl', arg: 2, bytes: 32, way: 'in', args: [9, 5, P] },
  { name: 'ioctl', arg: 2, bytes: 4, way: 'in', args: [9, 0x5421, P] },
  { name: 'ioctl', arg: 2, bytes: 4, way: 'out', args: [9, 0x541b, P] },
  { name: 'ppoll', arg: 3, bytes: 8, way: 'in', args: [GOOD, 0, GOOD, P, 8] },
  { name: 'pselect6', arg: 1, bytes: 8, way: 'in', args: [8, P, 0, 0, GOOD, 0] },
  { name: 'pselect6', arg: 2, bytes: 8, way: 'in', args: [8, 0, P, 0, GOOD, 0] },
  { name: 'pselect6', arg: 3, bytes: 8, way: 'in', args: [8, 0, 0, P, GOOD, 0] },
  { name: 'pselect6', arg: 4, bytes: 16, way: 'in', args: [8, 0, 0, 0, P, 0] },
  { name: 'pselect6', arg: 5, bytes: 16, way: 'in', args: [8, 0, 0, 0, GOOD, P] },
  ...UFFD,
]

/** With a good structure these do not come back to the test. */
const NEVER_WHOLE = ['clone3', 'execve', 'rt_sigsuspend']

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
  expect(c.call('ftruncate', 9, PAGE)).toBe(0)
  const ready = c.call('userfaultfd', 0)
  expect([c.call('dup3', ready, 7, 0), c.call('ioctl', 7, 0xc018aa3f | 0, u64(0xaa, 0, 0))]).toEqual([7, 0])
  return c
}

describe('pointers', () => {
  const c = prepared()
  /** Structures that the case needs elsewhere. */
  const setUp = ({ name, arg }: Case): void => {
    c.poke(GOOD, new Uint8Array(128))
    if (name === 'capget' && arg === 1) c.poke(GOOD, u64(0x20080522))
    if (name.startsWith('process_vm')) c.poke(GOOD, u64(GOOD + 64, 8))
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
      if (!NEVER_WHOLE.includes(name)) expect(call(one, at)).not.toBe(EFAULT)
      expect(call(one, 8)).toBe(EFAULT)
      expect(call(one, -8)).toBe(EFAULT)
      expect(call(one, 2 ** 47)).toBe(EFAULT)
    })
  }
  describe('of who waits for a child', () => {
    /** A child that has ended. */
    const child = (): number => {
      const pid = c.call('clone', 17)
      c.call('kill', pid, 9)
      while (c.call('waitid', 1, pid, GOOD, 4 | WNOWAIT | WNOHANG) !== 0 || c.word(GOOD) === 0) c.system.step(1000)
      return pid
    }
    it.each([
      ['wait4: a status', 4, (pid: number, at: number) => c.call('wait4', pid, at, 0, 0)],
      ['wait4: usage', 144, (pid: number, at: number) => c.call('wait4', pid, 0, 0, at)],
      ['waitid: siginfo', 28, (pid: number, at: number) => c.call('waitid', 1, pid, at, 4, 0)],
      ['waitid: usage', 144, (pid: number, at: number) => c.call('waitid', 1, pid, 0, 4, at)],
    ])('%s of %i bytes: EFAULT, and the child is gone', (_name, bytes, wait) => {
      const step = bytes > 32 ? 11 : 1
      for (let here = 0; here < bytes; here += step) {
        const pid = child()
        expect([here, wait(pid, EDGE + PAGE - here)]).toEqual([here, EFAULT])
        expect(c.call('wait4', pid, 0, 0, 0)).toBe(ECHILD)
      }
      const pid = child()
      expect(wait(pid, EDGE + PAGE - bytes)).not.toBe(EFAULT)
    })
    it('is told nothing else: what lies between the fields stays', () => {
      c.poke(GOOD, new Uint8Array(128).fill(7))
      const pid = child()
      c.poke(GOOD, new Uint8Array(128).fill(7))
      expect(c.call('waitid', 1, pid, GOOD, 4, 0)).toBe(0)
      const info = c.peek(GOOD, 128)
      expect([...info.subarray(12, 16), ...info.subarray(28)].every((byte) => byte === 7)).toBe(true)
    })
  })
  it('to buffers: what fits before the end of memory is moved', () => {
    c.call('pwrite64', 9, EDGE, PAGE, 0)
    for (let here = 0; here <= 8; here++) {
      const moved = here === 0 ? EFAULT : here
      expect(c.call('pread64', 9, EDGE + PAGE - here, 100, 0)).toBe(moved)
      expect(c.call('pread64', 9, CLOSED + PAGE - here, 100, 0)).toBe(moved)
      expect(c.call('pwrite64', 9, EDGE + PAGE - here, 100, 0)).toBe(moved)
      c.poke(GOOD, u64(GOOD + 64, 10, EDGE + PAGE - here, 10))
      expect(c.call('preadv', 9, GOOD, 2, 0)).toBe(10 + here)
      expect(c.call('pwritev', 9, GOOD, 2, 0)).toBe(10 + here)
    }
  })
  it('to what a pipe holds: all of it is moved or nothing', () => {
    const ends = GOOD + 256
    expect(c.call('pipe2', ends, 0)).toBe(0)
    const [reader, writer] = [c.word(ends) % 2 ** 32, Math.floor(c.word(ends) / 2 ** 32)]
    expect(c.call('write', writer, GOOD, 100)).toBe(100)
    for (let here = 0; here < 100; here += 9) {
      expect(c.call('write', writer, EDGE + PAGE - here, 100)).toBe(EFAULT)
      expect(c.call('read', reader, EDGE + PAGE - here, 100)).toBe(EFAULT)
    }
    expect(c.call('read', reader, EDGE + PAGE - 100, 200)).toBe(100)
  })
  it('to directory records: the whole of a name, but not what fills the record up', () => {
    const directory = c.call('openat', -100, '/tmp', 0)
    for (let here = 0; here < 48; here++) {
      c.call('lseek', directory, 0, 0)
      const got = c.call('getdents64', directory, EDGE + PAGE - here, PAGE)
      expect([here, got]).toEqual([here, here < 21 ? EFAULT : here < 24 + 22 ? 24 : 48])
    }
  })
  it('leave a kernel that is whole', () => {
    c.system.verify()
  })
})

// The program tests of the system-call specification (part 4.2), as far as they concern what is built.

import { describe, expect, it } from 'vitest'
import { ANON, Caller, FIXED, NORESERVE, PAGE, PRIVATE, PROT_NONE, PROT_R, PROT_RW, SHARED } from './caller.ts'

const A = 0x2000_0000_0000
const TASK_SIZE = 2 ** 47
const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)
const RLIMIT_DATA = 2
const RLIMIT_STACK = 3
const RLIMIT_MEMLOCK = 8
const RLIMIT_AS = 9
function limit(c: Caller, which: number, soft: number): void {
  expect(c.call('prlimit64', 0, which, u64(soft, 2 ** 40), 0)).toBe(0)
}
const mremap = (c: Caller, ...args: number[]): string => c.ask('mremap', ...args)
const ranges = (lines: string[]): string[] => lines.map((line) => line.slice(0, 30).trimEnd())

describe('program tests', () => {
  it('[syscall X1] RLIMIT_AS', () => {
    const c = new Caller()
    limit(c, RLIMIT_AS, c.process.space!.map.size + 8 * PAGE)
    expect(c.mmap(A, 8, PROT_RW)).toBe(A)
    expect(c.ask('mmap', A + 8 * PAGE, PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)).toBe('-ENOMEM')
    expect(c.ask('mmap', A + 8 * PAGE, PAGE, PROT_NONE, PRIVATE | ANON | FIXED, -1, 0)).toBe('-ENOMEM')
    expect(mremap(c, A, 8 * PAGE, 9 * PAGE, 1)).toBe('-ENOMEM')
    expect(c.mmap(A, 8, PROT_R)).toBe(A)
    expect(c.ask('mmap', A, 9 * PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)).toBe('-ENOMEM')
    expect(c.maps()[0]).toBe('200000000000-200000008000 r--p 00000000 00:00 0 ')
    expect(c.call('mprotect', A, 8 * PAGE, PROT_RW)).toBe(0)
  })
  it('[syscall X2] RLIMIT_DATA counts private writable pages', () => {
    const c = new Caller()
    const data = (): number => {
      const entries = [...c.process.space!.map.entries()]
      return entries.reduce(
        (sum, e) => ((e.protection & 2) !== 0 && (e.vmFlags & 5) === 0 ? sum + e.end - e.start : sum),
        0,
      )
    }
    limit(c, RLIMIT_DATA, data() + 4 * PAGE)
    const one = (at: number, prot: number, flags: number) =>
      c.ask('mmap', A + at * PAGE, PAGE, prot, flags | ANON | FIXED, -1, 0)
    expect(c.mmap(A, 4, PROT_RW)).toBe(A)
    expect(one(8, PROT_RW, PRIVATE)).toBe('-ENOMEM')
    expect(one(8, PROT_R, PRIVATE)).toBe('ok')
    expect(one(10, PROT_RW, SHARED)).toBe('ok')
    expect(c.ask('mprotect', A + 8 * PAGE, PAGE, PROT_RW)).toBe('-ENOMEM')
    expect(c.ask('mprotect', A, 2 * PAGE, PROT_NONE)).toBe('ok')
    expect(c.ask('mprotect', A + 8 * PAGE, PAGE, PROT_RW)).toBe('ok')
    expect(mremap(c, A + 2 * PAGE, 2 * PAGE, 6 * PAGE, 1)).toBe('-ENOMEM')
    expect(one(20, PROT_RW, PRIVATE | 0x20100)).toBe('ok')
  })
  it('[syscall X3] max_map_count', () => {
    const c = new Caller()
    const { space } = c.process
    space!.maxMapCount = 200
    let made = 0
    const next = (i: number) => c.ask('mmap', A + 2 * i * PAGE, PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)
    while (next(made) === 'ok') made++
    expect(space!.map.entryCount).toBe(201)
    expect(next(made)).toBe('-ENOMEM')
    expect(c.ask('munmap', A, PAGE)).toBe('ok')
    expect(next(made)).toBe('ok')
    expect(next(made + 1)).toBe('-ENOMEM')
    for (const i of [2, 4]) expect(c.ask('munmap', A + i * PAGE, PAGE)).toBe('ok')
    const B = A + 0x1000_0000
    expect(c.mmap(B, 4, PROT_RW)).toBe(B)
    expect(c.ask('munmap', B + PAGE, PAGE)).toBe('-ENOMEM')
    expect(c.ask('mprotect', B + PAGE, PAGE, PROT_R)).toBe('-ENOMEM')
    expect(ranges(c.maps(B))[0]).toBe(`${B.toString(16)}-${(B + 4 * PAGE).toString(16)} rw-p`.slice(0, 30))
  })
  it('[syscall X4] overcommit mode 0 refuses a single request above all memory', () => {
    const c = new Caller()
    const ram = c.system.rooms.machine.memory.ramBytes
    const big = ram + 2 ** 30
    const ask = (bytes: number, prot: number, flags: number) => c.ask('mmap', 0, bytes, prot, flags | ANON, -1, 0)
    expect(ask(big, PROT_RW, PRIVATE)).toBe('-ENOMEM')
    expect(ask(big, PROT_RW, PRIVATE | NORESERVE)).toBe('ok')
    const at = c.call('mmap', 0, big, PROT_NONE, PRIVATE | ANON, -1, 0)
    expect(c.ask('mprotect', at, big, PROT_RW)).toBe('-ENOMEM')
    expect(c.ask('mprotect', at, big, PROT_R)).toBe('ok')
    for (let i = 0; i < 2; i++) expect(ask(ram * 0.75, PROT_RW, PRIVATE)).toBe('ok')
    expect(ask(big, PROT_RW, SHARED)).toBe('-ENOMEM')
  })
  it('[syscall X5] low addresses', () => {
    const c = new Caller()
    const hint = (at: number) => c.call('mmap', at, PAGE, PROT_RW, PRIVATE | ANON, -1, 0)
    // The program lies at 0x10000, where the raised hint leads: it goes elsewhere.
    expect(hint(0x1000)).toBeGreaterThan(A)
    expect(c.ask('mmap', 0, PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)).toBe('-EPERM')
    expect(hint(0x100)).toBeGreaterThan(A)
    expect(c.call('mmap', 0x1000, PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)).toBe(0x1000)
  })
  it('[syscall X6] high addresses', () => {
    const c = new Caller()
    const fixed = (at: number) => c.ask('mmap', at, PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)
    expect(fixed(TASK_SIZE - 64 * 1024 * PAGE)).toBe('ok')
    for (const at of [TASK_SIZE, 2 ** 47 + PAGE, -4096]) expect(fixed(at)).toBe('-ENOMEM')
    const hinted = c.call('mmap', TASK_SIZE, PAGE, PROT_RW, PRIVATE | ANON, -1, 0)
    expect(hinted).toBeLessThan(TASK_SIZE)
    expect(c.ask('munmap', TASK_SIZE, PAGE)).toBe('-EINVAL')
    expect(c.ask('munmap', A, TASK_SIZE)).toBe('-EINVAL')
    expect(c.ask('mprotect', TASK_SIZE, PAGE, PROT_R)).toBe('-ENOMEM')
    expect(c.ask('mprotect', A, -PAGE, PROT_R)).toBe('-ENOMEM')
    expect(c.ask('madvise', A, -PAGE, 4)).toBe('-EINVAL')
    expect(c.ask('mlock', A, -PAGE)).toBe('-EINVAL')
    expect(c.ask('msync', A, -PAGE, 4)).toBe('-ENOMEM')
    expect(c.ask('mincore', TASK_SIZE, PAGE, A)).toBe('-ENOMEM')
    expect(c.ask('mincore', A, -PAGE, A)).toBe('-ENOMEM')
    expect(c.touch(-(2 ** 40))).toBe('SIGSEGV code 1')
  })
  it('[syscall X7] process_vm_readv and process_vm_writev', () => {
    const c = new Caller()
    c.mmap(A, 4, PROT_RW)
    c.poke(A, new Uint8Array(4 * PAGE).fill(7))
    c.call('mprotect', A + 2 * PAGE, PAGE, PROT_NONE)
    c.call('mprotect', A + 3 * PAGE, PAGE, PROT_R)
    const local = c.mmap(A + 0x100_0000, 4, PROT_RW)
    const { pid } = c.process
    const read = (at: number, bytes: number, name = 'process_vm_readv', flags = 0, who = pid) =>
      c.call(name, who, u64(local, 4 * PAGE), 1, u64(at, bytes), 1, flags)
    expect(read(A, PAGE)).toBe(PAGE)
    expect(c.peek(local, 3)).toEqual(Uint8Array.of(7, 7, 7))
    expect(read(A + PAGE, 2 * PAGE)).toBe(PAGE)
    expect(read(A + 2 * PAGE, 10)).toBe(-14)
    expect(read(A + 8 * PAGE, 10)).toBe(-14)
    expect(read(A + 3 * PAGE + 100, 2 * PAGE)).toBe(PAGE - 100)
    expect(read(A, 1, 'process_vm_readv', 1)).toBe(-22)
    expect(read(A, 1, 'process_vm_readv', 0, 99999)).toBe(-3)
    expect(c.call('process_vm_readv', pid, 0, 0, u64(A, 8), 1, 0)).toBe(0)
    expect(c.call('process_vm_readv', pid, u64(local, 8), 1, u64(A, 8), 1025, 0)).toBe(-22)
    expect(c.call('process_vm_readv', pid, u64(local, 10), 1, u64(A, PAGE), 1, 0)).toBe(10)
    expect(read(A + 3 * PAGE, 8, 'process_vm_writev')).toBe(-14)
    expect(c.call('process_vm_readv', pid, u64(8, 8), 1, u64(A, 8), 1, 0)).toBe(-14)
    expect(read(A, 0)).toBe(0)
  })
  it('[syscall X8] memfd_create', () => {
    const c = new Caller()
    expect(c.ask('memfd_create', 'n'.repeat(249), 0)).toBe('ok')
    expect(c.ask('memfd_create', 'n'.repeat(250), 0)).toBe('-EINVAL')
    expect(c.ask('memfd_create', 'n', 0x100)).toBe('-EINVAL')
    expect(c.ask('memfd_create', 0, 0)).toBe('-EFAULT')
    expect(c.ask('memfd_create', '', 0)).toBe('ok')
    expect(c.ask('memfd_create', 'n', 0x18)).toBe('-EINVAL')
    const plain = c.call('memfd_create', 'demo', 0)
    expect(c.call('fcntl', plain, 1034, 0)).toBe(1)
    expect(c.call('fcntl', c.call('memfd_create', 'sealable', 2), 1034, 0)).toBe(0)
    expect(c.call('mmap', A, PAGE, PROT_RW, SHARED | FIXED, plain, 0)).toBe(A)
    expect(c.maps()[0]).toMatch(/^200000000000-200000001000 rw-s 00000000 00:\d\d \d+ +\/memfd:demo \(deleted\)$/)
    const stat = A + 0x10_0000
    c.mmap(stat, 1, PROT_RW)
    expect(c.call('fstat', plain, stat)).toBe(0)
    expect([new DataView(c.peek(stat + 16, 4).buffer).getUint32(0, true).toString(8), c.word(stat + 48)]).toEqual([
      '100777',
      0,
    ])
    expect(c.call('pread64', plain, stat, 10, 0)).toBe(0)
    expect(c.ask('lseek', plain, 0, 4)).toBe('-ENXIO')
  })
  it('[syscall X10] membarrier', () => {
    const c = new Caller()
    expect(c.call('membarrier', 0, 0, 0)).toBe(0x3ff)
    expect(c.ask('membarrier', 1 << 30, 0, 0)).toBe('-EINVAL')
    expect(c.ask('membarrier', 1, 1, 0)).toBe('-EINVAL')
    expect(c.ask('membarrier', 1, 0, 0)).toBe('ok')
    expect(c.ask('membarrier', 8, 0, 0)).toBe('-EPERM')
    expect(c.ask('membarrier', 16, 0, 0)).toBe('ok')
    expect(c.ask('membarrier', 8, 0, 0)).toBe('ok')
    expect(c.call('membarrier', 1 << 9, 0, 0)).toBe(0x10)
  })
  it('[syscall X13] prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME) is not configured', () => {
    const c = new Caller()
    c.mmap(A, 2, PROT_RW)
    expect(c.ask('prctl', 0x53564d41, 0, A, 2 * PAGE, 'name')).toBe('-EINVAL')
    expect(c.maps()[0]).toBe('200000000000-200000002000 rw-p 00000000 00:00 0 ')
  })
  it('[syscall X15] clone with CLONE_VM and vfork', () => {
    const c = new Caller()
    expect(c.ask('clone', 0x10000 | 0x100, 0, 0, 0, 0)).toBe('-EINVAL')
    expect(c.ask('clone', 0x800, 0, 0, 0, 0)).toBe('-EINVAL')
    expect(c.ask('clone', 0x20000 | 0x200, 0, 0, 0, 0)).toBe('-EINVAL')
    // Memory is shared: what the one stores the other sees.
    c.mmap(A, 1, PROT_RW)
    const pid = c.call('clone', 0x100 | 17, 0, 0, 0, 0)
    const child = c.system.rooms.kernel.processes.byPid.get(pid)!
    expect(child.space).toBe(c.process.space)
    c.poke(A, Uint8Array.of(2))
    expect(c.system.rooms.kernel.vm.stats.forks).toBe(0)
    expect(c.peek(A, 1)).toEqual(Uint8Array.of(2))
    expect(c.call('kill', pid, 9)).toBe(0)
    expect(c.call('wait4', pid, A, 0, 0)).toBe(pid)
    expect(c.word(A)).toBe(9)
    expect(c.ask('wait4', -1, 0, 0, 0)).toBe('-ECHILD')
  })
  it('[syscall X16] mlockall', () => {
    const c = new Caller()
    for (const flags of [0, 8, 4]) expect(c.ask('mlockall', flags)).toBe('-EINVAL')
    c.mmap(A, 2, PROT_RW)
    expect(c.ask('mlockall', 2)).toBe('ok')
    c.mmap(A + 4 * PAGE, 2, PROT_RW)
    const resident = (at: number): number[] => {
      expect(c.call('mincore', at, 2 * PAGE, 0x1000_0000)).toBe(0)
      return [...c.peek(0x1000_0000, 2)]
    }
    expect(resident(A)).toEqual([0, 0])
    expect(resident(A + 4 * PAGE)).toEqual([1, 1])
    expect(c.ask('munlockall')).toBe('ok')
    limit(c, RLIMIT_MEMLOCK, 0)
    expect(c.ask('mlockall', 1)).toBe('-EPERM')
    limit(c, RLIMIT_MEMLOCK, 16 * PAGE)
    expect(c.ask('mlockall', 1)).toBe('-ENOMEM')
    expect(c.ask('mlockall', 2)).toBe('ok')
    const ask = (pages: number) => c.ask('mmap', 0, pages * PAGE, PROT_RW, PRIVATE | ANON, -1, 0)
    c.call('munlock', A + 4 * PAGE, 2 * PAGE)
    expect(ask(4)).toBe('ok')
    expect(ask(64)).toBe('-EAGAIN')
    const brk = c.call('brk', 0)
    expect(c.call('brk', brk + 64 * PAGE)).toBe(brk)
  })
  it('[syscall X17] mseal', () => {
    const c = new Caller()
    c.mmap(A, 4, PROT_RW)
    expect(c.ask('mseal', A, PAGE, 1)).toBe('-EINVAL')
    expect(c.ask('mseal', A + 1, PAGE, 0)).toBe('-EINVAL')
    expect(c.ask('mseal', A, 8 * PAGE, 0)).toBe('-ENOMEM')
    expect(c.ask('mseal', A + PAGE, 2 * PAGE, 0)).toBe('ok')
    const three = ['200000000000-200000001000 rw-p', '200000001000-200000003000 rw-p', '200000003000-200000004000 rw-p']
    expect(ranges(c.maps(A, A + 8 * PAGE))).toEqual(three)
    expect(c.ask('munmap', A, 4 * PAGE)).toBe('-EPERM')
    expect(ranges(c.maps(A, A + 8 * PAGE))).toEqual(three)
    expect(c.ask('mprotect', A, 4 * PAGE, PROT_R)).toBe('-EPERM')
    expect(ranges(c.maps(A, A + 8 * PAGE))[0]).toBe('200000000000-200000001000 r--p')
    expect(mremap(c, A + PAGE, PAGE, 2 * PAGE, 1)).toBe('-EPERM')
    expect(mremap(c, A, PAGE, PAGE, 3, A + PAGE)).toBe('-EPERM')
    expect(c.ask('mmap', A, 2 * PAGE, PROT_RW, PRIVATE | ANON | FIXED, -1, 0)).toBe('-EPERM')
    expect(c.ask('madvise', A + PAGE, PAGE, 4)).toBe('ok')
    expect(c.ask('madvise', A + PAGE, PAGE, 3)).toBe('ok')
  })
  it('[syscall X18] kernel access to user memory', () => {
    const c = new Caller()
    c.mmap(A, 1, PROT_RW)
    c.mmap(A + 4 * PAGE, 1, PROT_RW)
    c.mmap(A + 5 * PAGE, 1, PROT_R)
    const fds = A
    expect(c.call('pipe2', fds, 0o4000)).toBe(0)
    const [reader, writer] = [c.word(fds) % 2 ** 32, Math.floor(c.word(fds) / 2 ** 32)] as [number, number]
    expect(c.ask('write', writer, A + 2 * PAGE, 4)).toBe('-EFAULT')
    expect(c.ask('read', reader, A, 10)).toBe('-EAGAIN')
    const zero = c.call('openat', -100, '/dev/zero', 0, 0)
    expect(c.ask('read', zero, A + 5 * PAGE, 4)).toBe('-EFAULT')
    expect(c.call('read', zero, A + 5 * PAGE - 10, 20)).toBe(10)
    expect(c.ask('read', zero, 0, 4)).toBe('-EFAULT')
    const memory = c.call('memfd_create', 'short', 0)
    c.call('mmap', A + 8 * PAGE, PAGE, PROT_R, SHARED | FIXED, memory, 0)
    expect(c.ask('write', writer, A + 8 * PAGE, 4)).toBe('-EFAULT')
    expect(c.ask('getcwd', A + 2 * PAGE, 100)).toBe('-EFAULT')
    expect(c.ask('nanosleep', A + 2 * PAGE, 0)).toBe('-EFAULT')
  })
  it('[syscall X19] what can be mapped', () => {
    const c = new Caller()
    const open = (path: string, flags = 0) => c.call('openat', -100, path, flags, 0o600)
    const map = (fd: number, prot = PROT_R, flags = PRIVATE) => c.ask('mmap', 0, PAGE, prot, flags, fd, 0)
    expect(map(open('/tmp'))).toBe('-ENODEV')
    c.mmap(A, 1, PROT_RW)
    c.call('pipe2', A, 0)
    expect(map(c.word(A) % 2 ** 32)).toBe('-ENODEV')
    const zero = open('/dev/zero', 2)
    expect(c.call('mmap', A + PAGE, PAGE, PROT_RW, PRIVATE | FIXED, zero, 0)).toBe(A + PAGE)
    expect(c.call('mmap', A + 4 * PAGE, PAGE, PROT_RW, SHARED | FIXED, zero, 0)).toBe(A + 4 * PAGE)
    expect(c.maps(A + PAGE)[0]).toMatch(/ rw-p 00000000 00:\d\d \d+ +\/dev\/zero$/)
    expect(c.maps(A + 4 * PAGE)[0]).toMatch(/ rw-s 00000000 00:\d\d \d+ +\/dev\/zero \(deleted\)$/)
    expect(map(open('/dev/null'))).toBe('-ENODEV')
    expect(map(open('/proc/self/maps'))).toBe('-ENODEV')
    expect(map(open('/tmp', 0o10000000))).toBe('-EBADF')
    expect(map(open('/tmp/w', 0o101))).toBe('-EACCES')
    const empty = open('/tmp/empty', 0o102)
    expect(c.call('mmap', A + 8 * PAGE, PAGE, PROT_R, PRIVATE | FIXED, empty, 0)).toBe(A + 8 * PAGE)
    expect(c.touch(A + 8 * PAGE)).toBe('SIGBUS code 2')
    expect(map(empty, PROT_R, PRIVATE | 0x100)).toBe('-EINVAL')
    expect(map(-1, PROT_RW, PRIVATE | ANON | 0x40000)).toBe('-ENOMEM')
    expect(map(empty, PROT_R, PRIVATE | 0x40000)).toBe('-EINVAL')
    expect(map(77, PROT_R, PRIVATE | ANON)).toBe('ok')
    expect(c.ask('mmap', 0, PAGE, PROT_R, PRIVATE | ANON, -1, 16 * PAGE)).toBe('ok')
  })
  it('[syscall X20] /proc/self/mem writes through protections', () => {
    const c = new Caller()
    c.mmap(A, 1, PROT_R)
    c.mmap(A + 2 * PAGE, 1, PROT_NONE)
    const memory = c.call('openat', -100, '/proc/self/mem', 2, 0)
    const put = (at: number) => c.ask('pwrite64', memory, Uint8Array.of(120), 1, at)
    expect(put(A)).toBe('ok')
    expect(c.peek(A, 1)).toEqual(Uint8Array.of(120))
    const get = (at: number) => c.ask('pread64', memory, 0x1000_8000, 1, at)
    expect(get(A + 2 * PAGE)).toBe('ok')
    expect(put(A + 2 * PAGE)).toBe('ok')
    expect(get(A + 4 * PAGE)).toBe('-EIO')
    const file = c.call('openat', -100, '/tmp/ro', 0o102, 0o600)
    c.call('ftruncate', file, PAGE)
    const reading = c.call('openat', -100, '/tmp/ro', 0, 0)
    c.call('mmap', A + 8 * PAGE, PAGE, PROT_R, SHARED | FIXED, reading, 0)
    expect(put(A + 8 * PAGE)).toBe('-EIO')
  })
  it('[syscall X22] main stack growth', () => {
    const c = new Caller()
    const MiB = 2 ** 20
    const sp = c.process.space!.startStack
    expect(c.process.limits.soft[RLIMIT_STACK]).toBe(8 * MiB)
    expect(c.touch(sp - 4 * MiB, true)).toBe('ok')
    expect(c.maps(sp - 4 * MiB)[0]).toMatch(/ rw-p 00000000 00:00 0 +\[stack\]$/)
    expect(c.touch(sp - 9 * MiB, true)).toBe('SIGSEGV code 1')
    limit(c, RLIMIT_STACK, 16 * MiB)
    expect(c.touch(sp - 9 * MiB, true)).toBe('ok')
  })
  it('[syscall X24] getrusage counts the faults that succeed', () => {
    const c = new Caller()
    const usage = A + 0x100_0000
    c.mmap(usage, 1, PROT_RW)
    c.mmap(A, 64, PROT_RW)
    const faults = (): [number, number] => {
      expect(c.call('getrusage', 0, usage)).toBe(0)
      return [c.word(usage + 64), c.word(usage + 72)]
    }
    const before = faults()
    for (let i = 0; i < 64; i++) expect(c.touch(A + i * PAGE, true)).toBe('ok')
    const after = faults()
    expect([after[0] - before[0], after[1] - before[1]]).toEqual([64, 0])
    expect(c.touch(A + 100 * PAGE)).toBe('SIGSEGV code 1')
    expect(faults()).toEqual(after)
  })
  it('[syscall X27] execve errors', () => {
    const c = new Caller()
    const exec = (path: string, argv: number | Uint8Array = 0) => c.ask('execve', path, argv, 0)
    const make = (path: string, mode: number, text: string) => {
      const fd = c.call('openat', -100, path, 0o102, mode)
      c.call('write', fd, text, text.length)
      c.call('close', fd)
    }
    make('/tmp/garbage', 0o755, 'not a program')
    make('/tmp/plain', 0o644, '#!/bin/sh\n')
    make('/tmp/loop', 0o755, '#!/tmp/loop\n')
    make('/tmp/script', 0o755, '#!/nothing/here -x\n')
    make('/tmp/blank', 0o755, '#!   \n')
    expect(exec('/tmp/missing')).toBe('-ENOENT')
    expect(exec('/tmp')).toBe('-EACCES')
    expect(exec('/tmp/garbage')).toBe('-ENOEXEC')
    expect(exec('/tmp/plain')).toBe('-EACCES')
    expect(exec('/tmp/loop')).toBe('-ELOOP')
    expect(exec('/tmp/script')).toBe('-ENOENT')
    expect(exec('/tmp/blank')).toBe('-ENOEXEC')
    c.mmap(A, 64, PROT_RW)
    c.poke(A, new Uint8Array(199999).fill(65))
    expect(exec('/tmp/garbage', u64(A, 0))).toBe('-E2BIG')
    expect(exec('/tmp/garbage', u64(8, 0))).toBe('-EFAULT')
    expect(c.ask('execve', '/tmp/garbage', 8, 0)).toBe('-EFAULT')
    const writer = c.call('openat', -100, '/tmp/garbage', 1, 0)
    expect(exec('/tmp/garbage')).toBe('-ETXTBSY')
    c.call('close', writer)
    expect(exec('/tmp/garbage')).toBe('-ENOEXEC')
    // Nothing has changed.
    expect(c.process.threads.length).toBe(1)
    c.system.verify()
  })
})

// System V shared memory: program test X9 of the system-call specification, and what it does not ask.

import { describe, expect, it } from 'vitest'
import { copyOut } from '../../src/kernel/process/index.ts'
import { A, Caller, PAGE, PROT_R, PROT_RW } from './caller.ts'

const IPC_CREAT = 0o1000
const IPC_EXCL = 0o2000
const IPC_RMID = 0
const IPC_SET = 1
const IPC_STAT = 2
const SHM_RDONLY = 0o10000
const SHM_RND = 0o20000
const SHM_REMAP = 0o40000
const DATA = 0x1000_8000

const ranges = (lines: string[]): string[] => lines.map((line) => line.replace(/ 00:\d\d \d+ .*$/, ''))
function status(c: Caller, id: number) {
  const result = c.ask('shmctl', id, IPC_STAT, DATA)
  const view = new DataView(c.peek(DATA, 112).buffer)
  return { result, mode: view.getUint32(20, true), bytes: c.word(DATA + 48), attached: c.word(DATA + 88) }
}

describe('System V shared memory', () => {
  it('[syscall X9] segments are attached, cut, detached and removed', () => {
    const c = new Caller()
    expect(c.ask('shmget', 0, 0, IPC_CREAT | 0o600)).toBe('-EINVAL')
    expect(c.ask('shmget', 0x1234, PAGE, 0o600)).toBe('-ENOENT')
    const id = c.call('shmget', 0, 3 * PAGE + 1, IPC_CREAT | 0o600)
    expect(status(c, id)).toEqual({ result: 'ok', mode: 0o600, bytes: 12289, attached: 0 })
    expect(c.call('shmat', id, A, 0)).toBe(A)
    expect(c.maps()[0]).toMatch(/^200000000000-200000004000 rw-s 00000000 00:01 \d+ +\/SYSV00000000 \(deleted\)$/)
    expect(c.ask('shmat', id, A + 1, 0)).toBe('-EINVAL')
    expect(c.call('shmat', id, A + 0x8123, SHM_RND)).toBe(A + 0x8000)
    expect(c.ask('shmat', id, A, 0)).toBe('-EINVAL')
    expect(c.call('shmat', id, A + 0x4000, SHM_REMAP)).toBe(A + 0x4000)
    expect(c.ask('shmat', id, 0, SHM_REMAP)).toBe('-EINVAL')
    expect(c.ask('shmat', 12345, 0, 0)).toBe('-EINVAL')
    expect(ranges(c.maps(A, A + 0x10_0000))).toEqual([
      '200000000000-200000004000 rw-s 00000000',
      '200000004000-200000008000 rw-s 00000000',
      '200000008000-20000000c000 rw-s 00000000',
    ])
    expect(status(c, id).attached).toBe(3)
    expect(c.ask('shmdt', A + PAGE)).toBe('-EINVAL')
    expect(c.ask('munmap', A, PAGE)).toBe('ok')
    expect(ranges(c.maps(A, A + 0x10_0000))[0]).toBe('200000001000-200000004000 rw-s 00001000')
    expect(c.ask('shmdt', A)).toBe('ok')
    expect(c.ask('shmdt', A + PAGE)).toBe('-EINVAL')
    expect(c.ask('shmdt', A + 4 * PAGE)).toBe('ok')
    expect(ranges(c.maps(A, A + 0x10_0000))).toEqual(['200000008000-20000000c000 rw-s 00000000'])
    expect(c.ask('shmctl', id, IPC_RMID, 0)).toBe('ok')
    expect(status(c, id).mode).toBe(0o1600)
    expect(c.call('shmat', id, A + 0x4_0000, SHM_RDONLY)).toBe(A + 0x4_0000)
    expect(ranges(c.maps(A, A + 0x10_0000))[1]).toBe('200000040000-200000044000 r--s 00000000')
    expect(c.touch(A + 0x4_0000, true)).toBe('SIGSEGV code 2')
    expect(c.ask('mprotect', A + 0x4_0000, PAGE, PROT_RW)).toBe('-EACCES')
    expect(c.ask('shmdt', A + 0x4_0000)).toBe('ok')
    expect(c.ask('shmdt', A + 0x8000)).toBe('ok')
    expect(c.ask('shmctl', id, IPC_STAT, DATA)).toBe('-EINVAL')

    const two = c.call('shmget', 0, 2 * PAGE, IPC_CREAT | 0o600)
    c.call('shmat', two, A, 0)
    c.poke(A, Uint8Array.of(5))
    const pid = c.call('clone', 17, 0, 0, 0, 0)
    expect(status(c, two).attached).toBe(2)
    const child = c.system.rooms.kernel.processes.byPid.get(pid)!
    expect(c.system.runKernel(copyOut(child.space!, A, Uint8Array.of(6)))).toBe(0)
    expect(c.peek(A, 1)).toEqual(Uint8Array.of(6))
    c.call('kill', pid, 9)
    expect(c.call('wait4', pid, 0, 0, 0)).toBe(pid)
    expect(status(c, two).attached).toBe(1)
    expect(c.call('mremap', A, 2 * PAGE, 2 * PAGE, 3, A + 0x2_0000)).toBe(A + 0x2_0000)
    expect(ranges(c.maps(A, A + 0x10_0000))).toEqual(['200000020000-200000022000 rw-s 00000000'])
    expect(c.ask('shmdt', A + 0x2_0000)).toBe('ok')
    c.call('shmat', two, A, 0)
    expect(c.peek(A, 1)).toEqual(Uint8Array.of(6))
    expect(c.ask('mprotect', A + PAGE, PAGE, PROT_R)).toBe('ok')
    expect(ranges(c.maps(A, A + 0x10_0000))).toEqual([
      '200000000000-200000001000 rw-s 00000000',
      '200000001000-200000002000 r--s 00001000',
    ])
    expect(c.ask('shmdt', A)).toBe('ok')
    expect(c.maps(A, A + 0x10_0000)).toEqual([])
    c.system.verify()
  })

  it('keys lead to one segment, and sizes and flags are checked in order', () => {
    const c = new Caller()
    const id = c.call('shmget', 77, 2 * PAGE, IPC_CREAT | 0o600)
    expect(c.call('shmget', 77, 0, 0)).toBe(id)
    expect(c.call('shmget', 77, 2 * PAGE, IPC_CREAT)).toBe(id)
    expect(c.ask('shmget', 77, 2 * PAGE + 1, IPC_CREAT | IPC_EXCL)).toBe('-EEXIST')
    expect(c.ask('shmget', 77, 2 * PAGE + 1, IPC_CREAT)).toBe('-EINVAL')
    expect(c.ask('shmget', 0, 2 ** 40, 0o600)).toBe('-ENOMEM')
    expect(c.ask('shmctl', id, 99, 0)).toBe('-EINVAL')
    expect(c.ask('shmctl', -1, IPC_STAT, DATA)).toBe('-EINVAL')
    expect(c.ask('shmctl', id, IPC_STAT, 8)).toBe('-EFAULT')
    expect(c.ask('shmctl', 12345, IPC_SET, 8)).toBe('-EFAULT')
    expect(c.call('setuid', 1000)).toBe(0)
    expect(c.ask('shmget', 77, 0, 0o600)).toBe('-EACCES')
    expect(c.ask('shmat', id, 0, 0)).toBe('-EACCES')
    expect(c.ask('shmctl', id, IPC_STAT, DATA)).toBe('-EACCES')
    expect(c.ask('shmctl', id, IPC_RMID, 0)).toBe('-EPERM')
    expect(c.ask('shmdt', A)).toBe('-EINVAL')
    c.system.verify()
  })

  it('a new segment never has the number of one that was just removed', () => {
    const c = new Caller()
    const first = c.call('shmget', 0, PAGE, 0o600)
    c.call('shmctl', first, IPC_RMID, 0)
    const second = c.call('shmget', 0, PAGE, 0o600)
    expect(second).not.toBe(first)
    expect(c.ask('shmat', first, 0, 0)).toBe('-EINVAL')
    expect(c.system.rooms.kernel.segments.all.length).toBe(1)
  })
})

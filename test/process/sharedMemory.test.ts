// System V shared memory beside program test X9.

import { describe, expect, it } from 'vitest'
import { A, Caller, PAGE } from './caller.ts'

const IPC_CREAT = 0o1000
const IPC_EXCL = 0o2000
const IPC_RMID = 0
const IPC_SET = 1
const IPC_STAT = 2
const DATA = 0x1000_8000

describe('System V shared memory', () => {
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

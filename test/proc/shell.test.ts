// What shells and their tools do with /proc beyond reading texts.

import { expect, it } from 'vitest'
import { nameFromBytes } from '../../src/index.ts'
import { Caller } from '../process/caller.ts'

const DATA = 0x1000_8000
const O_WRONLY = 1
const O_CREAT = 0o100
const O_TRUNC = 0o1000

function cat(caller: Caller, path: string): string {
  const fd = caller.call('openat', -100, path, 0, 0)
  const bytes = caller.call('read', fd, DATA, 0x4000)
  caller.call('close', fd)
  return nameFromBytes(caller.peek(DATA, bytes))
}

it('echo 1 > /proc/sys/vm/…: the file is opened to be made and cut', () => {
  const caller = new Caller()
  const fd = caller.call('openat', -100, '/proc/sys/vm/overcommit_memory', O_WRONLY | O_CREAT | O_TRUNC, 0o666)
  expect(fd).toBeGreaterThan(2)
  expect(caller.call('ftruncate', fd, 5)).toBe(0)
  expect(caller.call('write', fd, '1\n', 2)).toBe(2)
  expect(cat(caller, '/proc/sys/vm/overcommit_memory')).toBe('1\n')
})
it('mountinfo tells of every mount, and on which one it is', () => {
  const caller = new Caller()
  const rows = cat(caller, '/proc/self/mountinfo').trimEnd().split('\n')
  const mounts = rows.map((row) => /^(\d+) (\d+) 0:\1 \/ (\S+) r[ow],relatime - (\S+) \4 r[ow]$/.exec(row)!)
  expect(mounts.map(([, , , path]) => path)).toEqual(['/', '/dev', '/proc', '/sys', '/bin'])
  const [root, ...others] = mounts
  expect(root![2]).toBe('0')
  for (const [, , above] of others) expect(above).toBe(root![1])
})

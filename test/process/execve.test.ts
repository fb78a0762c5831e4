// What execve refuses beside program test X27: scripts, and files that are being written.

import { describe, expect, it } from 'vitest'
import { Caller } from './caller.ts'

describe('execve', () => {
  it('refuses scripts that lead nowhere, and files that are open for writing', () => {
    const c = new Caller()
    const exec = (path: string, argv: number | Uint8Array = 0) => c.ask('execve', path, argv, 0)
    const make = (path: string, mode: number, text: string) => {
      const fd = c.call('openat', -100, path, 0o102, mode)
      c.call('write', fd, text, text.length)
      c.call('close', fd)
    }
    make('/tmp/garbage', 0o755, 'not a program')
    make('/tmp/loop', 0o755, '#!/tmp/loop\n')
    make('/tmp/script', 0o755, '#!/nothing/here -x\n')
    make('/tmp/blank', 0o755, '#!   \n')
    expect(exec('/tmp/loop')).toBe('-ELOOP')
    expect(exec('/tmp/script')).toBe('-ENOENT')
    expect(exec('/tmp/blank')).toBe('-ENOEXEC')
    const writer = c.call('openat', -100, '/tmp/garbage', 1, 0)
    expect(exec('/tmp/garbage')).toBe('-ETXTBSY')
    c.call('close', writer)
    expect(exec('/tmp/garbage')).toBe('-ENOEXEC')
    // Nothing has changed.
    expect(c.process.threads.length).toBe(1)
    c.system.verify()
  })
})

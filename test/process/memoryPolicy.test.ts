// Memory policies beside program test X14: arguments, and machines of several nodes.

import { describe, expect, it } from 'vitest'
import { A, Caller, PAGE, PROT_RW } from './caller.ts'

const DEFAULT = 0
const PREFERRED = 1
const BIND = 2
const INTERLEAVE = 3
const LOCAL = 4
const ADDR = 2
const NODE = 1
const DATA = 0x1000_8000
const mask = (...nodes: number[]): Uint8Array => {
  const bits = nodes.reduce((sum, node) => sum | (1n << BigInt(node)), 0n)
  return new Uint8Array(BigUint64Array.of(bits).buffer)
}
const int = (c: Caller, at: number): number => new DataView(c.peek(at, 4).buffer).getInt32(0, true)
const u64 = (...values: number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)

describe('memory policies', () => {
  it('masks, flags and addresses are checked in the kernel’s order', () => {
    const c = new Caller()
    c.mmap(A, 2, PROT_RW)
    expect(c.ask('set_mempolicy', BIND, 8, 64)).toBe('-EFAULT')
    expect(c.ask('set_mempolicy', BIND | 0xc000, 8, 64)).toBe('-EINVAL')
    expect(c.ask('set_mempolicy', BIND, 8, 32770)).toBe('-EINVAL')
    expect(c.ask('set_mempolicy', LOCAL, mask(0), 64)).toBe('-EINVAL')
    expect(c.ask('set_mempolicy', DEFAULT, mask(0), 64)).toBe('-EINVAL')
    expect(c.ask('set_mempolicy', INTERLEAVE | 0x2000, mask(0), 64)).toBe('-EINVAL')
    expect(c.ask('set_mempolicy', PREFERRED, 0, 0)).toBe('ok')
    expect(c.ask('get_mempolicy', DATA, DATA + 8, 64, 0, 0)).toBe('ok')
    expect([int(c, DATA), c.word(DATA + 8)]).toEqual([LOCAL, 0])
    expect(c.ask('get_mempolicy', DATA, 0, 0, A, 0)).toBe('-EINVAL')
    expect(c.ask('get_mempolicy', DATA, 0, 0, A + 4 * PAGE, ADDR)).toBe('-EFAULT')
    expect(c.ask('get_mempolicy', DATA, DATA, 0, 0, 0)).toBe('-EINVAL')
    expect(c.ask('get_mempolicy', DATA, 0, 0, 0, 8)).toBe('-EINVAL')
    expect(c.ask('get_mempolicy', 8, 0, 0, 0, 0)).toBe('-EFAULT')
    expect(c.ask('get_mempolicy', DATA, 0, 0, A, ADDR | NODE)).toBe('ok')
    expect(c.ask('mbind', A, 4 * PAGE, BIND, mask(0), 64, 0)).toBe('-EFAULT')
    expect(c.maps()[0]).toMatch(/^200000000000-200000002000 /)
    expect(c.ask('mbind', A, 0, BIND, mask(0), 64, 0)).toBe('ok')
    expect(c.ask('set_mempolicy_home_node', A, PAGE, 0, 0)).toBe('-ENOENT')
    expect(c.ask('mbind', A, PAGE, INTERLEAVE, mask(0), 64, 0)).toBe('ok')
    expect(c.ask('set_mempolicy_home_node', A, PAGE, 0, 0)).toBe('-EOPNOTSUPP')
    expect(c.ask('set_mempolicy_home_node', A, PAGE, 7, 0)).toBe('-EINVAL')
    expect(c.ask('move_pages', 0, 1, 8, 0, DATA, 0)).toBe('-EFAULT')
    expect(c.ask('move_pages', 0, 1, u64(A), Uint8Array.of(9, 0, 0, 0), DATA, 2)).toBe('-ENODEV')
    expect(c.ask('move_pages', 9999, 0, 0, 0, 0, 0)).toBe('-ESRCH')
    expect(c.call('migrate_pages', 0, 64, mask(0), mask(0))).toBe(0)
    expect(c.ask('migrate_pages', 0, 64, mask(0), mask(3))).toBe('-EINVAL')
  })
  it('pages move to the node that is asked for, with what is in them', () => {
    const c = new Caller({ memory: '256M', nodes: 2, cpus: 2 })
    c.mmap(A, 4, PROT_RW)
    for (let i = 0; i < 4; i++) c.poke(A + i * PAGE, Uint8Array.of(i + 1))
    const nodes = (...targets: number[]) => new Uint8Array(Int32Array.from(targets).buffer)
    expect(c.ask('move_pages', 0, 3, u64(A, A + PAGE, A + 9 * PAGE), nodes(1, 0, 1), DATA, 2)).toBe('ok')
    expect([0, 4, 8].map((at) => int(c, DATA + at))).toEqual([1, 0, -14])
    expect(c.ask('get_mempolicy', DATA, 0, 0, A, ADDR | NODE)).toBe('ok')
    expect(int(c, DATA)).toBe(1)
    expect(c.call('migrate_pages', 0, 64, mask(0), mask(1))).toBeGreaterThanOrEqual(0)
    expect(c.ask('mbind', A, 4 * PAGE, BIND, mask(0), 64, 1)).toBe('-EIO')
    expect(c.ask('mbind', A, 4 * PAGE, BIND, mask(0), 64, 3)).toBe('ok')
    expect(c.ask('move_pages', 0, 4, u64(A, A + PAGE, A + 2 * PAGE, A + 3 * PAGE), 0, DATA, 0)).toBe('ok')
    expect([0, 4, 8, 12].map((at) => int(c, DATA + at))).toEqual([0, 0, 0, 0])
    expect([0, 1, 2, 3].map((i) => c.peek(A + i * PAGE, 1)[0])).toEqual([1, 2, 3, 4])
    c.system.verify()
  })
})

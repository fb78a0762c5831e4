// When page tables come and go. Recorded on Linux 6.18 with VmPTE of /proc/self/status.

import { describe, expect, it } from 'vitest'
import { A, Caller, PAGE, PROT_RW } from './caller.ts'

const TABLE = 512
const TABLES = 8
const MADV_DONTNEED = 4

function touched(): { caller: Caller; tables: () => number } {
  const caller = new Caller()
  const { pmap } = caller.process.space!
  caller.mmap(A, TABLES * TABLE, PROT_RW)
  const before = pmap.tablePages
  for (let i = 0; i < TABLES; i++) caller.touch(A + i * TABLE * PAGE, true)
  const upper = pmap.tablePages - before - TABLES
  return { caller, tables: () => pmap.tablePages - before - upper }
}

describe('the page tables of a mapping', () => {
  it('stay when its pages are dropped one by one, and go with the mapping', () => {
    const { caller, tables } = touched()
    expect(tables()).toBe(TABLES)
    for (let i = 0; i < TABLES; i++) caller.call('madvise', A + i * TABLE * PAGE, PAGE, MADV_DONTNEED)
    expect(tables()).toBe(TABLES)
    caller.system.verify()
    caller.call('munmap', A, TABLE * PAGE)
    expect(tables()).toBe(TABLES - 1)
    caller.call('munmap', A, TABLES * TABLE * PAGE)
    expect(tables()).toBeLessThanOrEqual(0)
    caller.system.verify()
  })
  it('go when all they map is dropped at once', () => {
    const { caller, tables } = touched()
    for (let i = 1; i < TABLES; i++) caller.call('madvise', A + i * TABLE * PAGE, TABLE * PAGE, MADV_DONTNEED)
    expect(tables()).toBe(1)
    caller.system.verify()
  })
})

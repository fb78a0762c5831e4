// Files that are written to make the kernel do something which may take a while.

import { describe, expect, it } from 'vitest'
import { verifyProc } from '../../src/kernel/proc/index.ts'
import { A, FIXED, PAGE, PRIVATE, PROT_R, PROT_RW } from '../process/caller.ts'
import { Reader } from './reader.ts'

const PAGES = 4096
const LARGE = 9
const COMPACT = '/proc/sys/vm/compact_memory'
const DONTNEED = 4

/** Free blocks of each order, of a node or of all. */
function freeBlocks(c: Reader, node = '\\d+'): number[] {
  const sums: number[] = []
  for (const [, row] of c.text('/proc/buddyinfo').matchAll(new RegExp(`^Node ${node}, zone +\\S+ +(.*)$`, 'gm')))
    row!
      .trim()
      .split(/ +/)
      .forEach((n, order) => (sums[order] = (sums[order] ?? 0) + Number(n)))
  return sums
}
const pagesIn = (blocks: number[], least: number): number =>
  blocks.reduce((sum, n, order) => sum + (order < least ? 0 : n * 2 ** order), 0)

/** Memory of which every second page is in use: free pages that no large block can be made of. */
function fragment(c: Reader): void {
  c.mmap(A, PAGES, PROT_RW)
  for (let i = 0; i < PAGES; i++) c.poke(A + i * PAGE, new Uint8Array(new Uint32Array([i]).buffer))
  for (let i = 0; i < PAGES; i += 2) c.call('madvise', A + i * PAGE, PAGE, DONTNEED)
}
function checkBytes(c: Reader): void {
  for (let i = 1; i < PAGES; i += 2) expect(new Uint32Array(c.peek(A + i * PAGE, 4).slice().buffer)[0]).toBe(i)
}

describe('compaction on demand', () => {
  it('compact_memory makes large free blocks of small ones, and the program finds its bytes', () => {
    const c = new Reader({ memory: '32M' })
    fragment(c)
    const before = freeBlocks(c)
    expect(c.write(COMPACT, '1\n')).toBe('ok')
    const after = freeBlocks(c)
    expect(pagesIn(after, LARGE)).toBeGreaterThanOrEqual(pagesIn(before, LARGE) + PAGES / 4)
    const counter = (name: string) => c.figure('/proc/vmstat', name)
    expect(counter('compact_migrate_scanned')).toBeGreaterThan(0)
    expect(counter('compact_free_scanned')).toBeGreaterThan(0)
    expect(counter('compact_isolated')).toBeGreaterThanOrEqual(counter('pgmigrate_success'))
    expect(counter('pgmigrate_success')).toBeGreaterThan(PAGES / 8)
    // Nobody waits for an allocation.
    expect([counter('compact_stall'), counter('compact_success')]).toEqual([0, 0])
    checkBytes(c)
    verifyProc(c.system.rooms.kernel)
    c.system.verify()
  })

  it('a word that straddles a page that is not there is taken whole', () => {
    const c = new Reader()
    const file = c.call('openat', -100, '/tmp/word', 0o102, 0o600)
    c.call('pwrite64', file, '70000', 5, PAGE - 2)
    c.call('mmap', A, 2 * PAGE, PROT_R, PRIVATE | FIXED, file, 0)
    const fd = c.call('openat', -100, '/proc/sys/vm/max_map_count', 1, 0)
    c.touch(A)
    c.call('madvise', A + PAGE, PAGE, DONTNEED)
    expect(c.call('write', fd, A + PAGE - 2, 5)).toBe(5)
    expect(c.text('/proc/sys/vm/max_map_count')).toBe('70000\n')
    const compact = c.call('openat', -100, COMPACT, 1, 0)
    expect(c.ask('write', compact, A + 2 * PAGE, 1)).toBe('-EFAULT')
    expect(c.ask('write', compact, A + PAGE - 2, 5)).toBe('-EINVAL')
    expect(c.call('write', compact, A, 0)).toBe(0)
  })
})

describe('drop_caches', () => {
  it('drops what is clean and not mapped, and writes nothing', () => {
    const c = new Reader()
    const cached = () => c.figure('/proc/meminfo', 'Cached')
    const program = c.call('openat', -100, '/bin/program', 0, 0)
    c.write('/proc/sys/vm/drop_caches', '1')
    const least = cached()
    const [mapped, written] = ['Mapped', 'Dirty'].map((name) => c.figure('/proc/meminfo', name))
    c.call('pread64', program, c.buffer, 1, 0)
    const tmp = c.call('openat', -100, '/tmp/f', 0o102, 0o600)
    c.call('write', tmp, 'text', 4)
    expect(c.write('/proc/sys/vm/drop_caches', '2')).toBe('ok')
    expect(cached()).toBeGreaterThanOrEqual(least + 4)
    expect(c.write('/proc/sys/vm/drop_caches', '1')).toBe('ok')
    // The page of /tmp has no other place.
    expect(cached()).toBe(least + 4)
    expect(['Mapped', 'Dirty'].map((name) => c.figure('/proc/meminfo', name))).toEqual([mapped, written])
    expect(c.text('/tmp/f')).toBe('text')
    for (const bad of ['0', '64', '-1']) expect(c.write('/proc/sys/vm/drop_caches', bad)).toBe('-EINVAL')
    verifyProc(c.system.rooms.kernel)
    c.system.verify()
  })
})

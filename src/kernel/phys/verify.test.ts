import { describe, expect, it } from 'vitest'
import { NR_FREE_PAGES } from './counters.ts'
import { PG_dirty } from './pageFlags.ts'
import type { Phys } from './phys.ts'
import { boot, M, M64, take, U } from './testMachines.ts'
import { verify } from './verify.ts'

describe('verify', () => {
  // Each breaks one invariant of a healthy machine. 15360 is in use, 15361 on a per-CPU list, 15368 heads a block.
  it.each<[string, (phys: Phys) => void]>([
    ['NR_FREE_PAGES is the sum', (phys) => phys.nodes[0]!.zones[2]!.stat[NR_FREE_PAGES]!--],
    ['nrFree is the number of blocks', (phys) => phys.nodes[0]!.zones[2]!.nrFree[3]!++],
    ['a free page has no flag', (phys) => (phys.frames.flags[15369] = PG_dirty)],
    ['a free page has no flag', (phys) => (phys.frames.owner[15361] = 1)],
    ['pages of a block have count 0', (phys) => (phys.frames.refcount[15370] = 1)],
    ['only the head of a block is marked', (phys) => (phys.frames.mapcount[15370] = -128)],
    ['the head of a listed block knows its order', (phys) => (phys.frames.private[15368] = 2)],
    ['a listed block knows its type', (phys) => (phys.frames.freeType[15368] = 0)],
    ['the count of per-CPU pages is right', (phys) => phys.nodes[0]!.zones[2]!.pcp[0]!.count++],
    ['managed is the free', (phys) => phys.nodes[0]!.zones[2]!.managed++],
    ['a marked head is on a list', (phys) => (phys.frames.mapcount[15360] = -128)],
    ['no zone lock is held', (phys) => phys.nodes[0]!.zones[2]!.lock.acquire()],
    ['the number of isolated pageblocks is right', (phys) => phys.nodes[0]!.zones[2]!.nrIsolatePageblock++],
  ])('notices that not: %s', (rule, damage) => {
    const phys = boot(M64)
    expect(take(phys, M)).toBe(15360)
    take(phys, U, 2)
    verify(phys)
    damage(phys)
    expect(() => verify(phys)).toThrow(rule)
  })
})

import { describe, expect, it } from 'vitest'
import { ENOMEM, isErr, KernelPanic, WouldSleep } from '../../base/index.ts'
import { allocPages, allocPagesNode, allocPagesNodeTry, allocPagesTry, failNthAllocation } from './alloc.ts'
import { bootPhys } from './boot.ts'
import { NR_FREE_CMA_PAGES, NR_FREE_PAGES, NUMA_FOREIGN, NUMA_HIT, NUMA_MISS, NUMA_OTHER } from './counters.ts'
import { allocPagesExact, allocPagesExactNid, freePagesExact } from './exact.ts'
import { foldHotCounters } from './hotPage.ts'
import { freePages } from './free.ts'
import {
  __GFP_HIGH,
  __GFP_NO_KSWAPD,
  __GFP_NOFAIL,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_THISNODE,
  __GFP_ZERO,
  GFP_ATOMIC,
  GFP_DMA,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  GFP_NOFS,
  GFP_NOWAIT,
  gfpText,
  MIGRATE_UNMOVABLE,
} from './gfp.ts'
import { freeCount, globalStat } from './nrFree.ts'
import { pageAddress } from './page.ts'
import { getPageblockMigratetype } from './pageblock.ts'
import { PG_pfmemalloc } from './pageFlags.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'
import { boot, freeBlocks, listOf, M, M64, M64C, run, S16, T2, take, testMachine, traced, U } from './testMachines.ts'
import { TestReclaimer } from './testReclaimer.ts'
import { verify } from './verify.ts'

const free = (phys: Phys): number => globalStat(phys, NR_FREE_PAGES)
/** Allocates until it fails; how often it did not. */
function exhaust(phys: Phys, gfp: number, order = 0): number {
  for (let n = 0; ; n++) if (isErr(run(phys, allocPages(phys, gfp, order)))) return n
}

describe('allocation limits', () => {
  it.each([
    ['GFP_KERNEL', GFP_KERNEL | __GFP_NORETRY, 3968],
    ['GFP_ATOMIC', GFP_ATOMIC, 4048],
    ['GFP_NOWAIT', GFP_NOWAIT, 4000],
    ['GFP_KERNEL with HIGH', GFP_KERNEL | __GFP_HIGH | __GFP_NORETRY, 4032],
    ['GFP_ATOMIC without reserves', GFP_ATOMIC | __GFP_NOMEMALLOC, 4032],
    ['GFP_NOWAIT without kswapd', GFP_NOWAIT | __GFP_NO_KSWAPD, 3968],
  ])('[physical H3] %s stops above the mark', (_, gfp, most) => {
    const phys = boot(S16)
    const reclaimer = new TestReclaimer(phys)
    let woken = 0
    let n = 0
    for (;;) {
      const page = run(phys, allocPages(phys, gfp, 0))
      if (woken === 0 && reclaimer.count('wake') > 0) woken = n + 1
      if (isErr(page)) break
      n++
    }
    expect(n).toBe(most)
    expect(woken).toBe((gfp & __GFP_NO_KSWAPD) === 0 ? 3937 : 0)
    verify(phys)
  })
  it('[physical H3] a task that reclaims may use everything', () => {
    const phys = boot(S16)
    phys.machine.current.thread = { isMemalloc: true }
    expect(exhaust(phys, GFP_KERNEL)).toBe(4096)
    // The first page was not taken from the reserves, the last one was.
    const marked = [0, 1023].map((pfn) => (phys.frames.flags[phys.frames.frameOf(pfn)]! & PG_pfmemalloc) !== 0)
    expect(marked).toEqual([false, true])
    verify(phys)
  })
  it('[physical H4] keeps the DMA zone for those who need it', () => {
    const phys = boot(T2)
    expect([1, 2, 3, 4].map(() => take(phys, GFP_DMA | GFP_KERNEL))).toEqual([158, 156, 157, 152])
    // All other zones are used up before.
    for (let order = 10; order >= 0; order--) {
      let page = allocPagesTry(phys, GFP_KERNEL, order)
      for (; page !== WouldSleep; page = allocPagesTry(phys, GFP_KERNEL, order)) expect(page >= 4096).toBe(true)
    }
    const dma = phys.nodes[0]!.zones[0]!
    expect(dma.stat[NR_FREE_PAGES]! + dma.pcp[0]!.count).toBe(3983 - 4)
  })
  it('[physical H5] refills in ascending order', () => {
    const phys = boot(T2)
    const normal = phys.nodes[0]!.zones[2]!
    expect(take(phys, GFP_KERNEL)).toBe(1309696)
    expect([normal.pcp[0]!.count, normal.stat[NR_FREE_PAGES]]).toEqual([30, 262113])
    expect(freeBlocks(phys)).toEqual([1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 255])
    expect(take(phys, GFP_KERNEL)).toBe(1309697)
    verify(phys)
  })
  it('[physical H6] shares fairly between the zones of a node', () => {
    const phys = boot(T2)
    const pages = Array.from({ length: 372 }, () => take(phys, GFP_HIGHUSER_MOVABLE) as number)
    expect(pages.slice(0, 94)).toEqual(Array.from({ length: 94 }, (_, i) => 1309696 + i))
    expect(pages.slice(94, 371)).toEqual(Array.from({ length: 277 }, (_, i) => 785408 + i))
    expect(pages[371]).toBe(1309790)
    expect(phys.nodes[1]!.zones[2]!.stat[NR_FREE_PAGES]).toBe(916480)
  })
  it('[physical H7] leaves CMA pages out of the check', () => {
    const phys = boot(M64C)
    expect(exhaust(phys, GFP_KERNEL | __GFP_NORETRY)).toBe(12031)
    expect([free(phys), globalStat(phys, NR_FREE_CMA_PAGES)]).toEqual([4351, 4096])
    expect(phys.nodes[0]!.zones[2]!.pcp[0]!.count).toBe(2)
    verify(phys)
  })
  it('[physical H8] takes the largest blocks, CMA last', () => {
    const phys = boot(M64C)
    const pages = Array.from(
      { length: 16 },
      () => run(phys, allocPages(phys, GFP_HIGHUSER_MOVABLE | __GFP_NORETRY, 10)) as number,
    )
    expect(pages).toEqual([
      15360,
      14336,
      13312,
      12288,
      11264,
      10240,
      9216,
      8192,
      3072,
      2048,
      1024,
      7168,
      6144,
      5120,
      4096,
      ENOMEM,
    ])
    expect(free(phys)).toBe(1024)
    const other = boot(M64C)
    expect(exhaust(other, GFP_KERNEL | __GFP_NORETRY, 10)).toBe(11)
    expect([free(other), globalStat(other, NR_FREE_CMA_PAGES)]).toEqual([5120, 4096])
    verify(other)
  })
  it('[physical H9] fails on one node without reclaim', () => {
    const phys = boot({ ...T2, nodes: [2] })
    const reclaimer = new TestReclaimer(phys)
    const gfp = GFP_KERNEL | __GFP_THISNODE | __GFP_NOWARN | __GFP_NORETRY
    let last: unknown = 0
    while (typeof last === 'number' && last >= 0) last = allocPagesNodeTry(phys, 0, gfp, 10)
    expect(last).toBe(ENOMEM)
    expect(run(phys, allocPagesNode(phys, 0, gfp, 10))).toBe(ENOMEM)
    expect(run(phys, allocPagesNode(phys, 2, gfp, 0))).toBe(ENOMEM)
    expect(reclaimer.calls).toEqual([])
    expect(phys.log.warnings.filter((text) => text.includes('allocation failure'))).toEqual([])
    verify(phys)
  })
  it('[physical H10] decides how long to try by order and flags', () => {
    const phys = boot(S16)
    exhaust(phys, GFP_KERNEL | __GFP_NORETRY)
    const reclaimer = new TestReclaimer(phys)
    const events = traced(phys, () => expect(run(phys, allocPages(phys, GFP_KERNEL, 4))).toBe(ENOMEM))
    expect(events.filter((event) => event.name === 'mm_compaction_try_to_compact_pages')).toHaveLength(2)
    expect(reclaimer.count('directReclaim')).toBe(1)
    expect(reclaimer.count('outOfMemory')).toBe(0)

    expect(run(phys, allocPages(phys, GFP_KERNEL, 3))).toBe(ENOMEM)
    expect(reclaimer.count('outOfMemory')).toBe(1)
    // Once the killer says that it helped, the request goes on.
    let kills = 0
    reclaimer.kill = () => ++kills < 4
    run(phys, allocPages(phys, GFP_KERNEL, 0))
    expect(kills).toBe(4)

    reclaimer.calls.length = 0
    reclaimer.kill = () => true
    expect(() => run(phys, allocPages(phys, GFP_NOFS, 0), 200)).toThrow('still asleep')
    expect(reclaimer.count('outOfMemory')).toBe(0)
    expect(reclaimer.count('directReclaim')).toBeGreaterThan(50)
    reclaimer.kill = () => false
    expect(() => run(phys, allocPages(phys, GFP_KERNEL | __GFP_NOFAIL, 0), 200)).toThrow('still asleep')
    verify(phys)
  })
  it('goes on when reclaim has freed something', () => {
    const phys = boot(S16)
    const pages: number[] = []
    for (;;) {
      const page = run(phys, allocPages(phys, GFP_KERNEL | __GFP_NORETRY, 0))
      if (isErr(page)) break
      pages.push(page)
    }
    const reclaimer = new TestReclaimer(phys)
    phys.machine.current.thread = {}
    reclaimer.reclaim = () => {
      expect(phys.task?.isMemalloc).toBe(true)
      for (let i = 0; i < 32; i++) freePages(phys, pages.pop()!, 0)
      return 32
    }
    expect(allocPagesTry(phys, GFP_KERNEL, 0)).toBe(WouldSleep)
    expect(isErr(run(phys, allocPages(phys, GFP_KERNEL, 0)))).toBe(false)
    expect(phys.task?.isMemalloc).toBe(false)
    verify(phys)
  })
  it('tries zone reclaim before a farther zone, if told', () => {
    const phys = boot(S16)
    exhaust(phys, GFP_NOWAIT | __GFP_NO_KSWAPD)
    const reclaimer = new TestReclaimer(phys)
    phys.tunables.zoneReclaimMode = 1
    phys.nodes[0]!.zones[2]!.stat[4] = 1000
    expect(allocPagesTry(phys, GFP_KERNEL | __GFP_NORETRY, 0)).toBe(WouldSleep)
    expect(run(phys, allocPages(phys, GFP_KERNEL | __GFP_NORETRY, 0))).toBe(ENOMEM)
    expect(reclaimer.count('zoneReclaim')).toBeGreaterThan(0)
    const failed = phys.events.get('zone_reclaim_failed')
    expect(failed).toBeGreaterThan(0)
    reclaimer.zoneFrees = 1
    run(phys, allocPages(phys, GFP_KERNEL | __GFP_NORETRY, 0))
    expect(phys.events.get('zone_reclaim_success')).toBeGreaterThan(0)
    expect(phys.events.get('zone_reclaim_failed')).toBe(failed)
  })
  it('counts hits and misses by node', () => {
    const phys = boot(T2)
    allocPagesNodeTry(phys, 1, GFP_KERNEL, 0)
    const [near, far] = [phys.nodes[0]!.zones[2]!, phys.nodes[1]!.zones[2]!]
    foldHotCounters(phys)
    expect([far.stat[NUMA_HIT], far.stat[NUMA_OTHER]]).toEqual([1, 1])
    while (take(phys, GFP_KERNEL, 10) < 1310720);
    expect([far.stat[NUMA_MISS], near.stat[NUMA_FOREIGN]]).toEqual([1, 1])
    const masked = allocPagesNodeTry(phys, 0, GFP_KERNEL, 0, new Set([1]))
    expect(masked).toBeGreaterThanOrEqual(1310720)
  })
  it('panics on impossible requests', () => {
    const phys = boot(S16)
    expect(() => allocPagesTry(phys, 3, 0)).toThrow(KernelPanic)
    phys.machine.current.cpu.interruptLevel = 1
    expect(() => run(phys, allocPages(phys, GFP_KERNEL, 0))).toThrow('nothing sleeps in interrupt context')
  })
  it('lets the n-th allocation fail', () => {
    const phys = boot(S16)
    failNthAllocation(phys, 2)
    expect([allocPagesTry(phys, M, 0), allocPagesTry(phys, M, 0), allocPagesTry(phys, M, 0)]).toEqual([
      3072,
      ENOMEM,
      3073,
    ])
  })
  it('emits the events of an allocation and of a free', () => {
    const phys = boot(S16)
    const events = traced(phys, () => freePages(phys, take(phys, GFP_KERNEL | __GFP_ZERO), 0))
    expect(events.map((event) => event.name)).toEqual([
      'mm_page_alloc_extfrag',
      'mm_page_alloc_zone_locked',
      'mm_page_alloc',
      'mm_page_free',
      'mm_page_pcpu_drain',
    ])
    expect(events[2]!.fields).toEqual({
      page: true,
      pfn: 3072,
      order: 0,
      migratetype: 0,
      gfp_flags: 'GFP_KERNEL|GFP_ZERO',
    })
    expect(phys.events.get('pgalloc_normal')).toBe(1)
    expect(phys.events.get('pgfree')).toBe((4096 / 1024) * 1024 + 1)
  })
  it('writes gfp words longest combination first', () => {
    expect([0, GFP_HIGHUSER_MOVABLE, GFP_KERNEL | __GFP_ZERO, GFP_ATOMIC | 0x2000000].map(gfpText)).toEqual([
      'GFP_NOWAIT',
      'GFP_HIGHUSER_MOVABLE',
      'GFP_KERNEL|GFP_ZERO',
      'GFP_ATOMIC|0x2000000',
    ])
  })
  it('takes RAM that cannot be backed out of service', () => {
    const machine = testMachine()
    const backed = new Set<number>()
    const phys = bootPhys(
      {
        ...machine,
        memory: {
          ramBytes: 2 ** 24,
          backingBytes: 2 ** 20,
          u8: new Uint8Array(0),
          frameOffset(pfn) {
            if (backed.size >= 256 && !backed.has(pfn)) return -1
            backed.add(pfn)
            return pfn * 4096
          },
          zeroFrame: () => {},
          copyFrame: () => {},
        },
      },
      S16,
    )
    let n = 0
    while (typeof allocPagesTry(phys, GFP_NOWAIT | __GFP_NOWARN, 0) === 'number' && n < 256) n++
    expect(n).toBe(256)
    expect(allocPagesTry(phys, GFP_NOWAIT | __GFP_NOWARN, 0)).toBe(ENOMEM)
    expect(phys.nrUnbackedPages).toBeGreaterThan(3000)
    verify(phys)
  })
})

describe('allocPagesExactNid', () => {
  const exact = (phys: Phys, bytes: number, gfp = GFP_KERNEL, nid = 0) =>
    run(phys, allocPagesExactNid(phys, nid, bytes, gfp))

  it('[physical I1] frees the tail, and later the rest page by page', () => {
    const phys = boot(S16)
    const address = exact(phys, 20480)!
    expect(address).toBe(pageAddress(phys, 3072))
    expect(freeBlocks(phys)).toEqual([1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 3])
    expect([listOf(phys, 0, MIGRATE_UNMOVABLE), listOf(phys, 1, MIGRATE_UNMOVABLE)]).toEqual([[3077], [3078]])
    expect(free(phys)).toBe(4091)
    verify(phys)
    freePagesExact(phys, address, 20480)
    expect(freeBlocks(phys)[10]).toBe(4)
    expect(listOf(phys, 10, MIGRATE_UNMOVABLE)).toEqual([3072])
    expect([getPageblockMigratetype(phys, 3072), getPageblockMigratetype(phys, 3584)]).toEqual([0, 0])
    verify(phys)
  })
  it('[physical I2] keeps three pages of four', () => {
    const phys = boot(S16)
    exact(phys, 12288)
    expect(freeBlocks(phys)).toEqual([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 3])
    expect(free(phys)).toBe(4093)
  })
  it.each([
    [1, 1],
    [4096, 1],
    [4097, 2],
    [8192, 2],
    [4194304, 1024],
    [4194305, 0],
    [0, 0],
  ])('[physical I3] %d bytes are %d pages', (bytes, pages) => {
    const phys = boot(S16)
    const address = exact(phys, bytes)
    expect(address === null).toBe(pages === 0)
    expect(free(phys)).toBe(4096 - pages)
    verify(phys)
  })
  it('[physical I4] prefers a node, or insists on it', () => {
    const phys = boot(T2)
    exhaustNode(phys, 1)
    const nodeOf = (address: number | null): number =>
      address === null ? -1 : phys.zoneOfPfn((address - phys.directMapBase) / 4096).node
    expect(nodeOf(exact(phys, 4096, GFP_KERNEL, 1))).toBe(0)
    expect(exact(phys, 4096, GFP_KERNEL | __GFP_THISNODE | __GFP_NORETRY | __GFP_NOWARN, 1)).toBe(null)
    const other = boot(T2)
    other.machine.current.cpu = other.machine.cpus[2]!
    const address = run(other, allocPagesExact(other, 4096, GFP_KERNEL))!
    expect(other.zoneOfPfn((address - other.directMapBase) / 4096).node).toBe(1)
  })
  function exhaustNode(phys: Phys, nid: number): void {
    for (let order = 10; order >= 0; order--) {
      const gfp = GFP_NOWAIT | __GFP_NO_KSWAPD | __GFP_THISNODE | __GFP_NOWARN
      while ((allocPagesNodeTry(phys, nid, gfp, order) as number) >= 0);
    }
  }
  it('[physical I5] notices that a freed tail is freed again', () => {
    const phys = boot(S16)
    const address = exact(phys, 20480)!
    freePages(phys, (address - phys.directMapBase) / 4096, 3)
    expect(phys.nrBadPages).toBe(1)
    expect(free(phys)).toBe(4091)
  })
  it('refuses compound pages', () => {
    expect(() => exact(boot(S16), 4096, GFP_KERNEL | 0x4000)).toThrow(KernelPanic)
  })
})

describe('a random load', () => {
  it('[physical M5] ends where it began, and the invariants hold on the way', () => {
    const phys = boot(M64, 4)
    let seed = 20240607
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return Math.floor((seed / 2 ** 32) * n)
    }
    const types = [U, 0x80000, M]
    const held: [number, number][] = []
    // The naive model: who holds which page.
    const isHeld = new Uint8Array(16384)
    for (let step = 1; step <= 100000; step++) {
      phys.machine.current.cpu = phys.machine.cpus[random(4)]!
      if (held.length === 0 || random(100) < 55) {
        const order = random(5)
        const page = allocPagesTry(phys, types[random(3)]! | __GFP_NOWARN, order)
        if (typeof page !== 'number' || page < 0) continue
        const next = isHeld.indexOf(1, page)
        expect(next === -1 || next >= page + 2 ** order).toBe(true)
        isHeld.fill(1, page, page + 2 ** order)
        held.push([page, order])
      } else {
        const i = random(held.length)
        const [page, order] = held[i]!
        held[i] = held[held.length - 1]!
        held.pop()
        isHeld.fill(0, page, page + 2 ** order)
        freePages(phys, page, order)
      }
      if (step % 1000 === 0) verify(phys)
    }
    for (const [page, order] of held) freePages(phys, page, order)
    expect(freeCount(phys)).toBe(16384)
    drainAllPages(phys)
    expect(freeBlocks(phys)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16])
    expect(free(phys)).toBe(16384)
    verify(phys)
  })
})

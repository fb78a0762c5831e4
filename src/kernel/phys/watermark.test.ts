import { describe, expect, it } from 'vitest'
import { EINVAL, MiB } from '../../base/index.ts'
import { fragmentationIndex } from './compaction.ts'
import { NR_FREE_PAGES } from './counters.ts'
import { ALLOC_HARDER, ALLOC_HIGH, MIGRATE_MOVABLE, MIGRATE_RESERVE } from './gfp.ts'
import { nrFreeBufferPages, nrFreePagecachePages, nrFreeZonePages } from './nrFree.ts'
import { getPageblockMigratetype } from './pageblock.ts'
import { setupZonePageset, zoneBatchSize } from './pcp.ts'
import type { Phys } from './phys.ts'
import { boot, H1G, listOf, M64, run, S16, T2, take, U } from './testMachines.ts'
import { readLowmemReserveRatio, writeLowmemReserveRatio, writePercpuPagelistFraction } from './tunables.ts'
import { verify } from './verify.ts'
import { intSqrt, normalThreshold, pressureThreshold, writeMinFreeKbytes, zoneWatermarkOk } from './watermark.ts'
import { Zone } from './zone.ts'

const zone = (phys: Phys, node: number, index: number): Zone => phys.nodes[node]!.zones[index]!
const marks = (phys: Phys, node: number, index: number): number[] => [...zone(phys, node, index).watermark]
const reserve = (phys: Phys, node: number, index: number): number[] => [...zone(phys, node, index).lowmemReserve]

describe('setupPerZoneWmarks', () => {
  it('[physical D1] computes min_free_kbytes from the size of memory', () => {
    const kbytes = (mib: number): number => Math.min(Math.max(intSqrt(mib * 1024 * 16), 128), 65536)
    for (const [mib, expected] of [
      [1, 128],
      [4, 256],
      [16, 512],
      [32, 724],
      [64, 1024],
      [128, 1448],
      [256, 2048],
      [512, 2896],
      [1024, 4096],
      [2048, 5792],
      [4096, 8192],
      [8192, 11585],
      [16384, 16384],
      [65536, 32768],
      [262144, 65536],
      [1048576, 65536],
    ] as const)
      expect(kbytes(mib)).toBe(expected)
    for (const [mib, expected] of [
      [4, 256],
      [128, 1448],
      [512, 2896],
    ] as const) {
      const phys = boot({ memory: [{ start: 0, end: mib * MiB }], maxZonePfn: [0, 0, mib * 256, 0] })
      expect(phys.tunables.minFreeKbytes).toBe(expected)
    }
  })
  it('[physical D2] sets the marks of small machines', () => {
    const phys = boot(S16)
    expect(phys.tunables.minFreeKbytes).toBe(512)
    expect(marks(phys, 0, 2)).toEqual([128, 160, 192])
    expect(zone(phys, 0, 2).nrMigrateReserveBlock).toBe(1)
    expect(boot(M64).tunables.minFreeKbytes).toBe(1024)
    expect(marks(boot(M64), 0, 2)).toEqual([256, 320, 384])
  })
  it('boots S16 to the facts of the specification', () => {
    const phys = boot(S16)
    expect(listOf(phys, 10, MIGRATE_MOVABLE)).toEqual([3072, 2048, 1024])
    expect(listOf(phys, 10, MIGRATE_RESERVE)).toEqual([0])
    expect(zone(phys, 0, 2).pcp.map((pcp) => [pcp.high, pcp.batch])).toEqual([[0, 1]])
    verify(phys)
  })
  it('[physical D3] [physical D4] [physical D5] splits the kilobytes of T2', () => {
    const phys = boot(T2)
    expect(phys.tunables.minFreeKbytes).toBe(11190)
    expect(marks(phys, 0, 0)).toEqual([5, 6, 7])
    expect(marks(phys, 0, 1)).toEqual([1106, 1382, 1659])
    expect(marks(phys, 0, 2)).toEqual([374, 467, 561])
    expect(marks(phys, 1, 2)).toEqual([1310, 1637, 1965])
    const reserves = (): number[][] => [
      reserve(phys, 0, 0),
      reserve(phys, 0, 1),
      reserve(phys, 0, 2),
      reserve(phys, 1, 2),
    ]
    const expected = [
      [0, 3024, 4048, 4048],
      [0, 0, 1024, 1024],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]
    expect(reserves()).toEqual(expected)
    expect(phys.totalreservePages).toBe(9192)
    expect(zone(phys, 0, 0).dirtyBalanceReserve).toBe(3983)

    expect(run(phys, writeMinFreeKbytes(phys, 65536))).toBe(0)
    expect(marks(phys, 0, 0)).toEqual([33, 41, 49])
    expect(marks(phys, 0, 1)).toEqual([6481, 8101, 9721])
    expect(marks(phys, 0, 2)).toEqual([2194, 2742, 3291])
    expect(marks(phys, 1, 2)).toEqual([7673, 9591, 11509])
    expect(phys.totalreservePages).toBe(29528)
    expect(
      [zone(phys, 0, 0), zone(phys, 0, 1), zone(phys, 0, 2), zone(phys, 1, 2)].map((z) => z.nrMigrateReserveBlock),
    ).toEqual([1, 2, 2, 2])
    expect(reserves()).toEqual(expected)
    verify(phys)
  })
  it('[physical D6] gives highmem marks of its own', () => {
    const phys = boot(H1G)
    expect(phys.tunables.minFreeKbytes).toBe(3831)
    expect([0, 1, 2, 3].map((index) => marks(phys, 0, index))).toEqual([
      [17, 21, 25],
      [939, 1173, 1408],
      [32, 66, 100],
      [32, 32, 32],
    ])
    expect([0, 1, 2].map((index) => reserve(phys, 0, index))).toEqual([
      [0, 880, 1008, 1008],
      [0, 0, 1024, 1024],
      [0, 0, 0, 0],
    ])
    expect(phys.totalreservePages).toBe(3565)
    verify(phys)
  })
  it('[physical D7] takes and gives back reserve blocks', () => {
    const phys = boot(S16)
    const write = (value: number): number => run(phys, writeMinFreeKbytes(phys, value))
    const types = (): number[] => [0, 512, 1024].map((pfn) => getPageblockMigratetype(phys, pfn))
    expect(write(8192)).toBe(0)
    expect(marks(phys, 0, 2)).toEqual([2048, 2560, 3072])
    expect(zone(phys, 0, 2).nrMigrateReserveBlock).toBe(2)
    expect(types()).toEqual([MIGRATE_RESERVE, MIGRATE_RESERVE, MIGRATE_MOVABLE])
    expect(listOf(phys, 10, MIGRATE_RESERVE)).toEqual([0])
    write(512)
    expect(marks(phys, 0, 2)).toEqual([128, 160, 192])
    expect(types()).toEqual([MIGRATE_RESERVE, MIGRATE_MOVABLE, MIGRATE_MOVABLE])
    expect(listOf(phys, 10, MIGRATE_RESERVE)).toEqual([0])
    write(1000)
    expect(marks(phys, 0, 2)).toEqual([250, 312, 375])
    write(3)
    expect(marks(phys, 0, 2)).toEqual([0, 0, 0])
    expect(write(-1)).toBe(EINVAL)
    expect(write(1.5)).toBe(EINVAL)
    expect(phys.tunables.minFreeKbytes).toBe(3)
  })
  it('[physical D8] leaves nothing when the marks exceed memory', () => {
    const phys = boot(S16)
    run(phys, writeMinFreeKbytes(phys, 16384))
    expect(marks(phys, 0, 2)[0]).toBe(4096)
    expect([nrFreeBufferPages(phys), nrFreePagecachePages(phys)]).toEqual([0, 0])
  })
  it('[physical D9] counts what could be given out, whatever is', () => {
    const phys = boot(T2)
    const counts = (): number[] => [0, 1, 2, 3].map((index) => nrFreeZonePages(phys, index))
    for (const cpu of phys.machine.cpus) {
      phys.machine.current.cpu = cpu
      expect(counts()).toEqual([3976, 776461, 1952559, 1952559])
    }
    for (let i = 0; i < 1000; i++) take(phys, U)
    expect(counts()).toEqual([3976, 776461, 1952559, 1952559])
    expect(nrFreeZonePages(boot(S16), 3)).toBe(3904)
  })
  it('[physical D10] sets lowmem_reserve_ratio', () => {
    const phys = boot(T2)
    writeLowmemReserveRatio(phys, [1, 1, 1])
    expect(reserve(phys, 0, 0)).toEqual([0, 774144, 1036288, 1036288])
    expect(reserve(phys, 0, 1)).toEqual([0, 0, 262144, 262144])
    writeLowmemReserveRatio(phys, [0, 256, 32])
    expect(readLowmemReserveRatio(phys)).toEqual([1, 256, 32])
  })
  it('[physical D11] sizes the per-CPU lists', () => {
    const sizes = (managed: number): number[] => {
      const size = zoneBatchSize(managed)
      return [Math.max(1, size), 6 * size]
    }
    for (const [managed, expected] of [
      [3983, [1, 0]],
      [4096, [1, 0]],
      [16384, [3, 18]],
      [32768, [7, 42]],
      [131072, [31, 186]],
      [916480, [31, 186]],
    ] as const)
      expect(sizes(managed)).toEqual(expected)
    const phys = boot(T2)
    const pcp = (z: Zone): number[] => [z.pcp[0]!.high, z.pcp[0]!.batch]
    expect(pcp(zone(phys, 1, 2))).toEqual([186, 31])
    expect(writePercpuPagelistFraction(phys, 8)).toBe(0)
    expect(pcp(zone(phys, 1, 2))).toEqual([114560, 96])
    expect(writePercpuPagelistFraction(phys, 7)).toBe(EINVAL)
    expect(pcp(zone(phys, 1, 2))).toEqual([114560, 96])
    expect(writePercpuPagelistFraction(phys, 0)).toBe(0)
    expect(pcp(zone(phys, 1, 2))).toEqual([186, 31])
    const small = boot(S16)
    small.tunables.percpuPagelistFraction = 100
    setupZonePageset(small, zone(small, 0, 2))
    expect(pcp(zone(small, 0, 2))).toEqual([40, 10])
  })
  it('computes the thresholds of the counters', () => {
    expect([3983, 262144, 774144, 916480].map((managed) => normalThreshold(4, managed))).toEqual([6, 30, 36, 36])
    expect(normalThreshold(1, 4096)).toBe(2)
    expect(normalThreshold(64, 916480)).toBe(84)
    expect(pressureThreshold(zone(boot(T2), 0, 2), 4)).toBe(23)
  })
})

describe('zoneWatermarkOk', () => {
  const fragmented = (free: number): Zone => {
    const z = new Zone(0, 2, 'Normal')
    z.nrFree.set([100, 20, 10, 5])
    z.stat[NR_FREE_PAGES] = free
    return z
  }
  it('[physical H1] looks at the blocks below the order', () => {
    const z = fragmented(220)
    for (const mark of [128, 160])
      expect([0, 1, 2, 3, 4, 5].map((order) => zoneWatermarkOk(z, order, mark, 2, 0))).toEqual([
        true,
        true,
        true,
        true,
        false,
        false,
      ])
    expect([3, 4, 5, 6, 7].map((order) => fragmentationIndex(z, order))).toEqual([-1000, 891, 942, 968, 980])
  })
  it('[physical H2] refuses a zone at its mark', () => {
    const at = (free: number, flags: number): boolean => zoneWatermarkOk(fragmented(free), 0, 128, 2, flags)
    for (const [limit, flags] of [
      [128, 0],
      [64, ALLOC_HIGH],
      [96, ALLOC_HARDER],
      [48, ALLOC_HIGH | ALLOC_HARDER],
    ] as const) {
      expect(at(limit, flags)).toBe(false)
      expect(at(limit + 1, flags)).toBe(true)
    }
  })
})

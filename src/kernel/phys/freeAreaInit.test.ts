import { describe, expect, it } from 'vitest'
import { MiB } from '../../base/index.ts'
import { describeMemory, type BootConfig } from './boot.ts'
import { freeAreaInitNodes, setDmaReserve } from './freeAreaInit.ts'
import { MIGRATE_MOVABLE, MIGRATE_RESERVE, MIGRATE_UNMOVABLE } from './gfp.ts'
import { getPageblockMigratetype } from './pageblock.ts'
import type { Phys } from './phys.ts'
import { sparseMemoryPresentWithActiveRegions } from './sections.ts'
import { boot, freeBlocks, K2, KU, listOf, M64, T2, testMachine } from './testMachines.ts'
import { pageblockCounts } from './texts.ts'
import { verify } from './verify.ts'
import { buildAllZonelists } from './zonelists.ts'

/** Boot steps 1 to 6. */
function untilZonelists(config: BootConfig): Phys {
  const phys = describeMemory(testMachine(config.cpuNode?.length ?? 1), config)
  sparseMemoryPresentWithActiveRegions(phys, phys.config.maxNumNodes)
  setDmaReserve(phys, config.dmaReserve ?? 0)
  freeAreaInitNodes(phys, config.maxZonePfn!)
  buildAllZonelists(phys)
  return phys
}
/** start, spanned, present of the zones that have an extent. */
function extents(phys: Phys): Record<string, number[]> {
  const found: Record<string, number[]> = {}
  for (const zone of phys.zones)
    if (!zone.isEmpty) found[`N${zone.node} ${zone.name}`] = [zone.startPfn, zone.spanned, zone.present]
  return found
}
/** [start, end) of the zones. */
function ranges(phys: Phys): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(extents(phys)).map(([name, [start, spanned]]) => [name, [start!, start! + spanned!]]),
  )
}
const movable = (phys: Phys): number[] => Array.from(phys.zoneMovablePfn.slice(0, 2))
const zone = (phys: Phys, node: number, index: number) => phys.nodes[node]!.zones[index]!

describe('freeAreaInitNodes', () => {
  it('[physical C1] makes the zones of T2', () => {
    const phys = untilZonelists(T2)
    expect(extents(phys)).toEqual({
      'N0 DMA': [1, 4095, 3998],
      'N0 DMA32': [4096, 1044480, 782336],
      'N0 Normal': [1048576, 262144, 262144],
      'N1 Normal': [1310720, 1048576, 917504],
    })
    expect(phys.nodes.slice(0, 2).map((node) => [node.spanned, node.present])).toEqual([
      [1310719, 1048478],
      [1048576, 917504],
    ])
    expect(phys.movableZone).toBe(2)
    expect(phys.nrNodeIds).toBe(2)
    expect(phys.nodes[0]!.nrZones).toBe(3)
  })
  it('[physical C2] estimates what will be managed', () => {
    const phys = untilZonelists({ ...T2, dmaReserve: 15 })
    expect([zone(phys, 0, 0), zone(phys, 0, 1), zone(phys, 0, 2), zone(phys, 1, 2)].map((z) => z.managed)).toEqual([
      3919, 770112, 258048, 903168,
    ])
    for (const line of [
      '  DMA zone: 64 pages used for memmap',
      '  DMA32 zone: 12224 pages used for memmap',
      '  Normal zone: 4096 pages used for memmap',
      '  Normal zone: 14336 pages used for memmap',
      '  DMA zone: 15 pages reserved',
      'Built 2 zonelists in Node order, mobility grouping on.  Total pages: 1935247',
      'Policy zone: Normal',
    ])
      expect(phys.log.lines).toContain(line)
    expect(phys.vmTotalPages).toBe(1935247)
    expect(phys.isMobilityGroupingDisabled).toBe(false)
  })
  it.each([
    [0, 3934],
    [3933, 1],
    [3934, 3934],
  ])('[physical C3] subtracts a DMA reserve of %d from the estimate only', (reserve, estimate) => {
    expect(zone(untilZonelists({ ...T2, dmaReserve: reserve }), 0, 0).managed).toBe(estimate)
    if (reserve === 3933) expect(zone(boot({ ...T2, dmaReserve: reserve }), 0, 0).managed).toBe(3983)
  })
  it('[physical C4] [physical C5] [physical C6] releases the memory of T2', () => {
    const phys = boot(T2)
    expect([zone(phys, 0, 0), zone(phys, 0, 1), zone(phys, 0, 2), zone(phys, 1, 2)].map((z) => z.managed)).toEqual([
      3983, 774144, 262144, 916480,
    ])
    expect(phys.totalramPages).toBe(1956751)
    const only10 = (n: number): number[] => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]
    expect(freeBlocks(phys, 0, 0)).toEqual([1, 1, 1, 1, 2, 1, 1, 0, 1, 1, 3])
    expect(freeBlocks(phys, 0, 1)).toEqual(only10(756))
    expect(freeBlocks(phys, 0, 2)).toEqual(only10(256))
    expect(freeBlocks(phys, 1, 2)).toEqual(only10(895))

    expect(pageblockCounts(phys, zone(phys, 0, 0))).toEqual([1, 0, 6, 1, 0, 0])
    expect(pageblockCounts(phys, zone(phys, 0, 1))).toEqual([0, 0, 1526, 2, 0, 0])
    expect(pageblockCounts(phys, zone(phys, 0, 2))).toEqual([0, 0, 511, 1, 0, 0])
    expect(pageblockCounts(phys, zone(phys, 1, 2))).toEqual([0, 0, 1790, 2, 0, 0])
    for (const pfn of [512, 8192, 8704, 1048576, 1311744, 1312256])
      expect(getPageblockMigratetype(phys, pfn)).toBe(MIGRATE_RESERVE)

    const dma = (order: number, type: number): number[] => listOf(phys, order, type, 0, 0)
    expect([0, 1, 2, 3, 4, 5, 6, 8].map((order) => dma(order, MIGRATE_UNMOVABLE))).toEqual([
      [158],
      [156],
      [152],
      [144],
      [128, 16],
      [32],
      [64],
      [256],
    ])
    expect(dma(9, MIGRATE_RESERVE)).toEqual([512])
    expect(dma(10, MIGRATE_MOVABLE)).toEqual([3072, 2048, 1024])
    expect(listOf(phys, 10, MIGRATE_MOVABLE)[0]).toBe(1309696)
    expect(listOf(phys, 10, MIGRATE_RESERVE)).toEqual([1048576])
    expect(listOf(phys, 10, MIGRATE_MOVABLE, 0, 1)[0]).toBe(785408)
    expect(listOf(phys, 10, MIGRATE_RESERVE, 0, 1)).toEqual([8192])
    expect(listOf(phys, 10, MIGRATE_MOVABLE, 1)[0]).toBe(2358272)
    expect(listOf(phys, 10, MIGRATE_RESERVE, 1)).toEqual([1311744])
    verify(phys)
  })

  it('[physical C7] cuts movable zones above kernelcore', () => {
    const phys = boot({ ...K2, kernelcore: 262144 })
    expect(movable(phys)).toEqual([131072, 393216])
    expect(ranges(phys)).toEqual({
      'N0 DMA': [0, 4096],
      'N0 DMA32': [4096, 131072],
      'N0 Movable': [131072, 262144],
      'N1 DMA32': [262144, 393216],
      'N1 Movable': [393216, 524288],
    })
    expect(phys.tunables.minFreeKbytes).toBe(4096)
    const marks = (node: number, index: number): number[] => [...zone(phys, node, index).watermark]
    expect(marks(0, 0)).toEqual([8, 10, 12])
    expect(marks(0, 1)).toEqual([248, 310, 372])
    for (const [node, index] of [
      [0, 3],
      [1, 1],
      [1, 3],
    ] as const)
      expect(marks(node, index)).toEqual([256, 320, 384])
    expect([...zone(phys, 0, 0).lowmemReserve]).toEqual([0, 496, 496, 1008])
    expect([...zone(phys, 0, 1).lowmemReserve]).toEqual([0, 0, 0, 512])
    expect([...zone(phys, 1, 1).lowmemReserve]).toEqual([0, 0, 0, 512])
    verify(phys)
  })
  it.each([{ kernelcore: 196608 }, { movablecore: 131072 }])('[physical C8] spreads %o over unequal nodes', (core) => {
    const phys = boot({ ...KU, ...core })
    expect(movable(phys)).toEqual([65536, 196608])
    expect(zone(phys, 0, 3).present).toBe(0)
    expect(ranges(phys)).toMatchObject({ 'N1 DMA32': [65536, 196608], 'N1 Movable': [196608, 327680] })
  })
  it('[physical C9] rounds up to the largest block', () => {
    expect(movable(boot({ ...K2, kernelcore: 100001 }))).toEqual([50176, 312320])
  })
  it('[physical C10] cuts the highest zone only', () => {
    const phys = untilZonelists({ ...T2, kernelcore: 1048576 })
    expect(movable(phys)).toEqual([1180672, 1442816])
    expect(extents(phys)).toMatchObject({
      'N0 Normal': [1048576, 132096, 132096],
      'N0 Movable': [1180672, 130048, 130048],
      'N1 Normal': [1310720, 132096, 132096],
      'N1 Movable': [1442816, 916480, 785408],
    })
    const other = untilZonelists({ ...T2, movablecore: 524288 })
    expect(movable(other)).toEqual([1310720, 1703936])
    expect(zone(other, 0, 3).spanned).toBe(0)
    expect(zone(other, 1, 3).present).toBe(524288)
  })
  it.each([4096, 2048])('[physical C11] leaves DMA32 empty when it ends at %d', (end) => {
    const phys = boot({ ...M64, maxZonePfn: [4096, end, 16384, 0] })
    expect(ranges(phys)).toEqual({ 'N0 DMA': [0, 4096], 'N0 Normal': [4096, 16384] })
    verify(phys)
  })
  it('[physical C12] makes no movable zone unless told', () => {
    const phys = boot(K2)
    expect(movable(phys)).toEqual([0, 0])
    expect(phys.movableZone).toBe(1)
    expect(phys.zones.filter((z) => z.index === 3).every((z) => z.isEmpty)).toBe(true)
  })
  it('takes the movable zone from hotplug memory when movable_node is on', () => {
    const phys = boot({
      memory: [
        { start: 0, end: 64 * MiB },
        { start: 64 * MiB, end: 128 * MiB, node: 1, isHotplug: true },
      ],
      maxZonePfn: [0, 0, 32768, 0],
      movableNode: true,
      kernelcore: 100,
    })
    expect(ranges(phys)).toEqual({ 'N0 Normal': [0, 16384], 'N1 Movable': [16384, 32768] })
    expect(phys.memblock.memory.regions.every((r) => r.flags === 0)).toBe(true)
    verify(phys)
  })
  it('logs the ranges', () => {
    const { lines } = untilZonelists({ ...K2, kernelcore: 262144 }).log
    expect(lines.slice(0, 10)).toEqual([
      'Zone ranges:',
      '  DMA      [mem 0x0000000000000000-0x0000000000ffffff]',
      '  DMA32    [mem 0x0000000001000000-0x000000007fffffff]',
      '  Normal   empty',
      'Movable zone start for each node',
      '  Node 0: 0x0000000020000000',
      '  Node 1: 0x0000000060000000',
      'Early memory node ranges',
      '  node   0: [mem 0x0000000000000000-0x000000003fffffff]',
      '  node   1: [mem 0x0000000040000000-0x000000007fffffff]',
    ])
  })
})

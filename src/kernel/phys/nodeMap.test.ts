import { describe, expect, it } from 'vitest'
import { MiB, PAGE_SIZE } from '../../base/index.ts'
import { describeMemory, type BootMemory } from './boot.ts'
import {
  absentPagesInRange,
  findMinPfnWithActiveRegions,
  freeBootmemWithActiveRegions,
  getPfnRangeForNid,
  nodeMapPfnAlignment,
} from './nodeMap.ts'
import { Phys, type PhysOptions } from './phys.ts'
import { memoryPresent, pfnValid, presentSections, sparseMemoryPresentWithActiveRegions } from './sections.ts'
import { boot, T2, testMachine } from './testMachines.ts'
import { buildAllZonelists, findNextBestNode, nodeOrder, writeZonelistOrder } from './zonelists.ts'

const MAX_NUMNODES = 64
const t2 = (): Phys => describeMemory(testMachine(4), T2)
/** A firmware map in pfns. */
function mapped(...ranges: (readonly [number, number, number])[]): Phys {
  const memory: BootMemory[] = ranges.map(([start, end, node]) => ({
    start: start * PAGE_SIZE,
    end: end * PAGE_SIZE,
    node,
  }))
  return describeMemory(testMachine(), { memory })
}

describe('the node map', () => {
  it('[physical B1] finds the range of a node', () => {
    const phys = t2()
    expect(getPfnRangeForNid(phys, 0)).toEqual({ start: 1, end: 1310720 })
    expect(getPfnRangeForNid(phys, 1)).toEqual({ start: 1310720, end: 2359296 })
    expect(getPfnRangeForNid(phys, MAX_NUMNODES)).toEqual({ start: 1, end: 2359296 })
    expect(getPfnRangeForNid(phys, 5)).toEqual({ start: 0, end: 0 })
  })
  it.each([
    [0, 4096, 98],
    [159, 256, 97],
    [786000, 786500, 68],
    [786432, 1048576, 262144],
    [2359296, 2359396, 100],
    [500, 500, 0],
    [0, 2359296, 393314],
  ])('[physical B2] counts absent pages in [%d, %d)', (start, end, absent) => {
    expect(absentPagesInRange(t2(), start, end)).toBe(absent)
  })
  it('[physical B3] counts the other nodes as absent when asked for one', () => {
    const phys = t2()
    expect(absentPagesInRange(phys, 1048576, 1310730, 1)).toBe(262144)
    expect(absentPagesInRange(phys, 1310720, 2359296, 1)).toBe(131072)
    expect(absentPagesInRange(phys, 0, 4096, 0)).toBe(98)
  })
  it('[physical B4] finds the smallest pfn', () => {
    expect(findMinPfnWithActiveRegions(t2())).toBe(1)
    const odd = new Phys(testMachine())
    expect(findMinPfnWithActiveRegions(odd)).toBe(0)
    expect(odd.log.warnings).toHaveLength(1)
    odd.memblock.add(0x1800, 0x5000 - 0x1800)
    expect(findMinPfnWithActiveRegions(odd)).toBe(2)
  })
  it('[physical B5] frees boot memory, reservations included', () => {
    const phys = mapped([0, 4096, 0], [4096, 8192, 1])
    const reserved = (): number[][] =>
      phys.memblock.reserved.regions.map((r) => [Number(r.base) / MiB, Number(r.base + r.size) / MiB])
    for (const [start, end] of [
      [1, 2],
      [20, 21],
      [31, 40],
    ] as const)
      phys.memblock.reserve(start * MiB, (end - start) * MiB)
    freeBootmemWithActiveRegions(phys, 0, 4096)
    expect(reserved()).toEqual([
      [20, 21],
      [31, 40],
    ])
    freeBootmemWithActiveRegions(phys, MAX_NUMNODES, 7168)
    expect(reserved()).toEqual([[31, 40]])
    freeBootmemWithActiveRegions(phys, MAX_NUMNODES, 8192)
    expect(reserved()).toEqual([[32, 40]])
  })

  const G = 262144
  it.each([
    [
      'one node',
      [
        [1, 159, 0],
        [256, G, 0],
      ],
      0,
    ],
    [
      'two nodes',
      [
        [0, G, 0],
        [G, 2 * G, 1],
      ],
      G,
    ],
    [
      'three nodes',
      [
        [0, G, 0],
        [G, 2 * G, 1],
        [2 * G, 3 * G, 2],
      ],
      G,
    ],
    [
      'shifted nodes',
      [
        [65536, G + 65536, 0],
        [G + 65536, 2 * G + 65536, 1],
      ],
      65536,
    ],
    [
      'a hole before the third',
      [
        [0, G, 0],
        [G, 2 * G, 1],
        [2 * G + 65536, 3 * G, 2],
      ],
      G,
    ],
    [
      'a hole',
      [
        [0, G, 0],
        [3 * G, 4 * G, 1],
      ],
      2 * G,
    ],
    [
      'coarser than ideal',
      [
        [0, G, 0],
        [G, G + 65536, 1],
        [G + 65536, 2 * G, 2],
      ],
      G,
    ],
    [
      'sections',
      [
        [0, 32768, 0],
        [32768, 65536, 1],
      ],
      32768,
    ],
    [
      'finer than a section',
      [
        [0, 65664, 0],
        [65664, 131072, 1],
      ],
      128,
    ],
    [
      'alternating',
      [
        [0, G, 0],
        [G, 2 * G, 1],
        [2 * G, 3 * G, 0],
        [3 * G, 4 * G, 1],
      ],
      G,
    ],
    ['empty', [], 0],
  ] as [string, [number, number, number][], number][])(
    '[physical B6] tells nodes apart by an alignment: %s',
    (_, ranges, expected) => {
      expect(nodeMapPfnAlignment(mapped(...ranges))).toBe(expected)
    },
  )
  it('[physical B6] tells the nodes of T2 apart', () => {
    expect(nodeMapPfnAlignment(t2())).toBe(G)
  })
  it('[physical B7] marks whole sections present', () => {
    const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
    const phys = t2()
    sparseMemoryPresentWithActiveRegions(phys, MAX_NUMNODES)
    expect(presentSections(phys)).toEqual([...numbers(0, 23), ...numbers(32, 55), ...numbers(60, 71)])
    expect(phys.sectionNode.get(39)).toBe(0)
    expect(phys.sectionNode.get(40)).toBe(1)
    expect([pfnValid(phys, 0), pfnValid(phys, 200), pfnValid(phys, 800000)]).toEqual([true, true, false])
    const booted = boot(T2)
    expect([pfnValid(booted, 0), pfnValid(booted, 200), pfnValid(booted, 800000)]).toEqual([true, true, false])
    const one = t2()
    sparseMemoryPresentWithActiveRegions(one, 1)
    expect(presentSections(one)).toHaveLength(28)
    const fresh = new Phys(testMachine())
    memoryPresent(fresh, 0, 40000, 70000)
    expect(presentSections(fresh)).toEqual([1, 2])
    memoryPresent(fresh, 0, 2 ** 34, 2 ** 34 + 1)
    expect(fresh.log.warnings).toHaveLength(1)
  })
})

describe('findNextBestNode', () => {
  /** Nodes with memory (except those named) and a CPU each (except those named). */
  function nodes(count: number, options: PhysOptions & { noCpu?: number[]; noMemory?: number[] } = {}): Phys {
    const { noCpu = [], noMemory = [] } = options
    const ids = Array.from({ length: count }, (_, id) => id)
    const cpuNode = ids.filter((id) => !noCpu.includes(id))
    const phys = new Phys(testMachine(cpuNode.length), { ...options, cpuNode, nodes: ids })
    for (const id of ids) phys.nodes[id]!.hasMemory = !noMemory.includes(id)
    return phys
  }
  const orders = (phys: Phys, count: number): number[][] =>
    Array.from({ length: count }, (_, id) => nodeOrder(phys, id))
  const loads = (phys: Phys, count: number): number[] => Array.from(phys.nodeLoad.slice(0, count))

  it('[physical B8] rotates nodes at equal distance', () => {
    const phys = nodes(4)
    expect(orders(phys, 4)).toEqual([
      [0, 1, 2, 3],
      [1, 2, 3, 0],
      [2, 3, 0, 1],
      [3, 0, 1, 2],
    ])
    expect(loads(phys, 4)).toEqual([3, 3, 3, 3])
  })
  it('[physical B9] prefers a node without CPU', () => {
    const phys = nodes(4, { noCpu: [3] })
    expect(orders(phys, 4)).toEqual([
      [0, 3, 1, 2],
      [1, 3, 2, 0],
      [2, 3, 0, 1],
      [3, 0, 1, 2],
    ])
    expect(loads(phys, 4)).toEqual([3, 0, 0, 3])
  })
  it('[physical B10] prefers the nearer node', () => {
    const pair = (i: number, j: number): number => (i === j ? 10 : i >> 1 === j >> 1 ? 16 : 22)
    const phys = nodes(4, { distance: [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => pair(i, j))) })
    expect(orders(phys, 4)).toEqual([
      [0, 1, 2, 3],
      [1, 0, 3, 2],
      [2, 3, 0, 1],
      [3, 2, 0, 1],
    ])
    expect(loads(phys, 4)).toEqual([2, 3, 3, 3])
  })
  it('[physical B11] weighs distance against penalties', () => {
    const phys = nodes(3, {
      noCpu: [2],
      distance: [
        [10, 20, 21],
        [20, 10, 21],
        [21, 21, 10],
      ],
    })
    expect(orders(phys, 2)).toEqual([
      [0, 1, 2],
      [1, 2, 0],
    ])
  })
  it('[physical B12] begins with the node itself, even without memory', () => {
    const phys = nodes(3, { noMemory: [1] })
    expect(nodeOrder(phys, 0)).toEqual([0, 2])
    expect(nodeOrder(phys, 1)).toEqual([1, 2, 0])
    expect(nodeOrder(phys, 2)).toEqual([2, 0])
    expect(findNextBestNode(phys, 1, new Set([0, 1, 2]))).toBe(-1)
  })
  it('[physical B13] orders the zones of T2 by node or by zone', () => {
    const phys = boot(T2)
    const list = (nid: number): string[] =>
      phys.nodes[nid]!.zonelists[0].zones.map((zone) => `N${zone.node} ${zone.name}`)
    const near1 = ['N1 Normal', 'N0 Normal', 'N0 DMA32', 'N0 DMA']
    expect(list(0)).toEqual(['N0 Normal', 'N0 DMA32', 'N0 DMA', 'N1 Normal'])
    expect(list(1)).toEqual(near1)
    expect(writeZonelistOrder(phys, 'zone')).toBe(0)
    expect(list(0)).toEqual(['N0 Normal', 'N1 Normal', 'N0 DMA32', 'N0 DMA'])
    expect(list(1)).toEqual(near1)
    expect(writeZonelistOrder(phys, 'x')).toBe(-22)
    expect(phys.tunables.zonelistOrder).toBe('zone')
    buildAllZonelists(phys)
    expect(list(0)).toHaveLength(4)
  })
})

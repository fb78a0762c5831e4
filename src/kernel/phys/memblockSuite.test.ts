// The checks of the kernel's own memblock suite, under its names (physical specification, 4.6). Every allocation runs
// top-down and bottom-up, cleared and raw, and is compared with a naive search besides its literal answer.

import { describe, expect, it } from 'vitest'
import { isErr, MiB } from '../../base/index.ts'
import { Memblock, MEMBLOCK_HOTPLUG, NUMA_NO_NODE, PHYS_ADDR_MAX, type MemblockType } from './memblock.ts'

type Range = readonly [number, number]
const regions = (type: MemblockType, base = 0): number[][] =>
  type.regions.map((r) => [Number(r.base) - base, Number(r.base + r.size) - base])

describe('basic', () => {
  // Ranges in units of 1 MiB. Each line: what was there, what is done, what is there then.
  const sets: readonly (readonly [string, readonly Range[], Range, readonly Range[]])[] = [
    ['simple', [], [1, 5], [[1, 5]]],
    [
      'disjoint',
      [[1, 5]],
      [8, 16],
      [
        [1, 5],
        [8, 16],
      ],
    ],
    ['overlap_top', [[10, 20]], [5, 15], [[5, 20]]],
    ['overlap_bottom', [[10, 20]], [15, 30], [[10, 30]]],
    ['within', [[8, 40]], [9, 10], [[8, 40]]],
    ['twice', [[16, 18]], [16, 18], [[16, 18]]],
    [
      'between',
      [
        [10, 11],
        [12, 13],
      ],
      [11, 12],
      [[10, 13]],
    ],
  ]
  const removals: typeof sets = [
    [
      'simple',
      [
        [1, 3],
        [8, 16],
      ],
      [1, 3],
      [[8, 16]],
    ],
    ['absent', [[8, 16]], [20, 24], [[8, 16]]],
    ['overlap_top', [[10, 20]], [5, 15], [[15, 20]]],
    ['overlap_bottom', [[10, 20]], [15, 30], [[10, 15]]],
    [
      'within',
      [[1, 33]],
      [16, 17],
      [
        [1, 16],
        [17, 33],
      ],
    ],
    ['only_region', [[2, 6]], [2, 6], []],
    [
      'overlap_two',
      [
        [16, 48],
        [64, 128],
      ],
      [32, 96],
      [
        [16, 32],
        [96, 128],
      ],
    ],
  ]
  const mib = (type: MemblockType): number[][] => regions(type).map(([a, b]) => [a! / MiB, b! / MiB])
  const size = (ranges: readonly Range[]): bigint => BigInt(ranges.reduce((sum, [a, b]) => sum + (b - a) * MiB, 0))

  it.each(sets)('add_%s and reserve_%s', (_, before, [start, end], after) => {
    const m = new Memblock()
    for (const [a, b] of [...before, [start, end] as Range]) {
      expect(m.add(a * MiB, (b - a) * MiB)).toBe(0)
      expect(m.reserve(a * MiB, (b - a) * MiB)).toBe(0)
    }
    for (const type of [m.memory, m.reserved]) {
      expect(mib(type)).toEqual(after)
      expect(type.totalSize).toBe(size(after))
    }
  })
  it.each(removals)('remove_%s and free_%s', (_, before, [start, end], after) => {
    const m = new Memblock()
    for (const [a, b] of before) {
      m.add(a * MiB, (b - a) * MiB)
      m.reserve(a * MiB, (b - a) * MiB)
    }
    expect(m.remove(start * MiB, (end - start) * MiB)).toBe(0)
    expect(m.free(start * MiB, (end - start) * MiB)).toBe(0)
    for (const type of [m.memory, m.reserved]) {
      expect(mib(type)).toEqual(after)
      expect(type.totalSize).toBe(size(after))
    }
  })
  it('initialization', () => {
    const m = new Memblock()
    expect([m.memory.regionCount, m.memory.max, m.memory.name]).toEqual([0, 128, 'memory'])
    expect([m.reserved.regionCount, m.reserved.max, m.reserved.name]).toEqual([0, 128, 'reserved'])
    expect([m.bottomUp, m.currentLimit === PHYS_ADDR_MAX]).toEqual([false, true])
  })
  it('add_node_simple', () => {
    const m = new Memblock()
    m.addNode(MiB, 16 * MiB, 1, MEMBLOCK_HOTPLUG)
    expect(m.memory.regions).toEqual([{ base: BigInt(MiB), size: BigInt(16 * MiB), nid: 1, flags: MEMBLOCK_HOTPLUG }])
  })
  it('add_near_max, reserve_near_max, remove_near_max', () => {
    const m = new Memblock()
    const base = PHYS_ADDR_MAX - BigInt(MiB)
    m.add(base, 2 * MiB)
    m.reserve(base, 2 * MiB)
    expect([m.memory.totalSize, m.reserved.totalSize]).toEqual([BigInt(MiB), BigInt(MiB)])
    m.remove(base - BigInt(MiB), 3 * MiB)
    m.free(base - BigInt(MiB), 3 * MiB)
    expect([m.memory.regionCount, m.reserved.regionCount]).toEqual([0, 0])
  })
  it('add_many, reserve_many', () => {
    const m = new Memblock()
    m.canResize = true
    m.add(MiB, 16 * MiB)
    for (let i = 0; i < 128; i++) m.add((32 + i * 2) * MiB, MiB)
    expect([m.memory.regionCount, m.memory.max, m.reserved.regionCount]).toEqual([129, 256, 1])
    const n = new Memblock()
    n.canResize = true
    n.add(MiB, 400 * MiB)
    for (let i = 0; i < 129; i++) n.reserve((2 + i * 2) * MiB, MiB)
    // One more than asked for: the array itself.
    expect([n.reserved.regionCount, n.reserved.max]).toEqual([130, 256])
  })
  it('reserve_all_locations, reserve_many_may_conflict', () => {
    // The 129th reservation at every place among 128 others: the array's new home never lies in it.
    for (let skip = 0; skip <= 128; skip += 8) {
      const m = new Memblock()
      m.canResize = true
      m.add(MiB, 64 * MiB)
      for (let i = 0; i < 129; i++) if (i !== skip) m.reserve(MiB + i * 0x8000, 0x4000)
      expect(m.reserve(MiB + skip * 0x8000, 0x4000)).toBe(0)
      const home = m.reserved.home!
      const asked = [BigInt(MiB + skip * 0x8000), BigInt(MiB + skip * 0x8000 + 0x4000)] as const
      expect(home.base >= asked[1] || home.base + home.size <= asked[0]).toBe(true)
      expect(m.reserved.totalSize).toBe(BigInt(129 * 0x4000) + home.size)
    }
  })
  it('set_bottom_up, bottom_up', () => {
    const m = new Memblock()
    m.bottomUp = true
    expect(m.bottomUp).toBe(true)
  })
  it('trim_memory_aligned, _too_small, _unaligned_base, _unaligned_end', () => {
    const trimmed = (...ranges: Range[]): number[][] => {
      const m = new Memblock()
      for (const [a, b] of ranges) m.add(a * 1024, (b - a) * 1024)
      m.trimMemory(4096)
      return regions(m.memory).map(([a, b]) => [a! / 1024, b! / 1024])
    }
    expect(trimmed([4, 8], [16, 32])).toEqual([
      [4, 8],
      [16, 32],
    ])
    expect(trimmed([4, 8], [17, 19])).toEqual([[4, 8]])
    expect(trimmed([4, 8], [17, 32])).toEqual([
      [4, 8],
      [20, 32],
    ])
    expect(trimmed([4, 8], [16, 31])).toEqual([
      [4, 8],
      [16, 28],
    ])
  })
  it('overlaps_region', () => {
    const G = 1024 * MiB
    const m = new Memblock()
    m.add(G, 4 * MiB)
    const overlaps = (a: number, b: number): boolean => m.overlapsRegion(m.memory, G + a * MiB, (b - a) * MiB)
    for (const [a, b] of [
      [-1, 1],
      [2, 4],
      [0, 4],
      [-2, 6],
      [1, 2],
    ] as const)
      expect(overlaps(a, b)).toBe(true)
    for (const [a, b] of [
      [-1, 0],
      [4, 5],
      [-512, -511],
      [100, 101],
    ] as const)
      expect(overlaps(a, b)).toBe(false)
  })
})

// One region of 32 KiB, [S, E); cache lines of 32 bytes.
const S = 0x100000
const SIZE = 0x8000
const E = S + SIZE
interface Fixture {
  readonly m: Memblock
  readonly zeroed: number[]
}
function fixture(up: boolean, reserved: readonly Range[] = [], withMemory = true): Fixture {
  const zeroed: number[] = []
  const m = new Memblock({ cacheBytes: 32, zeroFill: (base, bytes) => zeroed.push(base, bytes) })
  m.bottomUp = up
  if (withMemory) m.add(S, SIZE)
  for (const [a, b] of reserved) m.reserve(a, b - a)
  return { m, zeroed }
}
const both = [false, true] as const

/** The documented fallback order, address by address. */
function naive(
  m: Memblock,
  size: number,
  align: number,
  low: number,
  givenHigh: number,
  nid: number,
  exact: boolean,
): number {
  const top = Number(m.endOfDram)
  const high = givenHigh === 0 ? top : Math.min(givenHigh, top)
  const isFree = (a: number, node: number): boolean =>
    m.memory.regions.some(
      (r) => (node < 0 || r.nid === node) && a >= Number(r.base) && a + size <= Number(r.base + r.size),
    ) && !m.isRegionReserved(a, size)
  for (const minimum of low === 0 ? [0] : [low, 0]) {
    for (const node of exact || nid < 0 ? [nid] : [nid, -1]) {
      const from = Math.max(minimum, 4096)
      const first = Math.ceil(from / align) * align
      const last = Math.floor((high - size) / align) * align
      if (m.bottomUp) {
        for (let a = first; a <= last; a += align) if (isFree(a, node)) return a
      } else for (let a = last; a >= first; a -= align) if (isFree(a, node)) return a
    }
  }
  return 0
}

describe('memblock_alloc and memblock_alloc_raw', () => {
  type Case = {
    name: string
    size: number
    align?: number
    td: Range[]
    bu: Range[]
    expect: [Range[], Range[]] | null
  }
  const cases: Case[] = [
    { name: 'simple', size: 2, td: [], bu: [], expect: [[[E - 32, E - 30]], [[S, S + 2]]] },
    {
      name: 'disjoint',
      size: 16,
      align: 64,
      td: [[E - 2, E]],
      bu: [[S + 2, S + 4]],
      expect: [
        [
          [E - 64, E - 48],
          [E - 2, E],
        ],
        [
          [S + 2, S + 4],
          [S + 64, S + 80],
        ],
      ],
    },
    {
      name: 'before',
      size: 512,
      td: [[E - 544, E - 512]],
      bu: [[S + 512, S + 640]],
      expect: [[[E - 544, E]], [[S, S + 640]]],
    },
    {
      name: 'after',
      size: 512,
      td: [[E - 32, E - 24]],
      bu: [[S + 32, S + 96]],
      expect: [[[E - 544, E - 24]], [[S + 32, S + 608]]],
    },
    {
      name: 'in_between',
      size: 64,
      td: [
        [S + 32, S + 32 + 16320 - 32],
        [E - 32 - 16320 + 32, E - 32],
      ],
      bu: [
        [S + 32, S + 32 + 16320 - 32],
        [E - 32 - 16320 + 32, E - 32],
      ],
      expect: null,
    },
    {
      name: 'second_fit',
      size: 1024,
      td: [
        [E - 512, E],
        [E - 1024, E - 768],
      ],
      bu: [
        [S, S + 512],
        [S + 1024, S + 1280],
      ],
      expect: [
        [
          [E - 2048, E - 768],
          [E - 512, E],
        ],
        [
          [S, S + 512],
          [S + 1024, S + 2304],
        ],
      ],
    },
    { name: 'limited_space', size: 256, td: [[S, E - 256]], bu: [[S + 256, E]], expect: [[[S, E]], [[S, E]]] },
  ]
  for (const raw of both) {
    for (const up of both) {
      const title = `${raw ? 'raw' : 'cleared'}, ${up ? 'bottom-up' : 'top-down'}`
      it.each(cases)(`$name (${title})`, ({ size, align = 32, td, bu, expect: expected }) => {
        const { m, zeroed } = fixture(up, up ? bu : td)
        const oracle = naive(m, size, align, 0, 0, NUMA_NO_NODE, false)
        const found = Number(raw ? m.allocRaw(size, align) : m.alloc(size, align))
        expect(found).toBe(oracle)
        expect(found).not.toBe(0)
        if (expected !== null) expect(regions(m.reserved)).toEqual(expected[up ? 1 : 0])
        expect(zeroed).toEqual(raw ? [] : [found, size])
      })
      it(`small_gaps, all_reserved, no_space, no_memory, too_large (${title})`, () => {
        const gaps: Range[] = []
        for (let a = S; a < E; a += 1280) gaps.push([a, Math.min(a + 1024, E)])
        const failing: [Fixture, number][] = [
          [fixture(up, gaps), 1024],
          [fixture(up, [[S, E]]), 256],
          [fixture(up, [[S, E - 256]]), 1024],
          [fixture(up, [], false), 1024],
          [fixture(up), SIZE + 2],
        ]
        for (const [{ m, zeroed }, size] of failing) {
          const before = regions(m.reserved)
          expect(raw ? m.allocRaw(size, 32) : m.alloc(size, 32)).toBe(0n)
          expect(regions(m.reserved)).toEqual(before)
          expect(zeroed).toEqual([])
        }
      })
    }
  }
  it('in_between: one region afterwards', () => {
    const half = (SIZE - 128) / 2
    for (const up of both) {
      const { m } = fixture(up, [
        [S + 32, S + 32 + half],
        [E - 32 - half, E - 32],
      ])
      m.alloc(64, 32)
      expect(regions(m.reserved)).toEqual([[S + 32, E - 32]])
      expect(m.reserved.totalSize).toBe(32704n)
    }
  })
})

describe('memblock_alloc_from', () => {
  it.each([
    ['simple', 16, 32, [], [], E - 32, E - 32],
    ['misaligned', 32, 63, [], [], E - 32, E - 32],
    ['no_space_above', 64, 64, [[E - 64, E - 62]], [[E - 64, E - 62]], E - 128, S],
    ['min_addr_cap', 64, SIZE + 4096, [], [], E - 64, S],
  ] as [string, number, number, Range[], Range[], number, number][])(
    '%s',
    (_, size, behind, td, bu, topDown, bottomUp) => {
      for (const up of both) {
        const { m } = fixture(up, up ? bu : td)
        expect(Number(m.allocFrom(size, 32, E - behind))).toBe(up ? bottomUp : topDown)
      }
    },
  )
  it('high_addr', () => {
    expect(Number(fixture(false).m.allocFrom(32, 32, E - 16))).toBe(E - 32)
    expect(Number(fixture(true).m.allocFrom(32, 32, E - 8))).toBe(S)
  })
  it('no_space_above: joins the reservation', () => {
    const { m } = fixture(false, [[E - 64, E - 62]])
    m.allocFrom(64, 32, E - 64)
    expect(regions(m.reserved)).toEqual([[E - 128, E - 62]])
  })
})

describe('memblock_alloc_try_nid, its raw form, and memblock_alloc_exact_nid_raw: range checks', () => {
  type Case = {
    name: string
    size: number
    range: Range | [Range, Range]
    reserved?: Range[]
    /** Base, top-down and bottom-up; 0 is failure. */
    base: [number, number]
    after?: [Range[], Range[]]
  }
  const sides: Range[] = [
    [S + 1024, S + 1152],
    [S + 1408, S + 1536],
  ]
  const cases: Case[] = [
    { name: 'simple', size: 128, range: [S + 64, S + 576], base: [S + 448, S + 64] },
    {
      name: 'misaligned',
      size: 128,
      range: [
        [S + 64, S + 578],
        [S + 2, S + 514],
      ],
      base: [S + 448, S + 32],
    },
    { name: 'exact_address', size: 1024, range: [S + 32, S + 1056], base: [S + 32, S + 32] },
    { name: 'narrow_range', size: 256, range: [S + 512, S + 544], base: [S + 288, S] },
    { name: 'low_max', size: 1024, range: [S, S + 32], base: [0, 0] },
    {
      name: 'cap_max',
      size: 256,
      range: [
        [E - 1024, E + 256],
        [S + 1024, E + 256],
      ],
      base: [E - 256, S + 1024],
    },
    { name: 'cap_min', size: 1024, range: [S - 4096, E - 1024], base: [E - 2048, S] },
    {
      name: 'reserved_with_space',
      size: 128,
      range: [S + 1152, S + 1408],
      reserved: sides,
      base: [S + 1280, S + 1152],
      after: [
        [
          [S + 1024, S + 1152],
          [S + 1280, S + 1536],
        ],
        [
          [S + 1024, S + 1280],
          [S + 1408, S + 1536],
        ],
      ],
    },
    {
      name: 'reserved_full_merge',
      size: 256,
      range: [S + 1152, S + 1408],
      reserved: sides,
      base: [S + 1152, S + 1152],
      after: [[[S + 1024, S + 1536]], [[S + 1024, S + 1536]]],
    },
    {
      name: 'reserved_no_space',
      size: 256,
      range: [E - 96, E - 64],
      reserved: [
        [E - 64, E - 32],
        [E - 224, E - 96],
      ],
      base: [E - 480, S],
      after: [
        [
          [E - 480, E - 96],
          [E - 64, E - 32],
        ],
        [
          [S, S + 256],
          [E - 224, E - 96],
          [E - 64, E - 32],
        ],
      ],
    },
    {
      name: 'min_reserved',
      size: 384,
      range: [S + 1024, S + 1536],
      reserved: [[S + 1024, S + 1152]],
      base: [S + 1152, S + 1152],
    },
    {
      name: 'max_reserved',
      size: 384,
      range: [S + 1024, S + 1536],
      reserved: [[S + 1408, S + 1536]],
      base: [S + 1024, S + 1024],
    },
    {
      name: 'reserved_all',
      size: 256,
      range: [S + 512, S + 544],
      reserved: [
        [S, S + 512],
        [S + 544, E],
      ],
      base: [0, 0],
    },
  ]
  const either = <T>(x: T | [T, T], isPair: boolean, up: boolean): T => (isPair ? (x as [T, T])[up ? 1 : 0] : (x as T))
  it.each(cases)('$name', ({ size, range, reserved = [], base, after }) => {
    for (const up of both) {
      const [low, high] = either<Range>(range, Array.isArray(range[0]), up)
      for (const exact of both) {
        const { m, zeroed } = fixture(up, reserved)
        m.setNode(S, SIZE, m.memory, 0)
        const oracle = naive(m, size, 32, low, high, 0, exact)
        const found = Number(exact ? m.allocExactNidRaw(size, 32, low, high, 0) : m.allocTryNid(size, 32, low, high, 0))
        expect([found, found]).toEqual([base[up ? 1 : 0], oracle])
        if (after !== undefined) expect(regions(m.reserved)).toEqual(after[up ? 1 : 0])
        expect(zeroed).toEqual(exact || found === 0 ? [] : [found, size])
      }
    }
  })
})

describe('memblock_alloc_try_nid and memblock_alloc_exact_nid_raw: NUMA checks', () => {
  // Eight nodes of 8, 2, 4, 4, 2, 2, 8, 2 KiB.
  const STARTS = [0, 0x2000, 0x2800, 0x3800, 0x4800, 0x5000, 0x5800, 0x7800, 0x8000].map((offset) => S + offset)
  function nodes(up: boolean, reserved: readonly Range[]): Memblock {
    const m = new Memblock({ cacheBytes: 32 })
    m.bottomUp = up
    for (let nid = 0; nid < 8; nid++) m.addNode(STARTS[nid]!, STARTS[nid + 1]! - STARTS[nid]!, nid)
    for (const [a, b] of reserved) m.reserve(a, b - a)
    return m
  }
  const whole: Range = [S, E]
  const node = (nid: number): Range => [STARTS[nid]!, STARTS[nid + 1]!]
  // Name, size, range, node, reserved; does the exact form find something?
  it.each([
    ['simple', 0x400, whole, 3, [], true],
    ['small_node', 0x1000, whole, 1, [], false],
    ['node_reserved', 0x800, whole, 2, [node(2)], false],
    ['part_reserved', 0x400, whole, 4, [[STARTS[4]!, STARTS[4]! + 0x200]], true],
    ['part_reserved_fallback', 0x800, whole, 4, [[STARTS[4]! + 0x200, STARTS[4]! + 0x400]], false],
    ['split_range_low', 0x200, [STARTS[6]! - 0x100, STARTS[6]! + 0x100], 5, [], true],
    ['split_range_high', 0x200, [STARTS[3]! - 0x100, STARTS[3]! + 0x100], 3, [], false],
    ['no_overlap_split', 0x40, [STARTS[2]!, STARTS[6]!], 2, [], true],
    ['no_overlap_low', 0x40, [STARTS[2]!, STARTS[6]!], 0, [], true],
    ['no_overlap_high', 0x40, [STARTS[2]!, STARTS[6]!], 7, [], false],
    ['large_region', SIZE / 2, whole, 3, [], false],
    [
      'reserved_full_merge',
      0x100,
      [S + 0x3000, S + 0x3100],
      2,
      [
        [S + 0x2f00, S + 0x3000],
        [S + 0x3100, S + 0x3200],
      ],
      true,
    ],
    [
      'split_all_reserved',
      0x200,
      [STARTS[6]! - 0x100, STARTS[6]! + 0x100],
      6,
      [
        [S, STARTS[6]! - 0x100],
        [STARTS[6]! + 0x100, E],
      ],
      false,
    ],
  ] as [string, number, Range, number, Range[], boolean][])(
    'numa_%s',
    (_, size, [low, high], nid, reserved, exactFinds) => {
      for (const up of both) {
        for (const exact of both) {
          const m = nodes(up, reserved)
          const oracle = naive(m, size, 32, low, high, nid, exact)
          const found = exact
            ? m.allocExactNidRaw(size, 32, low, high, nid)
            : m.allocTryNidRaw(size, 32, low, high, nid)
          expect(Number(found)).toBe(oracle)
          if (exact) {
            expect(found !== 0n).toBe(exactFinds)
            if (found !== 0n)
              expect(m.memory.regions.findIndex((r) => found >= r.base && found < r.base + r.size)).toBe(nid)
          }
        }
      }
    },
  )
  it('node_on_correct_nid', () => {
    for (let nid = 0; nid < 8; nid++) {
      const m = nodes(false, [])
      const found = m.allocNode(32, 32, nid)
      expect(found >= BigInt(STARTS[nid]!) && found < BigInt(STARTS[nid + 1]!)).toBe(true)
    }
  })
  it('hotplug regions are refused when movable nodes are on', () => {
    const m = nodes(false, [])
    m.movableNode = true
    m.markHotplug(STARTS[6]!, 0x2800)
    expect(Number(m.alloc(0x100, 32))).toBe(STARTS[6]! - 0x100)
    expect(isErr(m.clearHotplug(STARTS[6]!, 0x2800))).toBe(false)
    expect(Number(m.alloc(0x100, 32))).toBe(E - 0x100)
  })
})

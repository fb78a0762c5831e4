import { describe, expect, it } from 'vitest'
import { ENOMEM, GiB, KiB, MiB } from '../../base/index.ts'
import { Memblock, NUMA_NO_NODE, PHYS_ADDR_MAX, type ByteRange, type MemblockType } from './memblock.ts'

/** [start, end] pairs of the regions, with the node where it is known. */
function regions(type: MemblockType): number[][] {
  return type.regions.map((r) => {
    const pair = [Number(r.base), Number(r.base + r.size)]
    return r.nid === 64 ? pair : [...pair, r.nid]
  })
}
const pairs = (ranges: Iterable<ByteRange>): number[][] => [...ranges].map((r) => [Number(r.base), Number(r.end)])
function memory(...ranges: (readonly [number, number])[]): Memblock {
  const m = new Memblock()
  for (const [start, end] of ranges) m.add(start, end - start)
  return m
}

describe('Memblock', () => {
  it('[physical A1] joins regions that touch', () => {
    const m = memory([0x40000000, 0x40002000], [0x40004000, 0x40006000])
    expect(regions(m.memory)).toHaveLength(2)
    expect(m.memory.totalSize).toBe(0x4000n)
    m.add(0x40002000, 0x2000)
    expect(regions(m.memory)).toEqual([[0x40000000, 0x40006000]])
  })
  it('[physical A2] adds only what is not covered', () => {
    const m = new Memblock()
    m.add(512 * MiB, GiB)
    m.add(256 * MiB, 512 * MiB)
    expect(regions(m.memory)).toEqual([[0x10000000, 0x60000000]])
    expect(m.memory.totalSize).toBe(0x50000000n)
  })
  it('[physical A3] keeps the nodes of what is covered', () => {
    const m = new Memblock()
    m.addNode(0, MiB, 0)
    m.addNode(MiB, MiB, 1)
    expect(m.memory.regionCount).toBe(2)
    m.addNode(0x80000, 0x100000, 1)
    expect(regions(m.memory)).toEqual([
      [0, MiB, 0],
      [MiB, 2 * MiB, 1],
    ])
    m.addNode(0x1c0000, 0x80000, 0)
    expect(regions(m.memory)[2]).toEqual([2 * MiB, 0x240000, 0])
  })
  it('[physical A4] cuts a range at the end of the address space', () => {
    const m = new Memblock()
    m.add(PHYS_ADDR_MAX - BigInt(MiB), 2 * MiB)
    expect(m.memory.regions).toHaveLength(1)
    expect(m.memory.regions[0]!.size).toBe(0x100000n)
  })
  it('[physical A5] removes from the middle', () => {
    const m = memory([MiB, 33 * MiB])
    expect(m.remove(16 * MiB, MiB)).toBe(0)
    expect(regions(m.memory)).toEqual([
      [MiB, 16 * MiB],
      [17 * MiB, 33 * MiB],
    ])
    expect(m.physMemSize).toBe(BigInt(31 * MiB))
  })
  it('[physical A6] removes across two regions, reserved ones too', () => {
    const m = memory([16 * MiB, 48 * MiB], [64 * MiB, 128 * MiB])
    m.remove(32 * MiB, 64 * MiB)
    const left = [
      [16 * MiB, 32 * MiB],
      [96 * MiB, 128 * MiB],
    ]
    expect(regions(m.memory)).toEqual(left)
    expect(m.memory.totalSize).toBe(BigInt(48 * MiB))
    m.reserve(16 * MiB, 32 * MiB)
    m.reserve(64 * MiB, 64 * MiB)
    m.free(32 * MiB, 64 * MiB)
    expect(regions(m.reserved)).toEqual(left)
  })
  it('[physical A7] removes what is absent without an error', () => {
    const m = memory([2048, 6144])
    m.remove(2048, 4096)
    expect(m.memory.regionCount).toBe(0)
    expect(m.memory.totalSize).toBe(0n)
    expect(m.remove(2048, 4096)).toBe(0)
  })
  it('[physical A8] sets nodes and merges again', () => {
    const m = memory([0, 4 * GiB])
    m.setNode(GiB, GiB, m.memory, 1)
    expect(regions(m.memory)).toEqual([
      [0, GiB],
      [GiB, 2 * GiB, 1],
      [2 * GiB, 4 * GiB],
    ])
    m.setNode(0, 4 * GiB, m.memory, 0)
    expect(regions(m.memory)).toEqual([[0, 4 * GiB, 0]])
    const empty = new Memblock()
    expect(empty.setNode(0, 4 * GiB, empty.memory, 0)).toBe(0)
  })

  function a9(): Memblock {
    const m = memory([0, 16 * MiB])
    m.reserve(MiB, MiB)
    m.reserve(15.5 * MiB, 0.5 * MiB)
    return m
  }
  it('[physical A9] iterates over what is free, both ways', () => {
    const free = [
      [0, MiB],
      [2 * MiB, 15.5 * MiB],
    ]
    expect(pairs(a9().freeRanges())).toEqual(free)
    expect(pairs(a9().freeRangesReverse())).toEqual(free.toReversed())
  })
  it('[physical A10] finds from the top down', () => {
    const m = a9()
    expect(m.find(64 * KiB, 64 * KiB)).toBe(0xf70000n)
    expect(m.find(14 * MiB, 4 * KiB)).toBe(0n)
    m.reserve(0xf70000, 64 * KiB)
    expect(regions(m.reserved)).toEqual([
      [MiB, 2 * MiB],
      [0xf70000, 16 * MiB],
    ])
  })
  it('[physical A11] never hands out page 0', () => {
    const m = memory([0, 0x2000])
    expect(m.find(4096, 4096)).toBe(0x1000n)
    m.reserve(0x1000, 4096)
    expect(m.find(4096, 4096)).toBe(0n)
  })
  it('[physical A12] finds bottom-up behind the kernel image', () => {
    const m = memory([0, 16 * MiB])
    m.bottomUp = true
    m.kernelEnd = BigInt(2 * MiB)
    expect(m.find(4096, 4096)).toBe(0x200000n)
    expect(m.find(4096, 4096, 0, 0x180000)).toBe(0x17f000n)
  })
  it('[physical A13] yields whole pages only', () => {
    const m = memory([0x1800, 0x3800], [0x5400, 0x5c00])
    expect([...m.memPfnRanges()]).toEqual([{ start: 2, end: 3, nid: 64 }])
  })
  it('[physical A14] enforces a limit on both arrays', () => {
    const m = memory([0, MiB], [2 * MiB, 10 * MiB])
    m.reserve(5 * MiB, 2 * MiB)
    m.enforceMemoryLimit(100 * MiB)
    expect(regions(m.reserved)).toHaveLength(1)
    m.enforceMemoryLimit(3 * MiB)
    expect(regions(m.memory)).toEqual([
      [0, MiB],
      [2 * MiB, 4 * MiB],
    ])
    expect(m.reserved.regionCount).toBe(0)
  })
  it('[physical A15] doubles its arrays, if it may', () => {
    const m = new Memblock()
    for (let i = 0; i < 128; i++) m.add((i + 1) * 64 * KiB, 32 * KiB)
    expect(m.add(129 * 64 * KiB, 32 * KiB)).toBe(ENOMEM)
    expect(m.memory.regionCount).toBe(128)
    m.canResize = true
    expect(m.add(129 * 64 * KiB, 32 * KiB)).toBe(0)
    expect(m.memory.regionCount).toBe(129)
    expect(m.memory.max).toBe(256)
    expect(m.reserved.regions.map((r) => r.size)).toEqual([BigInt(Math.ceil((256 * 32) / 4096) * 4096)])
  })

  const STARTS = [0x100000, 0x102000, 0x102800, 0x103800, 0x104800, 0x105000, 0x105800, 0x107800]
  const END = 0x108000
  function eightNodes(bottomUp: boolean): Memblock {
    const m = new Memblock()
    STARTS.forEach((start, nid) => m.addNode(start, (STARTS[nid + 1] ?? END) - start, nid))
    m.bottomUp = bottomUp
    return m
  }
  const whole = [0x100000, END] as const
  it.each([
    ['a node that has it', 0x400, whole, 3, false, 0x104400, 0x103800],
    ['a node too small', 0x1000, whole, 1, false, 0x106800, 0x100000],
    ['a node too small, exact', 0x1000, whole, 1, true, 0, 0],
    ['across the node before', 0x200, [0x103700, 0x103900] as const, 2, false, 0x103600, 0x102800],
    ['across the node behind', 0x200, [0x103700, 0x103900] as const, 3, false, 0x103600, 0x100000],
    ['outside the node', 0x40, [0x102800, 0x105800] as const, 0, false, 0x1057c0, 0x102800],
    ['outside the node, exact', 0x40, [0x102800, 0x105800] as const, 0, true, 0x101fc0, 0x100000],
    ['larger than any node', 0x4000, whole, 3, false, 0, 0],
  ])('[physical A16] allocates by node: %s', (_, size, [low, high], nid, exact, topDown, bottomUp) => {
    for (const up of [false, true]) {
      const m = eightNodes(up)
      const found = exact ? m.allocExactNidRaw(size, 64, low, high, nid) : m.allocTryNid(size, 64, low, high, nid)
      expect(Number(found)).toBe(up ? bottomUp : topDown)
      expect(m.reserved.regionCount).toBe(found === 0n ? 0 : 1)
    }
  })
  it('[physical A16] allocates by node: a node reserved entirely', () => {
    for (const [up, expected] of [
      [false, 0x106800],
      [true, 0x100000],
    ] as const) {
      const m = eightNodes(up)
      m.reserve(0x102800, 0x1000)
      expect(Number(m.allocTryNid(0x1000, 64, ...whole, 2))).toBe(expected)
    }
  })

  it('splits free areas where the node changes, and warns of MAX_NUMNODES', () => {
    const warnings: string[] = []
    const m = new Memblock({ warn: (text) => warnings.push(text) })
    m.addNode(0, MiB, 0)
    m.addNode(MiB, MiB, 1)
    expect(pairs(m.freeRanges(64))).toEqual([
      [0, MiB],
      [MiB, 2 * MiB],
    ])
    expect(pairs(m.freeRanges(1))).toEqual([[MiB, 2 * MiB]])
    expect([...m.freeRanges(64)]).toHaveLength(2)
    expect(warnings).toHaveLength(1)
  })
  it('writes the debug files', () => {
    const m = memory([0x1000, 0x9f000], [0x100000, 0x200000])
    expect(m.debugText(m.memory)).toBe(
      '   0: 0x0000000000001000..0x000000000009efff\n   1: 0x0000000000100000..0x00000000001fffff\n',
    )
  })
  it('behaves as a set of bytes does', () => {
    // Naive model: one flag a unit. 24 units, random adds and removes, compared after every step.
    let seed = 12345
    const random = (n: number): number => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return Math.floor((seed / 0x80000000) * n)
    }
    const m = new Memblock()
    m.canResize = false
    const model = Array.from({ length: 24 }, () => -1)
    for (let step = 0; step < 3000; step++) {
      const from = random(24)
      const to = from + 1 + random(24 - from)
      const nid = random(3)
      const operation = random(3)
      if (operation === 0) {
        m.addNode(from * 4096, (to - from) * 4096, nid)
        for (let i = from; i < to; i++) if (model[i] === -1) model[i] = nid
      } else if (operation === 1) {
        m.remove(from * 4096, (to - from) * 4096)
        model.fill(-1, from, to)
      } else {
        m.setNode(from * 4096, (to - from) * 4096, m.memory, nid)
        for (let i = from; i < to; i++) if (model[i] !== -1) model[i] = nid
      }
      const expected: number[][] = []
      for (let i = 0; i < 24; i++) {
        if (model[i] === -1) continue
        const last = expected[expected.length - 1]
        if (last !== undefined && last[1] === i * 4096 && last[2] === model[i]) last[1]! += 4096
        else expected.push([i * 4096, (i + 1) * 4096, model[i]!])
      }
      expect(regions(m.memory)).toEqual(expected)
      expect(m.memory.totalSize).toBe(BigInt(model.filter((nid) => nid !== -1).length * 4096))
    }
  })
  it('says what is memory and what is reserved', () => {
    const m = memory([0x1000, 0x3000], [0x4000, 0x5000])
    m.reserve(0x2000, 0x1000)
    expect([m.isMemory(0x1000), m.isMemory(0x3000), m.isReserved(0x2fff), m.isReserved(0x1fff)]).toEqual([
      true,
      false,
      true,
      false,
    ])
    expect(m.isRegionMemory(0x1000, 0x2000)).toBe(true)
    expect(m.isRegionMemory(0x1000, 0x2001)).toBe(false)
    expect(m.isRegionReserved(0, 0x2000)).toBe(false)
    expect(m.isRegionReserved(0, 0x2001)).toBe(true)
    expect(m.searchPfnNid(4)).toEqual({ start: 4, end: 5, nid: 64 })
    expect(m.searchPfnNid(3)).toBe(null)
    expect(m.memSize(2)).toBe(4096)
    expect(m.startOfDram).toBe(0x1000n)
    expect(m.endOfDram).toBe(0x5000n)
    expect(NUMA_NO_NODE).toBe(-1)
  })
})

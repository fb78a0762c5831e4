import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GiB, KiB, MiB } from '../base/index.ts'
import { GRANULE_BYTES, PhysicalMemory, PHYSICAL_LIMIT } from './physicalMemory.ts'

const TiB = 1024 * GiB

describe('PhysicalMemory', () => {
  it('backs 2 MiB at first touch and answers the same offset ever after', () => {
    const memory = new PhysicalMemory([{ start: 0, end: 64 * MiB }])
    expect(memory.backedBytes).toBe(0)
    const last = memory.frameOffset(64 * 256 - 1)
    expect(memory.backedBytes).toBe(GRANULE_BYTES)
    expect(memory.frameOffset(64 * 256 - 512)).toBe(last - 511 * 4096)
    memory.frameOffset(0)
    expect(memory.backedBytes).toBe(2 * GRANULE_BYTES)
    expect(memory.frameOffset(64 * 256 - 1)).toBe(last)
  })
  it('is sparse: RAM at 2^40 and at the top, and nothing paid for holes', () => {
    const memory = new PhysicalMemory([
      { start: PHYSICAL_LIMIT - 4 * MiB, end: PHYSICAL_LIMIT },
      { start: 2 ** 40, end: 2 ** 40 + 128 * MiB },
      { start: 0, end: 2 * MiB },
    ])
    memory.write32(2 ** 40, 0x1234)
    memory.write32(PHYSICAL_LIMIT - 4, -5)
    memory.write32(0, 7)
    expect([memory.read32(2 ** 40), memory.read32(PHYSICAL_LIMIT - 4), memory.read32(0)]).toEqual([0x1234, -5, 7])
    expect(memory.backedBytes).toBe(3 * GRANULE_BYTES)
    for (const pa of [2 * MiB, GiB, 2 ** 40 - 4096, 2 ** 40 + 128 * MiB, PHYSICAL_LIMIT, PHYSICAL_LIMIT * 2]) {
      expect(memory.frameOffset(pa / 4096)).toBe(-1)
      expect(memory.isRam(pa / 4096)).toBe(false)
    }
    for (const pfn of [-1, -4096, 2 ** 44 - 1, NaN]) expect(memory.frameOffset(pfn)).toBe(-1)
    expect(memory.backedBytes).toBe(3 * GRANULE_BYTES)
    expect(memory.ramBytes).toBe(134 * MiB)
  })
  it('may have more RAM than backing, and then runs out of it', () => {
    const memory = new PhysicalMemory([{ start: 4 * GiB, end: 4 * GiB + 16 * TiB }], 4 * MiB)
    expect(memory.ramBytes).toBe(16 * TiB)
    expect(memory.backingBytes).toBe(4 * MiB)
    const first = memory.frameOffset((4 * GiB) / 4096)
    expect(memory.frameOffset((12 * TiB) / 4096)).toBeGreaterThanOrEqual(0)
    expect(memory.frameOffset((8 * TiB) / 4096)).toBe(-1)
    expect(memory.isRam((8 * TiB) / 4096)).toBe(true)
    expect(memory.isBacked((8 * TiB) / 4096)).toBe(false)
    expect(memory.isBacked((12 * TiB) / 4096)).toBe(true)
    expect(memory.frameOffset((4 * GiB) / 4096)).toBe(first)
  })
  it('reaches the last byte of 4 GiB', () => {
    const memory = new PhysicalMemory([{ start: 0, end: 8 * GiB }])
    expect(memory.backingBytes).toBe(4 * GiB)
    for (let g = 0; g < 2048; g++) memory.frameOffset(g * 512)
    expect(memory.frameOffset(2047 * 512 + 511)).toBe(4 * GiB - 4096)
    memory.write32(4 * GiB - 4, 0x7fffffff)
    expect(memory.u8[4 * GiB - 4]).toBe(0xff)
    expect(memory.frameOffset(2048 * 512)).toBe(-1)
  })
  it('holds granules that are RAM in part: a PC below 1 MiB', () => {
    const memory = new PhysicalMemory([
      { start: 4 * KiB, end: 640 * KiB },
      { start: MiB, end: 3 * MiB },
    ])
    expect(memory.frameOffset(0)).toBe(-1)
    expect(memory.frameOffset(160)).toBe(-1)
    expect(memory.isBacked(1)).toBe(false)
    const one = memory.frameOffset(1)
    expect(memory.isBacked(1)).toBe(true)
    expect(memory.isBacked(160)).toBe(false)
    expect(memory.frameOffset(159) - one).toBe(158 * 4096)
    expect(memory.frameOffset(256) - one).toBe(255 * 4096)
    expect(memory.frameOffset(767)).toBeGreaterThanOrEqual(0)
    expect(memory.frameOffset(768)).toBe(-1)
    expect(memory.backedBytes).toBe(2 * GRANULE_BYTES)
    expect(memory.backingBytes).toBe(2 * GRANULE_BYTES)
  })
  it('gives each frame bytes of its own, little-endian', () => {
    const memory = new PhysicalMemory([{ start: 0, end: 8 * MiB }])
    memory.writeBytes(4 * MiB - 2, new Uint8Array([1, 2, 3, 4]))
    expect([...memory.readBytes(4 * MiB - 3, 6)]).toEqual([0, 1, 2, 3, 4, 0])
    memory.write32(8, -2)
    expect([...memory.readBytes(8, 4)]).toEqual([0xfe, 0xff, 0xff, 0xff])
    memory.write8(9, 0)
    expect(memory.read32(8)).toBe(~0xff01)
    expect(memory.read8(8)).toBe(0xfe)
    memory.copyFrame(3, 0)
    expect(memory.read32(3 * 4096 + 8)).toBe(memory.read32(8))
    memory.zeroFrame(0)
    expect(memory.read32(8)).toBe(0)
    expect(memory.read32(3 * 4096 + 8)).not.toBe(0)
  })
  it('panics at physical accesses that no kernel makes', () => {
    const memory = new PhysicalMemory([{ start: 0, end: 2 * MiB }])
    expect(() => memory.read32(2 * MiB)).toThrow('a physical access is to backed RAM')
    expect(() => memory.read32(2)).toThrow('a physical access is aligned')
    expect(
      () =>
        new PhysicalMemory([
          { start: 0, end: 8192 },
          { start: 4096, end: 12288 },
        ]),
    ).toThrow('disjoint')
    expect(() => new PhysicalMemory([{ start: 0, end: 5000 }])).toThrow('frame boundaries')
    expect(() => new PhysicalMemory([{ start: 0, end: PHYSICAL_LIMIT + 4096 }])).toThrow('below 2^46')
  })
  it('agrees with a list of ranges and a map of frames', () => {
    const anyRanges = fc.array(fc.tuple(fc.integer({ min: 1, max: 1500 }), fc.integer({ min: 1, max: 1500 })), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(anyRanges, fc.array(fc.integer({ min: 0, max: 12000 }), { maxLength: 60 }), (shape, touches) => {
        const ranges: { start: number; end: number }[] = []
        let at = 0
        for (const [gap, length] of shape) {
          ranges.push({ start: (at + gap) * 4096, end: (at + gap + length) * 4096 })
          at += gap + length
        }
        const memory = new PhysicalMemory(ranges)
        const offsets = new Map<number, number>()
        for (const pfn of touches) {
          const isRam = ranges.some((range) => range.start <= pfn * 4096 && pfn * 4096 < range.end)
          expect(memory.isRam(pfn)).toBe(isRam)
          const offset = memory.frameOffset(pfn)
          expect(offset >= 0).toBe(isRam)
          if (!isRam) continue
          expect(offset % 4096).toBe(0)
          expect(offset + 4096).toBeLessThanOrEqual(memory.backedBytes)
          expect(offsets.get(pfn) ?? offset).toBe(offset)
          offsets.set(pfn, offset)
        }
        expect(new Set(offsets.values()).size).toBe(offsets.size)
      }),
    )
  })
})

import { describe, expect, it } from 'vitest'
import { MiB } from '../../base/index.ts'
import { handMade } from './handMade.ts'
import { fillRam, findOther, orderOf, ramOffset, readWord, writeWord } from './ram.ts'

// Frames 511 and 512 are neighbours in RAM and not in the machine's buffer: the later granule was touched first.
function twoGranules() {
  const room = handMade()
  room.memory.frameOffset(512)
  const edge = room.pools.directMap + 2 * MiB
  expect(ramOffset(room.pools, edge - 1)).toBe(4 * MiB - 1)
  expect(ramOffset(room.pools, edge)).toBe(0)
  return { ...room, edge }
}

describe('RAM by direct-map address', () => {
  it('is filled and searched across frames that lie apart in the buffer', () => {
    const { pools, memory, edge } = twoGranules()
    fillRam(pools, edge - 100, 300, 7)
    expect([...memory.readBytes(2 * MiB - 101, 302)]).toEqual([0, ...Array.from({ length: 300 }, () => 7), 0])
    expect(findOther(pools, edge - 100, 300, 7)).toBe(-1)
    expect(findOther(pools, edge - 100, 301, 7)).toBe(300)
    expect(memory.readBytes(4 * MiB - 8, 8).every((byte) => byte === 0)).toBe(true)
  })
  it('holds words at any alignment', () => {
    const { pools, memory, edge } = twoGranules()
    for (let at = -5; at <= 1; at++) {
      writeWord(pools, edge + at, 0xfedcba98)
      expect(readWord(pools, edge + at)).toBe(0xfedcba98)
      expect([...memory.readBytes(2 * MiB + at, 4)]).toEqual([0x98, 0xba, 0xdc, 0xfe])
    }
  })
  it('is asked for in blocks just large enough', () => {
    expect([1, 4096, 4097, 8192, 8193, 2 ** 22].map(orderOf)).toEqual([0, 0, 1, 1, 2, 10])
  })
  it('panics beside RAM', () => {
    const { pools } = handMade()
    expect(() => readWord(pools, pools.directMap - 4)).toThrow('a pool touches only RAM')
    expect(() => readWord(pools, pools.directMap + 16 * MiB)).toThrow('a pool touches only RAM')
  })
})

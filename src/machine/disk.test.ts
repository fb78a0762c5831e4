import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Clock, EIO, MiB } from '../base/index.ts'
import { Disk } from './disk.ts'

/** 100 µs of latency, 100 MB/s: a page takes 100 + 40.96 µs. */
function diskOf(sizeBytes = 64 * MiB) {
  const clock = new Clock()
  const disk = new Disk(clock, { name: 'vda', sizeBytes, latencyNs: 100_000, bytesPerSecond: 100_000_000 })
  const log: string[] = []
  const note = (what: string) => (err: number) => log.push(`${clock.now} ${what} ${err}`)
  return { clock, disk, log, note }
}
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

describe('Disk', () => {
  it('answers after latency and transfer, in order, one request at a time', () => {
    const { clock, disk, log, note } = diskOf()
    disk.read(0, 4096, note('a'))
    disk.write(4096, new Uint8Array(8192), note('b'))
    disk.flush(note('c'))
    expect(disk.pending).toBe(3)
    clock.advanceTo(140_959)
    expect(log).toEqual([])
    clock.advanceTo(140_960)
    expect(log).toEqual(['140960 a 0'])
    clock.advanceTo(1_000_000)
    expect(log).toEqual(['140960 a 0', '322880 b 0', '422880 c 0'])
    expect(disk).toMatchObject({ pending: 0, reads: 1, readBytes: 4096, writes: 1, writtenBytes: 8192, flushes: 1 })
    expect(disk.busyNs).toBe(422_880)
    // An idle device starts at once.
    disk.read(0, 0, note('d'))
    clock.advanceTo(2_000_000)
    expect(log.at(-1)).toBe('1100000 d 0')
  })
  it('reads zeroes where nothing was written, and stores no more than was', () => {
    const { clock, disk } = diskOf(2 ** 40)
    let got = bytes(1)
    disk.read(2 ** 39, 3, (_, read) => (got = read))
    clock.advanceTo(1e9)
    expect([...got]).toEqual([0, 0, 0])
    expect(disk.storedBytes).toBe(0)
    disk.poke(2 ** 39 - 1, bytes(7, 8))
    expect(disk.storedBytes).toBe(2 * 65536)
    expect([...disk.peek(2 ** 39 - 2, 4)]).toEqual([0, 7, 8, 0])
  })
  it('writes what the bytes were at submission, once it is done and not before', () => {
    const { clock, disk, note } = diskOf()
    const page = bytes(1, 2, 3)
    disk.write(0, page, note('w'))
    page[0] = 9
    expect([...disk.peek(0, 3)]).toEqual([0, 0, 0])
    clock.advanceTo(1e9)
    expect([...disk.peek(0, 3)]).toEqual([1, 2, 3])
  })
  it('fails what it is told to fail, and everything beyond its end', () => {
    const { clock, disk, log, note } = diskOf(8192)
    disk.failNext(2, 1)
    for (const what of ['a', 'b', 'c', 'd']) disk.write(0, bytes(what.charCodeAt(0)), note(what))
    disk.read(8191, 2, note('end'))
    disk.read(-1, 1, note('before'))
    disk.failNext(1)
    disk.flush(note('flush'))
    clock.advanceTo(1e9)
    expect(log.map((line) => line.split(' ').slice(1).join(' '))).toEqual([
      'a 0',
      `b ${EIO}`,
      `c ${EIO}`,
      'd 0',
      `end ${EIO}`,
      `before ${EIO}`,
      `flush ${EIO}`,
    ])
    expect(disk).toMatchObject({ failures: 5, writes: 2, reads: 0, flushes: 0 })
    expect(String.fromCharCode(disk.peek(0, 1)[0]!)).toBe('d')
  })
  it('loses what was not on the medium when the power goes', () => {
    const { clock, disk, log, note } = diskOf()
    disk.write(0, bytes(1), note('first'))
    clock.advanceTo(150_000)
    disk.write(0, bytes(2), note('second'))
    disk.read(0, 32 * MiB, note('long'))
    disk.powerOff()
    disk.write(0, bytes(3), note('third'))
    clock.advanceTo(200_000)
    disk.powerOn()
    disk.read(0, 1, (err, read) => note(`read ${read[0]}`)(err))
    clock.advanceTo(2e9)
    // The device does not go on with what it has lost: it starts at once.
    expect(log).toEqual(['100010 first 0', '300010 read 1 0'])
    expect(disk.pending).toBe(0)
  })
  it('is an array of bytes, whatever is written in whatever order', () => {
    const anyWrite = fc.tuple(fc.integer({ min: 0, max: 3 * 65536 - 1 }), fc.uint8Array({ maxLength: 70_000 }))
    fc.assert(
      fc.property(fc.array(anyWrite, { maxLength: 8 }), (writes) => {
        const { clock, disk, note } = diskOf(5 * 65536)
        const model = new Uint8Array(5 * 65536)
        for (const [offset, data] of writes) {
          disk.write(offset, data, note(''))
          model.set(data, offset)
        }
        let got = bytes()
        disk.read(0, model.length, (_, read) => (got = read))
        clock.advanceTo(1e9)
        expect(Buffer.compare(got, model)).toBe(0)
      }),
      { numRuns: 20 },
    )
  })
})

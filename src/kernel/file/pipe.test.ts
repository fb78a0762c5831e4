import { describe, expect, it } from 'vitest'
import { EAGAIN, EINTR, ENXIO, EPIPE, ESPIPE, isErr, PAGE_SIZE, WouldSleep } from '../../base/index.ts'
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT } from './constants.ts'
import { fileRead, fileReadTry, fileWrite, fileWriteTry } from './fileIo.ts'
import { KernelUio } from './kernelUio.ts'
import { openAt, openVnode } from './open.ts'
import type { OpenFile } from './openFile.ts'
import { makePipe, PIPE_PAGES, waitForOtherEnd } from './pipe.ts'
import { fileSeek } from './seek.ts'
import { freeFrames, makeTestSystem, open, readText, start, textBytes, write } from './testFiles.ts'
import { makeNode } from './tree.ts'

const CAPACITY = PIPE_PAGES * PAGE_SIZE

describe('a pipe', () => {
  const system = makeTestSystem()
  const { files } = system
  const uio = (bytes: Uint8Array | string | number): KernelUio =>
    new KernelUio(
      files,
      typeof bytes === 'string' ? textBytes(bytes) : typeof bytes === 'number' ? new Uint8Array(bytes) : bytes,
    )

  it('gives bytes in order and holds frames only while it holds bytes', () => {
    const before = freeFrames(system)
    const { reader, writer } = makePipe(files, 0)
    let next = 0
    let expected = 0
    for (let round = 0; round < 40; round++) {
      const length = (round * 977) % 9000
      write(
        system,
        writer,
        Uint8Array.from({ length }, () => next++),
      )
      const got = uio(9000)
      while (got.moved < length) expect(fileReadTry(reader, got)).toBeGreaterThan(0)
      expect(got.bytes.subarray(0, length).every((byte) => byte === (expected++ & 255))).toBe(true)
    }
    expect(freeFrames(system)).toBe(before)
    write(system, writer, 'left behind')
    reader.release()
    writer.release()
    expect(freeFrames(system)).toBe(before)
  })
  it('makes a reader wait for bytes, and ends when the last writer is gone', () => {
    const { reader, writer } = makePipe(files, 0)
    expect(fileReadTry(reader, uio(5))).toBe(WouldSleep)
    const to = uio(5)
    const waiting = start(fileRead(reader, to))
    write(system, writer, 'ab')
    waiting.wake()
    expect(waiting.result).toBe(2)
    const last = start(fileRead(reader, uio(5)))
    writer.release()
    last.wake()
    expect(last.result).toBe(0)
    reader.release()
  })
  it('makes a writer wait for room, and takes small writes whole or not at all', () => {
    const { reader, writer } = makePipe(files, 0)
    write(system, writer, new Uint8Array(CAPACITY - 10))
    expect(fileWriteTry(writer, uio(11))).toBe(WouldSleep)
    const small = start(fileWrite(writer, uio(11)))
    expect(small.isAsleep).toBe(true)
    fileReadTry(reader, uio(PAGE_SIZE))
    small.wake()
    expect(small.result).toBe(11)
    const large = start(fileWrite(writer, uio(CAPACITY)))
    expect(large.isAsleep).toBe(true)
    fileReadTry(reader, uio(CAPACITY))
    large.wake()
    expect(large.result).toBe(CAPACITY)
    reader.release()
    writer.release()
  })
  it('opens again without waiting, by its vnode, as /proc/PID/fd does', () => {
    const { reader, writer } = makePipe(files, 0)
    write(system, writer, 'left')
    writer.release()
    const again = openVnode(files, reader.vnode, O_RDONLY) as OpenFile
    expect(start(waitForOtherEnd(again)).result).toBe(0)
    expect(readText(system, again)).toBe('left')
    again.release()
    reader.release()
    expect(files.fifos.size).toBe(0)
  })
  it('does not wait with O_NONBLOCK', () => {
    const { reader, writer } = makePipe(files, O_NONBLOCK)
    expect(fileReadTry(reader, uio(5))).toBe(EAGAIN)
    expect(write(system, writer, new Uint8Array(CAPACITY + 5))).toBe(CAPACITY)
    expect(write(system, writer, 'x')).toBe(EAGAIN)
    reader.release()
    writer.release()
  })
  it('answers EPIPE without readers, EINTR to a signal, ESPIPE to a seek', () => {
    const { reader, writer } = makePipe(files, 0)
    const waiting = start(fileRead(reader, uio(1)))
    waiting.wake('signal')
    expect(waiting.result).toBe(EINTR)
    expect(fileSeek(reader, 0, 0)).toBe(ESPIPE)
    const stuck = start(fileWrite(writer, uio(CAPACITY + 1)))
    reader.release()
    stuck.wake()
    expect(stuck.result).toBe(CAPACITY)
    expect(write(system, writer, 'x')).toBe(EPIPE)
    writer.release()
  })
  it('says what poll wants to know', () => {
    const { reader, writer } = makePipe(files, 0)
    expect([reader.io.poll(reader), writer.io.poll(writer)]).toEqual([0, POLLOUT])
    write(system, writer, new Uint8Array(CAPACITY))
    expect([reader.io.poll(reader), writer.io.poll(writer)]).toEqual([POLLIN, 0])
    writer.reference()
    writer.release()
    writer.release()
    expect(reader.io.poll(reader)).toBe(POLLIN | POLLHUP)
    reader.release()
    const other = makePipe(files, 0)
    other.reader.release()
    expect(other.writer.io.poll(other.writer)).toBe(POLLOUT | POLLERR)
    expect(other.writer.path).toMatch(/^pipe:\[\d+\]$/)
  })
})

describe('a named pipe', () => {
  const system = makeTestSystem()
  makeNode(system.files, system.context, '/fifo', 'pipe', 0o644, 0)
  const opening = (flags: number) => openAt(system.files, system.context, '/fifo', flags, 0)

  it('makes each end wait for the other to be opened', () => {
    const reading = start(opening(O_RDONLY))
    expect(reading.isAsleep).toBe(true)
    const writer = open(system, '/fifo', O_WRONLY)
    reading.wake()
    const reader = reading.result as OpenFile
    write(system, writer, 'through')
    expect(readText(system, reader)).toBe('through')
    reader.release()
    writer.release()
    expect(system.files.fifos.size).toBe(0)
  })
  it('opens at once for both, or without waiting to read; to write it needs a reader', () => {
    open(system, '/fifo', O_RDWR).release()
    const writing = start(opening(O_WRONLY | O_NONBLOCK))
    expect(writing.result).toBe(ENXIO)
    const reader = open(system, '/fifo', O_RDONLY | O_NONBLOCK)
    const writer = open(system, '/fifo', O_WRONLY | O_NONBLOCK)
    expect(isErr(writer)).toBe(false)
    reader.release()
    writer.release()
  })
  it('is given up by an opener that a signal interrupts', () => {
    const reading = start(opening(O_RDONLY))
    reading.wake('signal')
    expect(reading.result).toBe(EINTR)
    expect(system.files.fifos.size).toBe(0)
  })
})

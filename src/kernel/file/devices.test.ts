import { describe, expect, it } from 'vitest'
import { EACCES, EINTR, EINVAL, ENOENT, ENOSPC, ENOTDIR, isErr, WaitQueue, WouldSleep } from '../../base/index.ts'
import { ConsoleDevice } from './console.ts'
import { O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY, POLLHUP, POLLIN, POLLOUT, SEEK_SET } from './constants.ts'
import { DEV_CONSOLE } from './devices.ts'
import { getdents64 } from './directoryIo.ts'
import { fileRead, fileReadTry } from './fileIo.ts'
import { KernelUio } from './kernelUio.ts'
import { mount } from './mount.ts'
import { lookupPath } from './namei.ts'
import { openAt } from './open.ts'
import type { OpenFile } from './openFile.ts'
import { fileSeek } from './seek.ts'
import { statVnode } from './stat.ts'
import { makeTestSystem, ok, open, read, readText, run, start, textBytes, write, type TestSystem } from './testFiles.ts'
import { fixedDir, textFile, TextFs, type GeneratedNode } from './textFs.ts'
import { makeDirectory, makeNode, makeSymlink, removeDirectory } from './tree.ts'

/** One getdents64 call, decoded. */
function readDirectory(system: TestSystem, dir: OpenFile, bytes: number) {
  const uio = new KernelUio(system.files, new Uint8Array(bytes))
  const moved = run(system, getdents64(dir, uio))
  if (isErr(moved)) return moved
  const view = new DataView(uio.bytes.buffer)
  const records: { name: string; type: number; next: number }[] = []
  for (let at = 0; at < moved;) {
    const length = view.getUint16(at + 16, true)
    expect(length % 8).toBe(0)
    const end = uio.bytes.indexOf(0, at + 19)
    const name = String.fromCharCode(...uio.bytes.subarray(at + 19, end))
    records.push({ name, type: uio.bytes[at + 18]!, next: Number(view.getBigInt64(at + 8, true)) })
    at += length
  }
  return records
}

describe('the memory devices', () => {
  const system = makeTestSystem()
  const device = (name: string) => open(system, `/dev/${name}`, O_RDWR)

  it('read as nothing, zeros, or random bytes of the seed, and swallow or refuse', () => {
    expect(read(system, device('null'), 10)).toEqual(new Uint8Array(0))
    expect(read(system, device('zero'), 9000)).toEqual(new Uint8Array(9000))
    expect(read(system, device('full'), 3)).toEqual(new Uint8Array(3))
    const random = ok(read(system, device('urandom'), 9001))
    expect(new Set(random).size).toBe(256)
    const again = makeTestSystem()
    expect(ok(read(again, open(again, '/dev/urandom', O_RDONLY), 9001))).toEqual(random)
    for (const name of ['null', 'zero', 'urandom']) expect(write(system, device(name), 'abc')).toBe(3)
    expect(write(system, device('full'), 'abc')).toBe(ENOSPC)
  })
  it('have the numbers that programs know', () => {
    expect(statVnode(device('null').vnode)).toMatchObject({ mode: 0o020666, rdev: 0x103 })
    expect(system.files.devices.get(device('zero').vnode.rdev)!.mapping).toBe('zero')
  })
})

describe('a console', () => {
  const system = makeTestSystem()
  const written: string[] = []
  const input: (Uint8Array | 'eof')[] = []
  const queue = new WaitQueue('keys')
  const sink = { write: (bytes: Uint8Array) => void written.push(String.fromCharCode(...bytes)) }
  const source = { queue, read: () => input.shift() ?? null }
  system.files.devices.set(DEV_CONSOLE, new ConsoleDevice('console', sink, source, { rows: 24, columns: 80 }))
  makeNode(system.files, system.context, '/console', 'chardev', 0o600, DEV_CONSOLE)
  const file = open(system, '/console', O_RDWR)
  const uio = (bytes: number): KernelUio => new KernelUio(system.files, new Uint8Array(bytes))

  it('passes bytes on in order', () => {
    expect(write(system, file, 'one ')).toBe(4)
    expect(write(system, file, 'x'.repeat(5000))).toBe(5000)
    expect(written.join('')).toBe(`one ${'x'.repeat(5000)}`)
  })
  it('waits for input, keeps what was not asked for, and goes on after an end of file', () => {
    expect(file.io.poll(file)).toBe(POLLOUT)
    expect(fileReadTry(file, uio(3))).toBe(WouldSleep)
    const reading = start(fileRead(file, uio(3)))
    input.push(textBytes('hello'), 'eof', textBytes('more'))
    reading.wake()
    expect(reading.result).toBe(3)
    expect(file.io.poll(file)).toBe(POLLOUT | POLLIN)
    expect(readText(system, file)).toBe('lo')
    expect(file.io.poll(file)).toBe(POLLOUT | POLLIN | POLLHUP)
    expect(readText(system, file)).toBe('')
    expect(readText(system, file)).toBe('more')
    const interrupted = start(fileRead(file, uio(3)))
    interrupted.wake('signal')
    expect(interrupted.result).toBe(EINTR)
  })
})

describe('getdents64', () => {
  const system = makeTestSystem()
  const { files, context } = system
  ok(makeDirectory(files, context, '/d', 0o755))
  ok(makeDirectory(files, context, '/d/sub', 0o755))
  ok(makeNode(files, context, '/d/file', 'file', 0o644, 0))
  ok(makeSymlink(files, context, 'x', '/d/link'))

  it('lists ".", ".." and the names with their types, then nothing', () => {
    const dir = open(system, '/d', O_RDONLY | O_DIRECTORY)
    const records = [
      { name: '.', type: 4, next: 1 },
      { name: '..', type: 4, next: 2 },
      { name: 'sub', type: 4, next: 3 },
      { name: 'file', type: 8, next: 4 },
      { name: 'link', type: 10, next: 5 },
    ]
    expect(readDirectory(system, dir, 4096)).toEqual(records)
    expect(readDirectory(system, dir, 4096)).toEqual([])
    fileSeek(dir, 3, SEEK_SET)
    expect(readDirectory(system, dir, 4096)).toEqual(records.slice(3))
  })
  it('fills the buffer with whole records and goes on from there', () => {
    const dir = open(system, '/d', O_RDONLY)
    expect(readDirectory(system, dir, 23)).toBe(EINVAL)
    expect(readDirectory(system, dir, 50)).toHaveLength(2)
    ok(makeNode(files, context, '/d/late', 'file', 0o644, 0))
    expect(readDirectory(system, dir, 4096)).toHaveLength(3)
    fileSeek(dir, 0, SEEK_SET)
    expect(readDirectory(system, dir, 4096)).toHaveLength(6)
  })
  it('refuses files and removed directories', () => {
    expect(readDirectory(system, open(system, '/d/file', O_RDONLY), 100)).toBe(ENOTDIR)
    const sub = open(system, '/d/sub', O_RDONLY)
    ok(removeDirectory(files, context, '/d/sub'))
    expect(readDirectory(system, sub, 100)).toBe(ENOENT)
  })
})

describe('TextFs', () => {
  const system = makeTestSystem()
  const { files, context } = system
  let value = 'first\n'
  let taken = ''
  const magic: GeneratedNode = { kind: 'link', target: () => 'pipe:[1]', follow: () => lookupPath(context, '/dev') }
  const top = fixedDir({
    value: textFile(() => value),
    knob: {
      kind: 'text',
      permissions: 0o644,
      read: () => '1\n',
      write: (bytes) => ((taken = String.fromCharCode(...bytes)), 0),
    },
    link: { kind: 'link', target: () => 'value' },
    magic,
    dir: fixedDir({ inner: textFile(() => 'x'.repeat(10_000)) }),
  })
  mount(files, new TextFs(files, 'proc', top), ok(makeDirectory(files, context, '/proc', 0o755)))

  it('makes text when reading begins, and keeps it for that reader', () => {
    const file = open(system, '/proc/value', O_RDONLY)
    expect(readText(system, file, 2)).toBe('fi')
    value = 'second\n'
    expect(readText(system, file)).toBe('rst\n')
    fileSeek(file, 0, SEEK_SET)
    expect(readText(system, file)).toBe('second\n')
    expect(readText(system, file)).toBe('')
    expect(ok(read(system, open(system, '/proc/dir/inner', O_RDONLY), 20_000))).toHaveLength(10_000)
    expect(readText(system, open(system, '/proc/link', O_RDONLY))).toBe('second\n')
  })
  it('takes writes where there is somebody to take them', () => {
    expect(write(system, open(system, '/proc/knob', O_WRONLY), '7\n')).toBe(2)
    expect(taken).toBe('7\n')
    expect(run(system, openAt(files, context, '/proc/value', O_RDWR, 0))).toBe(EACCES)
  })
  it('follows magic links to where their text does not lead', () => {
    expect(lookupPath(context, '/proc/magic')).toBe(lookupPath(context, '/dev'))
    expect(lookupPath(context, '/proc/magic/null')).toBe(lookupPath(context, '/dev/null'))
  })
  it('numbers a path the same each time', () => {
    expect(ok(lookupPath(context, '/proc/value')).id).toBe(ok(lookupPath(context, '/proc/value')).id)
    expect(readDirectory(system, open(system, '/proc', O_RDONLY), 4096)).toHaveLength(7)
  })
})

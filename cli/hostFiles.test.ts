import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EROFS,
  isErr,
} from '../src/base/index.ts'
import type { HostFile } from '../src/kernel/file/index.ts'
import { NodeHostFiles } from './hostFiles.ts'

let top: string
let host: NodeHostFiles

// top/shown is shown; top/secret must stay out of reach.
beforeEach(() => {
  top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'host-files-')))
  fs.mkdirSync(path.join(top, 'shown/sub'), { recursive: true })
  fs.mkdirSync(path.join(top, 'shown-too'))
  fs.mkdirSync(path.join(top, 'secrets'))
  fs.writeFileSync(path.join(top, 'secrets/key'), 'secret')
  fs.writeFileSync(path.join(top, 'shown/a.txt'), 'hello')
  fs.writeFileSync(path.join(top, 'shown-too/b.txt'), 'no')
  host = new NodeHostFiles(path.join(top, 'shown'), false)
})
afterEach(() => fs.rmSync(top, { recursive: true }))

const inside = (name: string): string => path.join(top, 'shown', name)
function opened(file: HostFile | number): HostFile {
  if (typeof file === 'number') throw new Error(`open answered ${file}`)
  return file
}
function textOf(name: string): string {
  const file = opened(host.open(name, false))
  const bytes = new Uint8Array(100)
  const length = file.read(bytes, 0)
  file.close()
  return String.fromCharCode(...bytes.subarray(0, length))
}

describe('NodeHostFiles is confined', () => {
  // Every call that takes a path, with a path that it must not obey.
  const calls: Record<string, (at: string) => unknown> = {
    stat: (at) => host.stat(at),
    list: (at) => host.list(at),
    readlink: (at) => host.readlink(at),
    open: (at) => host.open(at, false),
    'open to write': (at) => host.open(at, true),
    create: (at) => host.create(at, 0o644),
    makeDirectory: (at) => host.makeDirectory(at, 0o755),
    makeSymlink: (at) => host.makeSymlink('x', at),
    'makeLink from': (at) => host.makeLink(at, 'stolen'),
    'makeLink to': (at) => host.makeLink('a.txt', at),
    remove: (at) => host.remove(at),
    removeDirectory: (at) => host.removeDirectory(at),
    'rename from': (at) => host.rename(at, 'stolen'),
    'rename to': (at) => host.rename('a.txt', at),
    setPermissions: (at) => host.setPermissions(at, 0o777),
    setTimes: (at) => host.setTimes(at, { sec: 1, nsec: 0 }, { sec: 1, nsec: 0 }),
    syncDirectory: (at) => host.syncDirectory(at),
  }
  for (const [name, call] of Object.entries(calls)) {
    it(`${name}: no "..", no absolute path, no empty component, no NUL`, () => {
      for (const at of [
        '..',
        '../secrets/key',
        'sub/../../secrets/key',
        '/etc/passwd',
        `${top}/secrets/key`,
        'a//b',
        './a.txt',
        'a\0b',
      ])
        expect(call(at), at).toBe(EINVAL)
    })
    it(`${name}: no way through a link that leads out`, () => {
      fs.symlinkSync('../secrets', inside('relative'))
      fs.symlinkSync(path.join(top, 'secrets'), inside('absolute'))
      fs.symlinkSync('../shown-too', inside('neighbour'))
      fs.symlinkSync('relative', inside('twice'))
      for (const at of ['relative/key', 'absolute/key', 'neighbour/b.txt', 'twice/key'])
        expect(call(at), at).toBe(EACCES)
      expect(fs.readdirSync(path.join(top, 'secrets'))).toEqual(['key'])
      expect(fs.statSync(path.join(top, 'secrets/key')).mode & 0o777).not.toBe(0o777)
    })
  }
  it('reads links, and opens, lists and changes nothing through them', () => {
    fs.symlinkSync('../secrets/key', inside('out'))
    fs.symlinkSync('../secrets', inside('outdir'))
    expect(host.readlink('out')).toBe('../secrets/key')
    expect(host.open('out', false)).toBe(ELOOP)
    expect(host.open('out', true)).toBe(ELOOP)
    expect(host.create('out', 0o644)).toBe(EEXIST)
    expect(host.list('outdir')).toBe(EACCES)
    expect(host.setPermissions('out', 0o777)).toBe(ELOOP)
    expect(host.remove('out')).toBe(0)
    expect(fs.readFileSync(path.join(top, 'secrets/key'), 'utf8')).toBe('secret')
  })
  it('may follow links on the way that stay inside', () => {
    fs.writeFileSync(inside('sub/c'), 'there')
    fs.symlinkSync('sub', inside('in'))
    expect(textOf('in/c')).toBe('there')
  })
  it('opens and shows nothing but files, directories and links', () => {
    execFileSync('mkfifo', [inside('fifo')])
    expect(host.stat('fifo')).toBe(ENOENT)
    expect(host.open('fifo', false)).toBe(EACCES)
    expect(host.list('')).toHaveLength(2)
    expect(host.open('sub', false)).toBe(EACCES)
    expect(host.open('sub', true)).toBe(EISDIR)
  })
  it('never makes programs that run as their owner', () => {
    opened(host.create('s', 0o4755)).close()
    host.setPermissions('s', 0o6711)
    expect(fs.statSync(inside('s')).mode & 0o7777).toBe(0o711)
  })
  it('changes nothing if it is read-only', () => {
    const before = fs.statSync(inside('a.txt')).mtimeMs
    host = new NodeHostFiles(inside(''), true)
    const reading = new Set(['stat', 'list', 'readlink', 'open', 'syncDirectory'])
    for (const [name, call] of Object.entries(calls)) if (!reading.has(name)) expect(call('a.txt'), name).toBe(EROFS)
    expect(fs.readdirSync(inside(''))).toEqual(['a.txt', 'sub'])
    expect(fs.statSync(inside('a.txt')).mtimeMs).toBe(before)
    expect(textOf('a.txt')).toBe('hello')
  })
})

describe('NodeHostFiles', () => {
  it('reads, writes and truncates', () => {
    const file = opened(host.create('new', 0o600))
    expect(file.write(Uint8Array.of(1, 2, 3), 5)).toBe(0)
    const bytes = new Uint8Array(20)
    expect(file.read(bytes, 4)).toBe(4)
    expect([...bytes.subarray(0, 4)]).toEqual([0, 1, 2, 3])
    expect(file.truncate(6)).toBe(0)
    expect(file.sync()).toBe(0)
    expect(file.stat()).toMatchObject({ kind: 'file', sizeBytes: 6, permissions: 0o600, nlink: 1 })
    expect(host.remove('new')).toBe(0)
    expect(file.read(bytes, 0)).toBe(6)
    file.close()
  })
  it('gives every file one key, whatever its name', () => {
    expect(host.makeLink('a.txt', 'sub/b')).toBe(0)
    const one = host.stat('a.txt')
    expect(host.stat('sub/b')).toEqual(one)
    expect(host.rename('a.txt', 'c')).toBe(0)
    expect(host.stat('c')).toMatchObject({ key: isErr(one) ? '' : one.key })
  })
  it('answers with the error numbers of the calls', () => {
    expect(host.stat('none')).toBe(ENOENT)
    expect(host.stat('a.txt/x')).toBe(ENOTDIR)
    expect(host.create('a.txt', 0o644)).toBe(EEXIST)
    fs.writeFileSync(inside('sub/x'), '')
    expect(host.removeDirectory('sub')).toBe(ENOTEMPTY)
    expect(host.remove('')).toBe(EBUSY)
    expect(() => new NodeHostFiles(inside('none'), true)).toThrow(/ENOENT/)
    expect(() => new NodeHostFiles(inside('a.txt'), true)).toThrow(/ENOTDIR/)
  })
  it('keeps every byte of a name', () => {
    const raw = Buffer.concat([Buffer.from(inside('')), Buffer.of(0x2f, 0xff, 0x61, 0xc3, 0xa9)])
    fs.writeFileSync(raw, 'odd')
    const entries = host.list('')
    const name = isErr(entries) ? '' : entries.find((entry) => entry.name.endsWith('é'))!.name
    expect(name).toBe('\udcffaé')
    expect(textOf(name)).toBe('odd')
  })
  it('keeps times to the nanosecond when reading, and sets them', () => {
    expect(host.setTimes('a.txt', { sec: 5, nsec: 0 }, { sec: 1000, nsec: 500_000_000 })).toBe(0)
    expect(host.stat('a.txt')).toMatchObject({ atime: { sec: 5 }, mtime: { sec: 1000, nsec: 500_000_000 } })
  })
})

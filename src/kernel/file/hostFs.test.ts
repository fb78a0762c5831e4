import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EACCES, EIO, ENOENT, EOPNOTSUPP, EROFS, PAGE_SIZE, type Pfn, WouldSleep } from '../../base/index.ts'
import { PGO_CLEANIT, PGO_SYNCIO } from '../object/index.ts'
import { closeFile } from './close.ts'
import { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, SEEK_SET } from './constants.ts'
import { getdents64 } from './directoryIo.ts'
import { fileAllocate } from './fallocate.ts'
import { filePread, filePwrite, fileReadTry } from './fileIo.ts'
import { HostFs } from './hostFs.ts'
import { KernelUio, readBytes } from './kernelUio.ts'
import { mount } from './mount.ts'
import { lookupPath } from './namei.ts'
import { openAt } from './open.ts'
import { fileSeek } from './seek.ts'
import { fileSync, shrinkFileCache, syncAll } from './sync.ts'
import {
  freeFrames,
  makeTestSystem,
  ok,
  open,
  read,
  readText,
  run,
  sameBytes,
  start,
  textBytes,
  write,
} from './testFiles.ts'
import { verifyVnode } from './verify.ts'
import { TestHost } from './testHost.ts'
import { makeDirectory, makeLink, makeSymlink, renamePath, unlinkPath } from './tree.ts'
import { truncateVnode } from './truncate.ts'

function makeHost(isReadOnly: boolean) {
  const system = makeTestSystem()
  const host = new TestHost()
  host.put('a.txt', textBytes('hello'))
  host.put(
    'sub/big',
    Uint8Array.from({ length: 100_000 }, (_, i) => i * 7),
  )
  const at = ok(makeDirectory(system.files, system.context, '/h', 0o755))
  const fs = new HostFs(system.files, host, { isReadOnly, latencyNs: 1000, bytesPerSecond: 1e9 })
  mount(system.files, fs, at)
  return { ...system, host, fs }
}

describe('HostFs, reading', () => {
  it('brings bytes in windows, with the latency of the device', () => {
    const system = makeHost(true)
    const file = open(system, '/h/sub/big', O_RDONLY)
    const { clock } = system.machine
    const before = clock.now
    expect(fileReadTry(file, new KernelUio(system.files, new Uint8Array(10)))).toBe(WouldSleep)
    expect(ok(read(system, file, 10))).toEqual(system.host.bytes('sub/big').slice(0, 10))
    expect(clock.now - before).toBe(1000 + 4 * PAGE_SIZE)
    expect(system.host.reads).toBe(1)
    // The neighbours came with it: no more time passes for them, and the next window is on its way.
    expect(ok(run(system, readBytes(file, 4000, 10_000)))).toEqual(system.host.bytes('sub/big').slice(4000, 14_000))
    expect(clock.now - before).toBe(1000 + 4 * PAGE_SIZE)
    expect(ok(run(system, readBytes(file, 16_384, 4096)))).toEqual(system.host.bytes('sub/big').slice(16_384, 20_480))
    expect(system.host.reads).toBe(2)
    expect(ok(run(system, readBytes(file, 0, 200_000)))).toEqual(system.host.bytes('sub/big'))
    verifyVnode(system.files, file.vnode)
  })
  it('lets two readers of one window share a request', () => {
    const system = makeHost(true)
    const file = open(system, '/h/sub/big', O_RDONLY)
    const object = file.vnode.object!
    const first = start(object.pager.get(object, 1, 1))
    const second = start(object.pager.get(object, 2, 1))
    system.machine.clock.advanceTo(1e6)
    first.wake()
    second.wake()
    expect([first.result, second.result]).toEqual([object.pageAt(1), object.pageAt(2)])
    expect(system.host.reads).toBe(1)
  })
  it('sees a truncation that happened during the read', () => {
    const system = makeHost(false)
    const file = open(system, '/h/sub/big', O_RDWR)
    const object = file.vnode.object!
    const reader = start(object.pager.get(object, 3, 1))
    run(system, truncateVnode(system.files, file.vnode, 2 * PAGE_SIZE))
    system.machine.clock.advanceTo(1e6)
    reader.wake()
    expect(reader.result).toBe(-22)
    verifyVnode(system.files, file.vnode)
  })
  it('tells of errors, and reads again later', () => {
    const system = makeHost(true)
    const file = open(system, '/h/a.txt', O_RDONLY)
    system.host.failure = EIO
    expect(read(system, file, 10)).toBe(EIO)
    system.host.failure = 0
    expect(readText(system, file)).toBe('hello')
  })
  it('lists names in an order of its own and numbers files by the order of looking', () => {
    const system = makeHost(true)
    for (const name of ['z', 'b', 'm']) system.host.put(name, textBytes(name))
    const dir = open(system, '/h', O_RDONLY)
    const uio = new KernelUio(system.files, new Uint8Array(4096))
    run(system, getdents64(dir, uio))
    const names: string[] = []
    const view = new DataView(uio.bytes.buffer)
    for (let at = 0; at < uio.moved; at += view.getUint16(at + 16, true)) {
      let name = ''
      for (let i = at + 19; uio.bytes[i] !== 0; i++) name += String.fromCharCode(uio.bytes[i]!)
      names.push(name)
    }
    expect(names).toEqual(['.', '..', 'a.txt', 'b', 'm', 'sub', 'z'])
    expect(ok(lookupPath(system.context, '/h/a.txt')).id).toBe(2)
  })
  it('takes over what changed on the host when nobody uses the file', () => {
    const system = makeHost(true)
    const file = open(system, '/h/a.txt', O_RDONLY)
    readText(system, file)
    system.host.put('a.txt', textBytes('changed there'))
    fileSeek(file, 0, SEEK_SET)
    expect(readText(system, file)).toBe('hello')
    file.release()
    expect(readText(system, open(system, '/h/a.txt', O_RDONLY))).toBe('changed there')
  })
  it('refuses every change when it is read-only', () => {
    const system = makeHost(true)
    const { files, context } = system
    for (const flags of [O_RDWR, O_WRONLY, O_TRUNC])
      expect(run(system, openAt(files, context, '/h/a.txt', flags, 0))).toBe(EROFS)
    expect(run(system, openAt(files, context, '/h/new', O_RDWR | O_CREAT, 0o644))).toBe(EROFS)
    expect(makeDirectory(files, context, '/h/d', 0o755)).toBe(EROFS)
    expect(makeSymlink(files, context, 'x', '/h/l')).toBe(EROFS)
    expect(unlinkPath(files, context, '/h/a.txt')).toBe(EROFS)
    expect(renamePath(files, context, '/h/a.txt', context, '/h/b', 0)).toBe(EROFS)
  })
  it('keeps no host file open that nobody uses', () => {
    const system = makeHost(false)
    const file = open(system, '/h/a.txt', O_RDWR)
    expect(system.host.openFiles).toBe(1)
    run(system, closeFile(file))
    const fresh = open(system, '/h/new', O_RDWR | O_CREAT)
    fresh.release()
    expect(system.host.openFiles).toBe(0)
  })
  it('gives clean pages back when memory is short, mapped and used ones last', () => {
    const system = makeHost(false)
    const file = open(system, '/h/sub/big', O_RDWR)
    run(system, readBytes(file, 0, 100_000))
    run(system, filePwrite(file, new KernelUio(system.files, textBytes('x')), 0))
    const before = freeFrames(system)
    expect(shrinkFileCache(system.files, 3)).toBe(3)
    expect(shrinkFileCache(system.files, 1000)).toBe(21)
    expect(freeFrames(system)).toBe(before + 24)
    expect(file.vnode.object!.nrPages).toBe(1)
    expect(ok(run(system, readBytes(file, 90_000, 10)))).toEqual(system.host.bytes('sub/big').slice(90_000, 90_010))
  })
})

describe('HostFs, writing', () => {
  it('writes back on close, durable only after fsync', () => {
    const system = makeHost(false)
    const file = open(system, '/h/a.txt', O_RDWR)
    write(system, file, 'HE')
    expect(system.host.bytes('a.txt')).toEqual(textBytes('hello'))
    expect(run(system, closeFile(file))).toBe(0)
    expect(system.host.bytes('a.txt')).toEqual(textBytes('HEllo'))
    expect(system.host.durableBytes('a.txt')).toEqual(textBytes('hello'))
    const again = open(system, '/h/a.txt', O_RDWR)
    write(system, again, 'he')
    expect(run(system, fileSync(again))).toBe(0)
    expect(system.host.durableBytes('a.txt')).toEqual(textBytes('hello'))
    write(system, again, '!!')
    run(system, fileSync(again))
    expect(system.host.durableBytes('a.txt')).toEqual(textBytes('he!!o'))
  })
  it('makes the name of a new file durable too', () => {
    const system = makeHost(false)
    const file = open(system, '/h/sub/new', O_RDWR | O_CREAT)
    expect(run(system, fileSync(file))).toBe(0)
    expect(system.host.syncs).toBe(2)
  })
  it('writes what a mapping has stored', () => {
    const system = makeHost(false)
    const file = open(system, '/h/sub/big', O_RDWR)
    const object = file.vnode.object!
    const page = ok(run(system, object.pager.get(object, 1, 2))) as Pfn
    object.pager.pageDirtied(object, 1, page)
    system.machine.memory.u8[system.machine.memory.frameOffset(page)] = 99
    expect(run(system, object.pager.put!(object, 0, 5, PGO_CLEANIT | PGO_SYNCIO))).toBe(0)
    expect(system.host.durableBytes('sub/big')[PAGE_SIZE]).toBe(99)
    expect(system.host.writes).toBe(1)
  })
  it('reports a failed write once to each file that was open, and by close', () => {
    const system = makeHost(false)
    const one = open(system, '/h/a.txt', O_RDWR)
    const two = open(system, '/h/a.txt', O_RDWR)
    write(system, one, 'x')
    system.host.failure = EIO
    expect(run(system, fileSync(one))).toBe(EIO)
    system.host.failure = 0
    expect(run(system, fileSync(two))).toBe(EIO)
    expect([run(system, fileSync(one)), run(system, fileSync(two))]).toEqual([0, 0])
    expect(run(system, fileSync(open(system, '/h/a.txt', O_RDONLY)))).toBe(0)
    one.release()
    write(system, two, 'y')
    system.host.failure = EIO
    expect(run(system, closeFile(open(system, '/h/a.txt', O_RDWR)))).toBe(EIO)
  })
  it('writes what the last user left behind, even without close', () => {
    const system = makeHost(false)
    const file = open(system, '/h/a.txt', O_RDWR)
    const object = file.vnode.object!
    object.pager.reference(object)
    const page = ok(run(system, object.pager.get(object, 0, 2))) as Pfn
    file.release()
    system.machine.memory.u8[system.machine.memory.frameOffset(page)] = 0x4a
    object.pager.pageDirtied(object, 0, page)
    object.pager.detach(object)
    expect(system.host.bytes('a.txt')).toEqual(textBytes('Jello'))
    expect(system.host.openFiles).toBe(0)
  })
  it('keeps an unlinked file readable and writable for those who have it', () => {
    const system = makeHost(false)
    const file = open(system, '/h/sub/big', O_RDWR)
    ok(unlinkPath(system.files, system.context, '/h/sub/big'))
    expect(lookupPath(system.context, '/h/sub/big')).toBe(ENOENT)
    expect(ok(read(system, file, 3))).toEqual(Uint8Array.of(0, 7, 14))
    write(system, file, 'x')
    expect(run(system, fileSync(file))).toBe(0)
    run(system, closeFile(file))
    expect(system.host.openFiles).toBe(0)
  })
  it('moves, links and makes names on the host', () => {
    const system = makeHost(false)
    const { files, context, host } = system
    ok(makeDirectory(files, context, '/h/d', 0o700))
    ok(renamePath(files, context, '/h/sub', context, '/h/d/moved', 0))
    expect(host.bytes('d/moved/big').length).toBe(100_000)
    const file = open(system, '/h/d/moved/big', O_RDWR)
    ok(makeLink(files, context, file.vnode, '/h/link'))
    write(system, file, 'zz')
    run(system, fileSync(file))
    expect(host.bytes('link').slice(0, 2)).toEqual(textBytes('zz'))
    expect(ok(lookupPath(context, '/h/link'))).toBe(file.vnode)
    ok(makeSymlink(files, context, '/h/a.txt', '/h/s'))
    expect(readText(system, open(system, '/h/s', O_RDONLY))).toBe('hello')
    expect(run(system, fileAllocate(file, 0, 0, 10))).toBe(EOPNOTSUPP)
  })
  it('walks links of the host in its own tree: they lead nowhere else', () => {
    const system = makeHost(false)
    system.host.makeSymlink('../../../../h/a.txt', 'sub/up')
    system.host.makeSymlink('/etc/passwd', 'sub/out')
    expect(readText(system, open(system, '/h/sub/up', O_RDONLY))).toBe('hello')
    expect(lookupPath(system.context, '/h/sub/out')).toBe(ENOENT)
  })
  it('does not use a file that took the name of the one looked up', () => {
    const system = makeHost(false)
    const vnode = ok(lookupPath(system.context, '/h/a.txt'))
    system.host.remove('a.txt')
    system.host.put('a.txt', textBytes('other'))
    expect(system.fs.hostFile(vnode, false)).toBe(EIO)
  })
  it('syncAll writes every file', () => {
    const system = makeHost(false)
    const file = open(system, '/h/a.txt', O_RDWR)
    write(system, file, 'J')
    const closed = open(system, '/h/sub/new', O_RDWR | O_CREAT)
    write(system, closed, 'closed already')
    run(system, closeFile(closed))
    expect(system.host.durableBytes('sub/new')).toEqual(textBytes(''))
    run(system, syncAll(system.files))
    expect(system.host.durableBytes('a.txt')).toEqual(textBytes('Jello'))
    expect(system.host.durableBytes('sub/new')).toEqual(textBytes('closed already'))
    expect(system.host.openFiles).toBe(1)
  })
  it('shows a directory that cannot be read as one that refuses', () => {
    const system = makeTestSystem()
    const host = new TestHost()
    host.stat = () => EACCES
    const fs = new HostFs(system.files, host)
    mount(system.files, fs, ok(makeDirectory(system.files, system.context, '/h', 0o755)))
    expect(lookupPath(system.context, '/h/x')).toBe(EACCES)
  })
})

describe('a HostFs file against an array of bytes', () => {
  const step = fc.record({
    op: fc.constantFrom('write', 'read', 'truncate', 'sync', 'shrink', 'reopen'),
    at: fc.oneof(fc.nat(90_000), fc.constantFrom(4096, 65536, 8191)),
    length: fc.oneof(fc.nat(9000), fc.constantFrom(1, 4096)),
    fill: fc.integer({ min: 1, max: 255 }),
  })
  it('agrees under any sequence of calls, and the host ends with the same bytes', () => {
    const system = makeHost(false)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let file = open(system, '/h/f', O_RDWR | O_CREAT | O_TRUNC)
        let model = new Uint8Array(0)
        const resize = (size: number): void => {
          const next = new Uint8Array(size)
          next.set(model.subarray(0, size))
          model = next
        }
        for (const { op, at, length, fill } of steps) {
          if (op === 'write' && length > 0) {
            const bytes = new Uint8Array(length).fill(fill)
            expect(run(system, filePwrite(file, new KernelUio(system.files, bytes), at))).toBe(length)
            if (at + length > model.length) resize(at + length)
            model.set(bytes, at)
          } else if (op === 'truncate') {
            expect(run(system, truncateVnode(system.files, file.vnode, at))).toBe(0)
            resize(at)
          } else if (op === 'sync') {
            expect(run(system, fileSync(file))).toBe(0)
            expect(sameBytes(system.host.durableBytes('f'), model)).toBe(true)
          } else if (op === 'shrink') shrinkFileCache(system.files, length)
          else if (op === 'reopen') {
            expect(run(system, closeFile(file))).toBe(0)
            file = open(system, '/h/f', O_RDWR)
          } else {
            const uio = new KernelUio(system.files, new Uint8Array(length))
            const moved = ok(run(system, filePread(file, uio, at)))
            expect(sameBytes(uio.bytes.subarray(0, moved), model.subarray(at, at + length))).toBe(true)
          }
          verifyVnode(system.files, file.vnode)
        }
        expect(sameBytes(ok(run(system, readBytes(file, 0, 200_000))), model)).toBe(true)
        expect(run(system, closeFile(file))).toBe(0)
        expect(sameBytes(system.host.bytes('f'), model)).toBe(true)
        expect(system.host.openFiles).toBe(0)
      }),
      { numRuns: 60 },
    )
  })
})

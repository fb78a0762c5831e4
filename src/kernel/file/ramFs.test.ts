import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  PAGE_SIZE,
  WouldSleep,
  type OrErr,
  type Sleep,
} from '../../base/index.ts'
import {
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  MAX_FILE_BYTES,
  MFD_ALLOW_SEALING,
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from './constants.ts'
import { fileAllocate } from './fallocate.ts'
import { filePread, filePwrite, fileReadTry, fileWriteTry } from './fileIo.ts'
import { KernelUio } from './kernelUio.ts'
import { addSeals, createMemfd, createShmemObject, getSeals } from './memoryFile.ts'
import { fileSeek } from './seek.ts'
import { statVnode } from './stat.ts'
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
import { unlinkPath } from './tree.ts'
import { truncateVnode } from './truncate.ts'
import type { Uio } from './uio.ts'
import type { OpenFile } from './openFile.ts'

describe('a RamFs file against a Map of bytes', () => {
  const position = fc.oneof(fc.nat(40_000), fc.constantFrom(4095, 4096, 4097, 8191, 8192, 12288))
  const step = fc.record({
    op: fc.constantFrom('write', 'read', 'truncate', 'append', 'punch', 'allocate'),
    at: position,
    length: fc.oneof(fc.nat(9000), fc.constantFrom(1, 4096, 8192)),
    fill: fc.integer({ min: 1, max: 255 }),
  })

  it('agrees under any sequence of writes, reads, truncations, holes and allocations', () => {
    const system = makeTestSystem()
    const before = freeFrames(system)
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const file = open(system, '/f', O_RDWR | O_CREAT)
        const model = new Map<number, number>()
        let size = 0
        const put = (at: number, length: number, byte: number): void => {
          for (let i = at; i < at + length; i++) model.set(i, byte)
          size = Math.max(size, at + length)
        }
        const content = (at: number, length: number): Uint8Array =>
          Uint8Array.from({ length: Math.max(0, Math.min(length, size - at)) }, (_, i) => model.get(at + i) ?? 0)
        for (const { op, at, length, fill } of steps) {
          const bytes = new Uint8Array(length).fill(fill)
          if (op === 'write') {
            expect(run(system, filePwrite(file, new KernelUio(system.files, bytes), at))).toBe(length)
            if (length > 0) put(at, length, fill)
          } else if (op === 'append') {
            fileSeek(file, 0, SEEK_END)
            expect(write(system, file, bytes)).toBe(length)
            put(size, length, fill)
          } else if (op === 'truncate') {
            expect(run(system, truncateVnode(system.files, file.vnode, at))).toBe(0)
            for (const i of model.keys()) if (i >= at) model.delete(i)
            size = at
          } else if (op === 'punch') {
            const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
            expect(run(system, fileAllocate(file, mode, at, length + 1))).toBe(0)
            for (let i = at; i <= at + length; i++) model.delete(i)
          } else if (op === 'allocate') {
            const mode = fill % 2 === 0 ? FALLOC_FL_KEEP_SIZE : 0
            expect(run(system, fileAllocate(file, mode, at, length + 1))).toBe(0)
            if (mode === 0) size = Math.max(size, at + length + 1)
          } else {
            const uio = new KernelUio(system.files, bytes)
            const moved = ok(run(system, filePread(file, uio, at)))
            expect(sameBytes(uio.bytes.subarray(0, moved), content(at, length))).toBe(true)
          }
          expect(file.vnode.size).toBe(size)
          verifyVnode(system.files, file.vnode)
        }
        fileSeek(file, 0, SEEK_SET)
        expect(sameBytes(ok(read(system, file, 60_000)), content(0, 60_000))).toBe(true)
        ok(unlinkPath(system.files, system.context, '/f'))
        file.release()
      }),
      { numRuns: 60 },
    )
    expect(freeFrames(system)).toBe(before)
  })
})

describe('reading and writing', () => {
  const system = makeTestSystem()

  it('moves the position, and stops at the end of the file', () => {
    const file = open(system, '/a', O_RDWR | O_CREAT | O_TRUNC)
    expect(write(system, file, 'hello, world')).toBe(12)
    expect(file.offset).toBe(12)
    expect(fileSeek(file, -5, SEEK_CUR)).toBe(7)
    expect(readText(system, file)).toBe('world')
    expect(readText(system, file)).toBe('')
    file.release()
  })
  it('appends with O_APPEND wherever the position is, also in pwrite', () => {
    const file = open(system, '/a', O_RDWR | O_CREAT | O_TRUNC | O_APPEND)
    write(system, file, 'one')
    fileSeek(file, 0, SEEK_SET)
    write(system, file, 'two')
    expect(file.offset).toBe(6)
    run(system, filePwrite(file, new KernelUio(system.files, textBytes('!')), 0))
    fileSeek(file, 0, SEEK_SET)
    expect(readText(system, file)).toBe('onetwo!')
    file.release()
  })
  it('refuses what the file was not opened for', () => {
    const file = open(system, '/a', O_WRONLY | O_CREAT)
    expect(read(system, file, 1)).toBe(EBADF)
    file.release()
    const reader = open(system, '/a', O_RDONLY)
    expect(write(system, reader, 'x')).toBe(EBADF)
    reader.release()
    const dir = open(system, '/', O_RDONLY)
    expect(read(system, dir, 1)).toBe(EISDIR)
    dir.release()
  })
  it('keeps positions exact to 2^53 - 1 and refuses more', () => {
    const file = open(system, '/big', O_RDWR | O_CREAT)
    const far = new KernelUio(system.files, textBytes('ab'))
    expect(run(system, filePwrite(file, far, MAX_FILE_BYTES - 1))).toBe(1)
    expect(file.vnode.size).toBe(MAX_FILE_BYTES)
    expect(statVnode(file.vnode).blocks).toBe(8)
    expect(run(system, filePwrite(file, far, MAX_FILE_BYTES))).toBe(EFBIG)
    expect(fileSeek(file, 0, SEEK_DATA)).toBe(MAX_FILE_BYTES - (MAX_FILE_BYTES % PAGE_SIZE))
    run(system, truncateVnode(system.files, file.vnode, 0))
    file.release()
  })
  it('reads a hole without allocating, and faults a page of zeros in', () => {
    const file = open(system, '/hole', O_RDWR | O_CREAT)
    run(system, truncateVnode(system.files, file.vnode, 10 * PAGE_SIZE))
    const before = freeFrames(system)
    expect(ok(read(system, file, 5000))).toEqual(new Uint8Array(5000))
    expect(freeFrames(system)).toBe(before)
    const object = file.vnode.object!
    const page = ok(object.pager.getTry(object, 3, 1) as number)
    expect(object.pageAt(3)).toBe(page)
    expect(object.pager.getTry(object, 10, 1)).toBe(EINVAL)
    expect([fileSeek(file, 0, SEEK_DATA), fileSeek(file, 3 * PAGE_SIZE + 5, SEEK_HOLE)]).toEqual([
      3 * PAGE_SIZE,
      4 * PAGE_SIZE,
    ])
    expect(fileSeek(file, 4 * PAGE_SIZE, SEEK_DATA)).toBe(ENXIO)
    file.release()
  })
  it('shows bytes that a mapping stored beyond the end when it grows, as the real kernel does (S72)', () => {
    const file = open(system, '/tail', O_RDWR | O_CREAT)
    write(system, file, 'abc')
    const offset = system.machine.memory.frameOffset(file.vnode.object!.pageAt(0))
    system.machine.memory.u8.fill(7, offset + 3, offset + PAGE_SIZE)
    run(system, truncateVnode(system.files, file.vnode, 6))
    fileSeek(file, 0, SEEK_SET)
    expect(ok(read(system, file, 10))).toEqual(Uint8Array.of(97, 98, 99, 7, 7, 7))
    file.release()
  })
  it('frees the pages of an unlinked file with its last holder', () => {
    const before = freeFrames(system)
    const file = open(system, '/gone', O_RDWR | O_CREAT)
    write(system, file, new Uint8Array(3 * PAGE_SIZE))
    ok(unlinkPath(system.files, system.context, '/gone'))
    expect(file.path).toBe('/gone (deleted)')
    expect(freeFrames(system)).toBe(before - 3)
    const object = file.vnode.object!
    object.pager.reference(object)
    file.release()
    expect(freeFrames(system)).toBe(before - 3)
    object.pager.detach(object)
    expect(freeFrames(system)).toBe(before)
    expect(system.files.objects.byId.has(object.id)).toBe(false)
  })
  it('makes nameless files with O_TMPFILE', () => {
    const file = open(system, '/', O_RDWR | O_TMPFILE)
    expect(file.vnode.nlink).toBe(0)
    expect(write(system, file, 'x')).toBe(1)
    file.release()
  })
})

/** A user buffer whose first page is missing until it is faulted in, and whose bytes from `limit` on never are there. */
class PatchyUio extends KernelUio {
  isPresent = false
  faults = 0
  limit = Infinity
  override moveTo(memOffset: number, bytes: number): number {
    return this.isPresent ? super.moveTo(memOffset, Math.min(bytes, this.limit - this.moved)) : 0
  }
  override moveFrom(memOffset: number, bytes: number): number {
    return this.isPresent ? super.moveFrom(memOffset, Math.min(bytes, this.limit - this.moved)) : 0
  }
  override *faultIn(): Sleep<OrErr<0>> {
    this.faults++
    if (this.moved >= this.limit) return EFAULT
    this.isPresent = true
    return 0
  }
}

describe('the Try forms', () => {
  const system = makeTestSystem()
  const file: OpenFile = open(system, '/t', O_RDWR | O_CREAT)
  const uio = (bytes: Uint8Array): PatchyUio => new PatchyUio(system.files, bytes)

  it('would sleep where a user page is missing, and have changed nothing', () => {
    const from: Uio = uio(textBytes('abc'))
    expect(fileWriteTry(file, from)).toBe(WouldSleep)
    expect([file.vnode.size, file.offset, file.vnode.object!.pages.size, from.resid]).toEqual([0, 0, 0, 3])
    write(system, file, 'abc')
    fileSeek(file, 0, SEEK_SET)
    expect(fileReadTry(file, uio(new Uint8Array(3)))).toBe(WouldSleep)
    expect(file.offset).toBe(0)
  })
  it('move what is there', () => {
    const to = new KernelUio(system.files, new Uint8Array(8))
    expect(fileReadTry(file, to)).toBe(3)
    expect(fileReadTry(file, to)).toBe(0)
  })
  it('leave to the generators what must wait, and these report EFAULT only if nothing was moved', () => {
    const from = uio(textBytes('abcdef'))
    from.limit = 4
    expect(run(system, filePwrite(file, from, 0))).toBe(4)
    const nowhere = uio(textBytes('abcdef'))
    nowhere.limit = 0
    expect(run(system, filePwrite(file, nowhere, 9))).toBe(EFAULT)
    expect(file.vnode.size).toBe(4)
  })
  it('wait for the inode lock', () => {
    expect(file.vnode.lock.tryAcquire()).toBe(true)
    expect(fileWriteTry(file, new KernelUio(system.files, textBytes('x')))).toBe(WouldSleep)
    const writer = start(filePwrite(file, new KernelUio(system.files, textBytes('x')), 0))
    expect(writer.isAsleep).toBe(true)
    file.vnode.lock.release()
    writer.wake()
    expect(writer.result).toBe(1)
  })
})

describe('memory files', () => {
  const system = makeTestSystem()
  const { files } = system
  const init = { permissions: 0o777, uid: 0, gid: 0, time: files.now() }

  it('are sealed unless they may be', () => {
    const file = ok(createMemfd(files, 'x', 0, init))
    expect(file.path).toBe('/memfd:x (deleted)')
    expect(getSeals(file)).toBe(F_SEAL_SEAL)
    expect(addSeals(file, F_SEAL_WRITE)).toBe(EPERM)
    file.release()
    expect(createMemfd(files, 'x'.repeat(250), 0, init)).toBe(EINVAL)
    expect(createMemfd(files, '', 4, init)).toBe(EINVAL)
  })
  it('obey their seals', () => {
    const file = ok(createMemfd(files, 'x', MFD_ALLOW_SEALING, init))
    write(system, file, 'abcd')
    expect(addSeals(file, F_SEAL_GROW)).toBe(0)
    expect(write(system, file, 'e')).toBe(EPERM)
    expect(run(system, filePwrite(file, new KernelUio(files, textBytes('CDEF')), 2))).toBe(2)
    expect(run(system, truncateVnode(files, file.vnode, 5))).toBe(EPERM)
    expect(run(system, truncateVnode(files, file.vnode, 3))).toBe(0)
    expect(addSeals(file, F_SEAL_SHRINK | F_SEAL_WRITE)).toBe(0)
    expect(run(system, truncateVnode(files, file.vnode, 1))).toBe(EPERM)
    expect(run(system, filePwrite(file, new KernelUio(files, textBytes('C')), 0))).toBe(EPERM)
    expect(run(system, fileAllocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4))).toBe(EPERM)
    expect(run(system, fileAllocate(file, 0x10, 0, 4))).toBe(EOPNOTSUPP)
    file.release()
  })
  it('are shared anonymous memory, freed with the last reference', () => {
    const before = freeFrames(system)
    const object = createShmemObject(files, 3 * PAGE_SIZE)
    for (const i of [0, 1, 2]) object.pager.getTry(object, i, 2)
    expect(object.pager.getTry(object, 3, 2)).toBe(EINVAL)
    expect(freeFrames(system)).toBe(before - 3)
    object.pager.detach(object)
    expect(freeFrames(system)).toBe(before)
  })
})

// Reading, faulting and writing of files, against the scenarios of the page-cache specification. The file system of
// these tests reads page by page from an array in which byte k is pat(k); a page can be bad, and reads can be deferred.

import { beforeEach, describe, expect, it } from 'vitest'
import { EFAULT, EIO, PAGE_SIZE, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import {
  BackingDevice,
  lruAddDrainAll,
  unlockPage,
  putCachePage,
  verifyPageCache,
  type FileOps,
} from '../pagecache/index.ts'
import {
  failNthAllocation,
  PG_active,
  PG_dirty,
  PG_error,
  PG_readahead,
  PG_referenced,
  PG_uptodate,
} from '../phys/index.ts'
import { O_APPEND, O_RDWR } from './constants.ts'
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_TRIED,
  filemapFault,
  type FileFault,
} from './filemapFault.ts'
import { genericFileReadIter, type FileIocb } from './genericFileRead.ts'
import { genericFileWriteIter } from './genericFileWrite.ts'
import { KernelUio } from './kernelUio.ts'
import { openVnode } from './open.ts'
import type { OpenFile } from './openFile.ts'
import { makeTestSystem, ok, run, start, type TestSystem } from './testFiles.ts'
import type { Uio } from './uio.ts'
import { newFileObject, type FileObject, type FilePager } from './vnodePager.ts'

const P = PAGE_SIZE
const pat = (k: number): number => (7 * k + 13 * Math.floor(k / P)) % 256

let system: TestSystem
beforeEach(() => (system = makeTestSystem()))

/** A file on a disk of the test. */
class DiskFile {
  readonly object: FileObject
  readonly file: OpenFile
  readonly reads: number[] = []
  readonly bad = new Set<number>()
  /** Pages whose read waits for `complete`; null: reads are done at once. */
  deferred: Pfn[] | null = null

  constructor(sizeBytes: number, raPages = 32, flags = O_RDWR) {
    const { files } = system
    const vnode = ok(files.shm.createNameless({ kind: 'file', permissions: 0o644, uid: 0, gid: 0, time: files.now() }))
    const disk = this
    const ops: FileOps = {
      // oxlint-disable-next-line require-yield
      *readPage(_object, page): Sleep<number> {
        disk.reads.push(disk.indexOf(page))
        if (disk.deferred === null) disk.complete(page)
        else disk.deferred.push(page)
        return 0
      },
    }
    const stored = sizeBytes
    const unused = { absentIsZero: false, notifiesWrites: true, fillsNeighbours: false } as const
    const pager = {
      ...files.ramPager,
      ...unused,
      ops,
      device: new BackingDevice('bdi0', 0, raPages),
      hasStored: (_object: FileObject, pgoff: number) => pgoff * P < stored,
    } as unknown as FilePager
    this.object = newFileObject(files, pager, vnode)
    this.object.sizeBytes = sizeBytes
    vnode.object = this.object
    this.file = ok(openVnode(files, vnode, flags))
  }
  indexOf(page: Pfn): number {
    return system.phys.frames.pgoff[system.phys.frames.frameOf(page)]!
  }
  complete(page: Pfn): void {
    const { frames } = system.phys
    const f = frames.frameOf(page)
    const index = this.indexOf(page)
    if (this.bad.has(index)) frames.flags[f]! |= PG_error
    else {
      const bytes = this.bytes(index)
      for (let k = 0; k < P; k++) bytes[k] = index * P + k < this.object.sizeBytes ? pat(index * P + k) : 0
      frames.flags[f]! |= PG_uptodate
    }
    unlockPage(system.files.cache, page)
  }
  bytes(index: number): Uint8Array {
    const at = system.machine.memory.frameOffset(this.object.pageAt(index))
    return system.machine.memory.u8.subarray(at, at + P)
  }
  has(index: number, flag: number): boolean {
    return (system.phys.frames.flags[system.phys.frames.frameOf(this.object.pageAt(index))]! & flag) !== 0
  }
  iocb(position: number): FileIocb {
    return { file: this.file, position }
  }
  /** [result, position afterwards, bytes] */
  read(
    position: number,
    length: number,
    uio: Uio = new KernelUio(system.files, new Uint8Array(length)),
  ): OrErr<number>[] {
    const iocb = this.iocb(position)
    const result = run(system, genericFileReadIter(iocb, uio))
    return [result, iocb.position as OrErr<number>]
  }
  write(position: number, uio: Uio): [OrErr<number>, number] {
    const iocb = this.iocb(position)
    const result = run(system, genericFileWriteIter(iocb, uio))
    return [result, iocb.position]
  }
  fault(pgoff: number, changes: Partial<FileFault> = {}): FileFault {
    const ra = this.file.ra!
    const flags = 0
    return {
      object: this.object,
      ra,
      pgoff,
      flags,
      isRandom: false,
      isSequential: false,
      releaseMapLock: null,
      page: null,
      ...changes,
    }
  }
  /** A fault's answer; its page is given back. */
  faultNow(pgoff: number, changes: Partial<FileFault> = {}): number {
    const fault = this.fault(pgoff, changes)
    const result = run(system, filemapFault(system.files.cache, fault))
    if (fault.page !== null) {
      unlockPage(system.files.cache, fault.page)
      putCachePage(system.files.cache, fault.page)
    }
    return result
  }
  get resident(): number[] {
    const all: number[] = []
    for (let i = this.object.pages.next(0); i >= 0; i = this.object.pages.next(i + 1)) all.push(i)
    return all
  }
}

interface Piece {
  readonly bytes: Uint8Array
  is: 'resident' | 'absent' | 'unmapped'
}
/** User memory in segments: resident, to be faulted in, or not there. */
class PiecesUio implements Uio {
  resid: number
  readonly #pieces: Piece[]
  #done = 0
  constructor(pieces: Piece[]) {
    this.#pieces = pieces
    this.resid = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }
  #at(): { piece: Piece; offset: number } {
    let offset = this.#done
    for (const piece of this.#pieces) {
      if (offset < piece.bytes.length) return { piece, offset }
      offset -= piece.bytes.length
    }
    throw new Error('the test moves past its buffer')
  }
  #move(memOffset: number, bytes: number, toUser: boolean): number {
    const { u8 } = system.machine.memory
    let moved = 0
    while (moved < bytes && this.resid > 0) {
      const { piece, offset } = this.#at()
      if (piece.is !== 'resident') break
      const step = Math.min(bytes - moved, piece.bytes.length - offset)
      if (toUser) piece.bytes.set(u8.subarray(memOffset + moved, memOffset + moved + step), offset)
      else u8.set(piece.bytes.subarray(offset, offset + step), memOffset + moved)
      moved += step
      this.#done += step
      this.resid -= step
    }
    return moved
  }
  moveTo(memOffset: number, bytes: number): number {
    return this.#move(memOffset, bytes, true)
  }
  moveFrom(memOffset: number, bytes: number): number {
    return this.#move(memOffset, bytes, false)
  }
  unmove(bytes: number): void {
    this.#done -= bytes
    this.resid += bytes
  }
  // oxlint-disable-next-line require-yield
  *faultIn(): Sleep<OrErr<0>> {
    const { piece } = this.#at()
    if (piece.is === 'unmapped') return EFAULT
    piece.is = 'resident'
    return 0
  }
}
const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte)

describe('genericFileReadIter', () => {
  it('[page-cache 41] ends at the end of the file', () => {
    const d = new DiskFile(10_000)
    const uio = new KernelUio(system.files, new Uint8Array(4096))
    expect(d.read(8192, 4096, uio)).toEqual([1808, 10_000])
    expect([...uio.bytes.subarray(0, 1808)]).toEqual(Array.from({ length: 1808 }, (_, i) => pat(8192 + i)))
    expect(d.read(9999, 10)).toEqual([1, 10_000])
    expect(d.read(10_000, 10)).toEqual([0, 10_000])
    expect(d.read(50_000, 10)).toEqual([0, 50_000])
  })
  it('[page-cache 42] looks at the size after the page has been read', () => {
    for (const [before, after, result] of [
      [12_288, 8192, 0],
      [8192 + 100, 12_288, 4096],
    ] as const) {
      const d = new DiskFile(before, 0)
      d.deferred = []
      const iocb = d.iocb(8192)
      const reader = start(genericFileReadIter(iocb, new KernelUio(system.files, filled(4096, 0xee))))
      expect(reader.isAsleep).toBe(true)
      d.object.sizeBytes = after
      d.complete(d.deferred[0]!)
      reader.wake()
      expect([reader.result, iocb.position]).toEqual([result, 8192 + result])
    }
  })
  it('[page-cache 43] reads ahead less after each error', () => {
    const d = new DiskFile(100 * P)
    d.bad.add(50)
    const ra = d.file.ra!
    for (const [calls, raPages] of [
      [2, 8],
      [1, 2],
      [1, 0],
      [1, 0],
    ] as const) {
      d.reads.length = 0
      expect(d.read(50 * P, P)).toEqual([EIO, 50 * P])
      expect([d.reads.filter((index) => index === 50).length, ra.raPages]).toEqual([calls, raPages])
    }
    d.bad.clear()
    expect(d.read(50 * P, P)).toEqual([P, 51 * P])
    expect(d.has(50, PG_error)).toBe(false)
  })
  it('[page-cache 44] tells of an error only where nothing was read', () => {
    const d = new DiskFile(10 * P, 0)
    d.bad.add(1)
    expect(d.read(0, 8192)).toEqual([4096, 4096])
    expect(d.read(4096, 4096)).toEqual([EIO, 4096])
  })
  it('[page-cache 45] stops where the user buffer ends', () => {
    const d = new DiskFile(10 * P)
    const good = filled(100, 0)
    const uio = new PiecesUio([
      { bytes: good, is: 'resident' },
      { bytes: filled(3996, 0), is: 'unmapped' },
    ])
    expect(d.read(0, 0, uio)).toEqual([100, 100])
    expect(good[99]).toBe(pat(99))
    expect(d.read(0, 0, new PiecesUio([{ bytes: filled(4096, 0), is: 'unmapped' }]))).toEqual([EFAULT, 0])
  })
  it('[page-cache 46] counts a pass over a page as one use of it', () => {
    const d = new DiskFile(10 * P)
    for (let i = 0; i < 8; i++) d.read(512 * i, 512)
    expect([d.has(0, PG_referenced), d.has(0, PG_active)]).toEqual([true, false])
    d.read(512, 100)
    lruAddDrainAll(system.files.cache)
    expect(d.has(0, PG_active)).toBe(true)
  })
})

describe('filemapFault', () => {
  const LOCKED = 0x200
  const MAJOR_LOCKED = 0x204
  const majors = (): number => system.phys.events.get('pgmajfault')

  it('[page-cache 50] reads around a miss, and on from the marker', () => {
    const d = new DiskFile(200 * P)
    const before = majors()
    expect(d.faultNow(100)).toBe(MAJOR_LOCKED)
    expect(d.resident).toEqual(Array.from({ length: 32 }, (_, i) => 84 + i))
    expect([d.has(108, PG_readahead), d.file.ra!.mmapMiss, majors() - before]).toEqual([true, 1, 1])
    expect(d.faultNow(108)).toBe(LOCKED)
    expect(d.resident).toEqual(Array.from({ length: 64 }, (_, i) => 84 + i))
    expect([d.has(116, PG_readahead), d.file.ra!.mmapMiss]).toEqual([true, 0])
  })
  it('[page-cache 51] reads around near the ends of the file', () => {
    const d = new DiskFile(200 * P)
    expect(d.faultNow(5)).toBe(MAJOR_LOCKED)
    expect(d.resident).toEqual(Array.from({ length: 32 }, (_, i) => i))
    expect(d.has(24, PG_readahead)).toBe(true)
    const short = new DiskFile(20 * P)
    short.faultNow(5)
    expect(short.resident).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(short.resident.some((i) => short.has(i, PG_readahead))).toBe(false)
  })
  it('[page-cache 52] answers SIGBUS beyond the end', () => {
    const d = new DiskFile(8193)
    expect(d.faultNow(2) & LOCKED).toBe(LOCKED)
    expect(
      d
        .bytes(2)
        .subarray(1)
        .every((byte) => byte === 0),
    ).toBe(true)
    const before = majors()
    expect(d.faultNow(3)).toBe(2)
    expect([d.resident.includes(3), majors() - before]).toEqual([false, 0])
  })
  it('[page-cache 53] is retried without the map lock', () => {
    const d = new DiskFile(200 * P)
    d.deferred = []
    let isReleased = false
    const first = d.fault(100, {
      flags: FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE,
      releaseMapLock: () => void (isReleased = true),
    })
    const work = start(filemapFault(system.files.cache, first))
    expect([work.isAsleep, isReleased]).toEqual([true, true])
    for (const page of d.deferred) d.complete(page)
    work.wake()
    expect([work.result, first.page]).toEqual([0x404, null])
    const before = majors()
    const { mmapMiss } = d.file.ra!
    expect(d.faultNow(100, { flags: FAULT_FLAG_TRIED })).toBe(LOCKED)
    expect([majors() - before, d.file.ra!.mmapMiss - mmapMiss]).toEqual([0, 0])
    expect(d.faultNow(108, { flags: FAULT_FLAG_TRIED })).toBe(LOCKED)
    expect(d.resident.length).toBe(32)
  })
  it('[page-cache 54] gives up reading around when misses are the rule', () => {
    const d = new DiskFile(20_000 * P)
    const ra = d.file.ra!
    const pagesRead = (pgoff: number): number => {
      d.reads.length = 0
      d.faultNow(pgoff)
      return d.reads.length
    }
    for (let i = 1; i <= 100; i++) expect(pagesRead(64 * i)).toBe(32)
    expect(ra.mmapMiss).toBe(100)
    expect([pagesRead(6464), ra.mmapMiss]).toEqual([1, 101])
    expect([pagesRead(64), ra.mmapMiss]).toEqual([0, 100])
    expect([pagesRead(7000), ra.mmapMiss]).toEqual([1, 101])
    for (const hit of [65, 66, 67]) pagesRead(hit)
    expect(ra.mmapMiss).toBe(98)
    expect([pagesRead(8000), ra.mmapMiss]).toEqual([32, 99])
  })
  it('[page-cache 55] follows the advice of the mapping', () => {
    const random = new DiskFile(200 * P)
    random.faultNow(5, { isRandom: true })
    expect([random.resident, random.file.ra!.mmapMiss]).toEqual([[5], 0])
    const d = new DiskFile(200 * P)
    expect(d.faultNow(5, { isSequential: true })).toBe(MAJOR_LOCKED)
    expect(d.resident).toEqual(Array.from({ length: 32 }, (_, i) => 5 + i))
    expect(d.resident.some((i) => d.has(i, PG_readahead))).toBe(false)
    for (let i = 6; i <= 36; i++) expect(d.faultNow(i, { isSequential: true })).toBe(LOCKED)
    expect(d.faultNow(37, { isSequential: true })).toBe(MAJOR_LOCKED)
    expect(d.resident).toEqual(Array.from({ length: 64 }, (_, i) => 5 + i))
  })
  it('[page-cache 56] answers SIGBUS for a page that cannot be read, OOM without memory', () => {
    const d = new DiskFile(200 * P)
    d.bad.add(7)
    expect([d.faultNow(7), d.file.ra!.raPages]).toEqual([2, 8])
    lruAddDrainAll(system.files.cache)
    const f = system.phys.frames.frameOf(d.object.pageAt(7))
    expect(system.phys.frames.refcount[f]).toBe(1)
    const alone = new DiskFile(200 * P, 0)
    failNthAllocation(system.phys, 1)
    expect(alone.faultNow(7)).toBe(1)
  })
  it('[page-cache 57] does not give out a page that truncation takes away', () => {
    const d = new DiskFile(200 * P, 0)
    d.deferred = []
    const fault = d.fault(2)
    const work = start(filemapFault(system.files.cache, fault))
    expect(work.isAsleep).toBe(true)
    d.object.sizeBytes = 4096
    d.complete(d.deferred[0]!)
    work.wake()
    expect([work.result, fault.page]).toEqual([2, null])
  })
})

describe('genericFileWriteIter', () => {
  const writer = (length: number, byte: number): KernelUio => new KernelUio(system.files, filled(length, byte))

  it('[page-cache 58] grows a file from nothing', () => {
    const d = new DiskFile(0)
    const { device } = d.object
    expect(d.write(0, writer(10_000, 5))).toEqual([10_000, 10_000])
    expect([d.object.sizeBytes, d.object.nrPages, device.reclaimable, device.dirtied]).toEqual([10_000, 3, 3, 3])
    for (const i of [0, 1, 2]) expect([d.has(i, PG_dirty), d.has(i, PG_uptodate)]).toEqual([true, true])
    expect(
      d
        .bytes(2)
        .subarray(1808)
        .every((byte) => byte === 0),
    ).toBe(true)
    d.write(0, writer(10_000, 6))
    expect([device.reclaimable, device.dirtied]).toEqual([3, 3])
    verifyPageCache(system.files.cache)
  })
  it('[page-cache 59] reads a page of which it writes a part, and no other', () => {
    const d = new DiskFile(4096)
    expect(d.write(100, writer(10, 0xaa))).toEqual([10, 110])
    expect(d.reads).toEqual([0])
    const expected = Array.from({ length: P }, (_, k) => (k >= 100 && k < 110 ? 0xaa : pat(k)))
    expect([...d.bytes(0)]).toEqual(expected)
    const whole = new DiskFile(4096)
    whole.write(0, writer(4096, 1))
    expect(whole.reads).toEqual([])
  })
  it('[page-cache 60] goes on after a short copy', () => {
    const d = new DiskFile(0)
    const uio = new PiecesUio([
      { bytes: filled(100, 1), is: 'resident' },
      { bytes: filled(200, 2), is: 'absent' },
    ])
    expect(d.write(0, uio)).toEqual([300, 300])
    expect([...d.bytes(0).subarray(0, 300)]).toEqual([...filled(100, 1), ...filled(200, 2)])
  })
  it('[page-cache 61] destroys nothing after a short copy', () => {
    const d = new DiskFile(4096)
    d.write(0, writer(4096, 0x55))
    const uio = new PiecesUio([
      { bytes: filled(100, 1), is: 'resident' },
      { bytes: filled(200, 2), is: 'unmapped' },
    ])
    expect(d.write(0, uio)[0]).toBe(100)
    expect(
      d
        .bytes(0)
        .subarray(100)
        .every((byte) => byte === 0x55),
    ).toBe(true)
  })
  it('[page-cache 62] answers EFAULT if not a byte was there', () => {
    const d = new DiskFile(0)
    expect(d.write(0, new PiecesUio([{ bytes: filled(10, 1), is: 'unmapped' }]))).toEqual([EFAULT, 0])
    expect([d.object.sizeBytes, d.object.nrPages, d.object.device.reclaimable]).toEqual([0, 0, 0])
    const uio = new PiecesUio([
      { bytes: filled(4096, 1), is: 'resident' },
      { bytes: filled(10, 1), is: 'unmapped' },
    ])
    expect(d.write(0, uio)).toEqual([4096, 4096])
  })
  it('[page-cache 64] appends wherever the position is', () => {
    const d = new DiskFile(5000, 32, O_RDWR | O_APPEND)
    expect(d.write(0, writer(10, 9))).toEqual([10, 5010])
    expect([d.bytes(1)[904], d.bytes(1)[913], d.bytes(1)[903]]).toEqual([9, 9, pat(4999)])
  })
  it('reads a page that it was to overwrite whole, if the source is not all there', () => {
    const d = new DiskFile(4096)
    const uio = new PiecesUio([
      { bytes: filled(100, 1), is: 'resident' },
      { bytes: filled(3996, 2), is: 'unmapped' },
    ])
    expect(d.write(0, uio)).toEqual([100, 100])
    expect(d.reads).toEqual([0])
    expect([...d.bytes(0)]).toEqual(Array.from({ length: P }, (_, k) => (k < 100 ? 1 : pat(k))))
  })
})

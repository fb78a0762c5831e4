// Every allocation fails once: each scenario runs with its n-th allocation failing, for all n, until none fails. It may
// answer ENOMEM; it may not leak a frame, keep a lock, or break an invariant.

import { describe, expect, it } from 'vitest'
import { ENOMEM, isErr, PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { failNthAllocation } from '../phys/index.ts'
import { closeFile } from './close.ts'
import { O_CREAT, O_NONBLOCK, O_RDWR } from './constants.ts'
import { copyBytes } from './copyBytes.ts'
import { fileAllocate } from './fallocate.ts'
import { fileRead, fileWrite } from './fileIo.ts'
import { HostFs } from './hostFs.ts'
import { KernelUio, readBytes } from './kernelUio.ts'
import { createShmemObject } from './memoryFile.ts'
import { mount } from './mount.ts'
import { makePipe } from './pipe.ts'
import { freeFrames, makeTestSystem, ok, open, run, textBytes, type TestSystem } from './testFiles.ts'
import { TestHost } from './testHost.ts'
import { makeDirectory, unlinkPath } from './tree.ts'
import { verifyVnode } from './verify.ts'

/** Runs `scenario` until its n-th allocation does not exist; answers how many there are. */
function everyFailure(system: TestSystem, scenario: () => unknown[]): number {
  const before = freeFrames(system)
  for (let n = 1; n < 100; n++) {
    failNthAllocation(system.phys, n)
    const results = scenario()
    const hasFailed = results.some((result) => isErr(result))
    for (const result of results) if (isErr(result)) expect(result).toBe(ENOMEM)
    const wasReached = system.phys.failAfter === 0
    failNthAllocation(system.phys, 0)
    expect(freeFrames(system), `allocation ${n}`).toBe(before)
    if (!wasReached) {
      expect(hasFailed).toBe(false)
      return n - 1
    }
  }
  throw new Error('a scenario has an end')
}
const host = new TestHost()
host.put(
  'big',
  Uint8Array.from({ length: 20 * PAGE_SIZE }, (_, i) => i >> 5),
)

function makeSystem(): TestSystem {
  const system = makeTestSystem()
  const at = ok(makeDirectory(system.files, system.context, '/h', 0o755))
  mount(system.files, new HostFs(system.files, host, { isReadOnly: false }), at)
  return system
}

describe('with any one allocation failing', () => {
  const system = makeSystem()
  const { files, context } = system
  const uio = (length: number): KernelUio => new KernelUio(files, new Uint8Array(length).fill(7))

  it('a memory file is written, allocated and read', () => {
    const count = everyFailure(system, () => {
      const file = open(system, '/f', O_RDWR | O_CREAT)
      const results = [
        run(system, fileWrite(file, uio(3 * PAGE_SIZE))),
        run(system, fileAllocate(file, 0, 2 * PAGE_SIZE, 3 * PAGE_SIZE)),
        run(system, readBytes(file, 0, 5 * PAGE_SIZE)),
      ]
      verifyVnode(files, file.vnode)
      ok(unlinkPath(files, context, '/f'))
      run(system, closeFile(file))
      return results
    })
    expect(count).toBe(5)
  })
  it('a pipe is filled and emptied', () => {
    const count = everyFailure(system, () => {
      const { reader, writer } = makePipe(files, O_NONBLOCK)
      const results = [run(system, fileWrite(writer, uio(4 * PAGE_SIZE)))]
      if (!isErr(results[0]!)) results.push(run(system, fileRead(reader, uio(4 * PAGE_SIZE))))
      reader.release()
      writer.release()
      return results
    })
    expect(count).toBe(4)
  })
  it('shared memory is faulted in', () => {
    const count = everyFailure(system, () => {
      const object = createShmemObject(files, 3 * PAGE_SIZE)
      const results = [0, 1, 2].map((i) => run(system, object.pager.get(object, i, 2)))
      object.pager.detach(object)
      return results
    })
    expect(count).toBe(3)
  })
  it('a host file is read, changed and copied', () => {
    everyFailure(system, () => {
      const file = open(system, '/h/big', O_RDWR)
      const copy = open(system, '/copy', O_RDWR | O_CREAT)
      const { object } = file.vnode
      const page = run(system, object!.pager.get(object!, 18, 2))
      if (!isErr(page)) object!.pager.pageDirtied(object!, 18, page as Pfn)
      const results = [page, run(system, copyBytes(file, copy, Infinity, { from: 0, to: null }))]
      if (!isErr(results[1]!)) expect(copy.vnode.size).toBeLessThanOrEqual(20 * PAGE_SIZE)
      verifyVnode(files, file.vnode)
      verifyVnode(files, copy.vnode)
      expect(run(system, closeFile(file))).toBe(0)
      ok(unlinkPath(files, context, '/copy'))
      run(system, closeFile(copy))
      // Changed on the host: the cache is given up when the file is next looked up, but at once here.
      file.vnode.fs.shrink(1000)
      return results
    })
    expect(host.bytes('big').subarray(0, 64)).toEqual(Uint8Array.from({ length: 64 }, (_, i) => i >> 5))
  })
})

describe('copyBytes', () => {
  it('moves the positions it was not told, and no others', () => {
    const system = makeSystem()
    const from = open(system, '/a', O_RDWR | O_CREAT)
    const to = open(system, '/b', O_RDWR | O_CREAT)
    run(system, fileWrite(from, new KernelUio(system.files, textBytes('abcdefgh'))))
    expect(run(system, copyBytes(from, to, 3, { from: 2, to: null }))).toBe(3)
    expect([from.offset, to.offset]).toEqual([8, 3])
    from.offset = 0
    expect(run(system, copyBytes(from, to, 100, { from: null, to: 1 }))).toBe(8)
    expect([from.offset, to.offset]).toEqual([8, 3])
    expect(String.fromCharCode(...ok(run(system, readBytes(to, 0, 100))))).toBe('cabcdefgh')
  })
})

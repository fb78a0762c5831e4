// Files seen through mappings: what a store puts into a page, read(2) finds, truncation takes away, and fsync stores.

import { beforeEach, describe, expect, it } from 'vitest'
import { EINVAL, isErr, PAGE_SIZE, type OrErr } from '../../src/base/index.ts'
import { uvmFault, READ, WRITE } from '../../src/kernel/fault/index.ts'
import { TestWorld } from '../../src/kernel/fault/testWorld.ts'
import {
  closeFile,
  createShmemObject,
  Files,
  fileSync,
  fileTruncate,
  HostFs,
  KernelUio,
  makeDirectory,
  mount,
  O_CREAT,
  O_RDWR,
  type OpenFile,
  openAt,
  filePwrite,
  RamFs,
  readBytes,
  ROOT,
  shrinkFileCache,
  unlinkPath,
  verifyVnode,
  type WalkContext,
} from '../../src/kernel/file/index.ts'
import { run } from '../../src/kernel/file/testFiles.ts'
import { TestHost } from '../../src/kernel/file/testHost.ts'
import {
  MAP_PRIVATE,
  MAP_SHARED,
  mmapRegion,
  munmapRegion,
  uvmspaceFork,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { freeCount } from '../../src/kernel/phys/index.ts'

let world: TestWorld
let files: Files
let context: WalkContext
let host: TestHost
let space: VmSpace

beforeEach(() => {
  world = new TestWorld()
  files = new Files(world.machine, world.phys, world.vm.objects, { pmaps: world.pmaps })
  const root = new RamFs(files)
  mount(files, root, null)
  context = { root: root.root, cwd: root.root, who: ROOT }
  host = new TestHost()
  host.put(
    'f',
    Uint8Array.from({ length: 3 * PAGE_SIZE + 10 }, (_, i) => 1 + (i >> 12)),
  )
  mount(files, new HostFs(files, host, { isReadOnly: false }), ok(makeDirectory(files, context, '/h', 0o755)))
  space = world.space()
})

function ok<T>(value: OrErr<T>): T {
  if (isErr(value)) throw new Error(`the call answered ${value}`)
  return value
}
const open = (path: string): OpenFile => ok(run(world, openAt(files, context, path, O_RDWR | O_CREAT, 0o644)))
const put = (file: OpenFile, at: number, bytes: number[]): void =>
  void ok(run(world, filePwrite(file, new KernelUio(files, Uint8Array.from(bytes)), at)))
const get = (file: OpenFile, at: number, length: number): number[] => [...ok(run(world, readBytes(file, at, length)))]
function map(file: OpenFile, flags: number, pages = 8): number {
  const object = file.vnode.object!
  object.pager.reference(object)
  file.reference()
  const request = { addr: 0, length: pages * PAGE_SIZE, prot: 3, flags, object, file, pgoff: 0 }
  return ok(run(world, mmapRegion(space, request)))
}
/** As `world.load` and `world.store`, for pages that must be read from the host. */
function load(va: number): number {
  const error = run(world, uvmFault(space, va, READ))
  return error !== 0 ? error : world.load(space, va)
}
function store(va: number, byte: number): number {
  const error = run(world, uvmFault(space, va, WRITE))
  return error !== 0 ? error : world.store(space, va, byte)
}

for (const [name, path] of [
  ['a memory file', '/f'],
  ['a host file', '/h/f'],
] as const) {
  describe(`a mapping of ${name}`, () => {
    it('shares its bytes with read and write', () => {
      const file = open(path)
      put(file, 0, [1, 2, 3])
      const va = map(file, MAP_SHARED)
      expect([load(va), load(va + 2)]).toEqual([1, 3])
      expect(store(va + 1, 9)).toBe(0)
      expect(get(file, 0, 3)).toEqual([1, 9, 3])
      put(file, 2, [8])
      expect(load(va + 2)).toBe(8)
      verifyVnode(files, file.vnode)
    })
    it('keeps private stores to itself', () => {
      const file = open(path)
      put(file, 0, [1, 2, 3])
      const va = map(file, MAP_PRIVATE)
      store(va, 7)
      expect([load(va), load(va + 1), ...get(file, 0, 2)]).toEqual([7, 2, 1, 2])
      put(file, 1, [5])
      expect(load(va + 1)).toBe(2)
    })
    it('ends at the end of the file, wherever that moves, private copies included', () => {
      const file = open(path)
      put(
        file,
        0,
        Array.from({ length: 3 * PAGE_SIZE }, () => 4),
      )
      const shared = map(file, MAP_SHARED)
      const own = map(file, MAP_PRIVATE)
      for (const va of [shared, own]) for (const page of [0, 1, 2]) expect(store(va + page * PAGE_SIZE + 50, 6)).toBe(0)
      ok(run(world, fileTruncate(file, PAGE_SIZE + 20)))
      for (const va of [shared, own]) {
        expect(load(va + 2 * PAGE_SIZE)).toBe(EINVAL)
        expect(store(va + 2 * PAGE_SIZE, 1)).toBe(EINVAL)
        expect(load(va)).toBe(4)
      }
      expect(load(shared + PAGE_SIZE + 50)).toBe(0)
      ok(run(world, fileTruncate(file, 3 * PAGE_SIZE)))
      expect([load(shared + 2 * PAGE_SIZE + 50), load(own + 2 * PAGE_SIZE + 50)]).toEqual([0, 0])
      verifyVnode(files, file.vnode)
      world.verify(space)
    })
    it('keeps the file when descriptor and name are gone', () => {
      const file = open(path)
      put(file, 0, [1, 2, 3])
      const va = map(file, MAP_SHARED)
      ok(unlinkPath(files, context, path))
      run(world, closeFile(file))
      expect(store(va, 5)).toBe(0)
      expect([load(va), load(va + 1)]).toEqual([5, 2])
      expect(file.path).toBe(`${path} (deleted)`)
      const { object } = file.vnode
      ok(run(world, munmapRegion(space, va, 8 * PAGE_SIZE)))
      expect(file.vnode.object).toBe(null)
      expect(files.objects.byId.has(object!.id)).toBe(false)
      expect(host.openFiles).toBe(0)
      world.verify(space)
    })
  })
}

describe('a shared mapping of a host file', () => {
  it('is stored by fsync, again and again', () => {
    const file = open('/h/f')
    const va = map(file, MAP_SHARED)
    for (const byte of [10, 20, 30]) {
      store(va + PAGE_SIZE, byte)
      expect(run(world, fileSync(file))).toBe(0)
      expect(host.durableBytes('f')[PAGE_SIZE]).toBe(byte)
    }
    expect(host.durableBytes('f').length).toBe(3 * PAGE_SIZE + 10)
    const writes = host.writes
    load(va + PAGE_SIZE)
    run(world, fileSync(file))
    expect(host.writes).toBe(writes)
  })
  it('is stored when the last mapping goes', () => {
    const file = open('/h/f')
    const va = map(file, MAP_SHARED)
    run(world, closeFile(file))
    store(va + 3 * PAGE_SIZE + 9, 77)
    ok(run(world, munmapRegion(space, va, 8 * PAGE_SIZE)))
    expect(host.bytes('f')[3 * PAGE_SIZE + 9]).toBe(77)
    expect(host.openFiles).toBe(0)
  })
  it('gives clean pages up under pressure and faults them in again', () => {
    const file = open('/h/f')
    const va = map(file, MAP_SHARED)
    for (const page of [0, 1, 2, 3]) load(va + page * PAGE_SIZE)
    store(va, 99)
    const before = freeCount(world.phys)
    expect(shrinkFileCache(files, 100)).toBe(3)
    expect(freeCount(world.phys)).toBe(before + 3)
    world.verify(space)
    expect([0, 1, 2, 3].map((page) => load(va + page * PAGE_SIZE))).toEqual([99, 2, 3, 4])
  })
})

describe('shared anonymous memory', () => {
  it('is one memory for parent and child, and is freed with the last of them', () => {
    const before = freeCount(world.phys)
    const object = createShmemObject(files, 2 * PAGE_SIZE)
    const request = { addr: 0, length: 2 * PAGE_SIZE, prot: 3, flags: MAP_SHARED, object, file: null, pgoff: 0 }
    const va = ok(run(world, mmapRegion(space, request)))
    store(va, 1)
    const child = ok(run(world, uvmspaceFork(space)))
    expect(world.store(child, va + PAGE_SIZE, 2)).toBe(0)
    expect([world.load(space, va + PAGE_SIZE), world.load(child, va)]).toEqual([2, 1])
    ok(run(world, munmapRegion(space, va, 2 * PAGE_SIZE)))
    expect(world.load(child, va)).toBe(1)
    ok(run(world, munmapRegion(child, va, 2 * PAGE_SIZE)))
    expect(files.objects.byId.has(object.id)).toBe(false)
    expect(freeCount(world.phys)).toBeLessThanOrEqual(before)
    world.verify(space, child)
  })
})

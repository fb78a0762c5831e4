// Large pages: used where the policy says so and 2 MiB fit, given up where a part needs to differ, and never seen.

import { describe, expect, it } from 'vitest'
import { EACCES, EFAULT, isErr, MiB, PAGE_SIZE } from '../../src/base/index.ts'
import { anonPage } from '../../src/kernel/anon/index.ts'
import { now, TestWorld } from '../../src/kernel/fault/testWorld.ts'
import {
  linux,
  type LargePages,
  madviseRegion,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  mlockRegion,
  mmapRegion,
  mprotectRegion,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  mremapRegion,
  munmapRegion,
  netbsd,
  type Personality,
  uvmspaceFork,
  uvmspaceFree,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { allocPagesTry, freeCount, freePages, GFP_NOWAIT } from '../../src/kernel/phys/index.ts'
import { pmapPageProtect, VM_PROT_NONE } from '../../src/kernel/pmap/index.ts'

const LARGE = 2 * MiB
const BASE = 16 * MiB
const PAGE = BASE + 100 * PAGE_SIZE

class World extends TestWorld {
  readonly space0: VmSpace
  readonly free: number
  readonly spaces: VmSpace[]
  constructor(personality: Personality, policy: LargePages = 'always') {
    super(32 * MiB)
    this.vm.largePages = policy
    this.space0 = this.space(personality)
    this.spaces = [this.space0]
    this.use(this.space0)
    this.free = freeCount(this.phys)
  }
  map(at: number, bytes: number, prot = 3): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    const request = { addr: at, length: bytes, prot, flags, object: null, file: null, pgoff: 0 }
    if (isErr(now(mmapRegion(this.space0, request)))) throw new Error('the test cannot map')
  }
  write(va: number, byte: number, space = this.space0): void {
    expect(this.store(space, va, byte)).toBe(0)
  }
  read(va: number, space = this.space0): number {
    return this.load(space, va)
  }
  get superpages(): number {
    return this.spaces.reduce((sum, { pmap }) => sum + pmap.large.size, 0)
  }
  check(): void {
    this.verify(...this.spaces)
  }
  /** Everything unmapped: nothing may be missing. */
  finish(): void {
    this.check()
    now(munmapRegion(this.space0, 0x10000, 2 ** 37))
    this.check()
    expect(freeCount(this.phys)).toBe(this.free)
  }
}

describe.each([linux, netbsd])('large pages of $name', (personality) => {
  it('one fault brings 2 MiB, one superpage shows them', () => {
    const w = new World(personality)
    w.map(BASE, 2 * LARGE)
    w.write(PAGE, 7)
    expect([w.superpages, w.vm.stats.faults, w.space0.residentPages]).toEqual([1, 1, 512])
    expect([w.read(PAGE), w.read(BASE), w.read(BASE + LARGE - 1)]).toEqual([7, 0, 0])
    w.write(BASE + LARGE - 1, 9)
    expect([w.vm.stats.faults, w.pmaps.counters.demotions]).toEqual([1, 0])
    w.write(BASE + LARGE, 1)
    expect([w.superpages, w.vm.stats.faults]).toEqual([2, 2])
    w.finish()
  })
  it.each([
    ['the mapping is a page short', (w: World) => w.map(BASE, LARGE - PAGE_SIZE)],
    ['2 MiB of it are not aligned', (w: World) => w.map(BASE - PAGE_SIZE, LARGE)],
    ['it may be executed', (w: World) => w.map(BASE, LARGE, 7)],
    [
      'the program does not want them',
      (w: World) => (w.map(BASE, LARGE), now(madviseRegion(w.space0, BASE, LARGE, 15))),
    ],
    [
      'a page of it is there already',
      (w: World) => {
        w.map(BASE, MiB)
        w.write(BASE, 1)
        w.map(BASE + MiB, MiB)
      },
    ],
    [
      'memory is in pieces',
      (w: World) => {
        w.map(BASE, LARGE)
        const taken: number[] = []
        for (;;) {
          const pfn = allocPagesTry(w.phys, GFP_NOWAIT, 0)
          if (typeof pfn !== 'number' || pfn < 0) break
          taken.push(pfn)
        }
        for (const pfn of taken) if (pfn % 2 === 0) freePages(w.phys, pfn, 0)
      },
    ],
  ])('small ones are used where %s', (_why, prepare) => {
    const w = new World(personality)
    prepare(w)
    w.write(PAGE, 7)
    expect([w.superpages, w.vm.stats.largePages, w.read(PAGE)]).toEqual([0, 0, 7])
    w.check()
  })
  it('are a matter of policy', () => {
    const never = new World(personality, 'never')
    never.map(BASE, LARGE)
    never.write(PAGE, 7)
    expect([never.superpages, never.space0.residentPages <= 8]).toEqual([0, true])

    const advised = new World(personality, 'advised')
    advised.map(BASE, 2 * LARGE)
    expect(now(madviseRegion(advised.space0, BASE, LARGE, 14))).toBe(0)
    advised.write(PAGE, 7)
    advised.write(PAGE + LARGE, 7)
    expect([advised.superpages, advised.vm.stats.largePages]).toEqual([1, 1])
    advised.finish()
  })

  const changes: [string, (w: World) => unknown, concerned: 'gone' | 'zero' | 'kept' | 'closed'][] = [
    ['a part is unmapped', (w) => now(munmapRegion(w.space0, PAGE, PAGE_SIZE)), 'gone'],
    ['a part loses permission', (w) => now(mprotectRegion(w.space0, PAGE, PAGE_SIZE, 0)), 'closed'],
    ['all of it becomes read-only', (w) => now(mprotectRegion(w.space0, BASE, LARGE, 1)), 'kept'],
    ['a part is forgotten', (w) => now(madviseRegion(w.space0, PAGE, PAGE_SIZE, 4)), 'zero'],
    [
      'a part moves away',
      (w) => now(mremapRegion(w.space0, PAGE, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 8 * LARGE)),
      'gone',
    ],
    ['a part is mapped anew', (w) => w.map(PAGE, PAGE_SIZE), 'zero'],
    [
      'a part is locked',
      (w) => (now(mprotectRegion(w.space0, PAGE, PAGE_SIZE, 1)), now(mlockRegion(w.space0, PAGE, PAGE_SIZE, false))),
      'kept',
    ],
    [
      'a page is taken away',
      (w) => pmapPageProtect(w.pmaps, anonPage(w.vm.anons, w.phys.frames.owner[frameAt(w, PAGE)]!), VM_PROT_NONE),
      'kept',
    ],
  ]
  it.each(changes)('are split when %s, and nobody sees it', (_what, change, concerned) => {
    const w = new World(personality)
    w.map(BASE, LARGE)
    for (let i = 0; i < 512; i++) w.write(BASE + i * PAGE_SIZE, i & 127)
    expect([w.superpages, w.vm.stats.faults]).toEqual([1, 1])
    change(w)
    w.check()
    expect([w.superpages, w.pmaps.counters.demotions]).toEqual([0, 1])
    for (const i of [0, 99, 101, 511]) expect(w.read(BASE + i * PAGE_SIZE)).toBe(i & 127)
    const seen = w.read(PAGE)
    expect(seen).toBe({ gone: EFAULT, closed: EACCES, zero: 0, kept: 100 }[concerned])
    w.finish()
  })
  it('are split by fork; child and parent part page by page', () => {
    const w = new World(personality)
    w.map(BASE, LARGE)
    w.write(PAGE, 7)
    w.write(BASE, 5)
    const child = now(uvmspaceFork(w.space0))
    if (isErr(child)) throw new Error('fork')
    w.spaces.push(child)
    w.check()
    w.write(PAGE, 8, child)
    w.write(BASE, 6)
    expect([w.read(PAGE), w.read(PAGE, child), w.read(BASE), w.read(BASE, child)]).toEqual([7, 8, 6, 5])
    expect(w.vm.anons.count).toBe(514)
    w.check()
    w.use(w.space0)
    uvmspaceFree(child)
    w.spaces.pop()
    w.finish()
  })
  it('go with the address space, whole', () => {
    const w = new World(personality)
    const other = w.space(personality)
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    now(mmapRegion(other, { addr: BASE, length: 2 * LARGE, prot: 3, flags, object: null, file: null, pgoff: 0 }))
    w.write(PAGE, 1, other)
    w.write(PAGE + LARGE, 1, other)
    w.use(w.space0)
    uvmspaceFree(other)
    expect(w.pmaps.counters.demotions).toBe(0)
    w.check()
    expect([w.vm.anons.count, w.vm.chunks.count]).toEqual([0, 0])
  })
})

/** Frame index of the page that is mapped at `va`. */
function frameAt(w: World, va: number): number {
  expect(w.lookup(w.space0, va)).toBe(true)
  return w.phys.frames.frameOf(w.pmaps.pfn)
}

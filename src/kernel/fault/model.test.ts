// Random programs against the simplest thing that can be right: a dictionary of pages.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EACCES, EFAULT, isErr, PAGE_SIZE } from '../../base/index.ts'
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  madviseRegion,
  linux,
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
} from '../map/index.ts'
import { freeCount } from '../phys/index.ts'
import { now, TestWorld } from './testWorld.ts'

const BASE = 0x400000
const PAGES = 24
const at = (page: number): number => BASE + page * PAGE_SIZE

interface Page {
  prot: number
  byte: number
}
/** One address space of the model: what each page holds, or null where nothing is mapped. */
type Model = (Page | null)[]
interface Pair {
  real: VmSpace
  model: Model
}

const page = fc.nat(PAGES - 1)
const pages = fc.integer({ min: 1, max: 8 })
const prot = fc.constantFrom(0, 1, 3)
const who = fc.nat(3)
const command = fc.oneof(
  fc.record({ do: fc.constant('map' as const), who, page, pages, prot }),
  fc.record({ do: fc.constant('unmap' as const), who, page, pages, prot }),
  fc.record({ do: fc.constant('protect' as const), who, page, pages, prot }),
  fc.record({ do: fc.constant('forget' as const), who, page, pages, prot }),
  fc.record({ do: fc.constant('move' as const), who, page, pages, prot, to: page }),
  fc.record({ do: fc.constant('fork' as const), who, page, pages, prot }),
  fc.record({ do: fc.constant('exit' as const), who, page, pages, prot }),
  { weight: 6, arbitrary: fc.record({ do: fc.constant('store' as const), who, page, pages, prot, byte: fc.nat(255) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('load' as const), who, page, pages, prot }) },
)
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

class Runner {
  readonly w = new TestWorld(4 * 1024 * 1024)
  readonly idle: VmSpace
  readonly free: number
  spaces: Pair[]
  constructor(personality: Personality) {
    this.idle = this.w.space(personality)
    this.w.use(this.idle)
    this.free = freeCount(this.w.phys)
    this.spaces = [{ real: this.w.space(personality), model: Array(PAGES).fill(null) }]
  }
  run(c: Command): void {
    const pair = this.spaces[c.who % this.spaces.length]!
    const { real, model } = pair
    const end = Math.min(PAGES, c.page + c.pages)
    const bytes = (end - c.page) * PAGE_SIZE
    const va = at(c.page)
    switch (c.do) {
      case 'map': {
        const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        now(mmapRegion(real, { addr: va, length: bytes, prot: c.prot, flags, object: null, file: null, pgoff: 0 }))
        for (let i = c.page; i < end; i++) model[i] = { prot: c.prot, byte: 0 }
        break
      }
      case 'unmap':
        expect(now(munmapRegion(real, va, bytes))).toBe(0)
        for (let i = c.page; i < end; i++) model[i] = null
        break
      case 'protect':
        now(mprotectRegion(real, va, bytes, c.prot))
        for (let i = c.page; i < end && model[i] !== null; i++) model[i]!.prot = c.prot
        break
      case 'forget':
        now(madviseRegion(real, va, bytes, 4))
        for (let i = c.page; i < end; i++) if (model[i] !== null) model[i]!.byte = 0
        break
      case 'move':
        this.move(pair, c.page, c.pages, c.to)
        break
      case 'fork': {
        if (this.spaces.length >= 4) break
        const child = now(uvmspaceFork(real))
        if (!isErr(child)) this.spaces.push({ real: child, model: model.map((p) => p && { ...p }) })
        break
      }
      case 'exit':
        if (this.spaces.length === 1) break
        this.w.use(this.idle)
        uvmspaceFree(real)
        this.spaces = this.spaces.filter((s) => s !== pair)
        break
      case 'store': {
        const p = model[c.page]!
        const expected = p === null ? EFAULT : (p.prot & 2) === 0 ? EACCES : 0
        expect(this.w.store(real, va + (c.byte & 7), c.byte)).toBe(expected)
        // The model keeps one byte a page: store it everywhere that is looked at.
        if (expected === 0) for (let i = 0; i < 8; i++) this.w.store(real, va + i, c.byte)
        if (expected === 0) p!.byte = c.byte
        break
      }
      case 'load':
        this.check(pair, c.page)
    }
  }
  /** Moves what is mapped without a hole: one call, an entry at a time. */
  move({ real, model }: Pair, from: number, count: number, to: number): void {
    const end = Math.min(from + count, PAGES - Math.max(0, to - from))
    const n = end - from
    if (n <= 0 || (from < to + n && to < from + n) || model[from] === null) return
    const moved = now(mremapRegion(real, at(from), n * PAGE_SIZE, n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, at(to)))
    expect(moved).toBe(at(to))
    for (let i = 0; i < n; i++) {
      if (model[from + i] === null) continue
      model[to + i] = model[from + i]!
      model[from + i] = null
    }
  }
  check({ real, model }: Pair, i: number): void {
    const p = model[i]!
    const expected = p === null ? EFAULT : (p.prot & 1) === 0 ? EACCES : p.byte
    expect(this.w.load(real, at(i) + 3)).toBe(expected)
  }
  finish(): void {
    for (const pair of this.spaces) for (let i = 0; i < PAGES; i++) this.check(pair, i)
    this.w.verify(...this.spaces.map((s) => s.real))
    this.w.use(this.idle)
    for (const { real } of this.spaces) uvmspaceFree(real)
    expect(this.w.vm.anons.count).toBe(0)
    expect(freeCount(this.w.phys)).toBe(this.free)
    this.w.verify()
  }
}

describe.each([linux, netbsd])('private memory, $name', (personality) => {
  it('holds what was stored, whatever is mapped, moved, forked and forgotten around it', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 80 }), (commands) => {
        const runner = new Runner(personality)
        for (const c of commands) runner.run(c)
        runner.finish()
      }),
      { numRuns: 200 },
    )
  })
})

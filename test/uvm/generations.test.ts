// A thousand generations: parents end in any order, writers write at any time, and nothing is left behind.

import { describe, expect, it } from 'vitest'
import { isErr, PAGE_SIZE, Rng } from '../../src/base/index.ts'
import { now, TestWorld } from '../../src/kernel/fault/testWorld.ts'
import {
  linux,
  netbsd,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_OVERLAY,
  UVM_INH_COPY,
  UVM_INH_SHARE,
  UVM_UNKNOWN_OFFSET,
  uvmMap,
  uvmMapflag,
  uvmspaceFork,
  uvmspaceFree,
  uvmUnmap,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { freeCount } from '../../src/kernel/phys/index.ts'

const GENERATIONS = 1000
const PAGES = 40
const SHARED = 8
const BASE = 0x400000
const MAX_ALIVE = 6
/** In a model: the page is not mapped any more. No store is of this byte. */
const GONE = 255
const va = (page: number): number => BASE + page * PAGE_SIZE

/** A process, and what it should see: its own bytes, and after them those that all share. */
interface Process {
  readonly space: VmSpace
  readonly own: Uint8Array
}

describe.each([linux, netbsd])('fork of $name', (personality) => {
  it.each([1, 2])('leaks nothing in a thousand generations with random writers and exits, seed %d', (seed) => {
    const w = new TestWorld(8 * 1024 * 1024)
    const rng = new Rng(seed)
    const idle = w.space(personality)
    w.use(idle)
    const before = { free: freeCount(w.phys), reverse: w.pmaps.reverse.count, objects: w.vm.objects.byId.size }
    const shared = new Uint8Array(SHARED)
    const first: Process = { space: w.space(personality), own: new Uint8Array(PAGES) }
    const map = (page: number, count: number, flags: number, inherit: number): unknown =>
      now(
        uvmMap(
          first.space.map,
          va(page),
          count * PAGE_SIZE,
          null,
          UVM_UNKNOWN_OFFSET,
          0,
          uvmMapflag(3, 7, inherit, 0, UVM_FLAG_FIXED | flags),
        ),
      )
    expect(map(0, PAGES, UVM_FLAG_COPYONW, UVM_INH_COPY)).toBe(va(0))
    expect(map(PAGES, SHARED, UVM_FLAG_OVERLAY, UVM_INH_SHARE)).toBe(va(PAGES))

    let alive = [first]
    const end = (process: Process): void => {
      w.use(idle)
      uvmspaceFree(process.space)
      alive = alive.filter((p) => p !== process)
    }
    let mostEntries = 0
    for (let generation = 0; generation < GENERATIONS; generation++) {
      // Mostly the youngest has the next child, so that the line is long.
      const parent = rng.below(4) > 0 ? alive.at(-1)! : rng.pick(alive)
      const space = now(uvmspaceFork(parent.space))
      if (isErr(space)) throw new Error(`fork: ${space}`)
      alive.push({ space, own: parent.own.slice() })
      for (let i = rng.below(12); i > 0; i--) {
        const { space, own } = rng.pick(alive)
        const page = rng.below(PAGES + SHARED)
        const byte = rng.below(255)
        if (page < PAGES && own[page] === GONE) continue
        expect(w.store(space, va(page), byte)).toBe(0)
        if (page < PAGES) own[page] = byte
        else shared[page - PAGES] = byte
      }
      if (rng.below(20) === 0) {
        // Somebody gives a few pages back, for good.
        const { space, own } = rng.pick(alive)
        const page = rng.below(PAGES)
        now(uvmUnmap(space.map, va(page), va(page + 1)))
        own[page] = GONE
      }
      while (alive.length > MAX_ALIVE || (alive.length > 1 && rng.below(3) === 0)) end(rng.pick(alive))
      for (const { space, own } of alive) {
        const page = rng.below(PAGES)
        if (own[page] !== GONE) expect(w.load(space, va(page))).toBe(own[page])
        expect(w.load(space, va(PAGES + (page % SHARED)))).toBe(shared[page % SHARED])
      }
      // However long the line, a page is one anon in one amap: no chain grows.
      for (const { space } of alive) mostEntries = Math.max(mostEntries, space.map.entryCount)
      expect(w.vm.anons.count).toBeLessThanOrEqual(alive.length * PAGES + SHARED)
      if (generation % 50 === 0) w.verify(idle, ...alive.map(({ space }) => space))
    }
    expect(mostEntries).toBeLessThanOrEqual(2 * PAGES)
    while (alive.length > 0) end(alive[0]!)
    w.verify(idle)
    expect(w.vm.anons.count).toBe(0)
    expect(w.vm.chunks.count).toBe(0)
    expect({
      free: freeCount(w.phys),
      reverse: w.pmaps.reverse.count,
      objects: w.vm.objects.byId.size,
    }).toEqual(before)
  })
})

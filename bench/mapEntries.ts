// A map with many entries: finding one, mapping with a search for space, and unmapping. Wanted: logarithmic.

import { PAGE_SIZE, Rng } from '../src/base/index.ts'
import {
  linux,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  mmapRegion,
  munmapRegion,
  uvmspaceAlloc,
} from '../src/kernel/map/index.ts'
import { consume, type Findings, type Growth, median, timed } from './measure.ts'
import { drive, World } from './world.ts'

const SIZES = [100, 1_000, 10_000, 100_000, 1_000_000]
const BASE = 2 ** 30
/** Entries of one page with a page between them: nothing is joined, and no hole is larger than one page. */
const STRIDE = 2 * PAGE_SIZE
const BATCH = 50
const SAMPLES = 25

export function measure(): Findings {
  const found: number[] = []
  const mapped: number[] = []
  const unmapped: number[] = []
  for (const size of SIZES) {
    const { lookup, insert, remove } = atSize(size)
    found.push(lookup)
    mapped.push(insert)
    unmapped.push(remove)
  }
  const growth = (what: string, ns: readonly number[]): Growth => ({
    what,
    unit: 'entries',
    points: SIZES.map((size, i) => ({ size, ns: ns[i]! })),
  })
  return {
    rows: [],
    growths: [
      growth('entry looked up', found),
      growth('mmap that searches for space', mapped),
      growth('munmap of an entry', unmapped),
    ],
  }
}

function atSize(size: number): { lookup: number; insert: number; remove: number } {
  const space = uvmspaceAlloc(new World('64M').vm, linux, PAGE_SIZE, BASE + size * STRIDE)
  if (typeof space === 'number') throw new Error('no memory for the benchmark')
  space.maxMapCount = Infinity
  const { map } = space
  const anonymous = { object: null, file: null, pgoff: 0 }
  const place = (addr: number, pages: number, prot: number, more: number): number =>
    drive(
      mmapRegion(space, {
        addr,
        length: pages * PAGE_SIZE,
        prot,
        flags: MAP_PRIVATE | MAP_ANONYMOUS | more,
        ...anonymous,
      }),
    )
  // Below the entries there is no room either.
  if (place(PAGE_SIZE, BASE / PAGE_SIZE - 2, 0, MAP_FIXED) < 0) throw new Error('the benchmark cannot fill its map')
  for (let i = 0; i < size; i++) place(BASE + i * STRIDE, 1, 3, MAP_FIXED)

  const rng = new Rng(1)
  const lookups: number[] = []
  const inserts: number[] = []
  const removes: number[] = []
  for (let sample = -5; sample < SAMPLES; sample++) {
    const victims = new Set<number>()
    while (victims.size < Math.min(BATCH, size / 4)) victims.add(rng.below(size - 2) + 1)
    // Holes of three pages each, with a page left between any two of them.
    const list = [...victims].filter((i) => !victims.has(i - 1))
    const at = list.map((i) => BASE + i * STRIDE)
    const anywhere = Array.from({ length: 1000 }, () => BASE + rng.below(size) * STRIDE)
    const lookup = timed(() => {
      for (const va of anywhere) consume(map.lookup(va)!.wiredCount)
    }, anywhere.length)
    const remove = timed(() => {
      for (const va of at) drive(munmapRegion(space, va, PAGE_SIZE))
    }, at.length)
    const places: number[] = []
    const insert = timed(() => {
      for (let i = 0; i < at.length; i++) places.push(place(0, 3, 1, 0))
    }, at.length)
    for (const va of places) {
      if (va < BASE) throw new Error('the benchmark mapped somewhere else')
      drive(munmapRegion(space, va, 3 * PAGE_SIZE))
    }
    for (const va of at) place(va, 1, 3, MAP_FIXED)
    if (sample < 0) continue
    lookups.push(lookup)
    inserts.push(insert)
    removes.push(remove)
  }
  return { lookup: median(lookups), insert: median(inserts), remove: median(removes) }
}

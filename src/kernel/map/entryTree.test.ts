// The tree against an array: thousands of entries, so that nodes divide, join and go at three levels.

import { describe, expect, it } from 'vitest'
import { Rng } from '../../base/index.ts'
import { type EntryAttributes, VmMapEntry } from './entry.ts'
import { EntryTree } from './entryTree.ts'
import type { VmMap } from './vmMap.ts'

const MIN = 100
const MAX = 1_000_000
const NOTHING = {} as EntryAttributes

class Model {
  readonly tree = new EntryTree(MIN, MAX)
  /** In address order. */
  readonly list: VmMapEntry[] = []
  /** How many entries end at or before `va`. */
  indexOf(va: number): number {
    const i = this.list.findIndex((e) => e.end > va)
    return i < 0 ? this.list.length : i
  }
  add(start: number, end: number): void {
    const i = this.indexOf(start)
    if (start < MIN || end > MAX || (this.list[i]?.start ?? MAX) < end) return
    const entry = new VmMapEntry(null as unknown as VmMap, start, end, NOTHING)
    this.tree.insertAfter(this.list[i - 1] ?? null, entry)
    this.list.splice(i, 0, entry)
  }
  remove(i: number): void {
    const [entry] = this.list.splice(i, 1)
    if (entry !== undefined) this.tree.remove(entry)
  }
  /** Moves a bound of an entry into the hole beside it. */
  grow(i: number, down: boolean): void {
    const entry = this.list[i]!
    const prev = this.list[i - 1]
    if (down) {
      entry.setBounds(Math.max(prev?.end ?? MIN, entry.start - 3), entry.end)
      this.tree.changed(entry)
      if (prev !== undefined) this.tree.changed(prev)
    } else {
      entry.setBounds(entry.start, Math.min(this.list[i + 1]?.start ?? MAX, entry.end + 3))
      this.tree.changed(entry)
    }
  }
  holes(low: number, high: number, size: number): [number, number][] {
    const ends = [MIN, ...this.list.map((e) => e.end)]
    const starts = [...this.list.map((e) => e.start), MAX]
    return ends
      .map((end, i): [number, number] => [Math.max(end, low), Math.min(starts[i]!, high)])
      .filter(([start, end]) => end - start >= size)
  }
  check(rng: Rng): void {
    this.tree.verify()
    expect(this.tree.count).toBe(this.list.length)
    for (let k = 0; k < 20; k++) {
      const va = rng.below(MAX)
      expect(this.tree.floor(va)).toBe(this.list.findLast((e) => e.start <= va) ?? null)
      const low = rng.below(MAX)
      const high = low + rng.below(MAX - low)
      const size = 1 + rng.below(400)
      const holes = this.holes(low, high, size)
      expect(this.tree.lowestHole(size, low, high)).toBe(holes[0]?.[0] ?? -1)
      expect(this.tree.highestHole(size, low, high)).toBe(holes.at(-1)?.[1] ?? -1)
    }
  }
}

describe('the tree of entries', () => {
  it('answers as an array does while entries come, change and go anywhere', () => {
    const rng = new Rng(7)
    const model = new Model()
    for (let round = 0; round < 60; round++) {
      // Grows to thousands, then shrinks to nothing.
      for (let k = 0; k < 120; k++) {
        const { length } = model.list
        if (round < 30 || rng.below(8) === 0) {
          const start = rng.below(MAX)
          model.add(start, start + 1 + rng.below(200))
        } else model.remove(rng.below(length))
        if (length > 2) model.grow(rng.below(model.list.length), rng.below(2) === 0)
      }
      model.check(rng)
    }
    while (model.list.length > 0) model.remove(rng.below(model.list.length))
    model.check(rng)
  })

  it('stays right where entries come in order, from either side, and go from either side', () => {
    const rng = new Rng(8)
    for (const goesUp of [true, false]) {
      const model = new Model()
      for (let i = 0; i < 3000; i++) {
        const start = MIN + 10 + (goesUp ? i : 3000 - i) * 20
        model.add(start, start + 12)
      }
      expect(model.list.length).toBe(3000)
      model.check(rng)
      for (let i = 0; i < 1500; i++) model.remove(goesUp ? 0 : model.list.length - 1)
      model.check(rng)
      for (let i = 0; i < 700; i++) model.remove(700)
      model.check(rng)
    }
  })
})

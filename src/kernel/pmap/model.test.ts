// The pmap against a naive model: maps from page numbers to what was entered, and two flags for each page.

import { describe, expect, it } from 'vitest'
import { type Pfn, Rng } from '../../base/index.ts'
import { aarch64, type PteFormat, sv39, sv48, x86_64 } from '../../machine/index.ts'
import { freeCount } from '../phys/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  type Pmap,
  PMAP_WIRED,
  pmapClearModify,
  pmapClearReference,
  pmapCopyRange,
  pmapDestroy,
  pmapEnter,
  pmapEnterSoft,
  pmapExtract,
  pmapForEach,
  pmapIsModified,
  pmapIsReferenced,
  pmapLookup,
  pmapMove,
  pmapPageProtect,
  pmapProtect,
  pmapRemove,
  pmapRemoveAll,
  pmapUnwire,
  pmapUpdate,
  SOFT_SWAP,
  verify,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const CPUS = 2
const SPACES = 3
/** Page slots of an address space: the ends of two neighbouring tables, and one far away. */
const SLOTS = [0, 1, 2, 509, 510, 511, 512, 513, 514, 515, 2 ** 20]
const FAR = SLOTS.length - 1
const vaOf = (slot: number): number => B + SLOTS[slot] * P

interface Leaf {
  readonly page: number
  prot: number
  isWired: boolean
}
/** A leaf, or the value of a swap entry. */
type Entry = Leaf | number

class Space {
  pmap: Pmap
  readonly entries = new Map<number, Entry>()
  constructor(pmap: Pmap) {
    this.pmap = pmap
  }
  leafAt(slot: number): Leaf | null {
    const entry = this.entries.get(slot)
    return typeof entry === 'object' ? entry : null
  }
}

class Model {
  readonly t: Fixture
  readonly rng: Rng
  readonly pages: { pfn: Pfn; byte: string; isModified: boolean; isReferenced: boolean }[] = []
  readonly spaces: Space[] = []
  /** Which space each CPU runs, or null. */
  readonly running: (Space | null)[] = [null, null]

  constructor(seed: number, format: PteFormat) {
    this.rng = new Rng(seed)
    this.t = new Fixture({ format, cpus: CPUS, maxAsid: 1 + this.rng.below(4), tlbEntries: 8 })
    for (let i = 0; i < 5; i++) {
      const byte = String.fromCharCode(97 + i)
      this.pages.push({ pfn: this.t.page(byte), byte, isModified: false, isReferenced: false })
    }
    this.spaces.push(new Space(this.t.pm), new Space(this.t.pm2), new Space(this.t.create()))
  }

  step(): void {
    const { rng, t } = this
    const cpu = rng.below(CPUS)
    t.machine.current.cpu = t.machine.cpus[cpu]
    const space = this.spaces[rng.below(SPACES)]
    const slot = rng.below(SLOTS.length)
    const to = Math.min(slot + rng.below(4), FAR)
    const page = rng.below(this.pages.length)
    const actions = [
      () => this.enter(space, slot, page),
      () => this.enter(space, slot, page),
      () => this.remove(space, slot, to, rng.below(2) === 0),
      () => this.protect(space, slot, to),
      () => this.pageProtect(page),
      () => this.unwire(space, slot),
      () => this.soft(space, slot),
      () => this.copy(space, this.spaces[rng.below(SPACES)], slot, to),
      () => this.move(space, slot, to),
      () => this.clear(page),
      () => this.run(cpu, space),
      () => this.run(cpu, null),
      () => this.load(cpu, slot),
      () => this.store(cpu, slot),
      () => this.store(cpu, slot),
      () => this.replaceSpace(space),
    ]
    actions[rng.below(actions.length)]()
    if (rng.below(3) > 0) pmapUpdate(space.pmap)
  }

  enter(space: Space, slot: number, page: number): void {
    const prot = this.rng.below(2) === 0 ? R : R | W
    const access = [0, R, prot & W][this.rng.below(3)]
    const isWired = this.rng.below(4) === 0
    const g = this.pages[page]
    expect(pmapEnter(space.pmap, vaOf(slot), g.pfn, prot, access | (isWired ? PMAP_WIRED : 0))).toBe(0)
    space.entries.set(slot, { page, prot, isWired })
    if (access !== 0) g.isReferenced = true
    if ((access & W) !== 0) g.isModified = true
  }
  remove(space: Space, from: number, to: number, alsoSoft: boolean): void {
    pmapRemove(space.pmap, vaOf(from), vaOf(to) + P, alsoSoft)
    for (let slot = from; slot <= to; slot++) {
      if (space.leafAt(slot) !== null || alsoSoft) space.entries.delete(slot)
    }
  }
  protect(space: Space, from: number, to: number): void {
    pmapProtect(space.pmap, vaOf(from), vaOf(to) + P, R)
    for (let slot = from; slot <= to; slot++) {
      const leaf = space.leafAt(slot)
      if (leaf !== null) leaf.prot = R
    }
  }
  pageProtect(page: number): void {
    const prot = this.rng.below(2) === 0 ? 0 : R
    pmapPageProtect(this.t.room, this.pages[page].pfn, prot)
    for (const space of this.spaces) {
      for (const [slot, entry] of space.entries) {
        if (typeof entry !== 'object' || entry.page !== page) continue
        if (prot === 0) space.entries.delete(slot)
        else entry.prot = R
      }
    }
  }
  unwire(space: Space, slot: number): void {
    const leaf = space.leafAt(slot)
    if (leaf === null) return
    pmapUnwire(space.pmap, vaOf(slot))
    leaf.isWired = false
  }
  soft(space: Space, slot: number): void {
    const value = this.rng.below(1000)
    expect(pmapEnterSoft(space.pmap, vaOf(slot), SOFT_SWAP, value)).toBe(0)
    space.entries.set(slot, value)
  }
  copy(from: Space, into: Space, first: number, last: number): void {
    if (from === into) return
    for (let slot = first; slot <= last; slot++) if (into.entries.has(slot)) return
    expect(pmapCopyRange(into.pmap, from.pmap, vaOf(first), vaOf(last) + P)).toBe(0)
    for (let slot = first; slot <= last; slot++) {
      const entry = from.entries.get(slot)
      if (entry === undefined) continue
      if (typeof entry === 'object') {
        entry.prot = R
        into.entries.set(slot, { ...entry, isWired: false })
      } else into.entries.set(slot, entry)
    }
  }
  /** Moves slots of one run to their neighbours' run, 512 pages up or down. */
  move(space: Space, first: number, last: number): void {
    // 0, 1, 2 <-> 512, 513, 514
    if (last > 2) return
    const isUp = this.rng.below(2) === 0
    const [a, b] = isUp ? [0, 6] : [6, 0]
    for (let i = first; i <= last; i++) if (space.entries.has(b + i)) return
    expect(pmapMove(space.pmap, vaOf(a + first), vaOf(b + first), (last - first + 1) * P)).toBe(0)
    for (let i = first; i <= last; i++) {
      const entry = space.entries.get(a + i)
      if (entry === undefined) continue
      space.entries.delete(a + i)
      space.entries.set(b + i, entry)
    }
  }
  clear(page: number): void {
    const g = this.pages[page]
    if (this.rng.below(2) === 0) {
      expect(pmapClearModify(this.t.room, g.pfn)).toBe(g.isModified)
      g.isModified = false
    } else {
      expect(pmapClearReference(this.t.room, g.pfn)).toBe(g.isReferenced)
      g.isReferenced = false
    }
  }
  run(cpu: number, space: Space | null): void {
    if (space === null) this.t.activateNothing(cpu)
    else this.t.activate(space.pmap, cpu)
    this.running[cpu] = space
  }

  /** Is nothing deferred, so that every TLB must show what the model says? */
  get isSettled(): boolean {
    return this.t.room.cpus.every(({ mailbox }) => mailbox.targets === 0)
  }
  load(cpu: number, slot: number): void {
    const space = this.running[cpu]
    if (space === null || !this.isSettled) return
    const leaf = space.leafAt(slot)
    const g = leaf === null ? null : this.pages[leaf.page]
    expect(this.t.load(vaOf(slot), cpu)).toBe(g === null ? 'fault' : g.byte)
    if (g !== null) g.isReferenced = true
  }
  store(cpu: number, slot: number): void {
    const space = this.running[cpu]
    if (space === null || !this.isSettled) return
    const leaf = space.leafAt(slot)
    const va = vaOf(slot)
    const byte = String.fromCharCode(65 + this.rng.below(26))
    let result = this.t.store(va, byte, cpu)
    if (leaf === null || leaf.prot === R) {
      expect(result).toBe('fault')
      return
    }
    const g = this.pages[leaf.page]
    if (result === 'fault') {
      // A stale read-only translation costs one fault.
      pmapEnter(space.pmap, va, g.pfn, leaf.prot, R | W | (leaf.isWired ? PMAP_WIRED : 0))
      result = this.t.store(va, byte, cpu)
    }
    expect(result).toBe('ok')
    g.byte = byte
    g.isModified = true
    g.isReferenced = true
  }
  replaceSpace(space: Space): void {
    if (this.rng.below(4) > 0) return
    for (let cpu = 0; cpu < CPUS; cpu++) if (this.running[cpu] === space) this.run(cpu, null)
    if (this.rng.below(2) === 0) pmapRemoveAll(space.pmap)
    pmapRemove(space.pmap, 0, this.t.room.layout.user.end)
    pmapDestroy(space.pmap)
    space.pmap = this.t.create()
    space.entries.clear()
  }

  check(): void {
    verify(this.t.room)
    for (const space of this.spaces) {
      SLOTS.forEach((_, slot) => {
        const entry = space.entries.get(slot)
        const leaf = space.leafAt(slot)
        const { room } = this.t
        expect(pmapLookup(space.pmap, vaOf(slot))).toBe(leaf !== null)
        if (leaf === null) expect(room.softValue).toBe(entry ?? 0)
        else {
          expect([room.pfn, room.prot]).toEqual([this.pages[leaf.page].pfn, leaf.prot])
          expect(pmapExtract(space.pmap, vaOf(slot) + 9)).toBe(room.pfn * P + 9)
        }
      })
      const leaves = [...space.entries.values()].filter((entry) => typeof entry === 'object')
      expect(space.pmap.residentCount).toBe(leaves.length)
      expect(space.pmap.wiredCount).toBe(leaves.filter((leaf) => leaf.isWired).length)
      let seen = 0
      pmapForEach(space.pmap, 0, this.t.room.layout.user.end, () => seen++)
      expect(seen).toBe(leaves.length)
    }
    for (const g of this.pages) {
      expect(pmapIsModified(this.t.room, g.pfn)).toBe(g.isModified)
      expect(pmapIsReferenced(this.t.room, g.pfn)).toBe(g.isReferenced)
    }
  }
  /** Nothing leaks. */
  finish(freeAtStart: number): void {
    for (let cpu = 0; cpu < CPUS; cpu++) this.run(cpu, null)
    for (const space of this.spaces) {
      pmapRemove(space.pmap, 0, this.t.room.layout.user.end)
      pmapUpdate(space.pmap)
    }
    for (const g of this.pages) expect(this.t.refs(g.pfn)).toBe(1)
    for (const space of this.spaces) pmapDestroy(space.pmap)
    verify(this.t.room)
    expect(freeCount(this.t.room.phys)).toBe(freeAtStart + SPACES)
    expect(this.t.room.reverse.count).toBe(0)
  }
}

describe.each([sv39, sv48, x86_64, aarch64])('pmap and its model on $name', (format) => {
  it.each(Array.from({ length: 5 }, (_, i) => i + 1))('agree (seed %i)', (seed) => {
    const model = new Model(seed, format)
    const free = freeCount(model.t.room.phys)
    for (let i = 0; i < 400; i++) {
      model.step()
      if (i % 8 === 0) model.check()
    }
    model.finish(free)
  })
})

describe('a pmap that forgets', () => {
  it.each([1, 2, 3])('[uvm S132] changes fault counts only (seed %i)', (seed) => {
    const run = (forgetEvery: number): { trace: string[]; faults: number } => {
      const t = new Fixture({ cpus: 2, tlbEntries: 16 })
      const rng = new Rng(seed)
      const pages = SLOTS.map((_, i) => t.page(String.fromCharCode(97 + i)))
      const prots = SLOTS.map((_, i) => (i % 3 === 0 ? R : R | W))
      t.activate(t.pm, 0)
      t.activate(t.pm, 1)
      const wired = vaOf(FAR)
      pmapEnter(t.pm, wired, pages[FAR], R | W, PMAP_WIRED | R | W)
      const trace: string[] = []
      let faults = 0
      for (let i = 0; i < 1500; i++) {
        const cpu = rng.below(2)
        const slot = rng.below(SLOTS.length)
        const isStore = rng.below(2) === 0
        const byte = String.fromCharCode(65 + rng.below(26))
        const access = () => (isStore ? t.store(vaOf(slot), byte, cpu) : t.load(vaOf(slot), cpu))
        let result = access()
        // A process that faults gets its mapping again, from the records above the pmap.
        if (result === 'fault' && (!isStore || (prots[slot] & W) !== 0)) {
          faults++
          t.on(cpu, () => pmapEnter(t.pm, vaOf(slot), pages[slot], prots[slot], isStore ? W : R))
          result = access()
        }
        trace.push(`${cpu} ${slot} ${result}`)
        if (i % forgetEvery !== forgetEvery - 1) continue
        t.on(i % 2, () => {
          pmapForEach(t.pm, 0, wired, (va) => pmapRemove(t.pm, va, va + P))
          pmapUpdate(t.pm)
        })
        if (i % 5 === 0) verify(t.room)
        expect(pmapLookup(t.pm, wired)).toBe(true)
      }
      return { trace, faults }
    }
    const never = run(Infinity)
    for (const every of [1, 7, 100]) {
      const forgetful = run(every)
      expect(forgetful.trace).toEqual(never.trace)
      expect(forgetful.faults).toBeGreaterThan(never.faults)
    }
  })
})

// Superpages: entered whole, split by whatever concerns a part of them, and the same to everybody before and after.

import { describe, expect, it } from 'vitest'
import { EEXIST, ENOMEM, MiB, Rng } from '../../base/index.ts'
import { aarch64, type PteFormat, sv39, sv48, x86_64 } from '../../machine/index.ts'
import { allocPagesTry, freeCount, freePages, GFP_NOWAIT, PG_anon, putPage, splitPage } from '../phys/index.ts'
import { B, Fixture, type FixtureOptions, P } from './fixture.ts'
import {
  pmapClearModify,
  pmapClearReference,
  pmapCopyRange,
  pmapDestroy,
  pmapEnter,
  pmapEnterLarge,
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
  pmapSetProtection,
  pmapUpdate,
  SOFT_GUARD,
  verify,
  VM_PROT_NONE,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const RW = R | W
const LARGE = 2 * MiB

class Large extends Fixture {
  readonly pfn: number
  readonly free: number
  constructor(options: FixtureOptions = {}) {
    super(options)
    this.free = freeCount(this.room.phys)
    this.pfn = this.block()
  }
  /** 512 anonymous frames, each with the first letter of its number. */
  block(): number {
    const { phys, frames, memory } = this.room
    const pfn = allocPagesTry(phys, GFP_NOWAIT, 9)
    if (typeof pfn !== 'number' || pfn < 0) throw new Error('a test has memory')
    splitPage(phys, pfn, 9)
    for (let i = 0; i < 512; i++) {
      memory.zeroFrame(pfn + i)
      memory.write8((pfn + i) * P, 65 + (i % 26))
      frames.owner[frames.frameOf(pfn + i)] = 1
      frames.flags[frames.frameOf(pfn + i)] |= PG_anon
    }
    return pfn
  }
  giveBack(pfn: number): void {
    const { phys, frames } = this.room
    for (let i = 0; i < 512; i++) {
      frames.owner[frames.frameOf(pfn + i)] = 0
      frames.flags[frames.frameOf(pfn + i)] &= ~PG_anon
      putPage(phys, pfn + i)
    }
  }
  enter(prot = RW, access = 0): void {
    expect(pmapEnterLarge(this.pm, B, this.pfn, prot, access)).toBe(0)
    verify(this.room)
  }
  get splits(): number {
    return this.room.counters.demotions
  }
}

// A second reader of page tables, from the manuals' bit numbers, sharing nothing with the formats.
type Word = { leaf: boolean; pfn: number; w: boolean }
const bit = (v: bigint, n: number): boolean => ((v >> BigInt(n)) & 1n) === 1n
const field = (v: bigint, high: number, low: number): number =>
  Number((v >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n))
const riscv = (v: bigint): Word | null =>
  bit(v, 0) ? { leaf: bit(v, 1) || bit(v, 2) || bit(v, 3), pfn: field(v, 53, 10), w: bit(v, 2) } : null
const x86 = (v: bigint, level: number): Word | null =>
  bit(v, 0) ? { leaf: level === 0 || bit(v, 7), pfn: field(v, 51, 12), w: bit(v, 1) } : null
const arm = (v: bigint, level: number): Word | null =>
  bit(v, 0) ? { leaf: level === 0 || !bit(v, 1), pfn: field(v, 47, 12), w: !bit(v, 7) || bit(v, 51) } : null
const formats: { format: PteFormat; read: (v: bigint, level: number) => Word | null; levels: number }[] = [
  { format: sv39, read: riscv, levels: 3 },
  { format: sv48, read: riscv, levels: 4 },
  { format: x86_64, read: x86, levels: 4 },
  { format: aarch64, read: arm, levels: 4 },
]

/** What the words in RAM say of an address: level, frame of the page, may it be written. */
function readTables(t: Fixture, root: number, va: number, { read, levels }: (typeof formats)[number]): string {
  const { memory } = t.room
  const view = new DataView(memory.u8.buffer)
  let table = root
  for (let level = levels - 1; ; level--) {
    const index = Math.floor(va / 2 ** (12 + 9 * level)) % 512
    const word = read(view.getBigUint64(memory.frameOffset(table) + index * 8, true), level)
    if (word === null) return 'nothing'
    if (word.leaf) return `${level} ${word.pfn + (Math.floor(va / P) % 512 ** level)} ${word.w}`
    table = word.pfn
  }
}

describe.each(formats)('superpages of $format.name', (manual) => {
  const { format } = manual
  it('are one entry in RAM, and 512 after splitting; the second reader agrees', () => {
    const t = new Large({ format })
    t.enter()
    for (const i of [0, 1, 77, 511]) expect(readTables(t, t.pm.root, B + i * P, manual)).toBe(`1 ${t.pfn + i} true`)
    expect(pmapExtract(t.pm, B + 5 * P + 123)).toBe((t.pfn + 5) * P + 123)
    pmapProtect(t.pm, B + 5 * P, B + 6 * P, R)
    for (const i of [0, 4, 6, 511]) expect(readTables(t, t.pm.root, B + i * P, manual)).toBe(`0 ${t.pfn + i} true`)
    expect(readTables(t, t.pm.root, B + 5 * P, manual)).toBe(`0 ${t.pfn + 5} false`)
    expect(readTables(t, t.pm.root, B + LARGE, manual)).toBe('nothing')
    verify(t.room)
  })
  it('are read and written through, before and after', () => {
    const t = new Large({ format })
    t.enter()
    t.activate(t.pm)
    expect([t.load(B), t.load(B + 30 * P), t.store(B + 30 * P, 'z')]).toEqual(['A', 'E', 'ok'])
    pmapRemove(t.pm, B + P, B + 2 * P)
    pmapUpdate(t.pm)
    expect([t.load(B), t.load(B + P), t.load(B + 30 * P)]).toEqual(['A', 'fault', 'z'])
    verify(t.room)
  })
})

describe('a superpage', () => {
  it('costs the TLB one entry', () => {
    const t = new Large()
    t.enter()
    t.activate(t.pm)
    for (let i = 0; i < 512; i++) t.load(B + i * P)
    let entries = 0
    t.machine.cpus[0]!.tlb.forEachEntry((_vpn, level) => {
      if (level === 1) entries++
    })
    expect(entries).toBe(1)
    verify(t.room)
  })
  it('is 512 pages to whoever counts', () => {
    const t = new Large()
    t.enter()
    expect(t.pm.residentCount).toBe(512)
    expect([t.refs(t.pfn), t.refs(t.pfn + 511)]).toEqual([2, 2])
    expect(t.mappings(t.pfn + 3)).toEqual([`${t.pm.id}:0x${(B + 3 * P).toString(16)}`])
    const seen: number[] = []
    pmapForEach(t.pm, B + 10 * P, B + 12 * P, (va, pfn) => seen.push(va, pfn))
    expect(seen).toEqual([B + 10 * P, t.pfn + 10, B + 11 * P, t.pfn + 11])
    expect(t.splits).toBe(0)
  })
  it('goes whole without being split, and its memory comes back', () => {
    const t = new Large()
    t.enter(RW, W)
    pmapRemove(t.pm, B - LARGE, B + 2 * LARGE)
    pmapUpdate(t.pm)
    verify(t.room)
    expect([t.splits, t.pm.residentCount, t.pm.tablePages]).toEqual([0, 0, 1])
    expect(pmapIsModified(t.room, t.pfn + 9)).toBe(true)
    t.giveBack(t.pfn)
    expect(freeCount(t.room.phys)).toBe(t.free)
  })
  it('is entered neither over a mapping nor over a record, and not without memory; nothing changes', () => {
    const t = new Large()
    pmapEnterSoft(t.pm, B + 7 * P, SOFT_GUARD, 0)
    const tables = t.pm.tablePages
    expect(pmapEnterLarge(t.pm, B, t.pfn, RW, 0)).toBe(EEXIST)
    expect(t.pm.tablePages).toBe(tables)
    t.room.reverse.limit = 100
    expect(pmapEnterLarge(t.pm, B + LARGE, t.pfn, RW, 0)).toBe(ENOMEM)
    t.room.reverse.limit = 2 ** 28
    const taken: number[] = []
    for (;;) {
      const pfn = allocPagesTry(t.room.phys, GFP_NOWAIT, 0)
      if (typeof pfn !== 'number' || pfn < 0) break
      taken.push(pfn)
    }
    expect(pmapEnterLarge(t.pm, B + LARGE, t.pfn, RW, 0)).toBe(ENOMEM)
    freePages(t.room.phys, taken.pop()!, 0)
    // One page is enough for the table held back, not for the one above the superpage.
    expect(pmapEnterLarge(t.pm, B + 2 ** 38, t.pfn, RW, 0)).toBe(ENOMEM)
    expect([t.pm.tablePages, t.pm.residentCount, t.pm.large.size]).toEqual([tables, 0, 0])
    verify(t.room)
  })

  const page = B + 100 * P
  const partial: [string, (t: Large) => unknown][] = [
    ['a part is removed', (t) => pmapRemove(t.pm, page, page + P)],
    ['a beginning is removed', (t) => pmapRemove(t.pm, B - P, page)],
    ['an end is removed', (t) => pmapRemove(t.pm, page, B + LARGE)],
    ['it is write-protected', (t) => pmapProtect(t.pm, B, B + LARGE, R)],
    ['a page gets other permissions', (t) => pmapSetProtection(t.pm, page, page + P, VM_PROT_NONE, () => false)],
    ['it is copied for a child', (t) => pmapCopyRange(t.pm2, t.pm, B, B + LARGE)],
    ['a part moves', (t) => pmapMove(t.pm, page, B + 4 * LARGE, 3 * P)],
    ['a page is entered with other permissions', (t) => pmapEnter(t.pm, page, t.pfn + 100, R, R)],
    ['another page is entered', (t) => pmapEnter(t.pm, page, t.page('x'), RW, 0)],
    ['a guard is put up', (t) => pmapEnterSoft(t.pm, page, SOFT_GUARD, 0)],
    ['a page is taken away', (t) => pmapPageProtect(t.room, t.pfn + 100, VM_PROT_NONE)],
    ['a page is write-protected', (t) => pmapPageProtect(t.room, t.pfn + 100, R)],
    ['a page becomes clean', (t) => pmapClearModify(t.room, t.pfn + 100)],
    ['a page becomes unreferenced', (t) => pmapClearReference(t.room, t.pfn + 100)],
  ]
  it.each(partial)('is split when %s, and other CPUs hear of it', (_what, act) => {
    const t = new Large({ cpus: 2 })
    t.enter(RW, W)
    t.activate(t.pm, 0)
    t.activate(t.pm, 1)
    t.load(B, 1)
    t.store(page, 'q', 1)
    act(t)
    verify(t.room)
    pmapUpdate(t.pm)
    verify(t.room)
    expect(t.splits).toBe(1)
    expect(t.pm.large.size).toBe(0)
    // What was not concerned is there, with the frame it had.
    if (pmapLookup(t.pm, B + 200 * P)) expect(t.room.pfn).toBe(t.pfn + 200)
    expect(pmapIsModified(t.room, t.pfn + 300)).toBe(true)
    expect(pmapIsReferenced(t.room, t.pfn + 300)).toBe(true)
    pmapRemove(t.pm, 0, 2 ** 38, true)
    pmapRemove(t.pm2, 0, 2 ** 38, true)
    pmapUpdate(t.pm)
    verify(t.room)
    expect([t.pm.residentCount, t.pm.tablePages, t.pm2.residentCount]).toEqual([0, 1, 0])
  })
  it('is split without any memory', () => {
    const t = new Large()
    t.enter()
    while (Number(allocPagesTry(t.room.phys, GFP_NOWAIT, 0)) > 0);
    pmapRemove(t.pm, page, page + P)
    pmapUpdate(t.pm)
    expect([pmapLookup(t.pm, page), pmapLookup(t.pm, page + P)]).toEqual([false, true])
    verify(t.room)
  })
  it('survives a random life beside a model', () => {
    const rng = new Rng(3)
    const t = new Large({ cpus: 2 })
    t.activate(t.pm, 0)
    t.activate(t.pm, 1)
    const blocks = [t.pfn, t.block()]
    /** Page of the window to frame and permission. */
    const model = new Map<number, { pfn: number; prot: number }>()
    for (let step = 0; step < 200; step++) {
      const from = rng.below(1024)
      const to = Math.min(1024, from + 1 + rng.below(rng.below(4) === 0 ? 700 : 20))
      const what = rng.below(6)
      if (what === 0) {
        const half = rng.below(2)
        const isFree = ![...model.keys()].some((p) => Math.floor(p / 512) === half)
        const isSpare = ![...model.values()].some(
          ({ pfn }) => Math.floor(pfn / 512) === Math.floor(blocks[half]! / 512),
        )
        if (!isFree || !isSpare) continue
        expect(pmapEnterLarge(t.pm, B + half * LARGE, blocks[half]!, RW, 0)).toBe(0)
        for (let i = 0; i < 512; i++) model.set(half * 512 + i, { pfn: blocks[half]! + i, prot: RW })
      } else if (what === 1) {
        pmapRemove(t.pm, B + from * P, B + to * P)
        for (let p = from; p < to; p++) model.delete(p)
      } else if (what === 2) {
        pmapProtect(t.pm, B + from * P, B + to * P, R)
        for (let p = from; p < to; p++) if (model.has(p)) model.get(p)!.prot = R
      } else if (what === 3) {
        const mapped = model.get(from)
        if (mapped !== undefined) pmapPageProtect(t.room, mapped.pfn, VM_PROT_NONE)
        model.delete(from)
      } else {
        const cpu = rng.below(2)
        const mapped = model.get(from)
        const got = what === 4 ? t.load(B + from * P, cpu) : t.store(B + from * P + 1, 'x', cpu)
        expect(got !== 'fault').toBe(mapped !== undefined && (what === 4 || (mapped.prot & W) !== 0))
      }
      pmapUpdate(t.pm)
      if (step % 10 === 0) verify(t.room)
      let seen = 0
      pmapForEach(t.pm, B, B + 2 * LARGE, (va, pfn, flags) => {
        seen++
        expect({ pfn, prot: flags & RW }).toEqual(model.get((va - B) / P))
      })
      expect(seen).toBe(model.size)
    }
    pmapRemove(t.pm, B, B + 2 * LARGE)
    t.activateNothing(0)
    t.activateNothing(1)
    pmapDestroy(t.pm)
    for (const pfn of blocks) t.giveBack(pfn)
    verify(t.room)
  })
})

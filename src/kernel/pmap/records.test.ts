import { describe, expect, it } from 'vitest'
import { ENOMEM } from '../../base/index.ts'
import { aarch64, F_ACCESSED, F_DIRTY, F_WIRED, sv39, sv48, x86_64 } from '../../machine/index.ts'
import { freeCount } from '../phys/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  type Pmap,
  PMAP_COPY_SHARED,
  PMAP_UNMANAGED,
  PMAP_WIRED,
  pmapCopyRange,
  pmapDestroy,
  pmapEnter,
  pmapEnterSoft,
  pmapForEach,
  pmapForEachSoft,
  pmapIsModified,
  pmapLookup,
  pmapMove,
  pmapProtect,
  pmapRemove,
  pmapUpdate,
  SOFT_FILE,
  SOFT_GUARD,
  SOFT_NONE,
  SOFT_SWAP,
  verify,
  VM_PROT_EXECUTE as X,
  VM_PROT_NONE,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const RW = R | W
const TABLE = 2 ** 21

/** What [B, B + n pages) holds: "rw", "r-", "guard", "swap 5", "file 7", "-" for each page. */
function picture(pmap: Pmap, from: number, n: number): string[] {
  const { room } = pmap
  const kinds = new Map([
    [SOFT_NONE, '-'],
    [SOFT_GUARD, 'guard'],
    [SOFT_SWAP, 'swap'],
    [SOFT_FILE, 'file'],
  ])
  return Array.from({ length: n }, (_, i) => {
    if (pmapLookup(pmap, from + i * P)) return `${room.prot & R ? 'r' : '-'}${room.prot & W ? 'w' : '-'}`
    const kind = kinds.get(room.softKind)!
    return room.softValue === 0 ? kind : `${kind} ${room.softValue}`
  })
}

describe.each([sv39, sv48, x86_64, aarch64])('software entries on $name', (format) => {
  it('are remembered until they are zapped', () => {
    const t = new Fixture({ format })
    const { pm, room } = t
    pmapEnterSoft(pm, B, SOFT_GUARD, 0)
    pmapEnterSoft(pm, B + P, SOFT_SWAP, 2 ** 40 - 1)
    pmapEnterSoft(pm, B + 2 * P, SOFT_FILE, 7)
    pmapEnter(pm, B + 3 * P, t.page(), RW, R)
    const all = ['guard', `swap ${2 ** 40 - 1}`, 'file 7']
    expect(picture(pm, B, 4)).toEqual([...all, 'rw'])
    expect(pm.residentCount).toBe(1)
    pmapProtect(pm, B, B + 4 * P, R)
    pmapProtect(pm, B, B + 4 * P, VM_PROT_NONE)
    pmapRemove(pm, B, B + 4 * P)
    expect(picture(pm, B, 4)).toEqual([...all, '-'])
    const seen: string[] = []
    pmapForEachSoft(pm, 0, 2 ** 37, (va, kind, value) => seen.push(`${va - B} ${kind} ${value}`))
    expect(seen).toEqual([`0 ${SOFT_GUARD} 0`, `4096 ${SOFT_SWAP} ${2 ** 40 - 1}`, `8192 ${SOFT_FILE} 7`])
    verify(room)
    pmapEnter(pm, B, t.page(), R, R)
    expect(picture(pm, B, 2)).toEqual(['r-', all[1]])
    pmapEnterSoft(pm, B + P, SOFT_NONE, 0)
    verify(room)
    pmapRemove(pm, 0, 2 ** 37, true)
    pmapUpdate(pm)
    expect(picture(pm, B, 4)).toEqual(['-', '-', '-', '-'])
    expect(pm.tablePages).toBe(1)
    pmapEnterSoft(pm, B, SOFT_NONE, 0)
    expect(pm.tablePages).toBe(1)
    verify(room)
  })

  it('replace a mapping, which is told to the TLBs', () => {
    const t = new Fixture({ format })
    t.activate(t.pm)
    const g1 = t.page('1')
    pmapEnter(t.pm, B, g1, RW, W | PMAP_WIRED)
    t.load(B)
    pmapEnterSoft(t.pm, B, SOFT_SWAP, 3)
    pmapUpdate(t.pm)
    expect([t.load(B), pmapIsModified(t.room, g1), t.refs(g1), t.pm.wiredCount]).toEqual(['fault', true, 1, 0])
    verify(t.room)
    pmapEnterSoft(t.pm, B, SOFT_NONE, 0)
    pmapUpdate(t.pm)
    expect(t.pm.tablePages).toBe(1)
    pmapEnterSoft(t.pm, B, SOFT_GUARD, 0)
    t.activateNothing()
    const free = freeCount(t.room.phys)
    pmapDestroy(t.pm)
    expect(freeCount(t.room.phys)).toBe(free + 4 - (format === sv39 ? 1 : 0))
  })
})

describe('pmapCopyRange', () => {
  function parent(): Fixture {
    const t = new Fixture({ cpus: 2 })
    const { pm } = t
    t.activate(pm)
    pmapEnter(pm, B, t.page('0'), RW, W | PMAP_WIRED)
    pmapEnter(pm, B + P, t.page('1'), R | X, R)
    pmapEnterSoft(pm, B + 2 * P, SOFT_GUARD, 0)
    pmapEnterSoft(pm, B + 3 * P, SOFT_SWAP, 9)
    pmapEnter(pm, B + 5 * P, t.page('5'), RW, R | PMAP_UNMANAGED)
    pmapEnter(pm, B + TABLE, t.page('6'), RW, 0)
    return t
  }

  it('write-protects both sides', () => {
    const t = parent()
    const { room, pm, pm2 } = t
    t.load(B)
    t.store(B, 'x')
    expect(pmapCopyRange(pm2, pm, B, B + TABLE + P)).toBe(0)
    expect(t.store(B, 'y')).toBe('ok')
    pmapUpdate(pm)
    expect(t.store(B, 'z')).toBe('fault')
    const all = ['r-', 'r-', 'guard', 'swap 9', '-', 'r-']
    expect([picture(pm, B, 6), picture(pm2, B, 6)]).toEqual([all, all])
    expect([picture(pm, B + TABLE, 1), picture(pm2, B + TABLE, 1)]).toEqual([['r-'], ['r-']])
    expect([pm2.residentCount, pm2.wiredCount, pm.wiredCount]).toEqual([3, 0, 1])
    pmapLookup(pm2, B)
    expect(room.flags & (F_WIRED | F_ACCESSED | F_DIRTY)).toBe(F_ACCESSED | F_DIRTY)
    pmapLookup(pm, B)
    expect(room.flags & (F_WIRED | F_ACCESSED | F_DIRTY)).toBe(F_WIRED | F_ACCESSED | F_DIRTY)
    t.activate(pm2, 1)
    expect(t.load(B, 1) + t.load(B + P, 1) + t.load(B + 5 * P, 1)).toBe('y15')
    expect(t.store(B, 'c', 1)).toBe('fault')
    verify(room)
  })

  it('leaves permissions of shared mappings alone', () => {
    const t = parent()
    expect(pmapCopyRange(t.pm2, t.pm, B, B + 2 * P, PMAP_COPY_SHARED)).toBe(0)
    expect([picture(t.pm, B, 2), picture(t.pm2, B, 2)]).toEqual([
      ['rw', 'r-'],
      ['rw', 'r-'],
    ])
    pmapUpdate(t.pm)
    expect(t.ipis).toBe(0)
    verify(t.room)
  })

  it('answers ENOMEM at every shortage and leaves a child that can be removed', () => {
    for (let n = 0; ; n++) {
      const t = parent()
      const { room, pm, pm2 } = t
      const tables = room.tables as { take: () => number }
      const take = tables.take.bind(tables)
      const free = freeCount(room.phys)
      let left = n
      tables.take = () => (left-- > 0 ? take() : -1)
      const error = pmapCopyRange(pm2, pm, B, B + TABLE + P)
      pmapUpdate(pm)
      verify(room)
      pmapRemove(pm2, 0, 2 ** 47, true)
      pmapUpdate(pm2)
      verify(room)
      expect(freeCount(room.phys)).toBe(free)
      if (error === 0) {
        expect(n).toBe(4)
        break
      }
      expect(error).toBe(ENOMEM)
    }
  })
})

describe('pmapMove', () => {
  const to = B + 64 * TABLE + 511 * P

  function source(): Fixture {
    const t = new Fixture({ cpus: 2 })
    t.activate(t.pm, 0)
    t.activate(t.pm, 1)
    for (const i of [0, 1, 3]) pmapEnter(t.pm, B + i * P, t.page(String(i)), RW, i === 3 ? PMAP_WIRED : 0)
    pmapEnterSoft(t.pm, B + 2 * P, SOFT_FILE, 12)
    t.load(B, 1)
    t.store(B + P, 'm')
    return t
  }

  it('moves mappings and records, and every TLB forgets', () => {
    const t = source()
    const { pm } = t
    const tablesBefore = pm.tablePages
    expect(pmapMove(pm, B, to, 4 * P)).toBe(0)
    expect(picture(pm, B, 4)).toEqual(['-', '-', '-', '-'])
    expect(picture(pm, to, 4)).toEqual(['rw', 'rw', 'file 12', 'rw'])
    expect([t.load(B, 1), t.load(B + P, 0)]).toEqual(['fault', 'fault'])
    expect([t.load(to, 1), t.load(to + P, 0), t.load(to + 3 * P)]).toEqual(['0', 'm', '3'])
    expect([t.ipis, pm.residentCount, pm.wiredCount]).toEqual([1, 3, 1])
    // Two lowest tables instead of one.
    expect(pm.tablePages).toBe(tablesBefore + 1)
    pmapLookup(pm, to + P)
    expect(t.room.flags & F_DIRTY).not.toBe(0)
    verify(t.room)
    const seen: number[] = []
    pmapForEach(pm, 0, 2 ** 47, (va) => seen.push(va))
    expect(seen).toEqual([to, to + P, to + 3 * P])
  })

  it('moves nothing when there is no memory for tables', () => {
    for (let n = 0; n < 3; n++) {
      const t = source()
      const { room, pm } = t
      const tables = room.tables as { take: () => number }
      const take = tables.take.bind(tables)
      let left = n
      tables.take = () => (left-- > 0 ? take() : -1)
      const before = pm.tablePages
      const error = pmapMove(pm, B, to, 4 * P)
      if (n === 2) {
        expect(error).toBe(0)
        continue
      }
      expect(error).toBe(ENOMEM)
      expect(picture(pm, B, 4)).toEqual(['rw', 'rw', 'file 12', 'rw'])
      expect(pm.tablePages).toBe(before)
      verify(room)
    }
  })

  it('refuses to overlap', () => {
    const t = source()
    expect(() => pmapMove(t.pm, B, B + P, 2 * P)).toThrow('other addresses')
  })
})

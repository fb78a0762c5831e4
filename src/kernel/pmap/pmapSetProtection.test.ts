import { describe, expect, it } from 'vitest'
import { aarch64, F_DIRTY, sv39, sv48, x86_64 } from '../../machine/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  pmapCopyRange,
  pmapEnter,
  pmapForEach,
  pmapLookup,
  pmapMove,
  pmapPageProtect,
  pmapProtect,
  pmapRemove,
  pmapSetProtection,
  pmapUpdate,
  verify,
  VM_PROT_NONE as NONE,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const RW = R | W
const yes = (): boolean => true
const no = (): boolean => false

describe.each([sv39, sv48, x86_64, aarch64])('pmapSetProtection on $name', (format) => {
  it('hides a mapping: no access, still resident, as dirty as it was; and gives it back', () => {
    const t = new Fixture({ format, cpus: 2 })
    const page = t.page('a')
    t.activate(t.pm)
    t.activate(t.pm, 1)
    pmapEnter(t.pm, B, page, RW, RW)
    expect(t.store(B, 'b')).toBe('ok')
    expect(t.load(B, 1)).toBe('b')

    pmapSetProtection(t.pm, B, B + P, NONE, yes)
    pmapUpdate(t.pm)
    expect([t.load(B), t.store(B, 'c'), t.load(B, 1)]).toEqual(['fault', 'fault', 'fault'])
    expect(pmapLookup(t.pm, B)).toBe(true)
    expect([t.room.pfn, t.room.prot, t.room.flags & F_DIRTY]).toEqual([page, 0, F_DIRTY])
    expect([t.pm.residentCount, t.refs(page), t.mappings(page).length]).toEqual([1, 2, 1])
    verify(t.room)

    pmapSetProtection(t.pm, B, B + P, RW, yes)
    pmapUpdate(t.pm)
    expect([t.load(B), t.store(B, 'd'), t.load(B, 1)]).toEqual(['b', 'ok', 'd'])
    verify(t.room)
  })
  it('asks whether a page may be written that could not be', () => {
    const t = new Fixture({ format })
    t.activate(t.pm)
    pmapEnter(t.pm, B, t.page('a'), R, R)
    pmapEnter(t.pm, B + P, t.page('b'), RW, RW)
    expect(t.load(B)).toBe('a')
    pmapSetProtection(t.pm, B, B + 2 * P, RW, no)
    expect([t.store(B, 'x'), t.store(B + P, 'x')]).toEqual(['fault', 'ok'])
    pmapSetProtection(t.pm, B, B + 2 * P, RW, yes)
    pmapUpdate(t.pm)
    // The TLB held a translation that denies the store: it is gone.
    expect(t.store(B, 'x')).toBe('ok')
    pmapSetProtection(t.pm, B, B + 2 * P, R, yes)
    pmapUpdate(t.pm)
    expect([t.store(B, 'x'), t.store(B + P, 'x')]).toEqual(['fault', 'fault'])
    verify(t.room)
  })
  it('leaves hidden mappings to move, fork, lowering and removal like any other', () => {
    const t = new Fixture({ format })
    const page = t.page('a')
    pmapEnter(t.pm, B, page, RW, RW)
    pmapSetProtection(t.pm, B, B + P, NONE, yes)
    pmapProtect(t.pm, B, B + P, R)
    expect(pmapMove(t.pm, B, B + 8 * P, P)).toBe(0)
    expect(pmapCopyRange(t.pm2, t.pm, B + 8 * P, B + 9 * P)).toBe(0)
    expect(t.mappings(page).length).toBe(2)
    const seen: number[] = []
    pmapForEach(t.pm2, B, B + 16 * P, (va, pfn) => seen.push(va, pfn))
    expect(seen).toEqual([B + 8 * P, page])
    verify(t.room)
    pmapRemove(t.pm, B, B + 16 * P)
    pmapUpdate(t.pm)
    expect([t.pm.residentCount, t.mappings(page).length]).toEqual([0, 1])
    pmapPageProtect(t.room, page, NONE)
    expect([t.pm2.residentCount, t.refs(page)]).toEqual([0, 1])
    verify(t.room)
  })
})

import { describe, expect, it } from 'vitest'
import { F_ACCESSED, F_DIRTY } from '../../machine/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  pmapCleanRange,
  pmapEnter,
  pmapIsModified,
  pmapLookup,
  pmapUpdate,
  verify,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

describe('pmapCleanRange', () => {
  it('forgets stores through one pmap, and not those through another', () => {
    const t = new Fixture()
    const page = t.page('a')
    const other = t.page('b')
    t.activate(t.pm)
    pmapEnter(t.pm, B, page, R | W, R | W)
    pmapEnter(t.pm, B + P, other, R | W, R | W)
    pmapEnter(t.pm2, B, page, R | W, R | W)
    pmapCleanRange(t.pm, B, B + 2 * P, (pfn) => pfn === page)
    pmapUpdate(t.pm)
    pmapLookup(t.pm, B)
    expect(t.room.flags & (F_ACCESSED | F_DIRTY)).toBe(0)
    expect([pmapIsModified(t.room, page), pmapIsModified(t.room, other)]).toEqual([true, true])
    pmapCleanRange(t.pm2, B, B + P, () => true)
    expect(pmapIsModified(t.room, page)).toBe(false)
    // A store is noticed again.
    expect(t.store(B, 'c')).toBe('ok')
    expect(pmapIsModified(t.room, page)).toBe(true)
    verify(t.room)
  })
})

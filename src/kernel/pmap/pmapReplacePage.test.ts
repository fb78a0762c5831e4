import { describe, expect, it } from 'vitest'
import { sv39, sv48, x86_64 } from '../../machine/index.ts'
import { globalStat, NR_ANON_PAGES, NR_FILE_MAPPED, PG_anon } from '../phys/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  PMAP_WIRED,
  pmapCopyPage,
  pmapEnter,
  pmapIsModified,
  pmapIsReferenced,
  pmapLookup,
  pmapReplacePage,
  pmapRemove,
  pmapUpdate,
  verify,
  VM_PROT_EXECUTE as X,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

describe.each([sv39, sv48, x86_64])('pmapReplacePage on $name', (format) => {
  it('moves every mapping with its protection, wiring and attributes', () => {
    const t = new Fixture({ format })
    const { room, pm, pm2 } = t
    const [from, to] = [t.page('old'), t.page('new')]
    pmapEnter(pm, B, from, R | W, W | PMAP_WIRED)
    pmapEnter(pm, B + P, from, R | X, 0)
    pmapEnter(pm2, B + 5 * P, from, R, R)
    const announced: number[] = []
    room.newCode = (pfn) => announced.push(pfn)
    pmapReplacePage(room, from, to)
    verify(room)

    expect([t.refs(from), t.refs(to)]).toEqual([1, 4])
    const { mapcount } = room.frames
    expect([mapcount[room.frames.frameOf(from)], mapcount[room.frames.frameOf(to)]]).toEqual([-1, 2])
    const seen = (pmap: typeof pm, va: number) => (pmapLookup(pmap, va) ? [room.pfn, room.prot] : null)
    expect(seen(pm, B)).toEqual([to, R | W])
    expect(seen(pm, B + P)).toEqual([to, R | X])
    expect(seen(pm2, B + 5 * P)).toEqual([to, R])
    expect([pm.wiredCount, pm.residentCount, pm2.residentCount]).toEqual([1, 2, 1])
    expect([pmapIsModified(room, to), pmapIsReferenced(room, to)]).toEqual([true, true])
    expect([pmapIsModified(room, from), pmapIsReferenced(room, from)]).toEqual([false, false])
    expect(announced).toEqual([to])
    t.activate(pm)
    expect(t.load(B)).toBe('n')
  })
  it('tells every TLB, so that no processor sees the old page', () => {
    const t = new Fixture({ format, cpus: 3 })
    const { room, pm } = t
    const [from, to] = [t.page('old'), t.page()]
    pmapEnter(pm, B, from, R | W, W)
    for (const cpu of [0, 1]) {
      t.activate(pm, cpu)
      expect(t.load(B, cpu)).toBe('o')
    }
    pmapReplacePage(room, from, to)
    pmapCopyPage(room, from, to)
    for (const cpu of [0, 1]) expect(t.load(B, cpu)).toBe('o')
    expect(t.store(B, 'x', 1)).toBe('ok')
    expect(room.memory.read8(to * P)).toBe('x'.charCodeAt(0))
    expect(room.memory.read8(from * P)).toBe('o'.charCodeAt(0))
    verify(room)
  })
  it('keeps saved attributes and the statistics of the zone', () => {
    const t = new Fixture({ format })
    const { room, pm } = t
    const [from, to] = [t.page(), t.page()]
    room.frames.flags[room.frames.frameOf(from)]! |= PG_anon
    room.frames.flags[room.frames.frameOf(to)]! |= PG_anon
    pmapEnter(pm, B, from, R | W, W)
    pmapEnter(pm, B + P, from, R, R)
    pmapRemove(pm, B, B + P)
    pmapUpdate(pm)
    pmapReplacePage(room, from, to)
    expect([pmapIsModified(room, to), pmapIsModified(room, from)]).toEqual([true, false])
    expect([globalStat(room.phys, NR_ANON_PAGES), globalStat(room.phys, NR_FILE_MAPPED)]).toEqual([1, 0])
    pmapRemove(pm, B + P, B + 2 * P)
    pmapUpdate(pm)
    expect(globalStat(room.phys, NR_ANON_PAGES)).toBe(0)
    expect([t.refs(from), t.refs(to)]).toEqual([1, 1])
    verify(room)
  })
})

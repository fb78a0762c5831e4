import { describe, expect, it } from 'vitest'
import { ENOMEM } from '../../base/index.ts'
import { aarch64, F_ACCESSED, F_DIRTY, F_EXEC, F_READ, F_WRITE, sv39, sv48, x86_64 } from '../../machine/index.ts'
import {
  __GFP_COMP,
  allocPagesTry,
  freeCount,
  getPage,
  globalStat,
  NR_ANON_PAGES,
  NR_FILE_MAPPED,
  PG_anon,
  PG_pagetable,
  putPage,
} from '../phys/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  PMAP_CANFAIL,
  PMAP_WIRED,
  pmapClearModify,
  pmapClearReference,
  pmapDestroy,
  pmapEnter,
  pmapExtract,
  pmapIsModified,
  pmapIsReferenced,
  pmapLookup,
  pmapPageProtect,
  pmapProtect,
  pmapReference,
  pmapRemove,
  pmapUnwire,
  pmapUpdate,
  type TableSource,
  verify,
  VM_PROT_EXECUTE as X,
  VM_PROT_NONE,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const RW = R | W

describe.each([sv39, sv48, x86_64, aarch64])('pmap on $name', (format) => {
  const prot = (t: Fixture, va: number): number => (pmapLookup(t.pm, va) ? t.room.prot : -1)

  it('[uvm S104] enters and extracts', () => {
    const t = new Fixture({ format })
    const { room, pm } = t
    const g1 = t.page()
    expect(pmapEnter(pm, B, g1, RW, R)).toBe(0)
    expect(pmapExtract(pm, B + 0x123)).toBe(g1 * P + 0x123)
    expect(pmapExtract(pm, B + P)).toBe(-1)
    expect(pm.residentCount).toBe(1)
    expect(pm.wiredCount).toBe(0)
    expect(pmapIsReferenced(room, g1)).toBe(true)
    expect(pmapIsModified(room, g1)).toBe(false)
    expect(t.refs(g1)).toBe(2)
    const g2 = t.page()
    pmapEnter(pm, B + P, g2, RW, W)
    expect(pmapIsModified(room, g2)).toBe(true)
    verify(room)
  })

  it('[uvm S105] keeps modified when the same frame is entered again', () => {
    const t = new Fixture({ format })
    const g1 = t.page()
    pmapEnter(t.pm, B, g1, RW, W)
    pmapEnter(t.pm, B, g1, R, R)
    expect(t.pm.residentCount).toBe(1)
    expect(pmapIsModified(t.room, g1)).toBe(true)
    expect(t.mappings(g1)).toEqual([`${t.pm.id}:0x10000000`])
    expect(prot(t, B) & W).toBe(0)
    expect(t.refs(g1)).toBe(2)
    verify(t.room)
  })

  it('[uvm S106] replaces a frame, and no CPU sees the old one', () => {
    const t = new Fixture({ format, cpus: 2 })
    const [g1, g2] = [t.page('1'), t.page('2')]
    t.activate(t.pm, 0)
    t.activate(t.pm, 1)
    pmapEnter(t.pm, B, g1, RW, W)
    expect(t.load(B, 0) + t.load(B, 1)).toBe('11')
    pmapEnter(t.pm, B, g2, RW, R)
    pmapUpdate(t.pm)
    expect(t.pm.residentCount).toBe(1)
    expect(t.mappings(g1)).toEqual([])
    expect(pmapIsModified(t.room, g1)).toBe(true)
    expect(t.mappings(g2)).toEqual([`${t.pm.id}:0x10000000`])
    expect(pmapIsModified(t.room, g2)).toBe(false)
    expect(t.load(B, 0) + t.load(B, 1)).toBe('22')
    expect(t.refs(g1)).toBe(1)
    verify(t.room)
  })

  it('[uvm S107] counts the wired bit', () => {
    const t = new Fixture({ format })
    const { pm } = t
    const g1 = t.page()
    pmapEnter(pm, B, g1, RW, PMAP_WIRED | R)
    expect(pm.wiredCount).toBe(1)
    pmapEnter(pm, B, g1, RW, R)
    expect([pm.wiredCount, pm.residentCount]).toEqual([0, 1])
    pmapEnter(pm, B, g1, RW, PMAP_WIRED | R)
    pmapUnwire(pm, B)
    expect(pm.wiredCount).toBe(0)
    expect(pmapExtract(pm, B)).toBe(g1 * P)
    pmapUnwire(pm, B)
    expect(t.room.phys.log.warnings.at(-1)).toContain("didn't change")
    expect(() => pmapUnwire(pm, B + P)).toThrow('is mapped')
    pmapEnter(pm, B, g1, RW, PMAP_WIRED | R)
    pmapRemove(pm, B, B + P)
    expect([pm.wiredCount, pm.residentCount]).toEqual([0, 0])
    pmapUpdate(pm)
    verify(t.room)
  })

  it('[uvm S109] keeps attributes when the mapping is gone', () => {
    const t = new Fixture({ format })
    const { room, pm } = t
    const g1 = t.page()
    t.activate(pm)
    pmapEnter(pm, B, g1, RW, 0)
    expect(t.store(B, 'x')).toBe('ok')
    pmapRemove(pm, B, B + P)
    pmapUpdate(pm)
    expect(pmapIsModified(room, g1)).toBe(true)
    expect(pmapClearModify(room, g1)).toBe(true)
    expect(pmapClearModify(room, g1)).toBe(false)
    expect(pmapIsReferenced(room, g1)).toBe(true)
    expect(pmapClearReference(room, g1)).toBe(true)
    expect(pmapIsReferenced(room, g1)).toBe(false)
  })

  it('[uvm S111] takes permission from every mapping of a page', () => {
    const t = new Fixture({ format })
    const { room, pm, pm2 } = t
    const g1 = t.page()
    t.activate(pm)
    pmapEnter(pm, B, g1, R | W | X, W)
    pmapEnter(pm2, B + P, g1, RW, R)
    expect(t.store(B, 'a')).toBe('ok')
    pmapPageProtect(room, g1, RW)
    expect(prot(t, B)).toBe(R | W | X)
    pmapPageProtect(room, g1, R)
    expect(prot(t, B)).toBe(R)
    expect(pmapLookup(pm2, B + P) && room.prot).toBe(R)
    expect(t.store(B, 'b')).toBe('fault')
    expect(t.load(B)).toBe('a')
    pmapPageProtect(room, g1, RW)
    expect(prot(t, B)).toBe(R)
    pmapPageProtect(room, g1, R | X)
    expect(prot(t, B)).toBe(R)
    verify(room)
  })

  it('[uvm S112] never grants with pmapProtect', () => {
    const t = new Fixture({ format })
    const { pm } = t
    pmapEnter(pm, B, t.page(), RW, R)
    pmapProtect(pm, B, B + P, RW)
    pmapProtect(pm, B, B + P, W)
    expect(prot(t, B)).toBe(RW)
    pmapProtect(pm, B, B + P, R)
    expect(prot(t, B)).toBe(R)
    pmapProtect(pm, B, B + P, RW)
    expect(prot(t, B)).toBe(R)
    pmapProtect(pm, B, B + P, VM_PROT_NONE)
    expect(prot(t, B)).toBe(-1)
    pmapUpdate(pm)
    verify(t.room)
  })

  it('[uvm S116] notices a store after clear_modify', () => {
    const t = new Fixture({ format, cpus: 2 })
    const { room, pm } = t
    const g1 = t.page()
    t.activate(pm, 0)
    t.activate(pm, 1)
    pmapEnter(pm, B, g1, RW, 0)
    t.store(B, 'a', 0)
    t.store(B, 'a', 1)
    for (const cpu of [0, 1]) {
      expect(pmapClearModify(room, g1)).toBe(true)
      expect(pmapIsModified(room, g1)).toBe(false)
      t.store(B, 'b', cpu)
      expect(pmapIsModified(room, g1)).toBe(true)
    }
    expect(pmapClearReference(room, g1)).toBe(true)
    expect(pmapIsModified(room, g1)).toBe(true)
    t.load(B, 1)
    expect(pmapIsReferenced(room, g1)).toBe(true)
    verify(room)
  })

  it('writes entries the walker reads as they were meant', () => {
    const t = new Fixture({ format })
    t.activate(t.pm)
    const wanted = [R, RW, R | X, R | W | X]
    wanted.forEach((p, i) => pmapEnter(t.pm, B + i * P, t.page('p'), p, 0))
    const { mmu } = t.machine.cpus[0]
    wanted.forEach((p, i) => {
      const va = B + i * P
      expect(mmu.translateRead(va) >= 0).toBe(true)
      expect(mmu.translateWrite(va) >= 0).toBe((p & W) !== 0)
      expect(mmu.translateFetch(va) >= 0).toBe((p & X) !== 0)
      expect(t.kernelLoad(va)).toBe('fault')
      pmapLookup(t.pm, va)
      expect(t.room.flags & (F_READ | F_WRITE | F_EXEC)).toBe(p)
      expect(t.room.flags & (F_ACCESSED | F_DIRTY)).toBe((p & W) === 0 ? F_ACCESSED : F_ACCESSED | F_DIRTY)
    })
    // The kernel sees every frame in its direct map, the user none of it.
    const pa = pmapExtract(t.pm, B)
    expect(t.kernelLoad(t.room.directMapStart + pa)).toBe('p')
    expect(t.load(t.room.directMapStart + pa)).toBe('fault')
    verify(t.room)
  })

  it('finds pages inside the superpages of the direct map', () => {
    const { room } = new Fixture({ format })
    const va = room.directMapStart + 5 * 2 ** 20 + 7 * P
    expect(pmapExtract(room.kernel, va + 5)).toBe(5 * 2 ** 20 + 7 * P + 5)
    expect(pmapLookup(room.kernel, va)).toBe(true)
    expect(room.pfn).toBe(5 * 256 + 7)
  })
})

describe('pmap', () => {
  /** Gives out `n` tables, then none. */
  const scarce = (n: number, take: () => number): TableSource => ({
    take: () => (n-- > 0 ? take() : -1),
    give() {},
  })

  it('[uvm S108] answers ENOMEM and changes nothing, or panics', () => {
    const t = new Fixture()
    const { room, pm } = t
    const g1 = t.page()
    const tables = room.tables as { take: () => number }
    const take = tables.take.bind(tables)
    for (let n = 0; n < 3; n++) {
      const free = freeCount(room.phys)
      tables.take = scarce(n, take).take
      expect(pmapEnter(pm, B, g1, RW, R | PMAP_CANFAIL)).toBe(ENOMEM)
      expect([pm.residentCount, pm.wiredCount, pm.tablePages, t.refs(g1)]).toEqual([0, 0, 1, 1])
      expect(t.mappings(g1)).toEqual([])
      expect(freeCount(room.phys)).toBe(free)
      expect(() => pmapEnter(pm, B, g1, RW, R)).toThrow('cannot fail')
      verify(room)
    }
    tables.take = scarce(3, take).take
    expect(pmapEnter(pm, B, g1, RW, R | PMAP_CANFAIL)).toBe(0)
    tables.take = take
    room.reverse.limit = room.reverse.count
    expect(pmapEnter(pm, B + P, g1, RW, R | PMAP_CANFAIL)).toBe(ENOMEM)
    expect(pm.residentCount).toBe(1)
    verify(room)
  })

  it('[uvm S110] removes every mapping of a page and keeps what they knew', () => {
    const t = new Fixture()
    const { room, pm, pm2 } = t
    const g1 = t.page()
    pmapEnter(pm, B, g1, RW, W | PMAP_WIRED)
    pmapEnter(pm, B + 2 * P, g1, RW, R)
    pmapEnter(pm2, B, g1, RW, R)
    pmapEnter(pm2, B + P, t.page(), RW, R)
    pmapPageProtect(room, g1, VM_PROT_NONE)
    expect(t.mappings(g1)).toEqual([])
    expect([pm.residentCount, pm.wiredCount, pm2.residentCount]).toEqual([0, 0, 1])
    expect(pmapIsModified(room, g1)).toBe(true)
    expect(t.refs(g1)).toBe(1)
    expect(pm.tablePages).toBe(1)
    verify(room)
  })

  it('[uvm S122] frees an emptied page table after the update, not before', () => {
    const t = new Fixture()
    const { room, pm } = t
    const { frames } = room
    const g1 = t.page()
    pmapEnter(pm, B, g1, RW, R)
    const free = freeCount(room.phys)
    pmapRemove(pm, B, B + P)
    expect(pm.tablePages).toBe(1)
    expect(freeCount(room.phys)).toBe(free)
    const waiting = [...room.here.mailbox.tables]
    expect(waiting.length).toBe(3)
    for (const table of waiting) expect(frames.flags[frames.frameOf(table)] & PG_pagetable).not.toBe(0)
    pmapUpdate(pm)
    expect(freeCount(room.phys)).toBe(free + 3)
    verify(room)
  })

  it('frees a page whose last reference was a mapping after the update', () => {
    const t = new Fixture()
    const { room, pm } = t
    const g1 = t.page()
    room.frames.owner[room.frames.frameOf(g1)] = 0
    pmapEnter(pm, B, g1, RW, R)
    pmapEnter(pm, B + P, t.page(), RW, R)
    putPage(room.phys, g1)
    const free = freeCount(room.phys)
    pmapRemove(pm, B, B + P)
    expect(freeCount(room.phys)).toBe(free)
    pmapUpdate(pm)
    expect(freeCount(room.phys)).toBe(free + 1)
    verify(room)
  })

  it('[uvm S123] destroys a pmap that is empty and not loaded, with its last reference', () => {
    const t = new Fixture()
    const { room, pm, pm2 } = t
    const free = freeCount(room.phys)
    pmapReference(pm2)
    pmapDestroy(pm2)
    expect(freeCount(room.phys)).toBe(free)
    pmapEnter(pm2, B, t.page(), RW, R)
    expect(() => pmapDestroy(pm2)).toThrow('maps nothing')
    pmapRemove(pm2, B, B + P)
    t.activate(pm2)
    expect(() => pmapDestroy(pm2)).toThrow('runs on no CPU')
    t.activateNothing()
    pmapUpdate(pm2)
    pmapDestroy(pm2)
    expect(freeCount(room.phys)).toBe(free)
    expect(() => pmapDestroy(pm2)).toThrow('twice')
    expect(() => pmapDestroy(room.kernel)).toThrow('stays')
    pmapDestroy(pm)
    verify(room)
    const again = t.create()
    expect(again.id).toBe(pm.id)
    verify(room)
  })

  it('enters a reserved frame without account', () => {
    const t = new Fixture()
    const zero = 1
    t.activate(t.pm)
    pmapEnter(t.pm, B, zero, R, R)
    expect([t.pm.residentCount, t.refs(zero)]).toEqual([0, 1])
    expect(t.mappings(zero)).toEqual([])
    expect(t.load(B)).toBe('\0')
    const g1 = t.page('1')
    getPage(t.room.phys, g1)
    pmapEnter(t.pm, B, g1, RW, W)
    expect(t.load(B)).toBe('1')
    expect([t.pm.residentCount, t.refs(g1)]).toEqual([1, 3])
    pmapEnter(t.pm, B, zero, R, R)
    expect([t.pm.residentCount, t.refs(g1)]).toEqual([0, 2])
    verify(t.room)
  })

  it('holds a compound page by its head', () => {
    const t = new Fixture()
    const { room, pm } = t
    const { phys } = room
    const free = freeCount(phys)
    const head = allocPagesTry(phys, __GFP_COMP, 2) as number
    const tables = freeCount(phys) - 3
    for (let i = 0; i < 4; i++) pmapEnter(pm, B + i * P, head + i, RW, R)
    expect([0, 1, 2, 3].map((i) => t.refs(head + i))).toEqual([5, 0, 0, 0])
    putPage(phys, head)
    verify(room)
    pmapRemove(pm, B, B + 4 * P)
    expect(freeCount(phys)).toBe(tables)
    pmapUpdate(pm)
    expect(freeCount(phys)).toBe(free)
    verify(room)
  })

  it('counts mapped pages once, as what they were when first mapped', () => {
    const t = new Fixture()
    const { room, pm } = t
    const [file, anon] = [t.page(), t.page()]
    const f = room.frames.frameOf(anon)
    room.frames.flags[f] |= PG_anon
    const counts = () => [globalStat(room.phys, NR_FILE_MAPPED), globalStat(room.phys, NR_ANON_PAGES)]
    for (const pfn of [file, anon]) pmapEnter(pm, B + pfn * P, pfn, RW, R)
    pmapEnter(pm, B, anon, RW, R)
    expect(counts()).toEqual([1, 1])
    room.frames.flags[f] &= ~PG_anon
    pmapPageProtect(room, anon, VM_PROT_NONE)
    expect(counts()).toEqual([1, 0])
    pmapRemove(pm, 0, 2 ** 47)
    expect(counts()).toEqual([0, 0])
    pmapUpdate(pm)
  })

  it('lets the faulting CPU see a permission that was raised', () => {
    const t = new Fixture({ cpus: 2 })
    const { pm } = t
    const g1 = t.page('1')
    t.activate(pm, 0)
    t.activate(pm, 1)
    pmapEnter(pm, B, g1, R, R)
    expect(t.load(B, 0) + t.load(B, 1)).toBe('11')
    expect(t.store(B, '2', 0)).toBe('fault')
    pmapEnter(pm, B, g1, RW, W)
    expect(t.store(B, '2', 0)).toBe('ok')
    // The other CPU faults once more, enters the same, and goes on; nobody was interrupted.
    expect(t.store(B, '3', 1)).toBe('fault')
    t.on(1, () => pmapEnter(pm, B, g1, RW, W))
    expect(t.store(B, '3', 1)).toBe('ok')
    expect(t.ipis).toBe(0)
    verify(t.room)
  })
})

import { describe, expect, it } from 'vitest'
import { PAGE_SIZE } from '../../base/index.ts'
import { B, Fixture, P } from './fixture.ts'
import {
  type Pmap,
  pmapActivate,
  pmapClearReference,
  pmapDestroy,
  pmapEnter,
  pmapProtect,
  pmapRemove,
  pmapRemoveAll,
  pmapUpdate,
  verify,
  VM_PROT_READ as R,
  VM_PROT_WRITE as W,
} from './index.ts'

const RW = R | W

/** Two CPUs that both run pm, with `pages` pages mapped from B on and loaded by both. */
function twoCpus(pages: number): Fixture {
  const t = new Fixture({ cpus: 2 })
  t.activate(t.pm, 0)
  t.activate(t.pm, 1)
  for (let i = 0; i < pages; i++) {
    pmapEnter(t.pm, B + i * P, t.page(String(i)), RW, 0)
    t.load(B + i * P, 0)
    t.load(B + i * P, 1)
  }
  return t
}
/** Pages of user addresses that a TLB holds, for any address space. */
function userPages(t: Fixture, cpuId = 0): number[] {
  const vpns: number[] = []
  t.machine.cpus[cpuId].tlb.forEachEntry((vpn) => {
    if (vpn >= 0) vpns.push(vpn)
  })
  return vpns.sort((a, b) => a - b)
}

describe('shootdown', () => {
  it('[uvm S113] other CPUs use the old translation until the update', () => {
    const t = twoCpus(2)
    pmapRemove(t.pm, B, B + P)
    expect(t.load(B, 1)).toBe('0')
    verify(t.room)
    pmapUpdate(t.pm)
    expect([t.load(B, 0), t.load(B, 1)]).toEqual(['fault', 'fault'])
    expect(t.load(B + P, 1)).toBe('1')
    expect(t.ipis).toBe(1)
    expect(t.machine.cpus[1].ipisReceived).toBe(1)
    expect(t.room.phys.events.get('nr_tlb_remote_flush')).toBe(1)
    pmapUpdate(t.pm)
    expect(t.ipis).toBe(1)
    verify(t.room)
  })

  it('[uvm S114] interrupts nobody who has nothing to forget', () => {
    // (a) never accessed
    const a = twoCpus(0)
    pmapEnter(a.pm, B, a.page(), RW, 0)
    pmapRemove(a.pm, B, B + P)
    pmapUpdate(a.pm)
    expect(a.ipis).toBe(0)
    // (b) not active elsewhere
    const b = new Fixture({ cpus: 2 })
    b.activate(b.pm)
    pmapEnter(b.pm, B, b.page(), RW, W)
    b.load(B)
    pmapRemove(b.pm, B, B + P)
    pmapUpdate(b.pm)
    expect([b.ipis, b.load(B)]).toEqual([0, 'fault'])
    // (c) absent before
    const c = twoCpus(0)
    pmapEnter(c.pm, B, c.page('c'), RW, R)
    pmapUpdate(c.pm)
    expect([c.ipis, c.load(B, 1)]).toEqual([0, 'c'])
    // (d) write permission taken from a page that is not dirty
    const d = twoCpus(1)
    pmapProtect(d.pm, B, B + P, R)
    pmapUpdate(d.pm)
    expect([d.ipis, d.store(B, 'x', 1), d.load(B, 1)]).toEqual([0, 'fault', '0'])
    verify(d.room)
    // (e) an ASID where it does not run
    const e = twoCpus(1)
    e.activate(e.pm2, 1)
    const asid = e.pm.asid[1]
    pmapRemove(e.pm, B, B + P)
    pmapUpdate(e.pm)
    expect(e.ipis).toBe(0)
    verify(e.room)
    e.activate(e.pm, 1)
    expect(e.pm.asid[1]).not.toBe(asid)
    expect(e.load(B, 1)).toBe('fault')
    verify(e.room)
  })

  it('takes write permission away from a dirty page', () => {
    const t = twoCpus(1)
    t.store(B, 'x', 1)
    pmapProtect(t.pm, B, B + P, R)
    expect(t.store(B, 'y', 1)).toBe('ok')
    pmapUpdate(t.pm)
    expect([t.ipis, t.store(B, 'z', 1), t.load(B, 1)]).toEqual([1, 'fault', 'y'])
  })

  it('[uvm S115] flushes the address space after six addresses', () => {
    for (const n of [6, 7]) {
      const t = twoCpus(8)
      for (let i = 0; i < n; i++) pmapRemove(t.pm, B + i * P, B + (i + 1) * P)
      pmapUpdate(t.pm)
      expect(userPages(t, 1)).toEqual(n === 6 ? [B / PAGE_SIZE + 6, B / PAGE_SIZE + 7] : [])
      expect([t.ipis, t.room.counters.flushes]).toEqual([1, n === 6 ? 0 : 1])
      verify(t.room)
    }
  })

  it('traces each flush with its pages and its reason', () => {
    const t = twoCpus(8)
    const lines: string[] = []
    t.machine.trace.attach((name, { cpu, pages, reason }) => {
      if (name === 'tlb_flush') lines.push(`cpu ${cpu} pages ${pages} reason ${reason}`)
    })
    pmapRemove(t.pm, B, B + 2 * P)
    pmapUpdate(t.pm)
    expect(lines).toEqual(['cpu 1 pages 2 reason 1', 'cpu 0 pages 2 reason 3'])
  })

  it('combines requests for two address spaces and the kernel', () => {
    const t = twoCpus(8)
    t.activate(t.pm2, 1)
    pmapEnter(t.pm2, B, t.page('z'), RW, 0)
    expect(t.load(B, 1)).toBe('z')
    t.on(1, () => pmapRemove(t.pm2, B, B + P))
    t.on(1, () => pmapRemove(t.pm, B, B + 8 * P))
    t.on(1, () => pmapUpdate(t.pm))
    expect([userPages(t, 1), t.load(B, 0), t.load(B, 1)]).toEqual([[], 'fault', 'fault'])
    verify(t.room)
  })

  it('drains what is owed when a thread leaves the CPU', () => {
    const t = twoCpus(1)
    pmapRemove(t.pm, B, B + P)
    t.activateNothing(0)
    expect([t.ipis, t.load(B, 1)]).toEqual([1, 'fault'])
  })

  it('flushes once when everything is removed', () => {
    const t = twoCpus(4)
    expect(pmapRemoveAll(t.pm)).toBe(false)
    pmapRemove(t.pm, B, B + 4 * P)
    pmapUpdate(t.pm)
    expect([t.ipis, t.room.counters.flushes, userPages(t, 1)]).toEqual([1, 1, []])
    expect(t.pm.tablePages).toBe(1)
    verify(t.room)
  })

  it('panics when other CPUs must be told with interrupts disabled', () => {
    const t = twoCpus(1)
    pmapRemove(t.pm, B, B + P)
    t.machine.cpus[0].interruptsEnabled = false
    expect(() => pmapUpdate(t.pm)).toThrow('interrupts disabled')
  })

  it('[uvm S117] disturbs a lazy CPU once', () => {
    const t = twoCpus(3)
    t.activateNothing(1)
    expect(t.pm.lazy).toBe(2)
    pmapRemove(t.pm, B, B + P)
    pmapUpdate(t.pm)
    expect([t.ipis, t.pm.lazy, t.room.counters.lazyLeaves]).toEqual([1, 0, 1])
    verify(t.room)
    pmapRemove(t.pm, B + P, B + 2 * P)
    pmapUpdate(t.pm)
    expect(t.ipis).toBe(1)
    t.activate(t.pm, 1)
    expect([t.load(B, 1), t.load(B + P, 1), t.load(B + 2 * P, 1)]).toEqual(['fault', 'fault', '2'])
    verify(t.room)
  })

  it('returns to a lazily loaded address space without a flush', () => {
    const t = twoCpus(1)
    t.activateNothing(1)
    const asid = t.pm.asid[1]
    t.activate(t.pm, 1)
    expect(t.pm.asid[1]).toBe(asid)
    expect(userPages(t, 1)).toEqual([B / PAGE_SIZE])
    expect(t.pm.lazy).toBe(0)
    verify(t.room)
  })

  it('unloads a lazily loaded address space that is destroyed', () => {
    const t = twoCpus(1)
    t.activateNothing(0)
    t.activateNothing(1)
    pmapRemove(t.pm, B, B + P)
    pmapUpdate(t.pm)
    pmapDestroy(t.pm)
    for (const cpu of t.machine.cpus) {
      expect(t.room.cpus[cpu.id].loaded).toBe(null)
      expect(cpu.mmu.root).toBe(t.room.kernel.root)
    }
    verify(t.room)
  })

  it('panics when a second pmap is activated over one that runs', () => {
    const t = twoCpus(0)
    expect(() => pmapActivate(t.room, t.machine.cpus[0], t.pm2)).toThrow('one pmap runs')
  })
})

describe('ASIDs', () => {
  const several = (t: Fixture, n: number): Pmap[] => Array.from({ length: n }, () => t.create())
  /** Makes `pmap` run and puts its page into the TLB. */
  function touch(t: Fixture, pmap: Pmap): void {
    pmapEnter(pmap, B, t.page('t'), R, 0)
    expect(t.load(B)).toBe('t')
  }

  it('[uvm S118] starts again with an empty TLB when most ASIDs are in it', () => {
    const t = new Fixture({ maxAsid: 3 })
    const [a, b, c, d] = several(t, 4)
    t.activate(a)
    touch(t, a)
    t.activate(b)
    touch(t, b)
    t.activate(c)
    expect([a.asid[0], b.asid[0], c.asid[0]]).toEqual([1, 2, 3])
    t.activate(d)
    expect([d.asid[0], t.room.counters.asidReinits]).toEqual([1, 1])
    expect(userPages(t)).toEqual([])
    verify(t.room)
    t.activate(a)
    expect(a.asid[0]).toBe(2)
    expect(t.load(B)).toBe('t')
    verify(t.room)
  })

  it('[uvm S119] keeps the TLB when few ASIDs are in it', () => {
    const t = new Fixture({ maxAsid: 7 })
    const pmaps = several(t, 8)
    for (const pmap of pmaps.slice(0, 7)) t.activate(pmap)
    const [g, h] = pmaps.slice(6)
    touch(t, g)
    t.activate(h)
    expect(g.asid[0]).toBe(7)
    expect(pmaps.slice(0, 6).map((pmap) => pmap.asid[0])).toEqual([0, 0, 0, 0, 0, 0])
    expect([h.asid[0], t.room.counters.asidFlushes]).toEqual([1, 0])
    expect(userPages(t)).toEqual([B / PAGE_SIZE])
    verify(t.room)
  })

  it('makes progress with one ASID', () => {
    const t = new Fixture({ maxAsid: 1 })
    const pmaps = several(t, 3)
    for (let i = 0; i < 9; i++) {
      t.activate(pmaps[i % 3])
      if (i < 3) touch(t, pmaps[i])
      expect(t.load(B)).toBe('t')
      verify(t.room)
    }
  })

  it('never lets a stale translation of a dropped ASID answer', () => {
    const t = new Fixture({ maxAsid: 3 })
    const { pm, pm2 } = t
    const g1 = t.page('1')
    t.activate(pm)
    pmapEnter(pm, B, g1, R, 0)
    t.load(B)
    t.activate(pm2)
    pmapClearReference(t.room, g1)
    for (let i = 0; i < 12; i++) {
      t.activate(i % 2 === 0 ? pm : pm2)
      expect(t.load(B)).toBe(i % 2 === 0 ? '1' : 'fault')
      pmapClearReference(t.room, g1)
      verify(t.room)
    }
  })
})

// UVM scenarios S95 to S99: the page daemon and swap; and what other scenarios say of the queues.

import { describe, expect, it } from 'vitest'
import { EIO, isErr, PAGE_SIZE, type Pfn, WouldSleep } from '../../src/base/index.ts'
import { faultMap, READ, uvmMapClean, uvmMapPageable, WRITE } from '../../src/kernel/fault/index.ts'
import { Km, UVM_KMF_PAGEABLE, uvmKmAlloc, uvmKmFree } from '../../src/kernel/km/index.ts'
import { pageOf, UVM_FLAG_COPYONW, UVM_FLAG_FIXED, UVM_INH_SHARE } from '../../src/kernel/map/index.ts'
import { PGO_DEACTIVATE, PGO_FREE } from '../../src/kernel/object/index.ts'
import { allocPagesTry, GFP_HIGHUSER_MOVABLE, putPage } from '../../src/kernel/phys/index.ts'
import { pmapRemove, pmapUpdate } from '../../src/kernel/pmap/index.ts'
import { UvmReclaimer, uvmPageout } from '../../src/kernel/reclaim/index.ts'
import { PagingWorld } from './pagingWorld.ts'
import { at, SHARED_ANON } from './world.ts'

const PAGE_OUT = { pdrevs: 1, pdscans: 1, pdanscan: 1, pgswapout: 1, pdpageouts: 1, pdfreed: 1, free: 1, anon: -1 }
const PAGE_IN = {
  faults: 1,
  fltanget: 1,
  fltanretry: 1,
  fltrelck: 1,
  fltrelckok: 1,
  flt_anon: 1,
  maj: 1,
  pageins: 1,
  nswget: 1,
  swpgonly: -1,
  free: -1,
  anon: 1,
}

/** A page with 'S' that is in swap only. */
function swappedOut(): PagingWorld {
  const u = new PagingWorld().spareNone()
  u.map(0, 4)
  u.W(0, 'S')
  u.deactivate(0)
  u.scan()
  return u
}

describe('the page daemon', () => {
  it('[uvm S95] a page goes to swap and comes back; clean it goes without being written', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 4)
    u.W(0, 'S')
    u.deactivate(0)
    expect(u.delta(() => u.scan())).toEqual({ ...PAGE_OUT, swpginuse: 1, swpgonly: 1 })
    expect(u.delta(() => expect(u.R(0)).toBe('S'))).toEqual(PAGE_IN)
    u.deactivate(0)
    expect(u.delta(() => u.scan())).toEqual({
      pdrevs: 1,
      pdscans: 1,
      pdanscan: 1,
      pdfreed: 1,
      swpgonly: 1,
      free: 1,
      anon: -1,
    })
    u.R(0)
    u.W(0, 'T')
    u.deactivate(0)
    expect(u.delta(() => u.scan())).toEqual({ ...PAGE_OUT, swpgonly: 1 })
    expect(u.R(0)).toBe('T')
  })
  it('[uvm S96] a reference saves a page, and so does being of a rare kind', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 1)
    u.W(0, 'S')
    u.deactivate(0)
    u.R(0)
    expect(u.delta(() => u.scan())).toEqual({ pdrevs: 1, pdscans: 1, pdreact: 1 })
    expect(u.policy.isActive(u.frame(0))).toBe(true)

    // With default percentages, and enough file pages that not everything is rare.
    const v = new PagingWorld()
    const f = v.file(Array.from({ length: 500 }, () => 'f'))
    f.pager.reference(f)
    v.map(100, 500, { object: f, offset: 0, prot: 'r--', flags: UVM_FLAG_FIXED | UVM_FLAG_COPYONW })
    for (let p = 100; p < 600; p++) v.load(v.vm0, at(p))
    v.map(0, 1)
    v.W(0, 'S')
    v.deactivate(0)
    expect(v.delta(() => v.scan())).toEqual({ pdrevs: 1, pdscans: 1, pdreanon: 1 })
    expect(v.R(0)).toBe('S')
  })
  it('[uvm S97] what is swapped out is given up without being read', () => {
    const u = swappedOut()
    const { reads } = u.disk
    expect(u.delta(() => u.free(u.vm0))).toMatchObject({ swpginuse: -1, swpgonly: -1 })
    expect(u.disk.reads).toBe(reads)
    expect(u.vm.anons.count).toBe(0)
  })
  it('[uvm S98] copy on write of a page in swap', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 1)
    u.W(0, 'S')
    const child = u.fork()
    u.deactivate(0)
    u.scan()
    expect(u.delta(() => u.W(0, 'c', child))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      fltanretry: 1,
      fltrelck: 1,
      fltrelckok: 1,
      flt_acow: 1,
      maj: 1,
      pageins: 1,
      nswget: 1,
      swpgonly: -1,
      free: -2,
      anon: 2,
    })
    expect(u.delta(() => expect(u.R(0)).toBe('S'))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      flt_anon: 1,
      min: 1,
    })
    expect(u.R(0, child)).toBe('c')
  })
  it('[uvm S99] a slot that cannot be read is bad for ever', () => {
    const u = swappedOut()
    u.disk.failNext(1)
    expect(u.R(0)).toBe(EIO)
    const { failures, reads } = u.disk
    expect(u.R(0)).toBe(EIO)
    expect([u.disk.failures, u.disk.reads]).toEqual([failures, reads])
    const slots = u.vm.anons.slot
    expect([...slots].filter((slot) => slot === -1)).toHaveLength(1)
    u.unmap(0, 4)
    expect(u.vm.anons.count).toBe(0)
  })
  it('a page that cannot be written is lost', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 1)
    u.W(0, 'S')
    u.deactivate(0)
    u.disk.failNext(1)
    u.scan()
    expect(u.R(0)).toBe(EIO)
    expect(u.vm.anons.residentPages).toBe(0)
  })
  it('neighbours share a request of 64 KiB, and the slots that are left over go back', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 20)
    for (let p = 0; p < 20; p++) u.W(p, String.fromCharCode(65 + p))
    for (let p = 0; p < 20; p++) u.deactivate(p)
    expect(u.delta(() => u.scan())).toMatchObject({
      pgswapout: 20,
      pdpageouts: 2,
      swpginuse: 20,
      swpgonly: 20,
      free: 20,
    })
    for (let p = 19; p >= 0; p--) expect(u.R(p)).toBe(String.fromCharCode(65 + p))
    expect(u.swap.swpgonly).toBe(0)
  })
  it('without a slot a dirty page is in use again; after sixteen of them the scan gives up', () => {
    const u = new PagingWorld(2).spareNone()
    u.map(0, 20)
    for (let p = 0; p < 20; p++) u.W(p, 'x')
    for (let p = 0; p < 20; p++) u.deactivate(p)
    expect(u.delta(() => u.scan())).toMatchObject({ pdscans: 18, pgswapout: 2, swpginuse: 2 })
    expect([u.policy.active, u.policy.inactive]).toEqual([16, 2])
    for (let p = 0; p < 20; p++) expect(u.R(p)).toBe('x')
  })
  it('a fault waits for a page that is being written, and for one that is being read', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 1)
    u.W(0, 'S')
    u.deactivate(0)
    const scan = u.scanning()
    expect(scan.next().done).toBe(false)
    expect(u.daemon.paging).toBe(1)
    expect(u.delta(() => expect(u.R(0)).toBe('S'))).toMatchObject({ fltpgwait: 1, pageins: 1, faults: 1, maj: 1 })
    expect(u.daemon.paging).toBe(0)
  })
  it('a page that is given up while it is being written is freed when that has ended', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 1)
    u.W(0, 'S')
    u.deactivate(0)
    const before = u.counters()
    const scan = u.scanning()
    scan.next()
    u.unmap(0, 1)
    expect(u.vm.anons.count).toBe(1)
    u.wait(u.daemon.pageoutsDone())
    const after = u.counters()
    expect([u.vm.anons.count, u.swap.swpginuse, u.swap.swpgonly]).toEqual([0, 0, 0])
    expect(after['free']! - before['free']!).toBe(1)
    u.check()
  })
  it('a page of shared memory goes to swap and comes back for everybody', () => {
    const u = new PagingWorld().spareNone()
    const o = u.aobj(4)
    o.pager.reference(o)
    u.map(0, 4, { object: o, offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED, advice: 1 })
    const child = u.fork()
    u.W(0, 'S')
    expect(u.R(0, child)).toBe('S')
    u.deactivate(0)
    expect(u.delta(() => u.scan())).toMatchObject({ pdobscan: 1, pgswapout: 1, pdfreed: 1, swpginuse: 1, free: 1 })
    expect(u.delta(() => expect(u.R(0, child)).toBe('S'))).toMatchObject({ maj: 1, fltget: 1, nswget: 1, swpgonly: -1 })
    u.deactivate(0, child)
    expect(u.delta(() => u.scan())).not.toHaveProperty('pgswapout')
    u.disk.failNext(1)
    expect([u.R(0), u.R(0, child)]).toEqual([EIO, EIO])
    u.W(1, 'T')
    u.deactivate(1)
    u.scan()
    u.free(child)
    u.unmap(0, 4)
    o.pager.detach(o)
    expect([u.swap.swpginuse, u.vm.objects.byId.has(o.id)]).toEqual([1, false])
  })
  it('pageable kernel memory goes to swap too, and its slots go back with it', () => {
    const u = new PagingWorld().spareNone()
    const { map } = new Km(u.vm)
    const va = u.wait(uvmKmAlloc(map, 2 * PAGE_SIZE, 0, UVM_KMF_PAGEABLE))
    const kernel = { map, pmap: map.pmap } as unknown as typeof u.vm0
    for (let i = 0; i < 2; i++) expect(u.wait(faultMap(map, va + i * PAGE_SIZE, WRITE, 0))).toBe(0)
    for (let i = 0; i < 2; i++) {
      expect(u.lookup(kernel, va + i * PAGE_SIZE)).toBe(true)
      u.policy.deactivate(u.phys.frames.indexOf(u.pmaps.pfn))
    }
    expect(u.delta(() => u.scan())).toMatchObject({ pdobscan: 2, pgswapout: 2, swpginuse: 2, free: 2 })
    expect(u.delta(() => u.wait(faultMap(map, va, READ, 0)))).toMatchObject({ nswget: 1, swpgonly: -1, free: -1 })
    u.wait(uvmKmFree(map, va, 2 * PAGE_SIZE, UVM_KMF_PAGEABLE))
    expect([u.swap.swpginuse, u.swap.swpgonly, map.entryCount]).toEqual([0, 0, 0])
  })
  it('a page of a file is given back to its file', () => {
    const u = new PagingWorld().spareNone()
    const f = u.file(['a', 'b'])
    f.pager.reference(f)
    u.map(0, 2, { object: f, offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED, advice: 1 })
    u.W(0, 'Z')
    u.deactivate(0)
    expect(u.delta(() => u.scan())).toEqual({ pdrevs: 1, pdscans: 1, pdobscan: 1, pdfreed: 1, free: 1 })
    expect(String.fromCharCode(u.host.bytes('f')[0]!)).toBe('Z')
    expect(u.R(0)).toBe('Z')
  })
  it('wiring gives up the copy in swap, and the queue', () => {
    const u = swappedOut()
    expect(u.wait(uvmMapPageable(u.vm0.map, at(0), at(1), false, 0))).toBe(0)
    expect(u.swap.swpginuse).toBe(0)
    expect(u.policy.active + u.policy.inactive).toBe(0)
    u.unwire(0, 1)
    expect(u.policy.isActive(u.frame(0))).toBe(true)
    u.deactivate(0)
    u.scan()
    expect(u.R(0)).toBe('S')
  })
  it('makes room for a program that needs more memory than there is', () => {
    const u = new PagingWorld(6000).spareNone()
    u.daemon.freetarg = Math.floor((u.daemon.freemin * 4) / 3)
    new UvmReclaimer(u.daemon)
    const pages = u.phys.totalramPages + 500
    u.map(0, pages)
    const letter = (p: number): string => String.fromCharCode(33 + (p % 90))
    for (let p = 0; p < pages; p++) expect(u.store(u.vm0, at(p), letter(p).charCodeAt(0))).toBe(0)
    for (let p = 0; p < pages; p += 7) expect(u.load(u.vm0, at(p))).toBe(letter(p).charCodeAt(0))
    u.check()
    u.unmap(0, pages)
    expect([u.swap.swpginuse, u.vm.anons.count]).toEqual([0, 0])
  }, 60000)
  it('sleeps until memory is short, and then scans', () => {
    const u = new PagingWorld(2000).spareNone()
    const { daemon } = u
    daemon.freemin = daemon.free - 40
    daemon.freetarg = daemon.freemin + 10
    const thread = uvmPageout(daemon)
    expect([thread.next().done, daemon.isAsleep]).toEqual([false, true])
    u.map(0, 100)
    for (let p = 0; p < 100; p++) u.W(p, 'x')
    thread.next('woken')
    while (daemon.paging > 0) u.machine.clock.advanceTo(u.machine.clock.nextAt)
    thread.next('woken')
    expect([daemon.events.pdwoke, daemon.events.pdrevs > 0, daemon.free >= daemon.freemin]).toEqual([1, true, true])
  })
})

describe('the paging queues', () => {
  const page =
    (u: PagingWorld, vm = u.vm0) =>
    (p: number) =>
      pageOf(vm.map.lookup(at(p))!, at(p))
  it('[uvm S50] what sequential reading of a file leaves behind becomes inactive', () => {
    const u = new PagingWorld()
    const f = u.file([...'ABCDEFGHIJKLMNOP'])
    for (const advice of [0, 2]) {
      const vm = u.alloc()
      f.pager.reference(f)
      u.map(0, 16, { vm, object: f, offset: 0, flags: UVM_FLAG_FIXED | UVM_FLAG_COPYONW, advice })
      if (advice === 0) for (let p = 0; p < 16; p++) u.R(p, vm)
      else {
        u.R(8, vm)
        expect(u.inactive(0, 16, page(u, vm))).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
      }
    }
  })
  it('[uvm S57] the same for anons', () => {
    const u = new PagingWorld()
    u.map(0, 16, { advice: 2 })
    for (let p = 0; p < 16; p++) u.W(p, 'x')
    pmapRemove(u.vm0.pmap, at(0), at(16))
    pmapUpdate(u.vm0.pmap)
    u.R(8)
    expect(u.inactive(0, 16, page(u))).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })
  it('[uvm S94] anons that others may want are only deactivated', () => {
    const u = new PagingWorld()
    u.map(0, 4)
    for (let p = 0; p < 4; p++) u.W(p, 'ABCD'[p]!)
    u.protect(2, 3, 'r--')
    expect(u.delta(() => expect(u.wait(uvmMapClean(u.vm0.map, at(0), at(4), PGO_FREE))).toBe(0))).toEqual({})
    expect(u.inactive(0, 4, page(u))).toEqual([0, 1, 2, 3])
    expect(u.R(0)).toBe('A')
    const v = new PagingWorld()
    v.map(0, 2, SHARED_ANON)
    v.W(0, 'x')
    expect(v.wait(uvmMapClean(v.vm0.map, at(0), at(2), PGO_DEACTIVATE))).toBe(0)
    expect(v.inactive(0, 1, page(v))).toEqual([0])
  })
  it('a freed page leaves its queue', () => {
    const u = new PagingWorld()
    u.map(0, 4)
    for (let p = 0; p < 4; p++) u.W(p, 'x')
    u.deactivate(1)
    expect([u.policy.active, u.policy.inactive]).toEqual([3, 1])
    u.unmap(0, 2)
    expect([u.policy.active, u.policy.inactive]).toEqual([2, 0])
    u.check()
    const raw = allocPagesTry(u.phys, GFP_HIGHUSER_MOVABLE, 0)
    if (raw === WouldSleep || isErr(raw)) throw new Error(`no page of ${PAGE_SIZE} bytes`)
    u.policy.activate(u.phys.frames.indexOf(raw as Pfn))
    expect(u.policy.active).toBe(2)
    putPage(u.phys, raw)
  })
})

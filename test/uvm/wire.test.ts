// UVM scenarios F and G, and cleaning: wiring, address spaces.

import { describe, expect, it } from 'vitest'
import { EBUSY, EFAULT, EINVAL, ENOMEM, isErr, type Pfn, WouldSleep } from '../../src/base/index.ts'
import {
  READ,
  faultMap,
  UVM_LK_ENTER,
  UVM_LK_EXIT,
  uvmFaultUnwire,
  uvmFaultWire,
  uvmMapClean,
  uvmMapPageable,
  uvmMapPageableAll,
} from '../../src/kernel/fault/index.ts'
import {
  MCL_CURRENT,
  MCL_FUTURE,
  type SpaceHolder,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  uvmspaceExec,
  uvmspaceFork,
  uvmspaceFree,
  uvmspaceShare,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { PGO_FREE } from '../../src/kernel/object/index.ts'
import { allocPagesTry, GFP_HIGHUSER_MOVABLE, putPage } from '../../src/kernel/phys/index.ts'
import { at, B, now, P, SHARED_ANON, UvmWorld } from './world.ts'

const COW = UVM_FLAG_FIXED | UVM_FLAG_COPYONW
const wirings = (u: UvmWorld): string[] => u.list().map((line) => line.split(' ')[4]!)

describe('wiring', () => {
  it('[uvm S76] a part of an entry; one unwire undoes any number of wires', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    expect(u.delta(() => expect(u.wire(1, 3)).toBe(0))).toEqual({
      faults: 2,
      flt_przero: 2,
      min: 2,
      free: -2,
      anon: 2,
      wired: 2,
    })
    u.expectList(
      u.vm0,
      '[0,1) - rw-/rwx C w0 cow nnc A1:r3 n4 u0 @0 pp[1,1,1,1]',
      '[1,3) - rw-/rwx C w1 cow nnc A1:r3 n4 u2 @1',
      '[3,4) - rw-/rwx C w0 cow nnc A1:r3 n4 u0 @3',
    )
    expect([u.vm0.pmap.wiredCount, u.resident()]).toEqual([2, 2])
    expect(u.delta(() => u.wire(1, 3))).toEqual({})
    expect(wirings(u)).toEqual(['w0', 'w2', 'w0'])
    expect(u.delta(() => u.unwire(1, 3))).toEqual({ wired: -2 })
    expect([u.vm0.pmap.wiredCount, u.resident()]).toEqual([0, 2])
    expect(u.unwire(1, 3)).toBe(EINVAL)
  })
  it('[uvm S77] a hole', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(3, 2)
    expect(u.delta(() => expect(u.wire(0, 5)).toBe(EINVAL))).not.toHaveProperty('free')
    expect(wirings(u)).toEqual(['w0', 'w0'])
    expect(u.wire(2, 3)).toBe(EFAULT)
    expect(u.unwire(8, 9)).toBe(EFAULT)
  })
  it('[uvm S78] an entry without access', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(2, 2, { prot: '---' })
    expect(u.wire(0, 4)).toBe(EINVAL)
    expect(wirings(u)).toEqual(['w0', 'w0'])
    expect(u.vm.wiredPages).toBe(0)
  })
  it('[uvm S79] out of memory half way undoes every count', () => {
    const u = new UvmWorld()
    u.map(-4, 1)
    u.W(-4, 't')
    u.map(0, 8)
    const taken: Pfn[] = []
    for (;;) {
      const page = allocPagesTry(u.phys, GFP_HIGHUSER_MOVABLE, 0)
      if (page === WouldSleep || isErr(page)) break
      taken.push(page)
    }
    for (let i = 0; i < 5; i++) putPage(u.phys, taken.pop()!)
    let result: number = 0
    const changed = u.delta(() => (result = u.wait(uvmMapPageable(u.vm0.map, at(0), at(8), false, 0))))
    expect(result).toBe(ENOMEM)
    expect(changed).toEqual({ faults: 6, flt_przero: 5, fltnoanon: 1, min: 6, free: -5, anon: 5 })
    u.expectList(u.vm0, '[-4,-3) - rw-/rwx C w0 cow nnc A1:r1 n1 u1 @0', '[0,8) - rw-/rwx C w0 cow nnc A2:r1 n8 u5 @0')
    expect([u.vm.wiredPages, u.vm0.pmap.wiredCount, u.resident()]).toEqual([0, 0, 6])
    for (const page of taken) putPage(u.phys, page)
    u.check()
  })
  it('[uvm S80] a read-only private file is copied at once if it may ever be written', () => {
    const u = new UvmWorld()
    const f = u.file(['a', 'b'])
    f.pager.reference(f)
    u.map(0, 2, { object: f, offset: 0, prot: 'r--', flags: COW })
    const wired = u.delta(() => expect(u.wait(uvmMapPageable(u.vm0.map, at(0), at(2), false, 0))).toBe(0))
    expect(wired).toEqual({
      faults: 2,
      fltlget: 2,
      fltget: 2,
      fltrelck: 2,
      fltrelckok: 2,
      flt_prcopy: 2,
      maj: 2,
      free: -4,
      anon: 2,
      wired: 2,
    })
    u.expectList(u.vm0, '[0,2) f+0x0 r--/rwx C w1 cow nnc A1:r1 n2 u2 @0')
    u.protect(0, 2, 'rw-')
    expect(u.delta(() => u.W(0, 'z'))).toEqual({ faults: 1, fltanget: 1, flt_anon: 1, min: 1 })
    const v = new UvmWorld()
    const g = v.file(['a', 'b'], 'g')
    g.pager.reference(g)
    v.map(0, 2, { object: g, offset: 0, prot: 'r--', max: 'r-x', flags: COW })
    expect(v.delta(() => v.wait(uvmMapPageable(v.vm0.map, at(0), at(2), false, 0)))).toMatchObject({
      flt_obj: 2,
      free: -2,
      wired: 2,
    })
    v.expectList(v.vm0, '[0,2) g+0x0 r--/r-x C w1 cow nc -')
  })
  it('[uvm S81] lock-future wires what becomes accessible', () => {
    const u = new UvmWorld()
    expect(now(uvmMapPageableAll(u.vm0.map, MCL_FUTURE, 0))).toBe(0)
    u.map(0, 2, { prot: '---' })
    u.expectList(u.vm0, '[0,2) - ---/rwx C w0 cow nc -')
    expect(u.protect(0, 2, 'rw-')).toBe(0)
    u.expectList(u.vm0, '[0,2) - rw-/rwx C w1 cow nnc A1:r1 n2 u2 @0')
    expect(u.vm.wiredPages).toBe(2)
  })
  it('[uvm S82] unmapping wired memory', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    expect(u.delta(() => u.wire(0, 4))).toMatchObject({ wired: 4, free: -4 })
    expect(u.delta(() => u.unmap(1, 2))).toEqual({ wired: -1, free: 1, anon: -1 })
    expect(wirings(u)).toEqual(['w1', 'w1'])
    expect(u.delta(() => u.unmap(0, 4))).toEqual({ wired: -3, free: 3, anon: -3 })
  })
  it('[uvm S83] nested partial wires, one unwire', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    u.wire(0, 4)
    u.wire(1, 2)
    expect(wirings(u)).toEqual(['w1', 'w2', 'w1'])
    expect(u.unwire(0, 4)).toBe(0)
    expect(wirings(u)).toEqual(['w0', 'w0', 'w0'])
    expect(u.vm.wiredPages).toBe(0)
  })
  it('[uvm S84] lock-all passes over what has no access', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(4, 1, { prot: '---' })
    u.map(6, 1, { prot: 'r--' })
    const all = (flags: number, limit = 0): number => u.wait(uvmMapPageableAll(u.vm0.map, flags, limit))
    u.vm.wiredMax = 2
    expect(all(MCL_CURRENT)).toBe(ENOMEM)
    expect(wirings(u)).toEqual(['w0', 'w0', 'w0'])
    u.vm.wiredMax = 1000
    expect(all(MCL_CURRENT, 2 * P)).toBe(ENOMEM)
    expect(all(MCL_CURRENT)).toBe(0)
    expect(wirings(u)).toEqual(['w1', 'w0', 'w1'])
    expect(u.vm.wiredPages).toBe(3)
    expect(all(0)).toBe(0)
    expect(wirings(u)).toEqual(['w0', 'w0', 'w0'])
    u.check()
  })
  it('[uvm S85] nothing merges with wired memory', () => {
    const u = new UvmWorld()
    u.map(0, 2, SHARED_ANON)
    u.wire(0, 2)
    u.map(2, 2, SHARED_ANON)
    expect(u.vm0.map.entryCount).toBe(2)
  })
  it('[uvm S86] transient wiring counts pages, not wirings', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    const { map } = u.vm0
    const wireOnce = (): number => u.wait(uvmFaultWire(map, at(0), at(1), READ))
    expect(wireOnce()).toBe(0)
    expect(wirings(u)).toEqual(['w0'])
    expect(u.vm.wiredPages).toBe(1)
    expect(wireOnce()).toBe(0)
    u.lookup(u.vm0, at(0))
    const { frames } = u.phys
    const f = frames.indexOf(u.pmaps.pfn)
    expect([frames.wireCount[f], u.vm.wiredPages]).toEqual([2, 1])
    uvmFaultUnwire(map, at(0), at(1))
    uvmFaultUnwire(map, at(0), at(1))
    expect([frames.wireCount[f], u.vm.wiredPages]).toEqual([0, 0])
  })
  it('[uvm S87] lock state', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    const { map } = u.vm0
    const owner = {}
    const flags = UVM_LK_ENTER | UVM_LK_EXIT
    for (const [s, e, expected] of [
      [0, 2, 0],
      [5, 6, EFAULT],
      [0, 4, EINVAL],
    ] as const) {
      map.lock.tryWrite(owner)
      expect(u.wait(uvmMapPageable(map, at(s), at(e), false, flags))).toBe(expected)
      expect(map.lock.writer).toBe(owner)
      map.lock.unlockWrite()
    }
    // While pages are faulted in, the map is busy: faults go on, other changes wait.
    const f = u.file(['a'])
    f.pager.reference(f)
    u.map(8, 1, { object: f, offset: 0, flags: COW })
    const wiring = uvmMapPageable(map, at(8), at(9), false, 0)
    const slept = wiring.next()
    expect(slept.done).toBe(false)
    u.map(20, 1, { vm: u.alloc() })
    expect(u.wait(faultMap(map, at(0), READ, 0))).toBe(0)
    const mapping = u.mapWork(30, 1)
    expect(mapping.next().done).toBe(false)
    u.machine.clock.advanceTo(slept.done === true ? 0 : slept.value.deadline)
    expect(u.wait(wiring)).toBe(0)
    expect(mapping.next('woken').value).toBe(at(30))
  })
  it('[uvm S88] wiring nothing changes nothing', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    const before = u.list()
    for (const p of [0, 1, 3]) expect([u.wire(p, p), u.unwire(p, p)]).toEqual([0, 0])
    expect(u.list()).toEqual(before)
  })
})

describe('address spaces', () => {
  it('[uvm S89] share and free', () => {
    const u = new UvmWorld()
    const vm = u.alloc()
    u.map(0, 1, { vm })
    const p2: SpaceHolder = { space: null, cpu: null }
    uvmspaceShare({ space: vm }, p2)
    expect([vm.refs, p2.space]).toEqual([2, vm])
    u.W(0, 'x', vm)
    expect(u.R(0, p2.space!)).toBe('x')
    uvmspaceFree(vm)
    expect([vm.refs, u.R(0, vm)]).toEqual([1, 'x'])
    const { pmap } = vm
    u.free(vm)
    expect(pmap.residentCount).toBe(0)
  })
  it('[uvm S90] exec reuses an address space that nobody shares', () => {
    const u = new UvmWorld()
    const vm = u.alloc()
    u.map(0, 2, { vm })
    u.W(0, 'x', vm)
    vm.map.wireFuture = true
    const l: SpaceHolder = { space: vm, cpu: null }
    const { pmap } = vm
    expect(u.delta(() => expect(u.wait(uvmspaceExec(l, 0x1000, 0x80000000))).toBe(0))).toEqual({ free: 1, anon: -1 })
    expect([l.space === vm, vm.pmap === pmap, vm.map.entryCount, vm.map.size]).toEqual([true, true, 0, 0])
    expect([vm.map.min, vm.map.max, vm.map.wireFuture]).toEqual([0x1000, 0x80000000, false])
    u.map(0, 1, { vm })
    expect(u.R(0, vm)).toBe('\0')
  })
  it('[uvm S91] exec replaces a shared one', () => {
    const u = new UvmWorld()
    const vm = u.alloc()
    u.map(0, 1, { vm })
    u.W(0, 'x', vm)
    uvmspaceShare({ space: vm }, { space: null, cpu: null })
    const l: SpaceHolder = { space: vm, cpu: u.cpu }
    expect(u.wait(uvmspaceExec(l, 0x1000, 0x80000000))).toBe(0)
    const fresh = l.space!
    u.spaces.push(fresh)
    expect([fresh === vm, fresh.refs, vm.refs, fresh.pmap === vm.pmap]).toEqual([false, 1, 1, false])
    expect([fresh.map.min, fresh.map.max, fresh.map.entryCount]).toEqual([0x1000, 0x80000000, 0])
    expect(u.cpu.mmu.root).toBe(fresh.pmap.root)
    u.forget(fresh)
    expect(u.R(0, vm)).toBe('x')
    const again: SpaceHolder = { space: fresh, cpu: null }
    expect(u.wait(uvmspaceExec(again, 0x1000, 0x80000000, true))).toBe(0)
    expect(again.space === fresh).toBe(false)
  })
  it('[uvm S92] a new address space', () => {
    const u = new UvmWorld()
    const vm = u.alloc(false, 0x2000, 0x9000)
    expect([vm.refs, vm.map.entryCount, vm.map.min, vm.map.max, vm.map.isTopdown]).toEqual([
      1,
      0,
      0x2000,
      0x9000,
      false,
    ])
    expect([vm.pmap.refs, vm.pmap.residentCount]).toEqual([1, 0])
  })
  it('[uvm S93] what fork copies beside the mappings', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(4, 1)
    u.vm0.startStack = B + 3
    u.vm0.startData = 5
    u.vm0.map.wireFuture = true
    const { timestamp } = u.vm0.map.lock
    const child = now(uvmspaceFork(u.vm0)) as VmSpace
    u.spaces.push(child)
    expect([child.startStack, child.startData, child.map.size, child.map.wireFuture]).toEqual([B + 3, 5, 3 * P, false])
    expect(u.vm0.map.lock.timestamp).toBeGreaterThan(timestamp)
  })
  it('[uvm S94] freeing what is mapped: anons of an amap that one entry names', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    for (let i = 0; i < 4; i++) u.W(i, 'ABCD'[i]!)
    const clean = (s: number, e: number): number => u.wait(uvmMapClean(u.vm0.map, at(s), at(e), PGO_FREE))
    expect(u.delta(() => clean(0, 2))).toEqual({ free: 2, anon: -2 })
    expect([u.R(0), u.R(2)]).toEqual(['\0', 'C'])
    u.W(0, 'A')
    u.protect(2, 3, 'r--')
    expect(u.delta(() => clean(0, 2))).toEqual({})
    expect(u.R(0)).toBe('A')
    expect(clean(0, 6)).toBe(EFAULT)
    u.wire(0, 1)
    expect(clean(0, 2)).toBe(EBUSY)
  })
})

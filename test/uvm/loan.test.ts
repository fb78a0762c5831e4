// UVM scenario S100, and what else is said of loans.

import { describe, expect, it } from 'vitest'
import { EINVAL, ENOENT, type Pfn } from '../../src/base/index.ts'
import { amapAdd, anonLent, anonUnref } from '../../src/kernel/anon/index.ts'
import { UVM_LOAN_TOANON, UVM_LOAN_TOPAGE, uvmLoan, uvmUnloan } from '../../src/kernel/loan/index.ts'
import { UVM_FLAG_COPYONW, UVM_FLAG_FIXED, UVM_INH_SHARE } from '../../src/kernel/map/index.ts'
import { pmapRemove, pmapUpdate } from '../../src/kernel/pmap/index.ts'
import { PagingWorld } from './pagingWorld.ts'
import { at, P, UvmWorld } from './world.ts'

function lend(u: UvmWorld, s: number, e: number, flags = UVM_LOAN_TOPAGE, vm = u.vm0): number[] | number {
  const lent: number[] = []
  const error = u.wait(uvmLoan(vm.map, at(s), (e - s) * P, lent, flags))
  u.check()
  if (error !== 0) expect(lent).toEqual([])
  return error === 0 ? lent : error
}
const byteOf = (u: UvmWorld, pfn: number): string =>
  String.fromCharCode(u.machine.memory.u8[u.machine.memory.frameOffset(pfn as Pfn)]!)
function unloan(u: UvmWorld, lent: number[], flags = UVM_LOAN_TOPAGE): void {
  uvmUnloan(u.vm, lent, lent.length, flags)
  u.check()
}

describe('loans', () => {
  it('[uvm S100] the owner who stores gets a copy, the borrower keeps the bytes', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.W(0, 'L')
    const lent = lend(u, 0, 1) as number[]
    expect([byteOf(u, lent[0]!), u.translations(0, 1)]).toEqual(['L', ['0 r--']])
    expect(u.delta(() => u.W(0, 'M'))).toEqual({ faults: 1, fltanget: 1, flt_anon: 1, min: 1, free: -1 })
    expect([byteOf(u, lent[0]!), u.R(0)]).toEqual(['L', 'M'])
    expect(u.delta(() => unloan(u, lent))).toEqual({ free: 1 })
    u.wire(0, 1)
    expect(lend(u, 0, 1)).toBe(EINVAL)
    expect(lend(u, 1, 5)).toBe(ENOENT)
    u.map(8, 1, { flags: UVM_FLAG_FIXED })
    expect(lend(u, 8, 9)).toBe(EINVAL)
  })
  it('a read fault on a loaned page does not allow stores; after the loan they need no copy', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.W(0, 'L')
    const lent = lend(u, 0, 1) as number[]
    const twice = lend(u, 0, 1) as number[]
    expect(twice).toEqual(lent)
    expect(u.R(0)).toBe('L')
    unloan(u, twice)
    unloan(u, lent)
    expect(u.delta(() => u.W(0, 'M'))).toEqual({ faults: 1, fltanget: 1, flt_anon: 1, min: 1 })
  })
  it('an owner who leaves leaves the page to the borrower', () => {
    const u = new PagingWorld()
    u.map(0, 1)
    u.W(0, 'L')
    const lent = lend(u, 0, 1) as number[]
    expect(u.delta(() => u.unmap(0, 1))).toEqual({ anon: -1 })
    expect(byteOf(u, lent[0]!)).toBe('L')
    expect(u.policy.active + u.policy.inactive).toBe(0)
    expect(u.delta(() => unloan(u, lent))).toEqual({ free: 1 })
  })
  it('untouched memory lends the page of zeros', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    const lent = lend(u, 0, 2) as number[]
    expect(lent).toEqual([u.vm.zeroPfn, u.vm.zeroPfn])
    unloan(u, lent)
  })
  it('a page of a file, and of shared memory', () => {
    const u = new UvmWorld()
    const f = u.file(['a', 'b'])
    const o = u.aobj(2)
    const shared = { inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED, offset: 0 }
    for (const [s, object] of [
      [0, f],
      [8, o],
    ] as const) {
      object.pager.reference(object)
      u.map(s, 2, { ...shared, object })
      u.W(s, 'a')
      const other = u.fork()
      expect(u.R(s, other)).toBe('a')
      const lent = lend(u, s, s + 1) as number[]
      expect(u.translations(s, s + 1, other)).toEqual([`${s} r--`])
      u.W(s, 'Z')
      expect([byteOf(u, lent[0]!), u.R(s), u.R(s, other), u.R(s)]).toEqual(['a', 'Z', 'Z', 'Z'])
      expect(u.delta(() => unloan(u, lent))).toEqual({ free: 1 })
      u.free(other)
    }
  })
  it('an anon is lent by counting it once more', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.W(0, 'L')
    const lent = lend(u, 0, 1, UVM_LOAN_TOANON) as number[]
    const other = u.alloc()
    u.map(0, 1, { vm: other })
    u.W(0, 'x', other)
    const entry = other.map.lookup(at(0))!
    // The borrower keeps it for good: its reference is the slot's from now on.
    pmapRemove(other.pmap, at(0), at(1))
    pmapUpdate(other.pmap)
    anonUnref(u.vm.anons, amapAdd(u.vm.chunks, entry.amap!, entry.slotOf(at(0)), lent[0]!))
    anonLent(u.vm.anons, lent[0]!, -1)
    u.check()
    expect(u.delta(() => expect(u.R(0, other)).toBe('L'))).toMatchObject({ flt_anon: 1 })
    expect(u.delta(() => u.W(0, 'M'))).toMatchObject({ flt_acow: 1, free: -1, anon: 1 })
    expect([u.R(0), u.R(0, other)]).toEqual(['M', 'L'])
  })
  it('objects and untouched memory are copied into an anon', () => {
    const u = new UvmWorld()
    const f = u.file(['a'])
    f.pager.reference(f)
    u.map(0, 1, { object: f, offset: 0, flags: UVM_FLAG_FIXED | UVM_FLAG_COPYONW })
    u.map(1, 1)
    const lent = lend(u, 0, 2, UVM_LOAN_TOANON) as number[]
    expect(u.vm.anons.residentPages).toBe(2)
    expect(u.delta(() => unloan(u, lent, UVM_LOAN_TOANON))).toEqual({ free: 2, anon: -2 })
  })
  it('a page in swap is brought back to be lent; a loaned one does not go there', () => {
    const u = new PagingWorld().spareNone()
    u.map(0, 1)
    u.W(0, 'S')
    u.deactivate(0)
    u.scan()
    const lent = lend(u, 0, 1) as number[]
    expect(byteOf(u, lent[0]!)).toBe('S')
    expect(u.W(0, 'T')).toBe(0)
    const again = lend(u, 0, 1) as number[]
    u.deactivate(0)
    expect(u.delta(() => u.scan())).not.toHaveProperty('pgswapout')
    unloan(u, lent)
    unloan(u, again)
  })
})

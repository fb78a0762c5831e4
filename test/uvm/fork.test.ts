// UVM scenarios E: fork.

import { describe, expect, it } from 'vitest'
import { EFAULT } from '../../src/base/index.ts'
import {
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_INH_SHARE,
  uvmMapInherit,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { at, now, SHARED_ANON, UvmWorld } from './world.ts'

const COW = UVM_FLAG_FIXED | UVM_FLAG_COPYONW
const SHARE = 0
const COPY = 1
const NONE = 2
const ZERO = 4
const inherit = (u: UvmWorld, s: number, e: number, value: number, vm = u.vm0): number =>
  now(uvmMapInherit(vm.map, at(s), at(e), value))
const free = (u: UvmWorld): number => u.counters()['free']!

describe('fork', () => {
  it('[uvm S60] copies nothing; the child that writes first copies one page, the parent then keeps the other', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    const before = free(u)
    u.W(0, 'p')
    u.W(1, 'q')
    let child!: VmSpace
    expect(u.delta(() => (child = u.fork()))).toEqual({})
    expect(u.resident(child)).toBe(0)
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nc A1:r2 n4 u2 @0')
    u.expectList(child, '[0,4) - rw-/rwx C w0 cow nc A1:r2 n4 u2 @0')
    expect(u.delta(() => u.W(0, 'C', child))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      fltnamap: 1,
      flt_acow: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nc A1:r1 n4 u2 @0')
    u.expectList(child, '[0,4) - rw-/rwx C w0 cow nnc A2:r1 n4 u2 @0')
    expect(u.delta(() => u.W(0, 'P'))).toEqual({ faults: 1, fltamcopy: 1, fltanget: 1, flt_anon: 1, min: 1 })
    expect([u.R(0), u.R(1), u.R(0, child), u.R(1, child)]).toEqual(['P', 'q', 'C', 'q'])
    expect(u.delta(() => u.W(1, 'W'))).toEqual({ faults: 1, fltanget: 1, flt_acow: 1, min: 1, free: -1, anon: 1 })
    expect(u.R(1, child)).toBe('q')
    u.free(child)
    expect(u.counters()['anon']).toBe(2)
    u.unmap(0, 4)
    expect(free(u)).toBe(before)
  })
  it('[uvm S61] the parent writes first', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    u.W(0, 'p')
    const child = u.fork()
    expect(u.delta(() => u.W(0, 'P'))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      flt_acow: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
    u.expectList(child, '[0,4) - rw-/rwx C w0 cow nc A1:r1 n4 u1 @0')
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nnc A2:r1 n4 u1 @0')
    expect(u.delta(() => expect(u.R(0, child)).toBe('p'))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      flt_anon: 1,
      min: 1,
    })
    expect(u.delta(() => u.W(0, 'c', child))).toEqual({})
  })
  it('[uvm S62] a child that exits untouched costs no copy', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    u.W(0, 'p')
    u.free(u.fork())
    expect(u.delta(() => u.W(0, 'P'))).toEqual({ faults: 1, fltamcopy: 1, fltanget: 1, flt_anon: 1, min: 1 })
  })
  it('[uvm S63] a child that only reads', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    for (let i = 0; i < 4; i++) u.W(i, 'ABCD'[i]!)
    const child = u.fork()
    expect(u.delta(() => expect(u.R(1, child)).toBe('B'))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      fltnamap: 3,
      flt_anon: 1,
      min: 1,
    })
    expect(u.translations(0, 4, child)).toEqual(['0 r--', '1 r--', '2 r--', '3 r--'])
    expect(u.delta(() => u.W(1, 'z', child))).toEqual({
      faults: 1,
      fltanget: 1,
      flt_acow: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
  })
  it('[uvm S64] an untouched entry', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    const child = u.fork()
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nc -')
    u.expectList(child, '[0,4) - rw-/rwx C w0 cow nc -')
    u.W(0, 'p')
    expect(u.R(0, child)).toBe('\0')
  })
  it('[uvm S65] SHARE of a needs-copy entry', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    inherit(u, 0, 4, SHARE)
    const child = u.fork()
    u.expectList(u.vm0, '[0,4) - rw-/rwx S w0 cow nnc A1:r2 n4 u0 @0 SH')
    u.expectList(child, '[0,4) - rw-/rwx S w0 cow nnc A1:r2 n4 u0 @0 SH')
    u.W(0, 'S')
    expect(u.R(0, child)).toBe('S')
    u.W(1, 'T', child)
    expect(u.R(1)).toBe('T')
    u.free(child)
    u.expectList(u.vm0, '[0,4) - rw-/rwx S w0 cow nnc A1:r1 n4 u2 @0')
  })
  it('[uvm S66] SHARE after a copy-fork', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.W(0, '1')
    const c1 = u.fork()
    u.expectList(c1, '[0,2) - rw-/rwx C w0 cow nc A1:r2 n2 u1 @0')
    inherit(u, 0, 2, SHARE)
    const c2 = u.fork()
    u.expectList(u.vm0, '[0,2) - rw-/rwx S w0 cow nnc A2:r2 n2 u1 @0 SH')
    u.expectList(c1, '[0,2) - rw-/rwx C w0 cow nc A1:r1 n2 u1 @0')
    u.expectList(c2, '[0,2) - rw-/rwx S w0 cow nnc A2:r2 n2 u1 @0 SH')
    u.W(0, '2')
    expect([u.R(0), u.R(0, c1), u.R(0, c2)]).toEqual(['2', '1', '2'])
    u.W(0, '3', c2)
    expect([u.R(0), u.R(0, c1), u.R(0, c2)]).toEqual(['3', '1', '3'])
  })
  it('[uvm S67] NONE and ZERO', () => {
    const u = new UvmWorld()
    u.map(0, 3)
    for (let i = 0; i < 3; i++) u.W(i, 'ABC'[i]!)
    inherit(u, 1, 2, NONE)
    inherit(u, 2, 3, ZERO)
    const child = u.fork()
    expect(u.list()[0]).toContain('A1:r4 n3 u1 @0 pp[2,1,1]')
    u.expectList(child, '[0,1) - rw-/rwx C w0 cow nc A1:r4 n3 u1 @0', '[2,3) - rw-/rwx Z w0 cow nc -')
    expect(child.map.size).toBe(2 * 4096)
    expect([u.R(0, child), u.R(1, child), u.R(2, child)]).toEqual(['A', EFAULT, '\0'])
    expect([u.R(1), u.R(2)]).toEqual(['B', 'C'])
  })
  it('[uvm S68] a shared file with COPY inheritance', () => {
    const u = new UvmWorld()
    const f = u.file(['a', 'a'])
    f.pager.reference(f)
    u.map(0, 2, { object: f, offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    inherit(u, 0, 2, COPY)
    u.W(0, 'b')
    const child = u.fork()
    u.expectList(u.vm0, '[0,2) f+0x0 rw-/rwx C w0 ncow nnc -')
    u.expectList(child, '[0,2) f+0x0 rw-/rwx C w0 cow nc -')
    expect(f.refs).toBe(3)
    u.W(0, 'c')
    expect(u.R(0, child)).toBe('c')
    u.W(0, 'd', child)
    u.W(0, 'e')
    expect([u.R(0), u.R(0, child)]).toEqual(['e', 'd'])
    const other = u.alloc()
    f.pager.reference(f)
    u.map(0, 2, { vm: other, object: f, offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    expect(u.R(0, other)).toBe('e')
  })
  it.each(['parent', 'sharer'])('[uvm S69] COPY fork from a shared amap; the %s writes first', (first) => {
    const u = new UvmWorld()
    u.map(0, 2, SHARED_ANON)
    u.W(0, 's')
    const c = u.fork()
    u.W(0, 's')
    u.W(0, 's', c)
    inherit(u, 0, 2, COPY)
    const d = u.fork()
    u.expectList(u.vm0, '[0,2) - rw-/rwx C w0 ncow nnc A1:r2 n2 u1 @0 SH')
    u.expectList(c, '[0,2) - rw-/rwx S w0 ncow nnc A1:r2 n2 u1 @0 SH')
    u.expectList(d, '[0,2) - rw-/rwx C w0 cow nnc A2:r1 n2 u1 @0')
    const writer = first === 'parent' ? u.vm0 : c
    expect(u.delta(() => u.W(0, 't', writer))).toEqual({
      faults: 1,
      fltanget: 1,
      flt_acow: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
    expect([u.R(0), u.R(0, c), u.R(0, d)]).toEqual(['t', 't', 's'])
    expect(u.delta(() => u.W(0, 'u', d)).flt_acow).toBeUndefined()
    expect([u.R(0), u.R(0, c), u.R(0, d)]).toEqual(['t', 't', 'u'])
  })
  it('[uvm S70] three generations: the last writer copies nothing', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.W(0, '0')
    const child = u.fork()
    const grandchild = u.fork(child)
    u.expectList(grandchild, '[0,1) - rw-/rwx C w0 cow nc A1:r3 n1 u1 @0')
    u.W(0, 'g', grandchild)
    u.W(0, 'c', child)
    expect(u.delta(() => u.W(0, 'p'))).toEqual({ faults: 1, fltamcopy: 1, fltanget: 1, flt_anon: 1, min: 1 })
    expect([u.R(0), u.R(0, child), u.R(0, grandchild)]).toEqual(['p', 'c', 'g'])
  })
  it('[uvm S71] fork twice, then write', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.W(0, '0')
    const c1 = u.fork()
    const c2 = u.fork()
    u.expectList(c2, '[0,1) - rw-/rwx C w0 cow nc A1:r3 n1 u1 @0')
    expect(u.delta(() => u.W(0, '1'))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltanget: 1,
      flt_acow: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
    u.expectList(c1, '[0,1) - rw-/rwx C w0 cow nc A1:r2 n1 u1 @0')
    expect([u.R(0, c1), u.R(0, c2)]).toEqual(['0', '0'])
  })
  it('[uvm S72] a partial unmap in the child keeps what the parent covers', () => {
    const u = new UvmWorld()
    u.map(0, 6)
    for (let i = 0; i < 6; i++) u.W(i, 'ABCDEF'[i]!)
    const child = u.fork()
    u.unmap(2, 4, child)
    u.expectList(u.vm0, '[0,6) - rw-/rwx C w0 cow nc A1:r3 n6 u6 @0 pp[2,2,1,1,2,2]')
    u.expectList(child, '[0,2) - rw-/rwx C w0 cow nc A1:r3 n6 u2 @0', '[4,6) - rw-/rwx C w0 cow nc A1:r3 n6 u2 @4')
    expect(u.delta(() => u.unmap(0, 6))).toEqual({ free: 2, anon: -2 })
    expect(u.list(child)[0]).toContain('A1:r2 n6 u2 @0 pp[1,1,0,0,1,1]')
    expect(u.delta(() => u.unmap(0, 6, child))).toEqual({ free: 4, anon: -4 })
  })
  it('[uvm S73] fork of a wired entry copies now and leaves the parent alone', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.W(0, 'w')
    u.wire(0, 2)
    let child!: VmSpace
    expect(u.delta(() => (child = u.fork()))).toEqual({ free: -2, anon: 2 })
    u.expectList(u.vm0, '[0,2) - rw-/rwx C w1 cow nnc A1:r1 n2 u2 @0')
    u.expectList(child, '[0,2) - rw-/rwx C w0 cow nnc A2:r1 n2 u2 @0')
    expect(u.delta(() => u.W(0, 'x'))).toEqual({})
    expect(u.delta(() => expect(u.R(0, child)).toBe('w'))).toEqual({
      faults: 1,
      fltanget: 1,
      fltnamap: 1,
      flt_anon: 1,
      min: 1,
    })
    expect(u.vm.wiredPages).toBe(2)
  })
  it('[uvm S74] a private file', () => {
    const u = new UvmWorld()
    const f = u.file(['a', 'a', 'a', 'a'])
    f.pager.reference(f)
    u.map(0, 4, { object: f, offset: 0, flags: COW })
    u.W(0, '1')
    const child = u.fork()
    u.W(1, '2', child)
    expect([u.R(0), u.R(1), u.R(0, child), u.R(1, child)]).toEqual(['1', 'a', '1', '2'])
    expect(f.refs).toBe(3)
    u.expectList(u.vm0, '[0,4) f+0x0 rw-/rwx C w0 cow nc A1:r1 n4 u1 @0')
    u.expectList(child, '[0,4) f+0x0 rw-/rwx C w0 cow nnc A2:r1 n4 u2 @0')
  })
  it('[uvm S75] fork of a child that has touched nothing', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.W(0, '0')
    const c = u.fork()
    const d = u.fork(c)
    u.expectList(d, '[0,1) - rw-/rwx C w0 cow nc A1:r3 n1 u1 @0')
    u.free(c)
    u.expectList(d, '[0,1) - rw-/rwx C w0 cow nc A1:r2 n1 u1 @0')
    expect(u.delta(() => u.W(0, 'd', d)).flt_acow).toBe(1)
    expect(u.R(0)).toBe('0')
  })
})

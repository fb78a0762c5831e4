// UVM scenarios D: faults.

import { describe, expect, it } from 'vitest'
import { EACCES, EFAULT, EINVAL, EIO, type Pfn } from '../../src/base/index.ts'
import { EXECUTE, READ, faultMap, uvmFault, uvmMapClean } from '../../src/kernel/fault/index.ts'
import { truncateVnode } from '../../src/kernel/file/index.ts'
import { udvAttach, UVM_FLAG_COPYONW, UVM_FLAG_FIXED, UVM_INH_SHARE } from '../../src/kernel/map/index.ts'
import { type MemoryObject, PGO_CLEANIT, PGO_SYNCIO } from '../../src/kernel/object/index.ts'
import { pmapRemove, pmapUpdate } from '../../src/kernel/pmap/index.ts'
import { at, type MapOptions, P, SHARED_ANON, UvmWorld } from './world.ts'

const PAGES16 = [...'ABCDEFGHIJKLMNOP']
const COW = UVM_FLAG_FIXED | UVM_FLAG_COPYONW

function mapFile(u: UvmWorld, f: MemoryObject, n: number, o: MapOptions = {}): void {
  f.pager.reference(f)
  u.map(0, n, { object: f, offset: 0, flags: COW, ...o })
}
function readAll(u: UvmWorld, n: number, vm = u.vm0): string {
  return Array.from({ length: n }, (_, i) => u.R(i, vm)).join('')
}

describe('faults in anonymous memory', () => {
  it('[uvm S44] read then write is one fault', () => {
    const u = new UvmWorld()
    u.map(0, 8)
    expect(u.delta(() => expect(u.R(2)).toBe('\0'))).toEqual({
      faults: 1,
      fltamcopy: 1,
      flt_przero: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
    expect(u.delta(() => u.W(2, 'x'))).toEqual({})
  })
  it('[uvm S45] neighbours are not filled with zeros', () => {
    const u = new UvmWorld()
    u.map(0, 16)
    const all = u.delta(() => {
      for (let i = 0; i < 16; i++) u.W(i, 'x')
    })
    expect(all).toEqual({ faults: 16, fltamcopy: 1, flt_przero: 16, min: 16, free: -16, anon: 16 })
  })
  it('[uvm S46] a blank entry', () => {
    const u = new UvmWorld()
    u.map(0, 1, { flags: UVM_FLAG_FIXED })
    expect(u.R(0)).toBe(EFAULT)
    u.protect(0, 1, '---')
    expect(u.R(0)).toBe(EACCES)
  })
  it('[uvm S47] wrong access', () => {
    const u = new UvmWorld()
    u.map(0, 1, { prot: 'r--' })
    expect(u.delta(() => expect(u.W(0, 'x')).toBe(EACCES))).toEqual({ faults: 1 })
    expect(u.delta(() => expect(u.wait(uvmFault(u.vm0, at(0), EXECUTE))).toBe(EACCES))).toEqual({ faults: 1 })
    expect(u.delta(() => expect(u.R(1)).toBe(EFAULT))).toEqual({ faults: 1 })
  })
  it('[uvm S56] a large entry gets its amap in chunks', () => {
    const u = new UvmWorld()
    u.map(0, 300)
    u.W(100, 'q')
    u.expectList(
      u.vm0,
      '[0,96) - rw-/rwx C w0 cow nc -',
      '[96,112) - rw-/rwx C w0 cow nnc A1:r1 n16 u1 @0',
      '[112,300) - rw-/rwx C w0 cow nc -',
    )
    u.W(117, 'q')
    u.expectList(u.vm0, '[0,96) - rw-/rwx C w0 cow nc -', '[96,300) - rw-/rwx C w0 cow nnc A1:r1 n204 u2 @0')
    const v = new UvmWorld()
    v.map(0, 255)
    v.W(7, 'q')
    v.expectList(v.vm0, '[0,255) - rw-/rwx C w0 cow nnc A1:r1 n255 u1 @0')
  })
  it('[uvm S57] anon neighbours are mapped, by advice', () => {
    const again = (advice: number): [UvmWorld, Record<string, number>] => {
      const u = new UvmWorld()
      u.map(0, 16, { advice })
      for (let i = 0; i < 16; i++) u.W(i, 'x')
      pmapRemove(u.vm0.pmap, at(0), at(16))
      pmapUpdate(u.vm0.pmap)
      return [u, u.delta(() => u.R(8))]
    }
    const [normal, counted] = again(0)
    expect(counted).toEqual({ faults: 1, fltanget: 1, fltnamap: 7, flt_anon: 1, min: 1 })
    expect(normal.translations(0, 16)).toEqual([5, 6, 7, 8, 9, 10, 11, 12].map((p) => `${p} rw-`))
    expect(again(1)[0].translations(0, 16)).toEqual(['8 rw-'])
    expect(again(2)[0].translations(0, 16)).toEqual([8, 9, 10, 11, 12, 13, 14, 15].map((p) => `${p} rw-`))
  })
})

describe('faults in files', () => {
  const cold = { faults: 16, fltlget: 16, fltget: 16, fltrelck: 16, fltrelckok: 16, flt_obj: 16, maj: 16, free: -16 }
  function warm(): [UvmWorld, MemoryObject] {
    const u = new UvmWorld()
    const f = u.file(PAGES16)
    mapFile(u, f, 16)
    expect(u.delta(() => expect(readAll(u, 16)).toBe('ABCDEFGHIJKLMNOP'))).toEqual(cold)
    return [u, f]
  }
  function second(advice = 0): [UvmWorld, ReturnType<UvmWorld['alloc']>, MemoryObject] {
    const [u, f] = warm()
    const vm = u.alloc()
    mapFile(u, f, 16, { vm, advice })
    return [u, vm, f]
  }
  it('[uvm S48] a private file, cold', () => {
    const [u] = warm()
    u.expectList(u.vm0, '[0,16) f+0x0 rw-/rwx C w0 cow nc -')
  })
  it('[uvm S49] a private file, warm: neighbours are mapped without write permission', () => {
    const [u, vm] = second()
    expect(u.delta(() => expect(u.R(8, vm)).toBe('I'))).toEqual({
      faults: 1,
      fltlget: 1,
      fltnomap: 7,
      flt_obj: 1,
      min: 1,
    })
    expect(u.translations(0, 16, vm)).toEqual([5, 6, 7, 8, 9, 10, 11, 12].map((p) => `${p} r--`))
    expect(u.delta(() => readAll(u, 16, vm))).toEqual({ faults: 2, fltlget: 2, fltnomap: 6, flt_obj: 2, min: 2 })
  })
  it('[uvm S50] random and sequential advice', () => {
    const [u, vm] = second(1)
    u.R(8, vm)
    expect(u.translations(0, 16, vm)).toEqual(['8 r--'])
    expect(u.delta(() => readAll(u, 16, vm))).toEqual({ faults: 15, fltlget: 15, flt_obj: 15, min: 15 })
    const [v, vm2] = second(2)
    expect(v.delta(() => v.R(8, vm2))).toEqual({ faults: 1, fltlget: 1, fltnomap: 7, flt_obj: 1, min: 1 })
    expect(v.translations(0, 16, vm2)).toEqual([8, 9, 10, 11, 12, 13, 14, 15].map((p) => `${p} r--`))
    expect(v.delta(() => readAll(v, 16, vm2)).faults).toBe(1)
  })
  it('[uvm S51] copy on write of a file page', () => {
    const [u, vm] = second()
    u.R(8, vm)
    expect(u.delta(() => u.W(8, 'w', vm))).toEqual({
      faults: 1,
      fltamcopy: 1,
      fltlget: 1,
      flt_prcopy: 1,
      min: 1,
      free: -1,
      anon: 1,
    })
    expect([u.R(8, vm), u.R(8)]).toEqual(['w', 'I'])
    u.expectList(vm, '[0,16) f+0x0 rw-/rwx C w0 cow nnc A1:r1 n16 u1 @0')
    expect(u.delta(() => u.W(9, 'w', vm)).fltamcopy).toBeUndefined()
  })
  it('[uvm S52] the first store to a clean shared page is a fault of its own', () => {
    const u = new UvmWorld()
    const f = u.file(['a', 'a', 'a', 'a'])
    mapFile(u, f, 4, { prot: 'rw-', max: 'rw-', inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    const major = { faults: 1, fltlget: 1, fltget: 1, fltrelck: 1, fltrelckok: 1, flt_obj: 1, maj: 1, free: -1 }
    expect(u.delta(() => u.R(0))).toEqual(major)
    expect(u.delta(() => u.W(0, 'Z'))).toEqual({ faults: 1, fltlget: 1, flt_obj: 1, min: 1 })
    const stored = (): string => String.fromCharCode(u.host.bytes('f')[0]!)
    expect(stored()).toBe('a')
    expect(u.wait(uvmMapClean(u.vm0.map, at(0), at(1), PGO_CLEANIT | PGO_SYNCIO))).toBe(0)
    expect(stored()).toBe('Z')
    expect(u.delta(() => u.W(0, 'Y'))).toMatchObject({ faults: 1, flt_obj: 1 })
    expect(u.delta(() => u.W(1, 'Q'))).toEqual(major)
  })
  it('[uvm S53] an anonymous object makes its neighbours too', () => {
    const u = new UvmWorld()
    const o = u.aobj(16)
    u.map(0, 16, { object: o, offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    expect(u.delta(() => u.W(8, 'x'))).toEqual({ faults: 1, fltlget: 1, fltnomap: 7, flt_obj: 1, min: 1, free: -8 })
    expect([4, 5, 12, 13].map((i) => o.pageAt(i) >= 0)).toEqual([false, true, true, false])
    expect(u.delta(() => readAll(u, 16))).toEqual({ faults: 2, fltlget: 2, fltnomap: 6, flt_obj: 2, min: 2, free: -8 })
  })
  it('[uvm S54] beyond the end of the file', () => {
    const u = new UvmWorld()
    const f = u.file('hello')
    mapFile(u, f, 2, { prot: 'r--' })
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((i) => u.load(u.vm0, at(0) + i))).toEqual([
      ...[...'hello'].map((c) => c.charCodeAt(0)),
      0,
      0,
      0,
    ])
    expect(u.R(1)).toBe(EINVAL)
    expect(u.wait(truncateVnode(u.files, u.vnode('f'), 0))).toBe(0)
    expect(u.R(0)).toBe(EINVAL)
  })
  it('[uvm S55] a device is mapped page by page, and never copied', () => {
    const u = new UvmWorld()
    const frame = u.vm.zeroPfn
    const device = { name: 'fb', mmap: (offset: number): Pfn | -1 => (offset < 4 * P ? frame : -1) }
    const attach = (): MemoryObject => udvAttach(u.vm.objects, device, 3, 0, 4 * P)!
    u.map(0, 4, { object: attach(), offset: 0, inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    expect(u.delta(() => u.R(1))).toEqual({ faults: 1 })
    expect(u.translations(0, 4)).toEqual(['1 rw-'])
    u.map(8, 4, { object: attach(), offset: 0 })
    expect([u.R(8), u.W(8, 'x')]).toEqual([EIO, EIO])
    expect(udvAttach(u.vm.objects, device, 3, 0, 5 * P)).toBeNull()
  })
  it('[uvm S58] a map that changes during the read: the fault starts again', () => {
    const u = new UvmWorld()
    const f = u.file(['a'])
    mapFile(u, f, 1)
    const before = u.counters()
    const faulting = faultMap(u.vm0.map, at(0), READ, 0)
    const slept = faulting.next()
    expect(slept.done).toBe(false)
    u.unmap(0, 1)
    u.machine.clock.advanceTo(slept.done === true ? 0 : slept.value.deadline)
    expect(u.wait(faulting)).toBe(EFAULT)
    const after = u.counters()
    expect([after['fltrelck']! - before['fltrelck']!, after['fltrelckok']! - before['fltrelckok']!]).toEqual([1, 0])
    expect(f.pageAt(0)).toBeGreaterThanOrEqual(0)
    expect(f.mappings.size).toBe(0)
  })
  it('[uvm S59] promotion inside a shared amap unmaps the file page everywhere', () => {
    const u = new UvmWorld()
    const f = u.file(['a', 'a'])
    mapFile(u, f, 2, { inherit: UVM_INH_SHARE })
    const child = u.fork()
    const shared = '[0,2) f+0x0 rw-/rwx S w0 cow nnc A1:r2 n2 u0 @0 SH'
    u.expectList(u.vm0, shared)
    u.expectList(child, shared)
    const x = u.alloc()
    mapFile(u, f, 2, { vm: x })
    expect([u.R(0), u.R(0, child), u.R(0, x)]).toEqual(['a', 'a', 'a'])
    expect(u.delta(() => u.W(0, 'Z'))).toEqual({ faults: 1, fltlget: 1, flt_prcopy: 1, min: 1, free: -1, anon: 1 })
    expect([u.translations(0, 1, child), u.translations(0, 1, x)]).toEqual([[], []])
    expect(u.delta(() => expect(u.R(0, child)).toBe('Z'))).toEqual({ faults: 1, fltanget: 1, flt_anon: 1, min: 1 })
    expect(u.delta(() => expect(u.R(0, x)).toBe('a'))).toEqual({ faults: 1, fltlget: 1, flt_obj: 1, min: 1 })
  })
  it('shared anonymous memory is made by whoever touches it', () => {
    const u = new UvmWorld()
    u.map(0, 1, SHARED_ANON)
    expect(u.R(0)).toBe('\0')
  })
})

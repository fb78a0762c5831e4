// UVM scenarios A and B: mapping, merging, searching, unmapping.

import { describe, expect, it } from 'vitest'
import { EACCES, EAGAIN, EFAULT, ENOMEM, isErr, type Sleep } from '../../src/base/index.ts'
import { uaoCreate, UAO_FLAG_KERNOBJ } from '../../src/kernel/anon/index.ts'
import {
  UVM_FLAG_COLORMATCH,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_NOMERGE,
  UVM_FLAG_OVERLAY,
  UVM_FLAG_TRYLOCK,
  UVM_FLAG_UNMAP,
  UVM_FLAG_WAITVA,
  UVM_INH_COPY,
  UVM_INH_NONE,
  UVM_INH_SHARE,
  UVM_PROT_R,
  UVM_PROT_RW,
  UVM_PROT_RWX,
  uvmAdvice,
  uvmDeallocate,
  uvmInherit,
  uvmMapflag,
  uvmMaxprotection,
  uvmProtection,
  uvmUnmap,
} from '../../src/kernel/map/index.ts'
import { at, B, KernelPanic, now, P, SHARED_ANON, UvmWorld } from './world.ts'

const FIXED_COW = UVM_FLAG_FIXED | UVM_FLAG_COPYONW
const NOMERGE = FIXED_COW | UVM_FLAG_NOMERGE
const FREE_NOMERGE = UVM_FLAG_COPYONW | UVM_FLAG_NOMERGE
const UNMAP = FIXED_COW | UVM_FLAG_UNMAP

describe('mapping and merging', () => {
  it('[uvm S1] plain private anonymous memory: an entry, no page', () => {
    const u = new UvmWorld()
    expect(u.delta(() => expect(u.map(0, 4)).toBe(0))).toEqual({})
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nc -')
    expect(u.vm0.map.size).toBe(4 * P)
  })
  it('[uvm S2] back merge', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    u.map(4, 2)
    u.expectList(u.vm0, '[0,6) - rw-/rwx C w0 cow nc -')
    expect(u.vm0.map.size).toBe(6 * P)
  })
  it('[uvm S3] a touched entry does not merge at map time but on touch', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    u.W(0, 'a')
    u.map(4, 4)
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nnc A1:r1 n4 u1 @0', '[4,8) - rw-/rwx C w0 cow nc -')
    u.W(5, 'b')
    u.expectList(u.vm0, '[0,8) - rw-/rwx C w0 cow nnc A1:r1 n8 u2 @0')
  })
  it('[uvm S4] shared anonymous memory: the amap is extended forward', () => {
    const u = new UvmWorld()
    u.map(0, 4, SHARED_ANON)
    u.W(0, 'a')
    u.map(4, 2, SHARED_ANON)
    u.expectList(u.vm0, '[0,6) - rw-/rwx S w0 ncow nnc A1:r1 n6 u1 @0')
  })
  it('[uvm S5] forward merge', () => {
    const u = new UvmWorld()
    u.map(4, 4)
    u.map(0, 4)
    u.expectList(u.vm0, '[0,8) - rw-/rwx C w0 cow nc -')
  })
  it('[uvm S6] forward merge with the amap growing backwards', () => {
    const u = new UvmWorld()
    u.map(4, 4, SHARED_ANON)
    u.W(4, 'Q')
    u.W(7, 'Z')
    u.map(0, 4, SHARED_ANON)
    const [line, ...rest] = u.list()
    expect(rest).toEqual([])
    expect(line).toMatch(/^\[0,8\) - rw-\/rwx S w0 ncow nnc A1:r1 n8 u2 @/)
    expect([u.R(4), u.R(7), u.R(0)]).toEqual(['Q', 'Z', '\0'])
  })
  it('[uvm S7] bi-merge', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(4, 2)
    expect(u.vm0.map.entryCount).toBe(2)
    u.map(2, 2)
    u.expectList(u.vm0, '[0,6) - rw-/rwx C w0 cow nc -')
    expect(u.vm0.map.size).toBe(6 * P)
  })
  it('[uvm S8] two amaps cannot join', () => {
    const u = new UvmWorld()
    u.map(0, 2, SHARED_ANON)
    u.map(4, 2, SHARED_ANON)
    u.W(0, '1')
    u.W(5, '2')
    u.map(2, 2, SHARED_ANON)
    u.W(3, '3')
    u.expectList(u.vm0, '[0,4) - rw-/rwx S w0 ncow nnc A1:r1 n4 u2 @0', '[4,6) - rw-/rwx S w0 ncow nnc A2:r1 n2 u1 @0')
    expect([u.R(0), u.R(5), u.R(3)]).toEqual(['1', '2', '3'])
  })
  it('[uvm S9] merging drops the surplus object reference', () => {
    const u = new UvmWorld()
    const f = u.aobj(16, 'f')
    const map = (s: number, offset: number): void => {
      f.pager.reference(f)
      u.map(s, 4, { object: f, offset, prot: 'r--', inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    }
    map(0, 0)
    map(4, 0x4000)
    u.expectList(u.vm0, '[0,8) f+0x0 r--/rwx S w0 ncow nnc -')
    expect(f.refs).toBe(2)
    map(8, 0x4000)
    u.expectList(u.vm0, '[0,8) f+0x0 r--/rwx S w0 ncow nnc -', '[8,12) f+0x4000 r--/rwx S w0 ncow nnc -')
    expect(f.refs).toBe(3)
  })
  it('[uvm S10] NOMERGE both ways', () => {
    const u = new UvmWorld()
    u.map(0, 2)
    u.map(2, 2, { flags: NOMERGE })
    u.map(4, 2)
    expect(u.list().map((line) => line.split(' ')[0])).toEqual(['[0,2)', '[2,4)', '[4,6)'])
  })
  it('[uvm S11] entries of different attributes do not merge', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.map(1, 1, { prot: 'r--' })
    u.map(2, 1, { max: 'rw-' })
    u.map(3, 1, { inherit: UVM_INH_NONE })
    u.map(4, 1, { advice: 1 })
    expect(u.vm0.map.entryCount).toBe(5)
  })
  it('[uvm S12] FIXED fails where something is, a hint moves on', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    expect(u.map(3, 2)).toBe(ENOMEM)
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nc -')
    expect(u.map(3, 2, { flags: FREE_NOMERGE })).toBe(4)
  })
  it('[uvm S13] UNMAP replaces atomically', () => {
    const u = new UvmWorld()
    u.map(0, 6)
    u.W(0, '0')
    u.W(2, '2')
    u.W(5, '5')
    expect(u.delta(() => u.map(2, 2, { prot: 'r--', flags: UNMAP }))).toEqual({ free: 1, anon: -1 })
    u.expectList(
      u.vm0,
      '[0,2) - rw-/rwx C w0 cow nnc A1:r2 n6 u1 @0 pp[1,1,0,0,1,1]',
      '[2,4) - r--/rwx C w0 cow nc -',
      '[4,6) - rw-/rwx C w0 cow nnc A1:r2 n6 u1 @4 pp[1,1,0,0,1,1]',
    )
    expect([u.R(0), u.R(2), u.R(5)]).toEqual(['0', '\0', '5'])
    expect(u.vm0.map.size).toBe(6 * P)
  })
  it('[uvm S14] UNMAP then bi-merge', () => {
    const u = new UvmWorld()
    u.map(0, 6)
    u.map(2, 2, { flags: UNMAP })
    u.expectList(u.vm0, '[0,6) - rw-/rwx C w0 cow nc -')
  })
  it('[uvm S15] UNMAP is one lock hold: a racing map never takes the place', () => {
    const u = new UvmWorld()
    const placeholder = u.map(0, 13, { prot: '---', flags: NOMERGE })
    const replacer = function* (): Sleep<void> {
      for (let i = 0; i < 40; i++) {
        expect(yield* u.mapWork(placeholder, 13, { flags: UNMAP | UVM_FLAG_NOMERGE })).toBe(at(placeholder))
        yield { queue: null, deadline: 0, interruptible: false }
      }
    }
    const mapper = function* (): Sleep<void> {
      for (let i = 0; i < 40; i++) {
        const where = yield* u.mapWork(0, 13, { flags: FREE_NOMERGE })
        expect(isErr(where)).toBe(false)
        yield { queue: null, deadline: 0, interruptible: false }
        yield* uvmUnmap(u.vm0.map, where, where + 13 * P)
      }
    }
    const works = [replacer(), mapper()]
    for (let step = 0, live = works.slice(); live.length > 0; step++) {
      const work = live[(step * 7 + (step >> 2)) % live.length]!
      if (work.next('woken').done === true) live = live.filter((w) => w !== work)
    }
    u.check()
    u.expectList(u.vm0, '[0,13) - rw-/rwx C w0 cow nc -')
  })
  it('[uvm S16] argument errors', () => {
    const u = new UvmWorld(false, 0x10000, 0x200000)
    expect(u.map(0, 1, { prot: 'rw-', max: 'r--' })).toBe(EACCES)
    expect(u.map(0, 1, { hint: 0 })).toBe(EACCES)
    expect(u.map(0, 1, { hint: 0x1000 })).toBe(ENOMEM)
    expect(u.map(0, 2, { hint: 0x1ff000 })).toBe(ENOMEM)
    expect(u.vm0.map.lock.tryWrite({})).toBe(true)
    expect(now(u.mapWork(0, 1, { prot: 'rw-', max: 'r--', flags: FIXED_COW | UVM_FLAG_TRYLOCK }))).toBe(EACCES)
  })
  it('[uvm S17] TRYLOCK does not wait', () => {
    const u = new UvmWorld()
    const { lock } = u.vm0.map
    lock.tryWrite({})
    expect(now(u.mapWork(0, 1, { flags: FIXED_COW | UVM_FLAG_TRYLOCK }))).toBe(EAGAIN)
    const waiting = u.mapWork(0, 1)
    expect(waiting.next().done).toBe(false)
    lock.unlockWrite()
    expect(waiting.next('woken')).toEqual({ done: true, value: at(0) })
    lock.tryRead()
    expect(now(u.mapWork(4, 1, { flags: FIXED_COW | UVM_FLAG_TRYLOCK }))).toBe(EAGAIN)
    lock.unlockRead()
    expect(u.vm0.map.entryCount).toBe(1)
  })
})

describe('the search for space', () => {
  it('[uvm S18] bottom-up takes the first fit', () => {
    const u = new UvmWorld()
    u.map(0, 2, { flags: NOMERGE })
    u.map(4, 2, { flags: NOMERGE })
    expect(u.map(0, 2, { flags: FREE_NOMERGE })).toBe(2)
    expect(u.map(0, 2, { flags: FREE_NOMERGE })).toBe(6)
    expect(u.map(0, 4, { flags: FREE_NOMERGE })).toBe(8)
    const v = new UvmWorld()
    v.map(0, 2, { flags: NOMERGE })
    v.map(4, 2, { flags: NOMERGE })
    expect(v.map(0, 3, { flags: FREE_NOMERGE })).toBe(6)
  })
  it('[uvm S19] there is no wrap-around', () => {
    const u = new UvmWorld(false, 0x10000, 0x14000)
    const plain = UVM_FLAG_COPYONW
    expect(u.map(0, 5, { hint: 0x10000, flags: plain })).toBe(ENOMEM)
    expect(u.map(0, 4, { hint: 0x10000, flags: plain })).toBe((0x10000 - B) / P)
    expect(u.map(0, 1, { hint: 0x10000, flags: plain })).toBe(ENOMEM)
    const v = new UvmWorld(false, 0x10000, 0x14000)
    expect(v.map(0, 2, { hint: 0x13000, flags: plain })).toBe(ENOMEM)
  })
  it('[uvm S20] top-down takes the highest at or below the hint', () => {
    const u = new UvmWorld(true)
    u.map(0, 2, { flags: NOMERGE })
    u.map(4, 2, { flags: NOMERGE })
    expect(u.map(5, 2, { flags: FREE_NOMERGE })).toBe(2)
    expect(u.map(5, 2, { flags: FREE_NOMERGE })).toBe(-2)
    expect(u.map(6, 2, { flags: FREE_NOMERGE })).toBe(6)
  })
  it('[uvm S21] alignment', () => {
    const place = (topdown: boolean, hint: number, flags: number): number => {
      const u = new UvmWorld(topdown)
      return u.map(0, 1, { hint, align: 0x10000, flags }) * P + B
    }
    expect(place(false, 0x101000, UVM_FLAG_COPYONW)).toBe(0x110000)
    expect(place(true, 0x111000, UVM_FLAG_COPYONW)).toBe(0x110000)
    expect(place(false, 0x101000, FIXED_COW)).toBe(0x101000)
  })
  it('[uvm S22] PMAP_PREFER', () => {
    const u = new UvmWorld()
    u.vm.search.aliasBytes = 0x10000
    const place = (offset: number | undefined, withFile: boolean, flags = UVM_FLAG_COPYONW): [number, number] => {
      const f = u.aobj(16, 'f')
      const options = {
        hint: 0x100000,
        flags,
        ...(offset === undefined ? {} : { offset }),
        ...(withFile ? { object: f } : {}),
      }
      const where = u.map(0, 1, options) * P + B
      const stored = u.vm0.map.lookup(where)!.offset * P
      now(uvmUnmap(u.vm0.map, where, where + P))
      return [where, stored]
    }
    expect(place(undefined, false)).toEqual([0x100000, 0])
    expect(place(0x3000, false)).toEqual([0x103000, 0])
    expect(place(0x5000, true)).toEqual([0x105000, 0x5000])
    expect(place(0x5000, true, FIXED_COW)).toEqual([0x100000, 0x5000])
    expect(() => place(undefined, true)).toThrow(KernelPanic)
  })
  it('[uvm S23] COLORMATCH', () => {
    const place = (topdown: boolean, color: number): number => {
      const u = new UvmWorld(topdown)
      u.vm.search.colors = 4
      return u.map(0, 1, { align: color, flags: UVM_FLAG_COPYONW | UVM_FLAG_COLORMATCH })
    }
    expect([place(false, 3), place(true, 3), place(false, 0), place(true, 0)]).toEqual([3, -1, 0, 0])
  })
  it('[uvm S24] OVERLAY|COPYONW has its amap at once', () => {
    const u = new UvmWorld()
    const overlay = FIXED_COW | UVM_FLAG_OVERLAY
    expect(u.delta(() => u.map(0, 4, { flags: overlay }))).toEqual({})
    u.expectList(u.vm0, '[0,4) - rw-/rwx C w0 cow nnc A1:r1 n4 u0 @0')
    u.map(4, 2)
    expect(u.vm0.map.entryCount).toBe(2)
    u.unmap(4, 6)
    u.map(4, 2, { flags: overlay })
    u.expectList(u.vm0, '[0,6) - rw-/rwx C w0 cow nnc A1:r1 n6 u0 @0')
  })
  it('[uvm S25] the flag word', () => {
    const word = uvmMapflag(UVM_PROT_RW, UVM_PROT_RWX, UVM_INH_COPY, 1, FIXED_COW)
    expect(word).toBe(0x00091713)
    expect([uvmProtection(word), uvmMaxprotection(word), uvmInherit(word), uvmAdvice(word)]).toEqual([3, 7, 1, 1])
    expect(uvmMapflag(UVM_PROT_R, UVM_PROT_R, UVM_INH_NONE, 0, UVM_FLAG_NOMERGE)).toBe(0x00040121)
  })
  it('[uvm S26] the kernel object is mapped at its distance from the start of the map', () => {
    const u = new UvmWorld()
    u.vm.kernelObject = uaoCreate(u.vm.anons, u.vm.objects, 2 ** 30, UAO_FLAG_KERNOBJ)
    u.name(u.vm.kernelObject, 'k')
    const min = u.vm0.map.min
    u.map(0, 2, { object: u.vm.kernelObject, hint: min + 0x7000, flags: UVM_FLAG_FIXED })
    expect(u.list()[0]).toContain(' k+0x7000 ')
  })
})

function letters(u: UvmWorld): void {
  for (let i = 0; i < 6; i++) u.W(i, 'ABCDEF'[i]!)
}

describe('unmapping', () => {
  it('[uvm S27] the middle of a touched entry gives its pages back at once', () => {
    const u = new UvmWorld()
    u.map(0, 6)
    letters(u)
    expect(u.delta(() => u.unmap(2, 4))).toEqual({ free: 2, anon: -2 })
    u.expectList(
      u.vm0,
      '[0,2) - rw-/rwx C w0 cow nnc A1:r2 n6 u2 @0 pp[1,1,0,0,1,1]',
      '[4,6) - rw-/rwx C w0 cow nnc A1:r2 n6 u2 @4 pp[1,1,0,0,1,1]',
    )
    expect(u.vm0.map.size).toBe(4 * P)
    expect(u.R(2)).toBe(EFAULT)
    expect(u.delta(() => u.unmap(0, 6))).toEqual({ free: 4, anon: -4 })
    expect([u.vm0.map.entryCount, u.vm0.map.size]).toEqual([0, 0])
  })
  it('[uvm S28] an untouched middle leaves no amap', () => {
    const u = new UvmWorld()
    u.map(0, 6)
    u.unmap(2, 4)
    u.expectList(u.vm0, '[0,2) - rw-/rwx C w0 cow nc -', '[4,6) - rw-/rwx C w0 cow nc -')
  })
  it('[uvm S29] the middle of an object mapping', () => {
    const u = new UvmWorld()
    const f = u.aobj(16, 'f')
    f.pager.reference(f)
    u.map(0, 6, { object: f, offset: 0x1000, prot: 'r--', inherit: UVM_INH_SHARE, flags: UVM_FLAG_FIXED })
    expect(f.refs).toBe(2)
    u.unmap(2, 4)
    u.expectList(u.vm0, '[0,2) f+0x1000 r--/rwx S w0 ncow nnc -', '[4,6) f+0x5000 r--/rwx S w0 ncow nnc -')
    expect(f.refs).toBe(3)
    u.unmap(0, 6)
    expect(f.refs).toBe(1)
  })
  it('[uvm S30] holes are fine', () => {
    const u = new UvmWorld()
    u.map(0, 1)
    u.map(4, 1)
    u.unmap(0, 8)
    u.unmap(0, 8)
    expect(u.vm0.map.entryCount).toBe(0)
  })
  it('[uvm S31] refilling a hole does not resurrect data', () => {
    const u = new UvmWorld()
    u.map(0, 6, SHARED_ANON)
    letters(u)
    u.unmap(2, 4)
    u.map(2, 2, SHARED_ANON)
    expect(u.vm0.map.entryCount).toBe(3)
    expect([u.R(2), u.R(4)]).toEqual(['\0', 'E'])
  })
  it('[uvm S32] re-extension at the tail', () => {
    const u = new UvmWorld()
    u.map(0, 6, SHARED_ANON)
    letters(u)
    u.unmap(4, 6)
    u.expectList(u.vm0, '[0,4) - rw-/rwx S w0 ncow nnc A1:r1 n6 u4 @0 pp[1,1,1,1,0,0]')
    u.map(4, 2, SHARED_ANON)
    u.expectList(u.vm0, '[0,6) - rw-/rwx S w0 ncow nnc A1:r1 n6 u4 @0 pp[1,1,1,1,1,1]')
    expect([u.R(3), u.R(4), u.R(5)]).toEqual(['D', '\0', '\0'])
  })
  it('[uvm S33] re-extension at the head', () => {
    const u = new UvmWorld()
    u.map(0, 6, SHARED_ANON)
    letters(u)
    u.unmap(0, 2)
    u.expectList(u.vm0, '[2,6) - rw-/rwx S w0 ncow nnc A1:r1 n6 u4 @2 pp[0,0,1,1,1,1]')
    u.map(0, 2, SHARED_ANON)
    u.expectList(u.vm0, '[0,6) - rw-/rwx S w0 ncow nnc A1:r1 n6 u4 @0 pp[1,1,1,1,1,1]')
    expect([u.R(0), u.R(1), u.R(2)]).toEqual(['\0', '\0', 'C'])
  })
  it('[uvm S34] uvm_deallocate rounds outward', () => {
    const u = new UvmWorld()
    u.map(0, 4)
    expect(now(uvmDeallocate(u.vm0.map, B + 0x1800, 0x1000))).toBe(0)
    u.expectList(u.vm0, '[0,1) - rw-/rwx C w0 cow nc -', '[3,4) - rw-/rwx C w0 cow nc -')
    expect(now(uvmDeallocate(u.vm0.map, B, 0))).toBe(0)
    expect(u.vm0.map.entryCount).toBe(2)
  })
  it('[uvm S35] WAITVA waits until something is unmapped', () => {
    const u = new UvmWorld(false, B, B + 4 * P)
    u.map(0, 4)
    const waiting = u.mapWork(0, 1, { flags: UVM_FLAG_COPYONW | UVM_FLAG_WAITVA })
    const slept = waiting.next()
    expect(slept.done).toBe(false)
    expect(slept.done === true ? null : slept.value.queue).toBe(u.vm0.map.spaceQueue)
    u.unmap(2, 3)
    expect(waiting.next('woken')).toEqual({ done: true, value: at(2) })
  })
})

// UVM scenarios S101 to S103: kernel memory and u-areas.

import { describe, expect, it } from 'vitest'
import { isErr, type Pfn, WouldSleep } from '../../src/base/index.ts'
import { faultMap, READ } from '../../src/kernel/fault/index.ts'
import {
  Km,
  UAREA_GROUP,
  UVM_KMF_NOWAIT,
  UVM_KMF_PAGEABLE,
  UVM_KMF_VAONLY,
  UVM_KMF_WAITVA,
  UVM_KMF_WIRED,
  UVM_KMF_ZERO,
  uvmKmAlloc,
  uvmKmFree,
  uvmUareaAlloc,
  uvmUareaDrain,
  uvmUareaFree,
  uvmUareaSystemAlloc,
  uvmUareaSystemFree,
} from '../../src/kernel/km/index.ts'
import { UVM_FLAG_FIXED, UVM_FLAG_QUANTUM, uvmMap, uvmMapflag, uvmUnmap } from '../../src/kernel/map/index.ts'
import { allocPagesTry, GFP_KERNEL, putPage } from '../../src/kernel/phys/index.ts'
import { pmapExtract, pmapKremove } from '../../src/kernel/pmap/index.ts'
import { KernelPanic, now, P, UvmWorld } from './world.ts'

class KernelWorld extends UvmWorld {
  readonly km: Km
  constructor(cpus = 1) {
    super(false, 0x10000, 0x7fff0000, cpus)
    this.km = new Km(this.vm)
  }
  alloc4(pages: number, flags: number): number {
    const va = this.wait(uvmKmAlloc(this.km.map, pages * P, 0, flags))
    this.checkKernel()
    return va
  }
  free4(va: number, pages: number, type: number): void {
    this.wait(uvmKmFree(this.km.map, va, pages * P, type))
    this.checkKernel()
  }
  checkKernel(): void {
    this.km.map.verify()
    this.check()
  }
  /** Entries as pages from the kernel map's start. */
  entries(): string[] {
    return [...this.km.map.entries()].map((e) => {
      const line = this.line(e)
      const page = (va: number): number => (va - this.km.map.min) / P
      return `[${page(e.start)},${page(e.end)})${line.slice(line.indexOf(')') + 1)}`
    })
  }
  /** The page at a kernel address, as a load by the kernel finds it: the processor's own loads are the user's. */
  bytes(va: number): Uint8Array {
    if (pmapExtract(this.km.map.pmap, va) < 0) expect(this.wait(faultMap(this.km.map, va, READ, 0))).toBe(0)
    const offset = this.machine.memory.frameOffset(pmapExtract(this.km.map.pmap, va) / P)
    return this.machine.memory.u8.subarray(offset, offset + P)
  }
  touch(va: number): number {
    return this.bytes(va)[0]!
  }
  /** Takes all memory but `left` pages. */
  starve(left: number): Pfn[] {
    const taken: Pfn[] = []
    for (;;) {
      const page = allocPagesTry(this.phys, GFP_KERNEL, 0)
      if (page === WouldSleep || isErr(page)) break
      taken.push(page)
    }
    for (let i = 0; i < left; i++) putPage(this.phys, taken.pop()!)
    return taken
  }
}

describe('kernel memory', () => {
  it('[uvm S101] wired memory', () => {
    const u = new KernelWorld()
    let va = 0
    const changed = u.delta(() => (va = u.alloc4(3, UVM_KMF_WIRED | UVM_KMF_ZERO)))
    expect(changed).toEqual({ free: -3 })
    expect(va).toBeLessThan(-4096)
    for (let i = 0; i < 3; i++) expect(u.bytes(va + i * P).every((byte) => byte === 0)).toBe(true)
    expect(u.entries()).toEqual(['[0,3) - rw-/rwx N w0 ncow nnc - adv1'])
    const f = u.phys.frames.frameOf(pmapExtract(u.km.map.pmap, va) / P)
    expect([u.phys.frames.owner[f], u.phys.frames.wireCount[f], u.phys.frames.lruNext[f]]).toEqual([0, 0, -1])

    expect(u.alloc4(2, UVM_KMF_WIRED)).toBe(va + 3 * P)
    expect(u.entries()).toEqual(['[0,5) - rw-/rwx N w0 ncow nnc - adv1'])
    expect(u.delta(() => u.free4(va, 3, UVM_KMF_WIRED))).toEqual({ free: 3 })
    expect(u.entries()).toEqual(['[3,5) - rw-/rwx N w0 ncow nnc - adv1'])

    const taken = u.starve(2)
    expect(u.delta(() => expect(u.alloc4(3, UVM_KMF_WIRED | UVM_KMF_NOWAIT)).toBe(0))).toEqual({})
    expect(u.entries()).toEqual(['[3,5) - rw-/rwx N w0 ncow nnc - adv1'])
    for (const page of taken) putPage(u.phys, page)
  })
  it('[uvm S102] pageable memory', () => {
    const u = new KernelWorld()
    const va = u.alloc4(4, UVM_KMF_PAGEABLE)
    const entry = u.km.map.lookup(va)!
    expect([entry.object, entry.offset]).toEqual([u.km.object, (va - u.km.map.min) / P])
    u.touch(va)
    u.free4(va, 4, UVM_KMF_PAGEABLE)
    const again = u.alloc4(4, UVM_KMF_PAGEABLE)
    expect(u.delta(() => expect(u.touch(again + 2 * P)).toBe(0))).toEqual({
      faults: 1,
      fltlget: 1,
      flt_obj: 1,
      min: 1,
      free: -1,
    })
    expect(() => now(uvmUnmap(u.km.map, again, again + P))).toThrow(KernelPanic)
    u.km.map.lock.unlockWrite()
    expect(u.delta(() => u.free4(again, 4, UVM_KMF_PAGEABLE))).toEqual({ free: 1 })
    expect(u.km.object.pages.next(0)).toBe(-1)
    expect(u.km.map.entryCount).toBe(0)
  })
  it('bare addresses, and memory that is not as its type says', () => {
    const u = new KernelWorld()
    const va = u.alloc4(2, UVM_KMF_VAONLY)
    expect(u.delta(() => u.free4(va, 2, UVM_KMF_VAONLY))).toEqual({})
    const wired = u.alloc4(1, UVM_KMF_WIRED)
    expect(() => u.free4(wired, 1, UVM_KMF_VAONLY)).toThrow(KernelPanic)
    expect(() => u.alloc4(1, UVM_KMF_WIRED | UVM_KMF_PAGEABLE)).toThrow(KernelPanic)
    expect(() => u.alloc4(1, UVM_KMF_PAGEABLE | UVM_KMF_ZERO)).toThrow(KernelPanic)
    pmapKremove(u.pmaps, wired, P)
  })
  it('waits for addresses that somebody gives back', () => {
    const u = new KernelWorld()
    const { map } = u.km
    map.setBounds(map.min, map.min + 16 * P)
    const all = u.alloc4((map.max - map.min) / P, UVM_KMF_VAONLY)
    expect(u.alloc4(1, UVM_KMF_VAONLY)).toBe(0)
    const waiting = uvmKmAlloc(map, P, 0, UVM_KMF_VAONLY | UVM_KMF_WAITVA)
    expect(waiting.next().done).toBe(false)
    u.free4(all + 5 * P, 1, UVM_KMF_VAONLY)
    expect(u.wait(waiting)).toBe(all + 5 * P)
  })
  it('quanta join with quanta, and come apart where they were joined', () => {
    const u = new KernelWorld()
    const { map } = u.km
    const quantum = uvmMapflag(3, 7, 0x20, 0, UVM_FLAG_FIXED | UVM_FLAG_QUANTUM)
    const plain = uvmMapflag(3, 7, 0x20, 0, UVM_FLAG_FIXED)
    const put = (page: number, n: number, flags: number): unknown =>
      now(uvmMap(map, map.min + page * P, n * P, null, -1, 0, flags))
    const drop = (s: number, e: number): void => now(uvmUnmap(map, map.min + s * P, map.min + e * P))
    for (const page of [0, 4, 2]) put(page, 2, quantum)
    put(6, 2, plain)
    expect([map.entryCount, map.spareQuanta]).toEqual([2, 2])
    drop(2, 4)
    expect([map.entryCount, map.spareQuanta]).toEqual([3, 0])
    expect(() => drop(0, 1)).toThrow(KernelPanic)
    map.lock.unlockWrite()
    drop(0, 6)
    expect(map.entryCount).toBe(1)
    expect(() => now(uvmMap(u.vm0.map, 0x100000, P, null, -1, 0, quantum))).toThrow(KernelPanic)
  })
})

describe('u-areas', () => {
  it('[uvm S103] each CPU gets back what it freed last', () => {
    const u = new KernelWorld(2)
    const { km } = u
    const alloc = (): number => u.wait(uvmUareaAlloc(km))
    const [a, b] = [alloc(), alloc()]
    expect([a % P, b % P].map(Math.abs)).toEqual([0, 0])
    expect(u.delta(() => [a, b].forEach((area) => uvmUareaFree(km, area)))).toEqual({})
    expect([alloc(), alloc()]).toEqual([b, a])
    const c = alloc()
    expect([a, b]).not.toContain(c)

    uvmUareaFree(km, a)
    u.machine.current.cpu = u.machine.cpus[1]!
    const other = alloc()
    expect(other).not.toBe(a)
    u.machine.current.cpu = u.machine.cpus[0]!
    expect(alloc()).toBe(a)
    uvmUareaFree(km, a)
    expect(() => uvmUareaFree(km, a)).toThrow(KernelPanic)
    uvmUareaSystemFree(km, b)
    expect(u.wait(uvmUareaSystemAlloc(km))).toBe(b)
    uvmUareaFree(km, b)
    expect(u.delta(() => expect(u.wait(uvmUareaDrain(km))).toBe(4))).toEqual({ free: 4 })
    u.checkKernel()
  })
  it('the sixteenth free moves a group to the depot, for every CPU', () => {
    const u = new KernelWorld(2)
    const { km } = u
    const areas = Array.from({ length: UAREA_GROUP + 1 }, () => u.wait(uvmUareaAlloc(km)))
    for (const area of areas) uvmUareaFree(km, area)
    expect([km.uareas.perCpu[0]!.length, km.uareas.depot.length]).toEqual([1, 1])
    u.machine.current.cpu = u.machine.cpus[1]!
    expect(u.wait(uvmUareaAlloc(km))).toBe(areas[UAREA_GROUP - 1])
    u.machine.current.cpu = u.machine.cpus[0]!
    expect(u.delta(() => u.wait(uvmUareaDrain(km)))).toEqual({ free: 2 * UAREA_GROUP })
  })
})

// The notation of the UVM scenarios: pages are numbered from B, `map(s, n)` maps pages [s, s + n), and a listing shows
// one entry a line:
//
//   [0,6) - rw-/rwx C w0 cow nnc A1:r2 n6 u1 @0 pp[1,1,0,0,1,1]
//   pages  object  prot/max  inherit wirings cow needs-copy amap:references slots used @first slot, coverage

import { expect } from 'vitest'
import { type Err, isErr, KernelPanic, PAGE_SIZE, runToEnd, type Sleep } from '../../src/base/index.ts'
import { type Amap, amapForEach, uaoCreate } from '../../src/kernel/anon/index.ts'
import { TestWorld, now } from '../../src/kernel/fault/testWorld.ts'
import { uvmMapPageable } from '../../src/kernel/fault/index.ts'
import {
  netbsd,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_OVERLAY,
  UVM_INH_COPY,
  UVM_INH_SHARE,
  UVM_UNKNOWN_OFFSET,
  uvmMap,
  uvmMapflag,
  uvmMapProtect,
  uvmspaceAlloc,
  uvmspaceFork,
  uvmspaceFree,
  uvmUnmap,
  type VmMapEntry,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { Files, HostFs, type FileObject, lookupPath, mount, ROOT, type Vnode } from '../../src/kernel/file/index.ts'
import { TestHost } from '../../src/kernel/file/testHost.ts'
import type { MemoryObject } from '../../src/kernel/object/index.ts'
import { freeCount } from '../../src/kernel/phys/index.ts'

export { now }
export const B = 0x100000
export const P = PAGE_SIZE
export const at = (page: number): number => B + page * P

export interface MapOptions {
  vm?: VmSpace
  prot?: string
  max?: string
  inherit?: number
  advice?: number
  flags?: number
  object?: MemoryObject
  offset?: number
  align?: number
  /** Address, if it is not page `s`. */
  hint?: number
}
/** Only what changed. */
export type Delta = Record<string, number>

export const SHARED_ANON: MapOptions = { flags: UVM_FLAG_FIXED | UVM_FLAG_OVERLAY, inherit: UVM_INH_SHARE }

export function protOf(text: string): number {
  return (text[0] === 'r' ? 1 : 0) | (text[1] === 'w' ? 2 : 0) | (text[2] === 'x' ? 4 : 0)
}
export function textOf(prot: number): string {
  return `${(prot & 1) !== 0 ? 'r' : '-'}${(prot & 2) !== 0 ? 'w' : '-'}${(prot & 4) !== 0 ? 'x' : '-'}`
}

export class UvmWorld extends TestWorld {
  readonly vm0: VmSpace
  readonly spaces: VmSpace[] = []
  readonly #names = new Map<Amap, string>()
  readonly #objects = new Map<MemoryObject, string>()

  constructor(topdown = false, min = 0x10000, max = 0x7fff0000, cpus = 1) {
    super(16 * 1024 * 1024, cpus)
    this.vm0 = this.alloc(topdown, min, max)
  }
  alloc(topdown = false, min = 0x10000, max = 0x7fff0000): VmSpace {
    const space = uvmspaceAlloc(this.vm, netbsd, min, max, topdown)
    if (isErr(space)) throw new Error('no memory for a test space')
    this.spaces.push(space)
    return space
  }
  name(object: MemoryObject, name: string): MemoryObject {
    this.#objects.set(object, name)
    return object
  }
  aobj(pages: number, name = 'o'): MemoryObject {
    return this.name(uaoCreate(this.vm.anons, this.vm.objects, pages * P), name)
  }

  /** Finishes what may sleep. */
  wait<T>(work: Sleep<T>): T {
    return runToEnd(this.machine.clock, work)
  }
  readonly host = new TestHost()
  #files: Files | null = null
  get files(): Files {
    if (this.#files === null) {
      this.#files = new Files(this.machine, this.phys, this.vm.objects, { pmaps: this.pmaps })
      mount(this.#files, new HostFs(this.#files, this.host, { isReadOnly: false, readWindowPages: 1 }), null)
    }
    return this.#files
  }
  /** A file that no page cache holds yet. A string is its content; an array has one letter a page. */
  file(content: string | string[], name = 'f'): FileObject {
    const bytes =
      typeof content === 'string'
        ? Uint8Array.from(content, (c) => c.charCodeAt(0))
        : Uint8Array.from({ length: content.length * P }, (_, i) => content[Math.floor(i / P)]!.charCodeAt(0))
    this.host.put(name, bytes)
    const object = this.vnode(name).object!
    this.name(object, name)
    return object
  }
  vnode(name: string): Vnode {
    const { files } = this
    const root = files.root
    const found = lookupPath({ root, cwd: root, who: ROOT }, `/${name}`)
    if (isErr(found)) throw new Error(`${name}: ${found}`)
    return found
  }

  /** uvm_map of pages [s, s + n): the page number it went to, or the error. */
  mapWork(s: number, n: number, o: MapOptions = {}): Sleep<number | Err> {
    const { prot = 'rw-', max = 'rwx', inherit = UVM_INH_COPY, advice = 0 } = o
    const flags = uvmMapflag(protOf(prot), protOf(max), inherit, advice, o.flags ?? UVM_FLAG_FIXED | UVM_FLAG_COPYONW)
    const { vm = this.vm0, object = null, align = 0, hint = at(s) } = o
    return uvmMap(vm.map, hint, n * P, object, o.offset ?? UVM_UNKNOWN_OFFSET, align, flags)
  }
  map(s: number, n: number, o: MapOptions = {}): number {
    const result = now(this.mapWork(s, n, o))
    this.check()
    return isErr(result) ? result : (result - B) / P
  }
  unmap(s: number, e: number, vm = this.vm0): void {
    now(uvmUnmap(vm.map, at(s), at(e)))
    this.check()
  }
  protect(s: number, e: number, prot: string, setMax = false, vm = this.vm0): 0 | Err {
    const result = now(uvmMapProtect(vm.map, at(s), at(e), protOf(prot), setMax))
    this.check()
    return result
  }
  wire(s: number, e: number, vm = this.vm0): 0 | Err {
    return this.#pageable(s, e, false, vm)
  }
  unwire(s: number, e: number, vm = this.vm0): 0 | Err {
    return this.#pageable(s, e, true, vm)
  }
  #pageable(s: number, e: number, isUnwire: boolean, vm: VmSpace): 0 | Err {
    const result = now(uvmMapPageable(vm.map, at(s), at(e), isUnwire, 0))
    this.check()
    return result
  }
  fork(vm = this.vm0): VmSpace {
    const child = now(uvmspaceFork(vm))
    if (isErr(child)) throw new Error(`fork: ${child}`)
    this.spaces.push(child)
    this.check()
    return child
  }
  free(vm: VmSpace): void {
    this.use(this.vm0 === vm ? this.alloc() : this.vm0)
    uvmspaceFree(vm)
    this.spaces.splice(this.spaces.indexOf(vm), 1)
    this.check()
  }
  /** The byte of page p, or the error. */
  R(p: number, vm = this.vm0): string | Err {
    const byte = this.load(vm, at(p))
    this.check()
    return isErr(byte) ? byte : String.fromCharCode(byte)
  }
  W(p: number, c: string, vm = this.vm0): 0 | Err {
    const result = this.store(vm, at(p), c.charCodeAt(0))
    this.check()
    return result
  }
  resident(vm = this.vm0): number {
    return vm.pmap.residentCount
  }
  /** Pages of [s, e) that have a translation: page and permission. */
  translations(s: number, e: number, vm = this.vm0): string[] {
    const found: string[] = []
    for (let p = s; p < e; p++) if (this.lookup(vm, at(p))) found.push(`${p} ${textOf(this.pmaps.prot)}`)
    return found
  }

  check(): void {
    this.verify(...this.spaces)
  }

  /** What the counters of the scenarios said before and after: only what changed. */
  delta(act: () => unknown): Delta {
    const before = this.counters()
    act()
    const after = this.counters()
    const changed: Delta = {}
    for (const [name, value] of Object.entries(after)) if (value !== before[name]) changed[name] = value - before[name]!
    return changed
  }
  counters(): Delta {
    const s = this.vm.stats
    // Page tables come out of the same memory here; the scenarios count data pages.
    let free = freeCount(this.phys) + this.pmaps.kernel.tablePages
    for (const space of this.spaces) free += space.pmap.tablePages
    return {
      faults: s.faults,
      fltnoram: s.fltnoram,
      fltnoanon: s.fltnoanon,
      fltpgwait: s.fltpgwait,
      fltrelck: s.fltrelck,
      fltrelckok: s.fltrelckok,
      fltanget: s.fltanget,
      fltanretry: s.fltanretry,
      fltamcopy: s.fltamcopy,
      fltnamap: s.fltnamap,
      fltnomap: s.fltnomap,
      fltlget: s.fltlget,
      fltget: s.fltget,
      flt_anon: s.flt_anon,
      flt_acow: s.flt_acow,
      flt_obj: s.flt_obj,
      flt_prcopy: s.flt_prcopy,
      flt_przero: s.flt_przero,
      min: s.minorFaults,
      maj: s.majorFaults,
      free,
      anon: this.vm.anons.residentPages,
      wired: this.vm.wiredPages,
    }
  }

  list(vm = this.vm0): string[] {
    return [...vm.map.entries()].map((e) => this.line(e))
  }
  /** Compares listings; coverage counts only where they are expected. */
  expectList(vm: VmSpace, ...expected: string[]): void {
    const actual = this.list(vm).map((line, i) =>
      expected[i]?.includes('pp[') === true ? line : line.replace(/ pp\[.*?\]/, ''),
    )
    expect(actual).toEqual(expected.map((line) => line.replace(/ +/g, ' ')))
  }
  line(e: VmMapEntry): string {
    const page = (va: number): number => (va - B) / P
    const object = e.object === null ? '-' : `${this.#objects.get(e.object) ?? 'obj'}+0x${(e.offset * P).toString(16)}`
    const advice = e.advice === 0 ? '' : ` adv${e.advice}`
    const where = `[${page(e.start)},${page(e.end)}) ${object} ${textOf(e.protection)}/${textOf(e.maxProtection)}`
    const how = `${'SCN?Z'[e.inheritance]} w${e.wiredCount} ${e.isCow ? 'cow' : 'ncow'} ${e.needsCopy ? 'nc' : 'nnc'}`
    return `${where} ${how} ${this.#amapText(e)}${advice}`
  }
  #amapText(e: VmMapEntry): string {
    const { amap } = e
    if (amap === null) return '-'
    let name = this.#names.get(amap)
    if (name === undefined) {
      name = `A${this.#names.size + 1}`
      this.#names.set(amap, name)
    }
    let used = 0
    amapForEach(this.vm.chunks, amap, e.amapSlot, e.amapSlot + e.pageCount, () => used++)
    const counts: number[] = []
    for (let i = 0; i < amap.slotCount; i++) counts.push(amap.spans?.at(amap.firstSlot + i) ?? 0)
    const coverage = amap.spans === null ? '' : ` pp[${counts.join(',')}]`
    const shared = amap.isShared ? ' SH' : ''
    return `${name}:r${amap.refs} n${amap.slotCount} u${used} @${e.amapSlot - amap.firstSlot}${coverage}${shared}`
  }
}

export { KernelPanic }

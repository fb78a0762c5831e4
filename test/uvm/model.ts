// Address spaces against the simplest thing that can be right: a dictionary from page to protection and a box.
//
//   page    what a program may do there, and a box
//   box     the private copy that everybody in a sharing group sees, or null: not copied, the object shows through
//   object  an array of bytes, one a page; memory without object shows 0
//
// Every page holds one byte that matters. Fork copies the dictionary: boxes are copied, or the
// same box is shared, as the inheritance says. There is no entry, no amap, no fault and no page table in the model.

import { EACCES, EFAULT, EINVAL, ENOMEM, type Err, isErr, PAGE_SIZE, type Rng, runToEnd } from '../../src/base/index.ts'
import { amapLookup, anonPage, uaoCreate } from '../../src/kernel/anon/index.ts'
import { READ, uvmFault, uvmMapPageable, WRITE } from '../../src/kernel/fault/index.ts'
import { now, TestWorld } from '../../src/kernel/fault/testWorld.ts'
import {
  linux,
  madviseRegion,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  mlockRegion,
  mmapRegion,
  mprotectRegion,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  mremapRegion,
  munlockRegion,
  munmapRegion,
  netbsd,
  type Personality,
  UVM_FLAG_COPYONW,
  UVM_FLAG_FIXED,
  UVM_FLAG_OVERLAY,
  UVM_FLAG_UNMAP,
  UVM_INH_COPY,
  UVM_INH_SHARE,
  UVM_UNKNOWN_OFFSET,
  uvmMap,
  uvmMapAdvice,
  uvmMapflag,
  uvmMapInherit,
  uvmMapProtect,
  uvmspaceFork,
  uvmspaceFree,
  uvmUnmap,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import type { MemoryObject } from '../../src/kernel/object/index.ts'
import { freeCount } from '../../src/kernel/phys/index.ts'
import { pmapActivate, pmapDeactivate, pmapForEach, SOFT_GUARD } from '../../src/kernel/pmap/index.ts'
import type { Subject, Trial } from '../fuzz/runner.ts'

/** Where the window of pages begins: the start of a large page. */
const BASE = 0x400000
const PAGES = 640
/** Where address spaces end. */
const MAX_PAGE = 2 ** 26
const MAX_SPACES = 5
const OBJECT_PAGES = 24
const MAX_MAPPED = 1400

const SHARE = 0
const COPY = 1
const NONE = 2
const ZERO = 4

interface Box {
  byte: number | null
  holders: number
}
/** An object of the world and what its pages hold. */
interface Backing {
  readonly real: MemoryObject
  readonly bytes: number[]
}
interface Page {
  prot: number
  max: number
  inherit: number
  /** A store makes a private copy; otherwise it reaches the object. */
  isCow: boolean
  backing: Backing | null
  /** Page index in the object. */
  index: number
  box: Box
  wirings: number
  isLocked: boolean
  isGuard: boolean
  isWiped: boolean
  isDropped: boolean
}
type Pages = Map<number, Page>
interface Space {
  readonly real: VmSpace
  pages: Pages
}

const ACTIONS = {
  linux: 'map map map unmap protect protect advise advise lock unlock move move grow keep fork exit'.split(' '),
  netbsd: 'map map map unmap protect protect inherit inherit hint wire unwire unwire fork exit'.split(' '),
}
export interface Step {
  readonly do: string
  readonly who: number
  readonly cpu: number
  readonly page: number
  readonly count: number
  readonly to: number
  readonly byte: number
  readonly prot: number
  /** Whatever else the action has to decide. */
  readonly kind: number
}

const seenOf = (p: Page): number => p.box.byte ?? (p.backing === null ? 0 : p.backing.bytes[p.index]!)
/** An object's page that is not there: nothing to see and nothing to copy. */
const isBeyond = (p: Page): boolean => p.box.byte === null && p.backing !== null && p.index >= OBJECT_PAGES
/** Where the byte of a page stands; it stays with the page when that is moved. */
const offsetOf = (p: Page | undefined): number => (p === undefined ? 0 : (p.index * 40) & 0xff8)
const vaOf = (page: number): number => page * PAGE_SIZE

export interface ModelOptions {
  /** Untouched memory is filled 2 MiB at a time; more steps map as much. */
  readonly hasLargePages?: boolean
  /** Shootdown interrupts that other CPUs hear; the rest is lost, which the checks must notice. */
  readonly isHeard?: (count: number) => boolean
}

export class Model implements Trial<Step> {
  readonly w = new TestWorld(40 * 1024 * 1024, 2)
  readonly #personality: Personality
  readonly #idle: VmSpace
  readonly #free: number
  readonly #loaded: VmSpace[]
  readonly #backings: Backing[] = []
  spaces: Space[] = []
  // Of the step that runs.
  #space!: Space

  constructor(personality: Personality, { isHeard, hasLargePages }: ModelOptions = {}) {
    this.#personality = personality
    const { machine, pmaps, phys, vm } = this.w
    if (hasLargePages === true) vm.largePages = 'always'
    this.#idle = this.w.space(personality)
    this.#loaded = machine.cpus.map((cpu) => {
      machine.current.cpu = cpu
      pmapActivate(pmaps, cpu, this.#idle.pmap)
      return this.#idle
    })
    this.#free = freeCount(phys)
    for (let i = 0; i < 2; i++) {
      const real = uaoCreate(vm.anons, vm.objects, OBJECT_PAGES * PAGE_SIZE)
      this.#backings.push({ real, bytes: Array(OBJECT_PAGES).fill(0) })
    }
    this.spaces.push({ real: this.w.space(personality), pages: new Map() })
    if (isHeard === undefined) return
    let count = 0
    const send = machine.sendIpi.bind(machine)
    machine.sendIpi = (from, to, handler) => {
      if (handler !== pmaps.shootdownHandler || isHeard(count++)) send(from, to, handler)
      else pmaps.pendingCpus--
    }
  }

  run(step: Step): void {
    const space = this.spaces[step.who % this.spaces.length]!
    const { machine } = this.w
    machine.current.cpu = machine.cpus[step.cpu]!
    this.#space = space
    const at = this.#pick(step)
    const s = { ...step, count: Math.min(step.count, MAX_PAGE - at) }
    if (s.do === 'load') this.#load(s.cpu, space, at)
    else if (s.do === 'store') this.#store(s, at)
    else if (s.do === 'fork') this.#fork()
    else if (s.do === 'exit') this.#exit()
    else if (this.#personality.name === 'linux') this.#linux(s, at)
    else this.#netbsd(s, at)
    this.#check(s)
  }

  finish(): void {
    for (const space of this.spaces) for (const page of space.pages.keys()) this.#load(0, space, page)
    this.verify()
    while (this.spaces.length > 0) {
      this.#space = this.spaces[0]!
      this.#drop()
    }
    for (const { real } of this.#backings) real.pager.detach(real)
    this.w.verify(this.#idle)
    equal(this.w.vm.anons.count, 0, 'anons left')
    equal(this.w.vm.wiredPages, 0, 'wired pages left')
    equal(freeCount(this.w.phys), this.#free, 'free frames')
  }

  verify(): void {
    this.w.verify(this.#idle, ...this.spaces.map(({ real }) => real))
    this.#verifyWirings()
  }
  /** A page has as many wirings as wired entries show it. */
  #verifyWirings(): void {
    const { frames } = this.w.phys
    const wirings = new Map<number, number>()
    for (const space of this.spaces) {
      for (const e of space.real.map.entries()) {
        for (let va = e.start; e.wiredCount > 0 && va < e.end; va += PAGE_SIZE) {
          const pfn = this.#frameAt(space, va / PAGE_SIZE)
          if (pfn >= 0) wirings.set(pfn, (wirings.get(pfn) ?? 0) + 1)
        }
      }
    }
    equal(this.w.vm.wiredPages, wirings.size, 'wired pages')
    for (const [pfn, count] of wirings) equal(frames.wireCount[frames.indexOf(pfn)], count, `wirings of pfn ${pfn}`)
  }

  /** A page of the window, or one that was moved out of it. */
  #pick({ page, kind }: Step): number {
    const first = BASE / PAGE_SIZE
    if (kind % 8 !== 7) return first + page
    const outside = [...this.#space.pages.keys()].filter((p) => p < first || p >= first + PAGES)
    return outside.length === 0 ? first + page : outside[page % outside.length]!
  }
  *#range(at: number, count: number): IterableIterator<[number, Page]> {
    for (let p = at; p < at + count; p++) {
      const page = this.#space.pages.get(p)
      if (page !== undefined) yield [p, page]
    }
  }
  #isWhole(at: number, count: number): boolean {
    for (let p = at; p < at + count; p++) if (!this.#space.pages.has(p)) return false
    return true
  }
  #remove(at: number, count: number): void {
    for (const [p, page] of this.#range(at, count)) {
      page.box.holders--
      this.#space.pages.delete(p)
    }
  }

  // What both personalities do.

  #use(cpuId: number, space: VmSpace): void {
    const { machine, pmaps } = this.w
    const cpu = machine.cpus[cpuId]!
    machine.current.cpu = cpu
    if (this.#loaded[cpuId] === space) return
    pmapDeactivate(pmaps, cpu, this.#loaded[cpuId]!.pmap)
    pmapActivate(pmaps, cpu, space.pmap)
    this.#loaded[cpuId] = space
  }
  /** What an access answers: 0, or the error of its fault. */
  #expected(p: Page | undefined, access: number): 0 | Err {
    if (p === undefined) return EFAULT
    const allowed = (p.prot & WRITE) !== 0 ? p.prot | READ : p.prot
    if ((access & ~allowed) !== 0) return EACCES
    if (p.isGuard) return EFAULT
    return isBeyond(p) ? EINVAL : 0
  }
  #access(cpuId: number, { real, pages }: Space, at: number, access: number): number {
    this.#use(cpuId, real)
    const { mmu } = this.w.machine.cpus[cpuId]!
    const va = vaOf(at) + offsetOf(pages.get(at))
    for (;;) {
      const offset = access === WRITE ? mmu.translateWrite(va) : mmu.translateRead(va)
      if (offset >= 0) return offset
      const error = runToEnd(this.w.machine.clock, uvmFault(real, va, access))
      if (error !== 0) return error
    }
  }
  #load(cpuId: number, space: Space, at: number): void {
    const page = space.pages.get(at)
    const expected = this.#expected(page, READ)
    const got = this.#access(cpuId, space, at, READ)
    equal(Math.min(got, 0), expected, `load of page ${at}`)
    if (got >= 0) equal(this.w.machine.memory.u8[got]!, seenOf(page!), `byte of page ${at}`)
    this.#copyWired(page, expected)
  }
  #store(s: Step, at: number): void {
    const page = this.#space.pages.get(at)
    const expected = this.#expected(page, WRITE)
    const got = this.#access(s.cpu, this.#space, at, WRITE)
    equal(Math.min(got, 0), expected, `store to page ${at}`)
    if (got < 0) return
    this.w.machine.memory.u8[got] = s.byte
    if (page!.isCow || page!.backing === null) page!.box.byte = s.byte
    else page!.backing.bytes[page!.index] = s.byte
  }
  /** Any fault in wired memory that may be written makes the private copy. */
  #copyWired(page: Page | undefined, result: 0 | Err): void {
    if (result === 0 && page!.wirings > 0 && (page!.prot & WRITE) !== 0) copyNow(page!)
  }
  #fork(): void {
    if (this.spaces.length >= MAX_SPACES) return
    const real = now(uvmspaceFork(this.#space.real))
    if (isErr(real)) throw new Error(`fork: ${real}`)
    const pages: Pages = new Map()
    for (const [at, p] of this.#space.pages) {
      if (p.inherit === NONE || p.isDropped) continue
      const isWiped = p.inherit === ZERO || p.isWiped
      const isShared = p.inherit === SHARE && !isWiped
      const box = isShared ? p.box : { byte: isWiped ? null : p.box.byte, holders: 0 }
      box.holders++
      const child: Page = { ...p, box, wirings: 0, isLocked: false, isCow: isShared ? p.isCow : true }
      if (isWiped) {
        child.backing = null
        child.isGuard = false
      }
      pages.set(at, child)
    }
    this.spaces.push({ real, pages })
  }
  #exit(): void {
    if (this.spaces.length > 1) this.#drop()
  }
  #drop(): void {
    const { real } = this.#space
    this.#loaded.forEach((loaded, cpuId) => loaded === real && this.#use(cpuId, this.#idle))
    uvmspaceFree(real)
    for (const p of this.#space.pages.values()) p.box.holders--
    this.spaces = this.spaces.filter((s) => s !== this.#space)
    this.#space = this.spaces[0]!
  }
  #isFull(count: number): boolean {
    return this.#space.pages.size + count > MAX_MAPPED
  }
  #enter(at: number, count: number, make: (i: number) => Partial<Page>): void {
    this.#remove(at, count)
    for (let i = 0; i < count; i++) {
      this.#space.pages.set(at + i, {
        prot: 3,
        max: 7,
        inherit: COPY,
        isCow: true,
        backing: null,
        index: 0,
        box: { byte: null, holders: 1 },
        wirings: 0,
        isLocked: false,
        isGuard: false,
        isWiped: false,
        isDropped: false,
        ...make(i),
      })
    }
  }

  // Linux's calls.

  #linux(s: Step, at: number): void {
    const { real } = this.#space
    const { count, prot } = s
    const va = vaOf(at)
    const bytes = vaOf(count)
    switch (s.do) {
      case 'map': {
        if (this.#isFull(count)) return
        const isShared = s.kind % 3 === 0
        const backing = isShared || s.kind % 3 === 1 ? this.#backings[s.kind % 2]! : null
        const pgoff = backing === null ? 0 : s.to % (OBJECT_PAGES + 4)
        const flags = MAP_FIXED | (isShared ? MAP_SHARED : MAP_PRIVATE) | (backing === null ? MAP_ANONYMOUS : 0)
        const object = backing?.real ?? null
        object?.pager.reference(object)
        const request = { addr: va, length: bytes, prot, flags, object, file: null, pgoff }
        equal(now(mmapRegion(real, request)), va, 'mmap')
        const inherit = isShared ? SHARE : COPY
        this.#enter(at, count, (i) => ({ prot, inherit, isCow: !isShared, backing, index: pgoff + i }))
        return
      }
      case 'unmap':
        equal(now(munmapRegion(real, va, bytes)), 0, 'munmap')
        this.#remove(at, count)
        return
      case 'protect': {
        equal(now(mprotectRegion(real, va, bytes, prot)), this.#isWhole(at, count) ? 0 : ENOMEM, 'mprotect')
        for (let p = at; p < at + count && this.#space.pages.has(p); p++) this.#space.pages.get(p)!.prot = prot
        if (this.#isWhole(at, count) && (prot & WRITE) !== 0) this.#populate(at, count, (p) => p.isLocked && p.isCow)
        return
      }
      case 'advise':
        this.#advise(s, at)
        return
      case 'lock': {
        const got = now(mlockRegion(real, va, bytes, false))
        for (let p = at; p < at + count && this.#space.pages.has(p); p++) this.#space.pages.get(p)!.isLocked = true
        const expected = this.#isWhole(at, count) ? (this.#populate(at, count, null) === 0 ? 0 : ENOMEM) : ENOMEM
        equal(got, expected, 'mlock')
        return
      }
      case 'unlock':
        equal(now(munlockRegion(real, va, bytes)), this.#isWhole(at, count) ? 0 : ENOMEM, 'munlock')
        for (let p = at; p < at + count && this.#space.pages.has(p); p++) this.#space.pages.get(p)!.isLocked = false
        return
      case 'move':
        this.#move(at, s)
        return
      case 'grow':
        this.#grow(at, count)
        return
      case 'keep':
        this.#keep(at)
        return
    }
  }
  /** Faults pages in as locking does; without `wants` an error ends it. */
  #populate(at: number, count: number, wants: ((p: Page) => boolean) | null): 0 | Err {
    for (const [, p] of this.#range(at, count)) {
      if (wants !== null && !wants(p)) continue
      const isWrite = (p.prot & WRITE) !== 0 && p.isCow
      const error = p.prot === 0 ? EACCES : p.isGuard ? EFAULT : isBeyond(p) ? EINVAL : 0
      if (error === 0) {
        if (isWrite) copyNow(p)
        continue
      }
      if (wants === null) return error
      // How far the rest of this entry was populated nobody promises.
      this.#adoptCopies(at, count)
      return 0
    }
    return 0
  }
  /** Pages of which the model does not know whether they were copied, because that depends on where entries end. */
  #adoptCopies(at: number, count: number): void {
    for (const [page, p] of this.#range(at, count)) if (p.isCow && this.#anonAt(this.#space, page) !== 0) copyNow(p)
  }
  #advise(s: Step, at: number): void {
    const { real } = this.#space
    const { count } = s
    const advice = [0, 1, 2, 4, 4, 4, 10, 11, 18, 19, 102, 103][s.to % 12]!
    const got = now(madviseRegion(real, vaOf(at), vaOf(count), advice))
    let expected: 0 | Err = this.#isWhole(at, count) ? 0 : ENOMEM
    for (const [, p] of this.#range(at, count)) {
      const isRefused =
        (advice === 4 && p.isLocked) || (advice === 18 && p.backing !== null) || (advice === 102 && p.isLocked)
      if (isRefused) {
        expected = EINVAL
        break
      }
      if (advice === 10 || advice === 11) p.isDropped = advice === 10
      if (advice === 18 || advice === 19) p.isWiped = advice === 18
      if (advice === 103) p.isGuard = false
      if (advice === 102) p.isGuard = true
      if ((advice === 4 || advice === 102) && p.isCow) renew(p)
    }
    equal(got, expected, `madvise ${advice}`)
  }
  /** mremap to a fixed place, holes and all: entry by entry. */
  #move(from: number, { count, to: target }: Step): void {
    const to = BASE / PAGE_SIZE + target
    if ((from < to + count && to < from + count) || !this.#space.pages.has(from)) return
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED
    equal(
      now(mremapRegion(this.#space.real, vaOf(from), vaOf(count), vaOf(count), flags, vaOf(to))),
      vaOf(to),
      'mremap',
    )
    for (const [p, page] of this.#range(from, count)) {
      this.#remove(p - from + to, 1)
      this.#space.pages.delete(p)
      this.#space.pages.set(p - from + to, page)
    }
  }
  /** mremap of one page to more of them, in place or wherever the kernel finds room. */
  #grow(at: number, more: number): void {
    const { pages, real } = this.#space
    const page = pages.get(at)
    if (page === undefined || this.#isFull(more)) return
    const got = now(mremapRegion(real, vaOf(at), PAGE_SIZE, vaOf(1 + more), MREMAP_MAYMOVE, 0))
    if (isErr(got)) throw new Error(`mremap grows: ${got}`)
    const to = got / PAGE_SIZE
    for (let p = to === at ? at + 1 : to; p <= to + more; p++) if (pages.has(p)) throw new Error(`${p} was not free`)
    if (to !== at) {
      pages.delete(at)
      pages.set(to, page)
    }
    this.#enter(to + 1, more, (i) => ({
      ...page,
      index: page.index + 1 + i,
      box: { byte: null, holders: 1 },
      isGuard: false,
    }))
    if (page.isLocked) this.#populate(to + 1, more, () => true)
  }
  /** mremap of one page that leaves an empty mapping behind. */
  #keep(at: number): void {
    const { pages, real } = this.#space
    const page = pages.get(at)
    if (page === undefined || page.isLocked || this.#isFull(1)) return
    const got = now(mremapRegion(real, vaOf(at), PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0))
    if (isErr(got)) throw new Error(`mremap keeps: ${got}`)
    pages.set(got / PAGE_SIZE, page)
    pages.set(at, { ...page, box: { byte: null, holders: 1 }, isGuard: false })
    // Locks of the whole old entry go: nobody promises where it ends.
    this.#adoptLocks()
  }
  #adoptLocks(): void {
    for (const [at, p] of this.#space.pages) p.isLocked = (this.#space.real.map.lookup(vaOf(at))!.vmFlags & 8) !== 0
  }

  // NetBSD's calls.

  #netbsd(s: Step, at: number): void {
    const { map } = this.#space.real
    const { count, prot } = s
    const start = vaOf(at)
    const end = start + vaOf(count)
    switch (s.do) {
      case 'map': {
        if (this.#isFull(count)) return
        const backing = s.kind % 2 === 0 ? this.#backings[s.to % 2]! : null
        const isCow = s.kind % 4 < 3 && (backing !== null || s.kind % 4 === 1)
        const inherit = s.byte % 3 === 0 ? SHARE : COPY
        const max = prot | [7, 7, 7, 1, 3][s.byte % 5]!
        const overlay = isCow ? UVM_FLAG_COPYONW : backing === null ? UVM_FLAG_OVERLAY : 0
        const index = backing === null ? 0 : s.to % (OBJECT_PAGES + 4)
        const inheritFlag = inherit === SHARE ? UVM_INH_SHARE : UVM_INH_COPY
        const flags = uvmMapflag(prot, max, inheritFlag, s.byte % 3, UVM_FLAG_FIXED | UVM_FLAG_UNMAP | overlay)
        const object = backing?.real ?? null
        object?.pager.reference(object)
        const offset = object === null ? UVM_UNKNOWN_OFFSET : index * PAGE_SIZE
        equal(now(uvmMap(map, start, end - start, object, offset, 0, flags)), start, 'uvm_map')
        this.#enter(at, count, (i) => ({ prot, max, inherit, isCow, backing, index: index + i }))
        return
      }
      case 'unmap':
        now(uvmUnmap(map, start, end))
        this.#remove(at, count)
        return
      case 'protect': {
        const isMax = s.kind % 4 === 0
        const isRefused = [...this.#range(at, count)].some(([, p]) => (prot & ~p.max) !== 0)
        equal(now(uvmMapProtect(map, start, end, prot, isMax)), isRefused ? EACCES : 0, 'uvm_map_protect')
        if (isRefused) return
        for (const [, p] of this.#range(at, count)) {
          if (isMax) p.max = prot
          p.prot = isMax ? prot & p.prot : prot
        }
        return
      }
      case 'inherit': {
        const inherit = [SHARE, COPY, COPY, NONE, ZERO, 3][s.kind % 6]!
        equal(now(uvmMapInherit(map, start, end, inherit)), inherit === 3 ? EINVAL : 0, 'uvm_map_inherit')
        if (inherit !== 3) for (const [, p] of this.#range(at, count)) p.inherit = inherit
        return
      }
      case 'hint':
        equal(now(uvmMapAdvice(map, start, end, s.kind % 4)), s.kind % 4 === 3 ? EINVAL : 0, 'uvm_map_advice')
        return
      case 'wire':
        equal(now(uvmMapPageable(map, start, end, false, 0)), this.#wire(at, count), 'wiring')
        // A sharing group gets its own page of an object: who is in one depends on amaps.
        this.#adoptCopies(at, count)
        return
      case 'unwire':
        equal(now(uvmMapPageable(map, start, end, true, 0)), this.#unwire(at, count), 'unwiring')
        return
    }
  }
  #wire(at: number, count: number): 0 | Err {
    if (!this.#space.pages.has(at)) return EFAULT
    const all = [...this.#range(at, count)]
    if (all.length < count || all.some(([, p]) => p.prot === 0)) return EINVAL
    for (const [, p] of all) {
      if (p.wirings > 0) continue
      if (isBeyond(p)) return EINVAL
      if (p.isCow && (p.max & WRITE) !== 0) copyNow(p)
    }
    for (const [, p] of all) p.wirings++
    return 0
  }
  #unwire(at: number, count: number): 0 | Err {
    if (!this.#space.pages.has(at)) return EFAULT
    for (let p = at; p < at + count; p++) if ((this.#space.pages.get(p)?.wirings ?? 0) === 0) return EINVAL
    for (const [, p] of this.#range(at, count)) p.wirings = 0
    return 0
  }

  // After each step.

  #check(s: Step): void {
    this.verify()
    for (const space of new Set([this.#space, this.spaces.at(-1)!, this.spaces[s.to % this.spaces.length]!]))
      this.#checkSpace(space)
  }
  /** Entries and pages of the model agree, and each translation shows what the model holds, allowing no more. */
  #checkSpace(space: Space): void {
    const { real, pages } = space
    equal(real.map.size, pages.size * PAGE_SIZE, 'bytes mapped')
    const { machine, vm, pmaps } = this.w
    const { memory } = machine
    for (const e of real.map.entries()) {
      for (let va = e.start; va < e.end; va += PAGE_SIZE) {
        const at = va / PAGE_SIZE
        const p = pages.get(at)
        if (p === undefined) throw new Error(`page ${at} is mapped`)
        equal(e.protection, p.prot, `protection of page ${at}`)
        equal(e.maxProtection, p.max, `maximum protection of page ${at}`)
        equal(e.inheritance, p.inherit, `inheritance of page ${at}`)
        equal(e.wiredCount, p.wirings, `wirings of page ${at}`)
        equal((e.vmFlags & 8) !== 0, p.isLocked, `lock of page ${at}`)
        const frame = this.#frameAt(space, at)
        const byte = frame < 0 ? 0 : memory.read8(frame * PAGE_SIZE + offsetOf(p))
        if (!isBeyond(p)) equal(byte, seenOf(p), `byte behind page ${at}`)
      }
    }
    pmapForEach(real.pmap, 0, 2 ** 38, (va, pfn, flags) => {
      const at = va / PAGE_SIZE
      const p = pages.get(at)
      if (p === undefined) throw new Error(`page ${at} has a translation`)
      const frame = this.#frameAt(space, at)
      equal(pfn, frame < 0 ? vm.zeroPfn : frame, `frame of page ${at}`)
      const allowed = (p.prot & WRITE) !== 0 ? p.prot | READ : p.prot
      if ((flags & 7 & ~allowed) !== 0) throw new Error(`a translation of page ${at} allows ${flags & 7}`)
      const anon = this.#anonAt(space, at)
      const isPrivate = p.isCow && (anon === 0 || vm.anons.ref[anon]! > 1)
      if (isPrivate && (flags & WRITE) !== 0) throw new Error(`page ${at} can be stored to past copy-on-write`)
    })
    const guards = [...pages].filter(([, p]) => p.isGuard).map(([at]) => at)
    for (const at of guards) {
      if (this.w.lookup(real, vaOf(at)) || pmaps.softKind !== SOFT_GUARD) throw new Error(`page ${at} has no guard`)
    }
  }
  #anonAt({ real }: Space, at: number): number {
    const e = real.map.lookup(vaOf(at))!
    return e.amap === null ? 0 : amapLookup(this.w.vm.anons, this.w.vm.chunks, e.amap, e.slotOf(vaOf(at)))
  }
  #frameAt(space: Space, at: number): number {
    const e = space.real.map.lookup(vaOf(at))!
    const anon = this.#anonAt(space, at)
    if (anon !== 0) return anonPage(this.w.vm.anons, anon)
    return e.object === null ? -1 : e.object.pageAt(e.pgoffOf(vaOf(at)))
  }
}

function copyNow(p: Page): void {
  if (p.isCow && p.box.byte === null) p.box.byte = seenOf(p)
}
/** The page forgets its private copy, and leaves whoever shares it. */
function renew(p: Page): void {
  p.box.holders--
  p.box = { byte: null, holders: 1 }
}
function equal<T>(got: T, expected: T, what: string): void {
  if (got !== expected) throw new Error(`${what}: ${String(got)} instead of ${String(expected)}`)
}

function randomStep(personality: Personality, hasLargePages: boolean, rng: Rng): Step {
  const isAccess = rng.below(10) < 6
  const action = isAccess ? rng.pick(['load', 'store', 'store']) : rng.pick(ACTIONS[personality.name])
  // Most pages are near one another, so that things meet; some ranges are longer than what netbsd maps in chunks.
  const isNear = rng.below(5) > 0
  // All of the window now and then, so that a large page has room.
  const isWhole = hasLargePages && action === 'map' && rng.below(3) === 0
  const page = isNear ? rng.below(24) : rng.below(PAGES - 330)
  const count = 1 + (isNear ? rng.below(10) : rng.below(330))
  return {
    do: action,
    who: rng.below(60),
    cpu: rng.below(2),
    page: isWhole ? 0 : page,
    count: isWhole ? PAGES : count,
    to: isNear ? rng.below(24) : rng.below(PAGES - 330),
    byte: rng.below(256),
    prot: rng.pick([3, 3, 3, 1, 0, 2, 5, 7, 4]),
    kind: rng.below(256),
  }
}

export const subjectOf = (personality: Personality, options: ModelOptions = {}): Subject<Step> => ({
  name: `spaces-${personality.name}${options.hasLargePages === true ? '-large' : ''}`,
  steps: 100_000,
  step: (rng) => randomStep(personality, options.hasLargePages === true, rng),
  start: () => new Model(personality, options),
})
const large = { hasLargePages: true }
export const spaceSubjects = [subjectOf(linux), subjectOf(netbsd), subjectOf(linux, large), subjectOf(netbsd, large)]

// NetBSD's memory system calls over a UVM world (uvm specification 4.3): what the conformance tests call.
//
// An address is a number; one that the program gives as -1 is negative here, and lies above every map.

import {
  EACCES,
  EAGAIN,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOVERFLOW,
  type Err,
  isErr,
  PAGE_SIZE,
  roundPage,
  truncPage,
} from '../../src/base/index.ts'
import { amapLookup, anonPage, uaoCreate } from '../../src/kernel/anon/index.ts'
import { EXECUTE, uvmFault, uvmMapClean, uvmMapPageable, uvmMapPageableAll } from '../../src/kernel/fault/index.ts'
import { filePwrite, KernelUio, openVnode, type OpenFile, truncateVnode } from '../../src/kernel/file/index.ts'
import {
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
  uvmUnmap,
  type VmMap,
  type VmSpace,
} from '../../src/kernel/map/index.ts'
import { PGO_CLEANIT, PGO_DEACTIVATE, PGO_FREE, PGO_SYNCIO } from '../../src/kernel/object/index.ts'
import type { UvmWorld } from './world.ts'

export const MAP_SHARED = 0x0001
export const MAP_PRIVATE = 0x0002
export const MAP_FIXED = 0x0010
export const MAP_WIRED = 0x0800
export const MAP_ANON = 0x1000
export const MAP_TRYFIXED = 0x0400
export const MAP_ALIGNMENT_SHIFT = 24
export const [MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, , MADV_FREE] = [
  0, 1, 2, 3, 4, 5, 6,
]
export const [MS_ASYNC, MS_INVALIDATE, MS_SYNC] = [1, 2, 4]
export const [READ, WRITE, EXEC] = [1, 2, 4]
const ADDRESS_BITS = 48
/** Where mappings without an address begin: above the heap. */
const DEFAULT_ADDRESS = 0x10000000

export type Signal = 'SIGSEGV' | 'SIGBUS'
interface Range {
  readonly start: number
  readonly end: number
}

export class NetbsdProcess {
  readonly world: UvmWorld
  readonly space: VmSpace
  readonly files: (OpenFile | null)[]
  limits = { as: Infinity, memlock: Infinity }

  constructor(world: UvmWorld, space = world.vm0, files: (OpenFile | null)[] = []) {
    this.world = world
    this.space = space
    this.files = files
  }
  get map(): VmMap {
    return this.space.map
  }
  fork(): NetbsdProcess {
    for (const file of this.files) file?.reference()
    return new NetbsdProcess(this.world, this.world.fork(this.space), [...this.files])
  }
  exit(): void {
    this.world.free(this.space)
  }

  // Memory, as the program's own instructions see it.
  load(address: number): number | Signal {
    const byte = this.world.load(this.space, address)
    return isErr(byte) ? signalOf(byte) : byte
  }
  store(address: number, byte: number): 0 | Signal {
    const result = this.world.store(this.space, address, byte)
    return result === 0 ? 0 : signalOf(result)
  }
  /** Fetches an instruction. */
  call(address: number): 0 | Signal {
    const { world } = this
    world.use(this.space)
    while (world.cpu.mmu.translateFetch(address) < 0) {
      const error = world.wait(uvmFault(this.space, address, EXECUTE))
      if (error !== 0) return signalOf(error)
    }
    return 0
  }
  fill(address: number, bytes: number, byte: number): void {
    for (let i = 0; i < bytes; i++) {
      const result = this.store(address + i, byte)
      if (result !== 0) throw new Error(`store at ${address + i}: ${result}`)
    }
  }

  // Files.
  open(name: string, flags: number): number {
    const file = openVnode(this.world.files, this.world.vnode(name), flags)
    if (isErr(file)) return file
    return this.files.push(file) - 1
  }
  close(fd: number): void {
    this.files[fd]?.release()
    this.files[fd] = null
  }
  pwrite(fd: number, bytes: Uint8Array, position: number): number {
    const { world } = this
    return world.wait(filePwrite(this.files[fd]!, new KernelUio(world.files, bytes), position))
  }
  ftruncate(fd: number, bytes: number): number {
    return this.world.wait(truncateVnode(this.world.files, this.files[fd]!.vnode, bytes))
  }

  // The calls.
  mmap(address: number, length: number, prot: number, flags: number, fd = -1, position = 0): number | Err {
    const { map, world } = this
    if ((flags & MAP_SHARED) !== 0 && (flags & MAP_PRIVATE) !== 0) return EINVAL
    if (length === 0) return EINVAL
    const isShared = (flags & MAP_SHARED) !== 0
    const isFixed = (flags & MAP_FIXED) !== 0
    const cutOff = position % PAGE_SIZE
    const size = roundPage(length + cutOff)
    let start = address - cutOff
    if (isFixed) {
      if (start % PAGE_SIZE !== 0) return EINVAL
      const range = this.#range(start, size, EFBIG, EOVERFLOW)
      if (typeof range === 'number') return range
    } else {
      if ((flags & MAP_TRYFIXED) === 0) start = this.#hint(start)
      start = Math.min(roundPage(start < 0 ? map.max : start), map.max)
    }

    let max = 7
    let file: OpenFile | null = null
    if ((flags & MAP_ANON) !== 0) {
      if (fd !== -1) return EINVAL
    } else {
      file = this.files[fd] ?? null
      if (file === null) return EBADF
      if (file.vnode.object === null) return ENODEV
      if ((prot & READ) !== 0 && !file.isReadable) return EACCES
      if (isShared && (prot & WRITE) !== 0 && !file.isWritable) return EACCES
      max = EXEC | (file.isReadable ? READ : 0) | (!isShared || file.isWritable ? WRITE : 0)
    }
    if ((prot & ~max) !== 0) return EINVAL
    const log2 = flags >>> MAP_ALIGNMENT_SHIFT
    const align = log2 === 0 ? 0 : 2 ** log2
    if (log2 !== 0) {
      if (align < PAGE_SIZE || log2 >= ADDRESS_BITS) return EINVAL
      if (align >= map.max) return ENOMEM
      if (isFixed && start % align !== 0) return EINVAL
    }
    if (map.size + size > this.limits.as) return ENOMEM

    const layer = file === null && isShared ? UVM_FLAG_OVERLAY : isShared ? 0 : UVM_FLAG_COPYONW
    const how = layer | (isFixed ? UVM_FLAG_FIXED | UVM_FLAG_UNMAP : 0)
    const word = uvmMapflag(prot, max, isShared ? UVM_INH_SHARE : UVM_INH_COPY, 0, how)
    const object = file === null ? null : file.vnode.object!
    const offset = file === null ? UVM_UNKNOWN_OFFSET : position - cutOff
    object?.pager.reference(object)
    file?.reference()
    let at = world.wait(uvmMap(map, start, size, object, offset, align, word, file))
    // A hint beyond which there is no room is only a hint.
    if (at === ENOMEM && !isFixed)
      at = world.wait(uvmMap(map, map.isTopdown ? map.max - size : map.min, size, object, offset, align, word, file))
    if (isErr(at)) {
      object?.pager.detach(object)
      file?.release()
      return at
    }
    const error = prot !== 0 && ((flags & MAP_WIRED) !== 0 || map.wireFuture) ? this.#wire(at, at + size) : 0
    if (error !== 0) {
      this.munmap(at, size)
      return error === EAGAIN ? ENOMEM : error
    }
    return at + cutOff
  }
  munmap(address: number, length: number): 0 | Err {
    const range = this.#pages(address, length)
    if (typeof range === 'number') return range
    if (length > 0) this.world.wait(uvmUnmap(this.map, range.start, range.end))
    return 0
  }
  mprotect(address: number, length: number, prot: number): 0 | Err {
    const range = this.#pages(address, length)
    if (typeof range === 'number') return range
    return this.world.wait(uvmMapProtect(this.map, range.start, range.end, prot, false))
  }
  minherit(address: number, length: number, inheritance: number): 0 | Err {
    const range = this.#pages(address, length)
    if (typeof range === 'number') return range
    return this.world.wait(uvmMapInherit(this.map, range.start, range.end, inheritance))
  }
  madvise(address: number, length: number, advice: number): 0 | Err {
    const range = this.#pages(address, length)
    if (typeof range === 'number') return range
    const { start, end } = range
    if (advice <= MADV_SEQUENTIAL) return this.world.wait(uvmMapAdvice(this.map, start, end, advice))
    if (advice === MADV_WILLNEED) return 0
    if (advice === MADV_DONTNEED) return this.world.wait(uvmMapClean(this.map, start, end, PGO_DEACTIVATE))
    return advice === MADV_FREE ? this.world.wait(uvmMapClean(this.map, start, end, PGO_FREE)) : EINVAL
  }
  mlock(address: number, length: number): 0 | Err {
    const range = this.#pages(address, length)
    if (typeof range === 'number') return range
    const error = this.#wire(range.start, range.end)
    return error === EFAULT ? ENOMEM : error
  }
  munlock(address: number, length: number): 0 | Err {
    const range = this.#pages(address, length)
    if (typeof range === 'number') return range
    const error = this.world.wait(uvmMapPageable(this.map, range.start, range.end, true, 0))
    return error === EFAULT ? ENOMEM : error
  }
  mlockall(flags: number): 0 | Err {
    if (flags === 0 || (flags & ~3) !== 0) return EINVAL
    const limit = this.limits.memlock === Infinity ? 0 : this.limits.memlock
    return this.world.wait(uvmMapPageableAll(this.map, flags, limit))
  }
  munlockall(): 0 | Err {
    return this.world.wait(uvmMapPageableAll(this.map, 0, 0))
  }
  msync(address: number, length: number, flags: number): 0 | Err {
    if (flags === 0 || (flags & ~7) !== 0) return EINVAL
    if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return EINVAL
    const how = (flags & (MS_ASYNC | MS_SYNC)) === 0 ? flags | MS_SYNC : flags
    let range = this.#pages(address, length)
    if (typeof range === 'number') return range
    if (length === 0) {
      const entry = this.map.lookup(range.start)
      if (entry === null) return EINVAL
      range = { start: entry.start, end: entry.end }
    }
    const free = (how & MS_INVALIDATE) !== 0 ? PGO_FREE : 0
    const sync = (how & MS_SYNC) !== 0 ? PGO_SYNCIO : 0
    return this.world.wait(uvmMapClean(this.map, range.start, range.end, PGO_CLEANIT | free | sync))
  }
  /** @param vector  where the answer goes in the program's memory */
  mincore(address: number, length: number, vector: number): 0 | Err {
    if (address % PAGE_SIZE !== 0 || length === 0) return EINVAL
    const end = address + roundPage(length)
    for (let at = address; at < end; at += PAGE_SIZE) {
      const entry = this.map.lookup(at)
      if (entry === null) return ENOMEM
      const { anons, chunks } = this.space.vm
      const anon = entry.amap === null ? 0 : amapLookup(anons, chunks, entry.amap, entry.slotOf(at))
      const { object } = entry
      let isResident = anon !== 0 && anonPage(anons, anon) >= 0
      if (anon === 0 && object !== null)
        isResident = object.pager.fault !== undefined || object.pageAt(entry.pgoffOf(at)) >= 0
      if (this.store(vector + (at - address) / PAGE_SIZE, isResident ? 1 : 0) !== 0) return EFAULT
    }
    return 0
  }
  /** How many of the pages are in memory, or the error. */
  resident(address: number, pages: number): number {
    const vector = this.mmap(0, PAGE_SIZE, READ | WRITE, MAP_ANON)
    const error = this.mincore(address, pages * PAGE_SIZE, vector)
    let count = 0
    for (let i = 0; i < pages; i++) count += Number(this.load(vector + i))
    this.munmap(vector, PAGE_SIZE)
    return error === 0 ? count : error
  }
  /** Shared memory of System V: a segment of so many pages, mapped. */
  shmat(pages: number): number {
    const object = uaoCreate(this.space.vm.anons, this.space.vm.objects, pages * PAGE_SIZE)
    object.pager.reference(object)
    const word = uvmMapflag(READ | WRITE, 7, UVM_INH_SHARE, 0, 0)
    return this.world.wait(uvmMap(this.map, DEFAULT_ADDRESS, pages * PAGE_SIZE, object, 0, 0, word))
  }

  #hint(start: number): number {
    if (!this.map.isTopdown) return start < 0 ? start : Math.max(start, DEFAULT_ADDRESS)
    return start <= 0 ? this.map.max : Math.min(start, this.map.max)
  }
  /** The pages that a range of bytes touches. */
  #pages(address: number, length: number): Range | Err {
    const start = address < 0 ? Math.floor(address / PAGE_SIZE) * PAGE_SIZE : truncPage(address)
    return this.#range(start, roundPage(length + (address - start)), EINVAL, EINVAL)
  }
  #range(start: number, size: number, beyond: Err, wraps: Err): Range | Err {
    const end = start + size
    if (start < 0) return end >= 0 ? wraps : beyond
    if (end > this.map.max) return beyond
    if (start < this.map.min && size > 0) return EINVAL
    return { start, end }
  }
  #wire(start: number, end: number): 0 | Err {
    const { vm, pmap } = this.space
    if ((end - start) / PAGE_SIZE + vm.wiredPages > vm.wiredMax) return EAGAIN
    if (end - start + pmap.wiredCount * PAGE_SIZE > this.limits.memlock) return EAGAIN
    return this.world.wait(uvmMapPageable(this.map, start, end, false, 0))
  }
}

/** What a fault that failed does to the program (uvm specification 1.4). */
function signalOf(error: Err): Signal {
  return error === EFAULT || error === EACCES ? 'SIGSEGV' : 'SIGBUS'
}

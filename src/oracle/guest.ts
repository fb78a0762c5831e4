// The commands of the oracle's protocol (test/oracle/linux/README.md), carried out by system calls on this kernel.

import { errName, isErr, MiB, PAGE_SIZE, roundPage, type Err } from '../base/index.ts'
import {
  addSeals,
  createMemfd,
  fileAllocate,
  filePread,
  filePwrite,
  fileTruncate,
  KernelUio,
  MFD_ALLOW_SEALING,
  type OpenFile,
  openVnode,
} from '../kernel/file/index.ts'
import { READ, uvmFault, WRITE } from '../kernel/fault/index.ts'
import { mincoreRegion, VM_LOCKED, VM_MAYSHARE, type VmMapEntry, type VmSpace } from '../kernel/map/index.ts'
import type { MemoryObject } from '../kernel/object/index.ts'
import { countResident, vmFlagCodes } from '../kernel/proc/index.ts'
import { A0, clone, exitThread, SIGCHLD, type Thread } from '../kernel/process/index.ts'
import { syscallOf } from '../kernel/syscall/index.ts'

import { ARENA, HEAP, SIZE, SLOTS } from './arena.ts'
import type { OracleWorld } from './world.ts'

/** Numbers of the system calls that commands are named after. */
const NUMBERS: Record<string, number> = {
  brk: 214,
  munmap: 215,
  mremap: 216,
  mmap: 222,
  mprotect: 226,
  msync: 227,
  mlock: 228,
  munlock: 229,
  madvise: 233,
  remap_file_pages: 234,
  mlock2: 284,
}

/** One process that obeys commands. */
export class Guest {
  readonly #world: OracleWorld
  readonly #thread: Thread
  readonly #slots: (OpenFile | null)[]
  readonly #children = new Map<number, Guest>()
  #words: string[] = []

  constructor(world: OracleWorld, thread: Thread, slots: (OpenFile | null)[]) {
    this.#world = world
    this.#thread = thread
    this.#slots = slots
  }
  get #space(): VmSpace {
    return this.#thread.process.space!
  }

  answer(line: string): string {
    this.#words = line.split(/[ \t\r]+/).filter((word) => word !== '')
    const [name = '#'] = this.#words
    if (name.startsWith('#')) return '#'
    switch (name) {
      case 'mmap':
        return this.#mmap()
      case 'munmap':
      case 'mprotect':
      case 'msync':
      case 'munlock':
      case 'remap_file_pages':
        return this.#isOutside(this.#num(1), this.#num(2)) ? 'refused' : result(this.#call(name))
      case 'madvise':
      case 'mlock':
      case 'mlock2':
        if (this.#isOutside(this.#num(1), this.#num(2))) return 'refused'
        return this.#counting(() => result(this.#call(name)), true)
      case 'mremap':
        return this.#mremap()
      case 'mincore':
        return this.#mincore(this.#num(1), this.#num(2))
      case 'brk':
        return this.#brk()
      case 'poke':
        return this.#fill(this.#num(1), 1, this.#num(2), 1)
      case 'fill':
        return this.#fill(this.#num(1), this.#num(2), this.#num(3), this.#words.length > 4 ? this.#num(4) : 1)
      case 'peek':
        return this.#peek(this.#num(1))
      case 'pages':
        return this.#pages(this.#num(1), this.#num(2))
      case 'maps':
        return this.#listing('maps', () => '')
      case 'smaps':
        return this.#listing('smaps', (entry) => this.#residence(entry))
      case 'fork':
        return this.#fork()
      case 'child':
        return this.#child(line)
      case 'rlimit':
        return this.#rlimit()
      default:
        return this.#fileCommand(name)
    }
  }

  #num(i: number): number {
    const word = this.#words[i] ?? '0'
    if (word.startsWith('@')) return ARENA + numberIn(word.slice(1), 16)
    if (word.startsWith('+')) return numberIn(word.slice(1), 16)
    if (word.startsWith('-')) return 0 - numberIn(word.slice(1), 0)
    return numberIn(word, 0)
  }
  /** A slot number; one that there is not means the first, as the helper has it. */
  #slotOf(i: number): number {
    const slot = this.#num(i)
    return slot >= 0 && slot < SLOTS ? slot : 0
  }
  #isOutside(addr: number, length: number): boolean {
    return !(addr >= ARENA && addr + length <= ARENA + SIZE && length >= 0)
  }
  /** A system call by its number, with the command's words as arguments. */
  #call(name: string, args = this.#words.slice(1).map((_, i) => this.#num(i + 1))): number {
    const { regs } = this.#thread
    for (let i = 0; i < 6; i++) regs.set(A0 + i, args[i] ?? 0)
    const answered = syscallOf(NUMBERS[name]!).call(this.#world.kernel, this.#thread)
    return typeof answered === 'number' ? answered : this.#world.wait(answered)
  }
  /** Adds the minor faults that the command caused; always, or only where there were any. */
  #counting(act: () => string, onlySome: boolean): string {
    const { stats } = this.#world.kernel.vm
    const before = stats.minorFaults + stats.majorFaults
    const text = act()
    const faults = stats.minorFaults + stats.majorFaults - before
    return text.startsWith('-') || text.startsWith('SIG') || (onlySome && faults === 0) ? text : `${text} f=${faults}`
  }

  #mmap(): string {
    const length = this.#num(2)
    const addr = this.#num(1)
    const flags = this.#num(4)
    if ((flags & 0x40040) !== 0) return 'refused'
    const isFixed = (flags & 0x100010) !== 0
    if (isFixed && this.#isOutside(addr, roundPage(length)) && length >= 0 && length <= 2 ** 46) return 'refused'
    const fd = (this.#words[5] ?? '-').startsWith('-') ? -1 : this.#slotOf(5)
    return this.#counting(() => {
      const at = this.#withDescriptor(fd, () =>
        this.#call('mmap', [addr, length, this.#num(3), flags, fd, this.#num(6)]),
      )
      if (isErr(at)) return `-${errName(at as Err)}`
      if (!this.#isOutside(at, length)) return place(at)
      this.#call('munmap', [at, length])
      return 'outside'
    }, true)
  }
  /** The slot's file as the descriptor of the same number. */
  #withDescriptor(fd: number, act: () => number): number {
    const file = fd < 0 ? null : this.#slots[fd]
    const { fds } = this.#thread.process
    if (file === null || file === undefined) return act()
    file.reference()
    fds!.install(file, fd)
    const answered = act()
    this.#world.wait(fds!.close(fd))
    return answered
  }
  #mremap(): string {
    if (this.#isOutside(this.#num(1), this.#num(2))) return 'refused'
    if ((this.#num(4) & 2) !== 0 && this.#isOutside(this.#num(5), roundPage(this.#num(3)))) return 'refused'
    const at = this.#call('mremap')
    return isErr(at) ? `-${errName(at)}` : place(at)
  }
  #brk(): string {
    const at = this.#call('brk', [this.#words.length > 1 ? ARENA + HEAP + this.#num(1) : 0])
    return `+${(at - ARENA - HEAP).toString(16)}`
  }
  #mincore(addr: number, length: number): string {
    if (this.#isOutside(addr, length) || length / PAGE_SIZE >= MINCORE_MOST) return 'refused'
    let text = 'core '
    const error = mincoreRegion(
      this.#space,
      addr,
      length,
      (pages) => (text += pages.join('')),
      () => true,
    )
    return isErr(error) ? `-${errName(error)}` : text
  }

  /** Byte offset of a user byte for an access, or how the access ends. */
  #touch(va: number, access: number): number | string {
    const { kernel } = this.#world
    const { mmu } = kernel.machine.cpus[0]!
    this.#world.use(this.#space)
    for (;;) {
      const offset = access === WRITE ? mmu.translateWrite(va) : mmu.translateRead(va)
      if (offset >= 0) return offset
      const error = this.#world.wait(uvmFault(this.#space, va, access))
      if (error !== 0) return `${signalOf(error)} ${place(va)}`
    }
  }
  #fill(addr: number, length: number, byte: number, stride: number): string {
    if (this.#isOutside(addr, length) || stride === 0) return 'refused'
    const { u8 } = this.#world.kernel.machine.memory
    return this.#counting(() => {
      for (let va = addr; va < addr + length; va += stride) {
        const offset = this.#touch(va, WRITE)
        if (typeof offset === 'string') return offset
        u8[offset] = byte
      }
      return 'ok'
    }, false)
  }
  #peek(va: number): string {
    if (this.#isOutside(va, 1)) return 'refused'
    return this.#counting(() => {
      const offset = this.#touch(va, READ)
      return typeof offset === 'string' ? offset : hex(this.#world.kernel.machine.memory.u8[offset]!, 2)
    }, false)
  }
  #pages(addr: number, length: number): string {
    if (this.#isOutside(addr, length) || addr % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0) return 'refused'
    const { u8 } = this.#world.kernel.machine.memory
    const runs: { token: string; count: number }[] = []
    for (let va = addr; va < addr + length; va += PAGE_SIZE) {
      const offset = this.#touch(va, READ)
      const token =
        typeof offset === 'string' ? SIGNS[offset.slice(0, 11)]! : signature(u8.subarray(offset, offset + PAGE_SIZE))
      const last = runs.at(-1)
      if (last?.token === token) last.count++
      else runs.push({ token, count: 1 })
    }
    return `pages${runs.map(({ token, count }) => ` ${token}${count > 1 ? `*${count}` : ''}`).join('')}`
  }

  #listing(name: string, more: (entry: VmMapEntry) => string): string {
    const shared: MemoryObject[] = []
    const lines: string[] = []
    for (const entry of this.#space.map.entries()) {
      if (entry.start < ARENA || entry.start >= ARENA + SIZE) continue
      lines.push(this.#line(entry, shared) + more(entry))
    }
    if (lines.length === 0) return `${name} empty`
    return `${name} ${lines.join(';')}`
  }
  #line(entry: VmMapEntry, shared: MemoryObject[]): string {
    const { protection, object } = entry
    const bit = (mask: number, letter: string): string => ((protection & mask) !== 0 ? letter : '-')
    const perms = bit(1, 'r') + bit(2, 'w') + bit(4, 'x') + ((entry.vmFlags & VM_MAYSHARE) !== 0 ? 's' : 'p')
    const offset = object === null ? 0 : entry.offset * PAGE_SIZE
    return `${place(entry.start)}-${place(entry.end)} ${perms} ${offset.toString(16)} ${this.#name(entry, shared)}`
  }
  #name(entry: VmMapEntry, shared: MemoryObject[]): string {
    const { object } = entry
    const { brk, startBrk } = this.#space
    if (object === null) return entry.start < brk && entry.end > startBrk ? '[heap]' : '-'
    const file = this.#world.files.indexOf(object)
    if (file >= 0) return `f${file}`
    if (!shared.includes(object)) shared.push(object)
    return `z${shared.indexOf(object)}`
  }
  #residence(entry: VmMapEntry): string {
    const r = countResident(this.#space, entry.start, entry.end)
    const locked = (entry.vmFlags & VM_LOCKED) !== 0 ? Math.floor((r.pss * 4) / 4096) : 0
    const sizes = `rss=${r.rss * 4} sdirty=${r.sharedDirty * 4} pdirty=${r.privateDirty * 4} anon=${r.anon * 4}`
    return ` ${sizes} lazy=0 locked=${locked} flags=${vmFlagCodes(entry).join(',')}`
  }

  #fork(): string {
    const { kernel } = this.#world
    const slot = this.#slotOf(1)
    if (this.#children.has(slot)) return 'refused'
    const request = { flags: 0, exitSignal: SIGCHLD, stack: 0, tls: 0, parentTid: 0, childTid: 0 }
    const tid = this.#world.wait(clone(kernel, this.#thread, request))
    if (isErr(tid)) return `-${errName(tid)}`
    const slots = this.#slots.map((file) => {
      file?.reference()
      return file
    })
    this.#children.set(slot, new Guest(this.#world, kernel.processes.byTid.get(tid)!, slots))
    return 'ok'
  }
  #child(line: string): string {
    const [, rest = ''] = /^\s*child\s+\S+\s*(.*)$/.exec(line) ?? []
    const slot = this.#slotOf(1)
    const child = this.#children.get(slot)
    if (child === undefined) return 'refused'
    if (!/^exit\b/.test(rest)) return child.answer(rest)
    this.#children.delete(slot)
    child.end()
    return 'bye'
  }
  end(): void {
    this.#world.use(this.#world.first.#space)
    for (const file of this.#slots) file?.release()
    this.#world.wait(exitThread(this.#world.kernel, this.#thread, 0))
  }
  #rlimit(): string {
    const space = this.#space
    const isMax = this.#words[2] === 'max'
    if (this.#words[1] === 'data') space.limits.data = isMax ? Infinity : space.map.sizes.data + this.#num(2)
    else space.limits.memlock = isMax ? 8 * MiB : this.#num(2)
    return 'ok'
  }

  #fileCommand(name: string): string {
    const slot = this.#slotOf(1)
    const file = this.#slots[slot] ?? null
    switch (name) {
      case 'memfd': {
        const made = createMemfd(this.#world.kernel.files, 'oracle', MFD_ALLOW_SEALING, {
          permissions: 0o777,
          uid: 0,
          gid: 0,
          time: this.#world.kernel.files.now(),
        })
        if (isErr(made)) return `-${errName(made)}`
        this.#world.wait(fileTruncate(made, this.#num(2)))
        this.#put(slot, made)
        this.#world.files.push(made.vnode.object!)
        return `f${this.#world.files.length - 1}`
      }
      case 'reopen': {
        const from = this.#slots[this.#slotOf(2)] ?? null
        if (from === null) return '-ENOENT'
        const again = openVnode(this.#world.kernel.files, from.vnode, this.#num(3) & 3)
        if (isErr(again)) return `-${errName(again)}`
        this.#put(slot, again)
        return 'ok'
      }
      case 'exit':
        return 'bye'
      default:
        if (file === null) return '-EBADF'
    }
    switch (name) {
      case 'close':
        this.#put(slot, null)
        return 'ok'
      case 'ftruncate':
        return result(this.#world.wait(fileTruncate(file, this.#num(2))))
      case 'punch':
        return result(this.#world.wait(fileAllocate(file, 3, this.#num(2), this.#num(3))))
      case 'seal':
        return result(addSeals(file, this.#num(2)))
      case 'pread': {
        if (!(this.#num(3) >= 0 && this.#num(3) <= IO_MOST)) return 'refused'
        const uio = new KernelUio(this.#world.kernel.files, new Uint8Array(this.#num(3)))
        const moved = this.#world.wait(filePread(file, uio, this.#num(2)))
        if (isErr(moved)) return `-${errName(moved)}`
        return `n=${moved} fnv=${fnv(uio.bytes.subarray(0, moved))} first=${hex(moved > 0 ? uio.bytes[0]! : 0, 2)}`
      }
      case 'pwrite': {
        if (!(this.#num(3) >= 0 && this.#num(3) <= IO_MOST)) return 'refused'
        const uio = new KernelUio(this.#world.kernel.files, new Uint8Array(this.#num(3)).fill(this.#num(4)))
        const moved = this.#world.wait(filePwrite(file, uio, this.#num(2)))
        return isErr(moved) ? `-${errName(moved)}` : `n=${moved}`
      }
      default:
        return 'unknown'
    }
  }
  #put(slot: number, file: OpenFile | null): void {
    this.#slots[slot]?.release()
    this.#slots[slot] = file
  }
}

/** Pages that mincore, and bytes that pread and pwrite, take at a time. */
const MINCORE_MOST = 65536
const IO_MOST = 4 * MiB

/** The number that a word begins with, as strtoull reads it; 0 if it begins with none. Base 0: 0x…, 0… octal, decimal. */
function numberIn(word: string, base: number): number {
  const [, sign, digits] = /^(0x)?(.*)$/i.exec(word)!
  const radix = base !== 0 ? base : sign !== undefined ? 16 : digits!.startsWith('0') ? 8 : 10
  const value = Number.parseInt(sign !== undefined && radix !== 16 ? '0' : digits!, radix)
  return Number.isNaN(value) ? 0 : Math.min(value, 2 ** 64)
}

const SIGNS: Record<string, string> = { 'SIGSEGV MAP': '-', 'SIGSEGV ACC': '!', 'SIGBUS ADRE': 'B' }
function signalOf(error: number): string {
  const name = errName(error as Err)
  return name === 'EFAULT'
    ? 'SIGSEGV MAPERR'
    : name === 'EACCES'
      ? 'SIGSEGV ACCERR'
      : name === 'ENOMEM'
        ? 'SIGKILL'
        : 'SIGBUS ADRERR'
}
function place(va: number): string {
  return va >= ARENA && va <= ARENA + SIZE ? `@${(va - ARENA).toString(16)}` : `0x${va.toString(16)}`
}
function result(answered: number): string {
  return isErr(answered) ? `-${errName(answered)}` : 'ok'
}
function hex(n: number, width: number): string {
  return n.toString(16).padStart(width, '0')
}
function fnv(bytes: Uint8Array): string {
  let h = 2166136261
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 16777619)
  return hex(h >>> 0, 8)
}
function signature(bytes: Uint8Array): string {
  return bytes.every((byte) => byte === 0) ? '0' : fnv(bytes)
}

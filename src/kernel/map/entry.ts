// One entry is one VMA (DESIGN.md, decision 4): a range of virtual pages and what is behind it.

import { PAGE_SIZE } from '../../base/index.ts'
import type { Amap } from '../anon/index.ts'
import type { MemoryObject, ObjectMapping } from '../object/index.ts'
import type { FaultListener } from './faultListener.ts'
import type { MemoryPolicy } from './policy.ts'
import type { VmMap } from './vmMap.ts'

export const VM_INHERIT_SHARE = 0
export const VM_INHERIT_COPY = 1
export const VM_INHERIT_NONE = 2
export const VM_INHERIT_ZERO = 4

export const UVM_ADV_NORMAL = 0
export const UVM_ADV_RANDOM = 1
export const UVM_ADV_SEQUENTIAL = 2

// Linux's VM_* bits that an entry cannot derive from its other fields. Two entries merge only if all are equal.
//
// One bit each, named as in smaps' VmFlags:
export const VM_SHARED = 1 << 0 //     sh: stores reach the object
export const VM_MAYSHARE = 1 << 1 //   ms: mapped with MAP_SHARED
export const VM_GROWSDOWN = 1 << 2 //  gd
export const VM_LOCKED = 1 << 3 //     lo
export const VM_LOCKONFAULT = 1 << 4 // lf
export const VM_ACCOUNT = 1 << 5 //    ac
export const VM_NORESERVE = 1 << 6 //  nr
export const VM_SEQ_READ = 1 << 7 //   sr
export const VM_RAND_READ = 1 << 8 //  rr
export const VM_DONTCOPY = 1 << 9 //   dc
export const VM_DONTEXPAND = 1 << 10 // de
export const VM_WIPEONFORK = 1 << 11 // wf
export const VM_DONTDUMP = 1 << 12 //  dd
export const VM_HUGEPAGE = 1 << 13 //  hg
export const VM_NOHUGEPAGE = 1 << 14 // nh
export const VM_MERGEABLE = 1 << 15 // mg
export const VM_SEALED = 1 << 16 //    sl
export const VM_MAYGUARD = 1 << 17 //  gu: ignored when comparing for a merge
export const VM_PFNMAP = 1 << 18 //    pf
export const VM_DROPPABLE = 1 << 19 // dp
export const VM_IO = 1 << 20 //        io
export const VM_UFFD_MISSING = 1 << 21 // um
export const VM_UFFD_WP = 1 << 22 //   uw
export const VM_UFFD_MINOR = 1 << 23 // ui
/** Some page may be poisoned: any access ends in SIGBUS. Not shown, and ignored when comparing for a merge. */
export const VM_MAYPOISON = 1 << 24
export const VM_UFFD = VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR

/** The open file that an entry came from, compared by identity: two opens of one file never merge. */
export interface MappedFile {
  /** What the fourth column group of /proc/PID/maps shows. */
  readonly path: string
  readonly inode: number
  readonly device: number
  readonly isReadable: boolean
  readonly isWritable: boolean
  /** The file lies on a mount that forbids execution. */
  readonly isNoExec?: boolean
  /** Mappings are placed so that 2 MiB of the file could be one page. */
  readonly alignsLarge?: boolean
  /** It must hear of every entry that goes: no merge takes a whole one away. */
  readonly hearsOfEnds?: boolean
  /** One more, one fewer entry names the open file. */
  reference(): void
  release(): void
}

/** Private pages that were, or will be, made by faults of one origin; compared by identity when entries merge. */
export interface AnonGroup {
  readonly id: number
}

/** Everything that makes an entry what it is, beside its place. */
export interface EntryAttributes {
  object: MemoryObject | null
  /** Page index of `start` in the object. */
  offset: number
  file: MappedFile | null
  isCow: boolean
  needsCopy: boolean
  protection: number
  maxProtection: number
  inheritance: number
  advice: number
  vmFlags: number
  noMerge: boolean
  /** Kernel maps: made of quanta, split only where quanta were joined (uvm specification 2.6.4). */
  isQuantum?: boolean
  /** Private memory: start / PAGE at creation, kept across moves once faulted. */
  anonPgoff: number
  /** null, or left out: the process's own. */
  policy?: MemoryPolicy | null
  /** Who is told of faults; with it, VM_UFFD bits say of which. */
  listener?: FaultListener | null
}

/** Bytes of an entry whose pages do not fit a 32-bit word. */
const LONG = 2 ** 43

export class VmMapEntry implements ObjectMapping {
  // What every fault asks comes first, and is small: among many entries it is a matter of cache lines. `start` and `end` are
  // numbers on the heap, so the low word of the first page stands here too; it tells pages of all but the longest entries.
  #startWord = 0
  #isLong = false
  protection: number
  vmFlags: number
  amap: Amap | null = null
  amapSlot = 0
  object: MemoryObject | null
  isCow: boolean
  needsCopy: boolean
  listener: FaultListener | null
  wiredCount = 0
  anonGroup: AnonGroup | null = null
  start = 0
  end = 0
  advice: number
  inheritance: number
  offset: number
  /** Place in the tree of the map, and its neighbours in address order. */
  leaf = -1
  next: VmMapEntry | null = null
  prev: VmMapEntry | null = null
  readonly map: VmMap
  maxProtection: number
  file: MappedFile | null
  noMerge: boolean
  isQuantum: boolean
  anonPgoff: number
  policy: MemoryPolicy | null
  /** The group came from a parent by fork: it never takes in new neighbours. */
  isForkChild = false

  constructor(map: VmMap, start: number, end: number, a: EntryAttributes) {
    this.map = map
    this.setBounds(start, end)
    this.object = a.object
    this.offset = a.offset
    this.file = a.file
    this.isCow = a.isCow
    this.needsCopy = a.needsCopy
    this.noMerge = a.noMerge
    this.isQuantum = a.isQuantum ?? false
    this.protection = a.protection
    this.maxProtection = a.maxProtection
    this.inheritance = a.inheritance
    this.advice = a.advice
    this.vmFlags = a.vmFlags
    this.anonPgoff = a.anonPgoff
    this.policy = a.policy ?? null
    this.listener = a.listener ?? null
  }

  get pageCount(): number {
    return (this.end - this.start) / PAGE_SIZE
  }
  get firstPage(): number {
    return this.offset
  }
  get isSharedWritable(): boolean {
    return !this.isCow && (this.maxProtection & 2) !== 0
  }
  // Both are asked by every fault: a literal divisor is folded into a multiplication, an imported one is not.
  get isExecutable(): boolean {
    return (this.protection & 4) !== 0
  }
  setBounds(start: number, end: number): void {
    this.start = start
    this.end = end
    this.#startWord = Math.floor(start / 4096) | 0
    this.#isLong = end - start >= LONG
  }
  /** Amap slot of a page of the entry. */
  slotOf(va: number): number {
    return this.amapSlot + this.#pageAt(va)
  }
  /** Object page index of a page of the entry. */
  pgoffOf(va: number): number {
    return this.offset + this.#pageAt(va)
  }
  #pageAt(va: number): number {
    return this.#isLong ? Math.floor((va - this.start) / 4096) : (Math.floor(va / 4096) - this.#startWord) | 0
  }
  unmapRange(lo: number, hi: number, dropPrivateCopies: boolean): void {
    this.map.unmapObjectRange(this, lo, hi, dropPrivateCopies)
  }
}

import { kassert, PAGE_SIZE, panic, pfn as asPfn, type Pfn } from '../../base/index.ts'
import type { Layout, Machine, PhysicalMemory, PteFormat } from '../../machine/index.ts'
import type { Frames, Phys } from '../phys/index.ts'
import { AsidSpace } from './asid.ts'
import { CPU_LIMIT } from './constants.ts'
import { Mailbox } from './mailbox.ts'
import { mapDirectWindow, prepareQuickFrames } from './kernelWindows.ts'
import { physTableSource, takeTable, type TableSource } from './tables.ts'
import { ReverseMap } from './reverseMap.ts'
import { invalidateHere } from './shootdown.ts'

export interface PmapOptions {
  /** Bytes of physical addresses that the direct map covers; all of RAM unless told. */
  readonly directMapLimit?: number
  /** Largest ASID; 255 unless told. */
  readonly maxAsid?: number
  /** Where page-table pages come from; the allocator unless told. */
  readonly tables?: TableSource
  /** Do quick mappings in the direct map follow the rules of the others (preemption off, no nesting)? Yes unless told. */
  readonly quickChecks?: boolean
  /** Spin locks that the running thread holds, for the rules of quick mappings. */
  readonly spinLocksHeld?: () => number
  /** Called when a quick mapping has been removed and the thread may be preempted again. */
  readonly reschedule?: () => void
}

/** What one CPU knows of address spaces. */
export class CpuState {
  /** The pmap whose root is loaded; null: the kernel's. On the processor, or lazily under a kernel thread. */
  loaded: Pmap | null = null
  readonly asids: AsidSpace
  readonly mailbox = new Mailbox()
  /** Address of the quick frame, and the word index of its PTE. */
  quickVa = 0
  quickWord = 0
  /** Address of the quick mapping in use, 0 = none; and who made it. */
  quickHeld = 0
  quickThread: object | null = null

  constructor(maxAsid: number) {
    this.asids = new AsidSpace(maxAsid)
  }
}

export class PmapCounters {
  /** Drains that had to interrupt another CPU. */
  shootdowns = 0
  /** Interrupts sent for them. */
  ipis = 0
  /** Drains that degenerated to a flush. */
  flushes = 0
  /** Invalidations asked for, one for each page. */
  invalidations = 0
  asidReinits = 0
  /** Reinitialisations that had to flush the TLB. */
  asidFlushes = 0
  /** ASIDs taken away instead of an interrupt. */
  asidDrops = 0
  /** CPUs that a shootdown found running a kernel thread over a lazily loaded root. */
  lazyLeaves = 0
  /** Superpages entered, and split again. */
  promotions = 0
  demotions = 0
  enters = 0
  removals = 0
}

/** State of the room: the address spaces of one system, their reverse map and their TLB protocol. */
export class Pmaps {
  readonly machine: Machine
  readonly memory: PhysicalMemory
  readonly format: PteFormat
  readonly layout: Layout
  readonly phys: Phys
  readonly frames: Frames
  readonly reverse: ReverseMap
  readonly cpus: readonly CpuState[]
  /** By id; 0 is the kernel. */
  readonly byId: (Pmap | null)[] = []
  readonly freeIds: number[] = []
  readonly kernel: Pmap
  readonly counters = new PmapCounters()
  readonly tables: TableSource
  readonly quickChecks: boolean
  readonly spinLocksHeld: () => number
  readonly reschedule: () => void
  /** Upcall, bound at boot: a frame becomes executable whose bytes the kernel wrote. */
  newCode: (pfn: number) => void = () => {}

  readonly directMapStart: number
  readonly directMapLimit: number
  /** Below this the kernel map has tables; see pmapGrowkernel. */
  kernelLimit: number
  /** All CPUs, one bit each. */
  readonly allCpus: number

  // The global mailbox: whose requests the interrupt handler reads, and how many CPUs have not answered.
  draining: Mailbox | null = null
  pendingCpus = 0
  generation = 0
  readonly shootdownHandler: () => void
  /** Of the counters of /proc/vmstat, in phys.events.counts. */
  readonly eventPositions: {
    readonly remoteFlush: number
    readonly remoteFlushReceived: number
    readonly localFlushAll: number
    readonly localFlushOne: number
  }

  // Answers of findEntry, borrowed until the next one.
  /** Level of the entry that decides the address. */
  level = 0
  /** Frame index of the table that holds it. */
  tableFrame = 0

  // Answers of nextRun, borrowed until the next one.
  runStart = 0
  runEnd = 0

  // Answers of pmapLookup, borrowed until the next one.
  present = false
  pfn = -1
  /** VM_PROT_… */
  prot = 0
  /** F_… */
  flags = 0
  softKind = 0
  softValue = 0

  constructor(machine: Machine, phys: Phys, options: PmapOptions = {}) {
    kassert(machine.cpus.length <= CPU_LIMIT, 'a system has at most 32 CPUs')
    this.machine = machine
    this.memory = machine.memory
    this.format = machine.format
    this.layout = machine.layout
    this.phys = phys
    this.frames = phys.frames
    this.reverse = new ReverseMap(phys.frames.pvHead)
    const maxAsid = options.maxAsid ?? 255
    kassert(maxAsid >= 1 && maxAsid < 65536, 'there is an ASID and it has 16 bits', `${maxAsid}`)
    this.cpus = machine.cpus.map(() => new CpuState(maxAsid))
    this.allCpus = machine.cpus.reduce((mask, cpu) => mask | (1 << cpu.id), 0)
    this.tables = options.tables ?? physTableSource(phys)
    this.quickChecks = options.quickChecks ?? true
    this.spinLocksHeld = options.spinLocksHeld ?? (() => 0)
    this.reschedule = options.reschedule ?? (() => {})
    this.directMapStart = machine.layout.directMap.start
    const ramEnd = machine.memory.ranges.at(-1)?.end ?? 0
    const windowBytes = machine.layout.directMap.end - machine.layout.directMap.start
    this.directMapLimit = Math.min(options.directMapLimit ?? ramEnd, ramEnd, windowBytes)
    this.kernelLimit = machine.layout.kernelMap.start
    this.eventPositions = {
      remoteFlush: phys.events.position('nr_tlb_remote_flush'),
      remoteFlushReceived: phys.events.position('nr_tlb_remote_flush_received'),
      localFlushAll: phys.events.position('nr_tlb_local_flush_all'),
      localFlushOne: phys.events.position('nr_tlb_local_flush_one'),
    }
    this.shootdownHandler = () => {
      invalidateHere(this, machine.current.cpu)
      this.pendingCpus--
    }
    const root = takeTable(this)
    if (root < 0) panic('there is memory for the kernel page tables')
    this.kernel = new Pmap(this, asPfn(root))
    mapDirectWindow(this)
    prepareQuickFrames(this)
    for (const cpu of machine.cpus) cpu.mmu.setRoot(machine.format, root, 0)
  }

  /** The state of the CPU that runs. */
  get here(): CpuState {
    return this.cpus[this.machine.current.cpu.id]
  }
}

/** One address space as the hardware knows it. Made by pmapCreate. */
export class Pmap {
  readonly room: Pmaps
  /** Position in room.byId; 0 is the kernel. */
  readonly id: number
  readonly isKernel: boolean
  readonly root: Pfn
  refs = 1
  /** Valid leaves, in pages; in the kernel pmap managed ones only. */
  residentCount = 0
  /** Of them, those that count as anonymous. */
  residentAnon = 0
  /** The largest that residentCount was when a page went; it may be larger now. */
  peakResident = 0
  /** Valid leaves with the wired bit, in pages. */
  wiredCount = 0
  /** Page-table pages, the root included. */
  tablePages = 1
  /** CPUs where it has an ASID, so that the TLB may hold entries of it. One bit each. */
  active = 0
  /** CPUs where its threads run now. */
  onProc = 0
  /** CPUs where it is loaded with an ASID under a kernel thread. */
  lazy = 0
  /** ASID on each CPU, 0 = none. */
  readonly asid: Uint16Array
  /** Superpages by floor(va / TABLE_SPAN): for each, the table held back for splitting it. */
  readonly large = new Map<number, number>()
  /** pmapRemoveAll: one flush at the end instead of single invalidations. */
  isRemovingAll = false

  // The lowest-level table used last: every address with floor(va / TABLE_SPAN) = cachedSpan.
  cachedSpan = NaN
  cachedWord = 0
  cachedFrame = 0

  /** Registers itself; the caller shares the kernel half. */
  constructor(room: Pmaps, root: Pfn) {
    this.room = room
    this.id = room.freeIds.pop() ?? room.byId.length
    this.isKernel = this.id === 0
    this.root = root
    this.asid = new Uint16Array(room.machine.cpus.length)
    room.byId[this.id] = this
  }

  /** Is `va` an address of a page that this pmap may map? */
  covers(va: number): boolean {
    if (this.isKernel) return va < -PAGE_SIZE && this.room.format.isCanonical(va)
    return va >= 0 && va < this.room.layout.user.end
  }
}

// What all address spaces of one system share: the rooms below, the zero page, the counters.

import { type Err, isErr, panic, type Pfn, type Sleep } from '../../base/index.ts'
import type { Machine } from '../../machine/index.ts'
import { Anons, ChunkPool } from '../anon/index.ts'
import { type MemoryObject, ObjectTable } from '../object/index.ts'
import { allocPagesTry, GFP_KERNEL, PG_reserved, type Phys, zeroPage } from '../phys/index.ts'
import type { Pmaps } from '../pmap/index.ts'
import { CommitPolicy } from './commit.ts'
import type { VmMap } from './vmMap.ts'
import type { VmSpace } from './vmSpace.ts'

/** Faults pages in (see the fault room's populateRange, which is bound here at boot). */
export type Populate = (
  space: VmSpace,
  start: number,
  end: number,
  access: number,
  ignoreErrors?: boolean,
) => Sleep<0 | Err>

/** Fault and map events; the names are uvmexp's and /proc/vmstat's. */
export class VmStats {
  faults = 0
  fltnoram = 0
  fltnoanon = 0
  fltpgwait = 0
  fltrelck = 0
  fltrelckok = 0
  fltanget = 0
  fltanretry = 0
  fltamcopy = 0
  fltnamap = 0
  fltnomap = 0
  fltlget = 0
  fltget = 0
  flt_anon = 0
  flt_acow = 0
  flt_obj = 0
  flt_prcopy = 0
  flt_przero = 0
  /** Pages that faults brought back from swap (uvmexp.pageins). */
  pageins = 0
  /** Reads of untouched anonymous memory that were given the zero page. */
  zeroPageReads = 0
  minorFaults = 0
  majorFaults = 0
  /** Of `majorFaults`: those that read a private page back from swap. */
  swapFaults = 0
  /** Faults that ended in an error: SIGSEGV or SIGBUS. */
  protectionFaults = 0
  forks = 0
  /** Faults that brought 2 MiB at once. */
  largePages = 0
  /** 2 MiB that MADV_COLLAPSE moved together, and those for which there was no block. */
  collapses = 0
  collapseFailures = 0
}

// oxlint-disable-next-line require-yield
function* noPageOut(): Sleep<void> {}

export type LargePages = 'never' | 'advised' | 'always'

export class Vm {
  readonly machine: Machine
  readonly phys: Phys
  readonly pmaps: Pmaps
  readonly objects = new ObjectTable()
  readonly anons: Anons
  readonly chunks = new ChunkPool()
  readonly stats = new VmStats()
  /** Upcall, bound at boot: whoever runs has had so many faults resolved, by its own accesses or by what it asked for. */
  chargeFaults: (minor: number, major: number) => void = () => {}
  /** The page of zeros that reads of untouched private memory see; nobody may write it. */
  readonly zeroPfn: Pfn
  /** Upcall to the fault room, which lies above. */
  populate: Populate = () => panic('the fault room is bound before a page is populated')
  /** The same for wiring (uvmMapPageable). */
  wire: (map: VmMap, start: number, end: number) => Sleep<0 | Err> = () =>
    panic('the fault room is bound before a page is wired')
  /** Upcall to the reclaim room: MADV_PAGEOUT of these frames, and MADV_COLD. Pages go if they can. */
  pageOut: (frames: readonly number[]) => Sleep<void> = noPageOut
  cool: (f: number) => void = () => {}
  /** When untouched private memory is filled 2 MiB at a time: never, where madvise(MADV_HUGEPAGE) asks for it, always. */
  largePages: LargePages = 'never'
  /** Living address spaces by the number of their pmap, so that a page's mappings can be asked about. */
  readonly spaces: (VmSpace | null)[] = []
  readonly commit = new CommitPolicy()
  /** Entries that a new address space may have. */
  maxMapCount = 65530
  /** vm.mmap_min_addr: below it only those map who may (`SpaceLimits.mapsLow`). */
  minAddress = 4096
  /** Pages with a wiring (uvmexp.wired), and how many there may be. */
  wiredPages = 0
  wiredMax: number
  /** Nothing is ever mapped at address 0 of a user map. */
  isVa0Disabled = true
  /** Of the search for space: bytes after which a cache sees aliases (0: none), page colours. */
  readonly search = { aliasBytes: 0, colors: 1 }
  kernelMap: VmMap | null = null
  kernelObject: MemoryObject | null = null
  #lastGroup = 0

  constructor(machine: Machine, phys: Phys, pmaps: Pmaps) {
    this.machine = machine
    this.phys = phys
    this.pmaps = pmaps
    this.anons = new Anons(phys, pmaps)
    this.wiredMax = Math.floor(phys.totalramPages / 3)
    const zero: Pfn | Err | symbol = allocPagesTry(phys, GFP_KERNEL, 0)
    if (typeof zero === 'symbol' || isErr(zero)) panic('there is a frame for the zero page at boot')
    this.zeroPfn = zero
    zeroPage(phys, zero)
    // Reserved, as a part of the kernel image is: no zone manages it, pmap counts neither its mappings nor its references.
    const f = phys.frames.indexOf(zero)
    phys.frames.flags[f] = phys.frames.flags[f]! | PG_reserved
    phys.zoneOf(f).managed--
    phys.totalramPages--
  }
  newGroup(): { readonly id: number } {
    return { id: ++this.#lastGroup }
  }
}

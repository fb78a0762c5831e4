// What the tools must print, told without our /proc: page tables are read word by word out of simulated RAM.

import type { Process } from '../../src/kernel/process/index.ts'
import { PG_anon, PG_dirty } from '../../src/kernel/phys/index.ts'
import type { System } from '../../src/index.ts'

const PAGE = 4096
const KIB_PER_PAGE = 4

interface MappedPage {
  readonly va: number
  readonly frame: number
  readonly isWritten: boolean
}
/** One mapping of a process. Sizes are KiB. */
export interface MappingTruth {
  readonly start: number
  readonly size: number
  readonly rss: number
  /** Each page divided by how many page tables show it; rounded down at the end. */
  readonly pss: number
  readonly dirty: number
  readonly anonymous: number
}

/**
 * The pages of a process, as a walker of Sv48 tables finds them (RISC-V privileged specification): 512 entries of eight
 * bytes; V is bit 0, R, W, X are bits 1 to 3, D is bit 7, the frame is in bits 10 to 53. No superpages are made here.
 */
function mappedPages(system: System, process: Process): MappedPage[] {
  const { memory } = system.rooms.machine
  const ram = new DataView(memory.u8.buffer)
  const pages: MappedPage[] = []
  const walk = (table: number, level: number, base: number): void => {
    // The upper half of the root is the kernel's.
    for (let i = 0; i < (level === 3 ? 256 : 512); i++) {
      const entry = ram.getBigUint64(memory.frameOffset(table) + 8 * i, true)
      if ((entry & 1n) === 0n) continue
      const frame = Number((entry >> 10n) & (2n ** 44n - 1n))
      const va = base + i * PAGE * 512 ** level
      if ((entry & 0xen) === 0n) walk(frame, level - 1, va)
      else pages.push({ va, frame, isWritten: (entry & 0x80n) !== 0n })
    }
  }
  if (process.space !== null) walk(process.space.pmap.root, 3, 0)
  return pages
}

/** The mappings of a process, with what is resident in each. */
export function mappingsOf(system: System, process: Process): MappingTruth[] {
  const { phys, processes, vm } = system.rooms.kernel
  const tables = new Map<number, number>()
  for (const other of processes.byPid.values())
    for (const { frame } of mappedPages(system, other)) tables.set(frame, (tables.get(frame) ?? 0) + 1)
  const flagsOf = (frame: number): number => phys.frames.flags[phys.frames.indexOf(frame as never)]!
  // The page of zeros is nobody's.
  const pages = mappedPages(system, process).filter(({ frame }) => frame !== vm.zeroPfn)
  return [...process.space!.map.entries()].map(({ start, end }) => {
    const here = pages.filter(({ va }) => va >= start && va < end)
    const anonymous = here.filter(({ frame }) => (flagsOf(frame) & PG_anon) !== 0)
    // Without swap and MADV_FREE, anonymous memory that is there has been written.
    const dirty = here.filter(({ frame, isWritten }) => isWritten || (flagsOf(frame) & (PG_anon | PG_dirty)) !== 0)
    return {
      start,
      size: (end - start) / 1024,
      rss: here.length * KIB_PER_PAGE,
      pss: Math.floor(here.reduce((sum, { frame }) => sum + KIB_PER_PAGE / tables.get(frame)!, 0) + 1e-9),
      dirty: dirty.length * KIB_PER_PAGE,
      anonymous: anonymous.length * KIB_PER_PAGE,
    }
  })
}

/** What `free` must print of a system, in KiB. */
export function memoryOf(system: System) {
  const { total, reserved, free, fileCache, sharedMemory } = system.report().frames
  // Linux does not count as free what each CPU keeps at hand.
  const { populatedZones } = system.rooms.kernel.phys
  const atHand = populatedZones.flatMap(({ pcp }) => pcp).reduce((sum, { count }) => sum + count, 0)
  return {
    total: (total - reserved) * KIB_PER_PAGE,
    free: (free - atHand) * KIB_PER_PAGE,
    shared: sharedMemory * KIB_PER_PAGE,
    cache: (fileCache + sharedMemory) * KIB_PER_PAGE,
  }
}

/** Sum of one column. */
export function total(rows: readonly MappingTruth[], column: keyof MappingTruth): number {
  return rows.reduce((sum, row) => sum + row[column], 0)
}

// The counters of zones by the names that 6.18 has for them: meminfo, vmstat and zoneinfo print no others.

import { VM_LOCKED } from '../map/index.ts'
import {
  foldHotCounters,
  NR_FILE_DIRTY,
  NR_WRITEBACK,
  PG_active,
  PG_anon,
  PG_pagetable,
  PG_reserved,
  PG_slab,
  PG_swapbacked,
  PG_unevictable,
  type Phys,
  type Zone,
  ZONE_STAT_NAMES,
} from '../phys/index.ts'
import { pmapForEach } from '../pmap/index.ts'
import type { Kernel } from '../process/index.ts'
import { largeFrames } from './largeFrames.ts'
import { allSpaces } from './spaces.ts'

/** Counters by name. One that is absent has no mechanism here and prints 0 (DESIGN.md, decision 17). */
export type Counters = ReadonlyMap<string, number>

/** The lists of page replacement, and what is on none of them because it may not be replaced. */
const LISTS = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable'] as const
const UNEVICTABLE = 4

/**
 * The counters of every zone, by zone slot; those of a node are the sums over its zones. Pages are on the lists of their
 * flags, as they are when the batches on the way to the lists have been drained. Every frame is looked at: for texts, not
 * for hot paths.
 */
export function zoneCounters(kernel: Kernel): ReadonlyMap<number, Counters> {
  const { phys } = kernel
  foldHotCounters(phys)
  const mlocked = mlockedFrames(kernel)
  const lists = listedPages(phys, mlocked, keptObjects(kernel))
  const counters = new Map<number, Map<string, number>>()
  for (const zone of phys.zones) {
    const own = new Map<string, number>(ZONE_STAT_NAMES.map((name, item) => [name, zone.stat[item]!]))
    const nrFree = [...zone.nrFree]
    const blocks = nrFree.reduce((sum, n, order) => sum + (order < phys.pageblockOrder ? 0 : n * 2 ** order), 0)
    own.set('nr_free_pages_blocks', blocks)
    own.set('nr_zone_write_pending', zone.stat[NR_FILE_DIRTY]! + zone.stat[NR_WRITEBACK]!)
    own.set('nr_mlock', 0)
    own.set('nr_swapcached', 0)
    // Counters that 6.18 has split by kind of page: ours are all of files.
    own.set('workingset_refault_file', own.get('workingset_refault')!)
    own.set('workingset_activate_file', own.get('workingset_activate')!)
    LISTS.forEach((name, list) => {
      own.set(`nr_${name}`, lists[zone.slot * LISTS.length + list]!)
      own.set(`nr_zone_${name}`, lists[zone.slot * LISTS.length + list]!)
    })
    own.set('nr_anon_transparent_hugepages', 0)
    counters.set(zone.slot, own)
  }
  const addAt = (f: number, name: string): void => {
    const own = counters.get(phys.frames.zone[f]!)!
    own.set(name, own.get(name)! + 1)
  }
  for (const f of mlocked) addAt(f, 'nr_mlock')
  for (const f of cachedFrames(kernel)) {
    addAt(f, 'nr_swapcached')
    addAt(f, 'nr_file_pages')
  }
  for (const f of largeFrames(kernel)) addAt(f, 'nr_anon_transparent_hugepages')
  return counters
}

/** The sums over some zones, or all. */
export function sumCounters(counters: ReadonlyMap<number, Counters>, zones?: readonly Zone[]): Counters {
  const sums = new Map<string, number>()
  for (const own of zones === undefined ? counters.values() : zones.map((zone) => counters.get(zone.slot)!))
    for (const [name, n] of own) sums.set(name, (sums.get(name) ?? 0) + n)
  return sums
}

/** The lines about the lists of pages that every meminfo has, in pages. */
export function listRows(counters: Counters): [string, number][] {
  const of = (name: string): number => counters.get(name) ?? 0
  return [
    ['Active', of('nr_active_anon') + of('nr_active_file')],
    ['Inactive', of('nr_inactive_anon') + of('nr_inactive_file')],
    ['Active(anon)', of('nr_active_anon')],
    ['Inactive(anon)', of('nr_inactive_anon')],
    ['Active(file)', of('nr_active_file')],
    ['Inactive(file)', of('nr_inactive_file')],
    ['Unevictable', of('nr_unevictable')],
    ['Mlocked', of('nr_mlock')],
  ]
}

/** Frames that some process shows in locked memory. */
export function mlockedFrames(kernel: Kernel): Set<number> {
  const { frames } = kernel.phys
  const locked = new Set<number>()
  for (const space of allSpaces(kernel))
    for (const entry of space.map.entries()) {
      if ((entry.vmFlags & VM_LOCKED) === 0) continue
      pmapForEach(space.pmap, entry.start, entry.end, (_va, pfn) => {
        const f = frames.indexOf(pfn)
        if (f >= 0 && (frames.flags[f]! & PG_reserved) === 0) locked.add(f)
      })
    }
  return locked
}

/** Frames of private pages that are in swap as well, or on their way there or back: Linux's swap cache. */
function* cachedFrames({ phys: { frames }, vm: { anons } }: Kernel): Generator<number> {
  if (anons.swap === null || anons.swap.swpginuse === anons.swap.swpgonly) return
  for (let f = 0; f < frames.count; f++)
    if ((frames.flags[f]! & PG_anon) !== 0 && frames.refcount[f]! > 0 && anons.slot[frames.owner[f]!]! > 0) yield f
}

/** Numbers of the objects of segments that SHM_LOCK keeps in memory. */
export function keptObjects({ segments }: Kernel): Set<number> {
  return new Set(segments.all.flatMap(({ isLocked, object }) => (isLocked ? [object.id] : [])))
}

/** Pages on the five lists of each zone slot. */
function listedPages({ frames, zones }: Phys, mlocked: ReadonlySet<number>, kept: ReadonlySet<number>): Int32Array {
  const counts = new Int32Array((zones.reduce((most, { slot }) => Math.max(most, slot), 0) + 1) * LISTS.length)
  const { flags, owner, refcount, zone } = frames
  const hasLocks = mlocked.size > 0 || kept.size > 0
  for (let f = 0; f < frames.count; f++) {
    const word = flags[f]!
    if (owner[f] === 0 || refcount[f]! <= 0 || (word & (PG_slab | PG_pagetable | PG_reserved)) !== 0) continue
    let list = (word & (PG_anon | PG_swapbacked)) === 0 ? 2 : 0
    if ((word & PG_active) !== 0) list++
    if ((word & PG_unevictable) !== 0) list = UNEVICTABLE
    else if (hasLocks && (mlocked.has(f) || ((word & PG_anon) === 0 && kept.has(owner[f]!)))) list = UNEVICTABLE
    counts[zone[f]! * LISTS.length + list]!++
  }
  return counts
}

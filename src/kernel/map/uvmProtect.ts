import { EACCES, ENOMEM, type Err, type Sleep } from '../../base/index.ts'
import { pmapProtect, pmapUpdate } from '../pmap/index.ts'
import { assertPages } from './assertPages.ts'
import type { VmMapEntry } from './entry.ts'
import type { VmMap } from './vmMap.ts'

/**
 * Changes the protection of every entry in a range, or the maximum too. Nothing changes unless all of it may.
 *
 * Lowering acts at once; raising touches no translation, the next access faults once. Entries are not merged again.
 *
 * @param prot    VM_PROT_…
 * @param setMax  make `prot` the maximum; the current protection is masked with it
 * @errors EACCES beyond some entry's maximum, or execute permission for a file on a no-exec mount; ENOMEM a lock-future
 *                map could not wire what became accessible (the protections stand)
 * @locks  map write-locked; sleeps
 * @manual uvm_map_protect, uvm_map(9), NetBSD
 */
export function* uvmMapProtect(map: VmMap, start: number, end: number, prot: number, setMax: boolean): Sleep<0 | Err> {
  assertPages(start, end)
  if (start >= end) return 0
  const owner = {}
  yield* map.lock.write(owner)
  const lo = Math.max(start, map.min)
  const hi = Math.min(end, map.max)
  const refused = check(map, lo, hi, prot)
  const toWire: number[] = []
  if (refused === 0) apply(map, lo, hi, prot, setMax, toWire)
  pmapUpdate(map.pmap)
  map.lock.unlockWrite()
  let result = refused
  for (let i = 0; i < toWire.length; i += 2)
    if ((yield* map.vm.wire(map, toWire[i]!, toWire[i + 1]!)) !== 0) result = ENOMEM
  return result
}

function check(map: VmMap, start: number, end: number, prot: number): 0 | Err {
  for (let e = map.firstEndingAbove(start); e !== null && e.start < end; e = e.next) {
    if ((prot & ~e.maxProtection) !== 0) return EACCES
    if ((prot & 4) !== 0 && e.file?.isNoExec === true) return EACCES
  }
  return 0
}

function apply(map: VmMap, start: number, end: number, prot: number, setMax: boolean, toWire: number[]): void {
  const first = map.firstEndingAbove(start)
  if (first === null) return
  for (let e = first.start < end ? map.clipStart(first, start) : null; e !== null && e.start < end; e = e.next) {
    map.clipEnd(e, end)
    const old = e.protection
    map.alter(e, (part) => {
      if (setMax) part.maxProtection = prot
      part.protection = setMax ? prot & old : prot
    })
    if (e.protection !== old) pmapProtect(map.pmap, e.start, e.end, translationsMayKeep(e, old))
    if (map.wireFuture && e.wiredCount === 0 && old === 0 && e.protection !== 0) toWire.push(e.start, e.end)
  }
}

/**
 * What pmapProtect is asked to leave. It never takes read permission away, and nothing at all where stores stay allowed:
 * memory that may only be executed, or no longer, is entered anew by the next fault.
 */
function translationsMayKeep({ protection, isCow }: VmMapEntry, old: number): number {
  if (protection === 4) return 0
  return isCow || (old & ~protection & 4) !== 0 ? protection & ~2 : protection
}

/**
 * Does every page of the range lie in an entry whose current protection has all these bits? Protection 0 asks whether
 * all is mapped.
 *
 * @locks  the caller holds the map lock, for reading at least
 * @manual uvm_map_checkprot, uvm_map(9), NetBSD
 */
export function uvmMapCheckprot(map: VmMap, start: number, end: number, prot: number): boolean {
  let entry = map.lookup(start)
  if (start === end) return entry !== null
  for (let at = start; at < end; at = entry.end, entry = entry.next) {
    if (entry === null || entry.start > at || (prot & ~entry.protection) !== 0) return false
  }
  return true
}

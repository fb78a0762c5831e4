import { PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY } from '../../machine/index.ts'
import {
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_DROPPABLE,
  VM_GROWSDOWN,
  VM_HUGEPAGE,
  VM_IO,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_MAYGUARD,
  VM_MAYSHARE,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_SEALED,
  VM_SEQ_READ,
  VM_SHARED,
  VM_UFFD_MINOR,
  VM_UFFD_MISSING,
  VM_UFFD_WP,
  VM_WIPEONFORK,
  type VmMapEntry,
  type VmSpace,
  swapUse,
  type SwapUse,
} from '../map/index.ts'
import { PG_anon, PG_dirty, PG_referenced, PG_reserved, PG_swapbacked } from '../phys/index.ts'
import { ATTR_MODIFIED, ATTR_TOUCHED, pmapForEach } from '../pmap/index.ts'
import { mapsLine } from '../process/index.ts'
import { LARGE_PAGE_BYTES as LARGE, largePagesIn } from './largeFrames.ts'

/** Present pages of a range by kind, in pages; `pss…` in pages with 12 fractional bits. The zero page does not count. */
export interface Resident {
  rss: number
  anon: number
  file: number
  shmem: number
  sharedClean: number
  sharedDirty: number
  privateClean: number
  privateDirty: number
  referenced: number
  pss: number
  pssDirty: number
  pssAnon: number
  pssFile: number
  pssShmem: number
  /** Of `anon`: in superpages. */
  anonHuge: number
  /** Of `anon`: given back by MADV_FREE, and not written since. */
  lazyFree: number
}
const FRACTION = 4096

/** Counts the present pages of `[start, end)`. */
export function countResident(space: VmSpace, start: number, end: number): Resident {
  const sum: Resident = {
    rss: 0,
    anon: 0,
    file: 0,
    shmem: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    referenced: 0,
    pss: 0,
    pssDirty: 0,
    pssAnon: 0,
    pssFile: 0,
    pssShmem: 0,
    anonHuge: largePagesIn(space, start, end),
    lazyFree: 0,
  }
  const { phys, anons } = space.vm
  const { frames } = phys
  const count = (pfn: number, pte: number): void => {
    const f = frames.indexOf(pfn as Pfn)
    if (f < 0) return
    const flags = frames.flags[f]!
    if ((flags & PG_reserved) !== 0 || pfn === space.vm.zeroPfn) return
    const mappers = Math.max(1, frames.mapcount[f]! + 1)
    const share = Math.floor(FRACTION / mappers)
    const saved = (flags & PG_anon) !== 0 ? ATTR_TOUCHED : ATTR_MODIFIED
    const isDirty = (pte & F_DIRTY) !== 0 || (flags & PG_dirty) !== 0 || (frames.attrs[f]! & saved) !== 0
    sum.rss++
    sum.pss += share
    if (isDirty) sum.pssDirty += share
    if ((flags & PG_anon) !== 0) {
      sum.anon++
      // Only MADV_FREE makes a private page clean that has no copy in swap.
      if (!isDirty && anons.slot[frames.owner[f]!] === 0) sum.lazyFree++
      sum.pssAnon += share
    } else if ((flags & PG_swapbacked) !== 0) {
      sum.shmem++
      sum.pssShmem += share
    } else {
      sum.file++
      sum.pssFile += share
    }
    if (mappers > 1) sum[isDirty ? 'sharedDirty' : 'sharedClean']++
    else sum[isDirty ? 'privateDirty' : 'privateClean']++
    if ((pte & F_ACCESSED) !== 0 || (flags & PG_referenced) !== 0) sum.referenced++
  }
  pmapForEach(space.pmap, start, end, (_va, pfn, pte) => count(pfn, pte))
  return sum
}

/** Would a fault fill 2 MiB of it at once, where nothing was touched? */
function mayBeLarge({ map, start, end, vmFlags, object, file }: VmMapEntry): boolean {
  const { largePages } = map.vm
  const off = map.space?.largePagesOff ?? 1
  const isAdvised = (vmFlags & VM_HUGEPAGE) !== 0
  if (largePages === 'never' || off === 1 || ((largePages === 'advised' || off !== 0) && !isAdvised)) return false
  if (object !== null || file !== null || (vmFlags & (VM_NOHUGEPAGE | VM_GROWSDOWN | VM_DROPPABLE)) !== 0) return false
  return Math.ceil(start / LARGE) * LARGE + LARGE <= end
}

/** /proc/PID/smaps. @manual proc_pid_smaps(5); system-call specification 2.2 */
export function smapsText(space: VmSpace): string {
  let text = ''
  for (const entry of space.map.entries()) {
    const here = countResident(space, entry.start, entry.end)
    const pages = (entry.end - entry.start) / PAGE_SIZE
    text += `${mapsLine(space, entry)}\n`
    text += line('Size', pages * 4) + line('KernelPageSize', 4) + line('MMUPageSize', 4)
    text += line('Rss', here.rss * 4) + line('Pss', pssKb(here.pss)) + line('Pss_Dirty', pssKb(here.pssDirty))
    text += common(here, swapUse(space, entry.start, entry.end, true), (entry.vmFlags & VM_LOCKED) !== 0 ? here.pss : 0)
    text += `THPeligible:           ${Number(mayBeLarge(entry))}\nVmFlags: ${vmFlagCodes(entry).join(' ')} \n`
  }
  return text
}

/** /proc/PID/smaps_rollup: the sums over all entries. */
export function smapsRollupText(space: VmSpace): string {
  const entries = [...space.map.entries()]
  if (entries.length === 0) return ''
  const all = countResident(space, 0, space.map.max)
  let locked = 0
  for (const entry of entries)
    if ((entry.vmFlags & VM_LOCKED) !== 0) locked += countResident(space, entry.start, entry.end).pss
  const range = `${address(entries[0]!.start)}-${address(entries.at(-1)!.end)} ---p 00000000 00:00 0 `
  return (
    `${range.padEnd(73)}[rollup]\n` +
    line('Rss', all.rss * 4) +
    line('Pss', pssKb(all.pss)) +
    line('Pss_Dirty', pssKb(all.pssDirty)) +
    line('Pss_Anon', pssKb(all.pssAnon)) +
    line('Pss_File', pssKb(all.pssFile)) +
    line('Pss_Shmem', pssKb(all.pssShmem)) +
    common(all, swapUse(space, 0, space.map.max, true), locked)
  )
}

function common(r: Resident, swap: SwapUse, locked: number): string {
  return (
    line('Shared_Clean', r.sharedClean * 4) +
    line('Shared_Dirty', r.sharedDirty * 4) +
    line('Private_Clean', r.privateClean * 4) +
    line('Private_Dirty', r.privateDirty * 4) +
    line('Referenced', r.referenced * 4) +
    line('Anonymous', r.anon * 4) +
    // Always 0: equal pages are not merged, files have no large pages, and there is no pool of huge pages.
    line('KSM', 0) +
    line('LazyFree', r.lazyFree * 4) +
    line('AnonHugePages', r.anonHuge * 4) +
    ['ShmemPmdMapped', 'FilePmdMapped', 'Shared_Hugetlb', 'Private_Hugetlb'].map((name) => line(name, 0)).join('') +
    line('Swap', swap.pages * 4) +
    line('SwapPss', pssKb(swap.pss)) +
    line('Locked', pssKb(locked))
  )
}
const address = (n: number): string => n.toString(16).padStart(8, '0')
const pssKb = (pages: number): number => Math.floor((pages * 4) / FRACTION)
function line(name: string, kb: number): string {
  return `${`${name}:`.padEnd(16)}${String(kb).padStart(8)} kB\n`
}

const CODES: readonly (readonly [number, string])[] = [
  [VM_MAYSHARE, 'ms'],
  [VM_GROWSDOWN, 'gd'],
  [VM_UFFD_MISSING, 'um'],
  [VM_PFNMAP, 'pf'],
  [VM_MAYGUARD, 'gu'],
  [VM_UFFD_WP, 'uw'],
  [VM_LOCKED, 'lo'],
  [VM_IO, 'io'],
  [VM_SEQ_READ, 'sr'],
  [VM_RAND_READ, 'rr'],
  [VM_DONTCOPY, 'dc'],
  [VM_DONTEXPAND, 'de'],
  [VM_LOCKONFAULT, 'lf'],
  [VM_ACCOUNT, 'ac'],
  [VM_NORESERVE, 'nr'],
  [VM_WIPEONFORK, 'wf'],
  [VM_DONTDUMP, 'dd'],
  [VM_HUGEPAGE, 'hg'],
  [VM_NOHUGEPAGE, 'nh'],
  [VM_MERGEABLE, 'mg'],
  [VM_UFFD_MINOR, 'ui'],
  [VM_DROPPABLE, 'dp'],
  [VM_SEALED, 'sl'],
]
/** The two-letter codes of VmFlags, in the kernel's order. */
export function vmFlagCodes(entry: VmMapEntry): string[] {
  const { protection, maxProtection, vmFlags } = entry
  const codes: string[] = []
  const add = (isOn: boolean, code: string) => {
    if (isOn) codes.push(code)
  }
  add((protection & 1) !== 0, 'rd')
  add((protection & 2) !== 0, 'wr')
  add((protection & 4) !== 0, 'ex')
  add((vmFlags & VM_SHARED) !== 0, 'sh')
  add((maxProtection & 1) !== 0, 'mr')
  add((maxProtection & 2) !== 0, 'mw')
  add((maxProtection & 4) !== 0, 'me')
  for (const [bit, code] of CODES) add((vmFlags & bit) !== 0, code)
  return codes
}

import { isErr, PAGE_SIZE, panic } from '../../base/index.ts'
import { F_ACCESSED, F_DIRTY } from '../../machine/index.ts'
import { forEachSwapped, type VmSpace } from '../map/index.ts'
import { ATTR_MODIFIED, ATTR_TOUCHED, pmapForEach, pmapForEachSoft, pmapLookup, SOFT_GUARD } from '../pmap/index.ts'
import type { Kernel, Process } from '../process/index.ts'
import { mapsText } from './maps.ts'
import { pagemapBytes } from './pagemap.ts'
import { mapFiles } from './processControls.ts'
import { numaMapsText, statmText, statText, statusText } from './processTexts.ts'
import { smapsRollupText, smapsText } from './smaps.ts'
import { fieldsOf, same, type SmapsEntry, smapsEntries } from './verifyFields.ts'
import { has } from './verifyWords.ts'

/** By frame: the words of kpageflags, their upper halves, kpagecount, and how many leaves of page tables show it. */
export interface FrameView {
  readonly flags: Uint32Array
  readonly upper: Uint32Array
  readonly counts: Uint32Array
  readonly leaves: Int32Array
}
export interface ProcessSums {
  /** Pss of smaps_rollup. */
  readonly pssKb: number
  /** Pages of accounted entries. */
  readonly committed: number
  /** Frames shown in locked memory. */
  readonly locked: ReadonlySet<number>
}

/** Pages of one entry, or of all, counted from pagemap with kpageflags and kpagecount. */
class Counted {
  rss = 0
  anon = 0
  file = 0
  shmem = 0
  pss = 0
  pssDirty = 0
  sharedClean = 0
  sharedDirty = 0
  privateClean = 0
  privateDirty = 0
  referenced = 0
  large = 0
  swapped = 0
  readonly pfns: number[] = []
  add(other: Counted): void {
    for (const key of Object.keys(this) as (keyof Counted)[]) {
      if (key !== 'pfns' && key !== 'add') this[key] += other[key]
    }
  }
}
/** What one lowest-level table maps. */
const BLOCK_BYTES = 512 * PAGE_SIZE
/** The swap type of markers. */
const MARKER = 31

/** Everything that /proc/PID shows of the memory of one process. */
export function verifyProcess(kernel: Kernel, process: Process, space: VmSpace, view: FrameView): ProcessSums {
  const name = `${process.pid}`
  const entries = smapsEntries(smapsText(space))
  const locked = new Set<number>()
  const all = new Counted()
  const blocks = populatedBlocks(space)
  const sizes = { total: 0, locked: 0, data: 0, stack: 0, exec: 0, accounted: 0 }
  for (const entry of entries) {
    const { start, end, fields, codes, perms } = entry
    const pages = (end - start) / PAGE_SIZE
    const where = `${name}/smaps: ${start.toString(16)}`
    same(`${where}: Size`, fields.get('Size')! / 4, pages)
    countEntry(space, entry, view, blocks, all, locked)
    sizes.total += pages
    if (codes.has('lo')) sizes.locked += pages
    if (codes.has('ac')) sizes.accounted += pages
    const isStack = codes.has('gd')
    if (isStack) sizes.stack += pages
    else if (codes.has('wr') && !codes.has('sh')) sizes.data += pages
    else if (codes.has('ex') && !codes.has('wr')) sizes.exec += pages
    same(
      `${where}: permissions`,
      perms.slice(0, 3),
      ['rd', 'wr', 'ex'].map((c, i) => (codes.has(c) ? 'rwx'[i] : '-')).join(''),
    )
  }
  verifyNames(name, process, space, entries)
  const mapped = pagesMapped(space)
  same(`${name}/smaps: pages of all entries, and of the page table`, all.rss, mapped)

  const status = fieldsOf(statusText(kernel, process))
  const line = (field: string): number => status.get(field)! / 4
  same(`${name}/status: VmRSS`, line('VmRSS'), all.rss)
  same(`${name}/status: RssAnon`, line('RssAnon'), all.anon)
  same(`${name}/status: RssFile`, line('RssFile'), all.file)
  same(`${name}/status: RssShmem`, line('RssShmem'), all.shmem)
  same(`${name}/status: VmSize`, line('VmSize'), sizes.total)
  same(`${name}/status: VmLck`, line('VmLck'), sizes.locked)
  same(`${name}/status: VmData`, line('VmData'), sizes.data)
  same(`${name}/status: VmStk`, line('VmStk'), sizes.stack)
  same(
    `${name}/status: VmExe and VmLib`,
    Math.max(line('VmExe') + line('VmLib'), sizes.exec),
    Math.max(line('VmExe'), sizes.exec),
  )
  same(`${name}/status: VmSwap`, line('VmSwap'), all.swapped)
  if (line('VmHWM') < line('VmRSS')) same(`${name}/status: VmHWM`, line('VmHWM'), line('VmRSS'))
  if (line('VmPeak') < line('VmSize')) same(`${name}/status: VmPeak`, line('VmPeak'), line('VmSize'))

  const { total, data, stack } = sizes
  same(
    `${name}/statm`,
    statmText(process).trim(),
    `${total} ${all.rss} ${all.file + all.shmem} ${line('VmExe')} 0 ${data + stack} 0`,
  )
  const stat = statText(process)
    .slice(statText(process).lastIndexOf(')') + 2)
    .split(' ')
  same(`${name}/stat: vsize and rss`, `${stat[20]} ${stat[21]}`, `${total * PAGE_SIZE} ${all.rss}`)
  return { pssKb: verifyRollup(name, space, entries, all), committed: sizes.accounted, locked }
}

/** maps, numa_maps and map_files have the entries of smaps. */
function verifyNames(name: string, process: Process, space: VmSpace, entries: readonly SmapsEntry[]): void {
  same(`${name}/maps`, mapsText(space), entries.map(({ header }) => `${header}\n`).join(''))
  const starts = numaMapsText(process)
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ')[0]!)
  same(`${name}/numa_maps`, starts.join(), entries.map(({ start }) => start.toString(16)).join())
  const ranges = new Set(entries.map(({ start, end }) => `${start.toString(16)}-${end.toString(16)}`))
  for (const range of mapFiles(process).names())
    if (!ranges.has(range)) panic('what /proc shows is so', `${name}/map_files: ${range} shown, no such entry`)
}

/** Numbers of the 512-page blocks with any entry of a page table, or any page in swap. */
function populatedBlocks({ pmap, map }: VmSpace): Set<number> {
  const blocks = new Set<number>()
  const note = (va: number): void => void blocks.add(Math.floor(va / BLOCK_BYTES))
  pmapForEach(pmap, 0, map.max, note)
  pmapForEachSoft(pmap, 0, map.max, note)
  for (const entry of map.entries()) forEachSwapped(entry, entry.start, entry.end, note)
  return blocks
}
function pagesMapped({ pmap, map, vm }: VmSpace): number {
  let pages = 0
  pmapForEach(pmap, 0, map.max, (_va, pfn) => {
    if (pfn !== vm.zeroPfn && vm.phys.frames.indexOf(pfn) >= 0) pages++
  })
  return pages
}

/** Pages of a memory file that an entry shows and that are in swap: pagemap knows nothing of them. */
function sharedInSwap({ map }: VmSpace, { start, end }: SmapsEntry): number {
  const entry = map.lookup(start)!
  const { object } = entry
  let pages = 0
  for (let va = start; object?.pager.swap !== undefined && va < end; va += PAGE_SIZE)
    if (object.pager.swap.slotOf(object, entry.pgoffOf(va)) !== 0 && object.pageAt(entry.pgoffOf(va)) < 0) pages++
  return pages
}

/** What pagemap says of an entry agrees with the page table, and adds up to what smaps says. */
function countEntry(
  space: VmSpace,
  entry: SmapsEntry,
  view: FrameView,
  blocks: ReadonlySet<number>,
  all: Counted,
  locked: Set<number>,
): void {
  const here = new Counted()
  // Of what is empty only the first block is read: reservations may be very large.
  for (const block of new Set(blocks).add(Math.floor(entry.start / BLOCK_BYTES))) {
    const start = Math.max(entry.start, block * BLOCK_BYTES)
    const end = Math.min(entry.end, (block + 1) * BLOCK_BYTES)
    if (start < end) countBlock(space, start, end, view, here)
  }
  if (entry.codes.has('lo')) for (const pfn of here.pfns) locked.add(pfn)
  const { fields, codes, start } = entry
  const check = (field: string, pages: number): void => {
    if (fields.get(field) !== pages) same(`smaps: ${start.toString(16)}: ${field}`, fields.get(field)!, pages)
  }
  const pssKb = (pss: number): number => Math.floor((pss * 4) / PAGE_SIZE)
  check('Rss', here.rss * 4)
  check('Pss', pssKb(here.pss))
  check('Pss_Dirty', pssKb(here.pssDirty))
  check('Shared_Clean', here.sharedClean * 4)
  check('Shared_Dirty', here.sharedDirty * 4)
  check('Private_Clean', here.privateClean * 4)
  check('Private_Dirty', here.privateDirty * 4)
  check('Referenced', here.referenced * 4)
  check('Anonymous', here.anon * 4)
  check('AnonHugePages', here.large * 4)
  check('Swap', (here.swapped + sharedInSwap(space, entry)) * 4)
  check('Locked', codes.has('lo') ? pssKb(here.pss) : 0)
  all.add(here)
}

/** Words of pagemap in `[start, end)`: each agrees with the entry of the page table, and says what page it is. */
function countBlock(space: VmSpace, start: number, end: number, view: FrameView, sum: Counted): void {
  const { pmap, vm } = space
  const { frames } = vm.phys
  const bytes = pagemapBytes(space, (start / PAGE_SIZE) * 8, ((end - start) / PAGE_SIZE) * 8)
  if (isErr(bytes as number)) panic('what /proc shows is so', `pagemap: ${start.toString(16)}: ${String(bytes)}`)
  const words = new DataView((bytes as Uint8Array).buffer)
  for (let va = start, at = 0; va < end; va += PAGE_SIZE, at += 8) {
    const low = words.getUint32(at, true)
    const high = words.getUint32(at + 4, true)
    const isPresent = pmapLookup(pmap, va)
    const { pfn, flags, softKind, level } = vm.pmaps
    if (bitOf(high, 31) !== Number(isPresent)) differ(va, 'present', bitOf(high, 31), Number(isPresent))
    if (!isPresent) {
      if (bitOf(high, 26) === 1 && softKind !== SOFT_GUARD) differ(va, 'guard marker', 1, 0)
      if (bitOf(high, 30) === 1 && (low & 31) !== MARKER) sum.swapped++
      continue
    }
    const shownPfn = low + (high & 0x7fffff) * 2 ** 32
    if (shownPfn !== pfn) differ(va, 'frame', shownPfn, pfn)
    const f = frames.indexOf(pfn)
    const isOrdinary = f >= 0 && pfn !== vm.zeroPfn
    const word = isOrdinary ? view.flags[f]! : 0
    const isAnon = has(word, 'anon')
    const isExclusive = isOrdinary && view.counts[f] === 1
    if ((bitOf(high, 29) === 1) !== (isOrdinary && !isAnon)) differ(va, 'file', bitOf(high, 29), Number(isAnon))
    if ((bitOf(high, 24) === 1) !== isExclusive) differ(va, 'exclusive', bitOf(high, 24), Number(isExclusive))
    if (!isOrdinary) continue
    const saved = isAnon ? ATTR_TOUCHED : ATTR_MODIFIED
    const isDirty = (flags & F_DIRTY) !== 0 || has(word, 'dirty') || (frames.attrs[f]! & saved) !== 0
    const part = Math.floor(PAGE_SIZE / view.counts[f]!)
    sum.pfns.push(pfn)
    sum.rss++
    sum[isAnon ? 'anon' : has(word, 'swapbacked') ? 'shmem' : 'file']++
    sum.pss += part
    if (isDirty) sum.pssDirty += part
    if (view.counts[f]! > 1) sum[isDirty ? 'sharedDirty' : 'sharedClean']++
    else sum[isDirty ? 'privateDirty' : 'privateClean']++
    if ((flags & F_ACCESSED) !== 0 || has(word, 'referenced')) sum.referenced++
    if (level > 0) sum.large++
  }
}
function differ(va: number, what: string, shown: number, found: number): void {
  same(`pagemap: ${va.toString(16)}: ${what}`, shown, found)
}
const bitOf = (word: number, bit: number): number => (word >>> bit) & 1

/** smaps_rollup: the sums of smaps; parts of pages are cut off once here, and once for each entry there. @returns Pss */
function verifyRollup(name: string, space: VmSpace, entries: readonly SmapsEntry[], all: Counted): number {
  const rollup = fieldsOf(smapsRollupText(space))
  if (entries.length === 0) return 0
  for (const [field, kb] of rollup) {
    if (field.startsWith('Pss') || field === 'Locked' || field === 'SwapPss') continue
    const sum = entries.reduce((total, entry) => total + (entry.fields.get(field) ?? 0), 0)
    same(`${name}/smaps_rollup: ${field}`, kb, sum)
  }
  const pss = rollup.get('Pss')!
  same(`${name}/smaps_rollup: Pss`, pss, Math.floor((all.pss * 4) / PAGE_SIZE))
  same(`${name}/smaps_rollup: Pss_Dirty`, rollup.get('Pss_Dirty')!, Math.floor((all.pssDirty * 4) / PAGE_SIZE))
  const parts = rollup.get('Pss_Anon')! + rollup.get('Pss_File')! + rollup.get('Pss_Shmem')!
  if (parts > pss || parts < pss - 2) same(`${name}/smaps_rollup: Pss_Anon, Pss_File and Pss_Shmem`, parts, pss)
  for (const field of ['Pss', 'Locked']) {
    const kb = rollup.get(field)!
    const sum = entries.reduce((total, entry) => total + entry.fields.get(field)!, 0)
    if (sum > kb || sum < kb - entries.length) same(`${name}/smaps_rollup: ${field}, by smaps`, kb, sum)
  }
  return pss
}

// Everything that /proc says of memory, twice: read as a program reads it, and counted from what it is about. The texts
// must agree with each other, too.
//
//   page tables ──► leaves of each frame ──► kpagecount ─┐
//   frame table, free lists ─────────────► kpageflags ─┼─► pagemap ──► smaps ──► smaps_rollup, status, statm, stat
//   objects, anons ──────────────────────► meminfo ────┘        sums over all ──► meminfo, vmstat, zoneinfo, buddyinfo

import { PAGE_SIZE } from '../../base/index.ts'
import { F_MANAGED } from '../../machine/index.ts'
import {
  MIGRATE_ISOLATE,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
  PG_anon,
  PG_dirty,
  PG_released,
  PG_swapbacked,
  PG_writeback,
  type Phys,
} from '../phys/index.ts'
import { pmapForEach } from '../pmap/index.ts'
import type { Kernel } from '../process/index.ts'
import { type FrameWord, frameFlags, frameMappings, frameWords } from './frameFiles.ts'
import { swapsText } from './memoryTexts.ts'
import { nodeMeminfoText, nodeVmstatText } from './nodeFiles.ts'
import { meminfoText, vmstatText } from './systemFiles.ts'
import { fieldsOf, same, zoneinfoFields } from './verifyFields.ts'
import { type FrameView, verifyProcess } from './verifyProcess.ts'
import { has } from './verifyWords.ts'
import { buddyinfoText, zoneinfoText } from './zoneFiles.ts'

/**
 * Panics naming the file and the field that is wrong, what it shows and what was found. Costs several looks at every
 * frame: for tests.
 */
export function verifyProc(kernel: Kernel): void {
  const view = readFrames(kernel)
  verifyMapCounts(kernel, view)
  let pss = 0
  let committed = 0
  let texts = 0
  const locked = new Set<number>()
  const seen = new Set<object>()
  for (const process of kernel.processes.byPid.values()) {
    const { space } = process
    if (space === null || seen.has(space)) continue
    seen.add(space)
    const sums = verifyProcess(kernel, process, space, view)
    pss += sums.pssKb
    committed += sums.committed
    for (const pfn of sums.locked) locked.add(pfn)
    texts++
  }
  // A frame mapped n times is shown n times as its nth part, rounded down to 4096ths of a page; each text drops less than
  // one kB more.
  const whole = (sumOf(view.leaves, (n) => (n === 0 ? 0 : n * Math.floor(PAGE_SIZE / n))) * 4) / PAGE_SIZE
  if (!(pss <= whole && pss > whole - texts)) same('smaps_rollup: Pss of all processes', pss, Math.floor(whole))
  verifyTotals(kernel, view, locked, committed)
}

function sumOf(counts: Int32Array, of: (n: number) => number): number {
  let sum = 0
  for (let f = 0; f < counts.length; f++) sum += of(counts[f]!)
  return sum
}

/** kpageflags and kpagecount of every frame, as read; and how often page tables really show it. */
function readFrames(kernel: Kernel): FrameView {
  const { frames } = kernel.phys
  const view = {
    flags: new Uint32Array(frames.count),
    upper: new Uint32Array(frames.count),
    counts: new Uint32Array(frames.count),
    leaves: new Int32Array(frames.count),
  }
  for (const zone of kernel.phys.populatedZones) {
    const words = (of: FrameWord): DataView => new DataView(frameWords(of, zone.startPfn, zone.spanned).buffer)
    const flags = words(frameFlags(kernel))
    const counts = words(frameMappings(kernel))
    for (let i = 0; i < zone.spanned; i++) {
      const f = frames.indexOf(zone.startPfn + i)
      if (f < 0) continue
      view.flags[f] = flags.getUint32(i * 8, true)
      view.upper[f] = flags.getUint32(i * 8 + 4, true)
      view.counts[f] = counts.getUint32(i * 8, true)
    }
  }
  for (const pmap of kernel.pmaps.byId) {
    if (pmap === null || pmap.isKernel) continue
    pmapForEach(pmap, 0, kernel.machine.layout.user.end, (_va, pfn, flags) => {
      if ((flags & F_MANAGED) !== 0) view.leaves[frames.frameOf(pfn)]!++
    })
  }
  return view
}

function verifyMapCounts({ phys: { frames } }: Kernel, { counts, leaves }: FrameView): void {
  for (let f = 0; f < frames.count; f++)
    if (counts[f] !== leaves[f]) same(`kpagecount: frame ${frames.pfnAt(f)}`, counts[f]!, leaves[f]!)
}

/** What kpageflags adds up to, in pages; by the names of /proc/vmstat. */
function countWords({ flags, upper, leaves }: FrameView): Map<string, number> {
  const counts = new Map<string, number>()
  let buddy = 0
  const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)
  for (let f = 0; f < flags.length; f++) {
    const word = flags[f]!
    if (has(word, 'buddy')) buddy++
    if (word === 0 || has(word, 'buddy')) continue
    if (has(word, 'pgtable')) add('nr_page_table_pages')
    if (has(upper[f]!, 'mlocked')) add('nr_mlock')
    if (!has(word, 'lru')) continue
    const isAnon = has(word, 'anon')
    const kind = isAnon || has(word, 'swapbacked') ? 'anon' : 'file'
    add(has(word, 'unevictable') ? 'nr_unevictable' : `nr_${has(word, 'active') ? 'active' : 'inactive'}_${kind}`)
    if (leaves[f]! > 0) add(isAnon ? 'nr_anon_pages' : 'nr_mapped')
    if (isAnon) {
      add('anons')
      if (has(word, 'swapcache')) add('nr_file_pages')
    } else {
      add('nr_file_pages')
      if (has(word, 'swapbacked')) add('nr_shmem')
      else if (has(word, 'dirty')) add('nr_dirty')
      if (has(word, 'writeback')) add('nr_writeback')
    }
  }
  counts.set('buddy', buddy)
  return counts
}

const COUNTED = [
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
  'nr_unevictable',
  'nr_mlock',
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_shmem',
  'nr_dirty',
  'nr_writeback',
  'nr_page_table_pages',
] as const
/** Which line of meminfo shows which counter of vmstat. */
const MEMINFO: readonly (readonly [line: string, counter: string])[] = [
  ['MemFree', 'nr_free_pages'],
  ['Active(anon)', 'nr_active_anon'],
  ['Inactive(anon)', 'nr_inactive_anon'],
  ['Active(file)', 'nr_active_file'],
  ['Inactive(file)', 'nr_inactive_file'],
  ['Unevictable', 'nr_unevictable'],
  ['Mlocked', 'nr_mlock'],
  ['Dirty', 'nr_dirty'],
  ['Writeback', 'nr_writeback'],
  ['AnonPages', 'nr_anon_pages'],
  ['Mapped', 'nr_mapped'],
  ['Shmem', 'nr_shmem'],
  ['PageTables', 'nr_page_table_pages'],
]

/** What the files of the nodes show adds up to what those of the system do, line by line. */
function verifyNodes(kernel: Kernel, meminfo: ReadonlyMap<string, number>, vmstat: ReadonlyMap<string, number>): void {
  const sums = { meminfo: new Map<string, number>(), vmstat: new Map<string, number>() }
  const add = (sum: Map<string, number>, text: string): void => {
    for (const [name, n] of fieldsOf(text)) sum.set(name, (sum.get(name) ?? 0) + n)
  }
  for (const node of kernel.phys.onlineNodes) {
    add(sums.meminfo, nodeMeminfoText(kernel, node).replaceAll(`Node ${node.id} `, ''))
    add(sums.vmstat, nodeVmstatText(kernel, node))
  }
  const { meminfo: parts } = sums
  for (const [name, n] of parts)
    if (name !== 'MemUsed' && name !== 'FilePages') same(`meminfo: ${name}, by nodes`, meminfo.get(name)!, n)
  const shown = (name: string): number => meminfo.get(name)!
  same('nodes: MemUsed', parts.get('MemUsed')!, shown('MemTotal') - shown('MemFree'))
  same('nodes: FilePages', parts.get('FilePages')!, shown('Cached') + shown('Buffers') + shown('SwapCached'))
  for (const [name, n] of sums.vmstat) same(`vmstat: ${name}, by nodes`, vmstat.get(name)!, n)
}

function verifyTotals(kernel: Kernel, view: FrameView, locked: ReadonlySet<number>, committed: number): void {
  const { phys, vm, pmaps } = kernel
  const meminfo = fieldsOf(meminfoText(kernel))
  const vmstat = fieldsOf(vmstatText(kernel))
  const zoneinfo = zoneinfoFields(zoneinfoText(kernel))
  const shown = (line: string): number => meminfo.get(line)! / 4
  const counter = (name: string): number => vmstat.get(name)!

  verifyNodes(kernel, meminfo, vmstat)
  const counted = countWords(view)
  for (const name of COUNTED) same(`vmstat: ${name}`, counter(name), counted.get(name) ?? 0)
  for (const [line, name] of MEMINFO) same(`meminfo: ${line}`, shown(line), counter(name))
  for (const [name, sum] of zoneinfo) if (vmstat.has(name)) same(`zoneinfo: ${name}`, sum, counter(name))
  same('meminfo: Active', shown('Active'), shown('Active(anon)') + shown('Active(file)'))
  same('meminfo: Inactive', shown('Inactive'), shown('Inactive(anon)') + shown('Inactive(file)'))
  same('meminfo: MemTotal', shown('MemTotal'), zoneinfo.get('managed')!)
  same('meminfo: MemTotal', shown('MemTotal'), phys.totalramPages)
  same('meminfo: Mlocked, by smaps and pagemap', shown('Mlocked'), locked.size)
  same('kpageflags: anonymous pages', counted.get('anons') ?? 0, residentAnons(kernel))
  // Without swap a private page that is there is mapped by somebody.
  if (vm.anons.swap === null) same('meminfo: AnonPages', shown('AnonPages'), counted.get('anons') ?? 0)
  const tables = pmaps.byId.reduce((sum, pmap) => sum + (pmap?.tablePages ?? 0), 0)
  same('meminfo: PageTables', shown('PageTables'), tables)

  const files = countObjects(kernel)
  same('meminfo: Cached', shown('Cached') + shown('Buffers'), files.pages)
  same('meminfo: Shmem', shown('Shmem'), files.shmem)
  same('meminfo: Dirty', shown('Dirty'), files.dirty)
  same('meminfo: Writeback', shown('Writeback'), files.writeback)
  same('meminfo: Committed_AS', shown('Committed_AS'), committed + files.promised)

  const swaps = swapsText(kernel)
    .split('\n')
    .slice(1, -1)
    .map((row) => row.split(/\s+/).slice(2, 4).map(Number))
  const [size, used] = [0, 1].map((column) => swaps.reduce((sum, row) => sum + row[column]! / 4, 0))
  same('meminfo: SwapTotal, by swaps', shown('SwapTotal'), size!)
  same('meminfo: SwapFree, by swaps', shown('SwapTotal') - shown('SwapFree'), used!)
  same('swaps: Used', used!, vm.anons.swap?.swpginuse ?? 0)

  const free = verifyFreeLists(kernel, zoneinfo)
  same('meminfo: MemFree', shown('MemFree'), free.counted)
  same('kpageflags: BUDDY', counted.get('buddy') ?? 0, free.counted + free.isolated)
  same('vmstat: pgfault', counter('pgfault'), vm.stats.minorFaults + vm.stats.majorFaults)
}

/** Pages that anons own; an anon that is given up while its page is being written keeps it until then (PG_released). */
function residentAnons({ vm: { anons }, phys: { frames } }: Kernel): number {
  let pages = 0
  for (let anon = 1; anon < anons.capacity; anon++) if (anons.ref[anon]! > 0 && anons.page[anon] !== 0) pages++
  for (let f = 0; f < frames.count; f++)
    if ((frames.flags[f]! & (PG_released | PG_anon)) === (PG_released | PG_anon)) pages++
  return pages
}

/** The pages of files, from the objects that own them. */
function countObjects({
  phys: { frames },
  vm: { objects },
}: Kernel): Record<'pages' | 'shmem' | 'dirty' | 'writeback' | 'promised', number> {
  const sum = { pages: 0, shmem: 0, dirty: 0, writeback: 0, promised: 0 }
  for (const object of objects.byId.values()) {
    if (object.pager.name === 'device') continue
    const { backing } = object
    const promised = backing !== null && 'promisedPages' in backing ? (backing.promisedPages as number) : 0
    let shmem = 0
    for (let i = object.pages.next(0); i >= 0; i = object.pages.next(i + 1)) {
      const pfn = object.pageAt(i)
      if (pfn < 0) continue
      const flags = frames.flags[frames.frameOf(pfn)]!
      sum.pages++
      if ((flags & PG_swapbacked) !== 0) shmem++
      else if ((flags & PG_dirty) !== 0) sum.dirty++
      if ((flags & PG_writeback) !== 0) sum.writeback++
    }
    sum.shmem += shmem
    sum.promised += promised > 0 ? promised : shmem
  }
  return sum
}

/** Free pages, by walking every list; each zone's are compared with buddyinfo and zoneinfo. */
function verifyFreeLists(kernel: Kernel, zoneinfo: ReadonlyMap<string, number>): { counted: number; isolated: number } {
  const { phys } = kernel
  const sum = { counted: 0, isolated: 0 }
  let perCpu = 0
  const lines = buddyinfoText(kernel).split('\n')
  phys.populatedZones.forEach((zone, i) => {
    const orders = lines[i]!.slice(23).trim().split(/\s+/).map(Number)
    orders.forEach((blocks, order) => {
      let found = 0
      for (let type = 0; type < MIGRATE_TYPES; type++) {
        const length = listLength(phys, zone.freeList(order, type))
        found += length
        sum[type === MIGRATE_ISOLATE ? 'isolated' : 'counted'] += length * 2 ** order
      }
      same(`buddyinfo: node ${zone.node}, zone ${zone.name}, order ${order}`, blocks, found)
    })
    for (const { lists } of zone.pcp)
      for (let type = 0; type < MIGRATE_PCPTYPES; type++) perCpu += listLength(phys, lists + type)
  })
  same('zoneinfo: pages free', zoneinfo.get('free')!, sum.counted)
  same('zoneinfo: count of the pagesets', zoneinfo.get('count')!, perCpu)
  return sum
}
function listLength({ frames }: Phys, list: number): number {
  let length = 0
  for (let f = frames.lruNext[list]!; f !== list; f = frames.lruNext[f]!) length++
  return length
}

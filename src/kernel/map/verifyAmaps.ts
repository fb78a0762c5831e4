import { panic } from '../../base/index.ts'
import { type Amap, amapForEach, anonPage } from '../anon/index.ts'
import { PG_anon } from '../phys/index.ts'
import type { VmMapEntry } from './entry.ts'
import type { Vm } from './vm.ts'
import type { VmMap } from './vmMap.ts'

/** Every slot there can be; a stack that has grown down has slots below 0. */
const ALL = 2 ** 52

/**
 * Recomputes the invariants of uvm specification 2.2 that concern amaps and anons (I6 to I8); panics naming the first that
 * fails. Slow: for tests and after a program has ended.
 *
 * @param maps   every map of the system that can name an amap
 * @param loans  references to anons that no slot holds: those of loans, by anon
 */
export function verifyAmaps(vm: Vm, maps: Iterable<VmMap>, loans: ReadonlyMap<number, number> = new Map()): void {
  const entriesOf = new Map<Amap, VmMapEntry[]>()
  for (const map of new Set(maps)) {
    for (const entry of map.entries()) {
      if (entry.amap === null) continue
      const entries = entriesOf.get(entry.amap)
      if (entries === undefined) entriesOf.set(entry.amap, [entry])
      else entries.push(entry)
    }
  }
  const references = new Map(loans)
  let chunks = 0
  for (const [amap, entries] of entriesOf) {
    verifyCoverage(amap, entries)
    verifySlots(vm, amap, references)
    chunks += amap.chunkCount
  }
  if (chunks !== vm.chunks.count) panic('every chunk belongs to an amap', `${vm.chunks.count}, ${chunks} found`)
  verifyAnons(vm, references)
}

// I6, I7: as many entries name the amap as it counts, and each slot is covered as often as it says.
function verifyCoverage(amap: Amap, entries: readonly VmMapEntry[]): void {
  if (amap.refs !== entries.length) panic('I7 an amap counts its entries', `${amap.refs}, ${entries.length} found`)
  const edges: [slot: number, delta: number][] = []
  for (const { amapSlot, pageCount } of entries) {
    edges.push([amapSlot, 1], [amapSlot + pageCount, -1])
    if (amap.spans !== null) continue
    const isWhole = amapSlot === amap.firstSlot && pageCount === amap.slotCount
    if (!isWhole) panic('I6 an amap without coverage counts is covered whole', `${amapSlot}, ${pageCount} slots`)
  }
  if (amap.spans === null) return
  edges.sort((a, b) => a[0] - b[0])
  const starts: number[] = []
  const counts: number[] = []
  let count = 0
  for (let i = 0; i < edges.length;) {
    const slot = edges[i]![0]
    const before = count
    for (; i < edges.length && edges[i]![0] === slot; i++) count += edges[i]![1]
    if (count === before) continue
    starts.push(slot)
    counts.push(count)
  }
  const { start, count: counted } = amap.spans
  const isRight = starts.length === start.length && starts.every((s, i) => s === start[i] && counts[i] === counted[i])
  if (!isRight) panic('I7 a slot counts the entries that cover it', `${start}: ${counted}; found ${starts}: ${counts}`)
}

// I8: occupied slots are counted, covered, and each is one reference to its anon.
function verifySlots(vm: Vm, amap: Amap, references: Map<number, number>): void {
  const { firstSlot, slotCount, spans } = amap
  let used = 0
  amapForEach(vm.chunks, amap, -ALL, ALL, (slot, anon) => {
    used++
    references.set(anon, (references.get(anon) ?? 0) + 1)
    const isCovered = spans === null ? slot >= firstSlot && slot < firstSlot + slotCount : spans.at(slot) > 0
    if (!isCovered) panic('a slot that no entry covers is empty', `slot ${slot}`)
  })
  if (used !== amap.used) panic('I8 an amap counts its occupied slots', `${amap.used}, ${used} found`)
  for (const key of amap.keysBetween(-ALL, ALL)) {
    const c = amap.chunkAt(key)
    let inChunk = 0
    for (let i = 0; i < 16; i++) if (vm.chunks.slots[c * 16 + i] !== 0) inChunk++
    if (inChunk === 0) panic('a chunk exists while a slot of it is occupied', `chunk ${key}`)
    if (inChunk !== vm.chunks.used[c]) panic('a chunk counts its occupied slots', `chunk ${key}`)
  }
}

function verifyAnons({ anons, phys }: Vm, references: ReadonlyMap<number, number>): void {
  const { frames } = phys
  let resident = 0
  let released = 0
  for (let f = 0; f < frames.count; f++) {
    if ((frames.flags[f]! & PG_anon) === 0) continue
    resident++
    // Nobody names it any more; whoever transfers its page will free it.
    if (anons.ref[frames.owner[f]!] === 0) released++
  }
  for (const [anon, slots] of references) {
    const count = slots + (anons.lent.get(anon) ?? 0)
    if (anons.ref[anon] !== count)
      panic('I8 an anon counts its references', `anon ${anon}: ${anons.ref[anon]}, ${count}`)
    const pfn = anonPage(anons, anon)
    if (pfn < 0) continue
    const f = frames.frameOf(pfn)
    const isOwner = frames.owner[f] === anon && (frames.flags[f]! & PG_anon) !== 0
    if (!isOwner) panic('a frame names the anon that owns it', `anon ${anon}, pfn ${pfn}`)
  }
  let lent = 0
  for (const anon of anons.lent.keys()) if (!references.has(anon)) lent++
  if (references.size + released + lent !== anons.count)
    panic('every anon is in an amap or lent', `${references.size} of ${anons.count}`)
  if (resident !== anons.residentPages) panic('resident anons are counted', `${anons.residentPages}, ${resident} found`)
}

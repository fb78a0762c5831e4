// A map: the entries of one address space, their splitting and joining, and what keeps them true.

import { kassert, MapLock, PAGE_SIZE, panic, WaitQueue } from '../../base/index.ts'
import {
  Amap,
  amapCopyRange,
  amapExtend,
  amapForEach,
  amapJoinRef,
  amapMoveRange,
  amapRemove,
  amapSplitRef,
  amapUnref,
  anonUnref,
} from '../anon/index.ts'
import { type Pmap, pmapRemove, pmapUpdate } from '../pmap/index.ts'
import { type EntryAttributes, VmMapEntry } from './entry.ts'
import { EntryTree } from './entryTree.ts'
import type { FaultNews } from './faultListener.ts'
import type { Personality } from './personality.ts'
import { MapSizes } from './sizes.ts'
import type { Vm } from './vm.ts'
import type { VmSpace } from './vmSpace.ts'
import { unwirePages } from './wire.ts'

export class VmMap {
  readonly vm: Vm
  readonly pmap: Pmap
  readonly personality: Personality
  readonly lock = new MapLock('map')
  tree: EntryTree
  /** Bytes mapped. */
  size = 0
  /** The largest that size was when something was unmapped; it may be larger now. */
  peakSize = 0
  readonly sizes = new MapSizes()
  min: number
  max: number
  /** The address space the map belongs to; null for a kernel map. */
  space: VmSpace | null = null
  /** What listeners must hear once the map is unlocked. */
  news: FaultNews[] = []
  // UVM's map flags.
  isTopdown = false
  isPageable = true
  wireFuture = false
  isDying = false
  /** Entries that joining quanta made redundant: what splitting them again takes (uvm specification 2.6.4). */
  spareQuanta = 0
  /** Whoever waits for address space (WANTVA). */
  readonly spaceQueue = new WaitQueue('vmmapva')

  constructor(vm: Vm, pmap: Pmap, personality: Personality, min: number, max: number) {
    this.vm = vm
    this.pmap = pmap
    this.personality = personality
    this.min = min
    this.max = max
    this.tree = new EntryTree(min, max)
  }

  /** Other bounds for an empty map. */
  setBounds(min: number, max: number): void {
    kassert(this.entryCount === 0, 'only an empty map gets other bounds')
    this.min = min
    this.max = max
    this.tree = new EntryTree(min, max)
  }
  get entryCount(): number {
    return this.tree.count
  }
  /** The entry that contains `va`, or null. */
  lookup(va: number): VmMapEntry | null {
    return this.tree.at(va)
  }
  /** The first entry that ends above `va`, or null. */
  firstEndingAbove(va: number): VmMapEntry | null {
    const entry = this.tree.floor(va)
    if (entry === null) return this.tree.first
    return va < entry.end ? entry : entry.next
  }
  /** True if nothing is mapped in `[start, end)`. */
  isFree(start: number, end: number): boolean {
    const entry = this.firstEndingAbove(start)
    return entry === null || entry.start >= end
  }
  *entries(): IterableIterator<VmMapEntry> {
    for (let entry = this.tree.first; entry !== null; entry = entry.next) yield entry
  }

  /**
   * Links a new entry; the place is free, and the references it names become the entry's.
   *
   * @param prev  the entry before it, if known
   */
  link(start: number, end: number, attributes: EntryAttributes, prev = this.tree.floor(start)): VmMapEntry {
    const entry = new VmMapEntry(this, start, end, attributes)
    this.tree.insertAfter(prev, entry)
    entry.object?.mappings.add(entry)
    this.#resize(entry, end - start)
    return entry
  }

  /** Splits an entry at `va`, strictly inside: the entry keeps the left part, the new right part is answered. */
  split(entry: VmMapEntry, va: number): VmMapEntry {
    kassert(entry.start < va && va < entry.end, 'an entry is split inside')
    if (entry.isQuantum) {
      kassert(this.spareQuanta > 0, 'an entry of one quantum cannot be split', entry.start.toString(16))
      this.spareQuanta--
    }
    const pages = (va - entry.start) / PAGE_SIZE
    const right = new VmMapEntry(this, va, entry.end, entry)
    right.noMerge = false
    right.offset = entry.object === null ? 0 : entry.offset + pages
    right.anonPgoff = entry.anonPgoff + pages
    right.wiredCount = entry.wiredCount
    right.anonGroup = entry.anonGroup
    right.isForkChild = entry.isForkChild
    if (entry.amap !== null) {
      amapSplitRef(entry.amap)
      right.amap = entry.amap
      right.amapSlot = entry.amapSlot + pages
    }
    if (entry.object !== null) {
      entry.object.pager.reference(entry.object)
      entry.object.mappings.add(right)
    }
    entry.file?.reference()
    entry.setBounds(entry.start, va)
    this.tree.insertAfter(entry, right)
    return right
  }
  /** The part of the entry from `va` on, split off if need be. An address at or outside the bounds changes nothing. */
  clipStart(entry: VmMapEntry, va: number): VmMapEntry {
    return entry.start < va && va < entry.end ? this.split(entry, va) : entry
  }
  clipEnd(entry: VmMapEntry, va: number): void {
    if (entry.start < va && va < entry.end) this.split(entry, va)
  }

  /**
   * Joins two adjacent entries that the personality found alike; the left one grows. No page or translation is touched.
   * Amaps are joined by moving anons (DESIGN.md, decision 4).
   */
  join(left: VmMapEntry, right: VmMapEntry): void {
    if (left.amap !== null || right.amap !== null) this.#joinAmaps(left, right)
    if (left.isQuantum) this.spareQuanta++
    left.needsCopy = left.needsCopy && right.needsCopy
    left.vmFlags |= right.vmFlags
    if (left.anonGroup === null) {
      left.anonGroup = right.anonGroup
      left.isForkChild = right.isForkChild
    }
    const end = right.end
    this.tree.remove(right)
    left.setBounds(left.start, end)
    this.tree.changed(left)
    right.amap = null
    this.detach(right)
  }
  #joinAmaps(left: VmMapEntry, right: VmMapEntry): void {
    const n = left.pageCount
    const m = right.pageCount
    if (
      left.amap !== null &&
      left.amap === right.amap &&
      left.amapSlot + n === right.amapSlot &&
      left.needsCopy === right.needsCopy
    ) {
      amapJoinRef(left.amap)
      return
    }
    if (right.amap !== null) this.ownAmap(right)
    if (left.amap !== null) {
      const amap = this.ownAmap(left)
      amapExtend(amap, left.amapSlot + n, m)
      if (right.amap !== null) {
        amapMoveRange(this.vm.chunks, right.amap, right.amapSlot, m, amap, left.amapSlot + n)
        amapUnref(this.vm.anons, this.vm.chunks, right.amap, right.amapSlot, m)
      }
      return
    }
    amapExtend(right.amap!, right.amapSlot - n, n)
    left.amap = right.amap
    left.amapSlot = right.amapSlot - n
    left.needsCopy = right.needsCopy
  }
  /**
   * Gives the entry an amap that no other entry names, sharing anons by count where they were shared. Clears needsCopy.
   * Slots that only this entry covered move without a change of any count.
   */
  ownAmap(entry: VmMapEntry): Amap {
    const { anons, chunks } = this.vm
    const old = entry.amap
    let own = old
    if (old === null) own = new Amap(entry.amapSlot, entry.pageCount)
    else if (old.refs > 1) {
      own = amapCopyRange(anons, chunks, old, entry.amapSlot, entry.pageCount)
      amapUnref(anons, chunks, old, entry.amapSlot, entry.pageCount)
    }
    entry.amap = own
    entry.needsCopy = false
    return own!
  }

  /** Changes protection or flags of an entry. */
  alter(entry: VmMapEntry, change: (entry: VmMapEntry) => void): void {
    const bytes = entry.end - entry.start
    this.sizes.add(entry, -bytes)
    change(entry)
    this.sizes.add(entry, bytes)
  }
  #resize(entry: VmMapEntry, bytes: number): void {
    this.size += bytes
    this.sizes.add(entry, bytes)
  }

  /** Moves the start of an entry without object down to `start`; the space in between is free. */
  growFront(entry: VmMapEntry, start: number): void {
    const pages = (entry.start - start) / PAGE_SIZE
    if (entry.amap !== null) {
      amapExtend(this.#unshared(entry), entry.amapSlot - pages, pages)
      entry.amapSlot -= pages
    }
    this.#resize(entry, entry.start - start)
    entry.setBounds(start, entry.end)
    entry.anonPgoff -= pages
    this.tree.changed(entry)
    if (entry.prev !== null) this.tree.changed(entry.prev)
  }
  /** Moves the end of an entry up to `end`; the space in between is free. */
  growBack(entry: VmMapEntry, end: number): void {
    const pages = (end - entry.end) / PAGE_SIZE
    if (entry.amap !== null) {
      amapExtend(this.#unshared(entry), entry.amapSlot + entry.pageCount, pages)
    }
    this.#resize(entry, end - entry.end)
    entry.setBounds(entry.start, end)
    this.tree.changed(entry)
  }
  /** An amap that grows must have one entry; its pages stay shared by count where they were. */
  #unshared(entry: VmMapEntry): Amap {
    return entry.amap!.refs > 1 ? this.ownAmap(entry) : entry.amap!
  }

  /** Joins an entry that is new or was changed with its neighbours, if the personality finds them alike. */
  mergeAround(entry: VmMapEntry, withPrev: boolean, withNext: boolean): VmMapEntry {
    const { prev, next } = entry
    const { personality } = this
    const left = withPrev && prev !== null && personality.canMerge(prev, entry)
    let merged = entry
    if (left) {
      this.join(prev, entry)
      merged = prev
    }
    if (withNext && next !== null && personality.canMerge(merged, next)) this.join(merged, next)
    return merged
  }

  /** Unlinks an entry whose translations are already gone; its references are dropped later by `detach`. */
  unlink(entry: VmMapEntry): void {
    this.tree.remove(entry)
    if (this.size > this.peakSize) this.peakSize = this.size
    this.#resize(entry, entry.start - entry.end)
  }
  /** Drops what an unlinked entry names. All translations of the range are gone and flushed. */
  detach(entry: VmMapEntry): void {
    const { anons, chunks } = this.vm
    if (entry.amap !== null) amapUnref(anons, chunks, entry.amap, entry.amapSlot, entry.pageCount)
    if (entry.object !== null) {
      entry.object.mappings.delete(entry)
      entry.object.pager.detach(entry.object)
    }
    entry.file?.release()
  }

  /**
   * Takes everything in `[start, end)` out of the map: clips, unwires, removes all translations and flushes. What the
   * entries name is still referenced; the caller drops it with `detach`, so that no page reaches the free list while it
   * is mapped. Holes are skipped.
   *
   * @param hasPages  false if nothing is mapped or owned in the range (UVM_FLAG_VAONLY)
   */
  unlinkRange(start: number, end: number, hasPages = true): VmMapEntry[] {
    const first = start < end ? this.firstEndingAbove(start) : null
    return first === null ? [] : this.#unlinkFrom(this.clipStart(first, start), end, hasPages)
  }
  #unlinkFrom(first: VmMapEntry, end: number, hasPages: boolean): VmMapEntry[] {
    const dead: VmMapEntry[] = []
    let entry: VmMapEntry | null = first
    while (entry !== null && entry.start < end) {
      this.clipEnd(entry, end)
      const next: VmMapEntry | null = entry.next
      if (entry.wiredCount > 0) {
        entry.wiredCount = 0
        unwirePages(entry, entry.start, entry.end)
      }
      if (hasPages) {
        if (entry.object !== null && entry.object === this.vm.kernelObject)
          panic('pageable kernel memory is given back by uvmKmFree', entry.start.toString(16))
        pmapRemove(this.pmap, entry.start, entry.end, true)
        entry.listener?.forget(entry.start, entry.end)
      }
      this.unlink(entry)
      dead.push(entry)
      entry = next
    }
    if (dead.length === 0) return dead
    if (!this.isDying) pmapUpdate(this.pmap)
    this.spaceQueue.wakeAll()
    return dead
  }
  /** The same, and drops what the entries name. */
  removeRange(start: number, end: number): void {
    for (const gone of this.unlinkRange(start, end)) this.detach(gone)
  }
  /** The same from an entry up to `end`; nothing reaches into the range from before. */
  removeFrom(first: VmMapEntry, end: number): void {
    for (const gone of this.#unlinkFrom(first, end, true)) this.detach(gone)
  }

  /** Object pages `[lo, hi)` of an entry lose their translations, and private copies if asked (truncation). */
  unmapObjectRange(entry: VmMapEntry, lo: number, hi: number, dropPrivateCopies: boolean): void {
    const first = Math.max(lo, entry.offset)
    const last = Math.min(hi, entry.offset + entry.pageCount)
    if (first >= last) return
    const start = entry.start + (first - entry.offset) * PAGE_SIZE
    const end = entry.start + (last - entry.offset) * PAGE_SIZE
    if (entry.amap === null) {
      pmapRemove(this.pmap, start, end)
    } else {
      const { anons, chunks } = this.vm
      const copies = new Set<number>()
      amapForEach(chunks, entry.amap, entry.slotOf(start), entry.slotOf(end - 1) + 1, (slot) => copies.add(slot))
      if (dropPrivateCopies && this.personality.truncatePrivateCopies && copies.size > 0) {
        const own = this.ownAmap(entry)
        pmapRemove(this.pmap, start, end)
        pmapUpdate(this.pmap)
        for (const slot of copies) anonUnref(anons, amapRemove(chunks, own, slot))
      } else {
        for (let va = start; va < end; va += PAGE_SIZE)
          if (!copies.has(entry.slotOf(va))) pmapRemove(this.pmap, va, va + PAGE_SIZE)
      }
    }
    pmapUpdate(this.pmap)
  }

  /** Recomputes the invariants of uvm specification 2.2 that concern entries; panics naming the first that fails. */
  verify(): void {
    let size = 0
    const sizes = new MapSizes()
    let count = 0
    let prev: VmMapEntry | null = null
    for (const e of this.entries()) {
      const where = `${e.start.toString(16)}-${e.end.toString(16)}`
      if (!(this.min <= e.start && e.start < e.end && e.end <= this.max)) panic('I1 an entry lies in its map', where)
      if (e.start % PAGE_SIZE !== 0 || e.end % PAGE_SIZE !== 0) panic('I1 an entry is page aligned', where)
      if (prev !== null && prev.end > e.start) panic('I1 entries do not overlap', where)
      if (e.prev !== prev) panic('I1 the list is doubly linked', where)
      if ((e.protection & ~e.maxProtection) !== 0) panic('I3 protection is within the maximum', where)
      if (e.needsCopy && !e.isCow) panic('I5 needs-copy implies copy-on-write', where)
      if (e.object !== null && !e.object.mappings.has(e)) panic('an object knows its mappings', where)
      if (e.amap !== null && e.amap.refs === 1) {
        let used = 0
        amapForEach(this.vm.chunks, e.amap, e.amapSlot, e.amapSlot + e.pageCount, () => used++)
        if (used !== e.amap.used) panic('an amap of one entry has no anon outside it', where)
      }
      size += e.end - e.start
      sizes.add(e, e.end - e.start)
      count++
      prev = e
    }
    if (size !== this.size) panic('I2 the size of a map is the sum of its entries', `${size} ${this.size}`)
    if (!sizes.equals(this.sizes)) panic('the sizes of a map are those of its entries')
    this.tree.verify()
    if (count !== this.tree.count) panic('I1 the entry count matches', `${count} ${this.tree.count}`)
  }
}

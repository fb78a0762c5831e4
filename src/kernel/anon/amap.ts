// Amaps: the upper layer of a mapping, a sparse table of anons.
//
// Slots come in chunks of 16; only chunks with an anon exist, so the size of an amap costs nothing:
//
//   slot >> 4 -> chunk number c                        (slots may be negative: an amap also grows downward)
//     the only one stands in the amap itself; a Map comes with the second
//   pool.slots[16c .. 16c+15]   anon numbers, 0 = empty        pool.used[c]   occupied slots
//
// Entries name (amap, first slot). When an entry is split both halves name the same amap, and `spans` counts for each
// slot how many entries cover it (UVM's ppref). A slot whose count falls to zero is wiped at once, which is why
// unmapping the middle of an entry frees its pages immediately.

import { kassert } from '../../base/index.ts'
import { type Anons, anonRef, anonUnref } from './anon.ts'

const CHUNK = 16
/** Slots from which UVM gives an amap in chunks, and past which it does not extend one. */
export const UVM_AMAP_LARGE = 256

/** The chunks of all amaps of one system. */
export class ChunkPool {
  slots = new Uint32Array(64 * CHUNK)
  used = new Uint8Array(64)
  /** Chunks in use. */
  count = 0
  #free: number[] = []
  #next = 1
  alloc(): number {
    this.count++
    const reused = this.#free.pop()
    if (reused !== undefined) return reused
    const c = this.#next++
    if (c >= this.used.length) {
      const count = this.used.length + (this.used.length >> 2)
      const slots = new Uint32Array(count * CHUNK)
      slots.set(this.slots)
      this.slots = slots
      const used = new Uint8Array(count)
      used.set(this.used)
      this.used = used
    }
    return c
  }
  release(c: number): void {
    this.count--
    this.#free.push(c)
  }
}

/** Run-length coverage counts: `count[i]` holds from `start[i]` to `start[i + 1]`; before the first and after the last it is 0. */
export class SpanCounts {
  start: number[] = []
  count: number[] = []
  at(slot: number): number {
    const i = this.#find(slot)
    return i < 0 ? 0 : this.count[i]!
  }
  /** Adds `delta` over `[lo, hi)` and calls `emptied` for each run that falls to zero. */
  add(lo: number, hi: number, delta: number, emptied?: (lo: number, hi: number) => void): void {
    if (lo >= hi) return
    this.#cut(lo)
    this.#cut(hi)
    for (let i = this.#find(lo); i < this.start.length && this.start[i]! < hi; i++) {
      this.count[i] = this.count[i]! + delta
      kassert(this.count[i]! >= 0, 'no amap slot is dropped more often than it is covered')
      if (this.count[i] === 0 && delta < 0) emptied?.(this.start[i]!, this.start[i + 1]!)
    }
    this.#joinAround(lo)
    this.#joinAround(hi)
  }
  /** The last run that starts at or before `slot`, or -1. */
  #find(slot: number): number {
    let lo = 0
    let hi = this.start.length
    while (lo < hi) {
      const mid = (lo + hi) >> 1
      if (this.start[mid]! <= slot) lo = mid + 1
      else hi = mid
    }
    return lo - 1
  }
  #cut(slot: number): void {
    const i = this.#find(slot)
    if (i >= 0 && this.start[i] === slot) return
    this.start.splice(i + 1, 0, slot)
    this.count.splice(i + 1, 0, i < 0 ? 0 : this.count[i]!)
  }
  #joinAround(slot: number): void {
    const i = this.#find(slot)
    if (i < 0 || this.start[i] !== slot) return
    const before = i === 0 ? 0 : this.count[i - 1]!
    if (before === this.count[i]) {
      this.start.splice(i, 1)
      this.count.splice(i, 1)
    }
  }
}

export class Amap {
  /** Map entries that name this amap. */
  refs = 1
  /** Genuinely shared: entries of different maps see each other's stores. Not set by splitting or copy-fork. */
  isShared = false
  /** Occupied slots. */
  used = 0
  // Its chunks: one (chunk 0: none) with its key, or many.
  #key = 0
  #chunk = 0
  #many: Map<number, number> | null = null
  /** Coverage by entries; null while one entry covers all there is. */
  spans: SpanCounts | null = null
  /** The slots that the first entry covered, for `spans` made later. */
  firstSlot: number
  slotCount: number
  constructor(firstSlot: number, slotCount: number) {
    this.firstSlot = firstSlot
    this.slotCount = slotCount
  }

  get chunkCount(): number {
    return this.#many !== null ? this.#many.size : this.#chunk !== 0 ? 1 : 0
  }
  /** The chunk with slots 16 · key … 16 · key + 15, or 0. */
  chunkAt(key: number): number {
    if (this.#many !== null) return this.#many.get(key) ?? 0
    return this.#key === key ? this.#chunk : 0
  }
  setChunk(key: number, c: number): void {
    if (this.#many !== null) this.#many.set(key, c)
    else if (this.#chunk === 0) {
      this.#key = key
      this.#chunk = c
    } else {
      this.#many = new Map([
        [this.#key, this.#chunk],
        [key, c],
      ])
      this.#chunk = 0
    }
  }
  dropChunk(key: number): void {
    if (this.#many !== null) this.#many.delete(key)
    else this.#chunk = 0
  }
  /** Keys from `first` to `last` that have a chunk, ascending. Costs the chunks there are, or the keys asked for. */
  keysBetween(first: number, last: number): number[] {
    const keys: number[] = []
    if (this.#many === null) {
      if (this.#chunk !== 0 && this.#key >= first && this.#key <= last) keys.push(this.#key)
    } else if (last - first + 1 <= this.#many.size) {
      for (let key = first; key <= last; key++) if (this.#many.has(key)) keys.push(key)
    } else {
      for (const key of this.#many.keys()) if (key >= first && key <= last) keys.push(key)
      keys.sort((a, b) => a - b)
    }
    return keys
  }
}

/** The anon in a slot, or 0. */
export function amapLookup(anons: Anons, pool: ChunkPool, amap: Amap, slot: number): number {
  const c = amap.chunkAt(Math.floor(slot / CHUNK))
  return c === 0 ? 0 : pool.slots[c * CHUNK + (slot & 15)]!
}

/** Puts an anon into a slot; the caller's reference goes with it. Returns the anon that was there, or 0, with its reference. */
export function amapAdd(pool: ChunkPool, amap: Amap, slot: number, anon: number): number {
  const key = Math.floor(slot / CHUNK)
  let c = amap.chunkAt(key)
  if (c === 0) {
    c = pool.alloc()
    amap.setChunk(key, c)
  }
  const at = c * CHUNK + (slot & 15)
  const old = pool.slots[at]!
  pool.slots[at] = anon
  if (old === 0) {
    pool.used[c] = pool.used[c]! + 1
    amap.used++
  }
  return old
}

/** Empties a slot; returns the anon with its reference, or 0. */
export function amapRemove(pool: ChunkPool, amap: Amap, slot: number): number {
  const key = Math.floor(slot / CHUNK)
  const c = amap.chunkAt(key)
  if (c === 0) return 0
  const at = c * CHUNK + (slot & 15)
  const old = pool.slots[at]!
  if (old === 0) return 0
  pool.slots[at] = 0
  amap.used--
  pool.used[c] = pool.used[c]! - 1
  if (pool.used[c] === 0) {
    pool.release(c)
    amap.dropChunk(key)
  }
  return old
}

/** Calls `visit` for each occupied slot of `[lo, hi)` in ascending order. Costs the populated chunks, not the range. */
export function amapForEach(
  pool: ChunkPool,
  amap: Amap,
  lo: number,
  hi: number,
  visit: (slot: number, anon: number) => void,
): void {
  if (amap.used === 0 || lo >= hi) return
  for (const key of amap.keysBetween(Math.floor(lo / CHUNK), Math.floor((hi - 1) / CHUNK))) {
    const c = amap.chunkAt(key)
    for (let i = 0; i < CHUNK; i++) {
      const anon = pool.slots[c * CHUNK + i]!
      const slot = key * CHUNK + i
      if (anon !== 0 && slot >= lo && slot < hi) visit(slot, anon)
    }
  }
}

function spansOf(amap: Amap): SpanCounts {
  if (amap.spans === null) {
    amap.spans = new SpanCounts()
    amap.spans.add(amap.firstSlot, amap.firstSlot + amap.slotCount, amap.refs)
  }
  return amap.spans
}

/** An entry was split: one more entry names the amap, no slot is covered more often than before. */
export function amapSplitRef(amap: Amap): void {
  spansOf(amap)
  amap.refs++
}

/** Two entries that name neighbouring slots of the amap became one. */
export function amapJoinRef(amap: Amap): void {
  kassert(amap.refs > 1, 'joined entries both named the amap')
  amap.refs--
}

/** One more entry covers `[slot, slot + n)`. */
export function amapRef(amap: Amap, slot: number, n: number, share: boolean): void {
  if (share) amap.isShared = true
  if (amap.spans !== null || slot !== amap.firstSlot || n !== amap.slotCount) spansOf(amap).add(slot, slot + n, 1)
  amap.refs++
}

/**
 * One entry less covers `[slot, slot + n)`. Slots that nobody covers any more are wiped at once; with the last entry
 * the amap is empty.
 */
export function amapUnref(anons: Anons, pool: ChunkPool, amap: Amap, slot: number, n: number): void {
  kassert(amap.refs > 0, 'an amap is not freed twice')
  if (amap.refs === 1) {
    wipe(anons, pool, amap, -Infinity, Infinity)
    amap.refs = 0
    return
  }
  if (amap.refs === 2 && amap.isShared) amap.isShared = false
  if (amap.spans !== null || slot !== amap.firstSlot || n !== amap.slotCount)
    spansOf(amap).add(slot, slot + n, -1, (lo, hi) => wipe(anons, pool, amap, lo, hi))
  amap.refs--
}

/** The amap's one entry grew by `n` slots before (`n` negative) or after what it covered. */
export function amapExtend(amap: Amap, slot: number, n: number): void {
  kassert(amap.refs === 1, 'only an amap of one entry is extended')
  amap.spans?.add(slot, slot + n, 1)
  const end = Math.max(amap.firstSlot + amap.slotCount, slot + n)
  amap.firstSlot = Math.min(amap.firstSlot, slot)
  amap.slotCount = end - amap.firstSlot
}

/** Drops every anon in `[lo, hi)`. */
export function wipe(anons: Anons, pool: ChunkPool, amap: Amap, lo: number, hi: number): void {
  if (amap.used === 0) return
  for (const key of amap.keysBetween(Math.floor(lo / CHUNK), Math.floor((hi - 1) / CHUNK))) {
    const c = amap.chunkAt(key)
    const first = Math.max(lo - key * CHUNK, 0)
    const end = Math.min(hi - key * CHUNK, CHUNK)
    for (let i = first; i < end && pool.used[c]! > 0; i++) {
      const anon = pool.slots[c * CHUNK + i]!
      if (anon === 0) continue
      pool.slots[c * CHUNK + i] = 0
      pool.used[c] = pool.used[c]! - 1
      amap.used--
      anonUnref(anons, anon)
    }
    if (pool.used[c]! > 0) continue
    pool.release(c)
    amap.dropChunk(key)
  }
}

/** A new amap that shares, by count, the anons in `[slot, slot + n)`; the same slot numbers. No page is copied. */
export function amapCopyRange(anons: Anons, pool: ChunkPool, amap: Amap, slot: number, n: number): Amap {
  const copy = new Amap(slot, n)
  amapForEach(pool, amap, slot, slot + n, (s, anon) => {
    anonRef(anons, anon)
    amapAdd(pool, copy, s, anon)
  })
  return copy
}

/**
 * Moves the anons in `[slot, slot + n)` of `from` into `to` at `toSlot`. References move with them; what was in the
 * target slots must be empty. Costs the populated chunks.
 */
export function amapMoveRange(pool: ChunkPool, from: Amap, slot: number, n: number, to: Amap, toSlot: number): void {
  const moved: number[] = []
  amapForEach(pool, from, slot, slot + n, (s, anon) => moved.push(s, anon))
  for (let i = 0; i < moved.length; i += 2) {
    amapRemove(pool, from, moved[i]!)
    const old = amapAdd(pool, to, moved[i]! - slot + toSlot, moved[i + 1]!)
    kassert(old === 0, 'an amap slot that takes a moved anon is empty')
  }
}

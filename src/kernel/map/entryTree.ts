// The entries of one map: a doubly linked list in address order and a treap over the same entries, in which every
// node knows the largest gap of its subtree. Look-up, insertion, removal and both searches for space cost O(log n).

import type { VmMapEntry } from './entry.ts'

/** No hole: never an address, which is page aligned, of either half. */
const NONE = -1

export class EntryTree {
  root: VmMapEntry | null = null
  first: VmMapEntry | null = null
  last: VmMapEntry | null = null
  count = 0
  readonly min: number
  max: number
  #seed = 0x2545f491

  constructor(min: number, max: number) {
    this.min = min
    this.max = max
  }

  /** The last entry that starts at or before `va`, or null. */
  floor(va: number): VmMapEntry | null {
    let found: VmMapEntry | null = null
    for (let node = this.root; node !== null;) {
      if (node.start <= va) {
        found = node
        node = node.right
      } else node = node.left
    }
    return found
  }

  /** Links an entry behind `prev` (null: first). The caller knows that the place is free. */
  insertAfter(prev: VmMapEntry | null, entry: VmMapEntry): void {
    const next = prev === null ? this.first : prev.next
    entry.prev = prev
    entry.next = next
    if (prev === null) this.first = entry
    else prev.next = entry
    if (next === null) this.last = entry
    else next.prev = entry
    this.count++
    // xorshift: priorities are deterministic, and independent of the addresses
    this.#seed ^= this.#seed << 13
    this.#seed ^= this.#seed >>> 17
    this.#seed ^= this.#seed << 5
    entry.priority = this.#seed >>> 0
    entry.left = entry.right = null
    if (prev === null) {
      if (next === null) this.root = entry
      else next.left = entry
      entry.parent = next
    } else if (prev.right === null) {
      prev.right = entry
      entry.parent = prev
    } else {
      next!.left = entry
      entry.parent = next
    }
    entry.gap = this.#gapBehind(entry)
    entry.maxGap = entry.gap
    while (entry.parent !== null && entry.parent.priority < entry.priority) this.#rotateUp(entry)
    this.#updatePath(entry.parent)
    if (prev !== null) this.changed(prev)
  }

  remove(entry: VmMapEntry): void {
    while (entry.left !== null || entry.right !== null) {
      const { left, right } = entry
      this.#rotateUp(left === null ? right! : right === null || left.priority > right.priority ? left : right)
    }
    const { parent, prev, next } = entry
    if (parent === null) this.root = null
    else if (parent.left === entry) parent.left = null
    else parent.right = null
    entry.parent = null
    if (prev === null) this.first = next
    else prev.next = next
    if (next === null) this.last = prev
    else next.prev = prev
    entry.prev = entry.next = null
    this.count--
    this.#updatePath(parent)
    if (prev !== null) this.changed(prev)
  }

  /** The bounds of an entry, or of what follows it, moved: its gap and the summaries above it are recomputed. */
  changed(entry: VmMapEntry): void {
    const gap = this.#gapBehind(entry)
    if (gap === entry.gap) return
    entry.gap = gap
    this.#updatePath(entry)
  }

  /**
   * The highest hole that, clipped to `[low, high)`, has room for `size` bytes: answers its clipped end and sets
   * `holeStart` and `holeNext` (borrowed until the next call), or -1.
   */
  highestHole(size: number, low: number, high: number): number {
    const end = this.#highest(this.root, size, low, high)
    return end !== NONE
      ? end
      : this.#clip(this.min, this.first === null ? this.max : this.first.start, this.first, size, low, high)
  }
  /** The lowest such hole: answers its clipped start, or -1; `holeEnd` and `holeNext` are set. */
  lowestHole(size: number, low: number, high: number): number {
    const inFront = this.#clip(this.min, this.first === null ? this.max : this.first.start, this.first, size, low, high)
    if (inFront !== NONE) return this.holeStart
    return this.#lowest(this.root, size, low, high) !== NONE ? this.holeStart : NONE
  }
  holeStart = 0
  holeEnd = 0
  holeNext: VmMapEntry | null = null

  #highest(node: VmMapEntry | null, size: number, low: number, high: number): number {
    if (node === null || node.maxGap < size) return NONE
    if (node.end < high) {
      const right = this.#highest(node.right, size, low, high)
      if (right !== NONE) return right
      const own = node.gap < size ? NONE : this.#clip(node.end, node.end + node.gap, node.next, size, low, high)
      if (own !== NONE) return own
    }
    return node.start <= low ? NONE : this.#highest(node.left, size, low, high)
  }
  #lowest(node: VmMapEntry | null, size: number, low: number, high: number): number {
    if (node === null || node.maxGap < size) return NONE
    if (node.start > low) {
      const left = this.#lowest(node.left, size, low, high)
      if (left !== NONE) return left
    }
    if (node.end >= high) return NONE
    const own = node.gap < size ? NONE : this.#clip(node.end, node.end + node.gap, node.next, size, low, high)
    return own !== NONE ? own : this.#lowest(node.right, size, low, high)
  }
  #clip(start: number, end: number, next: VmMapEntry | null, size: number, low: number, high: number): number {
    const lo = Math.max(start, low)
    const hi = Math.min(end, high)
    if (hi - lo < size) return NONE
    this.holeStart = lo
    this.holeEnd = hi
    this.holeNext = next
    return hi
  }

  #gapBehind(entry: VmMapEntry): number {
    return (entry.next === null ? this.max : entry.next.start) - entry.end
  }
  #updatePath(from: VmMapEntry | null): void {
    for (let node = from; node !== null; node = node.parent) {
      let gap = node.gap
      if (node.left !== null && node.left.maxGap > gap) gap = node.left.maxGap
      if (node.right !== null && node.right.maxGap > gap) gap = node.right.maxGap
      node.maxGap = gap
    }
  }
  #rotateUp(node: VmMapEntry): void {
    const parent = node.parent!
    const above = parent.parent
    if (parent.left === node) {
      parent.left = node.right
      if (node.right !== null) node.right.parent = parent
      node.right = parent
    } else {
      parent.right = node.left
      if (node.left !== null) node.left.parent = parent
      node.left = parent
    }
    parent.parent = node
    node.parent = above
    if (above === null) this.root = node
    else if (above.left === parent) above.left = node
    else above.right = node
    for (const n of [parent, node]) {
      n.maxGap = Math.max(n.gap, n.left === null ? 0 : n.left.maxGap, n.right === null ? 0 : n.right.maxGap)
    }
  }
}

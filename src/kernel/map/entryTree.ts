// The entries of one map: a doubly linked list in address order, and a B+ tree over the same entries in which every node
// knows the largest gap below it. Look-up, insertion, removal and both searches for space cost O(log n), and few cache
// lines: all nodes stand in one array, and numbers that are compared lie side by side.
//
//   root                   [ . . . ]           A start is that of the first entry below, exactly. The gap of an entry is
//                         /    |    \          the free space behind it, up to the next entry or the end of the map.
//   leaves          [ e e ] [ e e e ] [ e ]
//
//   node n, from n * STRIDE: | items | parent | leaf? | – | start of item 0 … 31 | largest gap of item 0 … 31 | child 0 … 31 |
//   entries, from n * WIDTH: of a leaf its entries

import { kassert, panic } from '../../base/index.ts'
import type { VmMapEntry } from './entry.ts'

/** Most items of a node. */
const WIDTH = 32
/** A node with fewer is joined with a neighbour that has room for all. */
const SPARSE = WIDTH / 4
const COUNT = 0
const PARENT = 1
const IS_LEAF = 2
const START = 4
const GAP = START + WIDTH
const CHILD = GAP + WIDTH
const STRIDE = CHILD + WIDTH
/** No hole: never an address, which is page aligned, of either half. No parent, no free node. */
const NONE = -1
/** A gap as large as any. */
const ANY = Infinity

export class EntryTree {
  #nodes = new Float64Array(STRIDE)
  readonly #entries: (VmMapEntry | null)[] = []
  #root = 0
  /** Nodes ever used; those that are free again hang together by their PARENT. */
  #used = 0
  #free = NONE
  first: VmMapEntry | null = null
  last: VmMapEntry | null = null
  count = 0
  readonly min: number
  max: number

  constructor(min: number, max: number) {
    this.min = min
    this.max = max
    this.#root = this.#makeNode(true)
  }

  /** The last entry that starts at or before `va`, or null. */
  floor(va: number): VmMapEntry | null {
    const place = this.#placeOf(va)
    return place < 0 ? null : this.#entries[place]!
  }
  /** The entry that contains `va`, or null. */
  at(va: number): VmMapEntry | null {
    const place = this.#placeOf(va)
    if (place < 0) return null
    const nodes = this.#nodes
    const i = place % WIDTH
    const n = ((place - i) / WIDTH) * STRIDE
    // The entry itself is not touched for its end if the next one's start is at hand.
    if (i + 1 < nodes[n + COUNT]!)
      return va < nodes[n + START + i + 1]! - nodes[n + GAP + i]! ? this.#entries[place]! : null
    const entry = this.#entries[place]!
    return va < entry.end ? entry : null
  }
  /** Where the last entry that starts at or before `va` stands in `#entries`, or -1. */
  #placeOf(va: number): number {
    const nodes = this.#nodes
    let node = this.#root
    for (;;) {
      const n = node * STRIDE
      // The first item of a node that was chosen above starts at or before `va`; only the root must be asked.
      let lo = 0
      let hi = nodes[n + COUNT]! | 0
      while (lo < hi) {
        const middle = (lo + hi) >> 1
        if (nodes[n + START + middle]! <= va) lo = middle + 1
        else hi = middle
      }
      if (lo === 0) return NONE
      if (nodes[n + IS_LEAF]! !== 0) return node * WIDTH + lo - 1
      node = nodes[n + CHILD + lo - 1]! | 0
    }
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
    let leaf = prev === null ? (next === null ? this.#root : next.leaf) : prev.leaf
    let at = prev === null ? 0 : this.#indexOf(prev) + 1
    if (at === WIDTH && next !== null && this.#count(next.leaf) < WIDTH) {
      leaf = next.leaf
      at = 0
    }
    this.#insert(leaf, at, entry.start, this.#gapBehind(entry), entry, NONE)
    if (prev !== null) this.changed(prev)
  }

  remove(entry: VmMapEntry): void {
    const { prev, next } = entry
    if (prev === null) this.first = next
    else prev.next = next
    if (next === null) this.last = prev
    else next.prev = prev
    this.count--
    if (prev !== null) this.changed(prev)
    this.#remove(entry.leaf, this.#indexOf(entry))
    entry.leaf = NONE
    entry.prev = entry.next = null
  }

  /** The bounds of an entry, or of what follows it, moved: its gap and the summaries above it are recomputed. */
  changed(entry: VmMapEntry): void {
    const nodes = this.#nodes
    const n = entry.leaf * STRIDE
    const at = this.#indexOf(entry)
    const gap = this.#gapBehind(entry)
    const old = nodes[n + GAP + at]!
    if (old === gap && nodes[n + START + at] === entry.start) return
    nodes[n + START + at] = entry.start
    nodes[n + GAP + at] = gap
    this.#summarize(entry.leaf, old, gap)
  }

  /**
   * The highest hole that, clipped to `[low, high)`, has room for `size` bytes: answers its clipped end and sets
   * `holeStart` and `holeNext` (borrowed until the next call), or -1.
   */
  highestHole(size: number, low: number, high: number): number {
    return this.#highest(this.#root, size, low, high) || this.#clipFront(size, low, high) ? this.holeEnd : NONE
  }
  /** The lowest such hole: answers its clipped start, or -1; `holeEnd` and `holeNext` are set. */
  lowestHole(size: number, low: number, high: number): number {
    return this.#clipFront(size, low, high) || this.#lowest(this.#root, size, low, high) ? this.holeStart : NONE
  }
  holeStart = 0
  holeEnd = 0
  holeNext: VmMapEntry | null = null

  #highest(node: number, size: number, low: number, high: number): boolean {
    const nodes = this.#nodes
    const n = node * STRIDE
    for (let i = this.#count(node) - 1; i >= 0; i--) {
      const start = nodes[n + START + i]!
      if (start < high && nodes[n + GAP + i]! >= size) {
        if (
          this.#isLeaf(node)
            ? this.#clipBehind(node, i, size, low, high)
            : this.#highest(this.#child(node, i), size, low, high)
        )
          return true
      }
      if (start <= low) return false
    }
    return false
  }
  #lowest(node: number, size: number, low: number, high: number): boolean {
    const nodes = this.#nodes
    const n = node * STRIDE
    const count = this.#count(node)
    for (let i = 0; i < count && nodes[n + START + i]! < high; i++) {
      // What lies in front of the next item ends where that begins.
      if (nodes[n + GAP + i]! < size || (i + 1 < count && nodes[n + START + i + 1]! <= low)) continue
      if (
        this.#isLeaf(node)
          ? this.#clipBehind(node, i, size, low, high)
          : this.#lowest(this.#child(node, i), size, low, high)
      )
        return true
    }
    return false
  }
  #clipFront(size: number, low: number, high: number): boolean {
    return this.#clip(this.min, this.first === null ? this.max : this.first.start, this.first, size, low, high)
  }
  #clipBehind(leaf: number, i: number, size: number, low: number, high: number): boolean {
    const { end, next } = this.#entries[leaf * WIDTH + i]!
    return this.#clip(end, end + this.#nodes[leaf * STRIDE + GAP + i]!, next, size, low, high)
  }
  #clip(start: number, end: number, next: VmMapEntry | null, size: number, low: number, high: number): boolean {
    const lo = Math.max(start, low)
    const hi = Math.min(end, high)
    if (hi - lo < size) return false
    this.holeStart = lo
    this.holeEnd = hi
    this.holeNext = next
    return true
  }

  #gapBehind(entry: VmMapEntry): number {
    return (entry.next === null ? this.max : entry.next.start) - entry.end
  }

  // Nodes.
  #count(node: number): number {
    return this.#nodes[node * STRIDE + COUNT]! | 0
  }
  #isLeaf(node: number): boolean {
    return this.#nodes[node * STRIDE + IS_LEAF]! !== 0
  }
  #parent(node: number): number {
    return this.#nodes[node * STRIDE + PARENT]! | 0
  }
  #child(node: number, i: number): number {
    return this.#nodes[node * STRIDE + CHILD + i]! | 0
  }
  /** The place of an entry in its leaf: the first item that starts nowhere before it, for a start only ever moves down. */
  #indexOf(entry: VmMapEntry): number {
    const nodes = this.#nodes
    const { start } = entry
    const n = entry.leaf * STRIDE
    let lo = 0
    let hi = nodes[n + COUNT]! | 0
    while (lo < hi) {
      const middle = (lo + hi) >> 1
      if (nodes[n + START + middle]! < start) lo = middle + 1
      else hi = middle
    }
    return lo
  }
  #indexOfChild(parent: number, child: number): number {
    const nodes = this.#nodes
    const from = parent * STRIDE + CHILD
    let i = from
    while (nodes[i] !== child) i++
    return i - from
  }
  #makeNode(isLeaf: boolean): number {
    let node = this.#free
    if (node !== NONE) this.#free = this.#parent(node)
    else {
      node = this.#used++
      if (node * STRIDE === this.#nodes.length) {
        const larger = new Float64Array(Math.ceil(node * 1.5) * STRIDE)
        larger.set(this.#nodes)
        this.#nodes = larger
      }
      while (this.#entries.length < (node + 1) * WIDTH) this.#entries.push(null)
    }
    const n = node * STRIDE
    this.#nodes[n + COUNT] = 0
    this.#nodes[n + PARENT] = NONE
    this.#nodes[n + IS_LEAF] = isLeaf ? 1 : 0
    return node
  }
  #freeNode(node: number): void {
    this.#nodes[node * STRIDE + PARENT] = this.#free
    this.#free = node
  }
  /** Puts an item at a place of a node with room: an entry into a leaf, a child into any other. */
  #put(node: number, at: number, start: number, gap: number, entry: VmMapEntry | null, child: number): void {
    const nodes = this.#nodes
    const entries = this.#entries
    const n = node * STRIDE
    const isLeaf = entry !== null
    for (let i = this.#count(node); i > at; i--) {
      nodes[n + START + i] = nodes[n + START + i - 1]!
      nodes[n + GAP + i] = nodes[n + GAP + i - 1]!
      if (isLeaf) entries[node * WIDTH + i] = entries[node * WIDTH + i - 1]!
      else nodes[n + CHILD + i] = nodes[n + CHILD + i - 1]!
    }
    nodes[n + START + at] = start
    nodes[n + GAP + at] = gap
    if (isLeaf) {
      entries[node * WIDTH + at] = entry
      entry.leaf = node
    } else {
      nodes[n + CHILD + at] = child
      nodes[child * STRIDE + PARENT] = node
    }
    nodes[n + COUNT]!++
  }
  #take(node: number, at: number): void {
    const nodes = this.#nodes
    const entries = this.#entries
    const n = node * STRIDE
    const isLeaf = this.#isLeaf(node)
    const last = --nodes[n + COUNT]!
    for (let i = at; i < last; i++) {
      nodes[n + START + i] = nodes[n + START + i + 1]!
      nodes[n + GAP + i] = nodes[n + GAP + i + 1]!
      if (isLeaf) entries[node * WIDTH + i] = entries[node * WIDTH + i + 1]!
      else nodes[n + CHILD + i] = nodes[n + CHILD + i + 1]!
    }
    if (isLeaf) entries[node * WIDTH + last] = null
  }
  /** Moves the items from `at` on behind those of another node of the same kind. */
  #moveTail(node: number, at: number, to: number): void {
    const nodes = this.#nodes
    const n = node * STRIDE
    const isLeaf = this.#isLeaf(node)
    const count = this.#count(node)
    for (let i = at; i < count; i++) {
      const entry = isLeaf ? this.#entries[node * WIDTH + i]! : null
      this.#put(to, this.#count(to), nodes[n + START + i]!, nodes[n + GAP + i]!, entry, this.#child(node, i))
      if (isLeaf) this.#entries[node * WIDTH + i] = null
    }
    nodes[n + COUNT] = at
  }
  #largestGap(node: number): number {
    const nodes = this.#nodes
    const from = node * STRIDE + GAP
    const to = from + this.#count(node)
    let gap = 0
    for (let i = from; i < to; i++) if (nodes[i]! > gap) gap = nodes[i]!
    return gap
  }
  #firstStart(node: number): number {
    return this.#nodes[node * STRIDE + START]!
  }

  /** Puts an item into a node, which is divided if it is full. */
  #insert(node: number, at: number, start: number, gap: number, entry: VmMapEntry | null, child: number): void {
    if (this.#count(node) < WIDTH) {
      this.#put(node, at, start, gap, entry, child)
      this.#summarize(node, 0, gap)
      return
    }
    // Where items come in order most stay together, for the next ones go beside them.
    const middle = at === WIDTH ? WIDTH - SPARSE : at === 0 ? SPARSE : WIDTH / 2
    const right = this.#makeNode(entry !== null)
    this.#moveTail(node, middle, right)
    if (at > middle) this.#put(right, at - middle, start, gap, entry, child)
    else this.#put(node, at, start, gap, entry, child)
    if (this.#parent(node) === NONE) {
      this.#root = this.#makeNode(false)
      this.#put(this.#root, 0, this.#firstStart(node), 0, null, node)
    }
    this.#summarize(node, ANY, 0)
    const parent = this.#parent(node)
    const place = this.#indexOfChild(parent, node) + 1
    this.#insert(parent, place, this.#firstStart(right), this.#largestGap(right), null, right)
  }

  #remove(node: number, at: number): void {
    const gap = this.#nodes[node * STRIDE + GAP + at]!
    this.#take(node, at)
    const parent = this.#parent(node)
    if (parent === NONE) {
      // A root of one child is not needed.
      while (!this.#isLeaf(this.#root) && this.#count(this.#root) === 1) {
        const old = this.#root
        this.#root = this.#child(old, 0)
        this.#freeNode(old)
      }
      this.#nodes[this.#root * STRIDE + PARENT] = NONE
      return
    }
    const place = this.#indexOfChild(parent, node)
    if (this.#count(node) === 0) {
      this.#freeNode(node)
      this.#remove(parent, place)
      return
    }
    this.#summarize(node, gap, 0)
    if (this.#count(node) >= SPARSE) return
    const left = place > 0 ? this.#child(parent, place - 1) : NONE
    const right = place + 1 < this.#count(parent) ? this.#child(parent, place + 1) : NONE
    const most = WIDTH - SPARSE - this.#count(node)
    if (left !== NONE && this.#count(left) <= most) this.#join(left, node, place)
    else if (right !== NONE && this.#count(right) <= most) this.#join(node, right, place + 1)
  }
  #join(left: number, right: number, placeOfRight: number): void {
    this.#moveTail(right, 0, left)
    this.#summarize(left, ANY, 0)
    this.#freeNode(right)
    this.#remove(this.#parent(left), placeOfRight)
  }

  /**
   * Carries the first start and the largest gap of a node upwards, as far as anything changes.
   *
   * @param was  the gap of the item that changed, before (0: it was not there; ANY: more than one changed)
   * @param now  and after (0: it has gone)
   */
  #summarize(from: number, was: number, now: number): void {
    const nodes = this.#nodes
    let node = from
    let before = was
    let after = now
    for (let parent = this.#parent(node); parent !== NONE; parent = this.#parent(node)) {
      const at = parent * STRIDE + this.#indexOfChild(parent, node)
      const start = this.#firstStart(node)
      const old = nodes[at + GAP]!
      // Only where the largest has shrunk must all be looked at.
      const gap = before >= old && after < before ? this.#largestGap(node) : after > old ? after : old
      if (nodes[at + START] === start && old === gap) return
      nodes[at + START] = start
      nodes[at + GAP] = gap
      before = old
      after = gap
      node = parent
    }
  }

  /** Recomputes what nodes say about their items; panics naming the first that is wrong. */
  verify(): void {
    const nodes = this.#nodes
    const visit = (node: number, next: VmMapEntry | null): VmMapEntry | null => {
      const n = node * STRIDE
      const count = this.#count(node)
      kassert(count <= WIDTH && (count > 0 || node === this.#root), 'a node is neither empty nor overfull')
      let expected = next
      for (let i = 0; i < count; i++) {
        if (this.#isLeaf(node)) {
          const entry = this.#entries[node * WIDTH + i]!
          if (entry !== expected || entry.leaf !== node) panic('I1 the tree has the entries of the list, in order')
          if (nodes[n + GAP + i] !== this.#gapBehind(entry)) panic('I10 gaps are correct', entry.start.toString(16))
          if (nodes[n + START + i] !== entry.start)
            panic('the tree knows where an entry starts', entry.start.toString(16))
          expected = entry.next
          continue
        }
        const child = this.#child(node, i)
        if (this.#parent(child) !== node) panic('a node knows its parent')
        if (nodes[n + START + i] !== this.#firstStart(child)) panic('the tree knows where a node starts')
        if (nodes[n + GAP + i] !== this.#largestGap(child)) panic('I10 gap summaries are correct')
        expected = visit(child, expected)
      }
      return expected
    }
    if (visit(this.#root, this.first) !== null) panic('I1 the tree has all entries of the list')
  }
}

// The entries of one map: a doubly linked list in address order, and a B+ tree over the same entries in which every node
// knows the largest gap below it. Look-up, insertion, removal and both searches for space cost O(log n), and few cache
// lines: numbers that are compared lie side by side.
//
//   node       bounds: | start of item 0 … 31 | largest gap of item 0 … 31 |
//              items:  entries in a leaf, nodes above
//
//   root                   [ . . . ]           A start is that of the first entry below, exactly. The gap of an entry is
//                         /    |    \          the free space behind it, up to the next entry or the end of the map.
//   leaves          [ e e ] [ e e e ] [ e ]

import { kassert, panic } from '../../base/index.ts'
import type { VmMapEntry } from './entry.ts'

/** Most items of a node. */
const WIDTH = 32
/** A node with fewer is joined with a neighbour that has room for all. */
const SPARSE = WIDTH / 4
/** No hole: never an address, which is page aligned, of either half. */
const NONE = -1
/** A gap as large as any. */
const ANY = Infinity

/** A node; a leaf has entries, any other has children. */
export class TreeNode {
  readonly isLeaf: boolean
  parent: TreeNode | null = null
  count = 0
  readonly bounds = new Float64Array(2 * WIDTH)
  readonly entries: VmMapEntry[] = []
  readonly children: TreeNode[] = []
  constructor(isLeaf: boolean) {
    this.isLeaf = isLeaf
  }
  /** Puts an item at a place; the caller sets its gap. */
  insert(at: number, start: number, item: VmMapEntry | TreeNode): void {
    const { bounds, count } = this
    for (let i = count; i > at; i--) {
      bounds[i] = bounds[i - 1]!
      bounds[WIDTH + i] = bounds[WIDTH + i - 1]!
    }
    bounds[at] = start
    if (this.isLeaf) {
      shiftIn(this.entries, at, item as VmMapEntry)
      ;(item as VmMapEntry).leaf = this
    } else {
      shiftIn(this.children, at, item as TreeNode)
      ;(item as TreeNode).parent = this
    }
    this.count++
  }
  remove(at: number): void {
    const { bounds, count } = this
    for (let i = at + 1; i < count; i++) {
      bounds[i - 1] = bounds[i]!
      bounds[WIDTH + i - 1] = bounds[WIDTH + i]!
    }
    if (this.isLeaf) shiftOut(this.entries, at)
    else shiftOut(this.children, at)
    this.count--
  }
  /** Moves the items from `at` on behind those of another node of the same kind. */
  moveTail(at: number, to: TreeNode): void {
    for (let i = at; i < this.count; i++) {
      const item = this.isLeaf ? this.entries[i]! : this.children[i]!
      to.insert(to.count, this.bounds[i]!, item)
      to.bounds[WIDTH + to.count - 1] = this.bounds[WIDTH + i]!
    }
    if (this.isLeaf) this.entries.length = at
    else this.children.length = at
    this.count = at
  }
  largestGap(): number {
    const { bounds, count } = this
    let gap = 0
    for (let i = WIDTH; i < WIDTH + count; i++) if (bounds[i]! > gap) gap = bounds[i]!
    return gap
  }
}
function shiftIn<T>(items: T[], at: number, item: T): void {
  items.push(item)
  for (let i = items.length - 1; i > at; i--) items[i] = items[i - 1]!
  items[at] = item
}
function shiftOut<T>(items: T[], at: number): void {
  for (let i = at + 1; i < items.length; i++) items[i - 1] = items[i]!
  items.pop()
}

export class EntryTree {
  #root = new TreeNode(true)
  first: VmMapEntry | null = null
  last: VmMapEntry | null = null
  count = 0
  readonly min: number
  max: number

  constructor(min: number, max: number) {
    this.min = min
    this.max = max
  }

  /** The last entry that starts at or before `va`, or null. */
  floor(va: number): VmMapEntry | null {
    let node = this.#root
    for (;;) {
      const { bounds } = node
      // The first item of a node that was chosen above starts at or before `va`; only the root must be asked.
      let lo = 0
      let hi = node.count
      while (lo < hi) {
        const middle = (lo + hi) >> 1
        if (bounds[middle]! <= va) lo = middle + 1
        else hi = middle
      }
      if (lo === 0) return null
      if (node.isLeaf) return node.entries[lo - 1]!
      node = node.children[lo - 1]!
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
    let leaf = prev === null ? (next === null ? this.#root : next.leaf!) : prev.leaf!
    let at = prev === null ? 0 : leaf.entries.indexOf(prev) + 1
    if (leaf.count === WIDTH && at === WIDTH && next !== null && next.leaf!.count < WIDTH) {
      leaf = next.leaf!
      at = 0
    }
    this.#insert(leaf, at, entry.start, this.#gapBehind(entry), entry)
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
    const leaf = entry.leaf!
    this.#remove(leaf, leaf.entries.indexOf(entry))
    entry.leaf = entry.prev = entry.next = null
  }

  /** The bounds of an entry, or of what follows it, moved: its gap and the summaries above it are recomputed. */
  changed(entry: VmMapEntry): void {
    const leaf = entry.leaf!
    const at = leaf.entries.indexOf(entry)
    const gap = this.#gapBehind(entry)
    const old = leaf.bounds[WIDTH + at]!
    if (old === gap && leaf.bounds[at] === entry.start) return
    leaf.bounds[at] = entry.start
    leaf.bounds[WIDTH + at] = gap
    this.#summarize(leaf, old, gap)
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

  #highest(node: TreeNode, size: number, low: number, high: number): boolean {
    const { bounds } = node
    for (let i = node.count - 1; i >= 0; i--) {
      const start = bounds[i]!
      if (start < high && bounds[WIDTH + i]! >= size) {
        if (
          node.isLeaf ? this.#clipBehind(node, i, size, low, high) : this.#highest(node.children[i]!, size, low, high)
        )
          return true
      }
      if (start <= low) return false
    }
    return false
  }
  #lowest(node: TreeNode, size: number, low: number, high: number): boolean {
    const { bounds, count } = node
    for (let i = 0; i < count && bounds[i]! < high; i++) {
      // What lies in front of the next item ends where that begins.
      if (bounds[WIDTH + i]! < size || (i + 1 < count && bounds[i + 1]! <= low)) continue
      if (node.isLeaf ? this.#clipBehind(node, i, size, low, high) : this.#lowest(node.children[i]!, size, low, high))
        return true
    }
    return false
  }
  #clipFront(size: number, low: number, high: number): boolean {
    return this.#clip(this.min, this.first === null ? this.max : this.first.start, this.first, size, low, high)
  }
  #clipBehind(leaf: TreeNode, i: number, size: number, low: number, high: number): boolean {
    const { end, next } = leaf.entries[i]!
    return this.#clip(end, end + leaf.bounds[WIDTH + i]!, next, size, low, high)
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

  /** Puts an item into a node, which is divided if it is full. */
  #insert(node: TreeNode, at: number, start: number, gap: number, item: VmMapEntry | TreeNode): void {
    if (node.count < WIDTH) {
      node.insert(at, start, item)
      node.bounds[WIDTH + at] = gap
      this.#summarize(node, 0, gap)
      return
    }
    // Where items come in order most stay together, for the next ones go beside them.
    const middle = at === WIDTH ? WIDTH - SPARSE : at === 0 ? SPARSE : WIDTH / 2
    const right = new TreeNode(node.isLeaf)
    node.moveTail(middle, right)
    const isRight = at > middle
    const target = isRight ? right : node
    const place = isRight ? at - middle : at
    target.insert(place, start, item)
    target.bounds[WIDTH + place] = gap
    if (node.parent === null) {
      const root = new TreeNode(false)
      root.insert(0, node.bounds[0]!, node)
      this.#root = root
    }
    this.#summarize(node, ANY, 0)
    const parent = node.parent!
    this.#insert(parent, parent.children.indexOf(node) + 1, right.bounds[0]!, right.largestGap(), right)
  }

  #remove(node: TreeNode, at: number): void {
    const gap = node.bounds[WIDTH + at]!
    node.remove(at)
    const { parent } = node
    if (parent === null) {
      // A root of one child is not needed.
      while (!this.#root.isLeaf && this.#root.count === 1) this.#root = this.#root.children[0]!
      this.#root.parent = null
      return
    }
    const place = parent.children.indexOf(node)
    if (node.count === 0) {
      this.#remove(parent, place)
      return
    }
    this.#summarize(node, gap, 0)
    if (node.count >= SPARSE) return
    const left = place > 0 ? parent.children[place - 1]! : null
    const right = place + 1 < parent.count ? parent.children[place + 1]! : null
    if (left !== null && left.count + node.count <= WIDTH - SPARSE) this.#join(left, node, place)
    else if (right !== null && right.count + node.count <= WIDTH - SPARSE) this.#join(node, right, place + 1)
  }
  #join(left: TreeNode, right: TreeNode, placeOfRight: number): void {
    right.moveTail(0, left)
    this.#summarize(left, ANY, 0)
    this.#remove(left.parent!, placeOfRight)
  }

  /**
   * Carries the first start and the largest gap of a node upwards, as far as anything changes.
   *
   * @param was  the gap of the item that changed, before (0: it was not there; ANY: more than one changed)
   * @param now  and after (0: it has gone)
   */
  #summarize(from: TreeNode, was: number, now: number): void {
    let node = from
    let before = was
    let after = now
    for (let { parent } = node; parent !== null; parent = node.parent) {
      const at = parent.children.indexOf(node)
      const start = node.bounds[0]!
      const old = parent.bounds[WIDTH + at]!
      // Only where the largest has shrunk must all be looked at.
      const gap = before >= old && after < before ? node.largestGap() : after > old ? after : old
      if (parent.bounds[at] === start && old === gap) return
      parent.bounds[at] = start
      parent.bounds[WIDTH + at] = gap
      before = old
      after = gap
      node = parent
    }
  }

  /** Recomputes what nodes say about their items; panics naming the first that is wrong. */
  verify(): void {
    const visit = (node: TreeNode, next: VmMapEntry | null): VmMapEntry | null => {
      kassert(node.count <= WIDTH && (node.count > 0 || node === this.#root), 'a node is neither empty nor overfull')
      kassert(node.count === (node.isLeaf ? node.entries : node.children).length, 'a node counts its items')
      let expected = next
      for (let i = 0; i < node.count; i++) {
        if (node.isLeaf) {
          const entry = node.entries[i]!
          if (entry !== expected || entry.leaf !== node) panic('I1 the tree has the entries of the list, in order')
          if (node.bounds[WIDTH + i] !== this.#gapBehind(entry)) panic('I10 gaps are correct', entry.start.toString(16))
          if (node.bounds[i] !== entry.start) panic('the tree knows where an entry starts', entry.start.toString(16))
          expected = entry.next
          continue
        }
        const child = node.children[i]!
        if (child.parent !== node) panic('a node knows its parent')
        if (node.bounds[i] !== child.bounds[0]) panic('the tree knows where a node starts')
        if (node.bounds[WIDTH + i] !== child.largestGap()) panic('I10 gap summaries are correct')
        expected = visit(child, expected)
      }
      return expected
    }
    if (visit(this.#root, this.first) !== null) panic('I1 the tree has all entries of the list')
  }
}

// A 64-way radix tree from page index (0 … 2^52-1) to a non-zero number, with tags summarised upward.
//
//   node n owns slots[64n .. 64n+63]: at level 0 values, above the numbers of child nodes (0 = absent)
//   tagBits[(3n + tag) * 2 + half]   bit s of 64: slot s, or something below it, carries the tag
//   count[n]                         occupied slots, so that an emptied node is given back
//
// The tree grows upward only as far as the largest index needs, so a one-page file costs one node.

const SLOTS = 64
const TAGS = 3

export class RadixTree {
  size = 0
  #slots = new Float64Array(SLOTS * 2)
  #tagBits = new Uint32Array(TAGS * 2 * 2)
  #count = new Uint8Array(2)
  #free: number[] = []
  #used = 1
  #root = 0
  #height = 0 // levels in use; 0 = empty

  /** The value at `index`, or 0. */
  get(index: number): number {
    if (this.#height === 0 || index >= 64 ** this.#height) return 0
    let node = this.#root
    for (let level = this.#height - 1; level > 0; level--) {
      node = this.#slots[node * SLOTS + digit(index, level)]!
      if (node === 0) return 0
    }
    return this.#slots[node * SLOTS + digit(index, 0)]!
  }

  /** Stores `value` (not 0) at `index`; returns what was there. Tags of the slot are kept. */
  set(index: number, value: number): number {
    if (this.#height === 0) {
      this.#root = this.#newNode()
      this.#height = 1
    }
    while (index >= 64 ** this.#height) {
      const above = this.#newNode()
      this.#slots[above * SLOTS] = this.#root
      this.#count[above] = 1
      for (let tag = 0; tag < TAGS; tag++) if (this.#anyTag(this.#root, tag)) this.#putTag(above, tag, 0, true)
      this.#root = above
      this.#height++
    }
    let node = this.#root
    for (let level = this.#height - 1; level > 0; level--) {
      const at = node * SLOTS + digit(index, level)
      let child = this.#slots[at]!
      if (child === 0) {
        child = this.#newNode()
        this.#slots[at] = child
        this.#count[node] = this.#count[node]! + 1
      }
      node = child
    }
    const at = node * SLOTS + digit(index, 0)
    const old = this.#slots[at]!
    this.#slots[at] = value
    if (old === 0) {
      this.#count[node] = this.#count[node]! + 1
      this.size++
    }
    return old
  }

  /** Removes `index` and its tags; returns the value that was there, or 0. */
  delete(index: number): number {
    if (this.get(index) === 0) return 0
    for (let tag = 0; tag < TAGS; tag++) this.clearTag(index, tag)
    const old = this.#deleteBelow(this.#root, this.#height - 1, index)
    this.size--
    if (this.#count[this.#root] === 0) {
      this.#freeNode(this.#root)
      this.#height = 0
      this.#root = 0
    }
    return old
  }

  /** The first occupied index at or after `from`, or -1. */
  next(from: number): number {
    return this.#height === 0 ? -1 : this.#nextBelow(this.#root, this.#height - 1, from, -1, 0)
  }
  /** The first index at or after `from` that carries `tag`, or -1. */
  nextTagged(from: number, tag: number): number {
    return this.#height === 0 ? -1 : this.#nextBelow(this.#root, this.#height - 1, from, tag, 0)
  }

  /** Sets `tag` on an occupied index. */
  setTag(index: number, tag: number): void {
    let node = this.#root
    for (let level = this.#height - 1; level >= 0; level--) {
      this.#putTag(node, tag, digit(index, level), true)
      node = this.#slots[node * SLOTS + digit(index, level)]!
    }
  }
  hasTag(index: number, tag: number): boolean {
    if (this.#height === 0 || index >= 64 ** this.#height) return false
    let node = this.#root
    for (let level = this.#height - 1; level > 0; level--) {
      if (!this.#getTag(node, tag, digit(index, level))) return false
      node = this.#slots[node * SLOTS + digit(index, level)]!
    }
    return this.#getTag(node, tag, digit(index, 0))
  }
  clearTag(index: number, tag: number): void {
    if (!this.hasTag(index, tag)) return
    this.#clearTagBelow(this.#root, this.#height - 1, index, tag)
  }

  #clearTagBelow(node: number, level: number, index: number, tag: number): void {
    const slot = digit(index, level)
    if (level > 0) {
      const child = this.#slots[node * SLOTS + slot]!
      this.#clearTagBelow(child, level - 1, index, tag)
      if (this.#anyTag(child, tag)) return
    }
    this.#putTag(node, tag, slot, false)
  }
  #deleteBelow(node: number, level: number, index: number): number {
    const at = node * SLOTS + digit(index, level)
    const inside = this.#slots[at]!
    let old = inside
    if (level > 0) {
      old = this.#deleteBelow(inside, level - 1, index)
      if (this.#count[inside]! > 0) return old
      this.#freeNode(inside)
    }
    this.#slots[at] = 0
    this.#count[node] = this.#count[node]! - 1
    return old
  }
  #nextBelow(node: number, level: number, from: number, tag: number, base: number): number {
    const span = 64 ** level
    let slot = from <= base ? 0 : Math.floor((from - base) / span)
    for (; slot < SLOTS; slot++) {
      const inside = this.#slots[node * SLOTS + slot]!
      if (inside === 0 || (tag >= 0 && !this.#getTag(node, tag, slot))) continue
      const start = base + slot * span
      if (level === 0) return start
      const found = this.#nextBelow(inside, level - 1, from, tag, start)
      if (found >= 0) return found
    }
    return -1
  }
  #getTag(node: number, tag: number, slot: number): boolean {
    return (this.#tagBits[(node * TAGS + tag) * 2 + (slot >> 5)]! & (1 << (slot & 31))) !== 0
  }
  #putTag(node: number, tag: number, slot: number, on: boolean): void {
    const word = (node * TAGS + tag) * 2 + (slot >> 5)
    const bit = 1 << (slot & 31)
    this.#tagBits[word] = on ? this.#tagBits[word]! | bit : this.#tagBits[word]! & ~bit
  }
  #anyTag(node: number, tag: number): boolean {
    const word = (node * TAGS + tag) * 2
    return (this.#tagBits[word]! | this.#tagBits[word + 1]!) !== 0
  }
  #newNode(): number {
    const reused = this.#free.pop()
    if (reused !== undefined) return reused
    const node = this.#used++
    if (node * SLOTS >= this.#slots.length) {
      const capacity = this.#slots.length / SLOTS
      this.#slots = grown(this.#slots, new Float64Array(capacity * 2 * SLOTS))
      this.#tagBits = grown(this.#tagBits, new Uint32Array(capacity * 2 * TAGS * 2))
      this.#count = grown(this.#count, new Uint8Array(capacity * 2))
    }
    return node
  }
  #freeNode(node: number): void {
    this.#slots.fill(0, node * SLOTS, node * SLOTS + SLOTS)
    this.#tagBits.fill(0, node * TAGS * 2, node * TAGS * 2 + TAGS * 2)
    this.#count[node] = 0
    this.#free.push(node)
  }
}

function digit(index: number, level: number): number {
  return level === 0 && index < 2147483648 ? index & 63 : Math.floor(index / 64 ** level) % 64
}
function grown<T extends Float64Array | Uint32Array | Uint8Array>(old: T, bigger: T): T {
  bigger.set(old)
  return bigger
}

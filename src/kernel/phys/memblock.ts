import { panic, ENOMEM, type Err } from '../../base/index.ts'
import { SMP_CACHE_BYTES } from './configuration.ts'

// Boot-time memory: two sorted arrays of byte ranges (physical specification, 1.2).
//
//   memory    [....node 0....][....node 0, hotplug....]      [....node 1....]
//   reserved       [kernel]          [initrd]           [a hole may be reserved too]
//   free      [...]        [..][.....]                        [...............]
//
// Addresses are bigints here and nowhere else: ranges may end at 2^64 - 1, and this code runs once.

export type Address = number | bigint

export const PHYS_ADDR_MAX = 2n ** 64n - 1n
export const MEMBLOCK_ALLOC_ANYWHERE = PHYS_ADDR_MAX
export const MEMBLOCK_HOTPLUG = 1
export const NUMA_NO_NODE = -1
const INITIAL_REGIONS = 128
const REGION_BYTES = 32n
const PAGE = 4096n

export interface MemblockRegion {
  base: bigint
  size: bigint
  flags: number
  nid: number
}
/** A whole-page range of one node, [start, end) in pfns. */
export interface PfnRange {
  readonly start: number
  readonly end: number
  readonly nid: number
}
export interface ByteRange {
  readonly base: bigint
  readonly end: bigint
  readonly nid: number
}

const big = (x: Address): bigint => BigInt(x)
const end = (r: MemblockRegion): bigint => r.base + r.size
const roundDown = (x: bigint, align: bigint): bigint => x - (x % align)
const roundUp = (x: bigint, align: bigint): bigint => roundDown(x + align - 1n, align)
const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** Regions sorted by base, disjoint; neighbours that touch differ in node or flags. */
export class MemblockType {
  readonly name: 'memory' | 'reserved'
  regions: MemblockRegion[] = []
  max = INITIAL_REGIONS
  totalSize = 0n
  /** The array has left its static home and lives in this reserved range. */
  home: { base: bigint; size: bigint } | null = null
  constructor(name: 'memory' | 'reserved') {
    this.name = name
  }
  /** 0 for the empty array, which the era represents by one dummy region. */
  get regionCount(): number {
    return this.regions.length
  }
}

export interface MemblockOptions {
  /** Node id of regions whose node is unknown; also the filter value "all nodes". */
  readonly maxNumNodes?: number
  readonly cacheBytes?: number
  /** Set to fill a range that an allocation returns with zeros. */
  readonly zeroFill?: (base: number, size: number) => void
  readonly warn?: (text: string) => void
}

export class Memblock {
  readonly memory = new MemblockType('memory')
  readonly reserved = new MemblockType('reserved')
  readonly maxNumNodes: number
  readonly cacheBytes: bigint
  bottomUp = false
  /** Bottom-up searches start behind the kernel image; 0 lets them start anywhere. */
  kernelEnd = 0n
  currentLimit = MEMBLOCK_ALLOC_ANYWHERE
  canResize = false
  /** Hotplug regions are not handed out. */
  movableNode = false
  /** After this, allocations warn: they should have used the slab. */
  isSlabUp = false
  zeroFill: ((base: number, size: number) => void) | null
  readonly #warn: (text: string) => void
  readonly #warned = new Set<string>()

  constructor(options: MemblockOptions = {}) {
    this.maxNumNodes = options.maxNumNodes ?? 64
    this.cacheBytes = BigInt(options.cacheBytes ?? SMP_CACHE_BYTES)
    this.zeroFill = options.zeroFill ?? null
    this.#warn = options.warn ?? (() => {})
  }

  // Ranges

  /** Registers RAM whose node is not known yet. @manual memblock_add */
  add(base: Address, size: Address): 0 | Err {
    return this.#addRange(this.memory, big(base), big(size), this.maxNumNodes, 0)
  }
  /** Registers RAM of a node. Parts already covered keep their node. */
  addNode(base: Address, size: Address, nid: number, flags = 0): 0 | Err {
    return this.#addRange(this.memory, big(base), big(size), nid, flags)
  }
  /** Withholds a range, whether it is RAM or not. */
  reserve(base: Address, size: Address): 0 | Err {
    return this.#addRange(this.reserved, big(base), big(size), this.maxNumNodes, 0)
  }
  /** Forgets RAM; absent parts are no error. */
  remove(base: Address, size: Address): 0 | Err {
    return this.#removeRange(this.memory, big(base), big(size))
  }
  /** Gives up a reservation; absent parts are no error. */
  free(base: Address, size: Address): 0 | Err {
    return this.#removeRange(this.reserved, big(base), big(size))
  }
  setNode(base: Address, size: Address, type: MemblockType, nid: number): 0 | Err {
    return this.#change(type, big(base), big(size), (r) => (r.nid = nid))
  }
  markHotplug(base: Address, size: Address): 0 | Err {
    return this.#change(this.memory, big(base), big(size), (r) => (r.flags |= MEMBLOCK_HOTPLUG))
  }
  clearHotplug(base: Address, size: Address): 0 | Err {
    return this.#change(this.memory, big(base), big(size), (r) => (r.flags &= ~MEMBLOCK_HOTPLUG))
  }

  /** Rounds every memory region inwards to `align`; empty ones go. */
  trimMemory(align: Address): void {
    const a = big(align)
    for (const r of this.memory.regions.slice()) {
      const from = roundUp(r.base, a)
      const to = roundDown(end(r), a)
      if (from < to) {
        this.memory.totalSize -= r.size - (to - from)
        r.base = from
        r.size = to - from
      } else this.#delete(this.memory, r)
    }
  }
  /** Removes, from both arrays, everything above the address below which exactly `limit` bytes of RAM lie. */
  enforceMemoryLimit(limit: Address): void {
    let left = big(limit)
    if (left === 0n) return
    for (const r of this.memory.regions) {
      if (left < r.size) {
        const cut = r.base + left
        this.#removeRange(this.memory, cut, PHYS_ADDR_MAX - cut)
        this.#removeRange(this.reserved, cut, PHYS_ADDR_MAX - cut)
        return
      }
      left -= r.size
    }
  }

  // Questions

  get physMemSize(): bigint {
    return this.memory.totalSize
  }
  /** Bytes of whole pages of memory below a pfn. */
  memSize(limitPfn: number): number {
    let pages = 0
    for (const r of this.memPfnRanges()) pages += Math.max(0, Math.min(r.end, limitPfn) - Math.min(r.start, limitPfn))
    return pages * 4096
  }
  get startOfDram(): bigint {
    return this.memory.regions.length === 0 ? 0n : this.memory.regions[0]!.base
  }
  get endOfDram(): bigint {
    return this.memory.regions.length === 0 ? 0n : end(this.memory.regions[this.memory.regions.length - 1]!)
  }
  isMemory(address: Address): boolean {
    return this.#search(this.memory, big(address)) >= 0
  }
  isReserved(address: Address): boolean {
    return this.#search(this.reserved, big(address)) >= 0
  }
  /** True only if one single region contains it all. */
  isRegionMemory(base: Address, size: Address): boolean {
    const i = this.#search(this.memory, big(base))
    return i >= 0 && end(this.memory.regions[i]!) >= big(base) + this.#cap(big(base), big(size))
  }
  isRegionReserved(base: Address, size: Address): boolean {
    return this.overlapsRegion(this.reserved, base, size)
  }
  /** True if the range shares a byte with a region. */
  overlapsRegion(type: MemblockType, base: Address, size: Address): boolean {
    const from = big(base)
    const to = from + this.#cap(from, big(size))
    return type.regions.some((r) => from < end(r) && r.base < to)
  }
  /** The memory region that contains a pfn: its node and its bounds in pfns, or null. */
  searchPfnNid(pfn: number): PfnRange | null {
    const i = this.#search(this.memory, BigInt(pfn) * PAGE)
    if (i < 0) return null
    const r = this.memory.regions[i]!
    return { start: Number(r.base / PAGE), end: Number(end(r) / PAGE), nid: r.nid }
  }

  // Iteration

  /** Whole-page ranges of memory, ascending; `nid` maxNumNodes for all. @manual for_each_mem_pfn_range */
  *memPfnRanges(nid: number = this.maxNumNodes): Generator<PfnRange> {
    for (const r of this.memory.regions) {
      if (nid !== this.maxNumNodes && r.nid !== nid) continue
      const start = Number((r.base + PAGE - 1n) / PAGE)
      const stop = Number(end(r) / PAGE)
      if (start < stop) yield { start, end: stop, nid: r.nid }
    }
  }
  /** Memory minus reserved, ascending, split where the region changes. @manual for_each_free_mem_range */
  *freeRanges(nid: number = NUMA_NO_NODE): Generator<ByteRange> {
    yield* this.#free(nid)
  }
  *freeRangesReverse(nid: number = NUMA_NO_NODE): Generator<ByteRange> {
    yield* this.#free(nid).toReversed()
  }

  // Allocation

  /**
   * An aligned free range of `size` bytes inside [start, limit), not reserved by this call.
   *
   * @param limit  0 means currentLimit
   * @returns      its address, 0n if there is none (page 0 is never handed out)
   */
  findInRangeNode(size: Address, align: Address, start: Address, limit: Address, nid: number = NUMA_NO_NODE): bigint {
    const bytes = big(size)
    const step = greater(big(align), 1n)
    const low = greater(big(start), PAGE)
    const high = greater(big(limit) === 0n ? this.currentLimit : big(limit), low)
    if (this.bottomUp && high > this.kernelEnd) {
      const found = this.#findUp(bytes, step, greater(low, this.kernelEnd), high, nid)
      if (found !== 0n) return found
      this.#warnOnce('memblock: bottom-up allocation failed, memory hotremove may be affected')
    }
    return this.#findDown(bytes, step, low, high, nid)
  }
  find(size: Address, align: Address, start: Address = 0, limit: Address = 0): bigint {
    return this.findInRangeNode(size, align, start, limit, NUMA_NO_NODE)
  }

  /** Finds and reserves; 0n on failure. */
  allocRange(size: Address, align: Address, start: Address, limit: Address, nid: number = NUMA_NO_NODE): bigint {
    this.#slabCheck()
    const step = big(align) === 0n ? this.cacheBytes : big(align)
    const found = this.findInRangeNode(size, step, start, limit, nid)
    if (found === 0n || this.reserve(found, size) !== 0) return 0n
    return found
  }
  /** On the node or not at all. */
  allocNid(size: Address, align: Address, nid: number): bigint {
    return this.allocRange(size, align, 0, 0, nid)
  }
  /** On the node, else anywhere, else the machine stops. */
  allocPhysTryNid(size: Address, align: Address, nid: number): bigint {
    const found = this.allocNid(size, align, nid)
    return found !== 0n ? found : this.allocBase(size, align, MEMBLOCK_ALLOC_ANYWHERE)
  }
  /** Below `limit`, else the machine stops. */
  allocBase(size: Address, align: Address, limit: Address): bigint {
    const found = this.allocRange(size, align, 0, limit)
    if (found === 0n) panic('boot memory suffices', `memblock: cannot allocate ${size} bytes below ${limit}`)
    return found
  }

  /**
   * The allocation the kernel uses before the slab: node inside [low, high), any node inside it, then the same
   * two without the minimum. Zero filled.
   *
   * @returns 0n on failure
   */
  allocTryNidNopanic(size: Address, align: Address, low: Address, high: Address, nid: number): bigint {
    return this.#zeroed(this.allocTryNidRaw(size, align, low, high, nid), size)
  }
  /** The same, and failing stops the machine. */
  virtAllocTryNid(size: Address, align: Address, low: Address, high: Address, nid: number): bigint {
    const found = this.allocTryNidNopanic(size, align, low, high, nid)
    if (found === 0n) panic('boot memory suffices', `memblock: cannot allocate ${size} bytes`)
    return found
  }
  allocTryNid(size: Address, align: Address, low: Address, high: Address, nid: number): bigint {
    return this.allocTryNidNopanic(size, align, low, high, nid)
  }
  allocTryNidRaw(size: Address, align: Address, low: Address, high: Address, nid: number): bigint {
    return this.#allocInternal(big(size), big(align), big(low), big(high), nid, false)
  }
  /** Never leaves the node, still drops the minimum. */
  allocExactNidRaw(size: Address, align: Address, low: Address, high: Address, nid: number): bigint {
    return this.#allocInternal(big(size), big(align), big(low), big(high), nid, true)
  }
  alloc(size: Address, align: Address): bigint {
    return this.allocTryNid(size, align, 0, 0, NUMA_NO_NODE)
  }
  allocRaw(size: Address, align: Address): bigint {
    return this.allocTryNidRaw(size, align, 0, 0, NUMA_NO_NODE)
  }
  allocFrom(size: Address, align: Address, low: Address): bigint {
    return this.allocTryNid(size, align, low, 0, NUMA_NO_NODE)
  }
  allocNode(size: Address, align: Address, nid: number): bigint {
    return this.allocTryNid(size, align, 0, 0, nid)
  }

  // Texts

  /** The debug files "memory" and "reserved": one line a region, last address inclusive. */
  debugText(type: MemblockType): string {
    const hex = (x: bigint): string => `0x${x.toString(16).padStart(16, '0')}`
    return type.regions.map((r, i) => `${String(i).padStart(4)}: ${hex(r.base)}..${hex(end(r) - 1n)}\n`).join('')
  }

  // Inside

  #cap(base: bigint, size: bigint): bigint {
    return lesser(size, PHYS_ADDR_MAX - base)
  }
  #search(type: MemblockType, address: bigint): number {
    let low = 0
    let high = type.regions.length
    while (low < high) {
      const mid = (low + high) >> 1
      const r = type.regions[mid]!
      if (address < r.base) high = mid
      else if (address >= end(r)) low = mid + 1
      else return mid
    }
    return -1
  }

  /** Inserts the parts of [base, base+size) that are not covered yet. */
  #addRange(type: MemblockType, base: bigint, givenSize: bigint, nid: number, flags: number): 0 | Err {
    const size = this.#cap(base, givenSize)
    if (size === 0n) return 0
    // 1. the uncovered parts, 2. room for them, 3. insert and merge. Growing may add to `type` itself.
    let parts = this.#uncovered(type, base, base + size)
    while (type.regions.length + parts.length > type.max) {
      if (!this.#grow(type, base, size)) return ENOMEM
      parts = this.#uncovered(type, base, base + size)
    }
    for (const [from, to] of parts) this.#insert(type, { base: from, size: to - from, flags, nid })
    this.#merge(type)
    return 0
  }
  #uncovered(type: MemblockType, from: bigint, to: bigint): [bigint, bigint][] {
    const parts: [bigint, bigint][] = []
    let at = from
    for (const r of type.regions) {
      if (r.base >= to) break
      if (end(r) <= at) continue
      if (r.base > at) parts.push([at, r.base])
      at = end(r)
    }
    if (at < to) parts.push([at, to])
    return parts
  }
  #insert(type: MemblockType, region: MemblockRegion): void {
    let i = type.regions.length
    while (i > 0 && type.regions[i - 1]!.base > region.base) i--
    type.regions.splice(i, 0, region)
    type.totalSize += region.size
  }
  #delete(type: MemblockType, region: MemblockRegion): void {
    type.regions.splice(type.regions.indexOf(region), 1)
    type.totalSize -= region.size
  }
  #merge(type: MemblockType): void {
    const merged: MemblockRegion[] = []
    for (const r of type.regions) {
      const last = merged[merged.length - 1]
      if (last !== undefined && end(last) === r.base && last.nid === r.nid && last.flags === r.flags)
        last.size += r.size
      else merged.push(r)
    }
    type.regions = merged
  }

  /** Splits regions so that none crosses either end; answers those inside, or null without room. */
  #isolate(type: MemblockType, base: bigint, givenSize: bigint): MemblockRegion[] | null {
    const to = base + this.#cap(base, givenSize)
    if (base === to) return []
    while (type.regions.length + 2 > type.max) if (!this.#grow(type, base, givenSize)) return null
    for (const cut of [base, to]) {
      const i = type.regions.findIndex((r) => r.base < cut && cut < end(r))
      if (i < 0) continue
      const r = type.regions[i]!
      type.regions.splice(i + 1, 0, { base: cut, size: end(r) - cut, flags: r.flags, nid: r.nid })
      r.size = cut - r.base
    }
    return type.regions.filter((r) => r.base >= base && end(r) <= to)
  }
  #removeRange(type: MemblockType, base: bigint, size: bigint): 0 | Err {
    const inside = this.#isolate(type, base, size)
    if (inside === null) return ENOMEM
    for (const r of inside) this.#delete(type, r)
    return 0
  }
  #change(type: MemblockType, base: bigint, size: bigint, edit: (r: MemblockRegion) => void): 0 | Err {
    const inside = this.#isolate(type, base, size)
    if (inside === null) return ENOMEM
    inside.forEach(edit)
    this.#merge(type)
    return 0
  }

  /**
   * Doubles an array. Its new home comes from memblock itself and is reserved; when it is `reserved` that grows,
   * the home avoids the range about to be reserved (searched above it first, then below).
   */
  #grow(type: MemblockType, newBase: bigint, newSize: bigint): boolean {
    if (!this.canResize) return false
    const bytes = roundUp(BigInt(type.max) * 2n * REGION_BYTES, PAGE)
    let home = 0n
    if (type === this.reserved) {
      home = this.findInRangeNode(bytes, PAGE, newBase + this.#cap(newBase, newSize), this.currentLimit)
      if (home === 0n) home = this.findInRangeNode(bytes, PAGE, 0, lesser(newBase, this.currentLimit))
    } else home = this.findInRangeNode(bytes, PAGE, 0, this.currentLimit)
    if (home === 0n) {
      this.#warn(`memblock: Failed to double ${type.name} array from ${type.max} to ${type.max * 2} entries !`)
      return false
    }
    const old = type.home
    type.max *= 2
    type.home = { base: home, size: bytes }
    if (old !== null) this.free(old.base, old.size)
    this.reserve(home, bytes)
    return true
  }

  #free(givenNid: number): ByteRange[] {
    let nid = givenNid
    if (nid === this.maxNumNodes) {
      this.#warnOnce('Usage of MAX_NUMNODES is deprecated. Use NUMA_NO_NODE instead')
      nid = NUMA_NO_NODE
    }
    const free: ByteRange[] = []
    for (const m of this.memory.regions) {
      if (nid !== NUMA_NO_NODE && m.nid !== nid) continue
      if (this.movableNode && (m.flags & MEMBLOCK_HOTPLUG) !== 0) continue
      for (const [base, to] of this.#uncovered(this.reserved, m.base, end(m))) free.push({ base, end: to, nid: m.nid })
    }
    return free
  }
  #findUp(size: bigint, align: bigint, low: bigint, high: bigint, nid: number): bigint {
    for (const area of this.#free(nid)) {
      const from = lesser(greater(area.base, low), high)
      const to = lesser(greater(area.end, low), high)
      const candidate = roundUp(from, align)
      if (candidate < to && to - candidate >= size) return candidate
    }
    return 0n
  }
  #findDown(size: bigint, align: bigint, low: bigint, high: bigint, nid: number): bigint {
    for (const area of this.#free(nid).toReversed()) {
      const from = lesser(greater(area.base, low), high)
      const to = lesser(greater(area.end, low), high)
      if (to < size) continue
      const candidate = roundDown(to - size, align)
      if (candidate >= from) return candidate
    }
    return 0n
  }
  #allocInternal(size: bigint, align: bigint, low: bigint, givenHigh: bigint, nid: number, exact: boolean): bigint {
    this.#slabCheck()
    const high = givenHigh === 0n ? this.currentLimit : lesser(givenHigh, this.currentLimit)
    const step = align === 0n ? this.cacheBytes : align
    const node = nid === this.maxNumNodes ? NUMA_NO_NODE : nid
    for (const minimum of low === 0n ? [0n] : [low, 0n]) {
      let found = this.findInRangeNode(size, step, minimum, high, node)
      if (found === 0n && node !== NUMA_NO_NODE && !exact)
        found = this.findInRangeNode(size, step, minimum, high, NUMA_NO_NODE)
      if (found !== 0n) return this.reserve(found, size) === 0 ? found : 0n
    }
    return 0n
  }
  #zeroed(base: bigint, size: Address): bigint {
    if (base !== 0n) this.zeroFill?.(Number(base), Number(size))
    return base
  }
  #slabCheck(): void {
    if (this.isSlabUp) this.#warnOnce('memblock allocation after the slab is up')
  }
  #warnOnce(text: string): void {
    if (this.#warned.has(text)) return
    this.#warned.add(text)
    this.#warn(text)
  }
}

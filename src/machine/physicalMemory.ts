// Simulated RAM: byte-accurate, sparse, in one buffer (DESIGN.md, decision 1).
//
//   physical address   45          27 26        21 20     12 11      0
//                     +--------------+------------+---------+---------+
//                     |   section    |  granule   |  frame  |  byte   |
//                     +--------------+------------+---------+---------+
//   section (128 MiB) -> its 64 slots in `granules` -> number of a 2 MiB granule of the buffer.
//
// A granule gets its place in the buffer when it is first touched, in the order of touching. It never moves and is
// never given back, so a byte offset once handed out (a TLB entry, a cached page-table page) stays right for ever.

import { GiB, kassert, MiB, PAGE_SIZE } from '../base/index.ts'

/** Bytes [start, end) of RAM; both multiples of 4096. */
export interface RamRange {
  readonly start: number
  readonly end: number
}

/** Physical addresses are below this. */
export const PHYSICAL_LIMIT = 2 ** 46
export const GRANULE_BYTES = 2 * MiB
/** What one WebAssembly.Memory can hold. */
export const BACKING_LIMIT = 4 * GiB

const FRAMES_PER_GRANULE = GRANULE_BYTES / PAGE_SIZE
const SECTION_BYTES = 2 ** 27
const FRAMES_PER_SECTION = SECTION_BYTES / PAGE_SIZE
const GRANULES_PER_SECTION = SECTION_BYTES / GRANULE_BYTES
const WASM_PAGE = 65536

// Slots that hold no granule number.
const NOT_BACKED = -1
const NO_RAM = -2
/** Some frames of the granule are RAM and some are not: the cold path asks isRam. */
const PARTIAL = -3

// The compiler settings of src/ know no host; this is the one host object the machine is made of.
interface WasmMemory {
  readonly buffer: ArrayBuffer
}
interface WasmHost {
  readonly WebAssembly: { readonly Memory: new (d: { initial: number; maximum: number }) => WasmMemory }
}

/** All RAM of one machine. Page tables live in it; nothing else holds guest or kernel bytes. */
export class PhysicalMemory {
  /** For generated code, which imports the very same memory. */
  readonly wasm: WasmMemory
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly i16: Int16Array
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly f32: Float32Array
  readonly f64: Float64Array
  readonly i64: BigInt64Array
  readonly view: DataView
  /** Sorted, disjoint. */
  readonly ranges: readonly RamRange[]
  readonly ramBytes: number
  /** Bytes of the buffer: RAM beyond this can exist, but not be touched all at once. */
  readonly backingBytes: number
  /** Bytes of the buffer in use. */
  backedBytes = 0

  readonly #sectionBase: Int32Array
  readonly #granules: Int32Array
  /** Places of PARTIAL granules, by granule number of the physical address. */
  readonly #partial = new Map<number, number>()

  /**
   * @param ranges        where RAM is; any order, disjoint
   * @param backingBytes  most bytes that may be touched; 4 GiB unless told
   */
  constructor(ranges: readonly RamRange[], backingBytes: number = BACKING_LIMIT) {
    this.ranges = sortedRanges(ranges)
    this.ramBytes = this.ranges.reduce((sum, range) => sum + range.end - range.start, 0)
    const top = this.ranges.at(-1)?.end ?? 0
    const sections = Math.ceil(top / SECTION_BYTES)
    // The first 64 slots are shared by all sections without RAM.
    this.#sectionBase = new Int32Array(sections)
    let slots = GRANULES_PER_SECTION
    for (const range of this.ranges) {
      for (let s = Math.floor(range.start / SECTION_BYTES); s * SECTION_BYTES < range.end; s++) {
        if (this.#sectionBase[s] !== 0) continue
        this.#sectionBase[s] = slots
        slots += GRANULES_PER_SECTION
      }
    }
    this.#granules = new Int32Array(slots).fill(NO_RAM)
    let touched = 0
    for (const range of this.ranges) {
      for (let g = Math.floor(range.start / GRANULE_BYTES); g * GRANULE_BYTES < range.end; g++) {
        const start = g * GRANULE_BYTES
        const isWhole = range.start <= start && range.end >= start + GRANULE_BYTES
        const slot = this.#slotOf(g * FRAMES_PER_GRANULE)
        if (this.#granules[slot] === NO_RAM) touched++
        this.#granules[slot] = isWhole ? NOT_BACKED : PARTIAL
      }
    }
    const limit = Math.min(backingBytes, BACKING_LIMIT)
    this.backingBytes = Math.min(touched, Math.floor(limit / GRANULE_BYTES)) * GRANULE_BYTES
    const pages = this.backingBytes / WASM_PAGE
    const host = globalThis as unknown as WasmHost
    this.wasm = new host.WebAssembly.Memory({ initial: pages, maximum: pages })
    const buffer = this.wasm.buffer
    this.u8 = new Uint8Array(buffer)
    this.u16 = new Uint16Array(buffer)
    this.i16 = new Int16Array(buffer)
    this.i32 = new Int32Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.f32 = new Float32Array(buffer)
    this.f64 = new Float64Array(buffer)
    this.i64 = new BigInt64Array(buffer)
    this.view = new DataView(buffer)
  }

  /**
   * Byte offset of a frame in the buffer. Backs its granule on first touch.
   *
   * @param pfn  any number; what is no frame of RAM is answered like a hole
   * @returns    the offset, or -1: no RAM there, or the backing is exhausted (which is running out of memory)
   */
  frameOffset(pfn: number): number {
    const place = this.framePlace(pfn)
    return place < 0 ? -1 : place * PAGE_SIZE
  }
  /**
   * The same counted in frames: frameOffset / 4096, or -1. For page walks: a place is a small integer, while an offset
   * may need 32 bits and is calculated with as a double.
   */
  framePlace(pfn: number): number {
    const low = pfn | 0
    if (low !== pfn) return this.#placeFar(pfn)
    const base = this.#sectionBase[low >>> 15]
    if (base === undefined) return -1
    const slot = base + ((low & (FRAMES_PER_SECTION - 1)) >>> 9)
    const granule = this.#granules[slot]!
    if (granule >= 0) return (granule << 9) | (low & (FRAMES_PER_GRANULE - 1))
    return this.#placeCold(pfn, slot, granule)
  }
  /** Byte offset of a physical address in the buffer, or -1 as frameOffset. */
  offsetOf(pa: number): number {
    const frame = this.frameOffset(Math.floor(pa / PAGE_SIZE))
    return frame < 0 ? -1 : frame + (pa & (PAGE_SIZE - 1))
  }
  /** Is this frame RAM? Touches nothing. */
  isRam(pfn: number): boolean {
    const pa = pfn * PAGE_SIZE
    const ranges = this.ranges
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ranges[middle]!.end > pa) high = middle
      else low = middle + 1
    }
    return low < ranges.length && ranges[low]!.start <= pa
  }
  /** Does the frame have its place in the buffer already (or is it a hole)? Touches nothing. */
  isBacked(pfn: number): boolean {
    const base = this.#sectionBase[Math.floor(pfn / FRAMES_PER_SECTION)]
    if (base === undefined) return false
    const granule = this.#granules[base + ((pfn & (FRAMES_PER_SECTION - 1)) >>> 9)]!
    if (granule >= 0) return true
    return granule === PARTIAL && this.isRam(pfn) && this.#partial.has(Math.floor(pfn / FRAMES_PER_GRANULE))
  }

  // Access by physical address. The address must be RAM: whoever is not sure asks frameOffset.
  read8(pa: number): number {
    return this.u8[this.#offsetIn(pa, 1)]!
  }
  write8(pa: number, value: number): void {
    this.u8[this.#offsetIn(pa, 1)] = value
  }
  /** A signed 32-bit word; `pa` is a multiple of 4. */
  read32(pa: number): number {
    return this.i32[this.#offsetIn(pa, 4) >>> 2]!
  }
  write32(pa: number, value: number): void {
    this.i32[this.#offsetIn(pa, 4) >>> 2] = value
  }
  /** A copy of `len` bytes; may cross frames. */
  readBytes(pa: number, len: number): Uint8Array {
    const bytes = new Uint8Array(len)
    for (let done = 0; done < len;) {
      const step = Math.min(len - done, PAGE_SIZE - ((pa + done) & (PAGE_SIZE - 1)))
      const from = this.#offsetIn(pa + done, 1)
      bytes.set(this.u8.subarray(from, from + step), done)
      done += step
    }
    return bytes
  }
  writeBytes(pa: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const step = Math.min(bytes.length - done, PAGE_SIZE - ((pa + done) & (PAGE_SIZE - 1)))
      this.u8.set(bytes.subarray(done, done + step), this.#offsetIn(pa + done, 1))
      done += step
    }
  }
  zeroFrame(pfn: number): void {
    const offset = this.#offsetIn(pfn * PAGE_SIZE, 1)
    this.u8.fill(0, offset, offset + PAGE_SIZE)
  }
  copyFrame(dst: number, src: number): void {
    const from = this.#offsetIn(src * PAGE_SIZE, 1)
    this.u8.copyWithin(this.#offsetIn(dst * PAGE_SIZE, 1), from, from + PAGE_SIZE)
  }

  #offsetIn(pa: number, alignment: number): number {
    kassert((pa & (alignment - 1)) === 0, 'a physical access is aligned')
    const offset = this.offsetOf(pa)
    if (offset < 0) kassert(false, 'a physical access is to backed RAM', `0x${pa.toString(16)}`)
    return offset
  }
  #slotOf(pfn: number): number {
    return this.#sectionBase[Math.floor(pfn / FRAMES_PER_SECTION)]! + ((pfn & (FRAMES_PER_SECTION - 1)) >>> 9)
  }
  /** Frames beyond 8 TiB, and numbers that are no frame. */
  #placeFar(pfn: number): number {
    const base = this.#sectionBase[Math.floor(pfn / FRAMES_PER_SECTION)]
    if (base === undefined) return -1
    // `&` is right above 2^32 too: it sees the low 32 bits.
    const slot = base + ((pfn & (FRAMES_PER_SECTION - 1)) >>> 9)
    const granule = this.#granules[slot]!
    return granule >= 0 ? granule * FRAMES_PER_GRANULE + (pfn & 511) : this.#placeCold(pfn, slot, granule)
  }
  #placeCold(pfn: number, slot: number, granule: number): number {
    if (granule === NO_RAM) return -1
    let place = granule
    if (granule === PARTIAL) {
      if (!this.isRam(pfn)) return -1
      place = this.#partial.get(Math.floor(pfn / FRAMES_PER_GRANULE)) ?? NOT_BACKED
    }
    if (place === NOT_BACKED) {
      if (this.backedBytes + GRANULE_BYTES > this.backingBytes) return -1
      place = this.backedBytes / GRANULE_BYTES
      this.backedBytes += GRANULE_BYTES
      if (granule === PARTIAL) this.#partial.set(Math.floor(pfn / FRAMES_PER_GRANULE), place)
      else this.#granules[slot] = place
    }
    return place * FRAMES_PER_GRANULE + (pfn & (FRAMES_PER_GRANULE - 1))
  }
}

function sortedRanges(ranges: readonly RamRange[]): readonly RamRange[] {
  const sorted = ranges.map(({ start, end }) => ({ start, end })).toSorted((a, b) => a.start - b.start)
  let last = 0
  for (const { start, end } of sorted) {
    kassert(start % PAGE_SIZE === 0 && end % PAGE_SIZE === 0, 'RAM begins and ends at frame boundaries')
    kassert(start >= last && end > start, 'RAM ranges are disjoint and not empty', `0x${start.toString(16)}`)
    kassert(end <= PHYSICAL_LIMIT, 'RAM lies below 2^46')
    last = end
  }
  return sorted
}

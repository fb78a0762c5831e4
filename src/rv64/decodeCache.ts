// Decoded instructions, kept by the frame they lie in, so that every address space and every hart can use them.
//
//   frame offset >>> 12 ──► pageOf ──► page p, slots p * PAGE_SLOTS … :
//
//     slot   0      1             2047   2048      2049
//          +------+------+  …   +------+----------+----------+
//     word | halfword 0,1,…            | PAGE_END | PAGE_END |      one slot for every halfword of the frame; an
//     imm  |                           |    0     |    0     |      instruction stands in the slot of its first one
//          +------+------+  …   +------+----------+----------+
//     code[2 * slot] is the word, code[2 * slot + 1] the immediate (drawn in ops.ts): one array, side by side, since
//     every array more costs the interpreter a check and two loads for each instruction.
//
// Slots start as UNDECODED and are decoded when they are first executed. Running off the end of a page meets
// PAGE_END, which costs nothing while inside. A 4-byte instruction in slot 2047 straddles into the next page, which
// may be any frame: its slot says STRADDLE, and it is decoded anew each time, in page 0, the scratch page.

import type { PhysicalMemory } from '../machine/index.ts'
import { decode, type Decoded } from './decode.ts'
import { OP } from './ops.ts'

/** Halfwords of a frame. */
export const PAGE_HALFWORDS = 2048
/** Slots of a page: its halfwords and two ends, since the last instruction may have two halfwords. */
export const PAGE_SLOTS = PAGE_HALFWORDS + 2

const FIRST_PAGES = 16
/** At 16 KiB a page, 32 MiB of the host: code beyond 8 MiB is decoded again when it comes back. */
const MAX_PAGES = 2048

/** Shared by the harts of one machine; harts run one at a time. */
export class DecodeCache {
  readonly memory: PhysicalMemory
  /** 1 for each frame (byte offset >>> 12) that has decoded instructions. Stores ask it. */
  readonly codeFrames: Uint8Array
  /** Page of each frame, 0 = none. */
  readonly pageOf: Int32Array
  /** Replaced when the cache grows: fetch it again after every call of `open`. */
  code: Int32Array
  /** Hart that ran last: a reservation does not outlive another hart's turn. */
  lastRunner: object | null = null
  // Counters.
  decoded = 0
  flushes = 0
  /** Slots emptied because a store hit them. */
  overwritten = 0

  readonly #frameOf = new Int32Array(MAX_PAGES)
  /** Pages in use, the scratch page included. */
  #used = 1
  #pages = FIRST_PAGES
  readonly #decoded: Decoded = { op: 0, args: 0, imm: 0 }

  constructor(memory: PhysicalMemory) {
    this.memory = memory
    const frames = Math.max(1, Math.ceil(memory.u8.length / 4096))
    this.codeFrames = new Uint8Array(frames)
    this.pageOf = new Int32Array(frames)
    this.code = new Int32Array(2 * FIRST_PAGES * PAGE_SLOTS)
    this.#empty(0)
  }

  /** Page of the frame at this byte offset; makes an empty one if there is none. */
  open(frameOffset: number): number {
    const frame = frameOffset >>> 12
    const found = this.pageOf[frame]!
    if (found !== 0) return found
    if (this.#used === this.#pages) this.#grow()
    const page = this.#used++
    this.#empty(page)
    this.#frameOf[page] = frame
    this.pageOf[frame] = page
    this.codeFrames[frame] = 1
    return page
  }
  /** Decodes the instruction at a byte offset into its slot. */
  decodeSlot(slot: number, offset: number): void {
    const { u16 } = this.memory
    const low = u16[offset >>> 1]!
    if ((low & 3) === 3 && (offset & 4095) === 4094) {
      this.code[2 * slot] = OP.STRADDLE
      return
    }
    this.decodeInto(slot, (low & 3) === 3 ? low | (u16[(offset + 2) >>> 1]! << 16) : low)
  }
  /** Decodes an instruction given by its bits. */
  decodeInto(slot: number, word: number): void {
    decode(word, this.#decoded)
    this.code[2 * slot] = this.#decoded.op | this.#decoded.args
    this.code[2 * slot + 1] = this.#decoded.imm
    this.decoded++
  }
  /** Slot of the scratch page where an instruction that straddles is decoded: its last halfword. */
  get scratchSlot(): number {
    return PAGE_HALFWORDS - 1
  }

  /** Bytes [offset, offset + len) of one frame have been written: forgets the instructions that contain them. */
  overwrite(offset: number, len: number): void {
    const page = this.pageOf[offset >>> 12]!
    if (page === 0) return
    const first = (offset & 4095) >>> 1
    const last = Math.min(PAGE_HALFWORDS - 1, ((offset & 4095) + len - 1) >>> 1)
    // The instruction of the slot before may have its second halfword here.
    const base = page * PAGE_SLOTS
    this.code.fill(OP.UNDECODED, 2 * (base + Math.max(0, first - 1)), 2 * (base + last + 1))
    this.overwritten += last - first + 1
  }
  /** Forgets everything decoded from one frame: for whoever writes it other than through a hart. */
  invalidateFrame(frameOffset: number): void {
    const page = this.pageOf[frameOffset >>> 12]!
    if (page !== 0) this.#empty(page)
  }
  /** Forgets everything. */
  flush(): void {
    for (let page = 1; page < this.#used; page++) {
      this.pageOf[this.#frameOf[page]!] = 0
      this.codeFrames[this.#frameOf[page]!] = 0
    }
    this.#used = 1
    this.flushes++
  }

  #empty(page: number): void {
    const base = page * PAGE_SLOTS
    this.code.fill(OP.UNDECODED, 2 * base, 2 * (base + PAGE_HALFWORDS))
    this.code.fill(OP.PAGE_END, 2 * (base + PAGE_HALFWORDS), 2 * (base + PAGE_SLOTS))
  }
  #grow(): void {
    if (this.#pages === MAX_PAGES) return this.flush()
    this.#pages *= 2
    const { code } = this
    this.code = new Int32Array(2 * this.#pages * PAGE_SLOTS)
    this.code.set(code)
  }
}

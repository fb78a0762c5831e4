// One hardware thread: fetches by slots of the decode cache and executes them in one switch.
//
//   pc ──► execTag, frontOffset of the TLB ──► frame ──► cache.pageOf ──► page ──► slot s
//          (one compare; misses go to the MMU)
//
// Inside a page only `s` moves. Every jump to another page and every step into the next one looks at the TLB's fetch
// tag; so does a jump inside the page once anything may have changed the TLB: a page that is evicted or remapped is
// noticed at the next jump, as on hardware.
//
// Registers are halves: x[r] low, x[r + 1] high (registers.ts). In the switch w holds the arguments, a, b and d are
// places in x. An address is (al, ah); its page's tag is ah * 2^20 + (al >>> 12), exact in a double.

import { kassert } from '../base/index.ts'
import { FRONT_MASK, type Mmu, type PhysicalMemory } from '../machine/index.ts'
import { executeAtomic } from './atomic.ts'
import { accessCsr } from './csr.ts'
import { DecodeCache, PAGE_HALFWORDS, PAGE_SLOTS } from './decodeCache.ts'
import { executeFloat } from './float.ts'
import { divideSigned, divideUnsigned, multiply, multiplyHigh } from './multiply.ts'
import { OP } from './ops.ts'
import { Registers } from './registers.ts'
import {
  CAUSE_BREAKPOINT,
  CAUSE_ECALL,
  CAUSE_ILLEGAL,
  STOP_BREAKPOINT,
  STOP_BUDGET,
  STOP_ECALL,
  STOP_FAULT,
  STOP_ILLEGAL,
  type Stop,
} from './stop.ts'

export interface HartOptions {
  /** Shared by the harts of a machine; a hart without one makes its own. */
  readonly cache?: DecodeCache
  /** What the `time` CSR reads, below 2^53. Default: instructions retired. */
  readonly time?: () => number
}

/** Most instructions of one call of `run`. */
const RUN_LIMIT = 2 ** 30
const FIRST_FLOAT = OP.FADD_S
/** No reservation; else the byte offset that LR read. */
const NO_RESERVATION = -1

export class Hart {
  readonly mmu: Mmu
  readonly memory: PhysicalMemory
  readonly cache: DecodeCache
  readonly time: () => number
  /** The thread's registers: swapped by setContext. */
  regs: Registers
  /** After a stop: CAUSE_…, and the byte that faulted, or the bits of an illegal instruction. */
  cause = 0
  stval = 0
  /** Instructions retired; loads and stores done. */
  instructions = 0
  loads = 0
  stores = 0
  reservation = NO_RESERVATION
  /** Result of a slow load, zero-extended. Borrowed. */
  readonly loaded = new Int32Array(2)
  readonly #loadedBytes = new Uint8Array(this.loaded.buffer)

  constructor(mmu: Mmu, memory: PhysicalMemory, options: HartOptions = {}) {
    this.mmu = mmu
    this.memory = memory
    this.cache = options.cache ?? new DecodeCache(memory)
    this.time = options.time ?? (() => this.instructions)
    this.regs = new Registers()
    kassert(this.cache.memory === memory, 'harts share a decode cache only of their own memory')
  }

  get pc(): number {
    return this.regs.pc
  }
  set pc(va: number) {
    this.regs.pc = va
  }
  /** Switches to another thread: its registers stand in `regs` from now on. Clears the reservation. */
  setContext(regs: Registers): void {
    this.regs = regs
    this.clearReservation()
  }
  saveTo(regs: Registers): void {
    regs.copyFrom(this.regs)
  }
  restoreFrom(regs: Registers): void {
    this.regs.copyFrom(regs)
    this.clearReservation()
  }
  clearReservation(): void {
    this.reservation = NO_RESERVATION
  }
  /** Forgets all decoded code, of every hart that shares the cache: what fence.i does. */
  flushCode(): void {
    this.cache.flush()
  }
  /** Forgets the code decoded from one frame, which somebody other than a hart has written. */
  invalidateCodeFrame(frameOffset: number): void {
    this.cache.invalidateFrame(frameOffset)
  }

  /**
   * Runs at `pc` until something stops it. Whatever does not retire has done nothing, and pc stands on it.
   *
   * @param maxInstructions  retired at most, 2^30 in any case
   * @returns                STOP_…; cause and stval say more, but after STOP_BUDGET, which leaves them alone
   */
  run(maxInstructions: number): Stop {
    if (this.cache.lastRunner !== this) this.clearReservation()
    this.cache.lastRunner = this
    const stop = this.#run(Math.min(maxInstructions, RUN_LIMIT))
    if (stop !== STOP_BUDGET) this.clearReservation()
    return stop
  }

  #run(limit: number): Stop {
    const { regs, mmu, cache } = this
    const x = regs.x
    const fw = regs.fw
    const { readTag, writeTag, execTag, frontOffset } = mmu.tlb
    const { u8, u16, i16, i32 } = this.memory
    const { codeFrames, pageOf } = cache
    let { code } = cache
    let pcLo = regs.pc | 0
    let pcHi = Math.floor(regs.pc / 4294967296) | 0
    let n = 0
    let loads = 0
    let stores = 0
    let stop: Stop = STOP_BUDGET
    const mask = FRONT_MASK
    const halfwords = PAGE_HALFWORDS
    // Where we are: slot s of a page whose slots begin at pageSlot and whose bytes begin at (pageLo, pageHi).
    let s = 0
    let pageSlot = 0
    // Has nothing touched the TLB since the page was entered? Nobody else runs meanwhile, so its fetch tag still holds.
    let isTrusted = true
    let pageLo = 0
    let pageHi = 0

    running: for (;;) {
      // Enter the page of pc.
      const fi = (pcLo >>> 12) & mask
      const vpn = pcHi * 1048576 + (pcLo >>> 12)
      let frame = frontOffset[fi]!
      if (execTag[fi] !== vpn) {
        const offset = mmu.translateFetch(pcHi * 4294967296 + (pcLo >>> 0))
        if (offset < 0) {
          stop = this.fault(-offset, pcHi * 4294967296 + (pcLo >>> 0))
          pageLo = pcLo
          pageHi = pcHi
          s = pageSlot
          break
        }
        frame = offset - (pcLo & 4095)
      }
      let page = pageOf[frame >>> 12]!
      if (page === 0) {
        page = cache.open(frame)
        code = cache.code
      }
      pageSlot = page * PAGE_SLOTS
      pageLo = pcLo & -4096
      pageHi = pcHi
      s = pageSlot + ((pcLo & 4095) >>> 1)
      isTrusted = true

      for (;;) {
        if (n >= limit) break running
        n++
        const w = code[2 * s]!
        const imm = code[2 * s + 1]!
        switch (w & 0xff) {
          case 0: // UNDECODED
            n--
            cache.decodeSlot(s, frame + (s - pageSlot) * 2)
            continue
          case 1: // PAGE_END
            n--
            break
          case 2: {
            // STRADDLE
            n--
            const next = mmu.translateFetch(pageHi * 4294967296 + (pageLo >>> 0) + 4096)
            if (next < 0) {
              stop = this.fault(-next, pageHi * 4294967296 + (pageLo >>> 0) + 4096)
              break running
            }
            const slot = cache.scratchSlot
            cache.decodeInto(slot, u16[(frame + 4094) >>> 1]! | (u16[next >>> 1]! << 16))
            // Go on in the scratch page, which belongs to no frame: any jump from it enters its page anew.
            pageSlot = slot + 1 - halfwords
            isTrusted = false
            s = slot
            continue
          }
          case 3: // ILLEGAL
            n--
            stop = this.trap(STOP_ILLEGAL, CAUSE_ILLEGAL, imm >>> 0)
            break running

          // Jumps leave the switch with the target in s; what follows it looks at the fetch tag.
          case 4: {
            // JAL
            const d = (w >> 7) & 0x7e
            const link = (s - pageSlot + (w >>> 26)) * 2
            const lo = (pageLo + link) | 0
            x[d] = lo
            x[d + 1] = pageHi + (lo >>> 0 < link ? 1 : 0)
            s += imm
            break
          }
          case 5: // J
            s += imm
            break
          case 6: {
            // JALR
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            pcLo = (x[b]! + imm) | 0
            pcHi = (x[b + 1]! + (imm >> 31) + (pcLo >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            pcLo &= -2
            const link = (s - pageSlot + (w >>> 26)) * 2
            const lo = (pageLo + link) | 0
            x[d] = lo
            x[d + 1] = pageHi + (lo >>> 0 < link ? 1 : 0)
            continue running
          }
          case 7: {
            // BEQ
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            if (x[a] === x[b] && x[a + 1] === x[b + 1]) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 8: {
            // BNE
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            if (x[a] !== x[b] || x[a + 1] !== x[b + 1]) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 9: {
            // BLT
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const ah = x[a + 1]!
            const bh = x[b + 1]!
            if (ah < bh || (ah === bh && x[a]! >>> 0 < x[b]! >>> 0)) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 10: {
            // BGE
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const ah = x[a + 1]!
            const bh = x[b + 1]!
            if (ah > bh || (ah === bh && x[a]! >>> 0 >= x[b]! >>> 0)) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 11: {
            // BLTU
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const ah = x[a + 1]! >>> 0
            const bh = x[b + 1]! >>> 0
            if (ah < bh || (ah === bh && x[a]! >>> 0 < x[b]! >>> 0)) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 12: {
            // BGEU
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const ah = x[a + 1]! >>> 0
            const bh = x[b + 1]! >>> 0
            if (ah > bh || (ah === bh && x[a]! >>> 0 >= x[b]! >>> 0)) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 13: {
            // BEQZ
            const a = (w >> 13) & 0x7e
            if ((x[a]! | x[a + 1]!) === 0) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }
          case 14: {
            // BNEZ
            const a = (w >> 13) & 0x7e
            if ((x[a]! | x[a + 1]!) !== 0) {
              s += imm
              break
            }
            s += w >>> 26
            continue
          }

          // Loads: one compare, and aligned; all else is slowLoad's.
          case 15: {
            // LB
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            let v = 0
            if (readTag[i] === ah * 1048576 + (al >>> 12)) {
              v = (u8[frontOffset[i]! + (al & 4095)]! << 24) >> 24
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 1)) {
                n--
                stop = STOP_FAULT
                break running
              }
              v = (this.loaded[0]! << 24) >> 24
            }
            x[d] = v
            x[d + 1] = v >> 31
            loads++
            s += w >>> 26
            continue
          }
          case 16: {
            // LH
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            let v = 0
            if ((al & 1) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              v = i16[(frontOffset[i]! + (al & 4095)) >>> 1]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 2)) {
                n--
                stop = STOP_FAULT
                break running
              }
              v = (this.loaded[0]! << 16) >> 16
            }
            x[d] = v
            x[d + 1] = v >> 31
            loads++
            s += w >>> 26
            continue
          }
          case 17: {
            // LW
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            let v = 0
            if ((al & 3) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              v = i32[(frontOffset[i]! + (al & 4095)) >>> 2]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 4)) {
                n--
                stop = STOP_FAULT
                break running
              }
              v = this.loaded[0]!
            }
            x[d] = v
            x[d + 1] = v >> 31
            loads++
            s += w >>> 26
            continue
          }
          case 18: {
            // LD
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            if ((al & 7) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              const word = (frontOffset[i]! + (al & 4095)) >>> 2
              x[d] = i32[word]!
              x[d + 1] = i32[word + 1]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 8)) {
                n--
                stop = STOP_FAULT
                break running
              }
              x[d] = this.loaded[0]!
              x[d + 1] = this.loaded[1]!
            }
            loads++
            s += w >>> 26
            continue
          }
          case 19: {
            // LBU
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            let v = 0
            if (readTag[i] === ah * 1048576 + (al >>> 12)) {
              v = u8[frontOffset[i]! + (al & 4095)]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 1)) {
                n--
                stop = STOP_FAULT
                break running
              }
              v = this.loaded[0]!
            }
            x[d] = v
            x[d + 1] = 0
            loads++
            s += w >>> 26
            continue
          }
          case 20: {
            // LHU
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            let v = 0
            if ((al & 1) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              v = u16[(frontOffset[i]! + (al & 4095)) >>> 1]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 2)) {
                n--
                stop = STOP_FAULT
                break running
              }
              v = this.loaded[0]!
            }
            x[d] = v
            x[d + 1] = 0
            loads++
            s += w >>> 26
            continue
          }
          case 21: {
            // LWU
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            let v = 0
            if ((al & 3) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              v = i32[(frontOffset[i]! + (al & 4095)) >>> 2]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 4)) {
                n--
                stop = STOP_FAULT
                break running
              }
              v = this.loaded[0]!
            }
            x[d] = v
            x[d + 1] = 0
            loads++
            s += w >>> 26
            continue
          }
          case 22: {
            // SB
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const a = (w >> 19) & 0x7e
            if (writeTag[i] === ah * 1048576 + (al >>> 12)) {
              const off = (frontOffset[i]! + (al & 4095)) >>> 0
              u8[off] = x[a]!
              if (codeFrames[off >>> 12] !== 0) cache.overwrite(off, 1)
            } else {
              isTrusted = false
              if (!this.slowStore(al, ah, 1, x[a]!, 0)) {
                n--
                stop = STOP_FAULT
                break running
              }
            }
            stores++
            s += w >>> 26
            continue
          }
          case 23: {
            // SH
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const a = (w >> 19) & 0x7e
            if ((al & 1) === 0 && writeTag[i] === ah * 1048576 + (al >>> 12)) {
              const off = (frontOffset[i]! + (al & 4095)) >>> 0
              u16[off >>> 1] = x[a]!
              if (codeFrames[off >>> 12] !== 0) cache.overwrite(off, 2)
            } else {
              isTrusted = false
              if (!this.slowStore(al, ah, 2, x[a]!, 0)) {
                n--
                stop = STOP_FAULT
                break running
              }
            }
            stores++
            s += w >>> 26
            continue
          }
          case 24: {
            // SW
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const a = (w >> 19) & 0x7e
            if ((al & 3) === 0 && writeTag[i] === ah * 1048576 + (al >>> 12)) {
              const off = (frontOffset[i]! + (al & 4095)) >>> 0
              i32[off >>> 2] = x[a]!
              if (codeFrames[off >>> 12] !== 0) cache.overwrite(off, 4)
            } else {
              isTrusted = false
              if (!this.slowStore(al, ah, 4, x[a]!, 0)) {
                n--
                stop = STOP_FAULT
                break running
              }
            }
            stores++
            s += w >>> 26
            continue
          }
          case 25: {
            // SD
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const a = (w >> 19) & 0x7e
            if ((al & 7) === 0 && writeTag[i] === ah * 1048576 + (al >>> 12)) {
              const off = (frontOffset[i]! + (al & 4095)) >>> 0
              i32[off >>> 2] = x[a]!
              i32[(off >>> 2) + 1] = x[a + 1]!
              if (codeFrames[off >>> 12] !== 0) cache.overwrite(off, 8)
            } else {
              isTrusted = false
              if (!this.slowStore(al, ah, 8, x[a]!, x[a + 1]!)) {
                n--
                stop = STOP_FAULT
                break running
              }
            }
            stores++
            s += w >>> 26
            continue
          }
          case 26: {
            // FLW
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            if ((al & 3) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              fw[d] = i32[(frontOffset[i]! + (al & 4095)) >>> 2]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 4)) {
                n--
                stop = STOP_FAULT
                break running
              }
              fw[d] = this.loaded[0]!
            }
            fw[d + 1] = -1
            loads++
            s += w >>> 26
            continue
          }
          case 27: {
            // FLD
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const d = (w >> 7) & 0x7e
            if ((al & 7) === 0 && readTag[i] === ah * 1048576 + (al >>> 12)) {
              const word = (frontOffset[i]! + (al & 4095)) >>> 2
              fw[d] = i32[word]!
              fw[d + 1] = i32[word + 1]!
            } else {
              isTrusted = false
              if (!this.slowLoad(al, ah, 8)) {
                n--
                stop = STOP_FAULT
                break running
              }
              fw[d] = this.loaded[0]!
              fw[d + 1] = this.loaded[1]!
            }
            loads++
            s += w >>> 26
            continue
          }
          case 28: {
            // FSW
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const a = (w >> 19) & 0x7e
            if ((al & 3) === 0 && writeTag[i] === ah * 1048576 + (al >>> 12)) {
              const off = (frontOffset[i]! + (al & 4095)) >>> 0
              i32[off >>> 2] = fw[a]!
              if (codeFrames[off >>> 12] !== 0) cache.overwrite(off, 4)
            } else {
              isTrusted = false
              if (!this.slowStore(al, ah, 4, fw[a]!, 0)) {
                n--
                stop = STOP_FAULT
                break running
              }
            }
            stores++
            s += w >>> 26
            continue
          }
          case 29: {
            // FSD
            const b = (w >> 13) & 0x7e
            const al = (x[b]! + imm) | 0
            const ah = (x[b + 1]! + (imm >> 31) + (al >>> 0 < imm >>> 0 ? 1 : 0)) | 0
            const i = (al >>> 12) & mask
            const a = (w >> 19) & 0x7e
            if ((al & 7) === 0 && writeTag[i] === ah * 1048576 + (al >>> 12)) {
              const off = (frontOffset[i]! + (al & 4095)) >>> 0
              i32[off >>> 2] = fw[a]!
              i32[(off >>> 2) + 1] = fw[a + 1]!
              if (codeFrames[off >>> 12] !== 0) cache.overwrite(off, 8)
            } else {
              isTrusted = false
              if (!this.slowStore(al, ah, 8, fw[a]!, fw[a + 1]!)) {
                n--
                stop = STOP_FAULT
                break running
              }
            }
            stores++
            s += w >>> 26
            continue
          }

          case 30: {
            // LI
            const d = (w >> 7) & 0x7e
            x[d] = imm
            x[d + 1] = imm >> 31
            s += w >>> 26
            continue
          }
          case 31: {
            // AUIPC
            const d = (w >> 7) & 0x7e
            const from = (pageLo + (s - pageSlot) * 2) | 0
            const lo = (from + imm) | 0
            x[d] = lo
            x[d + 1] = pageHi + (imm >> 31) + (lo >>> 0 < imm >>> 0 ? 1 : 0)
            s += w >>> 26
            continue
          }
          case 32: {
            // MV
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            x[d] = x[b]!
            x[d + 1] = x[b + 1]!
            s += w >>> 26
            continue
          }
          case 33: {
            // ADDI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            const lo = (x[b]! + imm) | 0
            x[d + 1] = x[b + 1]! + (imm >> 31) + (lo >>> 0 < imm >>> 0 ? 1 : 0)
            x[d] = lo
            s += w >>> 26
            continue
          }
          case 34: {
            // SLTI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            const bh = x[b + 1]!
            const sign = imm >> 31
            x[d] = bh < sign || (bh === sign && x[b]! >>> 0 < imm >>> 0) ? 1 : 0
            x[d + 1] = 0
            s += w >>> 26
            continue
          }
          case 35: {
            // SLTIU
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            const bh = x[b + 1]! >>> 0
            const high = (imm >> 31) >>> 0
            x[d] = bh < high || (bh === high && x[b]! >>> 0 < imm >>> 0) ? 1 : 0
            x[d + 1] = 0
            s += w >>> 26
            continue
          }
          case 36: {
            // XORI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            x[d] = x[b]! ^ imm
            x[d + 1] = x[b + 1]! ^ (imm >> 31)
            s += w >>> 26
            continue
          }
          case 37: {
            // ORI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            x[d] = x[b]! | imm
            x[d + 1] = x[b + 1]! | (imm >> 31)
            s += w >>> 26
            continue
          }
          case 38: {
            // ANDI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            x[d] = x[b]! & imm
            x[d + 1] = x[b + 1]! & (imm >> 31)
            s += w >>> 26
            continue
          }
          // Shift amounts are 0 … 31 here; `>>> 1 >>> (31 - n)` is right for 0 too.
          case 39: {
            // SLLI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            const lo = x[b]!
            x[d + 1] = (x[b + 1]! << imm) | ((lo >>> 1) >>> (31 - imm))
            x[d] = lo << imm
            s += w >>> 26
            continue
          }
          case 40: {
            // SLLI32
            const d = (w >> 7) & 0x7e
            x[d + 1] = x[(w >> 13) & 0x7e]! << imm
            x[d] = 0
            s += w >>> 26
            continue
          }
          case 41: {
            // SRLI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            const hi = x[b + 1]!
            x[d] = (x[b]! >>> imm) | ((hi << 1) << (31 - imm))
            x[d + 1] = hi >>> imm
            s += w >>> 26
            continue
          }
          case 42: {
            // SRLI32
            const d = (w >> 7) & 0x7e
            x[d] = x[((w >> 13) & 0x7e) + 1]! >>> imm
            x[d + 1] = 0
            s += w >>> 26
            continue
          }
          case 43: {
            // SRAI
            const d = (w >> 7) & 0x7e
            const b = (w >> 13) & 0x7e
            const hi = x[b + 1]!
            x[d] = (x[b]! >>> imm) | ((hi << 1) << (31 - imm))
            x[d + 1] = hi >> imm
            s += w >>> 26
            continue
          }
          case 44: {
            // SRAI32
            const d = (w >> 7) & 0x7e
            const hi = x[((w >> 13) & 0x7e) + 1]!
            x[d] = hi >> imm
            x[d + 1] = hi >> 31
            s += w >>> 26
            continue
          }
          case 45: {
            // ADDIW
            const d = (w >> 7) & 0x7e
            const lo = (x[(w >> 13) & 0x7e]! + imm) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 46: {
            // SLLIW
            const d = (w >> 7) & 0x7e
            const lo = x[(w >> 13) & 0x7e]! << imm
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 47: {
            // SRLIW
            const d = (w >> 7) & 0x7e
            const lo = (x[(w >> 13) & 0x7e]! >>> imm) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 48: {
            // SRAIW
            const d = (w >> 7) & 0x7e
            const lo = x[(w >> 13) & 0x7e]! >> imm
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }

          case 49: {
            // ADD
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const bl = x[b]!
            const lo = (x[a]! + bl) | 0
            x[d + 1] = x[a + 1]! + x[b + 1]! + (lo >>> 0 < bl >>> 0 ? 1 : 0)
            x[d] = lo
            s += w >>> 26
            continue
          }
          case 50: {
            // SUB
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const al = x[a]!
            const bl = x[b]!
            x[d + 1] = x[a + 1]! - x[b + 1]! - (al >>> 0 < bl >>> 0 ? 1 : 0)
            x[d] = al - bl
            s += w >>> 26
            continue
          }
          case 51: {
            // SLL
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const amount = x[(w >> 19) & 0x7e]!
            const lo = x[a]!
            if ((amount & 32) === 0) {
              x[d + 1] = (x[a + 1]! << amount) | ((lo >>> 1) >>> (31 - (amount & 31)))
              x[d] = lo << amount
            } else {
              x[d + 1] = lo << amount
              x[d] = 0
            }
            s += w >>> 26
            continue
          }
          case 52: {
            // SLT
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const ah = x[a + 1]!
            const bh = x[b + 1]!
            x[d] = ah < bh || (ah === bh && x[a]! >>> 0 < x[b]! >>> 0) ? 1 : 0
            x[d + 1] = 0
            s += w >>> 26
            continue
          }
          case 53: {
            // SLTU
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            const ah = x[a + 1]! >>> 0
            const bh = x[b + 1]! >>> 0
            x[d] = ah < bh || (ah === bh && x[a]! >>> 0 < x[b]! >>> 0) ? 1 : 0
            x[d + 1] = 0
            s += w >>> 26
            continue
          }
          case 54: {
            // XOR
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            x[d] = x[a]! ^ x[b]!
            x[d + 1] = x[a + 1]! ^ x[b + 1]!
            s += w >>> 26
            continue
          }
          case 55: {
            // SRL
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const amount = x[(w >> 19) & 0x7e]!
            const hi = x[a + 1]!
            if ((amount & 32) === 0) {
              x[d] = (x[a]! >>> amount) | ((hi << 1) << (31 - (amount & 31)))
              x[d + 1] = hi >>> amount
            } else {
              x[d] = hi >>> amount
              x[d + 1] = 0
            }
            s += w >>> 26
            continue
          }
          case 56: {
            // SRA
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const amount = x[(w >> 19) & 0x7e]!
            const hi = x[a + 1]!
            if ((amount & 32) === 0) {
              x[d] = (x[a]! >>> amount) | ((hi << 1) << (31 - (amount & 31)))
              x[d + 1] = hi >> amount
            } else {
              x[d] = hi >> amount
              x[d + 1] = hi >> 31
            }
            s += w >>> 26
            continue
          }
          case 57: {
            // OR
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            x[d] = x[a]! | x[b]!
            x[d + 1] = x[a + 1]! | x[b + 1]!
            s += w >>> 26
            continue
          }
          case 58: {
            // AND
            const d = (w >> 7) & 0x7e
            const a = (w >> 13) & 0x7e
            const b = (w >> 19) & 0x7e
            x[d] = x[a]! & x[b]!
            x[d + 1] = x[a + 1]! & x[b + 1]!
            s += w >>> 26
            continue
          }
          case 59: {
            // ADDW
            const d = (w >> 7) & 0x7e
            const lo = (x[(w >> 13) & 0x7e]! + x[(w >> 19) & 0x7e]!) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 60: {
            // SUBW
            const d = (w >> 7) & 0x7e
            const lo = (x[(w >> 13) & 0x7e]! - x[(w >> 19) & 0x7e]!) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 61: {
            // SLLW
            const d = (w >> 7) & 0x7e
            const lo = x[(w >> 13) & 0x7e]! << x[(w >> 19) & 0x7e]!
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 62: {
            // SRLW
            const d = (w >> 7) & 0x7e
            const lo = (x[(w >> 13) & 0x7e]! >>> x[(w >> 19) & 0x7e]!) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 63: {
            // SRAW
            const d = (w >> 7) & 0x7e
            const lo = x[(w >> 13) & 0x7e]! >> x[(w >> 19) & 0x7e]!
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }

          case 64: // MUL
            multiply(x, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e)
            s += w >>> 26
            continue
          case 65: // MULH
            multiplyHigh(x, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, true, true)
            s += w >>> 26
            continue
          case 66: // MULHSU
            multiplyHigh(x, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, true, false)
            s += w >>> 26
            continue
          case 67: // MULHU
            multiplyHigh(x, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, false, false)
            s += w >>> 26
            continue
          case 68: // DIV
            divideSigned(regs, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, false)
            s += w >>> 26
            continue
          case 69: // DIVU
            divideUnsigned(regs, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, false)
            s += w >>> 26
            continue
          case 70: // REM
            divideSigned(regs, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, true)
            s += w >>> 26
            continue
          case 71: // REMU
            divideUnsigned(regs, (w >> 7) & 0x7e, (w >> 13) & 0x7e, (w >> 19) & 0x7e, true)
            s += w >>> 26
            continue
          case 72: {
            // MULW
            const d = (w >> 7) & 0x7e
            const lo = Math.imul(x[(w >> 13) & 0x7e]!, x[(w >> 19) & 0x7e]!)
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          // Division by zero and -2^31 / -1 have results, not traps; `| 0` gives the latter.
          case 73: {
            // DIVW
            const d = (w >> 7) & 0x7e
            const divisor = x[(w >> 19) & 0x7e]!
            const lo = divisor === 0 ? -1 : (x[(w >> 13) & 0x7e]! / divisor) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 74: {
            // DIVUW
            const d = (w >> 7) & 0x7e
            const divisor = x[(w >> 19) & 0x7e]! >>> 0
            const lo = divisor === 0 ? -1 : ((x[(w >> 13) & 0x7e]! >>> 0) / divisor) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 75: {
            // REMW
            const d = (w >> 7) & 0x7e
            const dividend = x[(w >> 13) & 0x7e]!
            const divisor = x[(w >> 19) & 0x7e]!
            const lo = divisor === 0 ? dividend : (dividend % divisor) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }
          case 76: {
            // REMUW
            const d = (w >> 7) & 0x7e
            const dividend = x[(w >> 13) & 0x7e]!
            const divisor = x[(w >> 19) & 0x7e]! >>> 0
            const lo = divisor === 0 ? dividend : ((dividend >>> 0) % divisor) | 0
            x[d] = lo
            x[d + 1] = lo >> 31
            s += w >>> 26
            continue
          }

          case 77: // FENCE
            s += w >>> 26
            continue
          case 78: {
            // FENCE_I
            // The page is forgotten with all others: enter it anew.
            const next = (s - pageSlot + (w >>> 26)) * 2
            cache.flush()
            pcLo = (pageLo + next) | 0
            pcHi = (pageHi + (pcLo >>> 0 < next ? 1 : 0)) | 0
            continue running
          }
          case 79: // ECALL
            n--
            stop = this.trap(STOP_ECALL, CAUSE_ECALL, 0)
            break running
          case 80: // EBREAK
            n--
            stop = this.trap(
              STOP_BREAKPOINT,
              CAUSE_BREAKPOINT,
              pageHi * 4294967296 + (pageLo >>> 0) + (s - pageSlot) * 2,
            )
            break running
          case 81: // CSR
            if (!accessCsr(this, w, imm, this.instructions + n - 1)) {
              n--
              stop = this.trap(STOP_ILLEGAL, CAUSE_ILLEGAL, 0)
              break running
            }
            s += w >>> 26
            continue

          default: {
            // A, F and D: calls, in files of their own. Only A comes near the TLB.
            const op = w & 0xff
            let result: Stop
            if (op < FIRST_FLOAT) {
              isTrusted = false
              result = executeAtomic(this, op, w)
            } else {
              result = executeFloat(this, op, w, imm)
            }
            if (result !== STOP_BUDGET) {
              n--
              stop = result
              break running
            }
            s += w >>> 26
            continue
          }
        }

        // A jump to slot s, or the step into the next page.
        const k = s - pageSlot
        if (isTrusted && k >>> 0 < halfwords) continue
        const distance = k * 2
        pcLo = (pageLo + distance) | 0
        pcHi = (pageHi + (distance >> 31) + (pcLo >>> 0 < distance >>> 0 ? 1 : 0)) | 0
        continue running
      }
    }
    regs.pc = pageHi * 4294967296 + (pageLo >>> 0) + (s - pageSlot) * 2
    this.instructions += n
    this.loads += loads
    this.stores += stores
    return stop
  }

  // What the switch and its neighbours say when something stops.

  /** @returns STOP_FAULT */
  fault(cause: number, stval: number): Stop {
    return this.trap(STOP_FAULT, cause, stval)
  }
  /** @returns `stop` */
  trap(stop: Stop, cause: number, stval: number): Stop {
    this.cause = cause
    this.stval = stval
    return stop
  }

  /**
   * A load that is misaligned, or whose page is not in the front of the TLB. Both pages of an access that crosses
   * are translated before anything is read.
   *
   * @returns  false if it faults: cause and stval are set; else `loaded` has the bytes, zero-extended
   */
  slowLoad(al: number, ah: number, size: number): boolean {
    const va = ah * 4294967296 + (al >>> 0)
    const { memory } = this
    const { u8 } = memory
    const bytes = this.#loadedBytes
    const first = this.mmu.translateRead(va)
    if (first < 0) return this.#denied(first, va)
    if ((al & (size - 1)) === 0) {
      // Aligned: only the TLB had missed. Common, and worth not going byte by byte.
      const { loaded } = this
      loaded[1] = 0
      if (size === 8) {
        loaded[0] = memory.i32[first >>> 2]!
        loaded[1] = memory.i32[(first >>> 2) + 1]!
      } else if (size === 4) loaded[0] = memory.i32[first >>> 2]!
      else loaded[0] = size === 2 ? memory.u16[first >>> 1]! : u8[first]!
      return true
    }
    const inFirst = Math.min(size, 4096 - (al & 4095))
    let second = 0
    if (inFirst < size) {
      second = this.mmu.translateRead(va + inFirst)
      if (second < 0) return this.#denied(second, va + inFirst)
    }
    this.loaded.fill(0)
    for (let i = 0; i < size; i++) bytes[i] = u8[i < inFirst ? first + i : second + i - inFirst]!
    return true
  }
  /** The same for a store of the low `size` bytes of (lo, hi). */
  slowStore(al: number, ah: number, size: number, lo: number, hi: number): boolean {
    const va = ah * 4294967296 + (al >>> 0)
    const { memory, cache } = this
    const { u8 } = memory
    const first = this.mmu.translateWrite(va)
    if (first < 0) return this.#denied(first, va)
    if ((al & (size - 1)) === 0) {
      if (size === 8) {
        memory.i32[first >>> 2] = lo
        memory.i32[(first >>> 2) + 1] = hi
      } else if (size === 4) memory.i32[first >>> 2] = lo
      else if (size === 2) memory.u16[first >>> 1] = lo
      else u8[first] = lo
      if (cache.codeFrames[first >>> 12] !== 0) cache.overwrite(first, size)
      return true
    }
    const inFirst = Math.min(size, 4096 - (al & 4095))
    let second = 0
    if (inFirst < size) {
      second = this.mmu.translateWrite(va + inFirst)
      if (second < 0) return this.#denied(second, va + inFirst)
    }
    for (let i = 0; i < size; i++) {
      const byte = (i < 4 ? lo : hi) >>> (8 * (i & 3))
      u8[i < inFirst ? first + i : second + i - inFirst] = byte
    }
    if (cache.codeFrames[Math.floor(first / 4096)] !== 0) cache.overwrite(first, inFirst)
    if (inFirst < size && cache.codeFrames[Math.floor(second / 4096)] !== 0) cache.overwrite(second, size - inFirst)
    return true
  }
  #denied(cause: number, va: number): boolean {
    this.cause = -cause
    this.stval = va
    return false
  }
}

// The reverse map: which (pmap, va) pairs map a frame.
//
//   frames.pvHead[f] ─► e ─► e' ─► 0          newest first; a page mapped once costs one entry
//
//   next[e]     the next entry of the frame, or of the free list
//   key[e]      31                                   4 3           0
//              +--------------------------------------+-------------+
//              |                pmap id               | vpn bits 32+|   signed: Sv48 vpns have 36 bits
//              +--------------------------------------+-------------+
//   vpnLow[e]   vpn bits 0-31
//
// Entry 0 does not exist. The arrays double when they are full, up to `limit` entries.

import { kassert, panic } from '../../base/index.ts'

const HIGH_BITS = 4
const HIGH_MASK = 15
const TWO_32 = 2 ** 32

export class ReverseMap {
  next = new Uint32Array(1024)
  key = new Uint32Array(1024)
  vpnLow = new Uint32Array(1024)
  /** Entries in use. */
  count = 0
  /** Most entries there may be; tests lower it to see allocation fail. */
  limit = 2 ** 28
  #free = 0
  #used = 1
  readonly #heads: Uint32Array

  /** @param heads  first entry of each frame, 0 = none */
  constructor(heads: Uint32Array) {
    this.#heads = heads
  }

  /** Makes sure that the next `adds` (one unless told) succeed; false if they would not. */
  reserve(adds = 1): boolean {
    if (adds === 1 && this.#free !== 0) return true
    if (this.count + adds > this.limit) return false
    while (this.#used + adds > this.next.length) this.#grow()
    return true
  }
  /** Records a mapping. Room for it has been reserved. */
  add(f: number, pmapId: number, vpn: number): void {
    let e = this.#free
    if (e !== 0) this.#free = this.next[e]
    else e = this.#used++
    this.next[e] = this.#heads[f]
    this.#heads[f] = e
    this.#put(e, pmapId, vpn)
    this.count++
  }
  /** Forgets a mapping that is there. */
  remove(f: number, pmapId: number, vpn: number): void {
    const next = this.next
    let before = 0
    let e = this.#heads[f]
    while (e !== 0 && !this.#is(e, pmapId, vpn)) {
      before = e
      e = next[e]
    }
    if (e === 0) panic('a managed mapping is in the reverse map', `frame ${f}, pmap ${pmapId}, vpn ${vpn}`)
    if (before === 0) this.#heads[f] = next[e]
    else next[before] = next[e]
    next[e] = this.#free
    this.#free = e
    this.count--
  }
  /** The mapping has moved to another address of the same pmap. */
  move(f: number, pmapId: number, fromVpn: number, toVpn: number): void {
    for (let e = this.#heads[f]; e !== 0; e = this.next[e]) {
      if (!this.#is(e, pmapId, fromVpn)) continue
      this.#put(e, pmapId, toVpn)
      return
    }
    panic('a managed mapping is in the reverse map', `frame ${f}, pmap ${pmapId}, vpn ${fromVpn}`)
  }

  /** Every mapping of one frame has become a mapping of another, which had none. */
  moveAll(f: number, to: number): void {
    kassert(this.#heads[to] === 0, 'a frame that takes over mappings has none', `frame ${to}`)
    this.#heads[to] = this.#heads[f]
    this.#heads[f] = 0
  }

  /** First entry of a frame, or 0; go on with next[e]. */
  head(f: number): number {
    return this.#heads[f]
  }
  pmapIdOf(e: number): number {
    return this.key[e] >>> HIGH_BITS
  }
  vpnOf(e: number): number {
    return ((this.key[e] << 28) >> 28) * TWO_32 + this.vpnLow[e]
  }
  /** Mappings of a frame. */
  lengthOf(f: number): number {
    let n = 0
    for (let e = this.#heads[f]; e !== 0; e = this.next[e]) n++
    return n
  }

  #is(e: number, pmapId: number, vpn: number): boolean {
    return this.vpnLow[e] === vpn >>> 0 && this.pmapIdOf(e) === pmapId && this.vpnOf(e) === vpn
  }
  #put(e: number, pmapId: number, vpn: number): void {
    this.vpnLow[e] = vpn
    this.key[e] = (pmapId << HIGH_BITS) | (Math.floor(vpn / TWO_32) & HIGH_MASK)
  }
  #grow(): void {
    const size = this.next.length * 2
    kassert(size <= 2 ** 29, 'the reverse map has fewer than 2^29 entries')
    this.next = grown(this.next, size)
    this.key = grown(this.key, size)
    this.vpnLow = grown(this.vpnLow, size)
  }
}

function grown(old: Uint32Array, size: number): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(size)
  bigger.set(old)
  return bigger
}

// The one source of randomness: seeded, small, the same everywhere (sfc32, public domain algorithm).

export class Rng {
  #a = 0
  #b = 0
  #c = 0
  #d = 1
  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = (seed / 4294967296) | 0
    this.#c = 0x9e3779b9 | 0
    for (let i = 0; i < 16; i++) this.next32()
  }
  /** A uniform unsigned 32-bit number. */
  next32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return t >>> 0
  }
  /** A uniform integer in [0, n), n at most 2^32. */
  below(n: number): number {
    return Math.floor((this.next32() / 4294967296) * n)
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

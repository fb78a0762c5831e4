import { type OrErr, PAGE_MASK, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { READ, WRITE } from '../fault/index.ts'
import type { Uio } from '../file/index.ts'
import type { VmSpace } from '../map/index.ts'
import { userFaultIn, userOffsetTry } from './userCopy.ts'

/** One buffer of user memory, bytes. */
export interface IoVec {
  readonly base: number
  readonly length: number
}

/** User memory as one side of a read or write: buffers one after the other. */
export class UserUio implements Uio {
  resid: number
  readonly #space: VmSpace
  readonly #vecs: readonly IoVec[]
  #vec = 0
  #done = 0

  constructor(space: VmSpace, vecs: readonly IoVec[], limit = Infinity) {
    this.#space = space
    this.#vecs = vecs
    this.resid = Math.min(
      limit,
      vecs.reduce((sum, { length }) => sum + length, 0),
    )
  }
  moveTo(memOffset: number, bytes: number): number {
    return this.#move(memOffset, bytes, WRITE)
  }
  moveFrom(memOffset: number, bytes: number): number {
    return this.#move(memOffset, bytes, READ)
  }
  unmove(bytes: number): void {
    this.resid += bytes
    for (let left = bytes; left > 0;) {
      if (this.#done === 0) this.#done = this.#vecs[--this.#vec]!.length
      const step = Math.min(left, this.#done)
      this.#done -= step
      left -= step
    }
  }
  *faultIn(isStore: boolean, ahead = 0): Sleep<OrErr<0>> {
    if (this.resid <= ahead) return 0
    return yield* userFaultIn(this.#space, this.#after(ahead), isStore ? WRITE : READ)
  }

  /** The address of the next byte; `resid` is not 0. */
  #next(): number {
    while (this.#done >= this.#vecs[this.#vec]!.length) {
      this.#vec++
      this.#done = 0
    }
    return this.#vecs[this.#vec]!.base + this.#done
  }
  /** The address of a later byte; there are more than `ahead`. */
  #after(ahead: number): number {
    let i = this.#vec
    let at = this.#done + ahead
    for (; at >= this.#vecs[i]!.length; i++) at -= this.#vecs[i]!.length
    return this.#vecs[i]!.base + at
  }
  #move(memOffset: number, bytes: number, access: number): number {
    const { u8 } = this.#space.vm.machine.memory
    const want = Math.min(bytes, this.resid)
    let moved = 0
    while (moved < want) {
      const va = this.#next()
      const offset = userOffsetTry(this.#space, va, access)
      if (typeof offset === 'symbol' || offset < 0) break
      const rest = this.#vecs[this.#vec]!.length - this.#done
      const step = Math.min(want - moved, rest, PAGE_SIZE - (va & PAGE_MASK))
      if (access === WRITE) u8.copyWithin(offset, memOffset + moved, memOffset + moved + step)
      else u8.copyWithin(memOffset + moved, offset, offset + step)
      this.#done += step
      this.resid -= step
      moved += step
    }
    return moved
  }
}

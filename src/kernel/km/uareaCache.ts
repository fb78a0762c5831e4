// Free u-areas, kept with their pages and mappings. Nobody writes into them here.
//
//   CPU 0  [ … a b ] <- free, alloc: last in, first out; 15 at most
//   CPU 1  [ c ]
//   depot  [ 15 ] [ 15 ] …   full groups, for whichever CPU's list is empty

import { kassert } from '../../base/index.ts'

/** Areas on a CPU's list; one more free moves the whole list to the depot. */
export const UAREA_GROUP = 15

export class UareaCache {
  /** Bytes of an area, and their alignment. */
  readonly bytes: number
  readonly align: number
  readonly perCpu: number[][] = []
  readonly depot: number[][] = []
  /** Every area in the cache, to catch one that is freed twice. */
  readonly #cached = new Set<number>()

  constructor(cpus: number, bytes: number, align: number) {
    this.bytes = bytes
    this.align = align
    for (let i = 0; i < cpus; i++) this.perCpu.push([])
  }
  get count(): number {
    return this.#cached.size
  }
  /** The area freed last on this CPU, else one of the depot, else 0. */
  take(cpu: number): number {
    const own = this.perCpu[cpu]!
    if (own.length === 0) own.push(...(this.depot.pop() ?? []))
    const va = own.pop() ?? 0
    this.#cached.delete(va)
    return va
  }
  put(cpu: number, va: number): void {
    kassert(!this.#cached.has(va), 'a u-area is freed once', va.toString(16))
    const own = this.perCpu[cpu]!
    if (own.length === UAREA_GROUP) this.depot.push(own.splice(0))
    own.push(va)
    this.#cached.add(va)
  }
  /** Empties the cache. */
  takeAll(): number[] {
    const all = [...this.#cached]
    this.#cached.clear()
    this.depot.length = 0
    for (const own of this.perCpu) own.length = 0
    return all
  }
}

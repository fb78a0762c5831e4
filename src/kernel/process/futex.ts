// Futexes: threads asleep on a word of user memory, found by what that word is.

import { WaitQueue } from '../../base/index.ts'
import type { VmSpace } from '../map/index.ts'

export const FUTEX_BITSET_ANY = 0xffffffff

/** One thread waiting. It sleeps on a queue of its own, so that requeueing moves the record and not the sleeper. */
export class FutexWaiter {
  key: string
  readonly bitset: number
  readonly queue = new WaitQueue('futex')
  isWoken = false
  constructor(key: string, bitset: number) {
    this.key = key
    this.bitset = bitset
  }
}

/** The waiters of one system, by key, first come first woken. */
export class FutexTable {
  readonly #byKey = new Map<string, FutexWaiter[]>()
  #ids = new WeakMap<object, number>()
  #lastId = 0

  /**
   * What a word is: private memory is (space, address); shared memory is (object, page, offset), the same from every
   * process and after mremap.
   */
  keyOf(space: VmSpace, address: number): string {
    const entry = space.map.lookup(address)
    if (entry !== null && !entry.isCow) {
      // Shared anonymous memory of netbsd has an amap instead of an object.
      const what = entry.object ?? entry.amap
      const page = entry.object !== null ? entry.pgoffOf(address) : entry.slotOf(address)
      if (what !== null) return `${this.#idOf(what)}:${page}:${address & 0xfff}`
    }
    return `${this.#idOf(space)}:${address}`
  }
  add(waiter: FutexWaiter): void {
    const list = this.#byKey.get(waiter.key)
    if (list === undefined) this.#byKey.set(waiter.key, [waiter])
    else list.push(waiter)
  }
  remove(waiter: FutexWaiter): void {
    const list = this.#byKey.get(waiter.key)
    const i = list?.indexOf(waiter) ?? -1
    if (i < 0) return
    list!.splice(i, 1)
    if (list!.length === 0) this.#byKey.delete(waiter.key)
  }
  /** Wakes up to `count` waiters whose bitset meets `bitset`; returns how many. */
  wake(key: string, count: number, bitset = FUTEX_BITSET_ANY): number {
    let woken = 0
    for (const waiter of this.#byKey.get(key)?.slice() ?? []) {
      if (woken >= count) break
      if ((waiter.bitset & bitset) === 0) continue
      this.remove(waiter)
      waiter.isWoken = true
      waiter.queue.wakeAll()
      woken++
    }
    return woken
  }
  /** Moves up to `count` waiters to another key. */
  requeue(from: string, to: string, count: number): number {
    const moved = (this.#byKey.get(from) ?? []).slice(0, count)
    for (const waiter of moved) {
      this.remove(waiter)
      waiter.key = to
      this.add(waiter)
    }
    return moved.length
  }
  /** Waiters of all keys. */
  get count(): number {
    let count = 0
    for (const list of this.#byKey.values()) count += list.length
    return count
  }
  #idOf(what: object): number {
    let id = this.#ids.get(what)
    if (id === undefined) this.#ids.set(what, (id = ++this.#lastId))
    return id
  }
}

// Simulated time, in nanoseconds, and what is due when.

import { kassert } from './assert.ts'
import type { Ticks } from './units.ts'

interface Timer {
  readonly at: number
  readonly seq: number
  action: (() => void) | null
}

/** A binary heap of timers; equal times fire in the order they were set. */
export class Clock {
  now = 0 as Ticks
  #heap: Timer[] = []
  #seq = 0

  /** Runs `action` when simulated time reaches `at`. Returns a function that cancels it. */
  at(at: number, action: () => void): () => void {
    const timer: Timer = { at: Math.max(at, this.now), seq: this.#seq++, action }
    this.#heap.push(timer)
    this.#up(this.#heap.length - 1)
    return () => {
      timer.action = null
    }
  }
  after(delay: number, action: () => void): () => void {
    return this.at(this.now + delay, action)
  }
  /** Time of the next timer, or Infinity. */
  get nextAt(): number {
    this.#dropCancelled()
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.at
  }
  /** Moves time forward to `to`, firing what is due on the way. */
  advanceTo(to: number): void {
    kassert(to >= this.now, 'clock moves forward')
    for (;;) {
      this.#dropCancelled()
      const first = this.#heap[0]
      if (first === undefined || first.at > to) break
      this.#pop()
      this.now = first.at as Ticks
      first.action?.()
    }
    this.now = to as Ticks
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.action === null) this.#pop()
  }
  #before(a: Timer, b: Timer): boolean {
    return a.at < b.at || (a.at === b.at && a.seq < b.seq)
  }
  #up(i: number): void {
    const heap = this.#heap
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.#before(heap[i]!, heap[parent]!)) break
      ;[heap[i], heap[parent]] = [heap[parent]!, heap[i]!]
      i = parent
    }
  }
  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    let i = 0
    for (;;) {
      let least = i
      const l = 2 * i + 1
      if (l < heap.length && this.#before(heap[l]!, heap[least]!)) least = l
      if (l + 1 < heap.length && this.#before(heap[l + 1]!, heap[least]!)) least = l + 1
      if (least === i) return
      ;[heap[i], heap[least]] = [heap[least]!, heap[i]!]
      i = least
    }
  }
}

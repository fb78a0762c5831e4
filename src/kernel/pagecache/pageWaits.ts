// Who waits for a bit of a page.
//
//   pages hash to a few queues per zone, so unrelated pages share one:
//
//   queue:  [shared] [shared] [exclusive] [exclusive]
//           head: waits for a bit to clear        tail: wants to set it
//
// A wake-up names a frame and a bit and visits waiters from head to tail. Who waits for something else, or for a bit
// that is set again, stays. It ends after one exclusive waiter.

import { WaitQueue, type Pfn } from '../../base/index.ts'
import type { Frames, Phys } from '../phys/index.ts'

/** Called for every wake-up of the queue, of other pages and bits too; must check. True: this was for me. */
export type PageWaitCallback = (pfn: Pfn, bit: number) => boolean

/** One place in a queue. */
export class PageWaiter {
  readonly frame: number
  readonly bit: number
  readonly isExclusive: boolean
  /** A caller's own waiter; null for one that sleeps. */
  readonly callback: PageWaitCallback | null
  /** Where the thread of this waiter sleeps. */
  readonly sleep = new WaitQueue('page')
  isQueued = false
  constructor(frame: number, bit: number, isExclusive: boolean, callback: PageWaitCallback | null = null) {
    this.frame = frame
    this.bit = bit
    this.isExclusive = isExclusive
    this.callback = callback
  }
}

const PAGES_PER_QUEUE = 256
const MOST_QUEUES = 4096

export class PageWaits {
  readonly #frames: Frames
  /** Queues by zone slot. */
  readonly #zones: PageWaiter[][][] = []
  /** Waiters in all queues, so that waking nobody costs one comparison. */
  #waiting = 0

  constructor(phys: Phys, perZone: number) {
    this.#frames = phys.frames
    for (const zone of phys.zones) {
      const wanted = Math.min(MOST_QUEUES, Math.max(4, zone.present / PAGES_PER_QUEUE))
      const count = perZone > 0 ? perZone : 2 ** Math.ceil(Math.log2(wanted))
      this.#zones[zone.slot] = Array.from({ length: count }, () => [])
    }
  }

  addHead(waiter: PageWaiter): void {
    this.#queueOf(waiter.frame).unshift(waiter)
    this.#entered(waiter)
  }
  addTail(waiter: PageWaiter): void {
    this.#queueOf(waiter.frame).push(waiter)
    this.#entered(waiter)
  }
  remove(waiter: PageWaiter): void {
    if (!waiter.isQueued) return
    const queue = this.#queueOf(waiter.frame)
    queue.splice(queue.indexOf(waiter), 1)
    waiter.isQueued = false
    this.#waiting--
  }
  /** Wakes whoever waits for this bit of this frame: all shared waiters before the first exclusive one, and that one. */
  wake(frame: number, bit: number): void {
    if (this.#waiting === 0) return
    const queue = this.#queueOf(frame)
    if (queue.length === 0) return
    for (const waiter of queue.slice()) {
      if (waiter.isQueued && this.#offer(waiter, frame, bit) && waiter.isExclusive) return
    }
  }
  /** Do these frames share a queue? */
  doShare(a: number, b: number): boolean {
    return this.#queueOf(a) === this.#queueOf(b)
  }
  /** Waiters for a frame, head first (panels and tests). */
  waitersFor(frame: number): readonly PageWaiter[] {
    return this.#queueOf(frame).filter((waiter) => waiter.frame === frame)
  }

  /** True if the waiter took the wake-up. */
  #offer(waiter: PageWaiter, frame: number, bit: number): boolean {
    if (waiter.callback !== null) return waiter.callback(this.#frames.pfnAt(frame), bit)
    if (waiter.frame !== frame || waiter.bit !== bit || (this.#frames.flags[frame] & bit) !== 0) return false
    this.remove(waiter)
    waiter.sleep.wakeAll()
    return true
  }
  #entered(waiter: PageWaiter): void {
    waiter.isQueued = true
    this.#waiting++
  }
  #queueOf(frame: number): PageWaiter[] {
    const queues = this.#zones[this.#frames.zone[frame]]!
    // Multiplied by the golden ratio, so that neighbours spread.
    return queues[(Math.imul(frame, 0x9e3779b1) >>> 0) % queues.length]!
  }
}

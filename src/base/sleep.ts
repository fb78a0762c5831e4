// May sleep is a type (DESIGN.md, decision 9). A function that may sleep is a generator; what it yields is
// the queue or deadline it sleeps on; what it is resumed with says why it was woken.

import type { Ticks } from './units.ts'

/** What a sleeping function yields: wake me when this queue is woken, or at this time, whichever is first. */
export interface SleepRequest {
  /** The queue to join, or null to wait for the deadline alone. */
  readonly queue: WaitQueue | null
  /** Simulated time of the latest wake-up; Infinity for none. */
  readonly deadline: number
  /** May a signal end the sleep early? */
  readonly interruptible: boolean
}

export type WakeReason = 'woken' | 'timeout' | 'signal'
export type Sleep<T> = Generator<SleepRequest, T, WakeReason>

/** Answer of a Try function that would have had to sleep. It has changed nothing. */
export const WouldSleep: unique symbol = Symbol('WouldSleep')
export type WouldSleep = typeof WouldSleep

/** Someone asleep. The scheduler makes one for each sleeping thread. */
export interface Sleeper {
  wake(reason: WakeReason): void
}

/** A FIFO of sleepers. Joined by the scheduler when a generator yields it; woken by whoever changes the state. */
export class WaitQueue {
  readonly name: string
  readonly sleepers: Sleeper[] = []
  constructor(name: string) {
    this.name = name
  }
  get isEmpty(): boolean {
    return this.sleepers.length === 0
  }
  join(sleeper: Sleeper): void {
    this.sleepers.push(sleeper)
  }
  leave(sleeper: Sleeper): void {
    const i = this.sleepers.indexOf(sleeper)
    if (i >= 0) this.sleepers.splice(i, 1)
  }
  wakeOne(): boolean {
    const sleeper = this.sleepers.shift()
    if (sleeper === undefined) return false
    sleeper.wake('woken')
    return true
  }
  wakeAll(): number {
    if (this.sleepers.length === 0) return 0
    const woken = this.sleepers.splice(0)
    for (const sleeper of woken) sleeper.wake('woken')
    return woken.length
  }
}

/** Sleeps until the queue is woken (or the deadline passes). The caller re-checks its condition. */
export function* sleepOn(queue: WaitQueue, deadline = Infinity, interruptible = false): Sleep<WakeReason> {
  return yield { queue, deadline, interruptible }
}

/** Sleeps until the simulated time `deadline`. */
export function* sleepUntil(deadline: Ticks | number, interruptible = false): Sleep<WakeReason> {
  return yield { queue: null, deadline, interruptible }
}

// What the tests of this room stand on: real RAM, a page source that is easy to see through and to make fail, and a
// scheduler of ten lines.

import { Clock, ENOMEM, kassert, MiB, pfn, sleepOn, Trace, WaitQueue, WouldSleep } from '../../base/index.ts'
import type { Err, OrErr, Pfn, Sleep, SleepRequest, WakeReason } from '../../base/index.ts'
import { LAYOUT_SV48, PhysicalMemory } from '../../machine/index.ts'
import { __GFP_WAIT } from '../phys/index.ts'
import { Pools } from './pools.ts'
import type { PoolsConfig } from './pools.ts'
import type { Bookkeeping, BookkeepingKind, PageSource } from './sources.ts'

/** Aligned blocks, lowest frame first; every block is remembered until it is given back. */
export class HandMadePages implements PageSource {
  readonly nrFrames: number
  nrFree: number
  /** Order by first frame of every block that is out. */
  readonly blocks = new Map<number, number>()
  readonly requests: { gfp: number; order: number }[] = []
  readonly slabFrames = new Set<number>()
  /** The n-th request from now fails; 0: none. */
  failAt = 0
  isFailing = false
  /** Instead of failing, requests with __GFP_WAIT sleep until pages are given back. */
  sleepsWhenEmpty = false
  readonly #freed = new WaitQueue('pages')
  readonly #used: Uint8Array
  constructor(nrFrames: number) {
    this.nrFrames = nrFrames
    this.nrFree = nrFrames
    this.#used = new Uint8Array(nrFrames)
  }
  allocPagesTry(gfp: number, order: number): Pfn | WouldSleep | Err {
    this.requests.push({ gfp, order })
    const block = this.#take(order)
    if (block !== ENOMEM || !this.sleepsWhenEmpty || (gfp & __GFP_WAIT) === 0) return block
    return WouldSleep
  }
  *allocPages(gfp: number, order: number): Sleep<OrErr<Pfn>> {
    for (;;) {
      const block = this.allocPagesTry(gfp, order)
      if (block !== WouldSleep) return block
      yield* sleepOn(this.#freed)
    }
  }
  freePages(block: Pfn, order: number): void {
    kassert(this.blocks.get(block) === order, 'a block is given back once, with its order', `${block}/${order}`)
    this.blocks.delete(block)
    for (let i = 0; i < 2 ** order; i++) {
      kassert(!this.slabFrames.has(block + i), 'a slab page is not given back', `${block + i}`)
      this.#used[block + i] = 0
    }
    this.nrFree += 2 ** order
    this.#freed.wakeAll()
  }
  markSlab(block: Pfn, order: number, isSlab: boolean): void {
    for (let i = 0; i < 2 ** order; i++) {
      if (isSlab) this.slabFrames.add(block + i)
      else this.slabFrames.delete(block + i)
    }
  }
  #take(order: number): Pfn | Err {
    if (this.failAt > 0 && --this.failAt === 0) return ENOMEM
    if (this.isFailing) return ENOMEM
    const frames = 2 ** order
    for (let first = 0; first + frames <= this.nrFrames; first += frames) {
      if (this.#used.subarray(first, first + frames).includes(1)) continue
      this.#used.fill(1, first, first + frames)
      this.blocks.set(first, order)
      this.nrFree -= frames
      return pfn(first)
    }
    return ENOMEM
  }
}

/** Refuses the n-th descriptor from now, or all of one kind. */
export class HandMadeBookkeeping implements Bookkeeping {
  failAt = 0
  refused: BookkeepingKind | null = null
  reserve(what: BookkeepingKind): boolean {
    if (this.failAt > 0 && --this.failAt === 0) return false
    return what !== this.refused
  }
}

/** A thread that a test has started. */
export class Thread<T> {
  isDone = false
  result: T | null = null
  readonly #body: Sleep<T>
  #stop: () => void = () => {}
  constructor(body: Sleep<T>) {
    this.#body = body
  }
  /** Runs until it sleeps or ends. `ready` gets it back when it is woken. */
  step(clock: Clock, reason: WakeReason, ready: (thread: Thread<T>, reason: WakeReason) => void): void {
    this.#stop()
    const next = this.#body.next(reason)
    if (next.done === true) {
      this.isDone = true
      this.result = next.value
      return
    }
    const request: SleepRequest = next.value
    const sleeper = { wake: (why: WakeReason) => ready(this, why) }
    request.queue?.join(sleeper)
    const cancel =
      request.deadline === Infinity
        ? () => {}
        : clock.at(request.deadline, () => {
            request.queue?.leave(sleeper)
            sleeper.wake('timeout')
          })
    this.#stop = cancel
  }
}

/** Runs a function that may sleep, and fails if it does. */
export function runAwake<T>(body: Sleep<T>): T {
  const next = body.next('woken')
  kassert(next.done === true, 'the test expects no sleep')
  return next.value
}

/** A room over 16 MiB of real RAM (4096 frames) unless told. */
export function handMade(config: Partial<PoolsConfig> & { readonly frames?: number } = {}) {
  const frames = config.frames ?? 4096
  const memory = new PhysicalMemory([{ start: 0, end: Math.ceil((frames * 4096) / (2 * MiB)) * 2 * MiB }])
  const pages = new HandMadePages(frames)
  const bookkeeping = new HandMadeBookkeeping()
  const clock = new Clock()
  const running = { cpu: { interruptsEnabled: true, preemptionDepth: 0, interruptLevel: 0 } }
  const trace = new Trace()
  const pools = new Pools({
    ram: memory,
    pages,
    clock,
    directMap: LAYOUT_SV48.directMap.start,
    running,
    trace,
    bookkeeping,
    ...config,
  })
  const ready: [Thread<unknown>, WakeReason][] = []
  /** Runs every thread that is not asleep. */
  const settle = (): void => {
    for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
      next[0].step(clock, next[1], (thread, reason) => ready.push([thread, reason]))
    }
  }
  const spawn = <T>(body: Sleep<T>): Thread<T> => {
    const thread = new Thread(body)
    ready.push([thread as unknown as Thread<unknown>, 'woken'])
    settle()
    return thread
  }
  const advance = (ns: number): void => {
    clock.advanceTo(clock.now + ns)
    settle()
  }
  return { pools, memory, pages, bookkeeping, clock, running, trace, spawn, settle, advance }
}

// NetBSD's clock: two queues, and a reference bit that gives a second chance (uvm specification 2.19).
//
//   used: activate ──► [ active, tail ]
//                        head ──balance──► [ inactive, tail ]     its reference bit is cleared on the way
//                                            head ──selectVictim──► referenced, or of a kind to spare: active again
//                                                                   else: the victim
//
//   next, prev   neighbours in the queue, by frame; the queues' ends are two entries behind the last frame
//   state        0 none, 1 inactive, 2 active

import { kassert } from '../../base/index.ts'
import { freeCount, PG_active, PG_anon, PG_queued, PG_reserved } from '../phys/index.ts'
import { pmapClearReference, pmapIsReferenced } from '../pmap/index.ts'
import { countFilePages, KIND_ANON, KIND_EXEC, KIND_FILE, kindOf, type Owners } from './kinds.ts'
import { PolicyEvents, type ReplacementPolicy } from './policy.ts'

const NONE = 0
const INACTIVE = 1
const ACTIVE = 2

/** Percentages of pages (sysctl vm.anonmin and its kin). */
export class KindLimits {
  anonmin = 10
  filemin = 10
  execmin = 5
  anonmax = 80
  filemax = 50
  execmax = 30
}

export interface ClockOptions {
  /** Percentage of the queued pages that should be inactive, and the least number of pages. */
  readonly inactivePercent?: number
  leastInactive(): number
  /** Is there no swap to take a page? */
  isSwapFull(): boolean
}

export class ClockPolicy implements ReplacementPolicy {
  readonly name = 'clock'
  readonly events = new PolicyEvents()
  readonly limits = new KindLimits()
  active = 0
  inactive = 0
  readonly #owners: Owners
  readonly #options: ClockOptions
  readonly #next: Int32Array
  readonly #prev: Int32Array
  readonly #state: Uint8Array
  readonly #inactiveList: number
  readonly #activeList: number
  /** Where the scan is: a page that leaves its queue passes it on. */
  #hand = -1
  #sparesAnon = false
  #sparesFile = false
  #sparesExec = false

  constructor(owners: Owners, options: ClockOptions) {
    const { count } = owners.phys.frames
    this.#owners = owners
    this.#options = options
    this.#next = new Int32Array(count + 2)
    this.#prev = new Int32Array(count + 2)
    this.#state = new Uint8Array(count)
    this.#inactiveList = count
    this.#activeList = count + 1
    for (const list of [count, count + 1]) this.#next[list] = this.#prev[list] = list
  }

  activate(f: number): void {
    if (!this.#isPageable(f)) return
    if (this.#state[f] !== NONE) this.#remove(f)
    this.#append(this.#activeList, f, ACTIVE)
    this.active++
    const { flags } = this.#owners.phys.frames
    // Of a page of a file the flag says on which list of the page cache it is.
    if ((flags[f]! & PG_anon) !== 0) flags[f] = flags[f]! | PG_active
  }
  deactivate(f: number): void {
    if (!this.#isPageable(f) || this.#state[f] === INACTIVE) return
    if (this.#state[f] !== NONE) this.#remove(f)
    pmapClearReference(this.#owners.pmaps, this.#owners.phys.frames.pfnAt(f))
    this.#append(this.#inactiveList, f, INACTIVE)
    this.inactive++
  }
  dequeue(f: number): void {
    if (this.#state[f] === NONE) return
    this.#remove(f)
    this.#state[f] = NONE
    const { flags } = this.#owners.phys.frames
    flags[f] = flags[f]! & ~PG_queued
  }
  isActive(f: number): boolean {
    return this.#state[f] === ACTIVE
  }
  isInactive(f: number): boolean {
    return this.#state[f] === INACTIVE
  }

  beginScan(): void {
    const { limits } = this
    const { phys, anons } = this.#owners
    const total = this.active + this.inactive + freeCount(phys)
    const { filepages, execpages } = countFilePages(this.#owners)
    const isUnder = (pages: number, percent: number): boolean => pages <= Math.floor((total * percent) / 100)
    const anonOver = !isUnder(anons.residentPages, limits.anonmax)
    const fileOver = !isUnder(filepages, limits.filemax)
    const execOver = !isUnder(execpages, limits.execmax)
    this.#sparesAnon = isUnder(anons.residentPages, limits.anonmin) || (!anonOver && (fileOver || execOver))
    this.#sparesFile = isUnder(filepages, limits.filemin) || (!fileOver && (anonOver || execOver))
    this.#sparesExec = isUnder(execpages, limits.execmin) || (!execOver && (anonOver || fileOver))
    if (this.#sparesFile && this.#sparesExec && (this.#sparesAnon || this.#options.isSwapFull()))
      this.#sparesAnon = this.#sparesFile = this.#sparesExec = false
    this.#hand = this.#next[this.#inactiveList]!
  }
  selectVictim(): number {
    const { events } = this
    const { pmaps, phys } = this.#owners
    for (;;) {
      const f = this.#hand
      if (f < 0 || f === this.#inactiveList) return -1
      this.#hand = this.#next[f]!
      events.pdscans++
      if (pmapIsReferenced(pmaps, phys.frames.pfnAt(f))) {
        events.pdreact++
        this.activate(f)
        continue
      }
      const kind = kindOf(this.#owners, f)
      if (kind === KIND_ANON && this.#sparesAnon) events.pdreanon++
      else if (kind === KIND_FILE && this.#sparesFile) events.pdrefile++
      else if (kind === KIND_EXEC && this.#sparesExec) events.pdreexec++
      else return f
      this.activate(f)
    }
  }
  balance(): void {
    let missing = this.#target() - this.inactive
    for (let f = this.#next[this.#activeList]!; missing > 0 && f !== this.#activeList; missing--) {
      const next = this.#next[f]!
      this.deactivate(f)
      this.events.pddeact++
      f = next
    }
  }
  get needsScan(): boolean {
    return this.inactive < this.#target()
  }

  #target(): number {
    const share = Math.floor(((this.active + this.inactive) * (this.#options.inactivePercent ?? 33)) / 100)
    return Math.max(share, this.#options.leastInactive())
  }
  #isPageable(f: number): boolean {
    const { flags, wireCount, owner } = this.#owners.phys.frames
    return f >= 0 && wireCount[f] === 0 && owner[f] !== 0 && (flags[f]! & PG_reserved) === 0
  }
  #append(list: number, f: number, state: number): void {
    const last = this.#prev[list]!
    this.#next[last] = f
    this.#prev[f] = last
    this.#next[f] = list
    this.#prev[list] = f
    this.#state[f] = state
    const { flags } = this.#owners.phys.frames
    flags[f] = flags[f]! | PG_queued
  }
  #remove(f: number): void {
    const next = this.#next[f]!
    const prev = this.#prev[f]!
    if (this.#hand === f) this.#hand = next
    this.#next[prev] = next
    this.#prev[next] = prev
    if (this.#state[f] === ACTIVE) {
      this.active--
      const { flags } = this.#owners.phys.frames
      if ((flags[f]! & PG_anon) !== 0) flags[f] = flags[f]! & ~PG_active
    } else this.inactive--
  }

  /** The queues hold what the states say, their lengths are right, and no wired or ownerless page is on them. */
  verify(): void {
    const { flags } = this.#owners.phys.frames
    let marked = 0
    for (let f = 0; f < this.#state.length; f++) {
      if (this.#state[f] !== NONE) marked++
      kassert((this.#state[f] !== NONE) === ((flags[f]! & PG_queued) !== 0), 'PG_queued says what is queued', `${f}`)
    }
    for (const [list, state, count] of [
      [this.#activeList, ACTIVE, this.active],
      [this.#inactiveList, INACTIVE, this.inactive],
    ] as const) {
      let seen = 0
      for (let f = this.#next[list]!; f !== list; f = this.#next[f]!) {
        kassert(this.#state[f] === state && this.#prev[this.#next[f]!] === f, 'a queue holds its pages', `${f}`)
        kassert(this.#isPageable(f), 'a queued page has an owner and is not wired', `${f}`)
        seen++
      }
      kassert(seen === count, 'a queue counts its pages', `${seen} ${count}`)
      marked -= seen
    }
    kassert(marked === 0, 'every page with a state is on its queue')
  }
}

// Pages on their way out, gathered so that one request writes neighbouring slots.

import { type Err, ENOMEM, PAGE_SIZE } from '../../base/index.ts'
import { NR_VMSCAN_WRITE, PG_dirty, PG_locked, PG_reclaim, PG_writeback } from '../phys/index.ts'
import { SWSLOT_BAD, uvmSwapAlloc, uvmSwapFree, uvmSwapMarkBad, uvmSwapPutStart } from '../swap/index.ts'
import type { SwapOwner } from './swapOwner.ts'
import type { UvmPageDaemon } from './uvmPageDaemon.ts'

/** Bytes of one request. */
const CLUSTER_BYTES = 64 * 1024

export class SwapCluster {
  readonly #daemon: UvmPageDaemon
  #pages: SwapOwner[] = []
  #slot = 0
  #room = 0

  constructor(daemon: UvmPageDaemon) {
    this.#daemon = daemon
  }
  /** Pages gathered and not yet being written. */
  get count(): number {
    return this.#pages.length
  }
  /** Would `reserve` say yes for a page that gives up its own slot first, if it has one? */
  hasPlaceFor(page: SwapOwner): boolean {
    const { swap } = this.#daemon.owners.anons
    return this.#room > this.#pages.length || page.slot > 0 || (swap !== null && swap.swpginuse < swap.swpages)
  }
  /** Is there a slot for one more page? */
  reserve(): boolean {
    const { swap } = this.#daemon.owners.anons
    if (this.#room > this.#pages.length) return true
    if (swap === null) return false
    const range = uvmSwapAlloc(swap, CLUSTER_BYTES / PAGE_SIZE, true)
    if (range === null) return false
    this.#slot = range.slot
    this.#room = range.count
    return true
  }
  /** Takes a page that is unmapped and on no queue; `reserve` has just said yes. */
  add(page: SwapOwner): void {
    const { events, phys } = this.#daemon
    page.slot = this.#slot + this.#pages.length
    const { flags } = phys.frames
    flags[page.frame] = flags[page.frame]! | PG_locked | PG_writeback | PG_reclaim
    phys.zoneOf(page.frame).stat[NR_VMSCAN_WRITE]!++
    this.#pages.push(page)
    events.pgswapout++
    if (this.#pages.length === this.#room) this.flush()
  }
  /** Begins to write what was gathered, and gives back the slots that were not needed. */
  flush(): void {
    const pages = this.#pages
    const slot = this.#slot
    const spare = this.#room - pages.length
    const daemon = this.#daemon
    const swap = daemon.owners.anons.swap!
    this.#pages = []
    this.#room = 0
    if (spare > 0) uvmSwapFree(swap, slot + pages.length, spare)
    if (pages.length === 0) return
    daemon.events.pdpageouts++
    daemon.requests++
    const pfns = pages.map((page) => page.pfn)
    uvmSwapPutStart(swap, slot, pfns, (error) => {
      daemon.requests--
      for (let i = 0; i < pages.length; i++) finish(daemon, pages[i]!, slot + i, error)
      daemon.noteFree()
    })
    for (const page of pages)
      if (page.leavesAtOnce) giveUp(daemon, page)
      else daemon.paging++
  }
}

/** The device has the bytes of a page, and reads what it was given before it answers others. */
function giveUp(daemon: UvmPageDaemon, page: SwapOwner): void {
  page.dropPage()
  daemon.events.pdfreed++
  daemon.owners.anons.swap!.swpgonly++
}

/** One page has been written, or has not. */
function finish(daemon: UvmPageDaemon, page: SwapOwner, slot: number, error: 0 | Err): void {
  const swap = daemon.owners.anons.swap!
  if (page.leavesAtOnce) {
    if (error === 0 || page.slot !== slot) return
    uvmSwapMarkBad(swap, slot, 1)
    page.slot = SWSLOT_BAD
    swap.swpgonly--
    return
  }
  daemon.paging--
  if (error !== 0 && error !== ENOMEM) {
    // The data is lost: whoever asks for it is told so.
    uvmSwapMarkBad(swap, slot, 1)
    page.slot = SWSLOT_BAD
  }
  if (!page.ioDone(PG_writeback | PG_reclaim)) return
  if (error === ENOMEM) {
    const { flags } = daemon.phys.frames
    flags[page.frame] = flags[page.frame]! | PG_dirty
    daemon.policy.activate(page.frame)
    return
  }
  page.dropPage()
  daemon.events.pdfreed++
  if (error === 0) swap.swpgonly++
}

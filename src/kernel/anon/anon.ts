// Anons: one page of anonymous memory each, shared by count. What exists once a page is an index into typed arrays.
//
//   ref[a]    amap slots (and TOANON loans) that name anon a; 0 = free, then page[a] is the next free anon
//   page[a]   frame index + 1 of the resident page, 0 = none
//   slot[a]   swap slot, 0 = none, -1 = bad (the data is lost: any access is EIO)
//
//   page, no slot          dirty whatever the page says: the only copy
//   page and slot          clean until somebody writes to it
//   slot, no page          swapped out; anonGet brings it back
//   neither                given up while memory was short (MADV_FREE): zeros
//   page locked            being read or written; who frees the anon meanwhile leaves that to the end of the transfer
//
// 12 bytes an anon; with its 4-byte amap slot and chunk head it stays below 24 bytes a page.

import { kassert, type Err, ENOMEM, type Pfn, pfn as asPfn, WaitQueue } from '../../base/index.ts'
import { pmapPageProtect, type Pmaps, VM_PROT_NONE } from '../pmap/index.ts'
import {
  allocPagesTry,
  type Phys,
  putPage,
  PG_anon,
  PG_dirty,
  PG_lazyfree,
  PG_locked,
  PG_queued,
  PG_released,
  PG_uptodate,
} from '../phys/index.ts'
import { type Swap, uvmSwapFree } from '../swap/index.ts'

export class Anons {
  readonly phys: Phys
  readonly pmaps: Pmaps
  /** Where pages go that do not fit; null where there is no swap. */
  swap: Swap | null = null
  /** References that are no amap slot's: anons lent (TOANON), by how often. */
  readonly lent = new Map<number, number>()
  /** Woken when a page's transfer has ended. */
  readonly ioQueue = new WaitQueue('anonio')
  ref = new Int32Array(1024)
  page = new Uint32Array(1024)
  slot = new Int32Array(1024)
  /** Anons in use. */
  count = 0
  /** Pages owned by anons (uvmexp.anonpages). */
  residentPages = 0
  /** Of them: those with PG_lazyfree. */
  lazyPages = 0
  #freeHead = 0
  #used = 1

  constructor(phys: Phys, pmaps: Pmaps) {
    this.phys = phys
    this.pmaps = pmaps
  }

  /** A new anon with one reference, no page and no swap slot. Never sleeps. */
  alloc(): number {
    let anon = this.#freeHead
    if (anon !== 0) this.#freeHead = this.page[anon]!
    else {
      anon = this.#used++
      if (anon >= this.ref.length) this.#grow()
    }
    this.ref[anon] = 1
    this.page[anon] = 0
    this.slot[anon] = 0
    this.count++
    return anon
  }
  #grow(): void {
    // By a quarter, not by doubling: a page of anonymous memory is to cost little, even just after the arrays have grown.
    const size = this.ref.length + (this.ref.length >> 2)
    const grown = <T extends Int32Array | Uint32Array>(old: T, bigger: T): T => {
      bigger.set(old)
      return bigger
    }
    this.ref = grown(this.ref, new Int32Array(size))
    this.page = grown(this.page, new Uint32Array(size))
    this.slot = grown(this.slot, new Int32Array(size))
  }
  /** Gives the number back; the page and the slot are already gone. */
  release(anon: number): void {
    this.page[anon] = this.#freeHead
    this.#freeHead = anon
    this.count--
  }
  get capacity(): number {
    return this.#used
  }
}

/** The resident page of an anon, or -1. */
export function anonPage(anons: Anons, anon: number): Pfn | -1 {
  const f = anons.page[anon]!
  return f === 0 ? -1 : anons.phys.frames.pfnAt(f - 1)
}

/**
 * A new anon with a new page of undefined content, owned, up to date and dirty.
 *
 * @errors ENOMEM  no frame is free; the caller may wait for memory and try again
 */
export function anonAllocWithPage(anons: Anons, gfp: number): number | Err {
  const pfn = allocPagesTry(anons.phys, gfp, 0)
  if (typeof pfn !== 'number' || pfn < 0) return ENOMEM
  const anon = anons.alloc()
  anonSetPage(anons, anon, asPfn(pfn))
  return anon
}

/** Makes the anon the owner of a page that has no owner; the caller's reference becomes the owner's. */
export function anonSetPage(anons: Anons, anon: number, pfn: Pfn): void {
  const { frames } = anons.phys
  const f = frames.indexOf(pfn)
  kassert(anons.page[anon] === 0, 'an anon has one page')
  anons.page[anon] = f + 1
  frames.owner[f] = anon
  frames.flags[f] = frames.flags[f]! | PG_anon | PG_uptodate
  anons.residentPages++
}

export function anonRef(anons: Anons, anon: number): void {
  anons.ref[anon] = anons.ref[anon]! + 1
}

/** A reference becomes a loan's (1), or an amap slot's or nobody's again (-1); the count itself stays. */
export function anonLent(anons: Anons, anon: number, by: 1 | -1): void {
  const count = (anons.lent.get(anon) ?? 0) + by
  kassert(count >= 0, 'an anon is given back once', `anon ${anon}`)
  if (count === 0) anons.lent.delete(anon)
  else anons.lent.set(anon, count)
}

/**
 * Drops one reference. The last one removes every mapping of the page, then frees page and swap slot.
 *
 * @locks the amap lock of the slot that named it; does not sleep. pmapUpdate is done before the page is free.
 */
export function anonUnref(anons: Anons, anon: number): void {
  kassert(anons.ref[anon]! > 0, 'an anon is not freed twice')
  anons.ref[anon] = anons.ref[anon]! - 1
  if (anons.ref[anon]! > 0) return
  if (isAnonBusy(anons, anon)) {
    const pfn = anonPage(anons, anon) as Pfn
    const f = anons.phys.frames.indexOf(pfn)
    if (anons.phys.frames.mapcount[f]! >= 0) pmapPageProtect(anons.pmaps, pfn, VM_PROT_NONE)
    anons.phys.frames.flags[f] = anons.phys.frames.flags[f]! | PG_released
    return
  }
  anonRelease(anons, anon)
}
/** Frees page, slot and number of an anon that nobody names. */
function anonRelease(anons: Anons, anon: number): void {
  anonDropSwap(anons, anon)
  anonDropPage(anons, anon)
  anons.release(anon)
}

/** Is the anon's page being read or written? */
export function isAnonBusy(anons: Anons, anon: number): boolean {
  const f = anons.page[anon]!
  return f !== 0 && (anons.phys.frames.flags[f - 1]! & PG_locked) !== 0
}
/**
 * A transfer of the anon's page has ended: the page is unlocked, and those who wait for it look again. If the anon was
 * freed meanwhile, it is freed now.
 *
 * @param clear  flags that the transfer had set, besides PG_locked
 * @returns      false: it is gone
 */
export function anonIoDone(anons: Anons, anon: number, clear: number): boolean {
  const { flags } = anons.phys.frames
  const f = anons.page[anon]! - 1
  const isReleased = (flags[f]! & PG_released) !== 0
  flags[f] = flags[f]! & ~(PG_locked | PG_released | clear)
  if (isReleased) anonRelease(anons, anon)
  anons.ioQueue.wakeAll()
  return !isReleased
}

/** Gives the anon's swap slot up, if it has one; a page that it has is dirty from now on. */
export function anonDropSwap(anons: Anons, anon: number): void {
  const slot = anons.slot[anon]!
  if (slot <= 0) return
  const f = anons.page[anon]!
  if (f !== 0) anons.phys.frames.flags[f - 1] = anons.phys.frames.flags[f - 1]! | PG_dirty
  uvmSwapFree(anons.swap!, slot, 1, f === 0)
  anons.slot[anon] = 0
}

/** Takes the page from the anon: unmapped everywhere, ownerless, the owner's reference dropped. */
export function anonDropPage(anons: Anons, anon: number): void {
  const f = anons.page[anon]! - 1
  if (f < 0) return
  const { frames } = anons.phys
  const pfn = frames.pfnAt(f)
  if (frames.mapcount[f]! >= 0) pmapPageProtect(anons.pmaps, pfn, VM_PROT_NONE)
  if ((frames.flags[f]! & PG_lazyfree) !== 0) anonKeep(anons, f)
  if ((frames.flags[f]! & PG_queued) !== 0) anons.phys.queues!.dequeue(f)
  frames.flags[f] = frames.flags[f]! & ~PG_anon
  frames.owner[f] = 0
  anons.page[anon] = 0
  anons.residentPages--
  putPage(anons.phys, pfn)
}

/** The page at frame index `f` may be taken without being kept, as long as nobody writes to it. */
export function anonFreeLazily(anons: Anons, f: number): void {
  const { flags } = anons.phys.frames
  if ((flags[f]! & PG_lazyfree) !== 0) return
  flags[f] = flags[f]! | PG_lazyfree
  anons.lazyPages++
}
/** It is an ordinary page again. */
export function anonKeep(anons: Anons, f: number): void {
  const { flags } = anons.phys.frames
  flags[f] = flags[f]! & ~PG_lazyfree
  anons.lazyPages--
}

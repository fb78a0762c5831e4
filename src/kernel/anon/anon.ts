// Anons: one page of anonymous memory each, shared by count. What exists once a page is an index into typed arrays.
//
//   ref[a]    amap slots (and TOANON loans) that name anon a; 0 = free, then page[a] is the next free anon
//   page[a]   frame index + 1 of the resident page, 0 = none
//   slot[a]   swap slot, 0 = none, -1 = bad (the data is lost: any access is EIO)
//
// 12 bytes an anon; with its 4-byte amap slot and chunk head it stays below 24 bytes a page.

import { kassert, type Err, ENOMEM, type Pfn, pfn as asPfn } from '../../base/index.ts'
import { pmapPageProtect, type Pmaps, VM_PROT_NONE } from '../pmap/index.ts'
import { allocPagesTry, type Phys, putPage, PG_anon, PG_uptodate } from '../phys/index.ts'

export const SWSLOT_BAD = -1

/** Frees swap slots; bound by the swap room, absent where there is no swap. */
export interface SwapSlots {
  free(slot: number): void
}

export class Anons {
  readonly phys: Phys
  readonly pmaps: Pmaps
  swap: SwapSlots | null = null
  ref = new Int32Array(1024)
  page = new Uint32Array(1024)
  slot = new Int32Array(1024)
  /** Anons in use. */
  count = 0
  /** Pages owned by anons (uvmexp.anonpages). */
  residentPages = 0
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
    const grow = <T extends Int32Array | Uint32Array>(old: T, bigger: T): T => {
      bigger.set(old)
      return bigger
    }
    this.ref = grow(this.ref, new Int32Array(this.ref.length * 2))
    this.page = grow(this.page, new Uint32Array(this.page.length * 2))
    this.slot = grow(this.slot, new Int32Array(this.slot.length * 2))
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

/**
 * Drops one reference. The last one removes every mapping of the page, then frees page and swap slot.
 *
 * @locks the amap lock of the slot that named it; does not sleep. pmapUpdate is done before the page is free.
 */
export function anonUnref(anons: Anons, anon: number): void {
  kassert(anons.ref[anon]! > 0, 'an anon is not freed twice')
  anons.ref[anon] = anons.ref[anon]! - 1
  if (anons.ref[anon]! > 0) return
  anonDropPage(anons, anon)
  const slot = anons.slot[anon]!
  if (slot > 0) anons.swap?.free(slot)
  anons.release(anon)
}

/** Takes the page from the anon: unmapped everywhere, ownerless, the owner's reference dropped. */
export function anonDropPage(anons: Anons, anon: number): void {
  const pfn = anonPage(anons, anon)
  if (pfn < 0) return
  const { frames } = anons.phys
  const f = frames.indexOf(asPfn(pfn))
  if (frames.mapcount[f]! >= 0) pmapPageProtect(anons.pmaps, asPfn(pfn), VM_PROT_NONE)
  frames.flags[f] = frames.flags[f]! & ~PG_anon
  frames.owner[f] = 0
  anons.page[anon] = 0
  anons.residentPages--
  putPage(anons.phys, asPfn(pfn))
}

// A page that goes to swap belongs to an anon or to an anonymous object; here they look the same.

import { kassert, type Pfn } from '../../base/index.ts'
import { anonDropPage, anonDropSwap, anonIoDone, type Anons, AobjPager } from '../anon/index.ts'
import type { MemoryObject } from '../object/index.ts'
import { type Owners, ownerObject } from './kinds.ts'

/** The owner of one page, for as long as the page is locked or nobody sleeps. */
export class SwapOwner {
  readonly pfn: Pfn
  readonly frame: number
  readonly #anons: Anons
  readonly #object: MemoryObject | null
  /** Number of the anon, or page index in the object. */
  readonly #index: number

  constructor(owners: Owners, f: number) {
    const { frames } = owners.phys
    this.pfn = frames.pfnAt(f)
    this.frame = f
    this.#anons = owners.anons
    this.#object = ownerObject(owners, f)
    this.#index = this.#object === null ? frames.owner[f]! : frames.pgoff[f]!
  }
  /** 0: none. */
  get slot(): number {
    return this.#object === null ? this.#anons.slot[this.#index]! : (this.#pager.slots.get(this.#index) ?? 0)
  }
  set slot(slot: number) {
    if (this.#object === null) this.#anons.slot[this.#index] = slot
    else this.#pager.slots.set(this.#index, slot)
  }
  dropSlot(): void {
    if (this.#object === null) anonDropSwap(this.#anons, this.#index)
    else this.#pager.dropSwap(this.#object, this.#index)
  }
  /** Frees the page; what it holds is in the slot. */
  dropPage(): void {
    if (this.#object === null) anonDropPage(this.#anons, this.#index)
    else this.#pager.dropPage(this.#object, this.#index)
  }
  /** The transfer of the page has ended. @returns false: the owner had given it up; it is gone */
  ioDone(clear: number): boolean {
    return this.#object === null
      ? anonIoDone(this.#anons, this.#index, clear)
      : this.#pager.ioDone(this.#object, this.#index, clear)
  }
  get #pager(): AobjPager {
    const pager = this.#object!.pager
    kassert(pager instanceof AobjPager, 'a swap-backed object is an anonymous one')
    return pager
  }
}

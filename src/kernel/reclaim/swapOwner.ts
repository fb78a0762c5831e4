// A page that goes to swap belongs to an anon or to an anonymous object; here they look the same.

import type { Pfn } from '../../base/index.ts'
import { anonDropPage, anonDropSwap, anonIoDone, type Anons } from '../anon/index.ts'
import type { MemoryObject, SwapStore } from '../object/index.ts'
import { type Owners, ownerObject } from './kinds.ts'

/** The owner of one page, for as long as the page is locked or nobody sleeps. */
export class SwapOwner {
  readonly pfn: Pfn
  readonly frame: number
  /** The page is free as soon as its bytes are on their way. */
  readonly leavesAtOnce: boolean
  readonly #anons: Anons
  readonly #object: MemoryObject | null
  readonly #store: SwapStore | null
  /** Number of the anon, or page index in the object. */
  readonly #index: number

  constructor(owners: Owners, f: number) {
    const { frames } = owners.phys
    this.pfn = frames.pfnAt(f)
    this.frame = f
    this.#anons = owners.anons
    this.#object = ownerObject(owners, f)
    this.#store = this.#object?.pager.swap ?? null
    this.#index = this.#object === null ? frames.owner[f]! : frames.pgoff[f]!
    this.leavesAtOnce = this.#store?.givesUpAtOnce ?? false
  }
  /** 0: none. */
  get slot(): number {
    return this.#store === null ? this.#anons.slot[this.#index]! : this.#store.slotOf(this.#object!, this.#index)
  }
  set slot(slot: number) {
    if (this.#store === null) this.#anons.slot[this.#index] = slot
    else this.#store.setSlot(this.#object!, this.#index, slot)
  }
  dropSlot(): void {
    if (this.#store === null) anonDropSwap(this.#anons, this.#index)
    else this.#store.dropSwap(this.#object!, this.#index)
  }
  /** Frees the page; what it holds is in the slot. */
  dropPage(): void {
    if (this.#store === null) anonDropPage(this.#anons, this.#index)
    else this.#store.dropPage(this.#object!, this.#index)
  }
  /** The transfer of the page has ended. @returns false: the owner had given it up; it is gone */
  ioDone(clear: number): boolean {
    return this.#store === null
      ? anonIoDone(this.#anons, this.#index, clear)
      : this.#store.ioDone(this.#object!, this.#index, clear)
  }
}

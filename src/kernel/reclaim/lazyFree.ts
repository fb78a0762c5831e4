// Pages that a program has given up in case memory is short (MADV_FREE): the first to go, without being written anywhere.

import { anonDropPage, anonKeep } from '../anon/index.ts'
import { PG_dirty, PG_lazyfree, PG_locked } from '../phys/index.ts'
import { ATTR_TOUCHED, pmapClearModify, pmapPageProtect, VM_PROT_NONE } from '../pmap/index.ts'
import type { Owners } from './kinds.ts'

/**
 * Takes such a page from its anon, which has nothing then and reads as zeros. One that was written to since is an ordinary
 * page again.
 *
 * @returns false: it stays
 */
export function takeLazyPage(owners: Owners, f: number): boolean {
  const { phys, pmaps, anons } = owners
  const { frames } = phys
  if ((frames.flags[f]! & PG_locked) !== 0 || frames.wireCount[f]! > 0) return false
  if (frames.refcount[f] !== frames.mapcount[f]! + 2) return false
  const pfn = frames.pfnAt(f)
  if (frames.mapcount[f]! >= 0) pmapPageProtect(pmaps, pfn, VM_PROT_NONE)
  const isWritten = pmapClearModify(pmaps, pfn)
  if (isWritten || (frames.flags[f]! & PG_dirty) !== 0 || (frames.attrs[f]! & ATTR_TOUCHED) !== 0) {
    frames.flags[f]! |= PG_dirty
    anonKeep(anons, f)
    return false
  }
  anonDropPage(anons, frames.owner[f]!)
  phys.events.add('pglazyfreed')
  return true
}

/** Frees up to `wanted` of them, wherever they are. @returns how many */
export function takeLazyPages(owners: Owners, wanted: number): number {
  const { frames } = owners.phys
  let taken = 0
  for (let f = 0; f < frames.count && owners.anons.lazyPages > 0 && taken < wanted; f++)
    if ((frames.flags[f]! & PG_lazyfree) !== 0 && takeLazyPage(owners, f)) taken++
  return taken
}

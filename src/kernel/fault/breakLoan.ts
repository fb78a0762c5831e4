// A page on loan is written by its owner: the owner goes on with a copy, and the borrower keeps the old bytes.

import { isErr, type Pfn, WouldSleep } from '../../base/index.ts'
import { anonDropPage, anonDropSwap, anonPage, type Anons, anonSetPage } from '../anon/index.ts'
import type { MemoryObject } from '../object/index.ts'
import {
  allocPagesTry,
  GFP_HIGHUSER_MOVABLE,
  PG_dirty,
  PG_queued,
  PG_referenced,
  PG_swapbacked,
  PG_uptodate,
  type Phys,
  putPage,
} from '../phys/index.ts'
import { pmapCopyPage, pmapPageProtect, type Pmaps, VM_PROT_NONE } from '../pmap/index.ts'

export function isLoaned(phys: Phys, pfn: Pfn): boolean {
  return phys.frames.loanCount[phys.frames.indexOf(pfn)]! > 0
}

/** Gives an anon a copy of its loaned page. @returns the new page, or WouldSleep: no frame, and nothing has changed */
export function breakAnonLoan(anons: Anons, anon: number): Pfn | WouldSleep {
  const old = anonPage(anons, anon) as Pfn
  const fresh = copyOf(anons.phys, anons.pmaps, old)
  if (fresh === WouldSleep) return fresh
  anonDropSwap(anons, anon)
  anonDropPage(anons, anon)
  anonSetPage(anons, anon, fresh)
  return fresh
}

const OWNERS_FLAGS = PG_uptodate | PG_dirty | PG_swapbacked | PG_referenced

/** The same for a page of an object. */
export function breakObjectLoan(
  phys: Phys,
  pmaps: Pmaps,
  object: MemoryObject,
  pgoff: number,
  old: Pfn,
): Pfn | WouldSleep {
  const fresh = copyOf(phys, pmaps, old)
  if (fresh === WouldSleep) return fresh
  if (object.pager.replacePage !== undefined) {
    if (object.pager.replacePage(object, old, fresh)) return fresh
    putPage(phys, fresh)
    return WouldSleep
  }
  const { frames } = phys
  const from = frames.indexOf(old)
  const to = frames.indexOf(fresh)
  if ((frames.flags[from]! & PG_queued) !== 0) phys.queues!.dequeue(from)
  const flags = frames.flags[from]! & OWNERS_FLAGS
  frames.owner[to] = object.id
  frames.pgoff[to] = pgoff
  frames.flags[to] = frames.flags[to]! | flags
  frames.owner[from] = 0
  frames.pgoff[from] = 0
  frames.flags[from] = frames.flags[from]! & ~OWNERS_FLAGS
  object.pages.set(pgoff, fresh + 1)
  putPage(phys, old)
  return fresh
}

/** A new page with the bytes of an old one, which nobody maps any more. */
function copyOf(phys: Phys, pmaps: Pmaps, old: Pfn): Pfn | WouldSleep {
  const fresh = allocPagesTry(phys, GFP_HIGHUSER_MOVABLE, 0)
  if (fresh === WouldSleep || isErr(fresh)) return WouldSleep
  pmapPageProtect(pmaps, old, VM_PROT_NONE)
  pmapCopyPage(pmaps, old, fresh)
  return fresh
}

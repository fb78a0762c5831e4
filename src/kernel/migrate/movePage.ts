// The instant at which a page is somewhere else. Nothing here sleeps or fails.
//
//   owner names `to`, state moves  ──►  translations, TLBs  ──►  bytes
//
// No processor runs between the steps, so their order is nobody's business but the pmap's: it counts a page as anonymous
// or not when its first translation comes and its last one goes.

import { kassert, type Pfn } from '../../base/index.ts'
import type { MemoryObject } from '../object/index.ts'
import {
  PG_active,
  PG_anon,
  PG_dirty,
  PG_error,
  PG_lazyfree,
  PG_mappedtodisk,
  PG_mlocked,
  PG_owner_priv_1,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
  PG_uptodate,
} from '../phys/index.ts'
import { pmapCopyPage, pmapReplacePage } from '../pmap/index.ts'
import type { MigratorRooms } from './migrator.ts'

/** What a page keeps when it moves to another frame. */
const CARRIED =
  PG_error |
  PG_lazyfree |
  PG_referenced |
  PG_uptodate |
  PG_dirty |
  PG_active |
  PG_owner_priv_1 |
  PG_mappedtodisk |
  PG_swapcache |
  PG_swapbacked |
  PG_unevictable |
  PG_mlocked

/** The anon's page is `to` from now on. */
export function moveAnonPage(rooms: MigratorRooms, from: Pfn, to: Pfn): void {
  const { anons, phys } = rooms
  const { frames } = phys
  const f = frames.frameOf(from)
  const t = frames.frameOf(to)
  const anon = frames.owner[f]!
  kassert(anons.page[anon] === f + 1, 'a page of an anon is the one that the anon names', `anon ${anon}, pfn ${from}`)
  anons.page[anon] = t + 1
  move(rooms, from, to, PG_anon)
}

/** The object's page at its index is `to` from now on; the tags of the slot stay. */
export function moveObjectPage(rooms: MigratorRooms, object: MemoryObject, from: Pfn, to: Pfn): void {
  const { frames } = rooms.phys
  const pgoff = frames.pgoff[frames.frameOf(from)]!
  const old = object.pages.set(pgoff, to + 1)
  kassert(old === from + 1, 'a page is where its index says', `page ${pgoff}`)
  move(rooms, from, to, 0)
}

function move({ phys, pmaps }: MigratorRooms, from: Pfn, to: Pfn, isAnon: number): void {
  const { frames } = phys
  const { flags, owner, pgoff, private: values, wireCount, refcount } = frames
  const f = frames.frameOf(from)
  const t = frames.frameOf(to)
  flags[t]! |= flags[f]! & (CARRIED | isAnon)
  owner[t] = owner[f]!
  pgoff[t] = pgoff[f]!
  values[t] = values[f]!
  wireCount[t] = wireCount[f]!
  pmapReplacePage(pmaps, from, to)
  pmapCopyPage(pmaps, from, to)
  flags[f]! &= ~(CARRIED | isAnon)
  owner[f] = 0
  pgoff[f] = 0
  values[f] = 0
  wireCount[f] = 0
  // The owner's reference.
  refcount[f]!--
}

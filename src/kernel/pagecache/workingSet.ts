// What reclaim remembers of a file page: a shadow in its slot, from which a refault learns how long it was away.
//
//   shadow value (52 bits):   [ age, 44 bits ][ zone slot, 8 bits ]
//
// A zone's age counts evictions and activations. The distance of a refault is how far it moved meanwhile: had the
// inactive list been that much longer, the page would not have been evicted.

import { NR_ACTIVE_FILE, WORKINGSET_ACTIVATE, WORKINGSET_REFAULT } from '../phys/index.ts'
import { exceptionalEntry, exceptionalValue, type Exceptional } from './constants.ts'
import type { PageCache } from './pageCache.ts'

const ZONE_SLOTS = 256
const AGE_SPAN = 2 ** 44

/** A file page is evicted by reclaim. @returns the shadow for its slot */
export function workingsetEviction(cache: PageCache, f: number): Exceptional {
  const slot = cache.frames.zone[f]!
  const age = ++cache.inactiveAge[slot]!
  return exceptionalEntry((age % AGE_SPAN) * ZONE_SLOTS + slot)
}

/** A page comes back. @returns true if it belongs to the working set and is to be active at once */
export function workingsetRefault(cache: PageCache, shadow: Exceptional): boolean {
  const value = exceptionalValue(shadow)
  const slot = value % ZONE_SLOTS
  const zone = cache.phys.zoneBySlot[slot]!
  const moved = (cache.inactiveAge[slot] % AGE_SPAN) - Math.floor(value / ZONE_SLOTS)
  const distance = moved < 0 ? moved + AGE_SPAN : moved
  zone.stat[WORKINGSET_REFAULT]++
  if (distance > zone.stat[NR_ACTIVE_FILE]) return false
  zone.stat[WORKINGSET_ACTIVATE]++
  return true
}

/** An active page is older by one activation. */
export function workingsetActivation(cache: PageCache, f: number): void {
  cache.inactiveAge[cache.frames.zone[f]]!++
}

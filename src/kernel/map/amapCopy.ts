import { PAGE_SIZE } from '../../base/index.ts'
import type { VmMapEntry } from './entry.ts'
import type { VmMap } from './vmMap.ts'

const CHUNK_BYTES = 16 * PAGE_SIZE

/**
 * Clears needsCopy: gives the entry an amap of its own, sharing by count the anons it had. No page is copied.
 *
 * Under a personality that chunks, a large entry without amap is first clipped to the 16 aligned pages around the range, and
 * a neighbour that already has an amap may absorb it (uvm specification 2.6.3 and 2.8.3).
 *
 * @param start    bytes; the range that will be touched, as `end`
 * @returns the entry that now contains `start`
 * @locks   map write-locked; never sleeps
 */
export function amapCopy(map: VmMap, entry: VmMapEntry, start: number, end: number): VmMapEntry {
  if (entry.amap === null) {
    if (entry.pageCount >= map.personality.chunkEntries) {
      entry = map.clipStart(entry, Math.floor(start / CHUNK_BYTES) * CHUNK_BYTES)
      map.clipEnd(entry, Math.ceil(end / CHUNK_BYTES) * CHUNK_BYTES)
    }
    const absorbed = absorb(map, entry)
    if (absorbed !== null) return absorbed
  }
  map.ownAmap(entry)
  return entry
}

/** Second chance to merge: a neighbour with an amap of its own takes the entry in, as if needsCopy were clear. */
function absorb(map: VmMap, entry: VmMapEntry): VmMapEntry | null {
  if (!map.personality.absorbOnTouch) return null
  const { prev, next } = entry
  entry.needsCopy = false
  if (next !== null && next.amap?.refs === 1 && map.personality.canMerge(entry, next)) {
    map.join(entry, next)
    return entry
  }
  if (prev !== null && prev.amap?.refs === 1 && map.personality.canMerge(prev, entry)) {
    map.join(prev, entry)
    return prev
  }
  entry.needsCopy = true
  return null
}

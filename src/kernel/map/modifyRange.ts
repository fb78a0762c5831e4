import { ENOMEM, type Err } from '../../base/index.ts'
import type { VmMapEntry } from './entry.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * Changes the part `[start, end)` of an entry: splits at the edges, changes, and joins with neighbours where the change
 * touched a boundary (Linux specification 1.2, "Modified range"). Equal neighbours elsewhere stay separate.
 *
 * @returns the entry that now holds the part, or ENOMEM if a split would exceed the limit of entries
 */
export function modifyPart(
  space: VmSpace,
  entry: VmMapEntry,
  start: number,
  end: number,
  change: (part: VmMapEntry) => void,
): VmMapEntry | Err {
  const { map } = space
  const s = Math.max(start, entry.start)
  const e = Math.min(end, entry.end)
  const touchesPrev = s === entry.start
  const touchesNext = e === entry.end
  const splits = (touchesPrev ? 0 : 1) + (touchesNext ? 0 : 1)
  const room = space.maxMapCount - map.entryCount
  if (splits > room && splits > 0) {
    if (splits === 1) return moveBorder(space, entry, s, e, change)
    if (room === 1) map.clipStart(entry, s)
    return ENOMEM
  }
  const part = map.clipStart(entry, s)
  map.clipEnd(part, e)
  map.alter(part, change)
  // A whole entry that becomes a part of its neighbour is one less, which its file may not allow.
  if (splits === 0 && part.file?.hearsOfEnds === true) return part
  return map.mergeAround(part, touchesPrev, touchesNext)
}

/** At the limit of entries: an end of the entry may still go to a neighbour that is like what the end becomes. */
function moveBorder(
  space: VmSpace,
  entry: VmMapEntry,
  s: number,
  e: number,
  change: (part: VmMapEntry) => void,
): VmMapEntry | Err {
  const { map } = space
  const { protection, vmFlags, policy, advice, listener } = entry
  const isFront = s === entry.start
  const count = map.entryCount
  const part = map.clipStart(entry, s)
  map.clipEnd(part, e)
  map.alter(part, change)
  const merged = map.mergeAround(part, isFront, !isFront)
  if (map.entryCount === count) return merged
  map.alter(part, (p) => Object.assign(p, { protection, vmFlags, policy, advice, listener }))
  map.mergeAround(part, !isFront, isFront)
  return ENOMEM
}

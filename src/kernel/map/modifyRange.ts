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
  if (splits > 0 && map.entryCount + splits > space.maxMapCount + 1) return ENOMEM
  const part = map.clipStart(entry, s)
  map.clipEnd(part, e)
  map.alter(part, change)
  // A whole entry that becomes a part of its neighbour is one less, which its file may not allow.
  if (splits === 0 && part.file?.hearsOfEnds === true) return part
  return map.mergeAround(part, touchesPrev, touchesNext)
}

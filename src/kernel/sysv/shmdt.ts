import { EINVAL, type Err, isPageAligned, PAGE_SIZE, roundPage, type Sleep } from '../../base/index.ts'
import { locked, type MappedFile, munmapLocked, type VmMapEntry, type VmSpace } from '../map/index.ts'
import { Attachment } from './segment.ts'

/**
 * Takes an attachment away: what is left of it, wherever its beginning was unmapped or its parts were changed.
 *
 *   addr            addr + bytes
 *    | piece | hole | piece |        a piece belongs if it shows the page that stood there at the beginning
 *
 * @errors EINVAL  unaligned, or nothing there was attached at this address
 * @locks  map write-locked; sleeps for it
 * @manual shmdt(2), Linux
 */
export function* shmdt(space: VmSpace, addr: number): Sleep<0 | Err> {
  if (!isPageAligned(addr)) return EINVAL
  return yield* locked(space.map, () => detachAll(space, addr))
}

function detachAll(space: VmSpace, addr: number): 0 | Err {
  let file: MappedFile | null = null
  let end = Infinity
  let result: 0 | Err = EINVAL
  for (let e = space.map.firstEndingAbove(addr); e !== null && e.start < end;) {
    const next: VmMapEntry | null = e.next
    const isPiece = e.file instanceof Attachment && (e.start - addr) / PAGE_SIZE === e.offset
    if (isPiece && (file === null || (e.file === file && e.end <= end))) {
      if (file === null) {
        file = e.file
        end = addr + roundPage((file as Attachment).segment.bytes)
      }
      munmapLocked(space, e.start, e.end - e.start, false)
      result = 0
    }
    e = next
  }
  return result
}

import {
  ADDRESS_END,
  EACCES,
  EINVAL,
  type Err,
  isErr,
  isPageAligned,
  roundPage,
  type Sleep,
  truncPage,
  unsigned64,
} from '../../base/index.ts'
import { MAP_FIXED, MAP_SHARED, mmapRegion, type VmSpace } from '../map/index.ts'
import { Attachment } from './segment.ts'
import type { Owner, Segments } from './segments.ts'

export const SHM_RDONLY = 0o10000
export const SHM_RND = 0o20000
export const SHM_REMAP = 0o40000
export const SHM_EXEC = 0o100000

/**
 * Shows a segment in an address space.
 *
 * @param addr   where, or 0 for a place of the kernel's choice
 * @param flags  SHM_…
 * @returns the address
 * @errors EINVAL no such segment, an unaligned or occupied address; EACCES; ENOMEM
 * @locks  map write-locked; sleeps for it
 * @manual shmat(2), Linux
 */
export function* shmat(
  segments: Segments,
  space: VmSpace,
  who: Owner,
  id: number,
  addr: number,
  flags: number,
): Sleep<number | Err> {
  let at = addr
  if (id < 0) return EINVAL
  if (at !== 0) {
    if (!isPageAligned(at)) {
      if ((flags & SHM_RND) === 0) return EINVAL
      at = truncPage(at)
      if (at === 0 && (flags & SHM_REMAP) !== 0) return EINVAL
    }
  } else if ((flags & SHM_REMAP) !== 0) return EINVAL
  const isReadOnly = (flags & SHM_RDONLY) !== 0
  const isCode = (flags & SHM_EXEC) !== 0
  const segment = segments.find(id)
  if (segment === null) return EINVAL
  if (!segments.mayUse(segment, (isReadOnly ? 0o444 : 0o666) | (isCode ? 0o111 : 0), who)) return EACCES
  const length = roundPage(segment.bytes)
  const isGiven = addr !== 0
  if (isGiven && (flags & SHM_REMAP) === 0) {
    if (unsigned64(at) + length >= ADDRESS_END) return EINVAL
    if (at >= 0 && !space.map.isFree(at, at + length)) return EINVAL
  }

  const { object } = segment
  const file = new Attachment(segments, segment, !isReadOnly)
  file.reference()
  object.pager.reference(object)
  const mapped = yield* mmapRegion(space, {
    addr: at,
    length,
    prot: 1 | (isReadOnly ? 0 : 2) | (isCode ? 4 : 0),
    flags: MAP_SHARED | (isGiven ? MAP_FIXED : 0),
    object,
    file,
    pgoff: 0,
    isUntold: true,
  })
  if (isErr(mapped)) {
    object.pager.detach(object)
    file.release()
  }
  return mapped
}

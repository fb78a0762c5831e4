import { EINVAL, EOVERFLOW, type Err, isErr, PAGE_SIZE, type Sleep, truncPage } from '../../base/index.ts'
import { MAP_FIXED } from './findSpace.ts'
import { VM_LOCKED, VM_SHARED, type VmMapEntry } from './entry.ts'
import { locked } from './locked.ts'
import { MAP_LOCKED, MAP_NONBLOCK, MAP_SHARED, mmapLocked } from './mmap.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * remap_file_pages(2): the pages `[start, start + size)` of a shared file mapping show the file from page `pgoff` on.
 * The mapping is split into linear pieces, which join again where offsets continue.
 *
 * @param start  rounded down to a page, as is `size`, bytes
 * @param prot   must be 0
 * @param flags  MAP_NONBLOCK: the new pages are not faulted in, unless the mapping is locked
 * @errors EINVAL for every bad argument: no shared writable-opened mapping there, other files or flags in the range, an
 *         offset that wraps; EOVERFLOW an offset beyond the largest file
 * @locks  map write-locked; sleeps
 * @manual remap_file_pages(2), Linux
 */
export function* remapFilePages(
  space: VmSpace,
  start: number,
  size: number,
  prot: number,
  pgoff: number,
  flags: number,
): Sleep<0 | Err> {
  if (prot !== 0) return EINVAL
  const at = truncPage(start)
  const bytes = truncPage(size)
  if (at < 0 || bytes <= 0 || at + bytes > 2 ** 53 || pgoff + bytes / PAGE_SIZE >= 2 ** 64) return EINVAL
  const result = yield* locked(space.map, () => remapLocked(space, at, bytes, pgoff))
  if (isErr(result)) return result
  const isLocked = ((space.map.lookup(at)?.vmFlags ?? 0) & VM_LOCKED) !== 0
  if ((flags & MAP_NONBLOCK) === 0 || isLocked) yield* space.vm.populate(space, at, at + bytes, 0, true)
  return 0
}

function remapLocked(space: VmSpace, at: number, bytes: number, pgoff: number): 0 | Err {
  const entry = space.map.lookup(at)
  if (entry === null || entry.object === null || (entry.vmFlags & VM_SHARED) === 0) return EINVAL
  for (let e: VmMapEntry = entry; e.end < at + bytes;) {
    const { next, end } = e as VmMapEntry
    if (next === null || next.start !== end || next.file !== entry.file || next.object !== entry.object) return EINVAL
    if (next.vmFlags !== entry.vmFlags || next.protection !== entry.protection) return EINVAL
    if (next.maxProtection !== entry.maxProtection) return EINVAL
    e = next
  }
  // A file has at most 2^63 - 1 bytes.
  if (pgoff + bytes / PAGE_SIZE >= 2 ** 51) return EOVERFLOW
  const { object, file } = entry
  object.pager.reference(object)
  file?.reference()
  const done = mmapLocked(space, {
    addr: at,
    length: bytes,
    prot: entry.protection,
    flags: MAP_SHARED | MAP_FIXED | ((entry.vmFlags & VM_LOCKED) !== 0 ? MAP_LOCKED : 0),
    object,
    file,
    pgoff,
    isUntold: true,
  })
  if (!isErr(done)) return 0
  object.pager.detach(object)
  file?.release()
  return done
}

import {
  ADDRESS_END,
  EINVAL,
  ENOMEM,
  type Err,
  isErr,
  isPageAligned,
  pageLength,
  type Sleep,
  unsigned64,
} from '../../base/index.ts'
import { VM_SEALED } from './entry.ts'
import { locked } from './locked.ts'
import { modifyPart } from './modifyRange.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * mseal(2): what is mapped in the range can no longer be unmapped, moved, replaced or get another protection.
 *
 * @errors EINVAL flags or alignment; ENOMEM a hole: nothing is sealed
 * @manual mseal(2), Linux
 */
export function* msealRegion(space: VmSpace, addr: number, bytes: number, flags: number): Sleep<0 | Err> {
  if (flags !== 0 || !isPageAligned(addr)) return EINVAL
  const start = unsigned64(addr)
  const length = pageLength(bytes)
  const end = start + length
  if ((bytes !== 0 && length === 0) || end >= ADDRESS_END) return EINVAL
  return yield* locked(space.map, () => sealAll(space, start, end))
}

function sealAll(space: VmSpace, start: number, end: number): 0 | Err {
  const { map } = space
  for (let at = start; at < end;) {
    const entry = map.lookup(at)
    if (entry === null) return ENOMEM
    at = entry.end
  }
  for (let at = start; at < end;) {
    const entry = map.lookup(at)!
    const reached = Math.min(end, entry.end)
    if ((entry.vmFlags & VM_SEALED) === 0) {
      const part = modifyPart(space, entry, at, reached, (p) => {
        p.vmFlags |= VM_SEALED
      })
      if (isErr(part)) return part
    }
    at = reached
  }
  return 0
}

import { EINVAL, type Err, type Sleep } from '../../base/index.ts'
import { assertPages } from './assertPages.ts'
import { VM_INHERIT_COPY, VM_INHERIT_NONE, VM_INHERIT_SHARE, VM_INHERIT_ZERO, type VmMapEntry } from './entry.ts'
import { locked } from './locked.ts'
import { isEntryAdvice } from './uvmFlags.ts'
import type { VmMap } from './vmMap.ts'

const INHERITANCES = [VM_INHERIT_SHARE, VM_INHERIT_COPY, VM_INHERIT_NONE, VM_INHERIT_ZERO]

/**
 * Sets what a forked child gets of a range: SHARE 0, COPY 1, NONE 2, ZERO 4. Holes are fine.
 *
 * @errors EINVAL any other value
 * @locks  map write-locked; sleeps for it
 * @manual uvm_map_inherit, uvm_map(9), NetBSD
 */
export function* uvmMapInherit(map: VmMap, start: number, end: number, inheritance: number): Sleep<0 | Err> {
  if (!INHERITANCES.includes(inheritance)) return EINVAL
  return yield* forEachPart(map, start, end, (part) => {
    part.inheritance = inheritance
  })
}

/**
 * Sets the expected access pattern of a range: NORMAL 0, RANDOM 1, SEQUENTIAL 2. It chooses the neighbours that a fault
 * maps too.
 *
 * @errors EINVAL any other value
 * @locks  map write-locked; sleeps for it
 * @manual uvm_map_advice, uvm_map(9), NetBSD
 */
export function* uvmMapAdvice(map: VmMap, start: number, end: number, advice: number): Sleep<0 | Err> {
  if (!isEntryAdvice(advice)) return EINVAL
  return yield* forEachPart(map, start, end, (part) => {
    part.advice = advice
  })
}

function* forEachPart(map: VmMap, start: number, end: number, change: (part: VmMapEntry) => void): Sleep<0> {
  assertPages(start, end)
  if (start >= end) return 0
  const lo = Math.max(start, map.min)
  const hi = Math.min(end, map.max)
  return yield* locked(map, () => {
    const first = map.firstEndingAbove(lo)
    if (first === null || first.start >= hi) return 0
    for (let e: VmMapEntry | null = map.clipStart(first, lo); e !== null && e.start < hi; e = e.next) {
      map.clipEnd(e, hi)
      change(e)
    }
    return 0
  })
}

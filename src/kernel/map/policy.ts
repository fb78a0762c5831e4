// Memory policies: on which nodes the pages of an entry are wanted (Linux specification 1.18). They are kept, shown and
// compared; pages are still taken from the node that asks for them.

import { EFAULT, EOPNOTSUPP, type Err, isErr, type Sleep } from '../../base/index.ts'
import type { VmMapEntry } from './entry.ts'
import { locked } from './locked.ts'
import { modifyPart } from './modifyRange.ts'
import type { VmSpace } from './vmSpace.ts'

export const MPOL_DEFAULT = 0
export const MPOL_PREFERRED = 1
export const MPOL_BIND = 2
export const MPOL_INTERLEAVE = 3
export const MPOL_LOCAL = 4
export const MPOL_PREFERRED_MANY = 5
export const MPOL_WEIGHTED_INTERLEAVE = 6

/** Never changed once made; null stands for MPOL_DEFAULT. */
export interface MemoryPolicy {
  readonly mode: number
  /** MPOL_F_… that were given with the mode. */
  readonly flags: number
  /** Nodes that exist among those asked for, one bit each. */
  readonly nodes: number
  /** Nodes as they were asked for. */
  readonly userNodes: number
  /** Where to begin (set_mempolicy_home_node), or -1. */
  readonly homeNode: number
}

export function samePolicy(a: MemoryPolicy | null, b: MemoryPolicy | null): boolean {
  if (a === b) return true
  if (a === null || b === null) return false
  return (
    a.mode === b.mode &&
    a.flags === b.flags &&
    a.nodes === b.nodes &&
    a.userNodes === b.userNodes &&
    a.homeNode === b.homeNode
  )
}

/**
 * Gives `[start, end)` a policy. Entries are split at the edges, and joined where they are alike.
 *
 * @param isAllowed  looks at each entry before anything is changed
 * @errors EFAULT a hole: nothing has changed; ENOMEM a split at the limit; what `isAllowed` says
 * @locks  map write-locked; sleeps for it
 * @manual mbind(2), Linux
 */
export function* setPolicy(
  space: VmSpace,
  start: number,
  end: number,
  policy: MemoryPolicy | null,
  isAllowed: (entry: VmMapEntry, start: number, end: number) => 0 | Err,
): Sleep<0 | Err> {
  return yield* locked(space.map, () => {
    const { map } = space
    for (let at = start; at < end;) {
      const entry = map.lookup(at)
      if (entry === null) return EFAULT
      const refused = isAllowed(entry, at, Math.min(end, entry.end))
      if (refused !== 0) return refused
      at = entry.end
    }
    for (let at = start; at < end;) {
      const entry = map.lookup(at)!
      const reached = Math.min(end, entry.end)
      const error = changePolicy(space, entry, at, reached, policy)
      if (error !== 0) return error
      at = reached
    }
    return 0
  })
}
function changePolicy(space: VmSpace, entry: VmMapEntry, s: number, e: number, policy: MemoryPolicy | null): 0 | Err {
  if (samePolicy(entry.policy, policy)) return 0
  const part = modifyPart(space, entry, s, e, (p) => {
    p.policy = policy
  })
  return isErr(part) ? part : 0
}

/**
 * Says where the pages of BIND and PREFERRED_MANY policies in a range are looked for first. Holes and entries without a
 * policy are passed over.
 *
 * @returns 0 if a policy was there. ENOENT (`none`) if not; EOPNOTSUPP another mode, earlier entries are changed
 * @manual set_mempolicy_home_node(2), Linux
 */
export function* setHomeNode(space: VmSpace, start: number, end: number, homeNode: number, none: Err): Sleep<0 | Err> {
  return yield* locked(space.map, () => {
    let result: 0 | Err = none
    for (
      let e = space.map.firstEndingAbove(start);
      e !== null && e.start < end;
      e = space.map.firstEndingAbove(e.end)
    ) {
      const { policy } = e
      if (policy === null) continue
      if (policy.mode !== MPOL_BIND && policy.mode !== MPOL_PREFERRED_MANY) return EOPNOTSUPP
      const s = Math.max(start, e.start)
      const error = changePolicy(space, e, s, Math.min(end, e.end), { ...policy, homeNode })
      if (error !== 0) return error
      result = 0
      e = space.map.lookup(s)!
    }
    return result
  })
}

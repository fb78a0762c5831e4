import { VM_MAYGUARD, type VmMapEntry } from './entry.ts'
import { samePolicy } from './policy.ts'

/**
 * Linux's anon group (specification 1.2): made at the first write fault in private memory, taken over from an adjacent
 * entry, right neighbour first, if that differs in no more than its read, write and execute bits and its guards and is no fork child.
 */
export function prepareAnonGroup(entry: VmMapEntry): void {
  if (entry.anonGroup !== null) return
  const { prev, next } = entry
  if (next !== null && mayShare(entry, next, entry)) entry.anonGroup = next.anonGroup
  else if (prev !== null && mayShare(prev, entry, entry)) entry.anonGroup = prev.anonGroup
  else entry.anonGroup = entry.map.vm.newGroup()
}

function mayShare(left: VmMapEntry, right: VmMapEntry, asking: VmMapEntry): boolean {
  const owner = left === asking ? right : left
  return (
    owner.anonGroup !== null &&
    !owner.isForkChild &&
    left.end === right.start &&
    left.file === right.file &&
    left.object === right.object &&
    left.isCow &&
    right.isCow &&
    (left.vmFlags | VM_MAYGUARD) === (right.vmFlags | VM_MAYGUARD) &&
    samePolicy(left.policy, right.policy) &&
    (left.object === null
      ? left.anonPgoff + left.pageCount === right.anonPgoff
      : left.offset + left.pageCount === right.offset)
  )
}

import { PAGE_SIZE } from '../../base/index.ts'
import { VM_LOCKED } from './entry.ts'
import type { Vm } from './vm.ts'

/** Does any mapping of the page at frame index `f` lock it in memory (mlock)? Found through the reverse map. */
export function isMlocked({ pmaps, spaces }: Vm, f: number): boolean {
  const { reverse } = pmaps
  for (let e = reverse.head(f); e !== 0; e = reverse.next[e]!) {
    const entry = spaces[reverse.pmapIdOf(e)]?.map.lookup(reverse.vpnOf(e) * PAGE_SIZE) ?? null
    if (entry !== null && (entry.vmFlags & VM_LOCKED) !== 0) return true
  }
  return false
}

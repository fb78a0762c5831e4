import { PAGE_SIZE } from '../../base/index.ts'
import { VM_GROWSDOWN, VM_LOCKED, VM_SHARED, type VmSpace } from '../map/index.ts'

/** Pages of an address space by what they are for, as the kernel sums them. */
export interface VirtualSizes {
  readonly total: number
  /** Private and writable, no stack. */
  readonly data: number
  readonly stack: number
  /** Executable, not writable. */
  readonly exec: number
  /** Code of the program itself. */
  readonly text: number
  readonly locked: number
}

/** total_vm, data_vm, stack_vm, exec_vm and locked_vm (system-call specification 2.3). */
export function virtualSizes(space: VmSpace): VirtualSizes {
  let total = 0
  let data = 0
  let stack = 0
  let exec = 0
  let locked = 0
  for (const entry of space.map.entries()) {
    const pages = (entry.end - entry.start) / PAGE_SIZE
    const { protection, vmFlags } = entry
    total += pages
    if ((vmFlags & VM_GROWSDOWN) !== 0) stack += pages
    else if ((protection & 2) !== 0 && (vmFlags & VM_SHARED) === 0) data += pages
    else if ((protection & 6) === 4) exec += pages
    if ((vmFlags & VM_LOCKED) !== 0) locked += pages
  }
  const text = Math.ceil(space.endCode / PAGE_SIZE) - Math.floor(space.startCode / PAGE_SIZE)
  return { total, data, stack, exec, text, locked }
}

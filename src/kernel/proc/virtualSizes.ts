import { PAGE_SIZE } from '../../base/index.ts'
import type { VmSpace } from '../map/index.ts'

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
  const { size, sizes } = space.map
  const text = Math.ceil(space.endCode / PAGE_SIZE) - Math.floor(space.startCode / PAGE_SIZE)
  return {
    total: size / PAGE_SIZE,
    data: sizes.data / PAGE_SIZE,
    stack: sizes.stack / PAGE_SIZE,
    exec: sizes.exec / PAGE_SIZE,
    text,
    locked: sizes.locked / PAGE_SIZE,
  }
}

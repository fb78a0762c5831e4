import { VM_GROWSDOWN, VM_LOCKED, VM_SHARED } from './entry.ts'

/** What of an entry says where it counts. */
interface Kind {
  readonly protection: number
  readonly vmFlags: number
}

/**
 * Bytes of a map by what they are for, summed as entries come, change and go: limits and /proc ask for them, however many
 * entries there are. Linux's data_vm, stack_vm, exec_vm and locked_vm.
 */
export class MapSizes {
  /** Private and writable, no stack. */
  data = 0
  stack = 0
  /** Executable, not writable, no stack. */
  exec = 0
  locked = 0

  /** Counts so many bytes more of such an entry; fewer if negative. */
  add(kind: Kind, bytes: number): void {
    const { protection, vmFlags } = kind
    if ((vmFlags & VM_LOCKED) !== 0) this.locked += bytes
    if ((vmFlags & VM_GROWSDOWN) !== 0) this.stack += bytes
    else if (isData(kind)) this.data += bytes
    else if ((protection & 6) === 4) this.exec += bytes
  }
  equals({ data, stack, exec, locked }: MapSizes): boolean {
    return data === this.data && stack === this.stack && exec === this.exec && locked === this.locked
  }
}

/** Is the entry counted as data by RLIMIT_DATA: private, writable, no stack? */
export function isData({ protection, vmFlags }: Kind): boolean {
  return (protection & 2) !== 0 && (vmFlags & (VM_SHARED | VM_GROWSDOWN)) === 0
}

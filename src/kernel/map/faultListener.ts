import type { Err, Sleep } from '../../base/index.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * Who is told of faults of an entry and makes its pages: a userfaultfd. The map room keeps and compares it, and tells it
 * what goes; the fault routine waits for it.
 *
 * @manual userfaultfd(2), Linux
 */
export interface FaultListener {
  /**
   * Tells of a fault and sleeps until it may have been seen to; then everything is looked at again.
   *
   * @param address  the byte
   * @param kind     VM_UFFD_MISSING, VM_UFFD_WP or VM_UFFD_MINOR
   * @errors EINVAL nobody will see to it (SIGBUS); EINTR a signal came first
   */
  wait(space: VmSpace, address: number, access: number, kind: number): Sleep<0 | Err>
  /** Is a store to the page something to be told of? */
  isProtected(va: number): boolean
  /** Takes write permission from the protected pages of a range again, after something gave it. */
  protectAgain(space: VmSpace, start: number, end: number): void
  /** The pages of a range are gone, and what was known of them: the range is unmapped, or its private pages dropped. */
  forget(start: number, end: number): void
}

import type { Err, Sleep } from '../../base/index.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * Who is told of faults of an entry and makes its pages: a userfaultfd. The map room only keeps and compares it; the fault
 * routine waits on it.
 *
 * @manual userfaultfd(2), Linux
 */
export interface FaultListener {
  /**
   * Tells of a fault and sleeps until it may have been seen to; then everything is looked at again.
   *
   * @param kind   VM_UFFD_MISSING, VM_UFFD_WP or VM_UFFD_MINOR
   * @returns 0, or EFAULT (SIGBUS) where nobody will see to it
   */
  wait(space: VmSpace, va: number, access: number, kind: number): Sleep<0 | Err>
}

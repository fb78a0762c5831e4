import { EINTR, type Sleep, type SleepRequest } from '../../base/index.ts'
import { A0, A7, type Kernel, regInt, type Thread } from '../process/index.ts'
import { syscallOf } from './table.ts'

const ECALL_BYTES = 4

/**
 * Carries out the ecall that the thread's pc stands on.
 *
 *   1. pc moves behind the ecall; a0 is kept for a second try
 *   2. the call runs until it is done or must sleep
 *   3. its answer goes to a0, unless it has set all registers itself
 *
 * @returns null if it is done, else the rest of it
 * @locks   the rest sleeps
 * @manual  syscall(2)
 */
export function dispatchSyscall(kernel: Kernel, thread: Thread): Sleep<void> | null {
  const { regs } = thread
  const number = regInt(regs, A7)
  thread.syscall = number
  thread.savedA0Low = regs.x[2 * A0]!
  thread.savedA0High = regs.x[2 * A0 + 1]!
  regs.pc += ECALL_BYTES
  const result = syscallOf(number).call(kernel, thread)
  if (typeof result === 'number') {
    finish(thread, result)
    return null
  }
  // Most calls end without sleeping: run it as far as it goes at once.
  const first = result.next('woken')
  if (first.done === true) {
    finish(thread, first.value)
    return null
  }
  return rest(thread, result, first.value)
}

function* rest(thread: Thread, call: Sleep<number>, first: SleepRequest): Sleep<void> {
  let request = first
  for (;;) {
    const step = call.next(yield request)
    if (step.done === true) {
      finish(thread, step.value)
      return
    }
    request = step.value
  }
}

function finish(thread: Thread, result: number): void {
  const number = thread.syscall
  thread.syscall = -1
  if (thread.state === 'dead' || Number.isNaN(result)) return
  thread.regs.set(A0, result)
  if (result !== EINTR) return
  thread.restart = syscallOf(number).restart
  // Whoever interrupted it is looked for, and if it is nobody the call is executed again.
  thread.needsAttention = true
}

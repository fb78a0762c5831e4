import { ENOMEM, EACCES, EFAULT, EINTR, type Err, type Sleep, WouldSleep } from '../../base/index.ts'
import {
  type Hart,
  STOP_BREAKPOINT,
  STOP_BUDGET,
  STOP_ECALL,
  STOP_FAULT,
  STOP_ILLEGAL,
  STOP_MISALIGNED,
  type Stop,
} from '../../rv64/index.ts'
import { EXECUTE, READ, uvmFault, uvmFaultTry, WRITE } from '../fault/index.ts'
import {
  BUS_ADRALN,
  BUS_ADRERR,
  forceSignal,
  ILL_ILLOPC,
  type Kernel,
  returnToUser,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIGBUS,
  SIGILL,
  SIGKILL,
  type SignalInfo,
  SIGSEGV,
  SIGTRAP,
  type Thread,
  TRAP_BRKPT,
} from '../process/index.ts'
import { dispatchSyscall } from '../syscall/index.ts'

const CAUSE_FETCH_ACCESS = 1
const CAUSE_LOAD_ACCESS = 5
const CAUSE_STORE_ACCESS = 7
const CAUSE_FETCH_PAGE = 12
const CAUSE_STORE_PAGE = 15

/**
 * A thread's program has stopped: does what it needs, or sees to its signals.
 *
 *   fault        ──► the fault routine ──► executed again, or SIGSEGV, SIGBUS
 *   ecall        ──► the system call
 *   everything else ──► a signal
 *   always       ──► what stands between the thread and its next instruction (`beforeUser`)
 *
 * @param stop  what `hart.run` answered; the hart has the thread's registers
 * @returns     null: the thread may run on, or is dead; else kernel work that must end first
 * @locks       the work sleeps
 */
export function handleTrap(kernel: Kernel, thread: Thread, hart: Hart, stop: Stop): Sleep<void> | null {
  switch (stop) {
    case STOP_FAULT: {
      const work = handleFault(thread, hart.cause, hart.stval)
      if (work !== null) return then(kernel, thread, work)
      break
    }
    case STOP_ECALL: {
      const work = dispatchSyscall(kernel, thread)
      if (work !== null) return then(kernel, thread, work)
      break
    }
    case STOP_ILLEGAL:
      forceSignal(thread, { signo: SIGILL, code: ILL_ILLOPC, address: thread.regs.pc })
      break
    case STOP_BREAKPOINT:
      forceSignal(thread, { signo: SIGTRAP, code: TRAP_BRKPT, address: thread.regs.pc })
      break
    case STOP_MISALIGNED:
      forceSignal(thread, { signo: SIGBUS, code: BUS_ADRALN, address: hart.stval })
      break
    case STOP_BUDGET:
      break
  }
  return beforeUser(kernel, thread)
}

/**
 * What must happen before a thread's user code runs: to be asked whenever a CPU takes the thread up.
 *
 * @returns null for nothing, the usual case
 */
export function beforeUser(kernel: Kernel, thread: Thread): Sleep<void> | null {
  return thread.needsAttention && thread.state !== 'dead' ? returnToUser(kernel, thread) : null
}

function* then(kernel: Kernel, thread: Thread, work: Sleep<void>): Sleep<void> {
  yield* work
  const more = beforeUser(kernel, thread)
  if (more !== null) yield* more
}

function handleFault(thread: Thread, cause: number, address: number): Sleep<void> | null {
  const access = accessOf(cause)
  if (cause === CAUSE_FETCH_ACCESS || cause === CAUSE_LOAD_ACCESS || cause === CAUSE_STORE_ACCESS) {
    forceSignal(thread, faultSignal(EFAULT, access, address))
    return null
  }
  const { space } = thread
  if (!(address >= 0 && address < space.map.max)) {
    forceSignal(thread, faultSignal(EFAULT, access, address))
    return null
  }
  const result = uvmFaultTry(space, address, access)
  if (result === WouldSleep) return slowFault(thread, address, access)
  if (result !== 0) forceSignal(thread, faultSignal(result, access, address))
  return null
}
function* slowFault(thread: Thread, address: number, access: number): Sleep<void> {
  const result = yield* uvmFault(thread.space, address, access)
  // A signal came first: its handler runs, then the access is executed again.
  if (result === EINTR) return
  if (result !== 0) forceSignal(thread, faultSignal(result, access, address))
}

function accessOf(cause: number): number {
  if (cause === CAUSE_FETCH_PAGE || cause === CAUSE_FETCH_ACCESS) return EXECUTE
  return cause === CAUSE_STORE_PAGE || cause === CAUSE_STORE_ACCESS ? WRITE : READ
}
const ACCESS_NAMES = new Map([
  [READ, 'load'],
  [WRITE, 'store'],
  [EXECUTE, 'fetch'],
])
/** What an error of the fault routine means to the program (Linux specification 1.19, 3.7). */
function faultSignal(error: Err, access: number, address: number): SignalInfo {
  const where = { address, access: ACCESS_NAMES.get(access)! }
  if (error === EFAULT) return { signo: SIGSEGV, code: SEGV_MAPERR, ...where }
  if (error === EACCES) return { signo: SIGSEGV, code: SEGV_ACCERR, ...where }
  if (error === ENOMEM) return { signo: SIGKILL, code: SI_KERNEL, note: 'out of memory', ...where }
  return { signo: SIGBUS, code: BUS_ADRERR, ...where }
}

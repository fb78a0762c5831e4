import {
  EAGAIN,
  EFAULT,
  EINTR,
  EINVAL,
  ENOSYS,
  ETIMEDOUT,
  isErr,
  type OrErr,
  type Sleep,
  sleepOn,
} from '../../base/index.ts'
import type { VmSpace } from '../map/index.ts'
import {
  copyIn,
  copyInInt,
  copyOutInt,
  FUTEX_BITSET_ANY,
  FutexWaiter,
  type Kernel,
  nowNs,
  type Thread,
} from '../process/index.ts'
import { int, long, timespecAt } from './call.ts'

const FUTEX_WAIT = 0
const FUTEX_WAKE = 1
const FUTEX_REQUEUE = 3
const FUTEX_CMP_REQUEUE = 4
const FUTEX_WAKE_OP = 5
const FUTEX_WAIT_BITSET = 9
const FUTEX_WAKE_BITSET = 10
const COMMANDS = [
  FUTEX_WAIT,
  FUTEX_WAKE,
  FUTEX_REQUEUE,
  FUTEX_CMP_REQUEUE,
  FUTEX_WAKE_OP,
  FUTEX_WAIT_BITSET,
  FUTEX_WAKE_BITSET,
]
const FUTEX_PRIVATE = 128
const FUTEX_CLOCK_REALTIME = 256
const COMMAND = 127

/** long futex(u32 *word, int op, u32 value, timespec * or u32 value2, u32 *word2, u32 value3) @manual futex(2) */
export function* futex(kernel: Kernel, thread: Thread): Sleep<number> {
  const address = long(thread, 0)
  const operation = int(thread, 1)
  const value = int(thread, 2)
  const { futexes } = kernel
  const { space } = thread
  const command = operation & COMMAND
  const isWait = command === FUTEX_WAIT || command === FUTEX_WAIT_BITSET
  const deadline = isWait ? yield* deadlineOf(kernel, thread, command, operation) : Infinity
  if (isErr(deadline)) return deadline
  if ((operation & FUTEX_CLOCK_REALTIME) !== 0 && command !== FUTEX_WAIT_BITSET) return ENOSYS
  if (!COMMANDS.includes(command)) return ENOSYS
  const bitset = command === FUTEX_WAIT_BITSET || command === FUTEX_WAKE_BITSET ? int(thread, 5) : FUTEX_BITSET_ANY
  if (bitset === 0) return EINVAL
  if (address % 4 !== 0) return EINVAL
  if (!(address >= 0 && address < space.map.max)) return EFAULT
  if ((operation & FUTEX_PRIVATE) === 0 && !(yield* hasSharedWord(space, address))) return EFAULT
  switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
      return yield* wait(kernel, thread, address, value, bitset, deadline)
    case FUTEX_WAKE:
      return futexes.wake(futexes.keyOf(space, address), value)
    case FUTEX_WAKE_BITSET:
      return futexes.wake(futexes.keyOf(space, address), value, bitset)
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
      return yield* requeue(kernel, thread, address, value, command === FUTEX_CMP_REQUEUE)
    case FUTEX_WAKE_OP:
      return yield* wakeOp(kernel, thread, address, value)
    default:
      return ENOSYS
  }
}

/** What a word is that others may see too depends on its page: that must be there, and be one that can change. */
function* hasSharedWord(space: VmSpace, address: number): Sleep<boolean> {
  if (isErr(yield* copyIn(space, address, 4))) return false
  const entry = space.map.lookup(address)
  return entry !== null && (entry.object !== null || !entry.isCow || (entry.protection & 2) !== 0)
}

/** Relative for WAIT, absolute for WAIT_BITSET. */
function* deadlineOf(kernel: Kernel, thread: Thread, command: number, operation: number): Sleep<OrErr<number>> {
  if (long(thread, 3) === 0) return Infinity
  const time = yield* timespecAt(thread, long(thread, 3))
  if (isErr(time)) return time
  if (command === FUTEX_WAIT) {
    const again = thread.restartDeadline
    return Number.isNaN(again) ? nowNs(kernel) + time.ns : again
  }
  return (operation & FUTEX_CLOCK_REALTIME) !== 0 ? time.ns - kernel.files.bootSeconds * 1e9 : time.ns
}

function* wait(
  kernel: Kernel,
  thread: Thread,
  address: number,
  expected: number,
  bitset: number,
  deadline: number,
): Sleep<number> {
  const { futexes } = kernel
  thread.restartDeadline = Number.NaN
  const word = yield* copyInInt(thread.space, address)
  if (word === 'EFAULT') return EFAULT
  if (word !== expected) return EAGAIN
  // Nothing sleeps between the comparison and this: no wake is lost.
  const waiter = new FutexWaiter(futexes.keyOf(thread.space, address), bitset)
  futexes.add(waiter)
  while (!waiter.isWoken) {
    if (nowNs(kernel) >= deadline) {
      futexes.remove(waiter)
      return ETIMEDOUT
    }
    const reason = yield* sleepOn(waiter.queue, deadline, true)
    if (reason === 'signal' && !waiter.isWoken) {
      futexes.remove(waiter)
      if (deadline !== Infinity) thread.restartDeadline = deadline
      return EINTR
    }
  }
  return 0
}

function* requeue(kernel: Kernel, thread: Thread, address: number, count: number, compares: boolean): Sleep<number> {
  const { futexes } = kernel
  const { space } = thread
  const target = long(thread, 4)
  const limit = int(thread, 3)
  if (count < 0 || limit < 0 || target % 4 !== 0) return EINVAL
  if (compares) {
    const word = yield* copyInInt(space, address)
    if (word === 'EFAULT') return EFAULT
    if (word !== int(thread, 5)) return EAGAIN
  }
  const from = futexes.keyOf(space, address)
  const woken = futexes.wake(from, count)
  const moved = futexes.requeue(from, futexes.keyOf(space, target), limit)
  return compares ? woken + moved : woken
}

// value3 of WAKE_OP:  31 28   27 24   23 … 12   11 … 0
//                    [ op ][ compare ][ oparg ][ cmparg ]      op bit 3: oparg is a shift
function* wakeOp(kernel: Kernel, thread: Thread, address: number, count: number): Sleep<number> {
  const { futexes } = kernel
  const { space } = thread
  const target = long(thread, 4)
  const code = int(thread, 5)
  if (target % 4 !== 0) return EINVAL
  const old = yield* copyInInt(space, target)
  if (old === 'EFAULT') return EFAULT
  let argument = (code << 8) >> 20
  if (code < 0) argument = 1 << (argument & 31)
  const against = (code << 20) >> 20
  const operations = [argument, old + argument, old | argument, old & ~argument, old ^ argument]
  const result = operations[(code >>> 28) & 7]
  const holds = [old === against, old !== against, old < against, old <= against, old > against, old >= against][
    (code >>> 24) & 15
  ]
  if (result === undefined || holds === undefined) return ENOSYS
  const written = yield* copyOutInt(space, target, result | 0)
  if (isErr(written)) return written
  const woken = futexes.wake(futexes.keyOf(space, address), count)
  return holds ? woken + futexes.wake(futexes.keyOf(space, target), int(thread, 3)) : woken
}

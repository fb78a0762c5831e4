// What a program may ask of the scheduler. All threads are equal here: policies and priorities are accepted as far as
// an ordinary program may set them, and change nothing.

import { EINVAL, EPERM, ESRCH, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import { copyIn, copyOut, copyOutInt, type Kernel, type Thread } from '../process/index.ts'
import { int, long, putStruct, putTimespec, size } from './call.ts'

function threadOf(kernel: Kernel, thread: Thread, tid: number): OrErr<Thread> {
  if (tid < 0) return EINVAL
  return tid === 0 ? thread : (kernel.processes.byTid.get(tid) ?? ESRCH)
}
/** @manual sched_yield(2) */
export function schedYield(kernel: Kernel, thread: Thread): number {
  kernel.scheduler.yieldTurn(thread)
  return 0
}
const MASK_BYTES = 8
/** The bytes written: 8, for up to 64 CPUs. @manual sched_getaffinity(2) */
export function* schedGetaffinity(kernel: Kernel, thread: Thread): Sleep<number> {
  const bytes = size(thread, 1)
  const target = threadOf(kernel, thread, int(thread, 0))
  if (isErr(target)) return target
  if (bytes < MASK_BYTES || bytes % 8 !== 0) return EINVAL
  const mask = affinityOf(kernel, target)
  const written = yield* putStruct(thread, long(thread, 2), MASK_BYTES, (view) => view.setUint32(0, mask, true))
  return isErr(written) ? written : MASK_BYTES
}
/** CPUs that exist and that the thread may use, one bit each. */
function affinityOf(kernel: Kernel, target: Thread): number {
  const all = 2 ** kernel.machine.cpus.length - 1
  return (target.affinity & all) >>> 0
}
/** @manual sched_setaffinity(2) */
export function* schedSetaffinity(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = threadOf(kernel, thread, int(thread, 0))
  if (isErr(target)) return target
  const bytes = yield* copyIn(thread.space, long(thread, 2), Math.min(size(thread, 1), 8))
  if (isErr(bytes)) return bytes
  let mask = 0
  bytes.subarray(0, 4).forEach((byte, i) => (mask |= byte << (8 * i)))
  if ((mask & (2 ** kernel.machine.cpus.length - 1)) === 0) return EINVAL
  target.affinity = mask
  return 0
}
/** @manual getcpu(2) */
export function* getcpu(kernel: Kernel, thread: Thread): Sleep<number> {
  const { cpu } = kernel.machine.current
  for (const [i, value] of [cpu.id, cpu.node].entries()) {
    if (long(thread, i) === 0) continue
    const written = yield* copyOutInt(thread.space, long(thread, i), value)
    if (isErr(written)) return written
  }
  return 0
}

const SCHED_OTHER = 0
const SCHED_FIFO = 1
const SCHED_RR = 2
const SCHED_IDLE = 5
/** @manual sched_getscheduler(2) */
export function schedGetscheduler(kernel: Kernel, thread: Thread): number {
  const target = threadOf(kernel, thread, int(thread, 0))
  return isErr(target) ? target : SCHED_OTHER
}
/** @manual sched_setscheduler(2) */
export function* schedSetscheduler(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = threadOf(kernel, thread, int(thread, 0))
  if (isErr(target)) return target
  const policy = int(thread, 1)
  if (policy < 0 || policy > SCHED_IDLE || policy === 4) return EINVAL
  if (policy === SCHED_FIFO || policy === SCHED_RR) return EPERM
  return yield* checkPriority(thread, long(thread, 2))
}
/** Ordinary threads have priority 0 and no other. */
function* checkPriority(thread: Thread, address: number): Sleep<number> {
  const priority = yield* copyIn(thread.space, address, 4)
  return isErr(priority) ? priority : priority.some((byte) => byte !== 0) ? EINVAL : 0
}
/** @manual sched_setparam(2) */
export function* schedSetparam(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = threadOf(kernel, thread, int(thread, 0))
  return isErr(target) ? target : yield* checkPriority(thread, long(thread, 1))
}
/** @manual sched_getparam(2) */
export function* schedGetparam(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = threadOf(kernel, thread, int(thread, 0))
  return isErr(target) ? target : yield* copyOut(thread.space, long(thread, 1), new Uint8Array(4))
}
const isRealtime = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR
/** @manual sched_get_priority_max(2) */
export function schedPriorityMax(_kernel: Kernel, thread: Thread): number {
  const policy = int(thread, 0)
  return policy < 0 || policy > 6 || policy === 4 ? EINVAL : isRealtime(policy) ? 99 : 0
}
/** @manual sched_get_priority_min(2) */
export function schedPriorityMin(_kernel: Kernel, thread: Thread): number {
  const policy = int(thread, 0)
  return policy < 0 || policy > 6 || policy === 4 ? EINVAL : isRealtime(policy) ? 1 : 0
}
const TURN_NS = 4_000_000
/** @manual sched_rr_get_interval(2) */
export function* schedRrGetInterval(kernel: Kernel, thread: Thread): Sleep<number> {
  const target = threadOf(kernel, thread, int(thread, 0))
  if (isErr(target)) return target
  return yield* putStruct(thread, long(thread, 1), 16, (view) => putTimespec(view, 0, TURN_NS))
}
/** Nice value 0, as the kernel tells it: 20 - nice. @manual getpriority(2) */
export function getpriority(_kernel: Kernel, thread: Thread): number {
  return int(thread, 0) < 0 || int(thread, 0) > 2 ? EINVAL : 20
}
/** @manual setpriority(2) */
export function setpriority(_kernel: Kernel, thread: Thread): number {
  return int(thread, 0) < 0 || int(thread, 0) > 2 ? EINVAL : 0
}

import { EFAULT, EINVAL, EPERM, ESRCH, isErr, PAGE_MASK, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { copyIn, copyOut, type IoVec, type Kernel, mayAccess, type Thread } from '../process/index.ts'
import { int, long, size, vectorAt } from './call.ts'

/** ssize_t process_vm_readv(pid, local vectors, count, remote vectors, count, flags) @manual process_vm_readv(2) */
export function processVmReadv(kernel: Kernel, thread: Thread): Sleep<number> {
  return transfer(kernel, thread, false)
}
/** @manual process_vm_writev(2) */
export function processVmWritev(kernel: Kernel, thread: Thread): Sleep<number> {
  return transfer(kernel, thread, true)
}

/** In order; stops at the first page of either side that is not accessible, which is an error only at the beginning. */
function* transfer(kernel: Kernel, thread: Thread, isWrite: boolean): Sleep<number> {
  if (size(thread, 5) !== 0) return EINVAL
  const local = yield* vectorAt(thread, long(thread, 1), size(thread, 2))
  if (isErr(local)) return local
  if (total(local) === 0) return 0
  const remote = yield* vectorAt(thread, long(thread, 3), size(thread, 4), true)
  if (isErr(remote)) return remote
  if (total(remote) === 0) return 0
  const process = kernel.processes.byPid.get(int(thread, 0))
  if (process === undefined || process.space === null) return ESRCH
  if (process !== thread.process && !mayAccess(thread.process, process, 'real')) return EPERM
  const [from, to] = isWrite ? [local, remote] : [remote, local]
  const [fromSpace, toSpace] = isWrite ? [thread.space, process.space] : [process.space, thread.space]
  let done = 0
  const source = pieces(from)
  const target = pieces(to)
  let s = source.next()
  let t = target.next()
  let sAt = 0
  let tAt = 0
  while (s.done !== true && t.done !== true) {
    const bytes = Math.min(s.value.length - sAt, t.value.length - tAt)
    const data = yield* copyIn(fromSpace, s.value.base + sAt, bytes)
    if (isErr(data)) break
    if (isErr(yield* copyOut(toSpace, t.value.base + tAt, data))) break
    done += bytes
    sAt += bytes
    tAt += bytes
    if (sAt === s.value.length) {
      s = source.next()
      sAt = 0
    }
    if (tAt === t.value.length) {
      t = target.next()
      tAt = 0
    }
  }
  return done > 0 ? done : EFAULT
}
const total = (vectors: readonly IoVec[]): number => vectors.reduce((sum, { length }) => sum + length, 0)

/** The vectors cut at page boundaries. */
function* pieces(vectors: readonly IoVec[]): IterableIterator<IoVec> {
  for (const { base, length } of vectors) {
    for (let at = 0; at < length;) {
      const step = Math.min(length - at, PAGE_SIZE - ((base + at) & PAGE_MASK))
      yield { base: base + at, length: step }
      at += step
    }
  }
}

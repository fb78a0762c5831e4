// Questions about the machine and the kernel.

import { EFAULT, EINVAL, ENOSYS, EPERM, type Err, isErr, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { CAP_SYS_ADMIN, capable, nameFromBytes, nameToBytes } from '../file/index.ts'
import { NR_FREE_PAGES, globalStat } from '../phys/index.ts'
import { copyIn, copyOut, type Kernel, KERNEL_RELEASE, KERNEL_VERSION, nowNs, type Thread } from '../process/index.ts'
import { getLong, int, long, putLong, putStruct, size, viewOf } from './call.ts'

const UTS_FIELD = 65
/** int uname(struct utsname *) @manual uname(2) */
export function* uname(kernel: Kernel, thread: Thread): Sleep<number> {
  const fields = ['Linux', kernel.hostname, KERNEL_RELEASE, KERNEL_VERSION, 'riscv64', kernel.domainname]
  return yield* putStruct(thread, long(thread, 0), UTS_FIELD * fields.length, (view) => {
    const bytes = new Uint8Array(view.buffer)
    fields.forEach((text, i) => bytes.set(nameToBytes(text).subarray(0, UTS_FIELD - 1), i * UTS_FIELD))
  })
}
/** @manual sethostname(2) */
export function* sethostname(kernel: Kernel, thread: Thread): Sleep<number> {
  const length = int(thread, 1)
  if (!capable(thread.process.who, CAP_SYS_ADMIN)) return EPERM
  if (length < 0 || length >= UTS_FIELD) return EINVAL
  const bytes = yield* copyIn(thread.space, long(thread, 0), length)
  if (isErr(bytes)) return bytes
  kernel.hostname = nameFromBytes(bytes)
  return 0
}
/** @manual sysinfo(2) */
export function* sysinfo(kernel: Kernel, thread: Thread): Sleep<number> {
  const { phys, processes, vm } = kernel
  return yield* putStruct(thread, long(thread, 0), 112, (view) => {
    putLong(view, 0, Math.floor(nowNs(kernel) / 1e9))
    putLong(view, 32, phys.totalramPages * PAGE_SIZE)
    putLong(view, 40, globalStat(phys, NR_FREE_PAGES) * PAGE_SIZE)
    putLong(view, 64, (vm.anons.swap?.swpages ?? 0) * PAGE_SIZE)
    putLong(view, 72, (vm.anons.swap?.freePages ?? 0) * PAGE_SIZE)
    view.setUint16(80, Math.min(0xffff, processes.byTid.size), true)
    view.setUint32(104, 1, true)
  })
}

const GRND_KNOWN = 7
const GRND_RANDOM_AND_INSECURE = 6
/** From the seed of the machine: the same in every run. @manual getrandom(2) */
export function* getrandom(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 2)
  if ((flags & ~GRND_KNOWN) !== 0 || (flags & GRND_RANDOM_AND_INSECURE) === GRND_RANDOM_AND_INSECURE) return EINVAL
  const count = Math.min(size(thread, 1), 0x7fffffff)
  const { rng } = kernel.machine
  for (let done = 0; done < count;) {
    const piece = new Uint8Array(Math.min(count - done, PAGE_SIZE))
    for (let i = 0; i < piece.length; i++) piece[i] = rng.next32()
    const written = yield* copyOut(thread.space, long(thread, 0) + done, piece)
    if (isErr(written)) return done > 0 ? done : EFAULT
    done += piece.length
  }
  return count
}

// Keys of riscv_hwprobe, and what a plain rv64gc machine says (Linux specification 3.9).
const HWPROBE_ANSWERS = new Map<number, (kernel: Kernel) => number>([
  [0, () => 0],
  [1, () => 0],
  [2, () => 0],
  [3, () => 1],
  [4, () => 3],
  [5, () => 3],
  [6, () => 0],
  [7, (kernel) => kernel.machine.layout.user.end - 1],
  [8, () => 1e9],
  [9, () => 3],
])
const HWPROBE_PAIRS_MAX = 4096
const HWPROBE_WHICH_CPUS = 1
/** Of a set of CPUs that are looked at. */
const CPU_SET_BYTES = 128
/** long riscv_hwprobe(struct pair *pairs, size_t count, size_t cpusetsize, unsigned long *cpus, unsigned flags) */
export function* riscvHwprobe(kernel: Kernel, thread: Thread): Sleep<number> {
  const address = long(thread, 0)
  const count = size(thread, 1)
  const flags = int(thread, 4)
  if (flags !== 0 && flags !== HWPROBE_WHICH_CPUS) return EINVAL
  if (count > HWPROBE_PAIRS_MAX) return EINVAL
  const checked = yield* checkCpus(kernel, thread, flags)
  if (checked !== 0) return checked
  const bytes = yield* copyIn(thread.space, address, count * 16)
  if (isErr(bytes)) return bytes
  const view = viewOf(bytes)
  let all = true
  for (let at = 0; at < bytes.length; at += 16) {
    const answer = HWPROBE_ANSWERS.get(getLong(view, at))?.(kernel)
    if (flags === HWPROBE_WHICH_CPUS) {
      all &&= answer !== undefined && answer === getLong(view, at + 8)
      continue
    }
    if (answer === undefined) putLong(view, at, -1)
    putLong(view, at + 8, answer ?? 0)
  }
  if (flags === 0) return yield* copyOut(thread.space, address, bytes)
  // All CPUs are alike: either all that were asked for, or none.
  const setBytes = Math.min(size(thread, 2), CPU_SET_BYTES)
  return all ? 0 : yield* copyOut(thread.space, long(thread, 3), new Uint8Array(setBytes))
}
function* checkCpus(kernel: Kernel, thread: Thread, flags: number): Sleep<0 | Err> {
  const bytes = size(thread, 2)
  const address = long(thread, 3)
  if (bytes === 0 && address === 0) return flags === 0 ? 0 : EINVAL
  if (bytes === 0 || address === 0) return EINVAL
  const set = yield* copyIn(thread.space, address, Math.min(bytes, CPU_SET_BYTES))
  if (isErr(set)) return set
  if (flags !== 0) return 0
  const online = kernel.machine.cpus.some(({ id }) => ((set[id >> 3] ?? 0) & (1 << (id & 7))) !== 0)
  return online ? 0 : EINVAL
}
const FLUSH_LOCAL = 1
/** int riscv_flush_icache(start, end, flags) */
export function riscvFlushIcache(kernel: Kernel, thread: Thread): number {
  const flags = int(thread, 2)
  if ((flags & ~FLUSH_LOCAL) !== 0) return EINVAL
  kernel.scheduler.flushCode(thread, (flags & FLUSH_LOCAL) === 0)
  return 0
}

/** Only the ordinary personality: asking is answered, changing has no effect. @manual personality(2) */
export function personality(): number {
  return 0
}
/** Restartable sequences are not offered; every libc does without. @manual rseq(2) */
export function rseq(): number {
  return ENOSYS
}
const SYSLOG_SIZE = 10
/** The kernel's log is empty. @manual syslog(2) */
export function syslog(_kernel: Kernel, thread: Thread): number {
  const type = int(thread, 0)
  return type < 0 || type > SYSLOG_SIZE ? EINVAL : 0
}

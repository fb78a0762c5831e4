// The calls that change mappings, but mmap.

import {
  ADDRESS_END,
  EINVAL,
  ENAMETOOLONG,
  ENOMEM,
  ENOSPC,
  EPERM,
  isErr,
  isPageAligned,
  pageLength,
  type Sleep,
  unsigned64,
} from '../../base/index.ts'
import {
  areMemfdFlags,
  createMemfd,
  isOwner,
  MAY_WRITE,
  MFD_CLOEXEC,
  nameFromBytes,
  OpenFile,
  vnodeAccess,
} from '../file/index.ts'
import {
  brkRegion,
  madviseRegion,
  type MappedFile,
  mincoreRegion,
  MLOCK_ONFAULT,
  mlockall as lockAll,
  mlockRegion,
  mprotectRegion,
  mremapRegion,
  msealRegion,
  msyncRegion,
  munlockall as unlockAll,
  munlockRegion,
  munmapRegion,
  remapFilePages,
} from '../map/index.ts'
import { copyInString, copyOut, type Kernel, type Thread } from '../process/index.ts'
import { int, long, size } from './call.ts'

/** @manual munmap(2) */
export function munmap(_kernel: Kernel, thread: Thread): Sleep<number> {
  return munmapRegion(thread.space, long(thread, 0), size(thread, 1))
}
/** @manual mprotect(2) */
export function mprotect(_kernel: Kernel, thread: Thread): Sleep<number> {
  return mprotectRegion(thread.space, long(thread, 0), long(thread, 1), int(thread, 2))
}
/** pkey -1 is mprotect; any other is one that nobody has been given. @manual pkey_mprotect(2) */
export function pkeyMprotect(kernel: Kernel, thread: Thread): number | Sleep<number> {
  if (int(thread, 3) === -1) return mprotect(kernel, thread)
  const [start, bytes] = [unsigned64(long(thread, 0)), long(thread, 1)]
  if (!isPageAligned(start)) return EINVAL
  if (bytes === 0) return 0
  const length = pageLength(bytes)
  return length === 0 || start + length >= ADDRESS_END ? ENOMEM : EINVAL
}
/**
 * int pkey_alloc(unsigned flags, unsigned rights): there are none to be had. Where the machine has no keys the kernel has
 * neither key 0, and looks at no argument but these.
 *
 * @manual pkey_alloc(2)
 */
export function pkeyAlloc(_kernel: Kernel, thread: Thread): number {
  const KEY_RIGHTS = 3
  return size(thread, 0) !== 0 || (size(thread, 1) & ~KEY_RIGHTS) !== 0 ? EINVAL : ENOSPC
}
/** @manual pkey_free(2) */
export function pkeyFree(): number {
  return EINVAL
}
/** @manual brk(2) */
export function brk(_kernel: Kernel, thread: Thread): Sleep<number> {
  return brkRegion(thread.space, long(thread, 0))
}
/** @manual mremap(2) */
export function mremap(_kernel: Kernel, thread: Thread): Sleep<number> {
  return mremapRegion(thread.space, long(thread, 0), long(thread, 1), long(thread, 2), int(thread, 3), long(thread, 4))
}
/** @manual madvise(2) */
export function madvise(_kernel: Kernel, thread: Thread): Sleep<number> {
  return madviseRegion(thread.space, long(thread, 0), long(thread, 1), int(thread, 2))
}
/** @manual msync(2) */
export function msync(_kernel: Kernel, thread: Thread): Sleep<number> {
  return msyncRegion(thread.space, long(thread, 0), long(thread, 1), int(thread, 2))
}
/** @manual mincore(2) */
export function* mincore(_kernel: Kernel, thread: Thread): Sleep<number> {
  const parts: Uint8Array[] = []
  const { who } = thread.process
  const mayKnow = (file: MappedFile): boolean =>
    file instanceof OpenFile && (isOwner(file.vnode, who) || vnodeAccess(file.vnode, who, MAY_WRITE) === 0)
  let at = long(thread, 2)
  const report = (pages: Uint8Array): void => void parts.push(pages)
  const result = mincoreRegion(thread.space, long(thread, 0), long(thread, 1), report, mayKnow, at)
  for (const part of parts) {
    const written = yield* copyOut(thread.space, at, part)
    if (isErr(written)) return written
    at += part.length
  }
  return result
}
/** @manual mlock(2) */
export function mlock(_kernel: Kernel, thread: Thread): Sleep<number> {
  return mlockRegion(thread.space, long(thread, 0), long(thread, 1), false)
}
/** @manual mlock2(2) */
export function mlock2(_kernel: Kernel, thread: Thread): number | Sleep<number> {
  const flags = int(thread, 2)
  if ((flags & ~MLOCK_ONFAULT) !== 0) return EINVAL
  return mlockRegion(thread.space, long(thread, 0), long(thread, 1), flags !== 0)
}
/** @manual munlock(2) */
export function munlock(_kernel: Kernel, thread: Thread): Sleep<number> {
  return munlockRegion(thread.space, long(thread, 0), long(thread, 1))
}
/** @manual mlockall(2) */
export function mlockall(_kernel: Kernel, thread: Thread): Sleep<number> {
  return lockAll(thread.space, int(thread, 0))
}
/** @manual munlockall(2) */
export function munlockall(_kernel: Kernel, thread: Thread): Sleep<number> {
  return unlockAll(thread.space)
}
/** @manual mseal(2) */
export function mseal(_kernel: Kernel, thread: Thread): Sleep<number> {
  return msealRegion(thread.space, long(thread, 0), long(thread, 1), int(thread, 2))
}
/** @manual remap_file_pages(2) */
export function remapPages(_kernel: Kernel, thread: Thread): Sleep<number> {
  return remapFilePages(thread.space, long(thread, 0), size(thread, 1), int(thread, 2), size(thread, 3), int(thread, 4))
}

const MEMFD_NAME_BYTES = 250
/** @manual memfd_create(2) */
export function* memfdCreate(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 1)
  if (!areMemfdFlags(flags)) return EINVAL
  const name = yield* copyInString(thread.space, long(thread, 0), MEMFD_NAME_BYTES)
  if (isErr(name)) return name === ENAMETOOLONG ? EINVAL : name
  const { uid, gid } = thread.process.who
  const init = { permissions: 0o777, uid, gid, time: kernel.files.now() }
  const file = createMemfd(kernel.files, nameFromBytes(name), flags, init)
  if (isErr(file)) return file
  const fd = thread.process.fds!.install(file, 0, (flags & MFD_CLOEXEC) !== 0)
  if (isErr(fd)) file.release()
  return fd
}

const MEMBARRIER_COMMANDS = 0x3ff
const MEMBARRIER_RSEQ = 0x80
const MEMBARRIER_GET_REGISTRATIONS = 0x200
/** The commands that register, and those that need it. Each is registered by the bit above it. */
const MEMBARRIER_REGISTERS = 0x4 | 0x10 | 0x40 | 0x100
const MEMBARRIER_NEEDS = 0x8 | 0x20 | 0x80
/** CPUs take turns, so every barrier holds already; only registration is remembered. @manual membarrier(2) */
export function membarrier(_kernel: Kernel, thread: Thread): number {
  const { process } = thread
  const command = int(thread, 0)
  if (int(thread, 1) !== 0 && (int(thread, 1) !== 1 || command !== MEMBARRIER_RSEQ)) return EINVAL
  if (command === 0) return MEMBARRIER_COMMANDS
  if ((command & (command - 1)) !== 0 || (command & ~MEMBARRIER_COMMANDS) !== 0) return EINVAL
  if (command === MEMBARRIER_GET_REGISTRATIONS) return process.barriers
  if ((command & MEMBARRIER_REGISTERS) !== 0) process.barriers |= command
  return (command & MEMBARRIER_NEEDS) !== 0 && (process.barriers & (command << 1)) === 0 ? EPERM : 0
}

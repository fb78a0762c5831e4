import {
  EACCES,
  EBADF,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  type Err,
  isErr,
  isPageAligned,
  PAGE_SIZE,
  roundPage,
  type Sleep,
} from '../../base/index.ts'
import {
  createShmemObject,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_WRITE,
  openShmemObject,
  type OpenFile,
  promiseWhole,
} from '../file/index.ts'
import {
  MAP_ANONYMOUS,
  MAP_DROPPABLE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  mmapRegion,
  type MmapRequest,
} from '../map/index.ts'
import type { Kernel, Thread } from '../process/index.ts'
import { int, long, size } from './call.ts'

/** Flags that MAP_SHARED_VALIDATE knows: those older than itself. MAP_FIXED_NOREPLACE is younger. */
const KNOWN_FLAGS =
  0x03 | 0x10 | 0x20 | 0x100 | 0x800 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x40000 | 0xfc000000
const MAP_SYNC = 0x80000

/** void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset) @manual mmap(2) */
export function* mmap(kernel: Kernel, thread: Thread): Sleep<number> {
  const flags = int(thread, 3)
  const offset = size(thread, 5)
  const base = {
    addr: long(thread, 0),
    length: size(thread, 1),
    prot: int(thread, 2) & 7,
    flags,
    pgoff: offset / PAGE_SIZE,
  }
  if (!isPageAligned(offset)) return EINVAL
  if ((flags & MAP_ANONYMOUS) !== 0) return yield* mmapAnonymous(kernel, thread, base)
  const file = thread.process.fds!.get(int(thread, 4))
  if (isErr(file) || file.isPath) return EBADF
  if ((flags & MAP_HUGETLB) !== 0) return EINVAL
  if (isZero(file)) return yield* mmapZeroDevice(kernel, thread, base, file)
  return yield* mmapFile(thread, base, file)
}

type Request = Omit<MmapRequest, 'object' | 'file'>

function* mmapAnonymous(kernel: Kernel, thread: Thread, base: Request): Sleep<number> {
  const { flags } = base
  const type = flags & MAP_TYPE
  if ((flags & MAP_HUGETLB) !== 0) return ENOMEM
  const wrongType = type !== MAP_SHARED && type !== MAP_PRIVATE && type !== MAP_DROPPABLE
  const dropConflict = type === MAP_DROPPABLE && (flags & (MAP_LOCKED | MAP_GROWSDOWN)) !== 0
  const isWrong = wrongType || dropConflict || (type === MAP_SHARED && (flags & MAP_GROWSDOWN) !== 0)
  if (type === MAP_SHARED && !isWrong) return yield* mmapSharedMemory(kernel, thread, { ...base, pgoff: 0 })
  const { addr, length, prot } = base
  const request = { addr, length, prot, flags, pgoff: 0, object: null, file: null }
  return yield* mmapRegion(thread.space, isWrong ? { ...request, validate: refuse } : request)
}

const refuse = (): Err => EINVAL

/** MAP_SHARED | MAP_ANONYMOUS: a memory file without a name. */
function* mmapSharedMemory(kernel: Kernel, thread: Thread, request: Request): Sleep<number> {
  const isPromised = kernel.vm.commit.promisesWhole((request.flags & MAP_NORESERVE) !== 0)
  const object = createShmemObject(kernel.files, roundPage(Math.min(request.length, 2 ** 52)))
  const file = openShmemObject(kernel.files, object)
  const promise = isPromised ? { promise: () => promiseWhole(object) } : null
  const at = yield* mmapRegion(thread.space, { ...request, ...promise, pgoff: 0, object, file })
  if (isErr(at)) {
    object.pager.detach(object)
    file.release()
  }
  return at
}

/** /dev/zero: private is anonymous memory that keeps its file, shared is a memory file. */
function* mmapZeroDevice(kernel: Kernel, thread: Thread, base: Request, file: OpenFile): Sleep<number> {
  const validate = (): 0 | Err => checkFile(base, file)
  if ((base.flags & MAP_TYPE) !== MAP_PRIVATE) return yield* mmapSharedMemory(kernel, thread, { ...base, validate })
  file.reference()
  const at = yield* mmapRegion(thread.space, { ...base, validate, object: null, file })
  if (isErr(at)) file.release()
  return at
}

function* mmapFile(thread: Thread, base: Request, file: OpenFile): Sleep<number> {
  const { object } = file.vnode
  const validate = (): 0 | Err => checkFile(base, file)
  file.reference()
  object?.pager.reference(object)
  const neverWritable = (file.vnode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0
  const at = yield* mmapRegion(thread.space, { ...base, validate, object, file, neverWritable })
  if (isErr(at)) {
    object?.pager.detach(object)
    file.release()
  }
  return at
}

/** A file has at most 2^63 - 1 bytes: this many pages, the last one not whole. */
const FILE_PAGES = 2 ** 51
/** What a file allows, in the kernel's order (Linux specification 1.5, steps 12 to 20). */
function checkFile(r: Request, file: OpenFile): 0 | Err {
  const type = r.flags & MAP_TYPE
  const { vnode } = file
  const isShared = type === MAP_SHARED || type === MAP_SHARED_VALIDATE
  const storesToFile = isShared && (r.prot & 2) !== 0
  const pages = roundPage(r.length) / PAGE_SIZE
  if (r.pgoff + pages >= (vnode.kind === 'file' ? FILE_PAGES : 2 * FILE_PAGES)) return EOVERFLOW
  if (type === MAP_SHARED_VALIDATE && (r.flags & (~KNOWN_FLAGS | MAP_SYNC)) !== 0) return EOPNOTSUPP
  if (!isShared && type !== MAP_PRIVATE) return EINVAL
  if (storesToFile && !file.isWritable) return EACCES
  if (!file.isReadable) return EACCES
  if ((r.prot & 4) !== 0 && isNoExec(file)) return EPERM
  if (vnode.object === null && !isZero(file)) return ENODEV
  if ((r.flags & MAP_GROWSDOWN) !== 0) return EINVAL
  if (storesToFile && (vnode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return EPERM
  return 0
}
/** Nothing can be executed from /proc and /sys, nor from what never had a name: pipes, what userfaultfd answers. */
function isNoExec({ vnode }: OpenFile): boolean {
  const { fs, kind, parent } = vnode
  return fs.typeName === 'proc' || fs.typeName === 'sysfs' || (parent === null && kind !== 'file' && kind !== 'dir')
}
const isZero = (file: OpenFile): boolean =>
  file.vnode.kind === 'chardev' && file.files.devices.get(file.vnode.rdev)?.mapping === 'zero'

// System V shared memory.

import { EACCES, EINVAL, EPERM, isErr, PAGE_SIZE, roundPage, type Sleep } from '../../base/index.ts'
import { copyIn, type Kernel, type Thread } from '../process/index.ts'
import { type Segment, SHM_COUNT_MAX, shmat as attach, shmdt as detach } from '../sysv/index.ts'
import { int, long, putLong, putStruct, size, viewOf } from './call.ts'

/** int shmget(key_t key, size_t size, int flags) @manual shmget(2) */
export function shmget(kernel: Kernel, thread: Thread): number {
  return kernel.segments.get(int(thread, 0), size(thread, 1), int(thread, 2), thread.process.who)
}
/** void *shmat(int id, const void *addr, int flags) @manual shmat(2) */
export function shmat(kernel: Kernel, thread: Thread): Sleep<number> {
  const { space, process } = thread
  return attach(kernel.segments, space, process.who, int(thread, 0), long(thread, 1), int(thread, 2))
}
/** int shmdt(const void *addr) @manual shmdt(2) */
export function shmdt(_kernel: Kernel, thread: Thread): Sleep<number> {
  return detach(thread.space, long(thread, 0))
}

const IPC_RMID = 0
const IPC_SET = 1
const IPC_STAT = 2
const IPC_INFO = 3
const SHM_LOCK = 11
const SHM_UNLOCK = 12
const SHM_STAT = 13
const SHM_INFO = 14
const SHM_STAT_ANY = 15
const SHM_DEST = 0o1000
const SHM_LOCKED = 0o2000
const SHMID_DS_BYTES = 112

/** int shmctl(int id, int command, struct shmid_ds *) @manual shmctl(2) */
export function* shmctl(kernel: Kernel, thread: Thread): Sleep<number> {
  const { segments } = kernel
  const id = int(thread, 0)
  const command = int(thread, 1)
  const address = long(thread, 2)
  if (command < 0 || id < 0) return EINVAL
  switch (command) {
    case IPC_INFO:
    case SHM_INFO: {
      const done = yield* command === IPC_INFO ? putLimits(thread, address) : putUse(kernel, thread, address)
      return isErr(done) ? done : Math.max(0, segments.highestIndex)
    }
    case SHM_STAT:
    case SHM_STAT_ANY:
    case IPC_STAT: {
      const segment = command === IPC_STAT ? segments.find(id) : segments.at(id)
      if (segment === null) return EINVAL
      if (command !== SHM_STAT_ANY && !segments.mayUse(segment, 0o444, thread.process.who)) return EACCES
      const done = yield* putStruct(thread, address, SHMID_DS_BYTES, (view) => fillStatus(view, segment))
      return isErr(done) || command === IPC_STAT ? done : segment.id
    }
    case IPC_SET:
      return yield* setPermissions(kernel, thread, id, address)
    case IPC_RMID:
    case SHM_LOCK:
    case SHM_UNLOCK: {
      const segment = segments.find(id)
      if (segment === null) return EINVAL
      if (!segments.mayControl(segment, thread.process.who)) return EPERM
      if (command === IPC_RMID) segments.remove(segment)
      else segment.isLocked = command === SHM_LOCK
      return 0
    }
    default:
      return EINVAL
  }
}

// struct shmid64_ds of asm-generic:
//   0 key  4 uid  8 gid  12 cuid  16 cgid  20 mode  24 seq  48 segsz  56 atime  64 dtime  72 ctime  80 cpid  84 lpid
//   88 nattch
function fillStatus(view: DataView, segment: Segment): void {
  const { permissions: p } = segment
  const words = [segment.key, p.uid, p.gid, p.creatorUid, p.creatorGid]
  words.forEach((word, i) => view.setInt32(i * 4, word, true))
  view.setUint32(20, p.mode | (segment.isRemoved ? SHM_DEST : 0) | (segment.isLocked ? SHM_LOCKED : 0), true)
  view.setUint16(24, Math.floor(segment.id / 32768), true)
  putLong(view, 48, segment.bytes)
  putLong(view, 56, segment.attachTime)
  putLong(view, 64, segment.detachTime)
  putLong(view, 72, segment.changeTime)
  view.setInt32(80, segment.creatorPid, true)
  view.setInt32(84, segment.lastPid, true)
  putLong(view, 88, segment.attached)
}
/** struct shminfo64: max, min, count, count for each process, all pages. */
function* putLimits(thread: Thread, address: number): Sleep<number> {
  return yield* putStruct(thread, address, 72, (view) => {
    const most = 2n ** 64n - 2n ** 24n
    view.setBigUint64(0, most, true)
    putLong(view, 8, 1)
    putLong(view, 16, SHM_COUNT_MAX)
    putLong(view, 24, SHM_COUNT_MAX)
    view.setBigUint64(32, most, true)
  })
}
/** struct shm_info: segments, their pages, those resident, those in swap. */
function* putUse({ segments }: Kernel, thread: Thread, address: number): Sleep<number> {
  return yield* putStruct(thread, address, 48, (view) => {
    view.setInt32(0, segments.all.length, true)
    putLong(view, 8, segments.pages)
    let resident = 0
    let swapped = 0
    for (const { object, bytes } of segments.all)
      for (let i = 0; i < roundPage(bytes) / PAGE_SIZE; i++)
        if (object.pageAt(i) >= 0) resident++
        else if ((object.pager.swap?.slotOf(object, i) ?? 0) !== 0) swapped++
    putLong(view, 16, resident)
    putLong(view, 24, swapped)
  })
}
/** Of the structure only owner, group and nine bits of the mode are taken. */
function* setPermissions(kernel: Kernel, thread: Thread, id: number, address: number): Sleep<number> {
  const { segments } = kernel
  const bytes = yield* copyIn(thread.space, address, SHMID_DS_BYTES)
  if (isErr(bytes)) return bytes
  const segment = segments.find(id)
  if (segment === null) return EINVAL
  if (!segments.mayControl(segment, thread.process.who)) return EPERM
  const view = viewOf(bytes)
  const uid = view.getInt32(4, true)
  const gid = view.getInt32(8, true)
  if (uid === -1 || gid === -1) return EINVAL
  Object.assign(segment.permissions, { uid, gid, mode: view.getUint32(20, true) & 0o777 })
  segment.changeTime = segments.now().seconds
  return 0
}

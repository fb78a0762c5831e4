import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, type OrErr, PAGE_SIZE, roundPage } from '../../base/index.ts'
import {
  CAP_IPC_OWNER,
  CAP_SYS_ADMIN,
  capable,
  createShmemObject,
  type Credentials,
  type Files,
  isInGroup,
} from '../file/index.ts'
import { Segment, type Made } from './segment.ts'

/** Who asks. */
export type Owner = Credentials

export const IPC_PRIVATE = 0
const IPC_CREAT = 0o1000
const IPC_EXCL = 0o2000
const SHM_HUGETLB = 0o4000
const SHM_NORESERVE = 0o10000

/** Most bytes of a segment, most pages of all, most segments: the kernel's defaults. */
export const SHM_MAX = 2 ** 64 - 2 ** 24
export const SHM_ALL = 2 ** 64 - 2 ** 24
export const SHM_COUNT_MAX = 4096
/** A number is an index below this and a sequence number above it. */
const INDEX_LIMIT = 32768

/** May so much memory be promised, and is it, whole, when it is made? ENOMEM: there is not so much. */
export type PromiseMemory = (bytes: number, noReserve: boolean) => OrErr<boolean>

/** All segments of a system. */
export class Segments {
  readonly #files: Files
  readonly #promise: PromiseMemory
  readonly #slots: (Segment | null)[] = []
  #sequence = 0
  #lastIndex = -1
  /** When something happens now, and by whom. */
  readonly now: () => Made

  constructor(files: Files, promise: PromiseMemory, currentPid: () => number) {
    this.#files = files
    this.#promise = promise
    this.now = () => ({ pid: currentPid(), seconds: files.now().sec })
  }
  /** st_dev of what is mapped. */
  get device(): number {
    return this.#files.shm.device
  }
  get all(): Segment[] {
    return this.#slots.filter((segment) => segment !== null)
  }
  /** Largest index in use, or -1. */
  get highestIndex(): number {
    return this.#slots.findLastIndex((segment) => segment !== null)
  }
  get pages(): number {
    return this.all.reduce((sum, { bytes }) => sum + roundPage(bytes) / PAGE_SIZE, 0)
  }
  /** The segment of a number, or null. */
  find(id: number): Segment | null {
    const segment = id >= 0 ? (this.#slots[id % INDEX_LIMIT] ?? null) : null
    return segment !== null && segment.id === id ? segment : null
  }
  /** The segment in a slot, whatever its sequence number (SHM_STAT). */
  at(index: number): Segment | null {
    return this.#slots[index % INDEX_LIMIT] ?? null
  }

  /**
   * shmget(2): the number of the segment of a key, or of a new one.
   *
   * @param key    0 for a new one without key
   * @param bytes  of a new one; at most what an old one has
   * @param flags  IPC_CREAT, IPC_EXCL and nine permission bits
   * @errors ENOENT, EEXIST, EINVAL, EACCES, ENOSPC, ENOMEM
   * @manual shmget(2), Linux
   */
  get(key: number, bytes: number, flags: number, who: Owner): OrErr<number> {
    const found = key === IPC_PRIVATE ? undefined : this.all.find((segment) => segment.key === key)
    if (found === undefined) {
      if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return ENOENT
      return this.#create(key, bytes, flags, who)
    }
    if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return EEXIST
    if (bytes > found.bytes) return EINVAL
    return this.mayUse(found, flags, who) ? found.id : EACCES
  }
  #create(key: number, bytes: number, flags: number, who: Owner): OrErr<number> {
    if (bytes < 1 || bytes > SHM_MAX || (flags & SHM_HUGETLB) !== 0) return EINVAL
    if (this.all.length >= SHM_COUNT_MAX) return ENOSPC
    const isPromised = this.#promise(roundPage(bytes), (flags & SHM_NORESERVE) !== 0)
    if (typeof isPromised !== 'boolean') return isPromised
    const object = createShmemObject(this.#files, roundPage(Math.min(bytes, 2 ** 52)), isPromised)
    const free = this.#slots.indexOf(null)
    const index = free < 0 ? this.#slots.length : free
    if (index <= this.#lastIndex) this.#sequence = (this.#sequence + 1) % (INDEX_LIMIT * 2)
    this.#lastIndex = index
    const { uid, gid } = who
    const permissions = { uid, gid, creatorUid: uid, creatorGid: gid, mode: flags & 0o777 }
    const id = this.#sequence * INDEX_LIMIT + index
    this.#slots[index] = new Segment(id, key, bytes, object, permissions, this.now())
    return id
  }

  /** @param wanted  nine permission bits: what any class asks is asked of the caller's */
  mayUse({ permissions }: Segment, wanted: number, who: Owner): boolean {
    const asked = ((wanted >> 6) | (wanted >> 3) | wanted) & 7
    let granted = permissions.mode
    if (who.uid === permissions.uid || who.uid === permissions.creatorUid) granted >>= 6
    else if (isInGroup(who, permissions.gid) || isInGroup(who, permissions.creatorGid)) granted >>= 3
    return (asked & ~granted) === 0 || capable(who, CAP_IPC_OWNER)
  }
  /** Owner, maker, or CAP_SYS_ADMIN. */
  mayControl({ permissions }: Segment, who: Owner): boolean {
    return who.uid === permissions.uid || who.uid === permissions.creatorUid || capable(who, CAP_SYS_ADMIN)
  }
  /** IPC_RMID: no key leads to it from now on, and it goes when nobody shows it any more. */
  remove(segment: Segment): void {
    segment.isRemoved = true
    segment.key = IPC_PRIVATE
    this.destroyIfUnused(segment)
  }
  destroyIfUnused(segment: Segment): void {
    if (!segment.isRemoved || segment.attached > 0) return
    this.#slots[segment.id % INDEX_LIMIT] = null
    segment.object.pager.detach(segment.object)
  }
}

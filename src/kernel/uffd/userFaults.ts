import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINTR,
  EINVAL,
  type Err,
  isErr,
  kassert,
  type OrErr,
  PAGE_SIZE,
  type Sleep,
  sleepOn,
  truncPage,
  WaitQueue,
  WouldSleep,
} from '../../base/index.ts'
import { WRITE } from '../fault/index.ts'
import { type FdTable, type FileIo, type Files, O_CLOEXEC, O_NONBLOCK, OpenFile, type Uio } from '../file/index.ts'
import { type FaultListener, VM_UFFD, VM_UFFD_MINOR, VM_UFFD_WP, type VmSpace } from '../map/index.ts'
import { pmapProtect, pmapUpdate, VM_PROT_EXECUTE, VM_PROT_READ } from '../pmap/index.ts'
import {
  UFFD_API,
  UFFD_API_IOCTLS,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_EXACT_ADDRESS,
  UFFD_FEATURE_SIGBUS,
  UFFD_FEATURE_THREAD_ID,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_RANGE_IOCTLS,
  UFFD_USER_MODE_ONLY,
} from './constants.ts'
import {
  EVENT_FORK,
  EVENT_PAGEFAULT,
  EVENT_REMAP,
  EVENT_REMOVE,
  EVENT_UNMAP,
  ListenerEvent,
  message,
  MESSAGE_BYTES,
} from './event.ts'

const FLAG_WRITE = 1
const FLAG_WP = 2
const FLAG_MINOR = 4
const POLLIN = 1
const POLLERR = 8
const O_RDONLY = 0

/** Somebody who sleeps until a page is made. */
interface Waiter {
  readonly address: number
  readonly flags: number
  readonly tid: number
  readonly queue: WaitQueue
}

/** The running thread, as a userfaultfd sees it. */
export interface FaultingThread {
  readonly tid: number
  readonly isInCall: boolean
  /** It will not return to user code. */
  readonly isEnding: boolean
  /** Where the userfaultfd of a child gets its number. */
  readonly fds: FdTable | null
  /** Sleeps until the queue is woken, whatever signals come. True if the thread is being ended instead. */
  sleepUnlessEnded(queue: WaitQueue): Sleep<boolean>
}

export interface UserFaultsOptions {
  /** Of userfaultfd(2): O_CLOEXEC, O_NONBLOCK, UFFD_USER_MODE_ONLY. */
  readonly flags: number
  readonly current: () => FaultingThread
}

/** One userfaultfd: the open file moves its messages, the entries of one address space name it as their listener. */
export class UserFaults implements FileIo, FaultListener {
  readonly space: VmSpace
  readonly isSeekable = true
  readonly pollQueue = new WaitQueue('userfaultfd')
  /** UFFDIO_API has been called, with these features. */
  isReady = false
  features = 0
  readonly #options: UserFaultsOptions
  /** Told to nobody yet, and told. */
  #unread: Waiter[] = []
  #read: Waiter[] = []
  /** Not read yet; who caused them sleeps. */
  #events: ListenerEvent[] = []
  /** Events that have begun and were not heard: until then no page is made, it might be the wrong one. */
  #changes = 0
  /** Pages whose stores are told of. */
  readonly #protected = new Set<number>()
  #isClosed = false

  constructor(space: VmSpace, options: UserFaultsOptions) {
    this.space = space
    this.#options = options
  }
  get isAsync(): boolean {
    return (this.features & UFFD_FEATURE_WP_ASYNC) !== 0
  }
  get isChanging(): boolean {
    return this.#changes > 0
  }

  *wait(_space: VmSpace, address: number, access: number, kind: number): Sleep<0 | Err> {
    const thread = this.#options.current()
    if (this.#isClosed) return 0
    const { flags } = this.#options
    if ((this.features & UFFD_FEATURE_SIGBUS) !== 0 || thread.isEnding) return EINVAL
    if (thread.isInCall && (flags & UFFD_USER_MODE_ONLY) !== 0) return EINVAL
    const isWrite = access === WRITE ? FLAG_WRITE : 0
    const what = kind === VM_UFFD_WP ? FLAG_WP : kind === VM_UFFD_MINOR ? FLAG_MINOR : 0
    const isExact = (this.features & UFFD_FEATURE_EXACT_ADDRESS) !== 0
    const waiter: Waiter = {
      address: isExact ? address : truncPage(address),
      flags: isWrite | what,
      tid: thread.tid,
      queue: new WaitQueue('userfault'),
    }
    this.#unread.push(waiter)
    this.pollQueue.wakeAll()
    // A system call cannot be left halfway for a handler: it waits on.
    const isGone = thread.isInCall
      ? yield* thread.sleepUnlessEnded(waiter.queue)
      : (yield* sleepOn(waiter.queue, Infinity, true)) === 'signal'
    this.#unread = this.#unread.filter((other) => other !== waiter)
    this.#read = this.#read.filter((other) => other !== waiter)
    return isGone ? EINTR : 0
  }
  /** Ends the sleeps of those who wait for a page of the range. */
  wake(start: number, end: number): void {
    for (const { address, queue } of [...this.#unread, ...this.#read])
      if (address >= start && address < end) queue.wakeAll()
  }

  isProtected(va: number): boolean {
    return this.#protected.has(va)
  }
  setProtected(va: number, isOn: boolean): void {
    if (!isOn) this.#protected.delete(va)
    else {
      this.#protected.add(va)
      pmapProtect(this.space.pmap, va, va + PAGE_SIZE, VM_PROT_READ | VM_PROT_EXECUTE)
    }
  }
  protectAgain(space: VmSpace, start: number, end: number): void {
    if (this.#protected.size === 0) return
    for (let va = start; va < end; va += PAGE_SIZE)
      if (this.#protected.has(va)) pmapProtect(space.pmap, va, va + PAGE_SIZE, VM_PROT_READ | VM_PROT_EXECUTE)
    pmapUpdate(space.pmap)
  }
  forget(start: number, end: number): void {
    for (const va of this.#protectedIn(start, end)) this.#protected.delete(va)
  }
  #protectedIn(start: number, end: number): number[] {
    const found: number[] = []
    if ((end - start) / PAGE_SIZE > this.#protected.size) {
      for (const va of this.#protected) if (va >= start && va < end) found.push(va)
    } else for (let va = start; va < end; va += PAGE_SIZE) if (this.#protected.has(va)) found.push(va)
    return found
  }

  // Events: what happens to the ranges.
  unmapped(start: number, end: number): void {
    const news = this.#event(UFFD_FEATURE_EVENT_UNMAP, EVENT_UNMAP, [start, end])
    if (news !== null) this.space.map.news.push(news)
  }
  removing(start: number, end: number): ListenerEvent | null {
    return this.#event(UFFD_FEATURE_EVENT_REMOVE, EVENT_REMOVE, [start, end])
  }
  moved(from: number, to: number, bytes: number): boolean {
    const news = this.#event(UFFD_FEATURE_EVENT_REMAP, EVENT_REMAP, [from, to, bytes])
    for (const va of this.#protectedIn(from, from + bytes)) {
      this.#protected.delete(va)
      if (news !== null) this.#protected.add(va - from + to)
    }
    if (news !== null) this.space.map.news.push(news)
    return news !== null
  }
  inherited(child: VmSpace, start: number, end: number): UserFaults | null {
    const { news } = this.space.map
    let event = news.find((one) => one instanceof ListenerEvent && one.heir?.space === child && one.listener === this)
    if (event === undefined) {
      const heir = new UserFaults(child, this.#options)
      heir.isReady = true
      heir.features = this.features
      const made = this.#event(UFFD_FEATURE_EVENT_FORK, EVENT_FORK, [0], heir)
      if (made === null) return null
      news.push((event = made))
    }
    const heir = (event as ListenerEvent).heir!
    for (const va of this.#protectedIn(start, end)) heir.#protected.add(va)
    return heir
  }
  #event(feature: number, code: number, words: readonly number[], heir: UserFaults | null = null) {
    if ((this.features & feature) === 0) return null
    this.#changes++
    return new ListenerEvent(this, code, words, heir)
  }
  /** Sleeps until the event has been read, or nobody can read it any more. */
  *announce(event: ListenerEvent): Sleep<void> {
    const thread = this.#options.current()
    if (!this.#isClosed) {
      this.#events.push(event)
      this.pollQueue.wakeAll()
    }
    while (!event.isHeard && !this.#isClosed) if (yield* thread.sleepUnlessEnded(event.queue)) break
    if (!event.isHeard) this.abandon(event)
  }
  /** The event is never heard: nobody listens in a child. */
  abandon(event: ListenerEvent): void {
    this.#events = this.#events.filter((other) => other !== event)
    this.#changes--
    event.heir?.release()
  }

  // Reading: messages, as many as fit; faults before events. One that has been taken is gone, wherever it was to go.
  readTry(_files: Files, file: OpenFile, uio: Uio, _position: number): typeof WouldSleep | Err {
    if (!this.isReady || uio.resid < MESSAGE_BYTES) return EINVAL
    const isEmpty = this.#unread.length === 0 && this.#events.length === 0
    return isEmpty && (file.flags & O_NONBLOCK) !== 0 ? EAGAIN : WouldSleep
  }
  *read(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    let moved = 0
    for (;;) {
      const first = this.readTry(files, file, uio, position)
      if (first !== WouldSleep) return moved > 0 ? moved : first
      const taken = this.#take(files)
      if (taken === null) {
        if (moved > 0) return moved
        if ((yield* sleepOn(this.pollQueue, Infinity, true)) === 'signal') return EINTR
      } else {
        const error = isErr(taken) ? taken : yield* give(files, uio, taken)
        if (error !== 0) return moved > 0 ? moved : error
        moved += MESSAGE_BYTES
      }
    }
  }
  /** The next message, which is read with that; null for none. @errors EMFILE of a child's userfaultfd, which stays */
  #take(files: Files): Uint8Array | Err | null {
    const waiter = this.#unread.shift()
    if (waiter !== undefined) {
      this.#read.push(waiter)
      const tid = (this.features & UFFD_FEATURE_THREAD_ID) !== 0 ? waiter.tid : 0
      return message(EVENT_PAGEFAULT, [waiter.flags, waiter.address, tid])
    }
    const event = this.#events[0]
    if (event === undefined) return null
    let { words } = event
    if (event.heir !== null) {
      const { flags, current } = this.#options
      const file = newFile(files, flags)
      const fd = current().fds!.install(file, 0, (flags & O_CLOEXEC) !== 0)
      if (isErr(fd)) {
        file.release()
        return fd
      }
      file.io = event.heir
      words = [fd]
    }
    this.#events.shift()
    this.#changes--
    event.isHeard = true
    event.queue.wakeAll()
    return message(event.code, words)
  }
  writeTry(): Err {
    return EBADF
  }
  // oxlint-disable-next-line require-yield
  *write(): Sleep<OrErr<number>> {
    return EBADF
  }
  poll(file: OpenFile): number {
    if (!this.isReady || (file.flags & O_NONBLOCK) === 0) return POLLERR
    return this.#unread.length > 0 || this.#events.length > 0 ? POLLIN : 0
  }
  /** What /proc/PID/fdinfo tells beside what it tells of every file. */
  get info(): string {
    const pending = this.#unread.length
    const features = this.isReady ? (this.features | INITIALIZED) >>> 0 : 0
    const ioctls = (UFFD_API_IOCTLS | BigInt(UFFD_RANGE_IOCTLS)).toString(16)
    const api = `${UFFD_API.toString(16)}:${features.toString(16)}:${ioctls}`
    return `pending:\t${pending}\ntotal:\t${pending + this.#read.length}\nAPI:\t${api}\n`
  }

  /** The last descriptor is gone: nobody makes pages any more, and faults are ordinary again. */
  release(): void {
    this.#isClosed = true
    this.#protected.clear()
    const { map } = this.space
    if (this.space.refs > 0) {
      for (let e = map.tree.first; e !== null; e = e.next) {
        if (e.listener !== this) continue
        e.listener = null
        e.vmFlags &= ~VM_UFFD
        e = map.mergeAround(e, true, true)
      }
    }
    this.wake(0, Infinity)
    for (const { queue } of this.#events) queue.wakeAll()
    this.pollQueue.wakeAll()
  }
}
/** In fdinfo: UFFDIO_API has been called. */
const INITIALIZED = 0x80000000

/** Writes a message to user memory, waiting for its pages. */
function* give(files: Files, uio: Uio, bytes: Uint8Array): Sleep<0 | Err> {
  for (let done = 0; ;) {
    files.bounceBytes.set(bytes.subarray(done))
    done += uio.moveTo(files.bounce, bytes.length - done)
    if (done === bytes.length) return 0
    if (isErr(yield* uio.faultIn(true))) return EFAULT
  }
}

/** A new userfaultfd for an address space, with its open file. */
export function openUserFaults(files: Files, space: VmSpace, options: UserFaultsOptions): OpenFile {
  const file = newFile(files, options.flags)
  file.io = new UserFaults(space, options)
  return file
}
function newFile(files: Files, flags: number): OpenFile {
  const vnode = files.shm.createNameless({ kind: 'chardev', permissions: 0o600, uid: 0, gid: 0, time: files.now() })
  kassert(!isErr(vnode), 'files without a name can be made')
  vnode.name = 'anon_inode:[userfaultfd]'
  vnode.nlink = 1
  return new OpenFile(files, vnode, O_RDONLY | (flags & O_NONBLOCK))
}

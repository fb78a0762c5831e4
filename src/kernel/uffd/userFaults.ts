import {
  EAGAIN,
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
import { type FileIo, type Files, O_NONBLOCK, OpenFile, type Uio } from '../file/index.ts'
import { type FaultListener, VM_UFFD, VM_UFFD_MINOR, VM_UFFD_WP, type VmSpace } from '../map/index.ts'
import { pmapProtect, pmapUpdate, VM_PROT_EXECUTE, VM_PROT_READ } from '../pmap/index.ts'
import { UFFD_FEATURE_EXACT_ADDRESS, UFFD_FEATURE_SIGBUS, UFFD_FEATURE_THREAD_ID } from './constants.ts'

const EVENT_PAGEFAULT = 0x12
const FLAG_WRITE = 1
const FLAG_WP = 2
const FLAG_MINOR = 4
const MESSAGE_BYTES = 32
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

export interface UserFaultsOptions {
  /** UFFD_USER_MODE_ONLY: faults of system calls are not told of. */
  readonly userModeOnly: boolean
  /** The running thread: its number, and whether it is in a system call. */
  readonly current: () => { readonly tid: number; readonly isInCall: boolean }
}

/** One userfaultfd: the open file moves its messages, the entries of one address space name it as their listener. */
export class UserFaults implements FileIo, FaultListener {
  readonly space: VmSpace
  readonly isSeekable = false
  readonly pollQueue = new WaitQueue('userfaultfd')
  /** UFFDIO_API has been called, with these features. */
  isReady = false
  features = 0
  readonly #options: UserFaultsOptions
  /** Told to nobody yet, and told. */
  #unread: Waiter[] = []
  #read: Waiter[] = []
  /** Pages whose stores are told of. */
  readonly #protected = new Set<number>()
  #isClosed = false

  constructor(space: VmSpace, options: UserFaultsOptions) {
    this.space = space
    this.#options = options
  }

  *wait(_space: VmSpace, address: number, access: number, kind: number): Sleep<0 | Err> {
    const { tid, isInCall } = this.#options.current()
    if (this.#isClosed) return 0
    if ((this.features & UFFD_FEATURE_SIGBUS) !== 0 || (isInCall && this.#options.userModeOnly)) return EINVAL
    const isWrite = access === WRITE ? FLAG_WRITE : 0
    const what = kind === VM_UFFD_WP ? FLAG_WP : kind === VM_UFFD_MINOR ? FLAG_MINOR : 0
    const isExact = (this.features & UFFD_FEATURE_EXACT_ADDRESS) !== 0
    const waiter: Waiter = {
      address: isExact ? address : truncPage(address),
      flags: isWrite | what,
      tid,
      queue: new WaitQueue('userfault'),
    }
    this.#unread.push(waiter)
    this.pollQueue.wakeAll()
    const reason = yield* sleepOn(waiter.queue, Infinity, true)
    this.#unread = this.#unread.filter((other) => other !== waiter)
    this.#read = this.#read.filter((other) => other !== waiter)
    return reason === 'signal' ? EINTR : 0
  }
  /** Ends the sleeps of those who wait for a page of the range. */
  wake(start: number, end: number): void {
    for (const { address, queue } of [...this.#unread, ...this.#read])
      if (address >= start && address < end) queue.wakeAll()
  }

  isProtected(va: number): boolean {
    return this.#protected.has(va)
  }
  /** Stores to the page are told of, or no longer. */
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
    if (this.#protected.size > 0) for (let va = start; va < end; va += PAGE_SIZE) this.#protected.delete(va)
    this.wake(start, end)
  }

  // Reading: messages, as many as fit.
  readTry(files: Files, file: OpenFile, uio: Uio, _position: number): number | WouldSleep | Err {
    if (!this.isReady || uio.resid < MESSAGE_BYTES) return EINVAL
    const moved = this.#deliver(files, uio)
    if (moved > 0) return moved
    return this.#unread.length === 0 && (file.flags & O_NONBLOCK) !== 0 ? EAGAIN : WouldSleep
  }
  *read(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    for (;;) {
      const moved = this.readTry(files, file, uio, position)
      if (moved !== WouldSleep) return moved
      if (this.#unread.length > 0) {
        if (isErr(yield* uio.faultIn(true))) return EFAULT
      } else if ((yield* sleepOn(this.pollQueue, Infinity, true)) === 'signal') return EINTR
    }
  }
  #deliver(files: Files, uio: Uio): number {
    let moved = 0
    while (this.#unread.length > 0 && uio.resid >= MESSAGE_BYTES) {
      const waiter = this.#unread[0]!
      files.bounceBytes.set(this.#message(waiter))
      const step = uio.moveTo(files.bounce, MESSAGE_BYTES)
      if (step < MESSAGE_BYTES) {
        // A user page is missing: the message is given whole or not at all.
        uio.unmove(step)
        break
      }
      moved += MESSAGE_BYTES
      this.#unread.shift()
      this.#read.push(waiter)
    }
    return moved
  }
  writeTry(): Err {
    return EINVAL
  }
  // oxlint-disable-next-line require-yield
  *write(): Sleep<OrErr<number>> {
    return EINVAL
  }
  poll(file: OpenFile): number {
    if (!this.isReady || (file.flags & O_NONBLOCK) === 0) return POLLERR
    return this.#unread.length > 0 ? POLLIN : 0
  }
  /** struct uffd_msg: event, flags, address, thread. */
  #message({ address, flags, tid }: Waiter): Uint8Array {
    const view = new DataView(new ArrayBuffer(MESSAGE_BYTES))
    view.setUint8(0, EVENT_PAGEFAULT)
    view.setUint32(8, flags, true)
    view.setBigUint64(16, BigInt(address), true)
    if ((this.features & UFFD_FEATURE_THREAD_ID) !== 0) view.setUint32(24, tid, true)
    return new Uint8Array(view.buffer)
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
    this.pollQueue.wakeAll()
  }
}

/** A new userfaultfd for an address space, with its open file. */
export function openUserFaults(files: Files, space: VmSpace, flags: number, options: UserFaultsOptions): OpenFile {
  const vnode = files.shm.createNameless({ kind: 'chardev', permissions: 0o600, uid: 0, gid: 0, time: files.now() })
  kassert(!isErr(vnode), 'files without a name can be made')
  vnode.name = 'anon_inode:[userfaultfd]'
  vnode.nlink = 1
  const file = new OpenFile(files, vnode, O_RDONLY | (flags & O_NONBLOCK))
  file.io = new UserFaults(space, options)
  return file
}

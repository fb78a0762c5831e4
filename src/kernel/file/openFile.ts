// Open file descriptions: what a descriptor names.

import { EBADF, kassert, type Err, type OrErr, type Sleep, type WaitQueue, type WouldSleep } from '../../base/index.ts'
import { newReadaheadState, type ReadaheadState } from '../pagecache/index.ts'
import { O_ACCMODE, O_PATH, O_RDONLY, O_WRONLY, POLLIN, POLLOUT } from './constants.ts'
import type { Files } from './files.ts'
import { pathOf } from './path.ts'
import type { Uio, UserBytes } from './uio.ts'
import { vnodeHold, vnodeRelease, type Vnode } from './vnode.ts'

/**
 * How an open file moves bytes: page cache, device, pipe end, generated text.
 *
 * The Try forms never sleep. They move what they can: a count, 0 at the end of the file, an error, or WouldSleep if
 * not one byte could be moved without sleeping. The generators move at least one byte, or say why not.
 */
export interface FileIo {
  /** Has a position: false for pipes and terminals. */
  readonly isSeekable: boolean
  readTry(files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err
  read(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>>
  writeTry(files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err
  write(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>>
  /** POLL* bits that hold now, and the queue that is woken when more may hold. */
  poll(file: OpenFile): number
  readonly pollQueue: WaitQueue | null
  /** ioctl(2), where there is one of its own; `argument` is what the caller passes, mostly a user address. */
  control?(request: number, argument: number, user: UserBytes): Sleep<number>
  /** What /proc/PID/fdinfo tells of it beside the position and flags. */
  readonly info?: string
  /** The last descriptor is gone. */
  release(file: OpenFile): void
}

let nextSerial = 1

/** Made by open, shared by dup and fork; counts the descriptors and map entries that name it. */
export class OpenFile {
  readonly files: Files
  readonly vnode: Vnode
  /** O_* flags; creation flags are dropped. */
  flags: number
  offset: number
  refs: number
  io: FileIo
  /** The directory as it was when reading it began. */
  listing: readonly DirEntry[] | null
  /** Generated text as it was when reading it began. */
  text: Uint8Array | null
  /** Which write error of the vnode this open file has reported already (`Vnode.writeErrors`). */
  writeErrorsSeen: number
  /** What it remembers of its reads; null for what has no page cache. */
  readonly ra: ReadaheadState | null
  /** Distinguishes two opens of one file, in order of opening. */
  readonly serial: number

  constructor(files: Files, vnode: Vnode, flags: number) {
    this.files = files
    this.vnode = vnodeHold(vnode)
    this.flags = flags
    this.offset = 0
    this.refs = 1
    this.io = NO_IO
    this.listing = null
    this.text = null
    this.writeErrorsSeen = vnode.writeErrors
    this.ra = vnode.object === null ? null : newReadaheadState(vnode.object)
    this.serial = nextSerial++
    if (this.isWritable) vnode.writers++
  }

  get isPath(): boolean {
    return (this.flags & O_PATH) !== 0
  }
  get isReadable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY && !this.isPath
  }
  get isWritable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY && !this.isPath
  }
  get alignsLarge(): boolean {
    return this.vnode.fs.alignsLarge
  }
  get inode(): number {
    return this.vnode.id
  }
  get device(): number {
    return this.vnode.fs.device
  }
  /** The path of the file now, as /proc shows it. */
  get path(): string {
    return pathOf(this.vnode)
  }
  /** One more descriptor or map entry names this open file. */
  reference(): void {
    this.refs++
  }
  /** One fewer; the last one closes it. Never sleeps: dirty pages stay with the vnode. */
  release(): void {
    kassert(this.refs > 0, 'an open file is released as often as it was referenced', this.vnode.name)
    if (--this.refs > 0) return
    this.io.release(this)
    if (this.isWritable) this.vnode.writers--
    vnodeRelease(this.vnode)
  }
}

/** One name of a directory being read. */
export interface DirEntry {
  readonly name: string
  readonly id: number
  readonly type: number
}

/** What an O_PATH file answers. */
export const NO_IO: FileIo = {
  isSeekable: false,
  pollQueue: null,
  readTry: () => EBADF,
  *read() {
    return EBADF
  },
  writeTry: () => EBADF,
  *write() {
    return EBADF
  },
  poll: () => POLLIN | POLLOUT,
  release() {},
}

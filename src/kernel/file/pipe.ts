import {
  EAGAIN,
  EINTR,
  EFAULT,
  ENXIO,
  EPIPE,
  isErr,
  kassert,
  PAGE_SIZE,
  sleepOn,
  WaitQueue,
  WouldSleep,
  type Err,
  type OrErr,
  type Pfn,
  type Sleep,
} from '../../base/index.ts'
import { allocPages, allocPagesTry, freePages, GFP_USER } from '../phys/index.ts'
import { O_NONBLOCK, O_RDONLY, O_WRONLY, POLLERR, POLLHUP, POLLIN, POLLOUT } from './constants.ts'
import type { Files } from './files.ts'
import { OpenFile, type FileIo } from './openFile.ts'
import type { Uio } from './uio.ts'
import { FileSystem, Vnode, type VnodeInit, type VnodeKind } from './vnode.ts'

/** Frames of a pipe: 64 KiB. */
export const PIPE_PAGES = 16
/** Writes up to this many bytes are not mixed with others. */
export const PIPE_BUF = PAGE_SIZE

/**
 * Bytes in flight between processes, in a ring of frames.
 *
 *        head                         tail
 *   ... [ frame: start..end ] [ ... ] [ frame: start..end ] ...     a frame exists while it has unread bytes
 *
 * A write fills the rest of the last frame, then takes new ones; a reader frees a frame when it has emptied it.
 */
export class Pipe {
  readonly files: Files
  readonly #frames: Pfn[] = []
  /** First unread byte of the first frame, and end of the bytes of each. */
  #start = 0
  readonly #ends: number[] = []
  readers = 0
  writers = 0
  /** How often a reader or writer has come, so that a waiting opener sees one that has left again. */
  readersSeen = 0
  writersSeen = 0
  /** Bytes unread. */
  used = 0
  /** Bytes from the user's next one to the one that the last `fill` or `drain` missed. */
  missingAhead = 0
  readonly queue: WaitQueue

  constructor(files: Files) {
    this.files = files
    this.queue = new WaitQueue('pipe')
  }

  /** Bytes that can be written without waiting. */
  get room(): number {
    const last = this.#frames.length - 1
    return (PIPE_PAGES - this.#frames.length) * PAGE_SIZE + (last < 0 ? 0 : PAGE_SIZE - this.#ends[last]!)
  }

  /** Moves unread bytes to the user; short if a user page is missing. What lies in one frame goes together or not at all. */
  drain(uio: Uio): number {
    let moved = 0
    this.missingAhead = 0
    while (uio.resid > 0 && this.#frames.length > 0) {
      const want = Math.min(uio.resid, this.#ends[0]! - this.#start)
      const step = uio.moveTo(this.#offsetOf(0) + this.#start, want)
      if (step < want) {
        uio.unmove(step)
        this.missingAhead = step
        break
      }
      this.#start += want
      this.used -= want
      moved += want
      if (this.#start === this.#ends[0]) this.#dropFirst()
    }
    return moved
  }
  /**
   * Moves up to `limit` bytes from the user into the pipe; short if it is full, or a user page or a frame is missing. What
   * goes into one frame goes together or not at all.
   */
  fill(uio: Uio, limit: number): OrErr<number> {
    let moved = 0
    this.missingAhead = 0
    while (moved < limit) {
      let last = this.#frames.length - 1
      if (last < 0 || this.#ends[last] === PAGE_SIZE) {
        if (this.#frames.length === PIPE_PAGES) break
        const frame = allocPagesTry(this.files.phys, GFP_USER, 0)
        if (frame === WouldSleep) break
        if (isErr(frame)) return moved > 0 ? moved : frame
        this.#frames.push(frame)
        this.#ends.push(0)
        last++
        if (last === 0) this.#start = 0
      }
      const end = this.#ends[last]!
      const want = Math.min(limit - moved, PAGE_SIZE - end)
      const step = uio.moveFrom(this.#offsetOf(last) + end, want)
      if (step < want) {
        uio.unmove(step)
        this.missingAhead = step
        if (end === 0) this.#dropLast()
        break
      }
      this.#ends[last] = end + want
      this.used += want
      moved += want
    }
    return moved
  }
  /** Frees everything: both ends are closed. */
  discard(): void {
    while (this.#frames.length > 0) this.#dropLast()
    this.used = 0
  }

  #offsetOf(i: number): number {
    return this.files.machine.memory.frameOffset(this.#frames[i]!)
  }
  #dropFirst(): void {
    freePages(this.files.phys, this.#frames.shift()!, 0)
    this.#ends.shift()
    this.#start = 0
  }
  #dropLast(): void {
    freePages(this.files.phys, this.#frames.pop()!, 0)
    this.#ends.pop()
  }
}

/** One end of a pipe, or both (a named pipe opened for reading and writing). */
export class PipeEnd implements FileIo {
  readonly isSeekable = false
  readonly pipe: Pipe
  constructor(pipe: Pipe, file: OpenFile) {
    this.pipe = pipe
    if (file.isReadable) {
      pipe.readers++
      pipe.readersSeen++
    }
    if (file.isWritable) {
      pipe.writers++
      pipe.writersSeen++
    }
    pipe.queue.wakeAll()
  }
  get pollQueue(): WaitQueue {
    return this.pipe.queue
  }

  readTry(_files: Files, file: OpenFile, uio: Uio): number | WouldSleep | Err {
    if (uio.resid === 0) return 0
    const { pipe } = this
    if (pipe.used > 0) {
      const moved = pipe.drain(uio)
      if (moved === 0) return WouldSleep // a user page is missing
      pipe.queue.wakeAll()
      return moved
    }
    if (pipe.writers === 0) return 0
    return (file.flags & O_NONBLOCK) !== 0 ? EAGAIN : WouldSleep
  }
  *read(files: Files, file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
    for (;;) {
      const moved = this.readTry(files, file, uio)
      if (moved !== WouldSleep) return moved
      if (this.pipe.used > 0) {
        if (isErr(yield* uio.faultIn(true, this.pipe.missingAhead))) return EFAULT
        continue
      }
      if ((yield* sleepOn(this.pipe.queue, Infinity, true)) === 'signal') return EINTR
    }
  }

  writeTry(_files: Files, file: OpenFile, uio: Uio): number | WouldSleep | Err {
    const { pipe } = this
    if (uio.resid === 0) return 0
    if (pipe.readers === 0) return EPIPE
    // Up to PIPE_BUF bytes go in together or wait together.
    const isAtomic = uio.resid <= PIPE_BUF
    const room = pipe.room
    if (room === 0 || (isAtomic && room < uio.resid)) return (file.flags & O_NONBLOCK) !== 0 ? EAGAIN : WouldSleep
    const moved = pipe.fill(uio, Math.min(uio.resid, room))
    if (isErr(moved)) return moved
    if (moved === 0) return WouldSleep
    pipe.queue.wakeAll()
    return moved
  }
  *write(files: Files, file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
    let done = 0
    for (;;) {
      const hadRoom = this.pipe.room >= (uio.resid <= PIPE_BUF ? uio.resid : 1)
      const moved = this.writeTry(files, file, uio)
      if (isErr(moved)) return done > 0 ? done : moved
      if (moved !== WouldSleep) {
        done += moved
        if (uio.resid === 0) return done
        continue
      }
      if (hadRoom) {
        const failed = yield* this.#bringMissing(uio)
        if (failed !== 0) return done > 0 ? done : failed
        continue
      }
      if ((yield* sleepOn(this.pipe.queue, Infinity, true)) === 'signal') return done > 0 ? done : EINTR
    }
  }

  /** There is room, and nothing could be moved: the user's page or a frame is missing. */
  *#bringMissing(uio: Uio): Sleep<0 | Err> {
    if (isErr(yield* uio.faultIn(false, this.pipe.missingAhead))) return EFAULT
    const { phys } = this.pipe.files
    const frame = yield* allocPages(phys, GFP_USER, 0)
    if (isErr(frame)) return frame
    freePages(phys, frame, 0)
    return 0
  }

  poll(file: OpenFile): number {
    const { pipe } = this
    let events = 0
    if (file.isReadable) {
      if (pipe.used > 0) events |= POLLIN
      if (pipe.writers === 0) events |= POLLHUP
    }
    if (file.isWritable) {
      if (pipe.room >= PIPE_BUF) events |= POLLOUT
      if (pipe.readers === 0) events |= POLLERR
    }
    return events
  }
  release(file: OpenFile): void {
    const { pipe } = this
    if (file.isReadable) pipe.readers--
    if (file.isWritable) pipe.writers--
    kassert(pipe.readers >= 0 && pipe.writers >= 0, 'a pipe end is released as often as it was opened')
    pipe.queue.wakeAll()
    if (pipe.readers > 0 || pipe.writers > 0) return
    pipe.discard()
    if (pipe.files.fifos.get(file.vnode) === pipe) pipe.files.fifos.delete(file.vnode)
  }
}

/** The file system of pipes without a name; not mounted. */
export class PipeFs extends FileSystem {
  readonly typeName = 'pipefs'
  readonly root: Vnode
  constructor(files: Files) {
    super()
    this.device = files.newDeviceNumber()
    this.root = new Vnode(this, 0, { kind: 'dir', permissions: 0o555, uid: 0, gid: 0, time: files.now() })
  }
  override lookup(): null {
    return null
  }
  override list(): readonly { name: string; id: number; kind: VnodeKind }[] {
    return []
  }
  /** Opened again through /proc/PID/fd. */
  override open(_vnode: Vnode, file: OpenFile): OrErr<FileIo> {
    return openFifo(file)
  }
}
/**
 * A new pipe.
 *
 * @param flags  O_NONBLOCK for both ends
 * @param who    whose it is
 * @returns      the reading and the writing end, one reference each
 * @manual       pipe2(2)
 */
export function makePipe(
  files: Files,
  flags: number,
  who: Pick<VnodeInit, 'uid' | 'gid'> = { uid: 0, gid: 0 },
): { reader: OpenFile; writer: OpenFile } {
  const id = files.newPipeNumber()
  const { uid, gid } = who
  const vnode = new Vnode(files.pipes, id, { kind: 'pipe', permissions: 0o600, uid, gid, time: files.now() })
  vnode.name = `pipe:[${id}]`
  const pipe = new Pipe(files)
  files.fifos.set(vnode, pipe)
  const end = (mode: number): OpenFile => {
    const file = new OpenFile(files, vnode, mode | (flags & O_NONBLOCK))
    file.io = new PipeEnd(pipe, file)
    return file
  }
  return { reader: end(O_RDONLY), writer: end(O_WRONLY) }
}

/** An end of the pipe that a vnode names. ENXIO: non-blocking for writing, and nobody reads. */
export function openFifo(file: OpenFile): OrErr<FileIo> {
  const { files, vnode } = file
  let pipe = files.fifos.get(vnode)
  const readers = pipe?.readers ?? 0
  if (file.isWritable && !file.isReadable && readers === 0 && (file.flags & O_NONBLOCK) !== 0) return ENXIO
  if (pipe === undefined) files.fifos.set(vnode, (pipe = new Pipe(files)))
  return new PipeEnd(pipe, file)
}

/**
 * A blocking open of one end of a named pipe waits until the other end has been opened too. A pipe without a name,
 * opened again through /proc/PID/fd, has had both.
 */
export function* waitForOtherEnd(file: OpenFile): Sleep<OrErr<0>> {
  if (!(file.io instanceof PipeEnd) || (file.flags & O_NONBLOCK) !== 0) return 0
  if (file.vnode.fs instanceof PipeFs) return 0
  const { pipe } = file.io
  if (file.isReadable && file.isWritable) return 0
  const seen = (): number => (file.isReadable ? pipe.writersSeen : pipe.readersSeen)
  const others = file.isReadable ? pipe.writers : pipe.readers
  const before = seen()
  if (others > 0) return 0
  while (seen() === before) if ((yield* sleepOn(pipe.queue, Infinity, true)) === 'signal') return EINTR
  return 0
}

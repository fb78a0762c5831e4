import {
  EAGAIN,
  EFAULT,
  EINTR,
  isErr,
  PAGE_SIZE,
  sleepOn,
  WouldSleep,
  type Err,
  type OrErr,
  type Sleep,
  type WaitQueue,
} from '../../base/index.ts'
import { O_NONBLOCK, POLLHUP, POLLIN, POLLOUT } from './constants.ts'
import type { CharDevice, Files } from './files.ts'
import type { OpenFile } from './openFile.ts'
import type { Uio } from './uio.ts'

/** Where the bytes of an output stream go. The array is borrowed: copy it to keep it. */
export interface ConsoleSink {
  write(bytes: Uint8Array): void
}
/** Where the bytes of an input stream come from. */
export interface ConsoleSource {
  /** Up to `max` bytes; null: none yet, `queue` is woken when there are. */
  read(max: number): Uint8Array | null | 'eof'
  readonly queue: WaitQueue
}

/**
 * A host stream as a character device: the console, or one of stdin, stdout, stderr.
 *
 * Bytes that were taken from the source but could not be moved to the user are kept for the next read.
 */
export class ConsoleDevice implements CharDevice {
  readonly isSeekable = false
  readonly name: string
  readonly mapping = null
  readonly terminal: { rows: number; columns: number } | null
  readonly #sink: ConsoleSink | null
  readonly #source: ConsoleSource | null
  #pending: Uint8Array | null = null
  #isAtEof = false

  constructor(
    name: string,
    sink: ConsoleSink | null,
    source: ConsoleSource | null,
    terminal: { rows: number; columns: number } | null = null,
  ) {
    this.name = name
    this.#sink = sink
    this.#source = source
    this.terminal = terminal
  }
  get pollQueue(): WaitQueue | null {
    return this.#source?.queue ?? null
  }

  readTry(files: Files, file: OpenFile, uio: Uio): number | WouldSleep | Err {
    if (uio.resid === 0) return 0
    const bytes = this.#peek(Math.min(uio.resid, PAGE_SIZE))
    if (bytes === 'eof') {
      this.#isAtEof = false // a terminal may go on after an end of file
      return 0
    }
    if (bytes === null) return (file.flags & O_NONBLOCK) !== 0 ? EAGAIN : WouldSleep
    const want = Math.min(bytes.length, uio.resid, PAGE_SIZE)
    files.bounceBytes.set(bytes.subarray(0, want))
    const moved = uio.moveTo(files.bounce, want)
    this.#pending = moved === bytes.length ? null : bytes.subarray(moved)
    return moved === 0 ? WouldSleep : moved
  }
  *read(files: Files, file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
    for (;;) {
      const moved = this.readTry(files, file, uio)
      if (moved !== WouldSleep) return moved
      if (this.#pending !== null) {
        if (isErr(yield* uio.faultIn(true))) return EFAULT
        continue
      }
      if ((yield* sleepOn(this.#source!.queue, Infinity, true)) === 'signal') return EINTR
    }
  }
  writeTry(files: Files, _file: OpenFile, uio: Uio): number | WouldSleep | Err {
    let moved = 0
    while (uio.resid > 0) {
      const want = Math.min(uio.resid, PAGE_SIZE)
      const step = uio.moveFrom(files.bounce, want)
      if (step > 0) this.#sink?.write(files.bounceBytes.subarray(0, step))
      moved += step
      if (step < want) return moved === 0 ? WouldSleep : moved
    }
    return moved
  }
  *write(files: Files, file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
    let done = 0
    for (;;) {
      const moved = this.writeTry(files, file, uio)
      if (isErr(moved)) return done > 0 ? done : moved
      if (moved !== WouldSleep) done += moved
      if (uio.resid === 0) return done
      if (isErr(yield* uio.faultIn(false))) return done > 0 ? done : EFAULT
    }
  }
  poll(file: OpenFile): number {
    let events = file.isWritable ? POLLOUT : 0
    if (!file.isReadable) return events
    const bytes = this.#peek(PAGE_SIZE)
    if (bytes === 'eof') events |= POLLIN | POLLHUP
    else if (bytes !== null) events |= POLLIN
    return events
  }
  release(): void {}

  /** Unread bytes, taken from the source if none are kept. */
  #peek(max: number): Uint8Array | null | 'eof' {
    if (this.#pending !== null) return this.#pending
    if (this.#isAtEof || this.#source === null) return 'eof'
    const bytes = this.#source.read(max)
    if (bytes === 'eof') {
      this.#isAtEof = true
      return 'eof'
    }
    if (bytes !== null && bytes.length > 0) this.#pending = bytes
    return this.#pending
  }
}

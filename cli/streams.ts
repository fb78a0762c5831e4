// The host's standard streams as a guest sees them.

import { type ConsoleSource, type Terminal, WaitQueue } from '../src/index.ts'

/** Bytes that are read ahead of the guest before the host stream is paused. */
const READ_AHEAD = 1 << 20

/** process.stdin, touched only when a guest first reads. */
export class StdinSource implements ConsoleSource {
  readonly queue = new WaitQueue('stdin')
  readonly #stream: NodeJS.ReadStream
  readonly #chunks: Uint8Array[] = []
  #buffered = 0
  #isEnded = false
  #isOpen = false

  constructor(stream: NodeJS.ReadStream) {
    this.#stream = stream
  }
  read(max: number): Uint8Array | null | 'eof' {
    this.#open()
    const first = this.#chunks[0]
    if (first === undefined) return this.#isEnded ? 'eof' : null
    const part = first.subarray(0, max)
    if (part.length === first.length) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(part.length)
    this.#buffered -= part.length
    if (this.#buffered < READ_AHEAD && this.#stream.isPaused()) this.#stream.resume()
    return part
  }
  /** Gives the stream back, so that the host process can end. */
  close(): void {
    if (!this.#isOpen) return
    this.#stream.removeAllListeners('data')
    this.#stream.pause()
    this.#stream.unref?.()
  }
  /** Called when there may be something to read; set by whoever pumps. */
  onInput: () => void = () => {}

  #open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    const end = () => {
      this.#isEnded = true
      this.queue.wakeAll()
      this.onInput()
    }
    this.#stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#buffered += chunk.length
      if (this.#buffered >= READ_AHEAD) this.#stream.pause()
      this.queue.wakeAll()
      this.onInput()
    })
    this.#stream.on('end', end)
    // A closed or unreadable stream is an empty one.
    this.#stream.on('error', end)
  }
}

/** Standard output or error. Bytes are copied; `isBroken` once nobody reads them any more. */
export class HostOutput {
  isBroken = false
  readonly #stream: NodeJS.WriteStream
  static readonly #known = new WeakMap<NodeJS.WriteStream, HostOutput>()

  private constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    // For as long as the host process lives: what is written after the guest's end may fail too.
    stream.on('error', () => {
      this.isBroken = true
    })
  }
  /** The one of a host stream. */
  static of(stream: NodeJS.WriteStream): HostOutput {
    const known = HostOutput.#known.get(stream)
    if (known !== undefined) return known
    const made = new HostOutput(stream)
    HostOutput.#known.set(stream, made)
    return made
  }
  readonly write = (bytes: Uint8Array): void => {
    if (!this.isBroken) this.#stream.write(Buffer.from(bytes))
  }
  /** Waits while much is unwritten, so that a guest cannot fill the host's memory. */
  async drain(): Promise<void> {
    while (!this.isBroken && this.#stream.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        this.#stream.once('drain', resolve)
        this.#stream.once('error', () => resolve())
      })
    }
  }
}

/** Size of the terminal behind a stream, or null if it is none. */
export function terminalOf(stream: { isTTY?: boolean; rows?: number; columns?: number }): Terminal | null {
  return stream.isTTY === true ? { rows: stream.rows ?? 24, columns: stream.columns ?? 80 } : null
}

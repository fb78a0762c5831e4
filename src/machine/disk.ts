// A block device: requests are served one at a time, in the order in which they were submitted.
//
//   submitted ──► waits for those before it ──► latency + bytes / bandwidth ──► bytes move ──► callback
//
// Contents are sparse chunks of 64 KiB in host memory; what was never written reads as zeroes.

import { EIO, kassert, type Clock, type Err } from '../base/index.ts'

export interface DiskConfig {
  readonly name: string
  readonly sizeBytes: number
  /** Nanoseconds before a request's first byte moves. */
  readonly latencyNs: number
  readonly bytesPerSecond: number
}

export type ReadDone = (err: 0 | Err, bytes: Uint8Array) => void
export type WriteDone = (err: 0 | Err) => void

const CHUNK_BYTES = 65536
const NO_BYTES = new Uint8Array(0)

export class Disk {
  readonly name: string
  readonly sizeBytes: number
  readonly latencyNs: number
  readonly bytesPerSecond: number
  /** Requests submitted and not yet answered. */
  pending = 0
  // Counted when a request is answered, failed ones only in `failures`.
  reads = 0
  readBytes = 0
  writes = 0
  writtenBytes = 0
  flushes = 0
  failures = 0
  /** Nanoseconds the device has spent serving. */
  busyNs = 0

  readonly #clock: Clock
  readonly #chunks = new Map<number, Uint8Array>()
  /** When the device will have served everything submitted so far. */
  #freeAt = 0
  #faultsSkipped = 0
  #faults = 0
  #isOn = true
  /** Counts power cuts, so that a request from before one is not carried out after it. */
  #epoch = 0

  constructor(clock: Clock, config: DiskConfig) {
    kassert(config.sizeBytes >= 0 && Number.isSafeInteger(config.sizeBytes), 'a disk has a size', config.name)
    kassert(config.latencyNs >= 0 && config.bytesPerSecond > 0, 'a disk has a latency and a bandwidth', config.name)
    this.#clock = clock
    this.name = config.name
    this.sizeBytes = config.sizeBytes
    this.latencyNs = config.latencyNs
    this.bytesPerSecond = config.bytesPerSecond
  }
  /** Host memory the contents take. */
  get storedBytes(): number {
    return this.#chunks.size * CHUNK_BYTES
  }

  /**
   * Reads `len` bytes at `offset`; `done` is called from the clock.
   *
   * @errors  EIO: an injected fault, or beyond the end of the device. `bytes` is then empty
   */
  read(offset: number, len: number, done: ReadDone): void {
    this.#submit(offset, len, (err) => {
      if (err !== 0) return done(err, NO_BYTES)
      this.reads++
      this.readBytes += len
      done(0, this.peek(offset, len))
    })
  }
  /**
   * Writes a copy of `bytes`, made now; they are on the medium when `done` is called, and readable by every request
   * submitted after this one.
   *
   * @errors  EIO: an injected fault, or beyond the end of the device. Nothing has been written
   */
  write(offset: number, bytes: Uint8Array, done: WriteDone): void {
    const copy = bytes.slice()
    this.#submit(offset, copy.length, (err) => {
      if (err !== 0) return done(err)
      this.writes++
      this.writtenBytes += copy.length
      this.poke(offset, copy)
      done(0)
    })
  }
  /** Calls `done` when everything submitted before is on the medium. @errors EIO: an injected fault */
  flush(done: WriteDone): void {
    this.#submit(0, 0, (err) => {
      if (err === 0) this.flushes++
      done(err)
    })
  }

  /** Makes `count` requests fail with EIO: those submitted next, after `skip` good ones. */
  failNext(count: number, skip = 0): void {
    this.#faults = count
    this.#faultsSkipped = skip
  }
  /** Loses what is not on the medium: no pending request is carried out or answered, nor any later one. */
  powerOff(): void {
    this.#isOn = false
    this.#epoch++
    this.pending = 0
  }
  powerOn(): void {
    this.#isOn = true
    this.#freeAt = this.#clock.now
  }

  /** Contents as they are now, without taking time. */
  peek(offset: number, len: number): Uint8Array {
    const bytes = new Uint8Array(len)
    for (let at = 0; at < len;) {
      const inChunk = (offset + at) % CHUNK_BYTES
      const step = Math.min(len - at, CHUNK_BYTES - inChunk)
      const chunk = this.#chunks.get((offset + at - inChunk) / CHUNK_BYTES)
      if (chunk !== undefined) bytes.set(chunk.subarray(inChunk, inChunk + step), at)
      at += step
    }
    return bytes
  }
  /** Changes contents without taking time: for images loaded before the machine starts. */
  poke(offset: number, bytes: Uint8Array): void {
    kassert(offset >= 0 && offset + bytes.length <= this.sizeBytes, 'an image fits its disk', this.name)
    for (let at = 0; at < bytes.length;) {
      const inChunk = (offset + at) % CHUNK_BYTES
      const step = Math.min(bytes.length - at, CHUNK_BYTES - inChunk)
      const number = (offset + at - inChunk) / CHUNK_BYTES
      let chunk = this.#chunks.get(number)
      if (chunk === undefined) {
        chunk = new Uint8Array(CHUNK_BYTES)
        this.#chunks.set(number, chunk)
      }
      chunk.set(bytes.subarray(at, at + step), inChunk)
      at += step
    }
  }

  #submit(offset: number, len: number, finish: (err: 0 | Err) => void): void {
    if (!this.#isOn) return
    const err = this.#isFaulted() || !(offset >= 0 && len >= 0 && offset + len <= this.sizeBytes) ? EIO : 0
    const service = this.latencyNs + Math.ceil((len * 1e9) / this.bytesPerSecond)
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now) + service
    this.pending++
    const epoch = this.#epoch
    this.#clock.at(this.#freeAt, () => {
      if (epoch !== this.#epoch) return
      this.pending--
      this.busyNs += service
      if (err !== 0) this.failures++
      finish(err)
    })
  }
  #isFaulted(): boolean {
    if (this.#faults === 0) return false
    if (this.#faultsSkipped > 0) {
      this.#faultsSkipped--
      return false
    }
    this.#faults--
    return true
  }
}

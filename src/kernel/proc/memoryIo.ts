import { EIO, isErr, type OrErr, PAGE_SIZE, WouldSleep } from '../../base/index.ts'
import { type Files, type OpenFile, SimpleIo, type Uio } from '../file/index.ts'
import { copyInTry, copyOutTry, forcedOffsetTry, type Process } from '../process/index.ts'

/** Where the bytes come from and go to. An answer may be shorter than asked; empty is the end. */
export interface ByteStore {
  read(position: number, length: number): OrErr<Uint8Array>
  write(position: number, bytes: Uint8Array): OrErr<number>
}

/** /proc/PID/mem and pagemap: bytes at a position, through the bounce frame. */
export class MemoryIo extends SimpleIo {
  readonly isSeekable = true
  readonly #store: ByteStore
  constructor(store: ByteStore) {
    super()
    this.#store = store
  }
  /** The memory of a process, page by page; EIO where nothing is mapped. */
  static of(process: Process): MemoryIo {
    const pageful = (position: number, length: number) => Math.min(length, PAGE_SIZE - (position % PAGE_SIZE))
    return new MemoryIo({
      read(position, length) {
        if (process.space === null) return new Uint8Array(0)
        const bytes = new Uint8Array(pageful(position, length))
        const copied = copyInTry(process.space, position, bytes, forcedOffsetTry)
        return copied === WouldSleep || isErr(copied) ? EIO : bytes
      },
      write(position, bytes) {
        if (process.space === null) return 0
        const part = bytes.subarray(0, pageful(position, bytes.length))
        const copied = copyOutTry(process.space, position, part, forcedOffsetTry)
        return copied === WouldSleep || isErr(copied) ? EIO : part.length
      },
    })
  }
  override isAtEnd(_files: Files, _file: OpenFile, position: number): boolean {
    const rest = this.#store.read(position, 8)
    return isErr(rest) || rest.length === 0
  }
  override moveTo(files: Files, _file: OpenFile, uio: Uio, position: number): OrErr<number> {
    let moved = 0
    while (uio.resid > 0) {
      const bytes = this.#store.read(position + moved, Math.min(uio.resid, PAGE_SIZE))
      if (isErr(bytes)) return moved > 0 ? moved : bytes
      if (bytes.length === 0) break
      const want = Math.min(bytes.length, PAGE_SIZE)
      files.bounceBytes.set(bytes.subarray(0, want))
      const step = uio.moveTo(files.bounce, want)
      moved += step
      if (step < want) break
    }
    return moved
  }
  override moveFrom(files: Files, _file: OpenFile, uio: Uio, position: number): OrErr<number> {
    let moved = 0
    while (uio.resid > 0) {
      const want = Math.min(uio.resid, PAGE_SIZE)
      const step = uio.moveFrom(files.bounce, want)
      if (step === 0) break
      const taken = this.#store.write(position + moved, files.bounceBytes.slice(0, step))
      if (isErr(taken)) return moved > 0 ? moved : taken
      moved += taken
      if (taken < want) break
    }
    return moved
  }
  override poll(): number {
    return 5 // POLLIN | POLLOUT
  }
}

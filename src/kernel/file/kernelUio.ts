// The kernel reads files for itself: programs to execute, scripts, tests.

import { isErr, type OrErr, type Sleep } from '../../base/index.ts'
import { filePread } from './fileIo.ts'
import type { Files } from './files.ts'
import type { OpenFile } from './openFile.ts'
import type { Uio } from './uio.ts'

/** A host array in the place of user memory: always there. */
export class KernelUio implements Uio {
  resid: number
  readonly bytes: Uint8Array
  readonly #memory: Uint8Array
  constructor(files: Files, bytes: Uint8Array) {
    this.#memory = files.machine.memory.u8
    this.bytes = bytes
    this.resid = bytes.length
  }
  /** Bytes moved so far. */
  get moved(): number {
    return this.bytes.length - this.resid
  }
  moveTo(memOffset: number, bytes: number): number {
    const step = Math.min(bytes, this.resid)
    this.bytes.set(this.#memory.subarray(memOffset, memOffset + step), this.moved)
    this.resid -= step
    return step
  }
  moveFrom(memOffset: number, bytes: number): number {
    const step = Math.min(bytes, this.resid)
    this.#memory.set(this.bytes.subarray(this.moved, this.moved + step), memOffset)
    this.resid -= step
    return step
  }
  unmove(bytes: number): void {
    this.resid += bytes
  }
  *faultIn(): Sleep<OrErr<0>> {
    return 0
  }
}

/** Up to `length` bytes at `position`; fewer at the end of the file. */
export function* readBytes(file: OpenFile, position: number, length: number): Sleep<OrErr<Uint8Array>> {
  const uio = new KernelUio(file.files, new Uint8Array(length))
  while (uio.resid > 0) {
    const moved = yield* filePread(file, uio, position + uio.moved)
    if (isErr(moved)) return moved
    if (moved === 0) break
  }
  return uio.bytes.subarray(0, uio.moved)
}

import { EFAULT, isErr, WouldSleep, type Err, type OrErr, type Sleep, type WaitQueue } from '../../base/index.ts'
import type { Files } from './files.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import type { Uio } from './uio.ts'

/**
 * A FileIo whose bytes are always there, so that only a missing user page can make it sleep: subclasses say how to
 * move bytes, and this class waits.
 */
export abstract class SimpleIo implements FileIo {
  abstract readonly isSeekable: boolean
  readonly pollQueue: WaitQueue | null = null

  /** Moves what it can; 0 at the end or if a user page is missing. */
  abstract moveTo(files: Files, file: OpenFile, uio: Uio, position: number): OrErr<number>
  abstract moveFrom(files: Files, file: OpenFile, uio: Uio, position: number): OrErr<number>
  abstract poll(file: OpenFile): number
  release(_file: OpenFile): void {}
  /** Is there anything to read at the position? */
  isAtEnd(_files: Files, _file: OpenFile, _position: number): boolean {
    return false
  }

  readTry(files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err {
    const moved = this.moveTo(files, file, uio, position)
    return moved === 0 && uio.resid > 0 && !this.isAtEnd(files, file, position) ? WouldSleep : moved
  }
  writeTry(files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err {
    const moved = this.moveFrom(files, file, uio, position)
    return moved === 0 && uio.resid > 0 ? WouldSleep : moved
  }
  *read(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    let done = 0
    for (;;) {
      const moved = this.moveTo(files, file, uio, position + done)
      if (isErr(moved)) return done > 0 ? done : moved
      done += moved
      if (uio.resid === 0 || this.isAtEnd(files, file, position + done)) return done
      if (isErr(yield* uio.faultIn(true))) return done > 0 ? done : EFAULT
    }
  }
  *write(files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    let done = 0
    for (;;) {
      const moved = this.moveFrom(files, file, uio, position + done)
      if (isErr(moved)) return done > 0 ? done : moved
      done += moved
      if (uio.resid === 0) return done
      if (isErr(yield* uio.faultIn(false))) return done > 0 ? done : EFAULT
    }
  }
}

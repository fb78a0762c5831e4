import type { Err, OrErr, Sleep, WouldSleep } from '../../base/index.ts'
import { POLLIN, POLLOUT } from './constants.ts'
import type { Files } from './files.ts'
import { genericFileReadIter, genericFileReadIterTry } from './genericFileRead.ts'
import { genericFileWriteIter, genericFileWriteIterTry } from './genericFileWrite.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import type { Uio } from './uio.ts'

/** Regular files: bytes are copied between the pages of the file and the user, one page at a time. */
export const pageCacheIo: FileIo = {
  isSeekable: true,
  pollQueue: null,
  readTry(_files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err {
    return genericFileReadIterTry({ file, position }, uio)
  },
  *read(_files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    return yield* genericFileReadIter({ file, position }, uio)
  },
  writeTry(_files: Files, file: OpenFile, uio: Uio, position: number): number | WouldSleep | Err {
    return genericFileWriteIterTry({ file, position }, uio)
  },
  *write(_files: Files, file: OpenFile, uio: Uio, position: number): Sleep<OrErr<number>> {
    return yield* genericFileWriteIter({ file, position }, uio)
  },
  poll: () => POLLIN | POLLOUT,
  release() {},
}

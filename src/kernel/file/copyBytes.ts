import { EBADF, EINVAL, isErr, type OrErr, type Sleep } from '../../base/index.ts'
import { filePread, filePwrite, fileRead, fileWrite } from './fileIo.ts'
import { KernelUio } from './kernelUio.ts'
import type { OpenFile } from './openFile.ts'

const CHUNK_BYTES = 65536

/**
 * Copies from one open file to another, inside the kernel.
 *
 * @param from  a file with a position: what the target did not take is not lost
 * @param at    where to read, where to write; null: the file's own position, which moves
 * @returns     bytes copied, fewer at the end of `from` or when a signal came; EBADF, EINVAL, the errors of both ends
 * @locks       sleeps
 * @manual      sendfile(2), copy_file_range(2)
 */
export function* copyBytes(
  from: OpenFile,
  to: OpenFile,
  count: number,
  at: { readonly from: number | null; readonly to: number | null },
): Sleep<OrErr<number>> {
  if (!from.isReadable || !to.isWritable) return EBADF
  if (!from.io.isSeekable) return EINVAL
  const { files } = from
  let done = 0
  while (done < count) {
    const start = at.from === null ? from.offset : at.from + done
    const read = new KernelUio(files, new Uint8Array(Math.min(CHUNK_BYTES, count - done)))
    const got = at.from === null ? yield* fileRead(from, read) : yield* filePread(from, read, start)
    if (isErr(got)) return done > 0 ? done : got
    if (got === 0) break
    const write = new KernelUio(files, read.bytes.subarray(0, got))
    const put = at.to === null ? yield* fileWrite(to, write) : yield* filePwrite(to, write, at.to + done)
    const taken = isErr(put) ? 0 : put
    if (at.from === null) from.offset = start + taken
    if (isErr(put)) return done > 0 ? done : put
    done += taken
    if (taken < got) break
  }
  return done
}

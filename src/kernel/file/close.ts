import { isErr, type OrErr, type Sleep } from '../../base/index.ts'
import type { OpenFile } from './openFile.ts'

/**
 * Drops one descriptor's reference. When it was the last, dirty pages of a stored file are written first.
 *
 * @returns  0, or what writing back said; the descriptor is gone either way
 * @locks    sleeps
 * @manual   close(2)
 */
export function* closeFile(file: OpenFile): Sleep<OrErr<0>> {
  let result: OrErr<0> = 0
  if (file.refs === 1 && file.isWritable && file.vnode.object !== null && file.vnode.nlink > 0) {
    const synced = yield* file.vnode.fs.writeBack(file.vnode)
    if (isErr(synced)) result = synced
  }
  file.release()
  return result
}

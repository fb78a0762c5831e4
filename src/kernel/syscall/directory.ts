import { EINVAL, ENOTDIR, isErr, type Sleep } from '../../base/index.ts'
import { getdents64 } from '../file/index.ts'
import { type Kernel, type Thread, UserUio } from '../process/index.ts'
import { bufferAt, fileArg, holding, int, long } from './call.ts'

/** ssize_t getdents64(int fd, void *buf, size_t count) @manual getdents64(2) */
export function* getdents(_kernel: Kernel, thread: Thread): Sleep<number> {
  const file = fileArg(thread, 0)
  if (isErr(file)) return file
  if (file.vnode.kind !== 'dir') return ENOTDIR
  const room = int(thread, 2)
  if (room < 0) return EINVAL
  const buffer = bufferAt(thread, long(thread, 1), room)
  if (isErr(buffer)) return buffer
  return yield* holding(file, getdents64(file, new UserUio(thread.space, buffer)))
}

import { ENOENT, ENOTDIR, type Err, errName, isErr, type OrErr, type Sleep } from '../base/index.ts'
import { nameFromBytes, O_RDONLY, openAt, readBytes, ROOT } from '../kernel/file/index.ts'
import type { Kernel, Thread } from '../kernel/process/index.ts'

/** What is longer, such as pagemap, is not read whole. */
const LONGEST = 64 << 20
const CHUNK = 1 << 20

/**
 * The text of a file of /proc or /sys, as a program of user 0 reads it. Nothing runs meanwhile.
 *
 * @param thread  who reads: /proc/self is its process; null: the first one
 * @throws Error in one line: no such file, or it cannot be read
 */
export function readProc(kernel: Kernel, path: string, thread: Thread | null): string {
  const { current } = kernel.machine
  const before = current.thread
  current.thread = thread
  try {
    const step = read(kernel, path).next('woken')
    if (step.done !== true) throw new Error(`${path}: cannot be read at once`)
    if (typeof step.value === 'string') return step.value
    const isAbsent = step.value === ENOENT || step.value === ENOTDIR
    throw new Error(`${path}: ${isAbsent ? 'no such file' : `cannot be read: ${errName(step.value)}`}`)
  } finally {
    current.thread = before
  }
}

function* read({ files }: Kernel, path: string): Sleep<string | Err> {
  if (!/^\/(?:proc|sys)\//.test(path)) throw new Error(`${path}: is not a file of /proc or /sys`)
  const file = yield* openAt(files, { root: files.root, cwd: files.root, who: ROOT }, path, O_RDONLY, 0)
  if (isErr(file)) return file
  try {
    let text = ''
    for (let at = 0; ;) {
      const part: OrErr<Uint8Array> = yield* readBytes(file, at, CHUNK)
      if (isErr(part)) return part
      if (part.length === 0) return text
      at += part.length
      if (at > LONGEST) throw new Error(`${path}: is too long to be read whole`)
      text += nameFromBytes(part)
    }
  } finally {
    file.release()
  }
}

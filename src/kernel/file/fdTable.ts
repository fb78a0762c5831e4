import { EBADF, EINVAL, EMFILE, isErr, kassert, type OrErr, type Sleep } from '../../base/index.ts'
import { closeFile } from './close.ts'
import type { OpenFile } from './openFile.ts'

/** RLIMIT_NOFILE of a new process. */
export const DEFAULT_FD_LIMIT = 1024

/**
 * The descriptors of a process: numbers that name open files. Shared by clone(CLONE_FILES), copied by fork.
 * Each descriptor holds one reference to its open file.
 */
export class FdTable {
  /** Descriptors are below this (RLIMIT_NOFILE). */
  limit: number
  refs = 1
  readonly #files: (OpenFile | null)[] = []
  readonly #closesOnExec: boolean[] = []

  constructor(limit = DEFAULT_FD_LIMIT) {
    this.limit = limit
  }

  /** The open file of a descriptor, or EBADF. The answer holds no reference. */
  get(fd: number): OrErr<OpenFile> {
    return this.#files[fd] ?? EBADF
  }
  /** Open descriptors, ascending. */
  get open(): number[] {
    return this.#files.flatMap((file, fd) => (file === null ? [] : [fd]))
  }
  closesOnExec(fd: number): boolean {
    return this.#closesOnExec[fd] === true
  }
  /** FD_CLOEXEC of an open descriptor. */
  setClosesOnExec(fd: number, on: boolean): OrErr<0> {
    if (isErr(this.get(fd))) return EBADF
    this.#closesOnExec[fd] = on
    return 0
  }

  /**
   * Gives `file` the lowest free descriptor at or above `least`. Takes over the caller's reference on success.
   *
   * @returns  the descriptor; EMFILE, EINVAL if `least` is not below the limit
   */
  install(file: OpenFile, least = 0, closesOnExec = false): OrErr<number> {
    if (least < 0 || (least > 0 && least >= this.limit)) return EINVAL
    let fd = least
    while (fd < this.#files.length && this.#files[fd] !== null) fd++
    if (fd >= this.limit) return EMFILE
    this.#put(fd, file, closesOnExec)
    return fd
  }
  /** A second descriptor for the same open file, at or above `least` (dup, F_DUPFD). */
  dup(fd: number, least = 0, closesOnExec = false): OrErr<number> {
    const file = this.get(fd)
    if (isErr(file)) return file
    const copy = this.install(file, least, closesOnExec)
    if (!isErr(copy)) file.reference()
    return copy
  }
  /**
   * Makes `to` name what `from` names, closing what `to` named.
   *
   * @errors  EINVAL if they are equal, EBADF if `from` is not open or `to` out of range
   * @manual  dup3(2)
   */
  *dup3(from: number, to: number, closesOnExec: boolean): Sleep<OrErr<number>> {
    if (from === to) return EINVAL
    const file = this.get(from)
    if (isErr(file)) return file
    if (to < 0 || to >= this.limit) return EBADF
    const old = this.#files[to] ?? null
    file.reference()
    this.#put(to, file, closesOnExec)
    // An error of the implicit close is not reported.
    if (old !== null) yield* closeFile(old)
    return to
  }
  /** Gives the descriptor up at once; the error is what writing back said. */
  *close(fd: number): Sleep<OrErr<0>> {
    const file = this.get(fd)
    if (isErr(file)) return file
    this.#files[fd] = null
    return yield* closeFile(file)
  }
  /** Closes everything that execve closes. */
  *closeOnExec(): Sleep<void> {
    for (const fd of this.open) if (this.#closesOnExec[fd]) yield* this.close(fd)
  }
  /** A copy for fork: the same open files, one more reference each. */
  copy(): FdTable {
    const copy = new FdTable(this.limit)
    for (const fd of this.open) {
      const file = this.#files[fd]!
      file.reference()
      copy.#put(fd, file, this.#closesOnExec[fd]!)
    }
    return copy
  }
  /** One process fewer uses the table; the last one closes everything. */
  *release(): Sleep<void> {
    kassert(this.refs > 0, 'a descriptor table is released as often as it was shared')
    if (--this.refs > 0) return
    for (const fd of this.open) yield* this.close(fd)
  }

  #put(fd: number, file: OpenFile, closesOnExec: boolean): void {
    while (this.#files.length < fd) {
      this.#files.push(null)
      this.#closesOnExec.push(false)
    }
    this.#files[fd] = file
    this.#closesOnExec[fd] = closesOnExec
  }
}

// A read-only directory of host files that are arrays: where the programs lie that a system is given. They are shown
// through HostFs like any host directory, so their pages arrive from a disk, by faults.

import { EACCES, EINVAL, ENOENT, EROFS, type OrErr } from '../base/index.ts'
import type { HostEntry, HostFile, HostFiles, HostStat, Timestamp } from '../kernel/file/index.ts'

const TIME: Timestamp = { sec: 1767225600, nsec: 0 }

export class MemoryFiles implements HostFiles {
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly number: number }>()

  /** Adds a file and returns its name: the wanted one, or one with a number if that is another file's. */
  add(wanted: string, bytes: Uint8Array): string {
    const clean = wanted.replace(/[/\0]/g, '_').slice(0, 200)
    const base = clean === '' || clean === '.' || clean === '..' ? 'program' : clean
    for (let n = 1; ; n++) {
      const name = n === 1 ? base : `${base}-${n}`
      const there = this.#files.get(name)
      if (there === undefined) this.#files.set(name, { bytes, number: this.#files.size + 2 })
      if (there === undefined || sameBytes(there.bytes, bytes)) return name
    }
  }

  stat(path: string): OrErr<HostStat> {
    if (path === '') return statOf('dir', 1, 0)
    const file = this.#files.get(path)
    return file === undefined ? ENOENT : statOf('file', file.number, file.bytes.length)
  }
  list(path: string): OrErr<readonly HostEntry[]> {
    if (path !== '') return ENOENT
    return [...this.#files].map(([name, { number }]) => ({ name, key: String(number), kind: 'file' }))
  }
  readlink(): OrErr<string> {
    return EINVAL
  }
  open(path: string, isWritable: boolean): OrErr<HostFile> {
    const file = this.#files.get(path)
    if (file === undefined) return ENOENT
    return isWritable ? EACCES : new MemoryFile(file.bytes, statOf('file', file.number, file.bytes.length))
  }
  create(): OrErr<HostFile> {
    return EROFS
  }
  makeDirectory(): OrErr<0> {
    return EROFS
  }
  makeSymlink(): OrErr<0> {
    return EROFS
  }
  makeLink(): OrErr<0> {
    return EROFS
  }
  remove(): OrErr<0> {
    return EROFS
  }
  removeDirectory(): OrErr<0> {
    return EROFS
  }
  rename(): OrErr<0> {
    return EROFS
  }
  setPermissions(): OrErr<0> {
    return EROFS
  }
  setTimes(): OrErr<0> {
    return EROFS
  }
  syncDirectory(): OrErr<0> {
    return 0
  }
}

class MemoryFile implements HostFile {
  readonly #bytes: Uint8Array
  readonly #stat: HostStat
  constructor(bytes: Uint8Array, stat: HostStat) {
    this.#bytes = bytes
    this.#stat = stat
  }
  stat(): HostStat {
    return this.#stat
  }
  read(into: Uint8Array, offset: number): number {
    const part = this.#bytes.subarray(offset, offset + into.length)
    into.set(part)
    return part.length
  }
  write(): OrErr<0> {
    return EROFS
  }
  truncate(): OrErr<0> {
    return EROFS
  }
  sync(): OrErr<0> {
    return 0
  }
  close(): void {}
}

function statOf(kind: 'file' | 'dir', number: number, sizeBytes: number): HostStat {
  return { kind, key: String(number), permissions: 0o555, nlink: 1, sizeBytes, atime: TIME, mtime: TIME, ctime: TIME }
}
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

// The host's side of a shown directory, over node:fs.

import * as fs from 'node:fs'
import {
  E2BIG,
  EACCES,
  EBUSY,
  EEXIST,
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  ELOOP,
  EMFILE,
  EMLINK,
  ENAMETOOLONG,
  ENFILE,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
  type Err,
  isErr,
  type OrErr,
} from '../src/base/index.ts'
import {
  nameFromBytes,
  nameToBytes,
  type HostEntry,
  type HostFile,
  type HostFiles,
  type HostKind,
  type HostStat,
  type Timestamp,
} from '../src/kernel/file/index.ts'

const ERRORS: Readonly<Record<string, Err>> = {
  E2BIG,
  EACCES,
  EBUSY,
  EEXIST,
  EFBIG,
  EINVAL,
  EISDIR,
  ELOOP,
  EMFILE,
  EMLINK,
  ENAMETOOLONG,
  ENFILE,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
  EDQUOT: ENOSPC,
}

/** Runs a host call; what it throws becomes an error number. */
function tell<T>(call: () => OrErr<T>): OrErr<T> {
  try {
    return call()
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code === undefined) throw thrown
    return ERRORS[code] ?? EIO
  }
}

const SLASH = 0x2f
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants

/**
 * A directory of the host.
 *
 * Confinement: every call resolves the directory that its last component lies in, links and all, and refuses with EACCES
 * if that is not the shown directory or inside it. The last component itself is never followed. So a link on the host
 * that leads out is a link to be read, and not a way out.
 */
export class NodeHostFiles implements HostFiles {
  readonly #root: Buffer
  readonly #isReadOnly: boolean

  /**
   * @param directory   is there, and is a directory; else node's own error is thrown
   * @param isReadOnly  every call that would change something answers EROFS
   */
  constructor(directory: string, isReadOnly: boolean) {
    this.#root = fs.realpathSync.native(directory, 'buffer')
    this.#isReadOnly = isReadOnly
    fs.closeSync(fs.openSync(this.#root, O_RDONLY | O_DIRECTORY))
  }

  stat(path: string): OrErr<HostStat> {
    return this.#at(path, (host) => statOf(fs.lstatSync(host, { bigint: true })))
  }
  list(path: string): OrErr<readonly HostEntry[]> {
    return this.#at(path, (host) => {
      const real = this.#resolve(host)
      if (isErr(real)) return real
      const entries: HostEntry[] = []
      for (const name of fs.readdirSync(real, { encoding: 'buffer' })) {
        const stat = tell(() => statOf(fs.lstatSync(join(real, name), { bigint: true })))
        if (!isErr(stat)) entries.push({ name: nameFromBytes(name), key: stat.key, kind: stat.kind })
      }
      return entries
    })
  }
  readlink(path: string): OrErr<string> {
    return this.#at(path, (host) => nameFromBytes(fs.readlinkSync(host, { encoding: 'buffer' })))
  }
  open(path: string, isWritable: boolean): OrErr<HostFile> {
    if (isWritable && this.#isReadOnly) return EROFS
    // Without O_NONBLOCK a named pipe would stop us here.
    return this.#at(path, (host) => openFile(host, (isWritable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK, 0))
  }
  create(path: string, permissions: number): OrErr<HostFile> {
    return this.#change(path, (host) => {
      const file = openFile(host, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, permissions & 0o777)
      if (!isErr(file)) fs.fchmodSync(file.fd, permissions & 0o777)
      return file
    })
  }
  makeDirectory(path: string, permissions: number): OrErr<0> {
    return this.#change(path, (host) => {
      fs.mkdirSync(host, { mode: permissions & 0o777 })
      fs.chmodSync(host, permissions & 0o777)
      return 0
    })
  }
  makeSymlink(target: string, path: string): OrErr<0> {
    return this.#change(path, (host) => done(fs.symlinkSync(Buffer.from(nameToBytes(target)), host)))
  }
  makeLink(from: string, to: string): OrErr<0> {
    return this.#change(from, (old) => this.#change(to, (fresh) => done(fs.linkSync(old, fresh))))
  }
  remove(path: string): OrErr<0> {
    return this.#change(path, (host) => done(fs.unlinkSync(host)))
  }
  removeDirectory(path: string): OrErr<0> {
    return this.#change(path, (host) => done(fs.rmdirSync(host)))
  }
  rename(from: string, to: string): OrErr<0> {
    return this.#change(from, (old) => this.#change(to, (fresh) => done(fs.renameSync(old, fresh))))
  }
  setPermissions(path: string, permissions: number): OrErr<0> {
    // chmod follows links: change what was opened, which is none.
    return this.#change(path, (host) => withDescriptor(host, (fd) => done(fs.fchmodSync(fd, permissions & 0o777))))
  }
  setTimes(path: string, atime: Timestamp, mtime: Timestamp): OrErr<0> {
    const seconds = (time: Timestamp): number => time.sec + time.nsec / 1e9
    return this.#change(path, (host) => done(fs.lutimesSync(host, seconds(atime), seconds(mtime))))
  }
  syncDirectory(path: string): OrErr<0> {
    return this.#at(path, (host) => withDescriptor(host, (fd) => done(fs.fsyncSync(fd))))
  }

  #change<T>(path: string, call: (host: Buffer) => OrErr<T>): OrErr<T> {
    // The directory itself has no name here that could be changed.
    if (this.#isReadOnly) return EROFS
    return path === '' ? EBUSY : this.#at(path, call)
  }
  /** The host path of `path`, its last component not followed. */
  #at<T>(path: string, call: (host: Buffer) => OrErr<T>): OrErr<T> {
    if (path === '') return tell(() => call(this.#root))
    const parts = path.split('/')
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))) return EINVAL
    const name = Buffer.from(nameToBytes(parts.pop()!))
    return tell(() => {
      const dir = this.#resolve(parts.reduce((at, part) => join(at, nameToBytes(part)), this.#root))
      return isErr(dir) ? dir : call(join(dir, name))
    })
  }
  /** Where a path of the host leads, all links followed; EACCES if that is outside. */
  #resolve(host: Buffer): OrErr<Buffer> {
    const real = fs.realpathSync.native(host, 'buffer')
    const root = this.#root
    if (real.equals(root)) return real
    const prefix = root.length === 1 ? 1 : root.length + 1
    const isInside = real.length > prefix && real.subarray(0, root.length).equals(root) && real[prefix - 1] === SLASH
    return isInside ? real : EACCES
  }
}

class NodeHostFile implements HostFile {
  readonly fd: number
  constructor(fd: number) {
    this.fd = fd
  }
  stat(): OrErr<HostStat> {
    return tell(() => statOf(fs.fstatSync(this.fd, { bigint: true })))
  }
  read(into: Uint8Array, offset: number): OrErr<number> {
    return tell(() => {
      let moved = 0
      while (moved < into.length) {
        const step = fs.readSync(this.fd, into, moved, into.length - moved, offset + moved)
        if (step === 0) break
        moved += step
      }
      return moved
    })
  }
  write(from: Uint8Array, offset: number): OrErr<0> {
    return tell(() => {
      for (let moved = 0; moved < from.length;)
        moved += fs.writeSync(this.fd, from, moved, from.length - moved, offset + moved)
      return 0
    })
  }
  truncate(sizeBytes: number): OrErr<0> {
    return tell(() => done(fs.ftruncateSync(this.fd, sizeBytes)))
  }
  sync(): OrErr<0> {
    return tell(() => done(fs.fsyncSync(this.fd)))
  }
  close(): void {
    fs.closeSync(this.fd)
  }
}

function openFile(host: Buffer, flags: number, permissions: number): OrErr<NodeHostFile> {
  const fd = fs.openSync(host, flags, permissions)
  if (fs.fstatSync(fd).isFile()) return new NodeHostFile(fd)
  fs.closeSync(fd)
  return EACCES
}
function withDescriptor(host: Buffer, call: (fd: number) => OrErr<0>): OrErr<0> {
  const fd = fs.openSync(host, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    return call(fd)
  } finally {
    fs.closeSync(fd)
  }
}
function join(dir: Uint8Array, name: Uint8Array): Buffer {
  return Buffer.concat([dir, Buffer.of(SLASH), name])
}
function statOf(stat: fs.BigIntStats): OrErr<HostStat> {
  const kind: HostKind | null = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'dir'
      : stat.isSymbolicLink()
        ? 'symlink'
        : null
  // Sockets, devices and pipes of the host are not shown.
  if (kind === null) return ENOENT
  return {
    kind,
    key: `${stat.dev}:${stat.ino}`,
    permissions: Number(stat.mode) & 0o777,
    nlink: Number(stat.nlink),
    sizeBytes: Number(stat.size),
    atime: timestamp(stat.atimeNs),
    mtime: timestamp(stat.mtimeNs),
    ctime: timestamp(stat.ctimeNs),
  }
}
function timestamp(ns: bigint): Timestamp {
  const nsec = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return { sec: Number((ns - nsec) / 1_000_000_000n), nsec: Number(nsec) }
}
const done = (_nothing: void): 0 => 0

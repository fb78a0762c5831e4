import {
  EBADF,
  EFAULT,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  isErr,
  PAGE_SIZE,
  type OrErr,
  type Sleep,
} from '../../base/index.ts'
import { POLLIN, POLLOUT, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from './constants.ts'
import { nameToBytes } from './names.ts'
import type { DirEntry, FileIo, OpenFile } from './openFile.ts'
import { parentOf } from './path.ts'
import type { Uio } from './uio.ts'
import type { VnodeKind } from './vnode.ts'

/** What read and write say of a directory. */
export const directoryIo: FileIo = {
  isSeekable: true,
  pollQueue: null,
  readTry: () => EISDIR,
  *read() {
    return EISDIR
  },
  writeTry: () => EISDIR,
  *write() {
    return EISDIR
  },
  poll: () => POLLIN | POLLOUT,
  release() {},
}

const TYPES: Readonly<Record<VnodeKind, number>> = {
  pipe: S_IFIFO >> 12,
  chardev: S_IFCHR >> 12,
  dir: S_IFDIR >> 12,
  file: S_IFREG >> 12,
  symlink: S_IFLNK >> 12,
}

/** Bytes of a record before its name. */
const RECORD_HEAD = 19
/**
 * Names of an open directory from its position on, as records of getdents64:
 *
 *   0        8             16        18     19
 *   [ ino  ][ next offset ][ reclen ][ type ][ name, NUL, padding to a multiple of 8 ]
 *
 * The names are those of the moment when reading began at offset 0; a seek to 0 takes them anew.
 *
 * @returns  bytes moved, 0 at the end; ENOTDIR, EBADF, EINVAL if not one record fits, ENOENT if the directory is removed, EFAULT
 * @locks    sleeps for user memory
 * @manual   getdents64(2)
 */
export function* getdents64(file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
  const dir = file.vnode
  if (file.isPath) return EBADF
  if (dir.kind !== 'dir') return ENOTDIR
  if (dir.nlink === 0) return ENOENT
  const entries = listing(file)
  if (isErr(entries)) return entries
  const files = file.files
  let moved = 0
  while (file.offset < entries.length) {
    const entry = entries[file.offset]!
    const name = nameToBytes(entry.name)
    const length = (RECORD_HEAD + name.length + 1 + 7) & ~7
    if (length > uio.resid) return moved === 0 ? EINVAL : moved
    for (let done = 0; done < length;) {
      writeRecord(files.bounceBytes, entry, file.offset + 1, name, length)
      const step = uio.moveTo(files.bounce + done, length - done)
      done += step
      if (done === length) break
      const fault = yield* uio.faultIn(true)
      if (!isErr(fault)) continue
      // What is filled up behind the name need not be there.
      if (done < RECORD_HEAD + name.length + 1) return moved === 0 ? EFAULT : moved
      file.offset++
      return moved + length
    }
    moved += length
    file.offset++
  }
  return moved
}

function listing(file: OpenFile): OrErr<readonly DirEntry[]> {
  if (file.listing !== null && file.offset > 0) return file.listing
  const dir = file.vnode
  const names = dir.fs.list(dir)
  if (isErr(names)) return names
  const type = TYPES.dir
  const self = { name: '.', id: dir.id, type }
  const above = { name: '..', id: parentOf(dir).id, type }
  file.listing = [self, above, ...names.map(({ name, id, kind }) => ({ name, id, type: TYPES[kind] }))]
  return file.listing
}

function writeRecord(to: Uint8Array, entry: DirEntry, next: number, name: Uint8Array, length: number): void {
  const view = new DataView(to.buffer, to.byteOffset, PAGE_SIZE)
  to.fill(0, 0, length)
  view.setBigUint64(0, BigInt(entry.id), true)
  view.setBigInt64(8, BigInt(next), true)
  view.setUint16(16, length, true)
  to[18] = entry.type
  to.set(name, 19)
}

// A host directory that is a few objects, for the tests of HostFs. It counts, and fails when told.

import {
  EEXIST,
  EINVAL,
  EIO,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  isErr,
  kassert,
  type Err,
  type OrErr,
} from '../../base/index.ts'
import type { HostEntry, HostFile, HostFiles, HostKind, HostStat } from './hostFiles.ts'
import type { Timestamp } from './vnode.ts'

class Node {
  bytes: Uint8Array = new Uint8Array(0)
  /** What a crash leaves. */
  durable: Uint8Array = new Uint8Array(0)
  readonly names = new Map<string, Node>()
  target = ''
  nlink = 1
  mtime: Timestamp = { sec: 1, nsec: 0 }
  readonly kind: HostKind
  readonly key: string
  permissions: number
  constructor(kind: HostKind, key: string, permissions: number) {
    this.kind = kind
    this.key = key
    this.permissions = permissions
  }
}

export class TestHost implements HostFiles {
  readonly #root = new Node('dir', '1', 0o755)
  #lastKey = 1
  #time = 1
  reads = 0
  writes = 0
  syncs = 0
  openFiles = 0
  /** Answer of every read, write or sync from now on, if not 0. */
  failure: Err | 0 = 0

  /** Puts a file there, with the directories above it. */
  put(path: string, bytes: Uint8Array): void {
    const parts = path.split('/')
    parts.pop()
    for (let i = 1; i <= parts.length; i++) this.makeDirectory(parts.slice(0, i).join('/'), 0o755)
    const old = this.#find(path)
    const node = isErr(old) ? this.#add(path, 'file', 0o644) : old
    kassert(!isErr(node), 'a test file can be put there')
    this.#change(node, bytes)
    node.durable = node.bytes
  }
  bytes(path: string): Uint8Array {
    return this.#expect(path).bytes
  }
  durableBytes(path: string): Uint8Array {
    return this.#expect(path).durable
  }

  stat(path: string): OrErr<HostStat> {
    const node = this.#find(path)
    return isErr(node) ? node : this.#statOf(node)
  }
  list(path: string): OrErr<readonly HostEntry[]> {
    const node = this.#find(path)
    if (isErr(node)) return node
    return [...node.names].reverse().map(([name, { key, kind }]) => ({ name, key, kind }))
  }
  readlink(path: string): OrErr<string> {
    const node = this.#find(path)
    return isErr(node) ? node : node.target
  }
  open(path: string): OrErr<HostFile> {
    const node = this.#find(path)
    if (isErr(node)) return node
    return node.kind === 'file' ? this.#open(node) : EISDIR
  }
  create(path: string, permissions: number): OrErr<HostFile> {
    const node = this.#add(path, 'file', permissions)
    return isErr(node) ? node : this.#open(node)
  }
  makeDirectory(path: string, permissions: number): OrErr<0> {
    const node = this.#add(path, 'dir', permissions)
    return isErr(node) ? node : 0
  }
  makeSymlink(target: string, path: string): OrErr<0> {
    const node = this.#add(path, 'symlink', 0o777)
    if (isErr(node)) return node
    node.target = target
    return 0
  }
  makeLink(from: string, to: string): OrErr<0> {
    const node = this.#find(from)
    const place = this.#place(to)
    if (isErr(node)) return node
    if (isErr(place)) return place
    place.dir.names.set(place.name, node)
    node.nlink++
    return 0
  }
  remove(path: string): OrErr<0> {
    const place = this.#place(path)
    const node = this.#find(path)
    if (isErr(place)) return place
    if (isErr(node)) return node
    node.nlink--
    place.dir.names.delete(place.name)
    return 0
  }
  removeDirectory(path: string): OrErr<0> {
    const node = this.#find(path)
    if (isErr(node)) return node
    return node.names.size > 0 ? ENOTEMPTY : this.remove(path)
  }
  rename(from: string, to: string): OrErr<0> {
    const node = this.#find(from)
    const source = this.#place(from)
    const place = this.#place(to)
    if (isErr(node)) return node
    if (isErr(source) || isErr(place)) return ENOENT
    source.dir.names.delete(source.name)
    place.dir.names.set(place.name, node)
    return 0
  }
  setPermissions(path: string, permissions: number): OrErr<0> {
    this.#expect(path).permissions = permissions
    return 0
  }
  setTimes(path: string, _atime: Timestamp, mtime: Timestamp): OrErr<0> {
    this.#expect(path).mtime = mtime
    return 0
  }
  syncDirectory(): OrErr<0> {
    this.syncs++
    return 0
  }

  #statOf(node: Node): HostStat {
    const { kind, key, permissions, nlink, mtime } = node
    return { kind, key, permissions, nlink, sizeBytes: node.bytes.length, atime: mtime, mtime, ctime: mtime }
  }
  #change(node: Node, bytes: Uint8Array): void {
    node.bytes = bytes
    node.mtime = { sec: ++this.#time, nsec: 0 }
  }
  #open(node: Node): HostFile {
    this.openFiles++
    return {
      stat: () => this.#statOf(node),
      read: (into, offset) => {
        if (this.failure !== 0) return this.failure
        this.reads++
        const part = node.bytes.subarray(offset, offset + into.length)
        into.set(part)
        return part.length
      },
      write: (from, offset) => {
        if (this.failure !== 0) return this.failure
        this.writes++
        const bytes = new Uint8Array(Math.max(node.bytes.length, offset + from.length))
        bytes.set(node.bytes)
        bytes.set(from, offset)
        this.#change(node, bytes)
        return 0
      },
      truncate: (sizeBytes) => {
        const bytes = new Uint8Array(sizeBytes)
        bytes.set(node.bytes.subarray(0, sizeBytes))
        this.#change(node, bytes)
        return 0
      },
      sync: () => {
        if (this.failure !== 0) return EIO
        this.syncs++
        node.durable = node.bytes
        return 0
      },
      close: () => void this.openFiles--,
    }
  }
  #add(path: string, kind: HostKind, permissions: number): OrErr<Node> {
    const place = this.#place(path)
    if (isErr(place)) return place
    if (place.dir.names.has(place.name)) return EEXIST
    const node = new Node(kind, String(++this.#lastKey), permissions)
    place.dir.names.set(place.name, node)
    return node
  }
  #place(path: string): OrErr<{ dir: Node; name: string }> {
    const parts = path.split('/')
    const name = parts.pop()!
    const dir = this.#find(parts.join('/'))
    return isErr(dir) ? dir : { dir, name }
  }
  #find(path: string): OrErr<Node> {
    let at = this.#root
    for (const part of path === '' ? [] : path.split('/')) {
      if (part === '' || part === '.' || part === '..') return EINVAL
      if (at.kind !== 'dir') return ENOTDIR
      const next = at.names.get(part)
      if (next === undefined) return ENOENT
      at = next
    }
    return at
  }
  #expect(path: string): Node {
    const node = this.#find(path)
    kassert(!isErr(node), 'the host file is there', path)
    return node
  }
}

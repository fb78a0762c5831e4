import { EACCES, EINVAL, EIO, ENOENT, EPERM, EROFS, isErr, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import { getCachePage, lruAddDrainAll, putCachePage, reclaimCleanPage, TAG_DIRTY } from '../pagecache/index.ts'
import { PG_dirty, PG_referenced } from '../phys/index.ts'
import { directoryIo } from './directoryIo.ts'
import { dropFilePages } from './filePages.ts'
import type { Files } from './files.ts'
import type { HostFile, HostFiles, HostKind, HostStat } from './hostFiles.ts'
import { HostPager, StoreTime, type FileStore, type StoredFile, type StoreRequest } from './hostPager.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import { pageCacheIo } from './pageCacheIo.ts'
import {
  FileSystem,
  vnodeHold,
  vnodeRelease,
  Vnode,
  type AttributeChange,
  type Timestamp,
  type VnodeInit,
} from './vnode.ts'
import { type FileObject, newFileObject, releaseVnodeObject } from './vnodePager.ts'

export interface HostFsOptions {
  /** Nothing on the host is ever changed. True unless told. */
  readonly isReadOnly?: boolean
  /** Simulated time before a request's first byte, and bandwidth. */
  readonly latencyNs?: number
  readonly bytesPerSecond?: number
  /** Most pages that are read ahead; 1: none. */
  readonly readWindowPages?: number
}
const LATENCY_NS = 80_000
const BYTES_PER_SECOND = 1e9
/** Reported size of a directory. */
const DIRECTORY_BYTES = 4096

/** What is kept of each vnode. */
interface HostNode extends StoredFile {
  readonly key: string
  /** The open host file while the vnode is in use; writable once somebody wrote. */
  file: HostFile | null
  isFileWritable: boolean
  /** The host's modification time when size and pages were last known to agree with the host. */
  hostMtime: Timestamp
  /** Made here, and its name perhaps not yet on the medium. */
  isNew: boolean
}

/**
 * A directory of the host as a file system.
 *
 *   lookup, list           ask the host each time, so that changes on the host are seen when a file is next opened
 *   bytes of files         come into the page cache with simulated latency, go out on fsync, msync, close, or when the
 *                          last user is gone
 *   inode numbers          are given in the order of looking, the same on every host
 *   links                  are text, walked by the guest in the guest's own tree: none can lead out of it
 */
export class HostFs extends FileSystem implements FileStore {
  readonly typeName = 'hostfs'
  override readonly alignsLarge = true
  readonly root: Vnode
  readonly #files: Files
  readonly #host: HostFiles
  readonly #pager: HostPager
  readonly #nodes = new Map<Vnode, HostNode>()
  readonly #byKey = new Map<string, Vnode>()
  readonly #ids = new Map<string, number>()

  /** Throws nothing: a directory that cannot be read shows as empty, and says EACCES when it is walked. */
  constructor(files: Files, host: HostFiles, options: HostFsOptions = {}) {
    super()
    this.#files = files
    this.#host = host
    this.isReadOnly = options.isReadOnly ?? true
    this.device = files.newDeviceNumber()
    const time = new StoreTime(
      files.machine.clock,
      options.latencyNs ?? LATENCY_NS,
      options.bytesPerSecond ?? BYTES_PER_SECOND,
    )
    this.#pager = new HostPager(files, this, time, options.readWindowPages)
    const stat = host.stat('')
    this.root = isErr(stat)
      ? new Vnode(this, this.nextId++, {
          kind: 'dir',
          permissions: 0o555,
          uid: 0,
          gid: 0,
          time: files.now(),
        })
      : this.#newVnode(stat)
  }

  override lookup(dir: Vnode, name: string): OrErr<Vnode> | null {
    const stat = this.#host.stat(this.#pathIn(dir, name))
    if (isErr(stat)) return stat === ENOENT ? null : stat
    const known = this.#byKey.get(stat.key)
    if (known === undefined || known.kind !== stat.kind) return this.#newVnode(stat)
    this.#refresh(known, stat)
    return known
  }
  override list(dir: Vnode): OrErr<readonly { name: string; id: number; kind: HostKind }[]> {
    const entries = this.#host.list(this.#path(dir))
    if (isErr(entries)) return entries
    // The host's order is its own; ours is the same on every host.
    const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))
    return sorted.map(({ name, key, kind }) => ({ name, id: this.#idOf(key), kind }))
  }
  override open(vnode: Vnode, file: OpenFile): OrErr<FileIo> {
    if (vnode.kind === 'dir') return directoryIo
    if (vnode.kind !== 'file') return EINVAL
    const host = this.hostFile(vnode, file.isWritable)
    return isErr(host) ? host : pageCacheIo
  }
  override create(dir: Vnode, name: string, init: VnodeInit): OrErr<Vnode> {
    if (this.isReadOnly) return EROFS
    const path = this.#pathIn(dir, name)
    if (init.kind === 'dir') {
      const made = this.#host.makeDirectory(path, init.permissions & 0o777)
      return isErr(made) ? made : this.#enter(dir, name, init)
    }
    if (init.kind !== 'file') return EPERM
    const file = this.#host.create(path, init.permissions & 0o777)
    if (isErr(file)) return file
    const vnode = this.#enter(dir, name, init)
    if (isErr(vnode)) {
      file.close()
      return vnode
    }
    const node = this.#nodes.get(vnode)!
    node.file = file
    node.isFileWritable = true
    node.isNew = true
    node.needsSync = true
    return vnode
  }
  override symlink(dir: Vnode, name: string, target: string, init: VnodeInit): OrErr<Vnode> {
    if (this.isReadOnly) return EROFS
    const made = this.#host.makeSymlink(target, this.#pathIn(dir, name))
    return isErr(made) ? made : this.#enter(dir, name, init)
  }
  override link(dir: Vnode, name: string, vnode: Vnode): OrErr<0> {
    return this.isReadOnly ? EROFS : this.#host.makeLink(this.#path(vnode), this.#pathIn(dir, name))
  }
  override unlink(dir: Vnode, name: string): OrErr<0> {
    return this.isReadOnly ? EROFS : this.#host.remove(this.#pathIn(dir, name))
  }
  override rmdir(dir: Vnode, name: string): OrErr<0> {
    return this.isReadOnly ? EROFS : this.#host.removeDirectory(this.#pathIn(dir, name))
  }
  override rename(from: Vnode, oldName: string, _vnode: Vnode, to: Vnode, newName: string): OrErr<0> {
    return this.isReadOnly ? EROFS : this.#host.rename(this.#pathIn(from, oldName), this.#pathIn(to, newName))
  }
  override readlink(vnode: Vnode): OrErr<string> {
    return vnode.kind === 'symlink' ? this.#host.readlink(this.#path(vnode)) : EINVAL
  }
  override sizeOf(vnode: Vnode): number {
    return vnode.kind === 'dir' ? DIRECTORY_BYTES : (this.#nodes.get(vnode)?.storedBytes ?? 0)
  }
  override attributesChanged(vnode: Vnode, change: AttributeChange): OrErr<0> {
    if (vnode.nlink === 0) return 0
    const path = this.#path(vnode)
    if (change.permissions !== undefined) {
      const set = this.#host.setPermissions(path, change.permissions & 0o777)
      if (isErr(set)) return set
    }
    if (change.atime === undefined && change.mtime === undefined) return 0
    const set = this.#host.setTimes(path, vnode.atime, vnode.mtime)
    if (!isErr(set)) this.#agree(vnode)
    return set
  }
  override setStoredSize(vnode: Vnode, sizeBytes: number): OrErr<0> {
    const host = this.hostFile(vnode, true)
    const set = isErr(host) ? host : host.truncate(sizeBytes)
    if (isErr(set)) return set
    const node = this.#nodes.get(vnode)!
    node.storedBytes = sizeBytes
    node.needsSync = true
    return 0
  }
  override evict(vnode: Vnode): void {
    const node = this.#nodes.get(vnode)
    if (node === undefined) return
    if (vnode.object !== null) this.#pager.finishNow(vnode.object)
    releaseVnodeObject(this.#files, vnode)
    node.file?.close()
    this.#nodes.delete(vnode)
    if (this.#byKey.get(node.key) === vnode) this.#byKey.delete(node.key)
    // The host may give the number to another file.
    this.#ids.delete(node.key)
  }
  override inactive(vnode: Vnode): void {
    const node = this.#nodes.get(vnode)
    if (node === undefined || node.file === null) return
    this.#pager.writeNow(vnode.object!)
    this.#pager.finishNow(vnode.object!)
    this.#agree(vnode)
    node.file.close()
    node.file = null
    node.isFileWritable = false
  }
  override *writeBack(vnode: Vnode): Sleep<OrErr<0>> {
    return vnode.object === null ? 0 : yield* this.#pager.write(vnode.object, 0, Infinity)
  }
  override *sync(vnode: Vnode): Sleep<OrErr<0>> {
    if (vnode.object !== null) return yield* this.#pager.sync(vnode.object, 0, Infinity)
    return this.isReadOnly || vnode.kind !== 'dir' ? 0 : this.#host.syncDirectory(this.#path(vnode))
  }
  override *syncAll(): Sleep<OrErr<0>> {
    let result: OrErr<0> = 0
    for (const [vnode, node] of Array.from(this.#nodes)) {
      const { object } = vnode
      if (object === null || (!node.needsSync && object.pages.nextTagged(0, TAG_DIRTY) < 0)) continue
      // Its users may leave while this sleeps.
      vnodeHold(vnode)
      try {
        const synced = yield* this.#pager.sync(object, 0, Infinity)
        if (isErr(synced)) result = synced
      } finally {
        vnodeRelease(vnode)
      }
    }
    return result
  }
  override storedObjects(): readonly FileObject[] {
    return [...this.#nodes.keys()].flatMap(({ object }) => (object === null ? [] : [object]))
  }
  /** Clean pages go: first those that nobody has used since the last time, files in the order of their last opening. */
  override shrink(pages: number, all = true): number {
    let freed = 0
    lruAddDrainAll(this.#files.cache)
    for (const isLastPass of all ? [false, true] : [false]) {
      for (const vnode of this.#nodes.keys()) {
        if (vnode.object === null) continue
        freed += this.#shrinkFile(vnode, pages - freed, isLastPass)
        if (freed >= pages) return freed
      }
    }
    return freed
  }

  // FileStore
  storedFile(vnode: Vnode): StoredFile {
    return this.#nodes.get(vnode)!
  }
  hostFile(vnode: Vnode, isWritable: boolean): OrErr<HostFile> {
    const node = this.#nodes.get(vnode)
    if (node === undefined) return EIO
    if (node.file !== null && (node.isFileWritable || !isWritable)) return node.file
    if (isWritable && this.isReadOnly) return EROFS
    const file = this.#host.open(this.#path(vnode), isWritable)
    if (isErr(file)) return file
    const stat = file.stat()
    if (isErr(stat) || stat.key !== node.key) {
      // Another file has taken the name since it was looked up.
      file.close()
      return EIO
    }
    node.file?.close()
    node.file = file
    node.isFileWritable = isWritable
    // The most recently opened is last in line for `shrink`.
    this.#nodes.delete(vnode)
    this.#nodes.set(vnode, node)
    return file
  }
  makeDurable(vnode: Vnode): OrErr<0> {
    const node = this.#nodes.get(vnode)!
    const file = this.hostFile(vnode, false)
    const synced = isErr(file) ? file : file.sync()
    if (isErr(synced)) return synced
    if (node.isNew && vnode.parent !== null && vnode.nlink > 0) {
      const named = this.#host.syncDirectory(this.#path(vnode.parent))
      if (isErr(named) && named !== EACCES) return named
    }
    node.isNew = false
    node.needsSync = false
    this.#agree(vnode)
    return 0
  }

  #shrinkFile(vnode: Vnode, pages: number, isLastPass: boolean): number {
    const object = vnode.object!
    const { frames } = this.#files.phys
    let freed = 0
    for (let i = object.pages.next(0); i >= 0 && freed < pages; i = object.pages.next(i + 1)) {
      const page = object.pageAt(i)
      if (page < 0) continue
      const f = frames.frameOf(page)
      const flags = frames.flags[f]!
      if ((flags & PG_dirty) !== 0 || frames.wireCount[f]! > 0 || frames.loanCount[f]! > 0) continue
      frames.flags[f] = flags & ~PG_referenced
      if (!isLastPass && ((flags & PG_referenced) !== 0 || frames.mapcount[f]! >= 0)) continue
      const { cache } = this.#files
      getCachePage(cache, page as Pfn)
      if (reclaimCleanPage(cache, page as Pfn)) freed++
      putCachePage(cache, page as Pfn)
    }
    return freed
  }
  #path(vnode: Vnode): string {
    const parts: string[] = []
    for (let at = vnode; at.parent !== null; at = at.parent) parts.push(at.name)
    return parts.reverse().join('/')
  }
  #pathIn(dir: Vnode, name: string): string {
    const path = this.#path(dir)
    return path === '' ? name : `${path}/${name}`
  }
  #idOf(key: string): number {
    let id = this.#ids.get(key)
    if (id === undefined) this.#ids.set(key, (id = this.nextId++))
    return id
  }
  #newVnode(stat: HostStat): Vnode {
    const { kind, permissions, sizeBytes } = stat
    const init: VnodeInit = { kind, permissions, uid: 0, gid: 0, time: stat.mtime }
    const vnode = new Vnode(this, this.#idOf(stat.key), init)
    vnode.nlink = stat.nlink
    vnode.atime = stat.atime
    vnode.ctime = stat.ctime
    this.#nodes.set(vnode, {
      key: stat.key,
      file: null,
      isFileWritable: false,
      storedBytes: sizeBytes,
      needsSync: false,
      requests: new Set<StoreRequest>(),
      hostMtime: stat.mtime,
      isNew: false,
    })
    this.#byKey.set(stat.key, vnode)
    if (kind === 'file') {
      vnode.object = newFileObject(this.#files, this.#pager, vnode)
      vnode.object.sizeBytes = sizeBytes
    }
    return vnode
  }
  /** The vnode of what was just made, owned by whoever made it. */
  #enter(dir: Vnode, name: string, init: VnodeInit): OrErr<Vnode> {
    const stat = this.#host.stat(this.#pathIn(dir, name))
    if (isErr(stat)) return stat
    const vnode = this.#newVnode(stat)
    vnode.uid = init.uid
    vnode.gid = init.gid
    vnode.atime = vnode.mtime = vnode.ctime = init.time
    vnode.parent = dir
    vnode.name = name
    return vnode
  }
  /** A file that nobody uses takes over what has changed on the host. */
  #refresh(vnode: Vnode, stat: HostStat): void {
    const node = this.#nodes.get(vnode)!
    if (vnode.holds > 0 || (vnode.object !== null && vnode.object.pages.nextTagged(0, TAG_DIRTY) >= 0)) return
    vnode.nlink = stat.nlink
    vnode.mode = (vnode.mode & ~0o777) | stat.permissions
    if (isSame(stat.mtime, node.hostMtime) && stat.sizeBytes === node.storedBytes) return
    node.hostMtime = vnode.mtime = stat.mtime
    vnode.ctime = stat.ctime
    node.storedBytes = stat.sizeBytes
    if (vnode.object === null) return
    this.#pager.finishNow(vnode.object)
    dropFilePages(this.#files, vnode.object, 0, Infinity, false)
    vnode.object.sizeBytes = stat.sizeBytes
  }
  /** What the host's file is now came from here: remember its time, so that it does not look changed. */
  #agree(vnode: Vnode): void {
    const node = this.#nodes.get(vnode)!
    const stat = node.file?.stat() ?? this.#host.stat(this.#path(vnode))
    if (!isErr(stat)) node.hostMtime = stat.mtime
  }
}

function isSame(a: Timestamp, b: Timestamp): boolean {
  return a.sec === b.sec && a.nsec === b.nsec
}

import { EINVAL, ENXIO, type OrErr } from '../../base/index.ts'
import { directoryIo } from './directoryIo.ts'
import type { Files } from './files.ts'
import { openFifo } from './pipe.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import { pageCacheIo } from './pageCacheIo.ts'
import { FileSystem, Vnode, type VnodeInit, type VnodeKind } from './vnode.ts'
import { newFileObject, releaseVnodeObject } from './vnodePager.ts'

interface Name {
  readonly name: string
  readonly id: number
  readonly kind: VnodeKind
}

/**
 * A file system in memory (tmpfs). The bytes of its files live in page-cache frames and nowhere else, so a hole costs
 * nothing, a read of a hole allocates nothing, and a fault on a hole allocates a zeroed page.
 */
export class RamFs extends FileSystem {
  readonly typeName: string
  readonly root: Vnode
  readonly #files: Files
  readonly #children = new Map<Vnode, Map<string, Vnode>>()
  readonly #targets = new Map<Vnode, string>()

  constructor(files: Files, typeName = 'tmpfs') {
    super()
    this.typeName = typeName
    this.#files = files
    this.device = files.newDeviceNumber()
    this.root = this.#newVnode({ kind: 'dir', permissions: 0o755, uid: 0, gid: 0, time: files.now() })
  }

  override lookup(dir: Vnode, name: string): Vnode | null {
    return this.#names(dir).get(name) ?? null
  }
  override list(dir: Vnode): readonly Name[] {
    return [...this.#names(dir)].map(([name, vnode]) => ({ name, id: vnode.id, kind: vnode.kind }))
  }
  override open(vnode: Vnode, file: OpenFile): OrErr<FileIo> {
    switch (vnode.kind) {
      case 'file':
        return pageCacheIo
      case 'dir':
        return directoryIo
      case 'chardev':
        return this.#files.devices.get(vnode.rdev) ?? ENXIO
      case 'pipe':
        return openFifo(file)
      case 'symlink':
        return EINVAL
    }
  }
  override create(dir: Vnode, name: string, init: VnodeInit): OrErr<Vnode> {
    if (this.isReadOnly) return super.create(dir, name, init)
    return this.#enter(dir, name, this.#newVnode(init))
  }
  override symlink(dir: Vnode, name: string, target: string, init: VnodeInit): OrErr<Vnode> {
    if (this.isReadOnly) return super.symlink(dir, name, target, init)
    const link = this.#enter(dir, name, this.#newVnode(init))
    this.#targets.set(link, target)
    return link
  }
  override link(dir: Vnode, name: string, vnode: Vnode): OrErr<0> {
    if (this.isReadOnly) return super.link(dir, name, vnode)
    this.#enter(dir, name, vnode)
    return 0
  }
  override unlink(dir: Vnode, name: string, vnode: Vnode): OrErr<0> {
    if (this.isReadOnly) return super.unlink(dir, name, vnode)
    this.#names(dir).delete(name)
    return 0
  }
  override rmdir(dir: Vnode, name: string, vnode: Vnode): OrErr<0> {
    return this.unlink(dir, name, vnode)
  }
  override rename(from: Vnode, oldName: string, vnode: Vnode, to: Vnode, newName: string, over: Vnode | null) {
    if (this.isReadOnly) return super.rename(from, oldName, vnode, to, newName, over)
    this.#names(from).delete(oldName)
    this.#names(to).set(newName, vnode)
    return 0
  }
  override exchange(dir: Vnode, name: string, vnode: Vnode, dir2: Vnode, name2: string, vnode2: Vnode) {
    if (this.isReadOnly) return super.exchange(dir, name, vnode, dir2, name2, vnode2)
    this.#names(dir).set(name, vnode2)
    this.#names(dir2).set(name2, vnode)
    return 0
  }
  override readlink(vnode: Vnode): OrErr<string> {
    return this.#targets.get(vnode) ?? EINVAL
  }
  override createNameless(init: VnodeInit): OrErr<Vnode> {
    if (this.isReadOnly) return super.createNameless(init)
    const vnode = this.#newVnode(init)
    vnode.nlink = 0
    return vnode
  }
  override sizeOf(vnode: Vnode): number {
    return this.#targets.get(vnode)?.length ?? 0
  }
  override evict(vnode: Vnode): void {
    this.#children.delete(vnode)
    this.#targets.delete(vnode)
    releaseVnodeObject(this.#files, vnode)
  }

  #names(dir: Vnode): Map<string, Vnode> {
    return this.#children.get(dir)!
  }
  #enter(dir: Vnode, name: string, vnode: Vnode): Vnode {
    this.#names(dir).set(name, vnode)
    vnode.parent = dir
    vnode.name = name
    return vnode
  }
  #newVnode(init: VnodeInit): Vnode {
    const vnode = new Vnode(this, this.nextId++, init)
    if (init.kind === 'dir') this.#children.set(vnode, new Map())
    if (init.kind === 'file') vnode.object = newFileObject(this.#files, this.#files.ramPager, vnode)
    return vnode
  }
}

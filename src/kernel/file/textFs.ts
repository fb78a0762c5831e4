import { EACCES, EFAULT, EINVAL, type Err, isErr, kassert, type OrErr, type Sleep } from '../../base/index.ts'
import { POLLIN, POLLOUT } from './constants.ts'
import { directoryIo } from './directoryIo.ts'
import type { Files } from './files.ts'
import { nameToBytes } from './names.ts'
import type { FileIo, OpenFile } from './openFile.ts'
import { SimpleIo } from './simpleIo.ts'
import type { Uio } from './uio.ts'
import { FileSystem, Vnode, type VnodeKind } from './vnode.ts'

/** A file whose text is made when reading begins. */
export interface TextNode {
  readonly kind: 'text'
  readonly permissions?: number
  /** Why the file is not opened although its permissions allow it; 0 otherwise. */
  mayOpen?(): 0 | Err
  /** The whole text now. */
  read(): OrErr<string | Uint8Array>
  /** Nobody may open it for reading, user 0 neither. */
  readonly isWriteOnly?: boolean
  /** Takes one write whole; without it and `act` the file cannot be written. */
  write?(bytes: Uint8Array): OrErr<0>
  /** The same where something is done that may sleep; instead of `write`. */
  act?(bytes: Uint8Array): Sleep<OrErr<0>>
}
/** A file that moves its own bytes (/proc/PID/mem, pagemap). */
export interface BytesNode {
  readonly kind: 'bytes'
  readonly permissions?: number
  open(file: OpenFile): OrErr<FileIo>
}
/** A link whose target is made when it is read. */
export interface LinkNode {
  readonly kind: 'link'
  target(): OrErr<string>
  /** Where the link leads if its text does not: the magic links of /proc/PID/fd. */
  follow?(): OrErr<Vnode>
}
/** A directory whose names are made when it is looked at. */
export interface DirNode {
  readonly kind: 'dir'
  readonly permissions?: number
  /** A node for a name, or null. The same name must give nodes of the same kind while it exists. */
  lookup(name: string): TextNode | BytesNode | LinkNode | DirNode | null
  names(): readonly string[]
  /** Whose it and all below it is; root's if nobody says. */
  readonly owner?: Owner
}
/** Who owns a directory now. */
export type Owner = () => { readonly uid: number; readonly gid: number }
const rootOwns: Owner = () => ({ uid: 0, gid: 0 })
export type GeneratedNode = TextNode | BytesNode | LinkNode | DirNode

/** A directory of fixed names. */
export function fixedDir(nodes: Readonly<Record<string, GeneratedNode>>): DirNode {
  return {
    kind: 'dir',
    lookup: (name) => (Object.hasOwn(nodes, name) ? nodes[name]! : null),
    names: () => Object.keys(nodes),
  }
}
/** A file of generated text. */
export function textFile(read: () => OrErr<string | Uint8Array>): TextNode {
  return { kind: 'text', read }
}

const KINDS: Readonly<Record<GeneratedNode['kind'], VnodeKind>> = {
  text: 'file',
  bytes: 'file',
  link: 'symlink',
  dir: 'dir',
}

/**
 * A file system whose files are functions: /proc and /sys.
 *
 * A vnode is made for a name when it is looked up, and again for every look-up: its number is that of the path, so it
 * looks the same each time.
 */
export class TextFs extends FileSystem {
  readonly typeName: string
  readonly root: Vnode
  readonly #files: Files
  readonly #nodes = new WeakMap<Vnode, GeneratedNode>()
  readonly #ids = new Map<string, number>()

  constructor(files: Files, typeName: string, top: DirNode) {
    super()
    this.typeName = typeName
    this.#files = files
    this.device = files.newDeviceNumber()
    this.root = this.#vnodeOf(top, '', rootOwns)
  }
  override lookup(dir: Vnode, name: string): OrErr<Vnode> | null {
    const node = this.#dir(dir).lookup(name)
    return node === null ? null : this.#vnodeOf(node, `${this.#paths.get(dir)!}/${name}`, this.#owners.get(dir)!)
  }
  override list(dir: Vnode): readonly { name: string; id: number; kind: VnodeKind }[] {
    const node = this.#dir(dir)
    return node.names().flatMap((name) => {
      const found = node.lookup(name)
      const path = `${this.#paths.get(dir)!}/${name}`
      return found === null ? [] : [{ name, id: this.#idOf(path), kind: KINDS[found.kind] }]
    })
  }
  override open(vnode: Vnode, file: OpenFile): OrErr<FileIo> {
    const node = this.#nodes.get(vnode)!
    if (node.kind === 'dir') return directoryIo
    if (node.kind === 'bytes') return node.open(file)
    if (node.kind === 'link') return EINVAL
    if (file.isWritable && node.write === undefined && node.act === undefined) return EACCES
    if (file.isReadable && node.isWriteOnly === true) return EACCES
    const refused = node.mayOpen?.() ?? 0
    return refused === 0 ? new TextIo(node) : refused
  }
  override readlink(vnode: Vnode): OrErr<string> {
    const node = this.#nodes.get(vnode)!
    return node.kind === 'link' ? node.target() : EINVAL
  }
  /** The vnode that a magic link leads to, or null for a link that is its text. */
  override followLink(vnode: Vnode): OrErr<Vnode> | null {
    const node = this.#nodes.get(vnode)!
    return node.kind === 'link' && node.follow !== undefined ? node.follow() : null
  }

  readonly #paths = new WeakMap<Vnode, string>()
  readonly #owners = new WeakMap<Vnode, Owner>()
  #dir(dir: Vnode): DirNode {
    const node = this.#nodes.get(dir)!
    kassert(node.kind === 'dir', 'names are looked up in directories')
    return node
  }
  #idOf(path: string): number {
    let id = this.#ids.get(path)
    if (id === undefined) this.#ids.set(path, (id = this.nextId++))
    return id
  }
  #vnodeOf(node: GeneratedNode, path: string, above: Owner): Vnode {
    const usual = node.kind === 'dir' ? 0o555 : node.kind === 'link' ? 0o777 : 0o444
    const permissions = (node.kind === 'link' ? undefined : node.permissions) ?? usual
    const time = this.#files.now()
    const owner = (node.kind === 'dir' ? node.owner : undefined) ?? above
    const { uid, gid } = owner()
    const vnode = new Vnode(this, this.#idOf(path), { kind: KINDS[node.kind], permissions, uid, gid, time })
    this.#owners.set(vnode, owner)
    this.#nodes.set(vnode, node)
    this.#paths.set(vnode, path)
    return vnode
  }
}

/** Text of an open file: made at position 0, then read to its end even if what it tells of changes. */
class TextIo extends SimpleIo {
  readonly isSeekable = true
  readonly #node: TextNode
  constructor(node: TextNode) {
    super()
    this.#node = node
  }
  override isAtEnd(_files: Files, file: OpenFile, position: number): boolean {
    return file.text !== null && position >= file.text.length
  }
  override moveTo(files: Files, file: OpenFile, uio: Uio, position: number): OrErr<number> {
    if (file.text === null || position === 0) {
      const text = this.#node.read()
      if (isErr(text)) return text
      file.text = typeof text === 'string' ? nameToBytes(text) : text
    }
    let moved = 0
    while (uio.resid > 0 && position + moved < file.text.length) {
      const from = position + moved
      const want = Math.min(uio.resid, file.text.length - from, files.bounceBytes.length)
      files.bounceBytes.set(file.text.subarray(from, from + want))
      const step = uio.moveTo(files.bounce, want)
      moved += step
      if (step < want) break
    }
    return moved
  }
  override moveFrom(files: Files, _file: OpenFile, uio: Uio): OrErr<number> {
    const { write } = this.#node
    if (write === undefined) return 0
    const want = Math.min(uio.resid, files.bounceBytes.length)
    const moved = uio.moveFrom(files.bounce, want)
    if (moved < want) {
      uio.unmove(moved)
      return 0
    }
    const taken = write(files.bounceBytes.slice(0, want))
    return isErr(taken) ? taken : want
  }
  override *write(files: Files, _file: OpenFile, uio: Uio): Sleep<OrErr<number>> {
    const want = Math.min(uio.resid, files.bounceBytes.length)
    for (let moved; (moved = uio.moveFrom(files.bounce, want)) < want;) {
      uio.unmove(moved)
      if (isErr(yield* uio.faultIn(false, moved))) return EFAULT
    }
    // Others use the bounce frame while this sleeps.
    const bytes = files.bounceBytes.slice(0, want)
    const { act, write } = this.#node
    const taken = act !== undefined ? yield* act(bytes) : write!(bytes)
    return isErr(taken) ? taken : want
  }
  override poll(): number {
    return POLLIN | POLLOUT
  }
}

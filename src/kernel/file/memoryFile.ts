// Files that are only memory: memfd_create, shared anonymous mappings, and the seals that protect what is shared.

import { EBUSY, EINVAL, EPERM, isErr, kassert, type OrErr, PAGE_SIZE } from '../../base/index.ts'
import type { MemoryObject } from '../object/index.ts'
import {
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  MFD_NOEXEC_SEAL,
  O_LARGEFILE,
  O_RDWR,
} from './constants.ts'
import type { Files } from './files.ts'
import { nameLength } from './names.ts'
import { openVnode } from './open.ts'
import type { OpenFile } from './openFile.ts'
import type { Vnode, VnodeInit } from './vnode.ts'

const MEMFD_NAME_MAX = 249
const ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC

/** Flags that memfd_create(2) takes, and that go together. */
export function areMemfdFlags(flags: number): boolean {
  if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)) !== 0) return false
  return (flags & (MFD_NOEXEC_SEAL | MFD_EXEC)) !== (MFD_NOEXEC_SEAL | MFD_EXEC)
}

/**
 * A new, empty memory file that has no name in any directory. MFD_CLOEXEC is the caller's.
 *
 * @errors  EINVAL unknown flags (huge pages among them) or a name above 249 bytes
 * @manual  memfd_create(2)
 */
export function createMemfd(files: Files, name: string, flags: number, init: Omit<VnodeInit, 'kind'>): OrErr<OpenFile> {
  if (!areMemfdFlags(flags) || nameLength(name) > MEMFD_NAME_MAX) return EINVAL
  const isNoExec = (flags & MFD_NOEXEC_SEAL) !== 0
  const permissions = isNoExec ? init.permissions & ~0o111 : init.permissions
  const vnode = namelessFile(files, { ...init, permissions, kind: 'file' }, `/memfd:${name}`)
  vnode.seals = isNoExec ? F_SEAL_EXEC : (flags & MFD_ALLOW_SEALING) !== 0 ? 0 : F_SEAL_SEAL
  return openVnode(files, vnode, O_RDWR | O_LARGEFILE)
}

/**
 * Memory for a shared anonymous mapping, zeros at first. The caller gets one reference, for the map entry: it is given
 * up with `object.pager.detach(object)`, and the last one frees the pages.
 *
 * @param sizeBytes   size of the object
 * @param isPromised  all of it counts as committed from now on, not page by page as they come
 */
export function createShmemObject(files: Files, sizeBytes: number, isPromised = false): MemoryObject {
  const init: VnodeInit = { kind: 'file', permissions: 0o777, uid: 0, gid: 0, time: files.now() }
  const vnode = namelessFile(files, init, '/dev/zero')
  const object = vnode.object!
  object.sizeBytes = sizeBytes
  if (isPromised) promiseWhole(object)
  object.pager.reference(object)
  return object
}
/** All of such memory counts as committed from now on. */
export function promiseWhole(object: MemoryObject): void {
  ;(object.backing as Vnode).promisedPages = object.sizeBytes / PAGE_SIZE
}

/** An open file of such memory, for what /proc shows of it. Takes its own reference. */
export function openShmemObject(files: Files, object: MemoryObject): OpenFile {
  const file = openVnode(files, object.backing as Vnode, O_RDWR)
  kassert(!isErr(file), 'shared anonymous memory can be opened')
  return file
}

function namelessFile(files: Files, init: VnodeInit, name: string): Vnode {
  const vnode = files.shm.createNameless(init)
  kassert(!isErr(vnode), 'memory files can be made')
  vnode.name = name
  return vnode
}

/**
 * Forbids a kind of change for ever.
 *
 * @errors  EINVAL not a memory file, or an unknown seal; EPERM sealed against it, or not open for writing; EBUSY a
 *          writable shared mapping exists (F_SEAL_WRITE)
 * @manual  fcntl(2), F_ADD_SEALS
 */
export function addSeals(file: OpenFile, seals: number): OrErr<0> {
  const { vnode } = file
  if (!file.isWritable) return EPERM
  if ((seals & ~ALL_SEALS) !== 0 || vnode.fs !== file.files.shm) return EINVAL
  if ((vnode.seals & F_SEAL_SEAL) !== 0) return EPERM
  if ((seals & F_SEAL_WRITE) !== 0 && (vnode.seals & F_SEAL_WRITE) === 0) {
    for (const mapping of vnode.object!.mappings) if (mapping.isSharedWritable) return EBUSY
  }
  vnode.seals |= seals
  return 0
}

/** The seals of a memory file; EINVAL for any other. */
export function getSeals(file: OpenFile): OrErr<number> {
  return file.vnode.fs === file.files.shm ? file.vnode.seals : EINVAL
}

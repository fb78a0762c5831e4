import { EPERM, EROFS, isErr, type OrErr } from '../../base/index.ts'
import { S_IFMT } from './constants.ts'
import type { Files } from './files.ts'
import type { AttributeChange, Credentials, Vnode } from './vnode.ts'

/**
 * Changes permissions, owner or times.
 *
 * @errors  EROFS; EPERM if `who` is neither root nor the owner, or gives the file to somebody else
 * @manual  chmod(2), chown(2), utimensat(2)
 */
export function changeAttributes(files: Files, who: Credentials, vnode: Vnode, change: AttributeChange): OrErr<0> {
  if (vnode.fs.isReadOnly) return EROFS
  if (who.uid !== 0) {
    if (who.uid !== vnode.uid) return EPERM
    if (change.uid !== undefined && change.uid !== vnode.uid) return EPERM
    const isMember = change.gid === undefined || change.gid === who.gid || who.groups.includes(change.gid)
    if (!isMember) return EPERM
  }
  if (change.permissions !== undefined) vnode.mode = (vnode.mode & S_IFMT) | (change.permissions & 0o7777)
  if (change.uid !== undefined) vnode.uid = change.uid
  if (change.gid !== undefined) vnode.gid = change.gid
  if (change.atime !== undefined) vnode.atime = change.atime
  if (change.mtime !== undefined) vnode.mtime = change.mtime
  vnode.ctime = files.now()
  const kept = vnode.fs.attributesChanged(vnode, change)
  return isErr(kept) ? kept : 0
}

import { EPERM, EROFS, isErr, type OrErr } from '../../base/index.ts'
import { MAY_WRITE, S_IFMT, S_ISGID, S_ISUID, S_IXGRP } from './constants.ts'
import { CAP_CHOWN, CAP_FSETID, capable, type Credentials, isInGroup } from './credentials.ts'
import type { Files } from './files.ts'
import { type AttributeChange, isOwner, type Vnode, vnodeAccess } from './vnode.ts'

/**
 * Changes permissions, owner or times.
 *
 * @errors  EROFS; EACCES if `who` may not write what is touched; EPERM if `who` is neither the owner nor has CAP_FOWNER, or
 *          gives the file away without CAP_CHOWN
 * @manual  chmod(2), chown(2), utimensat(2)
 */
export function changeAttributes(files: Files, who: Credentials, vnode: Vnode, change: AttributeChange): OrErr<0> {
  if (vnode.fs.isReadOnly) return EROFS
  const { permissions, uid, gid, atime, mtime, isTouch } = change
  const isMine = who.uid === vnode.uid
  const givesAway = uid !== undefined && (!isMine || uid !== vnode.uid)
  const regroups = gid !== undefined && (!isMine || (gid !== vnode.gid && !isInGroup(who, gid)))
  if ((givesAway || regroups) && !capable(who, CAP_CHOWN)) return EPERM
  const isAttribute = permissions !== undefined || atime !== undefined || mtime !== undefined
  if (isAttribute && !isOwner(vnode, who)) {
    if (isTouch !== true) return EPERM
    const refused = vnodeAccess(vnode, who, MAY_WRITE)
    if (refused !== 0) return refused
  }
  if (permissions !== undefined) {
    const keepsGroup = isInGroup(who, gid ?? vnode.gid) || capable(who, CAP_FSETID)
    vnode.mode = (vnode.mode & S_IFMT) | (permissions & (keepsGroup ? 0o7777 : 0o7777 & ~S_ISGID))
  }
  // Whoever owns it now has not said that it may run as them.
  if (vnode.kind === 'file' && (uid !== undefined || gid !== undefined))
    vnode.mode &= ~(S_ISUID | ((vnode.mode & S_IXGRP) !== 0 ? S_ISGID : 0))
  if (uid !== undefined) vnode.uid = uid
  if (gid !== undefined) vnode.gid = gid
  if (atime !== undefined) vnode.atime = atime
  if (mtime !== undefined) vnode.mtime = mtime
  vnode.ctime = files.now()
  const kept = vnode.fs.attributesChanged(vnode, change)
  return isErr(kept) ? kept : 0
}

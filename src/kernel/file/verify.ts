import { kassert, PAGE_SIZE } from '../../base/index.ts'
import { TAG_DIRTY } from '../pagecache/index.ts'
import { PG_dirty, PG_locked, PG_uptodate } from '../phys/index.ts'
import type { Files } from './files.ts'
import type { Vnode } from './vnode.ts'

/** Recomputes the door's invariants for one vnode whose inode lock is free; panics naming the first that fails. */
export function verifyVnode(files: Files, vnode: Vnode): void {
  const { object } = vnode
  kassert(!vnode.lock.isHeld, 'the vnode is at rest', vnode.name)
  kassert(object === null || vnode.nlink + vnode.holds > 0, 'a vnode without name and holder has no object', vnode.name)
  if (object === null) return
  const { frames } = files.phys
  kassert(object.backing === vnode && files.objects.byId.get(object.id) === object, 'a file and its object agree')
  kassert(object.refs >= 1 && object.refs - 1 <= vnode.holds, 'a reference to the object holds the vnode', vnode.name)
  for (let i = object.pages.next(0); i >= 0; i = object.pages.next(i + 1)) {
    const pfn = object.pageAt(i)
    if (pfn < 0) continue
    const f = frames.frameOf(pfn)
    const flags = frames.flags[f]!
    kassert(frames.owner[f] === object.id && frames.pgoff[f] === i, 'a frame names its file', `page ${i}`)
    const isDirty = (flags & PG_dirty) !== 0
    kassert(!isDirty || (flags & PG_uptodate) !== 0, 'a dirty page is up to date', `page ${i}`)
    const isTagged = object.pages.hasTag(i, TAG_DIRTY)
    kassert(!isDirty || isTagged || !object.device.accountsDirty, 'a dirty page is tagged', `page ${i}`)
    // A read under way, or one that failed, may have left a page there.
    const isInUse = (flags & (PG_uptodate | PG_locked)) === PG_uptodate
    kassert(!isInUse || i * PAGE_SIZE < object.sizeBytes, 'no page lies beyond the end', `page ${i}`)
  }
}

import type { Vnode } from './vnode.ts'

/** The directory above, across mount points; the root of all is its own parent. */
export function parentOf(dir: Vnode): Vnode {
  let at = dir
  while (at.parent === null) {
    const covered = at.fs.mountedOn
    if (covered === null) return at
    at = covered
  }
  return at.parent
}

/** What is seen at a directory: the root of what is mounted on it, and so on. */
export function crossMounts(vnode: Vnode): Vnode {
  let at = vnode
  while (at.mountedHere !== null) at = at.mountedHere.root
  return at
}

/**
 * The absolute path of a vnode under its last known name; " (deleted)" is added to what has no name any more.
 * Names that lead nowhere, such as "pipe:[4]" and "/memfd:x", stand for themselves.
 */
export function pathOf(vnode: Vnode): string {
  const parts: string[] = []
  let at = vnode
  for (;;) {
    if (at.parent === null) {
      const covered = at.fs.mountedOn
      if (covered === null) break
      at = covered
      continue
    }
    parts.push(at.name)
    at = at.parent
  }
  const isGone = vnode.nlink === 0 && vnode.kind !== 'pipe'
  if (parts.length === 0 && vnode !== vnode.fs.root) return isGone ? `${vnode.name} (deleted)` : vnode.name
  const path = `/${parts.reverse().join('/')}`
  return isGone ? `${path} (deleted)` : path
}

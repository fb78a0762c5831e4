// Another directory as the root of all files, such as an unpacked distribution.

import { ENOENT, isErr, type OrErr } from '../base/index.ts'
import {
  type FileSystem,
  lookupPath,
  makeDirectory,
  pathOf,
  RamFs,
  replaceRoot,
  ROOT,
  type Vnode,
} from '../kernel/file/index.ts'
import type { Kernel } from '../kernel/process/index.ts'

/** Where programs that are handed over as bytes lie: in the root of a new system, and in another, whose /bin is its own. */
export const PROGRAMS = '/bin'
export const PROGRAMS_IN_ROOT = '/run'

/**
 * Makes a file system the root of a system in which nothing has run yet: what boot has mounted moves into it, and /tmp is
 * memory. Directories for that are made if they are not there and can be.
 *
 * @returns  0; the path of a directory that is not there; EBUSY if two of them are one
 */
export function changeRoot({ files }: Kernel, fs: FileSystem): OrErr<0> | { readonly missing: string } {
  const context = { root: fs.root, cwd: fs.root, who: ROOT }
  const scratch = new RamFs(files)
  scratch.root.mode |= 0o1777
  const wanted: [FileSystem, string][] = [[scratch, '/tmp']]
  for (const mounted of files.mounts.slice(1)) {
    const path = pathOf(mounted.root)
    wanted.push([mounted, path === PROGRAMS ? PROGRAMS_IN_ROOT : path])
  }
  const places: [FileSystem, Vnode][] = []
  for (const [mounted, path] of wanted) {
    const found = lookupPath(context, path)
    const dir = found === ENOENT ? makeDirectory(files, context, path, 0o755) : found
    if (isErr(dir) || dir.kind !== 'dir') return { missing: path }
    places.push([mounted, dir])
  }
  return replaceRoot(files, fs, places)
}

import { EBUSY, EINVAL, ENOTDIR, kassert, type OrErr } from '../../base/index.ts'
import type { Files } from './files.ts'
import { pathOf } from './path.ts'
import { vnodeHold, vnodeRelease, type FileSystem, type Vnode } from './vnode.ts'

/**
 * Makes a file system visible at a directory; null makes it the root of all.
 *
 * @returns  0; ENOTDIR, EBUSY if it is mounted already
 * @manual   mount(2)
 */
export function mount(files: Files, fs: FileSystem, on: Vnode | null): OrErr<0> {
  if (files.mounts.includes(fs) || fs.mountedOn !== null) return EBUSY
  if (on === null) {
    if (files.mounts.length > 0) return EBUSY
  } else {
    if (on.kind !== 'dir') return ENOTDIR
    if (on.mountedHere !== null) return EBUSY
    on.mountedHere = fs
    fs.mountedOn = vnodeHold(on)
  }
  files.mounts.push(fs)
  return 0
}

/** Takes a file system away. EINVAL if it is not mounted; EBUSY if something is mounted on it, or it is the root. */
export function unmount(files: Files, fs: FileSystem): OrErr<0> {
  if (!files.mounts.includes(fs)) return EINVAL
  if (fs.mountedOn === null) return EBUSY
  for (const other of files.mounts) if (other !== fs && other.mountedOn?.fs === fs) return EBUSY
  const covered = fs.mountedOn
  covered.mountedHere = null
  fs.mountedOn = null
  files.mounts.splice(files.mounts.indexOf(fs), 1)
  vnodeRelease(covered)
  return 0
}

/**
 * Makes another file system the root of all, with mounted or new ones on directories of it. What else was mounted is
 * seen nowhere any more. Only while nobody has a file or a directory of the old tree.
 *
 * @param on  what is to be seen at which directories of `fs`
 * @returns   0; or, with nothing changed, ENOTDIR, EBUSY if `fs` is mounted or two places are the same
 */
export function replaceRoot(files: Files, fs: FileSystem, on: readonly (readonly [FileSystem, Vnode])[]): OrErr<0> {
  if (files.mounts.includes(fs)) return EBUSY
  if (new Set([fs.root, ...on.map(([, dir]) => dir)]).size <= on.length) return EBUSY
  if (on.some(([, dir]) => dir.kind !== 'dir')) return ENOTDIR
  // Nothing is mounted on the last mount.
  while (files.mounts.length > 1) kassert(unmount(files, files.mounts.at(-1)!) === 0, 'the last mount is not covered')
  files.mounts.length = 0
  mount(files, fs, null)
  for (const [mounted, dir] of on) kassert(mount(files, mounted, dir) === 0, 'the places in the new root are free')
  return 0
}

/** One line of /proc/mounts for each mount, in the order of mounting. */
export function mountLines(files: Files): string[] {
  return files.mounts.map((fs) => `${fs.typeName} ${placeOf(fs)} ${fs.typeName} ${waysOf(fs)} 0 0`)
}

/** One line of /proc/PID/mountinfo for each mount; a mount has the number of its device. */
export function mountInfoLines(files: Files): string[] {
  return files.mounts.map((fs) => {
    const above = fs.mountedOn?.fs.device ?? ABOVE_ROOT
    const type = `${fs.typeName} ${fs.typeName} ${fs.isReadOnly ? 'ro' : 'rw'}`
    return `${fs.device} ${above} 0:${fs.device} / ${placeOf(fs)} ${waysOf(fs)} - ${type}`
  })
}
/** What the root is said to be mounted on: a number that no mount has. */
const ABOVE_ROOT = 0

const waysOf = (fs: FileSystem): string => `${fs.isReadOnly ? 'ro' : 'rw'},relatime`
/** The path of a mount, with what would end a word in octal. */
function placeOf(fs: FileSystem): string {
  const path = fs.mountedOn === null ? '/' : pathOf(fs.root)
  return path.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

import { EBADF, EINVAL, isErr, PGOFF_MAX, type Err, type OrErr, type Sleep } from '../../base/index.ts'
import { invalidateMappingPages, lruAddDrainAll } from '../pagecache/index.ts'
import type { Files } from './files.ts'
import type { OpenFile } from './openFile.ts'

/**
 * Writes what is dirty of a file to its store and waits until it is durable there.
 *
 * A write error is reported once to every file that was open when it happened, whoever wrote.
 *
 * @returns  0; EBADF, EINVAL for what has no store (pipes, terminals), EIO, ENOSPC
 * @locks    sleeps
 * @manual   fsync(2)
 */
export function* fileSync(file: OpenFile): Sleep<OrErr<0>> {
  if (file.isPath) return EBADF
  const { vnode } = file
  if (vnode.kind === 'pipe' || vnode.kind === 'chardev') return EINVAL
  const synced = yield* vnode.fs.sync(vnode)
  const reported = takeWriteError(file)
  return reported !== 0 ? reported : isErr(synced) ? synced : 0
}

/** The vnode's write error, if this open file has not told of it yet. */
export function takeWriteError(file: OpenFile): Err | 0 {
  const { vnode } = file
  if (file.writeErrorsSeen === vnode.writeErrors) return 0
  file.writeErrorsSeen = vnode.writeErrors
  return vnode.writeError
}

/**
 * Frees page-cache pages that can be read again from their store, for whoever reclaims memory. Never sleeps.
 *
 * @param all  those too that are mapped, or were used lately; after the others
 * @returns  how many were freed
 */
export function shrinkFileCache(files: Files, pages: number, all = true): number {
  let freed = 0
  for (const fs of files.mounts) if (freed < pages) freed += fs.shrink(pages - freed, all)
  return freed
}

/**
 * Frees every page of files that is clean, not mapped and in nobody's hands, used lately or not. Writes nothing and never
 * sleeps.
 *
 * @returns  how many were freed
 * @manual   proc_sys_vm(5), drop_caches
 */
export function dropFileCache({ cache, mounts }: Files): number {
  let freed = 0
  lruAddDrainAll(cache)
  for (const fs of mounts)
    for (const object of fs.storedObjects()) freed += invalidateMappingPages(cache, object, 0, PGOFF_MAX)
  return freed
}

/** sync(2), and the end of the system: writes every mounted file system to its store. */
export function* syncAll(files: Files): Sleep<void> {
  for (const fs of files.mounts.slice()) yield* fs.syncAll()
}

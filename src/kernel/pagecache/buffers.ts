// Buffers: the blocks of a page, for file systems whose blocks are smaller than pages. They are the page's private
// data: PG_private, and one reference.

import { kassert, PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { getPage, PG_private } from '../phys/index.ts'
import { cancelDirtyPage } from './dirty.ts'
import { putCachePage } from './lru.ts'
import { AS_EIO } from './constants.ts'
import type { PageCache } from './pageCache.ts'

export interface PageBuffer {
  isUptodate: boolean
  isDirty: boolean
  isLocked: boolean
  /** Users besides the page. */
  refs: number
  hasWriteError: boolean
}
export interface PageBuffers {
  readonly blockBytes: number
  readonly blocks: readonly PageBuffer[]
}

/** Gives a locked page buffers of a size. */
export function attachBuffers(cache: PageCache, pfn: Pfn, blockBytes: number): PageBuffers {
  const f = cache.frames.frameOf(pfn)
  kassert(!cache.has(f, PG_private), 'a page gets private data once')
  const blocks = Array.from({ length: PAGE_SIZE / blockBytes }, () => ({
    isUptodate: false,
    isDirty: false,
    isLocked: false,
    refs: 0,
    hasWriteError: false,
  }))
  const buffers = { blockBytes, blocks }
  cache.buffers.set(f, buffers)
  attachPagePrivate(cache, pfn)
  return buffers
}
/** The page has private data of its file system from now on: PG_private and a reference. */
export function attachPagePrivate(cache: PageCache, pfn: Pfn): void {
  getPage(cache.phys, pfn)
  cache.frames.flags[cache.frames.frameOf(pfn)] |= PG_private
}
export function detachPagePrivate(cache: PageCache, pfn: Pfn): void {
  const f = cache.frames.frameOf(pfn)
  if (!cache.has(f, PG_private)) return
  cache.frames.flags[f] &= ~PG_private
  cache.buffers.delete(f)
  putCachePage(cache, pfn)
}

/**
 * Frees the buffers of a locked page if nobody uses them and none is dirty. Clean buffers on a dirty page mean that
 * the file system has written them: the page is clean then.
 */
export function tryToFreeBuffers(cache: PageCache, pfn: Pfn): boolean {
  const f = cache.frames.frameOf(pfn)
  const buffers = cache.buffers.get(f)
  if (buffers === undefined) return false
  const object = cache.objectOf(f)
  for (const block of buffers.blocks) {
    if (block.hasWriteError && object !== null) object.flags |= AS_EIO
    if (block.isDirty || block.isLocked || block.refs > 0) return false
  }
  detachPagePrivate(cache, pfn)
  if (object !== null) cancelDirtyPage(cache, pfn, PAGE_SIZE)
  return true
}

// The resident pages of a file: entering them, dirtying them, taking them away. Everything here is plain.
//
//   object.pages[i] = pfn + 1      frames.owner = object.id, frames.pgoff = i, PG_uptodate; one reference is the file's
//   tag TAG_DIRTY on i         <=> PG_dirty on the frame

import { kassert, PAGE_MASK, PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { unmapMappingRange, type MemoryObject } from '../object/index.ts'
import {
  NR_FILE_DIRTY,
  NR_FILE_PAGES,
  NR_SHMEM,
  PG_dirty,
  PG_referenced,
  PG_swapbacked,
  PG_uptodate,
  putPage,
} from '../phys/index.ts'
import type { Files } from './files.ts'

/** Tag of the page index: the page holds bytes that the store does not have. */
export const TAG_DIRTY = 0

/** What of a page's state its file gives it, and takes away again. */
const FILE_FLAGS = PG_uptodate | PG_dirty | PG_referenced | PG_swapbacked

/** Enters a frame whose bytes are right as the page at `pgoff`; takes over the caller's reference. */
export function addFilePage(files: Files, object: MemoryObject, pgoff: number, pfn: Pfn): void {
  const { frames } = files.phys
  const f = frames.frameOf(pfn)
  frames.owner[f] = object.id
  frames.pgoff[f] = pgoff
  frames.flags[f]! |= PG_uptodate
  files.phys.zoneOf(f).stat[NR_FILE_PAGES]!++
  const old = object.pages.set(pgoff, pfn + 1)
  kassert(old === 0, 'a file page is entered where there is none', `page ${pgoff}`)
}

/** The page's only home is memory: it counts as shared memory, and cannot be dropped and read again. */
export function markSwapBacked(files: Files, pfn: Pfn): void {
  const { frames } = files.phys
  const f = frames.frameOf(pfn)
  if ((frames.flags[f]! & PG_swapbacked) !== 0) return
  frames.flags[f]! |= PG_swapbacked
  files.phys.zoneOf(f).stat[NR_SHMEM]!++
}

/** The page holds bytes that the store does not have. */
export function markFilePageDirty(files: Files, object: MemoryObject, pgoff: number, pfn: Pfn): void {
  const { frames } = files.phys
  const f = frames.frameOf(pfn)
  if ((frames.flags[f]! & PG_dirty) !== 0) return
  frames.flags[f]! |= PG_dirty
  files.phys.zoneOf(f).stat[NR_FILE_DIRTY]!++
  object.pages.setTag(pgoff, TAG_DIRTY)
}

/** The store has, or is about to be given, what the page holds. Translations of the page are the caller's. */
export function markFilePageClean(files: Files, object: MemoryObject, pgoff: number): void {
  const pfn = object.pageAt(pgoff)
  const { frames } = files.phys
  const f = frames.frameOf(pfn)
  if ((frames.flags[f]! & PG_dirty) === 0) return
  frames.flags[f]! &= ~PG_dirty
  files.phys.zoneOf(f).stat[NR_FILE_DIRTY]!--
  object.pages.clearTag(pgoff, TAG_DIRTY)
}

/**
 * Takes pages `[lo, hi)` away, dirty or not. They are not mapped any more: the caller has seen to it.
 *
 * @returns  how many there were
 */
export function removeFilePages(files: Files, object: MemoryObject, lo: number, hi: number): number {
  let removed = 0
  for (let i = object.pages.next(lo); i >= 0 && i < hi; i = object.pages.next(i + 1)) {
    const pfn = object.pageAt(i)
    kassert(pfn >= 0, 'a file has pages and nothing else at its indexes', `page ${i}`)
    markFilePageClean(files, object, i)
    const { frames } = files.phys
    const f = frames.frameOf(pfn)
    frames.owner[f] = 0
    frames.pgoff[f] = 0
    const { stat } = files.phys.zoneOf(f)
    stat[NR_FILE_PAGES]!--
    if ((frames.flags[f]! & PG_swapbacked) !== 0) stat[NR_SHMEM]!--
    frames.flags[f]! &= ~FILE_FLAGS
    object.pages.delete(i)
    putPage(files.phys, pfn)
    removed++
  }
  return removed
}

/** Unmaps pages `[lo, hi)` everywhere and takes them away. Private copies stay unless `dropPrivateCopies`. */
export function dropFilePages(
  files: Files,
  object: MemoryObject,
  lo: number,
  hi: number,
  dropPrivateCopies: boolean,
): number {
  unmapMappingRange(object, lo, hi, dropPrivateCopies)
  return removeFilePages(files, object, lo, hi)
}

/** Zeroes bytes `[from, to)` of the file's page that holds `from`, as far as it is resident. Both are in one page. */
export function zeroInPage(files: Files, object: MemoryObject, from: number, to: number): void {
  const pgoff = Math.floor(from / PAGE_SIZE)
  const pfn = object.pageAt(pgoff)
  if (pfn < 0 || from >= to) return
  const start = files.machine.memory.frameOffset(pfn) + (from & PAGE_MASK)
  files.machine.memory.u8.fill(0, start, start + (to - from))
  object.pager.pageDirtied(object, pgoff, pfn as Pfn)
}

/**
 * Zeroes what the last page holds beyond the end of the file: a store through a mapping may have left bytes there, and
 * they must not become part of the file when it grows.
 */
export function zeroBeyondEnd(files: Files, object: MemoryObject): void {
  const inPage = object.sizeBytes & PAGE_MASK
  if (inPage !== 0) zeroInPage(files, object, object.sizeBytes, object.sizeBytes - inPage + PAGE_SIZE)
}

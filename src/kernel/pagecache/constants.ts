// Numbers of the page cache, with the manuals' spelling.

/** Tags of an object's index. TOWRITE is the snapshot that a sync works through. */
export const TAG_DIRTY = 0
export const TAG_WRITEBACK = 1
export const TAG_TOWRITE = 2

/** Pages handled in one batch. */
export const PVEC_SIZE = 14

// What pagecacheGetPage is asked to do.
export const FGP_ACCESSED = 0x01
export const FGP_LOCK = 0x02
export const FGP_CREAT = 0x04
export const FGP_WRITE = 0x08
export const FGP_NOFS = 0x10
export const FGP_NOWAIT = 0x20

// `FileObject.flags`.
/** An asynchronous write failed; whoever waits next is told, once. */
export const AS_EIO = 0x01
export const AS_ENOSPC = 0x02
export const AS_UNEVICTABLE = 0x04
/** The final truncation has begun: reclaim leaves no shadow any more. */
export const AS_EXITING = 0x08

// `FileObject.dirtyState`.
export const I_DIRTY_SYNC = 0x01
export const I_DIRTY_DATASYNC = 0x02
export const I_DIRTY_PAGES = 0x04

/** writePage left the page locked and wants it kept for later. Positive: not an error. */
export const AOP_WRITEPAGE_ACTIVATE = 0x80000
/** readPage found that the page had left the object; look it up again. Positive: not an error. */
export const AOP_TRUNCATED_PAGE = 0x80001

// An index slot holds pfn + 1, nothing (0), or an exceptional entry (negative): a shadow that reclaim left, or a swap
// place. Outside the index an entry is the pfn itself, an exceptional entry as stored, or null.
declare const exceptionalBrand: unique symbol
export type Exceptional = number & { readonly [exceptionalBrand]: 'exceptional' }

/** The exceptional entry that carries `value`, 0 … 2^52 - 1. */
export function exceptionalEntry(value: number): Exceptional {
  return (-1 - value) as Exceptional
}
export function isExceptional(entry: number): entry is Exceptional {
  return entry < 0
}
export function exceptionalValue(entry: Exceptional): number {
  return -1 - entry
}

/**
 * object: memory objects, the lower layer of a mapping. Pages by index, a pager that supplies them, and the list of
 * map entries that show them.
 *
 * Invariants:
 * - a positive value v in `object.pages` at index i is the page with pfn v - 1, and that frame's owner is the object, its page index i;
 * - every map entry that has the object is in `object.mappings` exactly once.
 *
 * Locks: the object lock is held for the length of one synchronous call; nothing here sleeps but `PagerOps.get` and `put`.
 */
export * from './memoryObject.ts'

/**
 * km: the kernel's own memory. One kernel map over a window of the kernel half; wired memory of frames without an owner,
 * pageable memory of the kernel object, bare addresses; and u-areas, kept in per-CPU lists.
 *
 *   Km ──► map (kernel_map) ──► entries: blank (WIRED, VAONLY) | kernel object (PAGEABLE)
 *     ├──► object               page i is at map.min + i pages
 *     └──► uareas               per-CPU lists and depot
 *
 * Invariants:
 * - the frames of wired memory have no owner, are on no paging queue, and are freed by uvmKmFree alone;
 * - no entry remembers the type of its memory: it is freed as the type it was allocated with;
 * - a cached u-area keeps its frames and mappings, and is in one list.
 *
 * Locks: the kernel map's lock. Manuals: uvm_km(9) and uvm_map(9), NetBSD.
 */
export * from './flags.ts'
export { Km, type KmOptions } from './km.ts'
export { UAREA_GROUP, UareaCache } from './uareaCache.ts'
export { uvmKmAlloc } from './uvmKmAlloc.ts'
export { uvmKmFree } from './uvmKmFree.ts'
export { uvmUareaAlloc, uvmUareaDrain, uvmUareaFree, uvmUareaSystemAlloc, uvmUareaSystemFree } from './uareas.ts'

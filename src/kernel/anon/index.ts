/**
 * anon: anonymous memory, the upper layer of a mapping. Anons hold one page each and are shared by count; amaps are
 * sparse tables of anons. Copy-on-write never builds chains: a private copy is an anon in an amap.
 *
 * Invariants:
 * - every occupied amap slot contributes one to its anon's count, and nothing else does;
 * - `amap.used` is the number of occupied slots, and a chunk exists exactly while it has one;
 * - a slot that no entry covers is empty;
 * - a resident anon owns its frame, and the frame names it.
 *
 * Locks: the amap lock guards an amap and the anons reachable through it. Nothing here sleeps but anonGet.
 * Manual: uvm(9), NetBSD.
 */
export * from './anon.ts'
export { anonGet, GOT_ZEROS, isAnonReady } from './anonGet.ts'
export * from './amap.ts'
export { AobjPager, UAO_FLAG_KERNOBJ, uaoCreate } from './aobj.ts'

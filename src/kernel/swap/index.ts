/**
 * swap: slots for pages over disks. Who owns a slot (an anon, a page of an anonymous object) remembers its number; what
 * is in it is read and written here.
 *
 * Invariants (Swap.verify):
 * - swpgonly <= swpginuse <= swpages, all in pages;
 * - a slot in use has its bit in its device's bitmap, and swpginuse is the number of bits;
 * - a slot that gave an error is never handed out again.
 *
 * Locks: none; only reading and writing sleep. Manual: uvm(9), NetBSD.
 */
export { Swap, SwapDevice, swapOn, SWSLOT_BAD } from './swap.ts'
export { type SwapRange, uvmSwapAlloc, uvmSwapFree, uvmSwapMarkBad } from './swapSlots.ts'
export { uvmSwapGet, uvmSwapGetStart, uvmSwapPut, uvmSwapPutStart } from './swapIo.ts'

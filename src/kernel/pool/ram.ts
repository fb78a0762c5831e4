// How this room touches simulated RAM: by direct-map address, never past a frame without asking where the next one is.

import { kassert, PAGE_MASK, PAGE_SIZE, pfn as toPfn, vaddr } from '../../base/index.ts'
import type { Pfn, Vaddr } from '../../base/index.ts'
import { MAX_ORDER } from '../phys/index.ts'
import type { Pools } from './pools.ts'

/** Direct-map address of a frame. */
export const frameAddress = (pools: Pools, frame: number): Vaddr => vaddr(pools.directMap + frame * PAGE_SIZE)
/** Frame that a direct-map address lies in. */
export const frameOfAddress = (pools: Pools, va: number): Pfn => toPfn(Math.floor((va - pools.directMap) / PAGE_SIZE))

/** Smallest order whose block holds `bytes`. */
export function orderOf(bytes: number): number {
  let order = 0
  while (PAGE_SIZE * 2 ** order < bytes) order++
  return order
}

/** The largest order the page allocator serves. */
export const MAX_BLOCK_ORDER = MAX_ORDER - 1
const GRANULE_FRAMES = 512

/** Can every byte of the block be touched? Running out of backing is running out of memory (DESIGN.md, decision 1). */
export function isBacked(pools: Pools, frame: number, order: number): boolean {
  const end = frame + 2 ** order
  for (let at = frame; at < end; at += GRANULE_FRAMES) if (pools.ram.frameOffset(at) < 0) return false
  return true
}

/** Offset in `ram.u8` of a direct-map address. Panics if it is not RAM. */
export function ramOffset(pools: Pools, va: number): number {
  const pa = va - pools.directMap
  const frame = Math.floor(pa / PAGE_SIZE)
  const base = pools.ram.frameOffset(frame)
  kassert(base >= 0, 'a pool touches only RAM')
  return base + (pa - frame * PAGE_SIZE)
}

/** Fills `bytes` bytes from `va` on, frame by frame. */
export function fillRam(pools: Pools, va: number, bytes: number, value: number): void {
  let at = va
  const end = va + bytes
  while (at < end) {
    const inFrame = Math.min(end - at, PAGE_SIZE - (at & PAGE_MASK))
    const offset = ramOffset(pools, at)
    pools.ram.u8.fill(value, offset, offset + inFrame)
    at += inFrame
  }
}

/** Index of the first of `bytes` bytes from `va` on that is not `value`, or -1. */
export function findOther(pools: Pools, va: number, bytes: number, value: number): number {
  for (let i = 0; i < bytes; i++) if (pools.ram.u8[ramOffset(pools, va + i)] !== value) return i
  return -1
}

/** Reads an unsigned little-endian word at any alignment, also across a frame boundary. */
export function readWord(pools: Pools, va: number): number {
  if ((va & PAGE_MASK) <= PAGE_SIZE - 4) return pools.view.getUint32(ramOffset(pools, va), true)
  let word = 0
  for (let i = 3; i >= 0; i--) word = word * 256 + pools.ram.u8[ramOffset(pools, va + i)]!
  return word
}

export function writeWord(pools: Pools, va: number, word: number): void {
  if ((va & PAGE_MASK) <= PAGE_SIZE - 4) {
    pools.view.setUint32(ramOffset(pools, va), word, true)
    return
  }
  for (let i = 0; i < 4; i++) pools.ram.u8[ramOffset(pools, va + i)] = (word >>> (8 * i)) & 0xff
}

export const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to
export const isPowerOfTwo = (n: number): boolean => n >= 1 && Number.isInteger(Math.log2(n))

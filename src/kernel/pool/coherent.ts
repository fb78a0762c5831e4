// Coherent DMA memory: what CPU and device both see without flushing. The simulated machine is coherent, so it is
// plain pages at their direct-map addresses; a machine with an IOMMU binds another CoherentMemory.

import { isErr, kassert, PAGE_SIZE, WouldSleep } from '../../base/index.ts'
import type { OrErr, Pfn, Sleep, Vaddr } from '../../base/index.ts'
import type { Device } from './device.ts'
import { __GFP_DMA, __GFP_DMA32, __GFP_ZERO } from '../phys/index.ts'
import { fillRam, frameAddress, frameOfAddress, isBacked, MAX_BLOCK_ORDER, orderOf } from './ram.ts'
import type { Pools } from './pools.ts'

/** Out value: the bus address the device uses. The caller's object, written on success. */
export interface DmaHandle {
  dma: number
}

export interface CoherentMemory {
  /** Page-aligned memory of at least `bytes`; null if there is none. WouldSleep only with __GFP_WAIT. */
  allocCoherentTry(device: Device, bytes: number, gfp: number, handle: DmaHandle): Vaddr | null | WouldSleep
  allocCoherent(device: Device, bytes: number, gfp: number, handle: DmaHandle): Sleep<Vaddr | null>
  /** Does not sleep. `bytes`, `va` and `dma` are those of the allocation. */
  freeCoherent(device: Device, bytes: number, va: Vaddr, dma: number): void
}

const BITS_32 = 2 ** 32 - 1

/** Coherent memory out of the page source, a block of 2^order pages each. */
export function directCoherent(pools: Pools): CoherentMemory {
  return {
    allocCoherentTry(device, bytes, gfp, handle) {
      const order = orderOf(bytes)
      if (order > MAX_BLOCK_ORDER) return null
      const block = pools.pages.allocPagesTry(zoneFlags(device, gfp), order)
      if (block === WouldSleep) return WouldSleep
      return give(pools, device, block, order, gfp, handle)
    },
    *allocCoherent(device, bytes, gfp, handle): Sleep<Vaddr | null> {
      const order = orderOf(bytes)
      if (order > MAX_BLOCK_ORDER) return null
      const block = yield* pools.pages.allocPages(zoneFlags(device, gfp), order)
      return give(pools, device, block, order, gfp, handle)
    },
    freeCoherent(device, bytes, va, dma) {
      const frame = frameOfAddress(pools, va)
      kassert(dma === frame * PAGE_SIZE + device.busOffset, 'coherent memory is freed with its own bus address')
      pools.pages.freePages(frame, orderOf(bytes))
    },
  }
}

/** The zone whose every frame the device can name. */
function zoneFlags(device: Device, gfp: number): number {
  const top = device.coherentMask - device.busOffset
  const plain = gfp & ~(__GFP_DMA | __GFP_DMA32 | __GFP_ZERO)
  if (top === Infinity) return plain
  if (top >= BITS_32) return plain | __GFP_DMA32
  return plain | __GFP_DMA
}

/** Turns a block into coherent memory, or gives it back if the device or the host cannot reach it. */
function give(
  pools: Pools,
  device: Device,
  block: OrErr<Pfn>,
  order: number,
  gfp: number,
  handle: DmaHandle,
): Vaddr | null {
  if (isErr(block)) return null
  const bytes = PAGE_SIZE * 2 ** order
  const dma = block * PAGE_SIZE + device.busOffset
  if (dma + bytes - 1 > device.coherentMask || !isBacked(pools, block, order)) {
    pools.pages.freePages(block, order)
    return null
  }
  const va = frameAddress(pools, block)
  if ((gfp & __GFP_ZERO) !== 0) fillRam(pools, va, bytes, 0)
  handle.dma = dma
  return va
}

import type { Sleep } from '../../base/index.ts'
import { assertLivePool, POISON_FREED } from './dmaPool.ts'
import type { DmaPool } from './dmaPool.ts'
import { assertMaySleep } from './context.ts'
import { fillRam } from './ram.ts'

/**
 * Destroys a DMA pool. The memory of a page with blocks in use is reported and never given back, since a device may
 * still write to it. Null does nothing.
 *
 * @locks   sleeps on the registration mutex
 * @manual  dma_pool_destroy(9), Linux
 */
export function* dmaPoolDestroy(pool: DmaPool | null): Sleep<void> {
  if (pool === null) return
  const { pools, device } = pool
  assertMaySleep(pools, 'dmaPoolDestroy')
  assertLivePool(pool)
  pool.isDestroyed = true
  yield* pools.registration.acquire()
  device.dmaPools.splice(device.dmaPools.indexOf(pool), 1)
  pools.dmaPools.delete(pool)
  if (device.dmaPools.length === 0) yield* pools.deviceFiles.remove(device, 'pools')
  pools.registration.release()

  for (const page of pool.pages.splice(0).toReversed()) {
    if (page.inUse !== 0) {
      pools.warn(`dma_pool_destroy ${pool.name}, ${addressText(page.va)} busy`)
      continue
    }
    if (pools.isDebugging) fillRam(pools, page.va, pool.allocation, POISON_FREED)
    pools.coherent.freeCoherent(device, pool.allocation, page.va, page.dma)
  }
  pool.pageOfBusPage.clear()
  pool.newestWithRoom = -1
}

/** A 64-bit address as the kernel prints pointers. */
export const addressText = (va: number): string => BigInt.asUintN(64, BigInt(va)).toString(16).padStart(16, '0')

import { isErr, PAGE_SIZE } from '../../base/index.ts'
import type { Sleep } from '../../base/index.ts'
import type { Device } from './device.ts'
import { DMA_POOL_BYTES, DmaPool, dmaPoolInfo, POOL_NAME_MAX } from './dmaPool.ts'
import { assertMaySleep } from './context.ts'
import { isPowerOfTwo, roundUp } from './ram.ts'
import type { Pools } from './pools.ts'

const BLOCK_MIN = 4

/**
 * Creates a pool of coherent memory blocks for a device. Takes no coherent memory yet. Several pools may have one name.
 *
 * @param name      shown in the device's file "pools"; cut to 31 characters
 * @param size      bytes of a block, > 0; rounded up to 4 and to `align`
 * @param align     a power of two; 0 means 1
 * @param boundary  a power of two that no block crosses, at least `size`; 0 means none
 * @returns         the pool; null if an argument is wrong or there is no memory
 * @locks           sleeps on the registration mutex
 * @manual          dma_pool_create(9), Linux
 */
export function* dmaPoolCreate(
  pools: Pools,
  name: string,
  device: Device,
  size: number,
  align: number,
  boundary: number,
): Sleep<DmaPool | null> {
  assertMaySleep(pools, 'dmaPoolCreate')
  const alignment = align === 0 ? 1 : align
  if (!isPowerOfTwo(alignment) || !Number.isSafeInteger(size) || size <= 0) return null
  const blockBytes = roundUp(Math.max(size, BLOCK_MIN), alignment)
  const allocation = Math.max(blockBytes, PAGE_SIZE)
  const stretch = boundary === 0 ? allocation : boundary
  if (boundary !== 0 && (boundary < blockBytes || !isPowerOfTwo(boundary))) return null
  if (!pools.reserve('dma_pool', DMA_POOL_BYTES)) return null

  const pool = new DmaPool(pools, name.slice(0, POOL_NAME_MAX), device, blockBytes, allocation, stretch)
  yield* pools.registration.acquire()
  const isFirst = device.dmaPools.length === 0
  device.dmaPools.unshift(pool)
  if (isFirst) {
    const created = yield* pools.deviceFiles.create(device, 'pools', () => dmaPoolInfo(device))
    if (isErr(created)) {
      device.dmaPools.splice(device.dmaPools.indexOf(pool), 1)
      pools.registration.release()
      return null
    }
  }
  pools.dmaPools.add(pool)
  pools.registration.release()
  return pool
}

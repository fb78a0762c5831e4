import type { Sleep } from '../../base/index.ts'
import { attachResource, removeResource } from './device.ts'
import type { Device } from './device.ts'
import { dmaPoolCreate } from './dmaPoolCreate.ts'
import { dmaPoolDestroy } from './dmaPoolDestroy.ts'
import type { DmaPool } from './dmaPool.ts'
import type { Pools } from './pools.ts'

const RESOURCE_NAME = 'dmam_pool'
const RESOURCE_BYTES = 40

/**
 * `dmaPoolCreate` for drivers that do not want to think of the end: the pool is destroyed when the driver detaches.
 *
 * @param boundary  the manual calls this argument `allocation`; it is the boundary
 * @returns         the pool; null if an argument is wrong or there is no memory
 * @locks           may sleep
 * @manual          dmam_pool_create(9), Linux
 */
export function* dmamPoolCreate(
  pools: Pools,
  name: string,
  device: Device,
  size: number,
  align: number,
  boundary: number,
): Sleep<DmaPool | null> {
  // The record first: with it in hand nothing after the creation can fail.
  if (!pools.reserve('device resource', RESOURCE_BYTES)) return null
  const pool = yield* dmaPoolCreate(pools, name, device, size, align, boundary)
  if (pool === null) return null
  attachResource(device, { name: RESOURCE_NAME, subject: pool, release: () => dmaPoolDestroy(pool) })
  return pool
}

/**
 * Destroys a managed pool before its driver detaches. A pool that is not managed, or no longer, gets a warning and is
 * left alone.
 *
 * @locks   may sleep
 * @manual  dmam_pool_destroy(9), Linux
 */
export function* dmamPoolDestroy(pool: DmaPool): Sleep<void> {
  const record = removeResource(pool.device, RESOURCE_NAME, pool)
  if (record === null) {
    pool.pools.warn(`dmam_pool_destroy ${pool.name}: not a managed pool of ${pool.device.name}`)
    return
  }
  yield* record.release()
}

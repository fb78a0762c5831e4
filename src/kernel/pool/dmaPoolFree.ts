import { PAGE_SIZE } from '../../base/index.ts'
import type { Vaddr } from '../../base/index.ts'
import { assertLivePool, POISON_FREED } from './dmaPool.ts'
import type { DmaPage, DmaPool } from './dmaPool.ts'
import { addressText } from './dmaPoolDestroy.ts'
import { fillRam, readWord, writeWord } from './ram.ts'

/**
 * Puts a block back. Which page it belongs to is told by `dma`, which block of it by `va`. The page stays in the pool.
 *
 * A `dma` outside every page is reported and nothing freed. When debugging, so are a `va` that does not fit, and a
 * block that is free already; without, a double free breaks the chain silently, as on real machines.
 *
 * @locks   does not sleep; any context
 * @manual  dma_pool_free(9), Linux
 */
export function dmaPoolFree(pool: DmaPool, va: Vaddr, dma: number): void {
  assertLivePool(pool)
  pool.lock.acquire()
  const index = pool.pageOfBusPage.get(Math.floor(dma / PAGE_SIZE))
  const page = index === undefined ? undefined : pool.pages[index]!
  if (page === undefined || dma >= page.dma + pool.allocation) {
    pool.lock.release()
    report(pool, va, `${dmaText(dma)} (bad dma)`)
    return
  }
  const offset = va - page.va
  if (pool.pools.isDebugging && !mayFree(pool, page, va, dma, offset)) {
    pool.lock.release()
    return
  }
  page.inUse--
  writeWord(pool.pools, va, page.offset)
  page.offset = offset
  if (index! > pool.newestWithRoom) pool.newestWithRoom = index!
  pool.lock.release()
}

/** The checks of debugging. Also poisons the block. */
function mayFree(pool: DmaPool, page: DmaPage, va: Vaddr, dma: number, offset: number): boolean {
  if (dma - page.dma !== offset) {
    report(pool, va, `${dmaText(dma)} (bad vaddr)`)
    return false
  }
  let steps = 0
  for (let free = page.offset; free < pool.allocation; free = readWord(pool.pools, page.va + free)) {
    if (free === offset) {
      report(pool, va, `${dmaText(dma)} already free`)
      return false
    }
    // A chain that somebody has closed to a ring would be walked for ever.
    if (++steps > pool.allocation / 4) break
  }
  fillRam(pool.pools, va, pool.size, POISON_FREED)
  return true
}

function report(pool: DmaPool, va: Vaddr, what: string): void {
  pool.pools.warn(`dma_pool_free ${pool.name}, ${addressText(va)}/${what}`)
}

const dmaText = (dma: number): string => dma.toString(16)

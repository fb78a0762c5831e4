import { PAGE_SIZE, vaddr, WouldSleep } from '../../base/index.ts'
import type { Sleep, Vaddr } from '../../base/index.ts'
import type { DmaHandle } from './coherent.ts'
import { assertLivePool, DMA_PAGE_BYTES, initialisePage, POISON_ALLOCATED, POISON_FREED } from './dmaPool.ts'
import type { DmaPage, DmaPool } from './dmaPool.ts'
import { addressText } from './dmaPoolDestroy.ts'
import { __GFP_WAIT } from '../phys/index.ts'
import { assertMaySleep } from './context.ts'
import { fillRam, findOther, ramOffset, readWord } from './ram.ts'

/**
 * Allocates a block: the block freed last, of the newest page that has one; else out of a new page. What it contains
 * is undefined.
 *
 * @param handle  receives the bus address
 * @returns       kernel address of the block; null if there is no memory, and then nothing has changed
 * @locks         sleeps if `gfp` has __GFP_WAIT
 * @manual        dma_pool_alloc(9), Linux
 */
export function* dmaPoolAlloc(pool: DmaPool, gfp: number, handle: DmaHandle): Sleep<Vaddr | null> {
  assertLivePool(pool)
  if ((gfp & __GFP_WAIT) !== 0) assertMaySleep(pool.pools, 'dmaPoolAlloc')
  const block = takeBlock(pool, handle)
  if (block !== null) return block
  if (!pool.pools.reserve('dma_page', DMA_PAGE_BYTES)) return null
  // Unlocked: whoever runs meanwhile may add a page too.
  const fresh: DmaHandle = { dma: 0 }
  const va = yield* pool.pools.coherent.allocCoherent(pool.device, pool.allocation, gfp, fresh)
  if (va === null) return null
  assertLivePool(pool)
  addPage(pool, va, fresh.dma)
  return takeBlock(pool, handle)
}

/** `dmaPoolAlloc` for callers that may not sleep here; WouldSleep only with __GFP_WAIT, and then nothing has changed. */
export function dmaPoolAllocTry(pool: DmaPool, gfp: number, handle: DmaHandle): Vaddr | null | WouldSleep {
  assertLivePool(pool)
  const block = takeBlock(pool, handle)
  if (block !== null) return block
  if (!pool.pools.reserve('dma_page', DMA_PAGE_BYTES)) return null
  const fresh: DmaHandle = { dma: 0 }
  const va = pool.pools.coherent.allocCoherentTry(pool.device, pool.allocation, gfp, fresh)
  if (va === null || va === WouldSleep) return va
  addPage(pool, va, fresh.dma)
  return takeBlock(pool, handle)
}

function addPage(pool: DmaPool, va: Vaddr, dma: number): void {
  const page: DmaPage = { va, dma, inUse: 0, offset: 0 }
  initialisePage(pool, page)
  pool.lock.acquire()
  const index = pool.pages.push(page) - 1
  for (let at = dma; at < dma + pool.allocation; at += PAGE_SIZE) {
    pool.pageOfBusPage.set(Math.floor(at / PAGE_SIZE), index)
  }
  pool.newestWithRoom = index
  pool.lock.release()
}

function takeBlock(pool: DmaPool, handle: DmaHandle): Vaddr | null {
  pool.lock.acquire()
  let i = pool.newestWithRoom
  while (i >= 0 && pool.pages[i]!.offset >= pool.allocation) i--
  pool.newestWithRoom = i
  if (i < 0) {
    pool.lock.release()
    return null
  }
  const page = pool.pages[i]!
  const offset = page.offset
  const block = vaddr(page.va + offset)
  page.inUse++
  page.offset = readWord(pool.pools, block)
  handle.dma = page.dma + offset
  if (pool.pools.isDebugging) checkPoison(pool, page, block)
  pool.lock.release()
  return block
}

/** A free block is all 0xa7 behind its chain word; otherwise somebody wrote to it. It is handed out all the same. */
function checkPoison(pool: DmaPool, page: DmaPage, block: Vaddr): void {
  const { pools, size } = pool
  if (findOther(pools, block + 4, size - 4, POISON_FREED) >= 0) {
    pools.warn(`dma_pool_alloc ${pool.name}, ${addressText(page.va)} (corrupted) ${hexDump(pool, block)}`)
  }
  fillRam(pools, block, size, POISON_ALLOCATED)
}

const DUMP_BYTES = 64

function hexDump(pool: DmaPool, block: Vaddr): string {
  const bytes: string[] = []
  for (let i = 0; i < Math.min(pool.size, DUMP_BYTES); i++) {
    bytes.push(pool.pools.ram.u8[ramOffset(pool.pools, block + i)]!.toString(16).padStart(2, '0'))
  }
  return bytes.join(' ')
}

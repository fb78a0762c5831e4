// A DMA pool: small blocks of coherent memory, cut out of pages that never leave the pool before its end.
//
//   page in simulated RAM, blocks of 1024 with 0 and 2048 free (allocation 4096):
//
//   0            1024          2048          3072          4096
//   [ 2048 | …  ][ in use     ][ 4096 | …  ][ never used  ]
//     ^ first free  (page.offset = 0)  ^ any value >= allocation ends the chain
//
// The first 4 bytes of each free block hold the offset of the next one, in the machine's memory, where a device or a
// driver that writes to freed memory breaks it.

import { kassert, RANK_MAILBOX, SpinLock } from '../../base/index.ts'
import type { Vaddr } from '../../base/index.ts'
import type { Device } from './device.ts'
import { fillRam, readWord, writeWord } from './ram.ts'
import type { Pools } from './pools.ts'

export interface DmaPage {
  readonly va: Vaddr
  readonly dma: number
  inUse: number
  /** First free block; `allocation` or more when there is none. */
  offset: number
}

export class DmaPool {
  readonly pools: Pools
  /** At most 31 characters. */
  readonly name: string
  readonly device: Device
  /** Bytes of a block. */
  readonly size: number
  /** Bytes of coherent memory taken at a time. */
  readonly allocation: number
  /** No block crosses a multiple of this. */
  readonly boundary: number
  /** Guards the pages and their chains. A leaf. */
  readonly lock = new SpinLock(RANK_MAILBOX, 'dma_pool')
  /** Oldest first; searched from the newest down. */
  readonly pages: DmaPage[] = []
  /** No page behind this index has a free block. */
  newestWithRoom = -1
  /** Index of the page that a bus page (dma / 4096) belongs to. */
  readonly pageOfBusPage = new Map<number, number>()
  isDestroyed = false
  constructor(pools: Pools, name: string, device: Device, size: number, allocation: number, boundary: number) {
    this.pools = pools
    this.name = name
    this.device = device
    this.size = size
    this.allocation = allocation
    this.boundary = boundary
  }
}

export const DMA_POOL_BYTES = 112
export const DMA_PAGE_BYTES = 40
export const POOL_NAME_MAX = 31
export const POISON_FREED = 0xa7
export const POISON_ALLOCATED = 0xa9

export function assertLivePool(pool: DmaPool): void {
  kassert(!pool.isDestroyed, 'a destroyed DMA pool is not used', pool.name)
}

/**
 * Writes the chain of a fresh page. A block that would end exactly on the boundary is skipped: the comparison is the
 * manual's "greater or equal".
 */
export function initialisePage(pool: DmaPool, page: DmaPage): void {
  const { pools, size, allocation } = pool
  const boundary = Math.min(pool.boundary, allocation)
  if (pools.isDebugging) fillRam(pools, page.va, allocation, POISON_FREED)
  let limit = boundary
  let offset = 0
  while (offset < allocation) {
    let next = offset + size
    if (next + size >= limit) {
      next = limit
      limit += boundary
    }
    writeWord(pools, page.va + offset, next)
    offset = next
  }
}

/** Blocks that a page of this pool really holds. */
export function blocksPerPage(pool: DmaPool): number {
  const boundary = Math.min(pool.boundary, pool.allocation)
  // Blocks between two boundaries: one at the start, then as many as end before the boundary.
  const perStretch = 1 + Math.max(0, Math.ceil(boundary / pool.size) - 2)
  // A boundary below the allocation is a power of two, and the allocation then is one page: it divides evenly.
  return (pool.allocation / boundary) * perStretch
}

/** Offsets of the free blocks of a page, in the order they will be handed out; null if the chain is broken. */
export function freeChain(pool: DmaPool, page: DmaPage): number[] | null {
  const chain: number[] = []
  const seen = new Set<number>()
  for (let offset = page.offset; offset < pool.allocation; offset = readWord(pool.pools, page.va + offset)) {
    if (seen.has(offset)) return null
    seen.add(offset)
    chain.push(offset)
  }
  return chain
}

/** Is this the offset of a block, by the rule of `initialisePage`? */
export function isBlockOffset(pool: DmaPool, offset: number): boolean {
  const boundary = Math.min(pool.boundary, pool.allocation)
  const inStretch = offset % boundary
  return inStretch % pool.size === 0 && (inStretch === 0 || inStretch + pool.size < boundary)
}

/** The text of the device's attribute file "pools". The third field is the plain quotient, not the real count. */
export function dmaPoolInfo(device: Device): string {
  let text = 'poolinfo - 0.1\n'
  for (const pool of device.dmaPools) {
    const inUse = pool.pages.reduce((sum, page) => sum + page.inUse, 0)
    const blocks = pool.pages.length * Math.floor(pool.allocation / pool.size)
    const numbers = [
      `${inUse}`.padStart(4),
      `${blocks}`.padStart(4),
      `${pool.size}`.padStart(4),
      `${pool.pages.length}`.padStart(2),
    ]
    text += `${pool.name.padEnd(16)} ${numbers.join(' ')}\n`
  }
  return text
}

/** Checks the invariants of one pool. */
export function verifyDmaPool(pool: DmaPool): void {
  kassert(!pool.lock.isHeld, 'the lock of a DMA pool is free between calls', pool.name)
  kassert(pool.device.dmaPools.includes(pool), 'a DMA pool is on the list of its device', pool.name)
  pool.pages.forEach((page, i) => {
    const chain = freeChain(pool, page)
    kassert(chain !== null, 'the free chain of a DMA page has no cycle', pool.name)
    for (const offset of chain)
      kassert(isBlockOffset(pool, offset), 'a free chain names blocks', `${pool.name}+${offset}`)
    kassert(
      chain.length + page.inUse === blocksPerPage(pool),
      'every block of a DMA page is free or in use',
      `${pool.name}: ${chain.length} + ${page.inUse}`,
    )
    kassert(chain.length === 0 || i <= pool.newestWithRoom, 'no page behind newestWithRoom has a free block', pool.name)
  })
}

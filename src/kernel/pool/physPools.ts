// This room over the phys room: pages from the zones, bytes from the machine's RAM.

import { panic } from '../../base/index.ts'
import type { Pfn } from '../../base/index.ts'
import {
  allocPages,
  allocPagesTry,
  freePages,
  NR_SLAB_RECLAIMABLE,
  NR_SLAB_UNRECLAIMABLE,
  PG_slab,
} from '../phys/index.ts'
import type { Phys } from '../phys/index.ts'
import { Pools } from './pools.ts'
import type { PoolsConfig } from './pools.ts'
import type { PageSource } from './sources.ts'

/** The zones as a source of pages. Slab pages carry PG_slab and are counted in their zone. */
export function physPages(phys: Phys): PageSource {
  return {
    allocPagesTry: (gfp, order) => allocPagesTry(phys, gfp, order),
    allocPages: (gfp, order) => allocPages(phys, gfp, order),
    freePages: (block, order) => freePages(phys, block, order),
    markSlab: (block, order, isSlab, isReclaimable) => markSlab(phys, block, order, isSlab, isReclaimable),
  }
}

function markSlab(phys: Phys, block: Pfn, order: number, isSlab: boolean, isReclaimable: boolean): void {
  const { flags } = phys.frames
  const first = phys.frames.frameOf(block)
  const frames = 2 ** order
  for (let f = first; f < first + frames; f++) {
    if (isSlab) flags[f]! |= PG_slab
    else flags[f]! &= ~PG_slab
  }
  const counter = isReclaimable ? NR_SLAB_RECLAIMABLE : NR_SLAB_UNRECLAIMABLE
  phys.zoneOf(first).stat[counter]! += isSlab ? frames : -frames
}

/**
 * The room's state for a booted machine: slab, mempools and DMA pools out of the pages of `phys`. Diagnostics go to its
 * log unless `config.warn` says otherwise.
 */
export function poolsOver(
  phys: Phys,
  config: Omit<PoolsConfig, 'ram' | 'pages' | 'clock' | 'directMap' | 'running' | 'trace'> = {},
): Pools {
  const { machine } = phys
  if (machine.memory === null) panic('pools need RAM to write to')
  return new Pools({
    warn: (line) => phys.log.warn(line),
    ...config,
    ram: machine.memory,
    pages: physPages(phys),
    clock: machine.clock,
    directMap: phys.directMapBase,
    running: machine.current,
    trace: machine.trace,
  })
}

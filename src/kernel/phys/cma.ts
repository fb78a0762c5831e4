// CMA areas: memory lent to movable pages until somebody needs it contiguous (physical specification, 1.17).

import { EBUSY, EINVAL, ENOSPC, errName, type Err, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import { allocContigRangeLocked, freeContigRange } from './contig.ts'
import { MAX_ORDER_NR_PAGES } from './configuration.ts'
import { freeBlock } from './free.ts'
import { MIGRATE_CMA } from './gfp.ts'
import { setPageblockMigratetype } from './pageblock.ts'
import { PG_reserved } from './pageFlags.ts'
import type { Phys } from './phys.ts'

const MAX_CMA_AREAS = 7

/** One area; bit i of the map stands for 2^orderPerBit pages. */
export class CmaArea {
  readonly name: string
  readonly basePfn: number
  readonly pages: number
  readonly orderPerBit: number
  readonly isUsed: Uint8Array
  isActive = false
  constructor(name: string, basePfn: number, pages: number, orderPerBit: number) {
    this.name = name
    this.basePfn = basePfn
    this.pages = pages
    this.orderPerBit = orderPerBit
    this.isUsed = new Uint8Array(pages / 2 ** orderPerBit)
  }
}

/**
 * Makes an area out of reserved memory. It serves after its activation (boot step 10).
 *
 * @param base, size  bytes; multiples of the larger of the largest block and the pageblock
 * @errors ENOSPC too many areas; EINVAL empty, not reserved or misaligned
 * @manual cma_init_reserved_mem, Linux
 */
export function cmaInitReservedMem(
  phys: Phys,
  base: number,
  size: number,
  orderPerBit: number,
  name = `cma${phys.cmaAreas.length}`,
): OrErr<CmaArea> {
  if (phys.cmaAreas.length >= MAX_CMA_AREAS) return ENOSPC
  if (size <= 0 || !phys.memblock.isRegionReserved(base, size)) return EINVAL
  const align = Math.max(MAX_ORDER_NR_PAGES, phys.pageblockPages) * 4096
  if (base % align !== 0 || size % align !== 0) return EINVAL
  if (size % (4096 * 2 ** orderPerBit) !== 0) return EINVAL
  const area = new CmaArea(name, base / 4096, size / 4096, orderPerBit)
  phys.cmaAreas.push(area)
  phys.totalcmaPages += area.pages
  return area
}

/** Hands an area's pages to the buddy allocator as CMA blocks. @errors EINVAL it spans two zones */
export function activateCmaArea(phys: Phys, area: CmaArea): 0 | Err {
  const { frames } = phys
  const slot = frames.zone[frames.frameOf(area.basePfn)]
  const end = area.basePfn + area.pages
  for (let pfn = area.basePfn; pfn < end; pfn++) if (frames.zone[frames.frameOf(pfn)] !== slot) return EINVAL
  const order = Math.min(phys.pageblockOrder, 10)
  for (let block = area.basePfn; block < end; block += phys.pageblockPages) {
    setPageblockMigratetype(phys, block, MIGRATE_CMA)
    for (let pfn = block; pfn < block + phys.pageblockPages; pfn += 2 ** order) {
      const f = frames.frameOf(pfn)
      for (let i = f; i < f + 2 ** order; i++) {
        frames.flags[i]! &= ~PG_reserved
        frames.refcount[i] = 0
      }
      freeBlock(phys, f, order, false)
    }
    phys.zoneOfPfn(block).managed += phys.pageblockPages
    phys.totalramPages += phys.pageblockPages
  }
  area.isActive = true
  return 0
}

/**
 * Allocates contiguous pages of an area; what is lent there is moved away.
 *
 * @param alignOrder  log2 of the alignment in pages
 * @returns           first pfn, null if there is no such range
 * @locks             sleeps
 * @manual cma_alloc, Linux
 */
export function* cmaAlloc(phys: Phys, area: CmaArea, count: number, alignOrder: number): Sleep<Pfn | null> {
  const trace = phys.machine.trace
  const { name, basePfn, orderPerBit } = area
  if (trace.on) trace.emit('cma_alloc_start', { name, count, align: alignOrder })
  const bits = Math.ceil(count / 2 ** orderPerBit)
  const align = 2 ** alignOrder
  let answer: Pfn | null = null
  let error = ''
  if (count > 0 && area.isActive) {
    for (let from = 0; ;) {
      const bit = findFree(area, from, bits, align)
      if (bit < 0) break
      const pfn = basePfn + bit * 2 ** orderPerBit
      area.isUsed.fill(1, bit, bit + bits)
      const result = yield* allocContigRangeLocked(phys, pfn, pfn + count, MIGRATE_CMA)
      if (result === 0) {
        answer = phys.frames.pfnAt(phys.frames.frameOf(pfn))
        break
      }
      area.isUsed.fill(0, bit, bit + bits)
      error = errName(result)
      if (result !== EBUSY) break
      if (trace.on) trace.emit('cma_alloc_busy_retry', { name, pfn, page: true, count, align: alignOrder })
      from = bit + Math.max(1, Math.ceil(align / 2 ** orderPerBit))
    }
  }
  if (trace.on) {
    const errorno = answer === null ? error : ''
    trace.emit('cma_alloc_finish', { name, pfn: answer ?? 0, page: answer !== null, count, align: alignOrder, errorno })
  }
  return answer
}

/** The first run of `bits` free bits at or behind `from` whose pfn is aligned; -1 if there is none. */
function findFree(area: CmaArea, from: number, bits: number, align: number): number {
  const step = 2 ** area.orderPerBit
  search: for (let bit = from; bit + bits <= area.isUsed.length; bit++) {
    if ((area.basePfn + bit * step) % align !== 0) continue
    for (let i = bit; i < bit + bits; i++) if (area.isUsed[i] !== 0) continue search
    return bit
  }
  return -1
}

/** Gives pages of an area back. @returns false: they do not belong to it @manual cma_release, Linux */
export function cmaRelease(phys: Phys, area: CmaArea, pfn: number, count: number): boolean {
  if (pfn < area.basePfn || pfn >= area.basePfn + area.pages) return false
  const trace = phys.machine.trace
  if (trace.on) trace.emit('cma_release', { name: area.name, pfn, page: true, count })
  freeContigRange(phys, pfn, count)
  const bit = Math.floor((pfn - area.basePfn) / 2 ** area.orderPerBit)
  area.isUsed.fill(0, bit, bit + Math.ceil(count / 2 ** area.orderPerBit))
  return true
}

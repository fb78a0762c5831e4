// Memory of an exact number of pages (physical specification, 2.1).

import { isErr, kassert, type Pfn, type Sleep, type Vaddr, vaddr } from '../../base/index.ts'
import { allocPagesNode } from './alloc.ts'
import { freePages, splitPage } from './free.ts'
import { __GFP_COMP, __GFP_HIGHMEM } from './gfp.ts'
import { pageAddress, pfnOfAddress } from './page.ts'
import type { Phys } from './phys.ts'

/**
 * Allocates ceil(bytes / 4096) contiguous pages, preferably on a node. Each page has a count of its own: they are
 * given back one by one, as freePagesExact does.
 *
 * @param nid    negative: the running CPU's node
 * @param bytes  0 fails, as in the manual
 * @returns      address in the direct map, or null
 * @locks        sleeps with __GFP_WAIT
 * @manual alloc_pages_exact_nid, Linux
 */
export function* allocPagesExactNid(phys: Phys, nid: number, bytes: number, gfp: number): Sleep<Vaddr | null> {
  kassert((gfp & (__GFP_COMP | __GFP_HIGHMEM)) === 0, 'exact pages are neither compound nor without an address')
  const order = orderOf(bytes)
  const page = yield* allocPagesNode(phys, nid, gfp, order)
  return isErr(page) ? null : trim(phys, page, order, bytes)
}

/** The same near the running CPU. @manual alloc_pages_exact, Linux */
export function* allocPagesExact(phys: Phys, bytes: number, gfp: number): Sleep<Vaddr | null> {
  return yield* allocPagesExactNid(phys, -1, bytes, gfp)
}

/** Gives exact pages back, ascending. @manual free_pages_exact, Linux */
export function freePagesExact(phys: Phys, address: Vaddr | number, bytes: number): void {
  const first = pfnOfAddress(phys, address)
  for (let pfn = first; pfn < first + Math.ceil(bytes / 4096); pfn++) freePages(phys, pfn, 0)
}

/** log2 of the pages of the smallest block that holds `bytes`. For 0 the manual's arithmetic wraps: 52. */
function orderOf(bytes: number): number {
  if (bytes === 0) return 52
  let order = 0
  while (2 ** order * 4096 < bytes) order++
  return order
}

function trim(phys: Phys, page: Pfn, order: number, bytes: number): Vaddr {
  splitPage(phys, page, order)
  for (let i = Math.ceil(bytes / 4096); i < 2 ** order; i++) freePages(phys, page + i, 0)
  return vaddr(pageAddress(phys, page))
}

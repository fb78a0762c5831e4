import type { Pfn } from '../../base/index.ts'
import type { Pmaps } from './pmaps.ts'

/**
 * Fills a page with zeros. No attribute changes; who wants the page dirty marks it.
 *
 * @manual pmap_zero_page, pmap(9), NetBSD
 */
export function pmapZeroPage(room: Pmaps, pfn: Pfn | number): void {
  room.memory.zeroFrame(pfn)
}

/**
 * Copies a whole page. No attribute changes.
 *
 * @manual pmap_copy_page, pmap(9), NetBSD
 */
export function pmapCopyPage(room: Pmaps, from: Pfn | number, to: Pfn | number): void {
  room.memory.copyFrame(to, from)
}

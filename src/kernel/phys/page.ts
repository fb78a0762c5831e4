// What is done to the bytes of a whole page.

import type { Pfn } from '../../base/index.ts'
import type { Phys } from './phys.ts'

/**
 * Fills a page with zeros. A machine without memory only counts frames: then nothing happens.
 *
 * @manual clear_page, Linux; pmap_zero_page(9), NetBSD
 */
export function zeroPage(phys: Phys, pfn: Pfn | number): void {
  phys.machine.memory?.zeroFrame(pfn)
}

/** Copies all bytes of one page to another. @manual copy_page, Linux; pmap_copy_page(9), NetBSD */
export function copyPage(phys: Phys, dst: Pfn | number, src: Pfn | number): void {
  phys.machine.memory?.copyFrame(dst, src)
}

/** Kernel address of a page in the direct map (page_address). */
export function pageAddress(phys: Phys, pfn: Pfn | number): number {
  return phys.directMapBase + pfn * 4096
}
/** The pfn behind a direct-map address (virt_to_page). */
export function pfnOfAddress(phys: Phys, address: number): number {
  return Math.floor((address - phys.directMapBase) / 4096)
}

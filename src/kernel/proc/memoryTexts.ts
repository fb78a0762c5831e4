// Texts of /proc about memory that is not frames: swap devices, and the kernel's own mappings.

import { PAGE_SIZE } from '../../base/index.ts'
import type { Kernel } from '../process/index.ts'

/** /proc/swaps: sizes in KiB; the page that a device's header takes is not counted. @manual proc_swaps(5) */
export function swapsText({ vm }: Kernel): string {
  const column = (kb: number) => `${kb}\t${kb < 10_000_000 ? '\t' : ''}`
  const rows = (vm.anons.swap?.byNumber ?? []).map(
    ({ disk, pages, inUse }, i) =>
      `${disk.name.padEnd(40)}partition\t${column(pages * 4)}${column(inUse * 4)}${-2 - i}\n`,
  )
  return `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${rows.join('')}`
}

/** /proc/vmallocinfo: the entries of the kernel map, each with the guard page behind it. @manual proc_vmallocinfo(5) */
export function vmallocinfoText({ vm }: Kernel): string {
  const hex = (va: number) => `0x${BigInt.asUintN(64, BigInt(va)).toString(16).padStart(16, '0')}`
  return [...(vm.kernelMap?.entries() ?? [])]
    .map(({ start, end, pageCount }) => {
      const bytes = String(end - start + PAGE_SIZE).padStart(7)
      return `${hex(start)}-${hex(end + PAGE_SIZE)} ${bytes} uvm_km_alloc+0x0/0x0 pages=${pageCount} vmalloc\n`
    })
    .join('')
}
/** VmallocUsed: pages of the kernel map's entries. */
export function vmallocPages({ vm }: Kernel): number {
  let pages = 0
  for (const { pageCount } of vm.kernelMap?.entries() ?? []) pages += pageCount
  return pages
}

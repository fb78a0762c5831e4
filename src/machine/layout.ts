// Where things live in the virtual address space, for each format (DESIGN.md, decision 7).
//
//   0   PAGE            userEnd       …hole…       (addresses < 0)                              -1
//   |null|   user window   |                        | quick | vmalloc | direct map | kernel map |top page|
//
// The order in the kernel half differs from format to format; the regions are disjoint in all of them, and the top
// page of the kernel half is never mapped, so no address is an errno.

import { GiB, MiB, PAGE_SIZE, panic } from '../base/index.ts'
import type { PteFormat } from './pte/format.ts'

/** Bytes [start, end) of virtual addresses. */
export interface VaRange {
  readonly start: number
  readonly end: number
}

export interface Layout {
  readonly name: string
  /** What user mappings may cover; page 0 is outside. */
  readonly user: VaRange
  /** Every frame of RAM at `directMap.start + pa`, where it fits. */
  readonly directMap: VaRange
  readonly vmalloc: VaRange
  /** uvm_km's arena. */
  readonly kernelMap: VaRange
  /** One page per CPU and slot for pmap_quick_enter_page. */
  readonly quickFrames: VaRange
}

const TiB = 1024 * GiB
/** Signed address of a kernel address written as the manuals do, by its distance below 2^64. */
const from = (start: number, size: number): VaRange => ({ start, end: start + size })

/** Linux's Sv39. */
export const LAYOUT_SV39: Layout = {
  name: 'sv39',
  user: { start: PAGE_SIZE, end: 2 ** 38 },
  quickFrames: from(-0x3b_0160_0000, 6 * MiB), //   0xffffffc4fea00000, Linux's fixmap
  vmalloc: from(-0x3a_0000_0000, 64 * GiB), //      0xffffffc600000000
  directMap: from(-0x2a_0000_0000, 128 * GiB), //   0xffffffd600000000
  kernelMap: from(-0x9_0000_0000, 32 * GiB), //     0xfffffff700000000
}

/** Linux's Sv48. */
export const LAYOUT_SV48: Layout = {
  name: 'sv48',
  user: { start: PAGE_SIZE, end: 2 ** 47 },
  quickFrames: from(-0x7280_0160_0000, 6 * MiB), // 0xffff8d7ffea00000
  vmalloc: from(-0x7080_0000_0000, 32 * TiB), //    0xffff8f8000000000
  directMap: from(-0x5080_0000_0000, 64 * TiB), //  0xffffaf8000000000
  kernelMap: from(-0x1080_0000_0000, 16 * TiB), //  0xffffef8000000000
}

/** Linux's x86-64 with four levels, and the addresses of the kernel-address specification. Fits Sv48 too. */
export const LAYOUT_X86_64: Layout = {
  name: 'x86_64',
  user: { start: PAGE_SIZE, end: 2 ** 47 - PAGE_SIZE },
  directMap: from(-0x7780_0000_0000, 64 * TiB), //  0xffff888000000000
  vmalloc: from(-0x3700_0000_0000, 32 * TiB), //    0xffffc90000000000
  kernelMap: from(-0x1400_0000_0000, 16 * TiB), //  0xffffec0000000000
  quickFrames: from(-0x100_0000, 6 * MiB), //       0xffffffffff000000
}

/** AArch64 with two halves of 47 bits (see pte/aarch64). */
export const LAYOUT_AARCH64: Layout = {
  name: 'aarch64',
  user: { start: PAGE_SIZE, end: 2 ** 47 },
  directMap: from(-0x8000_0000_0000, 64 * TiB), //  0xffff800000000000
  vmalloc: from(-0x4000_0000_0000, 32 * TiB), //    0xffffc00000000000
  kernelMap: from(-0x2000_0000_0000, 16 * TiB), //  0xffffe00000000000
  quickFrames: from(-0x100_0000, 6 * MiB), //       0xffffffffff000000
}

const LAYOUTS: readonly Layout[] = [LAYOUT_SV39, LAYOUT_SV48, LAYOUT_X86_64, LAYOUT_AARCH64]

/** The layout a format has unless the machine's configuration names another. */
export function layoutOf(format: PteFormat): Layout {
  return LAYOUTS.find((layout) => layout.name === format.name) ?? panic('a format has a layout', format.name)
}

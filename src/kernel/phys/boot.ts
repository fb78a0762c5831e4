// From the firmware map to the first allocation (physical specification, 1.1).

import { isErr, kassert, panic } from '../../base/index.ts'
import { activateCmaArea, cmaInitReservedMem } from './cma.ts'
import { CFG32, CFG64 } from './configuration.ts'
import { releaseBootPages } from './free.ts'
import { freeAreaInitNodes, setDmaReserve } from './freeAreaInit.ts'
import { GFP_ALL_BITS } from './gfp.ts'
import { forgetHotRequest } from './hotPage.ts'
import { MEMBLOCK_HOTPLUG, type Memblock } from './memblock.ts'
import { nodeMapPfnAlignment } from './nodeMap.ts'
import { setupZonePageset } from './pcp.ts'
import { Phys, type PhysMachine, type PhysOptions } from './phys.ts'
import { sparseMemoryPresentWithActiveRegions } from './sections.ts'
import { initPerZoneWmarkMin } from './watermark.ts'
import { buildAllZonelists } from './zonelists.ts'

/** Bytes [start, end) of RAM. */
export interface BootRange {
  readonly start: number
  readonly end: number
}
export interface BootMemory extends BootRange {
  /** Memory node, 0 unless told. */
  readonly node?: number
  readonly isHotplug?: boolean
}
export interface BootConfig extends Omit<PhysOptions, 'config'> {
  readonly config?: 'cfg64' | 'cfg32'
  readonly memory: readonly BootMemory[]
  /** Withheld from the allocator: kernel image, tables, … */
  readonly reserved?: readonly BootRange[]
  /** End pfn of each zone; 16 MiB, 4 GiB (896 MiB on cfg32) and the end of RAM unless told. */
  readonly maxZonePfn?: readonly number[]
  /** CMA areas; reserved here and lent out in the last step. */
  readonly cma?: readonly BootRange[]
  readonly dmaReserve?: number
}

/** Boots physical memory: afterwards every request flag works and all invariants of the door hold. */
export function bootPhys(machine: PhysMachine, config: BootConfig): Phys {
  const phys = describeMemory(machine, config)
  sparseMemoryPresentWithActiveRegions(phys, phys.config.maxNumNodes)
  setDmaReserve(phys, config.dmaReserve ?? 0)
  freeAreaInitNodes(phys, config.maxZonePfn ?? defaultMaxZonePfn(phys))
  buildAllZonelists(phys)
  freeAllBootmem(phys)
  for (const zone of phys.populatedZones) setupZonePageset(phys, zone)
  phys.gfpAllowedMask = GFP_ALL_BITS
  forgetHotRequest(phys)
  for (const area of phys.cmaAreas) activateCmaArea(phys, area)
  initPerZoneWmarkMin(phys)
  return phys
}

/** Steps 1 and 2: the firmware's ranges, what is reserved in them, and their nodes. */
export function describeMemory(machine: PhysMachine, config: BootConfig): Phys {
  const { memory, reserved = [], cma = [] } = config
  const nodes = [...(config.nodes ?? []), ...memory.map((range) => range.node ?? 0)]
  const phys = new Phys(machine, { ...config, config: config.config === 'cfg32' ? CFG32 : CFG64, nodes })
  const { memblock } = phys
  for (const range of memory) memblock.add(range.start, range.end - range.start)
  for (const range of [...reserved, ...cma]) memblock.reserve(range.start, range.end - range.start)
  memblock.canResize = true
  for (const range of memory) {
    memblock.setNode(range.start, range.end - range.start, memblock.memory, range.node ?? 0)
    if (range.isHotplug === true) memblock.markHotplug(range.start, range.end - range.start)
  }
  const alignment = nodeMapPfnAlignment(phys)
  if (alignment !== 0 && alignment < 2 ** phys.config.sectionShift)
    phys.log.print(
      `Node alignment ${alignment * 4096} bytes is finer than a section; nodes are kept in the descriptors`,
    )
  for (const range of cma) {
    const area = cmaInitReservedMem(phys, range.start, range.end - range.start, 0)
    if (isErr(area)) panic('CMA areas are aligned and few', `[${range.start}, ${range.end})`)
  }
  const ram = machine.memory
  if (ram !== null) phys.mayLackBacking = ram.backingBytes < ram.ramBytes
  return phys
}

function defaultMaxZonePfn(phys: Phys): number[] {
  const end = Math.floor(Number(phys.memblock.endOfDram) / 4096)
  const below = (pfn: number): number => Math.min(pfn, end)
  return phys.config.isSparse ? [below(4096), below(2 ** 20), end, 0] : [below(4096), below(229376), end, 0]
}

/** Step 7: every whole page that is RAM and not reserved goes to the buddy allocator, the lowest first. */
export function freeAllBootmem(phys: Phys): void {
  for (const zone of phys.zones) zone.managed = 0
  clearHotplug(phys.memblock)
  phys.memblock.isSlabUp = true
  for (const { base, end } of phys.memblock.freeRanges()) {
    const start = Number((base + 4095n) / 4096n)
    const stop = Number(end / 4096n)
    if (start < stop) releaseBootPages(phys, start, stop)
  }
  kassert(phys.totalramPages > 0, 'the machine has memory')
}

function clearHotplug(memblock: Memblock): void {
  for (const region of memblock.memory.regions.slice())
    if ((region.flags & MEMBLOCK_HOTPLUG) !== 0) memblock.clearHotplug(region.base, region.size)
}

// Page tables made by hand, for the tests of this room: no kernel is below them.

import { MiB } from '../base/index.ts'
import { Machine } from './machine.ts'
import type { PteFormat } from './pte/format.ts'

/** A machine whose CPU 0 runs on page tables made by hand in its first frames. */
export function handMade(format: PteFormat, entries = 16, cpus = 1) {
  const machine = new Machine({ ram: [{ start: 0, end: 16 * MiB }], cpus, tlb: { entries }, format, seed: 1 })
  const { memory } = machine
  // Two address spaces: roots in frames 1 and 2.
  let nextTable = 3
  const entryAt = (va: number, level: number, root = 1): number => {
    let table = root
    for (let l = format.levels - 1; l > level; l--) {
      const pa = table * 4096 + format.indexAt(va, l) * 8
      if (!format.isValid(memory.read32(pa), memory.read32(pa + 4))) {
        format.encodeTable(nextTable++)
        memory.write32(pa, format.lo)
        memory.write32(pa + 4, format.hi)
      }
      table = format.pfnOf(memory.read32(pa), memory.read32(pa + 4))
    }
    return table * 4096 + format.indexAt(va, level) * 8
  }
  const map = (va: number, pfn: number, flags: number, level = 0, root = 1): number => {
    const pa = entryAt(va, level, root)
    format.encodeLeaf(pfn, flags, level)
    memory.write32(pa, format.lo)
    memory.write32(pa + 4, format.hi)
    return pa
  }
  const cpu = machine.cpus[0]!
  cpu.mmu.setRoot(format, 1, 1)
  return { machine, memory, cpu, mmu: cpu.mmu, tlb: cpu.tlb, map, entryAt }
}

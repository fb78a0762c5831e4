// Page tables made by hand, for the tests of this room: no kernel is below them.

import { MiB } from '../base/index.ts'
import { Machine } from './machine.ts'
import type { PteFormat } from './pte/format.ts'

/** A machine whose CPU 0 runs on page tables made by hand in its first frames. */
export function handMade(format: PteFormat, entries = 16) {
  const machine = new Machine({ ram: [{ start: 0, end: 16 * MiB }], cpus: 1, tlb: { entries }, format, seed: 1 })
  const { memory } = machine
  let nextTable = 2
  const root = 1
  const entryAt = (va: number, level: number): number => {
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
  const map = (va: number, pfn: number, flags: number, level = 0): number => {
    const pa = entryAt(va, level)
    format.encodeLeaf(pfn, flags, level)
    memory.write32(pa, format.lo)
    memory.write32(pa + 4, format.hi)
    return pa
  }
  const cpu = machine.cpus[0]!
  cpu.mmu.setRoot(format, root, 1)
  return { machine, memory, cpu, mmu: cpu.mmu, tlb: cpu.tlb, map, entryAt }
}

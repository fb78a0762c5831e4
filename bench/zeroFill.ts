// A zero-fill fault: the first store to a page of private anonymous memory, from the access that faults to its
// completion, with all page tables in place. Beside it: zeroing the same frames.

import { PAGE_SIZE } from '../src/base/index.ts'
import { type Findings, inTurns, timed } from './measure.ts'
import { BASE, World } from './world.ts'

const PAGES = 10_000

export function measure(): Findings {
  const world = new World()
  const space = world.newSpace()
  world.use(space)
  const { u8 } = world.machine.memory
  const frames = new Float64Array(PAGES)
  const fault = () => {
    world.map(space, BASE - PAGE_SIZE, PAGES + 1)
    world.warmTables(space, BASE, PAGES)
    const { stats } = world.vm
    const before = stats.flt_przero
    const ns = timed(() => world.storePages(space, BASE, PAGES), 1)
    const faults = stats.flt_przero - before
    for (let i = 0; i < PAGES; i++) frames[i] = world.frameAt(BASE + i * PAGE_SIZE)
    world.unmap(space, BASE - PAGE_SIZE, PAGES + 1)
    return ns / faults
  }
  const zero = () =>
    timed(() => {
      for (let i = 0; i < PAGES; i++) u8.fill(0, frames[i]!, frames[i]! + PAGE_SIZE)
    }, PAGES)
  return { rows: [{ what: 'zero-fill fault', yardstick: 'zeroing a page', wanted: 5, ...inTurns(fault, zero) }] }
}

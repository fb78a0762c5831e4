// A copy-on-write fault: the first store of a parent to a page that it shares with its child since fork. Beside it:
// copying the same frames.

import { PAGE_SIZE } from '../src/base/index.ts'
import { type Findings, inTurns, timed } from './measure.ts'
import { BASE, World } from './world.ts'

const PAGES = 4_000

export function measure(): Findings {
  const world = new World()
  const space = world.newSpace()
  world.use(space)
  const { u8 } = world.machine.memory
  world.map(space, BASE, PAGES + 1)
  world.storePages(space, BASE, PAGES + 1)
  const from = new Float64Array(PAGES)
  const to = new Float64Array(PAGES)
  const fault = () => {
    const child = world.fork(space)
    const { stats } = world.vm
    const before = stats.flt_acow
    for (let i = 0; i < PAGES; i++) from[i] = world.frameAt(BASE + i * PAGE_SIZE)
    // The first store after fork also copies the parent's amap: once, not for each page.
    world.store(space, BASE + PAGES * PAGE_SIZE, 1)
    const ns = timed(() => world.storePages(space, BASE, PAGES), PAGES)
    if (stats.flt_acow - before !== PAGES + 1) throw new Error('each store copies one page')
    for (let i = 0; i < PAGES; i++) to[i] = world.frameAt(BASE + i * PAGE_SIZE)
    world.free(child)
    return ns
  }
  // Copied back to front, so that what the faults have left in the caches is no help.
  const copy = () =>
    timed(() => {
      for (let i = PAGES - 1; i >= 0; i--) u8.copyWithin(to[i]!, from[i]!, from[i]! + PAGE_SIZE)
    }, PAGES)
  return { rows: [{ what: 'copy-on-write fault', yardstick: 'copying a page', ...inTurns(fault, copy) }] }
}

// fork of an address space with N resident private pages, and the end of the child. Grows with N.

import { hostTimes } from './host.ts'
import { type Findings, median, timed } from './measure.ts'
import type { VmSpace } from '../src/kernel/map/index.ts'
import { BASE, World } from './world.ts'

const SIZES = [100, 1_000, 10_000, 50_000]

export function measure(): Findings {
  const host = hostTimes()
  const forks = []
  const ends = []
  for (const pages of SIZES) {
    const world = new World('320M')
    const space = world.newSpace()
    world.use(space)
    world.map(space, BASE, pages)
    world.storePages(space, BASE, pages)
    const forked: number[] = []
    const ended: number[] = []
    const times = Math.max(1, Math.floor(2_000 / pages))
    const samples = pages > 10_000 ? 9 : 21
    for (let i = -samples; i < samples; i++) {
      const children: VmSpace[] = []
      const start = timed(() => {
        for (let k = 0; k < times; k++) children.push(world.fork(space))
      }, times)
      const end = timed(() => {
        for (const child of children) world.free(child)
      }, times)
      if (i < 0) continue
      forked.push(start)
      ended.push(end)
    }
    forks.push({ size: pages, ns: median(forked), hostNs: host.ns(`fork ${pages}`) })
    ends.push({ size: pages, ns: median(ended) })
  }
  const thousand = forks[1]!.ns
  return {
    rows: [{ what: 'fork, 1000 resident pages', ns: thousand, ...host.beside('fork 1000', thousand) }],
    growths: [
      { what: 'fork', unit: 'resident pages', points: forks },
      { what: 'end of the child', unit: 'resident pages', points: ends },
    ],
  }
}

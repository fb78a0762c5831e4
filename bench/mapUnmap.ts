// mmap and munmap of one page, alone and with a store in between.

import { PAGE_SIZE } from '../src/base/index.ts'
import { type Findings, median, timed } from './measure.ts'
import { hostTimes } from './host.ts'
import { BASE, World } from './world.ts'

const TIMES = 5_000
const SAMPLES = 31

export function measure(): Findings {
  const world = new World('64M')
  const space = world.newSpace()
  world.use(space)
  // Neighbours that cannot merge, so that the map is not empty, and page tables that stay.
  for (let i = 1; i <= 50; i++) world.map(space, BASE - 4 * i * PAGE_SIZE, 1)
  world.storePages(space, BASE - 4 * PAGE_SIZE, 1)
  const plain = () => {
    world.map(space, BASE, 1)
    world.unmap(space, BASE, 1)
  }
  const touched = () => {
    world.map(space, BASE, 1)
    world.store(space, BASE, 1)
    world.unmap(space, BASE, 1)
  }
  const host = hostTimes()
  const row = (what: string, work: () => void, hostName: string) => {
    const samples = Array.from({ length: SAMPLES + 8 }, () =>
      timed(() => {
        for (let i = 0; i < TIMES; i++) work()
      }, TIMES),
    ).slice(8)
    return { what, ns: median(samples), ...host.beside(hostName, median(samples)) }
  }
  return {
    rows: [
      row('map and unmap one page', plain, 'map and unmap'),
      row('map, store, unmap one page', touched, 'map, store, unmap'),
    ],
  }
}

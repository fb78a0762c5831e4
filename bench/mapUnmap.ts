// mmap and munmap of one page, alone and with a store in between, and of four pages that are all touched.

import { PAGE_SIZE } from '../src/base/index.ts'
import { type Findings, inTurns, median, timed } from './measure.ts'
import { hostTimes } from './host.ts'
import { BASE, World } from './world.ts'

const TIMES = 5_000
const SAMPLES = 31
/** In the middle of what one page table maps: the neighbours share it. */
const HOME = BASE + 256 * PAGE_SIZE
const ZEROED = 10_000
const ZEROED_AT = 2 * BASE

export function measure(): Findings {
  const world = new World('64M')
  const space = world.newSpace()
  world.use(space)
  // Neighbours that cannot merge, so that the map is not empty, and page tables that stay.
  for (let i = 1; i <= 50; i++) world.map(space, HOME - 4 * i * PAGE_SIZE, 1)
  world.storePages(space, HOME - 4 * PAGE_SIZE, 1)
  const plain = () => {
    world.map(space, HOME, 1)
    world.unmap(space, HOME, 1)
  }
  const touched = () => {
    world.map(space, HOME, 1)
    world.store(space, HOME, 1)
    world.unmap(space, HOME, 1)
  }
  const four = () => {
    world.map(space, HOME, 4)
    world.storePages(space, HOME, 4)
    world.unmap(space, HOME, 4)
  }
  // The yardstick of `zeroFill`: frames in turn, more than the caches hold.
  const { u8 } = world.machine.memory
  world.map(space, ZEROED_AT, ZEROED)
  world.storePages(space, ZEROED_AT, ZEROED)
  const frames = Float64Array.from({ length: ZEROED }, (_, i) => world.frameAt(ZEROED_AT + i * PAGE_SIZE))
  const zero = () =>
    timed(() => {
      for (const at of frames) u8.fill(0, at, at + PAGE_SIZE)
    }, ZEROED)
  const times = (work: () => void) => () =>
    timed(() => {
      for (let i = 0; i < TIMES; i++) work()
    }, TIMES)
  const host = hostTimes()
  const row = (what: string, work: () => void, hostName: string) => {
    const samples = Array.from({ length: SAMPLES + 8 }, times(work)).slice(8)
    return { what, ns: median(samples), ...host.beside(hostName, median(samples)) }
  }
  return {
    rows: [
      row('map and unmap one page', plain, 'map and unmap'),
      row('map, store, unmap one page', touched, 'map, store, unmap'),
      {
        what: 'map, touch four pages, unmap',
        yardstick: 'zeroing a page',
        wanted: 12,
        ...inTurns(times(four), zero, SAMPLES),
      },
      row('map, touch four pages, unmap', four, 'map, touch four, unmap'),
    ],
  }
}

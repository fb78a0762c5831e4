// What address space costs: bytes of map entries, anons and amaps; reserving much; fork of a large mapping with little in it.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isErr, PAGE_SIZE } from '../src/base/index.ts'
import { linux, uvmspaceAlloc, type VmSpace } from '../src/kernel/map/index.ts'
import { freeCount } from '../src/kernel/phys/index.ts'
import { type Findings, inTurns, median, type Size, timed } from './measure.ts'
import { BASE, World } from './world.ts'

const ENTRIES = 100_000
const TIB = 2 ** 40
const USER_END = 2 ** 47
const PAGE_COUNTS = [20_000, 40_000, 60_000, 80_000, 100_000]

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use by the program itself: its heap and its typed arrays, without garbage. */
function bytesInUse(): number {
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

export function measure(): Findings {
  const reserving = reserveTimes()
  return {
    rows: [reserving.row],
    sizes: [entryBytes(), ...pageBytes(), ...reserving.sizes],
    growths: [forks()],
  }
}

function largeSpace(world: World): VmSpace {
  const space = uvmspaceAlloc(world.vm, linux, PAGE_SIZE, USER_END)
  if (isErr(space)) throw new Error('no memory for the benchmark')
  space.maxMapCount = Infinity
  return space
}

function entryBytes(): Size {
  const world = new World('64M')
  const space = largeSpace(world)
  world.map(space, BASE / 2, 1)
  const before = bytesInUse()
  for (let i = 0; i < ENTRIES; i++) world.map(space, BASE + i * 2 * PAGE_SIZE, 1)
  const bytes = (bytesInUse() - before) / ENTRIES
  if (space.map.entryCount <= ENTRIES) throw new Error('the entries have been joined')
  return { what: 'map entry', bytes, wanted: 400 }
}

/** Anonymous memory, all resident: the largest share of a page over some sizes, for arrays grow in steps. */
function pageBytes(): Size[] {
  let most = 0
  let mapping = 0
  for (const pages of PAGE_COUNTS) {
    const world = new World('480M')
    const { anons, chunks, pmaps } = world.vm
    const space = largeSpace(world)
    world.use(space)
    world.map(space, BASE, pages)
    world.storePages(space, BASE, pages)
    const { amap } = space.map.lookup(BASE)!
    const arrays = anons.ref.byteLength + anons.page.byteLength + anons.slot.byteLength
    const slots = chunks.slots.byteLength + chunks.used.byteLength
    // The amap's index is a part of the heap; take it away to see what it weighs.
    const full = bytesInUse()
    const saved = amap!.keysBetween(-Infinity, Infinity).map((key) => [key, amap!.chunkAt(key)] as const)
    const withCopy = bytesInUse()
    const copyOnly = withCopy - full
    for (const [key] of saved) amap!.dropChunk(key)
    const index = withCopy - bytesInUse()
    for (const [key, chunk] of saved) amap!.setChunk(key, chunk)
    if (copyOnly <= 0 || index <= 0) throw new Error('the collector did not collect')
    most = Math.max(most, (arrays + slots + index) / pages)
    const { next, key, vpnLow } = pmaps.reverse
    const reverse = next.byteLength + key.byteLength + vpnLow.byteLength
    mapping = Math.max(mapping, (reverse + space.pmap.tablePages * PAGE_SIZE) / pages)
    world.use(null)
    world.free(space)
  }
  const note = `the most of ${PAGE_COUNTS.length} sizes from ${PAGE_COUNTS[0]} to ${PAGE_COUNTS.at(-1)} pages`
  return [
    { what: 'resident anonymous page: anon and amap', bytes: most, wanted: 24, note },
    { what: 'the same page: reverse map and page tables', bytes: mapping },
  ]
}

function reserveTimes(): { row: Findings['rows'][number]; sizes: Size[] } {
  const world = new World('64M')
  const space = largeSpace(world)
  const times = 200
  const reserve = (pages: number): number =>
    timed(() => {
      for (let i = 0; i < times; i++) {
        world.reserve(space, USER_END / 4, pages)
        world.unmap(space, USER_END / 4, pages)
      }
    }, times)
  const { ns, yardstickNs, ratio } = inTurns(
    () => reserve((64 * TIB) / PAGE_SIZE),
    () => reserve(1),
  )
  const bytesOf = (pages: number): number => {
    const before = bytesInUse()
    const free = freeCount(world.vm.phys)
    const spaces = Array.from({ length: 1000 }, () => largeSpace(world))
    for (const s of spaces) world.reserve(s, USER_END / 4, pages)
    const used = (free - freeCount(world.vm.phys)) * PAGE_SIZE
    const bytes = (bytesInUse() - before + used) / spaces.length
    for (const s of spaces) world.free(s)
    return bytes
  }
  const small = bytesOf(1)
  return {
    row: { what: '64 TiB reserved and given back', ns, yardstick: 'the same, 4 KiB', yardstickNs, ratio, wanted: 2 },
    sizes: [
      {
        what: 'address space that reserves 64 TiB, beside one of 4 KiB',
        bytes: bytesOf((64 * TIB) / PAGE_SIZE) - small,
      },
    ],
  }
}

/** Fork costs what is there, whatever the size of the mapping. */
function forks(): NonNullable<Findings['growths']>[number] {
  const touched = 256
  const points = [1_000, 100_000, 10_000_000, 1_000_000_000].map((pages) => {
    const world = new World('128M')
    const space = largeSpace(world)
    world.use(space)
    world.reserve(space, BASE, pages)
    for (let i = 0; i < touched; i++) world.store(space, BASE + i * PAGE_SIZE, 1)
    const samples: number[] = []
    for (let i = -10; i < 31; i++) {
      const children: VmSpace[] = []
      const ns = timed(() => {
        for (let k = 0; k < 10; k++) children.push(world.fork(space))
      }, 10)
      for (const child of children) world.free(child)
      if (i >= 0) samples.push(ns)
    }
    return { size: pages, ns: median(samples) }
  })
  return { what: `fork with ${touched} of them resident`, unit: 'pages mapped', points }
}

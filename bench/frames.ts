// Frames: taking pages from the allocator and giving them back, beside zeroing a page of the same memory. All checks of
// allocation and freeing are on.

import { type Err, GiB, PAGE_SIZE, Rng } from '../src/base/index.ts'
import {
  allocPagesTry,
  type BootMemory,
  bootPhys,
  drainAllPages,
  FRAME_BYTES,
  freePages,
  GFP_HIGHUSER_MOVABLE,
  GFP_KERNEL,
  type Phys,
  zeroPage,
} from '../src/kernel/phys/index.ts'
import { Machine, sv48 } from '../src/machine/index.ts'
import { type Findings, type Growth, inTurns, median, timed } from './measure.ts'

const RAM_START = 2 * GiB
const PAIRS = 100_000
const PAGES = 10_000
const FRAMES = [2 ** 14, 2 ** 15, 2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 2 ** 20]
const LARGEST_ORDER = 10

export function measure(): Findings {
  return {
    rows: [onePage(), manyPages(), mixedOrders('orders 0-10 mixed', 0), mixedOrders('the same, fragmented', 0.4)],
    growths: [growth('page taken and given', allPagesAt), growth('block of order 0-10 taken and given', mixedAt)],
    sizes: sizes(),
  }
}

const machineWith = (ram: readonly BootMemory[], cpus: number): Machine =>
  new Machine({ ram, cpus, tlb: { entries: 1 }, format: sv48, seed: 1 })
function newPhys(memory: readonly BootMemory[]): Phys {
  return bootPhys(machineWith(memory, 1), { memory })
}
const withFrames = (frames: number): Phys =>
  newPhys([{ start: RAM_START, end: RAM_START + frames * PAGE_SIZE, node: 0 }])

function take(phys: Phys, order = 0, gfp = GFP_HIGHUSER_MOVABLE): number {
  const page: number | symbol | Err = allocPagesTry(phys, gfp, order)
  if (typeof page !== 'number' || page < 0) throw new Error('the benchmark has memory')
  return page
}

/** One page at a time: the lists and the frame's state are in the cache, and so is the page. */
function onePage(): Findings['rows'][number] {
  const phys = withFrames(2 ** 16)
  const page = take(phys)
  const pair = () =>
    timed(() => {
      for (let i = 0; i < PAIRS; i++) freePages(phys, take(phys), 0)
    }, PAIRS)
  const zero = () =>
    timed(() => {
      for (let i = 0; i < PAGES; i++) zeroPage(phys, page)
    }, PAGES)
  const what = 'allocate and free a page'
  return { what, yardstick: 'zeroing one page, cached', wanted: 0.5, ...inTurns(pair, zero, 61) }
}

/** Many pages at once: they come from the buddy lists, and go back to them. */
function manyPages(): Findings['rows'][number] {
  const phys = withFrames(2 ** 16)
  const pages = new Float64Array(PAGES)
  const pairs = () =>
    timed(() => {
      for (let i = 0; i < PAGES; i++) pages[i] = take(phys)
      for (let i = 0; i < PAGES; i++) freePages(phys, pages[i]!, 0)
    }, PAGES)
  const zero = () =>
    timed(() => {
      for (let i = 0; i < PAGES; i++) zeroPage(phys, pages[i]!)
    }, PAGES)
  const what = `allocate ${PAGES} pages and free them`
  return { what, yardstick: 'zeroing these pages', wanted: 0.5, ...inTurns(pairs, zero, 61) }
}

/** A crowd of blocks, of which random ones are replaced: small ones are commoner than large ones. */
class Crowd {
  readonly #phys: Phys
  readonly #rng = new Rng(1)
  readonly #pages: Int32Array
  readonly #orders: Uint8Array
  constructor(phys: Phys, blocks: number) {
    this.#phys = phys
    this.#pages = new Int32Array(blocks)
    this.#orders = new Uint8Array(blocks)
    for (let i = 0; i < blocks; i++) this.#fill(i)
  }
  #fill(i: number): void {
    const order = Math.min(LARGEST_ORDER, Math.clz32(this.#rng.next32()))
    this.#orders[i] = order
    this.#pages[i] = take(this.#phys, order, GFP_KERNEL)
  }
  replace(times: number): void {
    for (let n = 0; n < times; n++) {
      const i = this.#rng.below(this.#pages.length)
      freePages(this.#phys, this.#pages[i]!, this.#orders[i]!)
      this.#fill(i)
    }
  }
}

/** @param held  part of the memory whose pages are held one by one, every second one */
function mixedOrders(what: string, held: number): Findings['rows'][number] {
  const frames = 2 ** 17
  const phys = withFrames(frames)
  fragment(phys, frames * held)
  const crowd = new Crowd(phys, 2_000)
  const page = take(phys)
  const pairs = () => timed(() => crowd.replace(PAGES), PAGES)
  const zero = () =>
    timed(() => {
      for (let i = 0; i < PAGES; i++) zeroPage(phys, page)
    }, PAGES)
  return { what: `allocate and free a block, ${what}`, yardstick: 'zeroing one page, cached', ...inTurns(pairs, zero) }
}
function fragment(phys: Phys, pages: number): void {
  const taken: number[] = []
  while (taken.length < pages) taken.push(take(phys, 0, GFP_KERNEL))
  for (let i = 0; i < taken.length; i += 2) freePages(phys, taken[i]!, 0)
  drainAllPages(phys)
}

function growth(what: string, at: (phys: Phys, frames: number) => number): Growth {
  return { what, unit: 'frames', points: FRAMES.map((size) => ({ size, ns: at(withFrames(size), size) })) }
}
/** Takes seven eighths of all pages one by one and gives them back. The time for as many as there are frames. */
function allPagesAt(phys: Phys, frames: number): number {
  const pages = new Int32Array((frames / 8) * 7)
  const round = (): void => {
    for (let i = 0; i < pages.length; i++) pages[i] = take(phys)
    for (let i = 0; i < pages.length; i++) freePages(phys, pages[i]!, 0)
  }
  const rounds = Math.max(3, 2 ** 18 / frames)
  for (let i = 0; i < rounds; i++) round()
  return median(Array.from({ length: 9 }, () => timed(round, 1))) * (8 / 7)
}
/** Replaces as many blocks as there are frames, in a crowd that holds about a third of them. */
function mixedAt(phys: Phys, frames: number): number {
  const crowd = new Crowd(phys, frames / 32)
  crowd.replace(50_000)
  const times = Math.min(frames, 2 ** 17)
  return median(Array.from({ length: 9 }, () => timed(() => crowd.replace(times), times))) * frames
}

/** The reference machine of the specification: two nodes, holes, 9 GiB spanned and 7.5 GiB present. */
const TWO_NODES: readonly BootMemory[] = [
  { start: 0x1000, end: 0x9f000, node: 0 },
  { start: 0x100000, end: 0xc0000000, node: 0 },
  { start: 0x100000000, end: 0x140000000, node: 0 },
  { start: 0x140000000, end: 0x1c0000000, node: 1 },
  { start: 0x1e0000000, end: 0x240000000, node: 1 },
]

function sizes(): NonNullable<Findings['sizes']> {
  const machine = machineWith(TWO_NODES, 4)
  const phys = bootPhys(machine, { memory: TWO_NODES, cpuNode: [0, 0, 1, 1] })
  // What every frame has; the heads of lists come after the last frame.
  const { count } = phys.frames
  let bytes = 0
  for (const field of Object.values(phys.frames) as { BYTES_PER_ELEMENT?: number }[])
    bytes += (field.BYTES_PER_ELEMENT ?? 0) * count
  return [
    {
      what: 'state of a frame',
      bytes: bytes / count,
      wanted: FRAME_BYTES,
      note: `${count} frames`,
    },
    { what: 'RAM backed after boot, two nodes, 9 GiB spanned', bytes: machine.memory.backedBytes, wanted: 0 },
  ]
}

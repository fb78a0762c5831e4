// Faults at random pages of random mappings, of four pages each and side by side, alternately with and without execution.
// The store makes a page that is not there; then it is dropped again. Wanted: hardly more among many mappings than among few.

import { PAGE_SIZE, Rng } from '../src/base/index.ts'
import { Guest, numberOf } from './guest.ts'
import { runHostCalls } from './host.ts'
import { type Findings, median, timed } from './measure.ts'

const SIZES = [100, 10_000, 60_000] as const
const BASE = 0x3000_0000_0000
const FOUR = 4 * PAGE_SIZE
const FAULTS = 200
const SAMPLES = 31
const WARM_UP = 8
const MADV_DONTNEED = 4
const MADVISE = numberOf('madvise')
const MMAP = numberOf('mmap')

export function measure(): Findings {
  const worlds = SIZES.map((mappings) => ({ mappings, sample: sampler(mappings), taken: [] as number[] }))
  const ratios: number[] = []
  for (let i = -WARM_UP; i < SAMPLES; i++) {
    const ns = worlds.map(({ sample }) => sample())
    if (i < 0) continue
    worlds.forEach(({ taken }, k) => taken.push(ns[k]!))
    ratios.push(ns.at(-1)! / ns[0]!)
  }
  const [few, , most] = worlds.map(({ taken }) => median(taken))
  return {
    rows: [
      {
        what: 'random page fault over 60,000 mappings',
        ns: most!,
        yardstick: 'the same over 100',
        yardstickNs: few!,
        ratio: median(ratios),
        wanted: 1.5,
      },
    ],
    growths: [
      {
        what: 'random page fault',
        unit: 'mappings',
        points: worlds.map(({ mappings, taken }) => ({
          size: mappings,
          ns: median(taken),
          hostNs: runHostCalls(mappings, 'faults')['random page fault'] ?? null,
        })),
      },
    ],
  }
}

/** Makes an address space; each call of the answer takes one sample: nanoseconds of a fault. */
function sampler(mappings: number): () => number {
  const guest = new Guest('64M')
  for (let i = 0; i < mappings; i++) guest.must(MMAP, BASE + i * FOUR, FOUR, i % 2 === 1 ? 7 : 3, 0x32, -1, 0)
  // Every mapping has been stored to before, so that only the page is missing.
  for (let i = 0; i < mappings; i++) {
    guest.store(BASE + i * FOUR, 1)
    guest.must(MADVISE, BASE + i * FOUR, PAGE_SIZE, MADV_DONTNEED)
  }
  const rng = new Rng(mappings)
  return () => {
    const chosen = new Set<number>()
    while (chosen.size < FAULTS) chosen.add(BASE + rng.below(mappings * 4) * PAGE_SIZE)
    const at = [...chosen]
    const ns = timed(() => {
      for (const va of at) guest.store(va, 1)
    }, FAULTS)
    for (const va of at) guest.must(MADVISE, va, PAGE_SIZE, MADV_DONTNEED)
    return ns
  }
}

// Translated load and store: a hit in the TLB beside the same loop over a plain typed array, and a miss with the page
// tables in place beside a hit.

import { PAGE_SIZE } from '../src/base/index.ts'
import type { Mmu } from '../src/machine/index.ts'
import { consume, type Findings, inTurns, timed } from './measure.ts'
import { BASE, World } from './world.ts'

const WORDS = PAGE_SIZE / 4
/** Pages of the hit loops: all of them stay in the TLB. */
const HIT_PAGES = 16
const ROUNDS = 40
/** Pages of the miss loops: far more than the TLB holds. */
const MISS_PAGES = 4096

export function measure(): Findings {
  const world = new World('64M')
  const space = world.newSpace()
  world.use(space)
  world.map(space, BASE, MISS_PAGES)
  world.storePages(space, BASE, MISS_PAGES)
  const { mmu } = world.cpu
  const { i32 } = world.machine.memory
  const plain = new Int32Array(HIT_PAGES * WORDS)
  const hits = HIT_PAGES * WORDS * ROUNDS

  const loadHit = () => timed(() => consume(loads(mmu, i32)), hits)
  const storeHit = () => timed(() => stores(mmu, i32), hits)
  const load = inTurns(loadHit, () => timed(() => consume(plainLoads(plain)), hits))
  const store = inTurns(storeHit, () => timed(() => plainStores(plain), hits))
  const loadMiss = inTurns(() => timed(() => consume(missingLoads(mmu, i32)), MISS_PAGES * 4), loadHit)
  const storeMiss = inTurns(() => timed(() => missingStores(mmu, i32), MISS_PAGES * 4), storeHit)
  return {
    rows: [
      { what: 'load, TLB hit', yardstick: 'load from a typed array', wanted: 4, ...load },
      { what: 'store, TLB hit', yardstick: 'store to a typed array', ...store },
      { what: 'load, TLB miss, tables warm', yardstick: 'load, TLB hit', ...loadMiss },
      { what: 'store, TLB miss, tables warm', yardstick: 'store, TLB hit', ...storeMiss },
    ],
  }
}

function loads(mmu: Mmu, i32: Int32Array): number {
  let sum = 0
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < HIT_PAGES * WORDS; i++) sum = (sum + i32[mmu.translateRead(BASE + i * 4) >>> 2]!) | 0
  return sum
}
function plainLoads(plain: Int32Array): number {
  let sum = 0
  for (let round = 0; round < ROUNDS; round++) for (let i = 0; i < HIT_PAGES * WORDS; i++) sum = (sum + plain[i]!) | 0
  return sum
}
function stores(mmu: Mmu, i32: Int32Array): void {
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < HIT_PAGES * WORDS; i++) i32[mmu.translateWrite(BASE + i * 4) >>> 2] = i
}
function plainStores(plain: Int32Array): void {
  for (let round = 0; round < ROUNDS; round++) for (let i = 0; i < HIT_PAGES * WORDS; i++) plain[i] = i
}
function missingLoads(mmu: Mmu, i32: Int32Array): number {
  let sum = 0
  for (let round = 0; round < 4; round++)
    for (let i = 0; i < MISS_PAGES; i++) sum = (sum + i32[mmu.translateRead(BASE + i * PAGE_SIZE) >>> 2]!) | 0
  return sum
}
function missingStores(mmu: Mmu, i32: Int32Array): void {
  for (let round = 0; round < 4; round++)
    for (let i = 0; i < MISS_PAGES; i++) i32[mmu.translateWrite(BASE + i * PAGE_SIZE) >>> 2] = i
}

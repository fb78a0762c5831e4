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
  const { addresses, indexes } = randomList()
  const list = inTurns(
    () => timed(() => consume(listLoads(mmu, i32, addresses)), hits),
    () => timed(() => consume(plainListLoads(plain, indexes)), hits),
  )
  const store = inTurns(storeHit, () => timed(() => plainStores(plain), hits))
  const loadMiss = inTurns(() => timed(() => consume(missingLoads(mmu, i32)), MISS_PAGES * 4), loadHit)
  const storeMiss = inTurns(() => timed(() => missingStores(mmu, i32), MISS_PAGES * 4), storeHit)
  return {
    rows: [
      { what: 'load, TLB hit, in order', yardstick: 'load from a typed array', wanted: 4, ...load },
      { what: 'load, TLB hit, addresses from a list', yardstick: 'load, indexes from a list', wanted: 4, ...list },
      { what: 'store, TLB hit, in order', yardstick: 'store to a typed array', ...store },
      { what: 'load, TLB miss, tables warm', yardstick: 'load, TLB hit, in order', ...loadMiss },
      { what: 'store, TLB miss, tables warm', yardstick: 'store, TLB hit, in order', ...storeMiss },
    ],
  }
}

/** As in programs that follow pointers: places of the hit pages, in no order. */
function randomList(): { addresses: Float64Array; indexes: Int32Array } {
  const indexes = new Int32Array(HIT_PAGES * WORDS)
  let x = 1
  for (let i = 0; i < indexes.length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) | 0
    indexes[i] = (x >>> 8) % indexes.length
  }
  return { indexes, addresses: Float64Array.from(indexes, (index) => BASE + index * 4) }
}

// Bounds and bases are locals: what is imported is read again in every round of a loop.
function loads(mmu: Mmu, i32: Int32Array): number {
  const base: number = BASE
  const count = HIT_PAGES * WORDS
  let sum = 0
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < count; i++) sum = (sum + i32[mmu.translateRead(base + i * 4) >>> 2]!) | 0
  return sum
}
function plainLoads(plain: Int32Array): number {
  const count = HIT_PAGES * WORDS
  let sum = 0
  for (let round = 0; round < ROUNDS; round++) for (let i = 0; i < count; i++) sum = (sum + plain[i]!) | 0
  return sum
}
function listLoads(mmu: Mmu, i32: Int32Array, addresses: Float64Array): number {
  let sum = 0
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < HIT_PAGES * WORDS; i++) sum = (sum + i32[mmu.translateRead(addresses[i]!) >>> 2]!) | 0
  return sum
}
function plainListLoads(plain: Int32Array, indexes: Int32Array): number {
  let sum = 0
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < HIT_PAGES * WORDS; i++) sum = (sum + plain[indexes[i]!]!) | 0
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

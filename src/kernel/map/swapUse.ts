import { amapForEach } from '../anon/index.ts'
import { PAGE_SIZE } from '../../base/index.ts'
import { pmapLookup } from '../pmap/index.ts'
import type { VmMapEntry } from './entry.ts'
import type { VmSpace } from './vmSpace.ts'

/** Parts of a page, as Pss counts them. */
const FRACTION = 4096

/** What an address space has in swap: pages, and `pss` the share of it in 4096ths of a page. */
export interface SwapUse {
  pages: number
  pss: number
}

/**
 * Calls `visit` for every private page of `[start, end)` of an entry whose bytes are in swap as far as this address space
 * goes: its anon has a slot, and no translation shows a copy that has come back.
 */
export function forEachSwapped(
  entry: VmMapEntry,
  start: number,
  end: number,
  visit: (va: number, anon: number, slot: number) => void,
): void {
  const { anons, chunks } = entry.map.vm
  if (entry.amap === null || anons.swap === null || anons.swap.swpginuse === 0) return
  const first = entry.slotOf(start)
  amapForEach(chunks, entry.amap, first, entry.slotOf(end - 1) + 1, (slot, anon) => {
    const place = anons.slot[anon]!
    const va = start + (slot - first) * PAGE_SIZE
    if (place !== 0 && !pmapLookup(entry.map.pmap, va)) visit(va, anon, place)
  })
}

/** Pages of `[start, end)` of an entry that shows a memory file which are in swap. */
function swappedShared(entry: VmMapEntry, start: number, end: number): number {
  const { object } = entry
  const store = object?.pager.swap
  if (object === null || store === undefined) return 0
  let pages = 0
  for (let i = entry.pgoffOf(start), last = entry.pgoffOf(end - 1); i <= last; i++)
    if (store.slotOf(object, i) !== 0 && object.pageAt(i) < 0) pages++
  return pages
}

/** How many address spaces see an anon: by other amaps, and by the entries that share this one since a fork. */
function sharersOf(entry: VmMapEntry, va: number, anon: number): number {
  const { amap } = entry
  return entry.map.vm.anons.ref[anon]! - 1 + (amap!.spans === null ? amap!.refs : amap!.spans.at(entry.slotOf(va)))
}

/**
 * Adds up what of `[start, end)` is in swap; a slot that several share is divided among those who have not its page back.
 *
 * @param withShared  pages of memory files, too, which have no share
 */
export function swapUse(space: VmSpace, start: number, end: number, withShared = false): SwapUse {
  const { anons, phys } = space.vm
  const use = { pages: 0, pss: 0 }
  for (let e = space.map.firstEndingAbove(start); e !== null && e.start < end; e = e.next) {
    const [s, t] = [Math.max(start, e.start), Math.min(end, e.end)]
    if (withShared && anons.swap !== null) use.pages += swappedShared(e, s, t)
    forEachSwapped(e, s, t, (va, anon) => {
      const f = anons.page[anon]!
      const mappers = f === 0 ? 0 : phys.frames.mapcount[f - 1]! + 1
      use.pages++
      use.pss += Math.floor(FRACTION / Math.max(1, sharersOf(e, va, anon) - mappers))
    })
  }
  return use
}

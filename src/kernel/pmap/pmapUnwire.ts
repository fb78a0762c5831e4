import { panic } from '../../base/index.ts'
import { F_WIRED } from '../../machine/index.ts'
import { splitAt } from './large.ts'
import { writeLeaf } from './pmapEnter.ts'
import { findEntry } from './tables.ts'
import type { Pmap } from './pmaps.ts'

/**
 * The mapping of `va`, which is there, may be forgotten from now on. If it was not wired a warning is logged.
 *
 * @manual pmap_unwire, pmap(9), NetBSD
 */
export function pmapUnwire(pmap: Pmap, va: number): void {
  const { room } = pmap
  const { format, memory } = room
  splitAt(pmap, va)
  const word = findEntry(pmap, va)
  const lo = memory.i32[word]
  const hi = memory.i32[word + 1]
  if (room.level > 0 || !format.isMapped(lo)) panic('a page that is unwired is mapped', `${va}`)
  const flags = format.flagsOf(lo, hi, 0)
  if ((flags & F_WIRED) === 0) {
    room.phys.log.warn(`pmap_unwire: wiring for pmap ${pmap.id} va 0x${va.toString(16)} didn't change!`)
    return
  }
  writeLeaf(room, word, format.pfnOf(lo, hi), flags & ~F_WIRED)
  pmap.wiredCount--
}

import { kassert, PAGE_SIZE, type Pfn } from '../../base/index.ts'
import { F_ACCESSED, F_EXEC } from '../../machine/index.ts'
import { PG_arch_1 } from '../phys/index.ts'
import { ATTR_MODIFIED, ATTR_REFERENCED } from './constants.ts'
import { splitAt } from './large.ts'
import { countMapped, uncountMapped } from './leaf.ts'
import { writeLeaf } from './pmapEnter.ts'
import { drain, queueInvalidation } from './shootdown.ts'
import { findEntry } from './tables.ts'
import type { Pmaps } from './pmaps.ts'

/**
 * Makes every managed mapping of one page a mapping of another one. Protection, wiring, A and D stay, and so do the
 * saved attributes; references and map count move along. Needs no memory and cannot fail.
 *
 *   before   va ─► from (n mappings)     to (none)
 *   after    from (none)                 va ─► to (n mappings)
 *
 * The bytes are the caller's business: no processor can have used the new mappings when this returns.
 *
 * @param to  has PG_anon as `from` has it, and is not mapped
 * @locks  the owner's lock of the page; has told every TLB on return
 */
export function pmapReplacePage(room: Pmaps, from: Pfn | number, to: Pfn | number): void {
  const { frames, reverse, format, memory } = room
  const f = frames.frameOf(from)
  const t = frames.frameOf(to)
  kassert(frames.mapcount[t] === -1, 'a page that replaces another is not mapped', `pfn ${to}`)
  frames.attrs[t] |= frames.attrs[f] & (ATTR_MODIFIED | ATTR_REFERENCED)
  frames.attrs[f] &= ~(ATTR_MODIFIED | ATTR_REFERENCED)
  let mappings = 0
  let isCode = false
  for (let e = reverse.head(f); e !== 0; e = reverse.next[e]) {
    const pmap = room.byId[reverse.pmapIdOf(e)]!
    const va = reverse.vpnOf(e) * PAGE_SIZE
    splitAt(pmap, va)
    const word = findEntry(pmap, va)
    const flags = format.flagsOf(memory.i32[word], memory.i32[word + 1], 0)
    if ((flags & F_EXEC) !== 0) isCode = true
    writeLeaf(room, word, to, flags)
    if ((flags & F_ACCESSED) !== 0) queueInvalidation(pmap, va)
    mappings++
  }
  if (mappings === 0) return
  reverse.moveAll(f, t)
  uncountMapped(room, f)
  frames.mapcount[f] = -1
  frames.refcount[f] -= mappings
  frames.mapcount[t] = mappings - 1
  frames.refcount[t] += mappings
  countMapped(room, t)
  if (isCode) {
    frames.flags[t] |= PG_arch_1
    room.newCode(to)
  }
  drain(room, room.machine.current.cpu)
}

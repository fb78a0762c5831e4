import { EIO, ENOMEM, type Err, isErr, kassert, type Sleep, WouldSleep } from '../../base/index.ts'
import { __GFP_ZERO, allocPagesTry, GFP_HIGHUSER_MOVABLE, PG_dirty, PG_locked, PG_uptodate } from '../phys/index.ts'
import { pmapClearModify } from '../pmap/index.ts'
import { SWSLOT_BAD, uvmSwapGet, uvmSwapMarkBad } from '../swap/index.ts'
import { anonDropPage, anonDropSwap, anonIoDone, anonPage, type Anons, anonSetPage, isAnonBusy } from './anon.ts'

/** What anonGet answers for a page that needed no device: it had been given up, and is zeros. */
export const GOT_ZEROS = 1

/**
 * Brings the page of an anon that has none. One in swap keeps its slot, and is clean, unless slots are short (see
 * Swap.freesEarly). Whoever called looks everything up again afterwards, for the anon may be gone.
 *
 * @returns 0: read; GOT_ZEROS
 * @errors ENOMEM  no frame at once: nothing has been begun. EIO the slot is bad, or has become so: its data is lost
 * @locks  the amap is not held; sleeps for the device
 * @manual uvmfault_anonget, uvm(9), NetBSD
 */
export function* anonGet(anons: Anons, anon: number): Sleep<0 | typeof GOT_ZEROS | Err> {
  const slot = anons.slot[anon]!
  kassert(anonPage(anons, anon) < 0, 'an anon has one page', `anon ${anon}`)
  if (slot === SWSLOT_BAD) return EIO
  if (slot === 0) {
    const zeros = allocPagesTry(anons.phys, GFP_HIGHUSER_MOVABLE | __GFP_ZERO, 0)
    if (zeros === WouldSleep || isErr(zeros)) return ENOMEM
    anonSetPage(anons, anon, zeros)
    anons.phys.frames.flags[anons.phys.frames.indexOf(zeros)]! |= PG_dirty
    return GOT_ZEROS
  }
  const pfn = allocPagesTry(anons.phys, GFP_HIGHUSER_MOVABLE, 0)
  if (pfn === WouldSleep || isErr(pfn)) return ENOMEM
  const { flags } = anons.phys.frames
  const f = anons.phys.frames.indexOf(pfn)
  anonSetPage(anons, anon, pfn)
  flags[f] = (flags[f]! | PG_locked) & ~PG_uptodate

  const error = yield* uvmSwapGet(anons.swap!, pfn, slot)
  if (error === 0) {
    flags[f] = flags[f]! | PG_uptodate
    pmapClearModify(anons.pmaps, pfn)
  } else {
    uvmSwapMarkBad(anons.swap!, slot, 1)
    anons.slot[anon] = SWSLOT_BAD
  }
  if (!anonIoDone(anons, anon, 0)) return error
  if (error !== 0) anonDropPage(anons, anon)
  else if (anons.swap!.freesEarly && anons.swap!.isHalfUsed) anonDropSwap(anons, anon)
  return error
}

/** Can the fault go on with what the anon has? False: its page is in swap, or being read or written. */
export function isAnonReady(anons: Anons, anon: number): boolean {
  return anons.page[anon] !== 0 && !isAnonBusy(anons, anon)
}

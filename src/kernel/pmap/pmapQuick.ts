// Temporary mappings of one page, for a moment: copying, zeroing, looking.
//
//   below directMapLimit: the address in the direct map           above: the CPU's own quick frame
//
// Either way the thread stays on its CPU, does not sleep and does not nest until it has removed the mapping.

import { kassert, PAGE_SIZE, panic, vaddr, type Pfn, type Vaddr } from '../../base/index.ts'
import { ALL_ASIDS } from '../../machine/index.ts'
import { PG_locked, PG_reserved } from '../phys/index.ts'
import { KERNEL_DATA } from './kernelWindows.ts'
import { writeLeaf } from './pmapEnter.ts'
import type { Pmaps } from './pmaps.ts'

/**
 * Maps a page, readable and writable, at an address of the running CPU.
 *
 * Not managed: the page's attributes do not change, and who writes marks it dirty. Never fails.
 *
 * @param pfn  wired, locked, held by a reference besides its owner's and its mappings', or no managed page at all
 * @locks  any but spin locks; not in interrupt context. Until pmapQuickRemovePage: preemption off, no sleep, no other one
 * @manual pmap_quick_enter_page(9), FreeBSD
 */
export function pmapQuickEnterPage(room: Pmaps, pfn: Pfn | number): Vaddr {
  const { cpu, thread } = room.machine.current
  const state = room.cpus[cpu.id]
  const inDirectMap = pfn * PAGE_SIZE < room.directMapLimit
  const direct = room.directMapStart + pfn * PAGE_SIZE
  if (inDirectMap && !room.quickChecks) return vaddr(direct)

  kassert(cpu.interruptLevel === 0, 'a quick mapping is not made in interrupt context', `cpu ${cpu.id}`)
  kassert(room.spinLocksHeld() === 0, 'a quick mapping is not made under a spin lock', `cpu ${cpu.id}`)
  kassert(state.quickHeld === 0, 'quick mappings are not nested', `cpu ${cpu.id}`)
  kassert(isKept(room, pfn), 'a page is wired or held while it is mapped quickly', `pfn ${pfn}`)
  cpu.disablePreemption()
  state.quickThread = thread
  state.quickHeld = inDirectMap ? direct : state.quickVa
  if (!inDirectMap) {
    kassert(room.memory.i32[state.quickWord] === 0, 'a quick frame is free', `cpu ${cpu.id}`)
    writeLeaf(room, state.quickWord, pfn, KERNEL_DATA)
  }
  return vaddr(state.quickHeld)
}

/**
 * Ends the quick mapping. Only the running CPU's TLB is told, for no other one can have seen it.
 *
 * @param va  what pmapQuickEnterPage answered, on the same CPU and thread
 * @manual pmap_quick_remove_page(9), FreeBSD
 */
export function pmapQuickRemovePage(room: Pmaps, va: Vaddr | number): void {
  const { cpu, thread } = room.machine.current
  const state = room.cpus[cpu.id]
  if (!room.quickChecks && va !== state.quickVa) return
  if (state.quickHeld === 0 || state.quickHeld !== va || state.quickThread !== thread)
    panic('a quick mapping is removed where it was made', `cpu ${cpu.id}, address ${va}`)
  if (va === state.quickVa) {
    room.memory.i32[state.quickWord] = 0
    room.memory.i32[state.quickWord + 1] = 0
    cpu.tlb.invalidatePage(va, ALL_ASIDS)
  }
  state.quickHeld = 0
  state.quickThread = null
  cpu.enablePreemption()
  if (cpu.preemptionDepth === 0) room.reschedule()
}

/** Can the page not change its identity? */
function isKept(room: Pmaps, pfn: number): boolean {
  const { frames } = room
  const f = frames.indexOf(pfn)
  if (f < 0 || (frames.flags[f] & (PG_reserved | PG_locked)) !== 0 || frames.wireCount[f] > 0) return true
  const owners = frames.owner[f] === 0 ? 0 : 1
  return frames.refcount[f] > owners + Math.max(frames.mapcount[f], -1) + 1
}

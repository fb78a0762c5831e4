// Which address space a CPU runs.
//
//               pmapActivate                      pmapDeactivate
//   parked ─────────────────────► on the processor ─────────────► lazy ──(a shootdown, or another pmap)──► parked
//   no ASID, or an ASID that       interrupts for                  root still loaded: interrupted once
//   is dropped instead of          every shootdown
//   an interrupt

import { kassert } from '../../base/index.ts'
import type { Cpu } from '../../machine/index.ts'
import { takeAsid } from './asid.ts'
import { drain } from './shootdown.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

/**
 * Loads a pmap on a CPU: the one its next user instruction runs in. The kernel's needs no loading.
 *
 * Whatever was deferred has been done before: the pmap that ran here until now was deactivated.
 *
 * @locks  the switch is one step; nothing can preempt it
 * @manual pmap_activate, pmap(9), NetBSD
 */
export function pmapActivate(room: Pmaps, cpu: Cpu, pmap: Pmap): void {
  if (pmap.isKernel) return
  const state = room.cpus[cpu.id]
  const bit = 1 << cpu.id
  const before = state.loaded
  kassert(before === null || before === pmap || (before.onProc & bit) === 0, 'one pmap runs on a CPU at a time')
  if (before !== null) before.lazy &= ~bit
  // It is on the processor before it uses the TLB, so that no shootdown misses this CPU.
  pmap.onProc |= bit
  if (pmap.asid[cpu.id] === 0) takeAsid(room, cpu, pmap)
  else if (before === pmap) return
  state.loaded = pmap
  cpu.mmu.setRoot(room.format, pmap.root, pmap.asid[cpu.id])
}

/**
 * The pmap no longer runs on the CPU. Its root stays loaded, lazily, until another pmap is activated; what the CPU
 * owes the TLBs is done now.
 *
 * @manual pmap_deactivate, pmap(9), NetBSD
 */
export function pmapDeactivate(room: Pmaps, cpu: Cpu, pmap: Pmap): void {
  if (pmap.isKernel) return
  const bit = 1 << cpu.id
  if (room.cpus[cpu.id].loaded !== pmap) return
  drain(room, cpu)
  pmap.onProc &= ~bit
  if (pmap.asid[cpu.id] !== 0) pmap.lazy |= bit
}

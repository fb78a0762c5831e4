import { drain } from './shootdown.ts'
import type { Pmap } from './pmaps.ts'

/**
 * Makes every change that the running CPU has made take effect in all TLBs, and frees what waited for that. Nothing
 * queued: nothing happens.
 *
 * @locks  none; panics with interrupts disabled if other CPUs are concerned
 * @manual pmap_update, pmap(9), NetBSD
 */
export function pmapUpdate(pmap: Pmap): void {
  const { room } = pmap
  pmap.isRemovingAll = false
  const { cpu } = room.machine.current
  if (!room.cpus[cpu.id].mailbox.isEmpty) drain(room, cpu)
}

// Who is ended when memory has run out and nothing can be reclaimed: whoever's end frees most.

import type { Pfn } from '../../base/index.ts'
import { swapUse, type VmSpace } from '../map/index.ts'
import { PG_anon, PG_reserved, PG_swapbacked } from '../phys/index.ts'
import { pmapForEach } from '../pmap/index.ts'
import type { Kernel } from './kernel.ts'
import type { Process } from './process.ts'
import { sendSignal } from './sendSignal.ts'
import { SI_KERNEL, SIGKILL } from './signals.ts'

/** oom_score_adj of who is never chosen. */
const NEVER = -1000
/** Simulated nanoseconds after which a victim that has not ended does not keep another from being chosen. */
const PATIENCE = 5e9

/** A process counts this part of the memory of its children that were killed: who makes ever more is chosen in the end. */
const PARENTS_PART = 1 / 16

/** Pages of RAM and of swap: what badness is measured against. */
export function oomTotalPages({ phys, vm }: Kernel): number {
  return phys.totalramPages + (vm.anons.swap?.swpages ?? 0)
}

/**
 * How much there would be won by ending a process, in pages: what it has in memory and in swap, its page tables, and its
 * adjustment in thousandths of everything.
 *
 * @returns null for who must not be chosen
 * @manual  proc_pid_oom_score(5)
 */
export function oomBadness(kernel: Kernel, process: Process): number | null {
  const { space, oomScoreAdj } = process
  if (space === null || oomScoreAdj === NEVER) return null
  const { anon, file, shmem } = residentPages(space)
  const swapped = swapUse(space, 0, space.map.max).pages
  const adjustment = oomScoreAdj * Math.floor(oomTotalPages(kernel) / 1000)
  return anon + file + shmem + swapped + space.pmap.tablePages + adjustment
}

/**
 * Kills the process with the largest badness, and whoever shares its memory; the oldest of equals.
 *
 * @returns true if memory may come free: somebody is being ended; false: nobody may be
 */
export function killForMemory(kernel: Kernel): boolean {
  const { now } = kernel.machine.clock
  let victim: Process | null = null
  let most = -Infinity
  for (const process of kernel.processes.byPid.values()) {
    if (process.state !== 'alive' || process.space === null || !kernel.processes.isBorn(process)) continue
    if (process.oomKilledAt >= 0) {
      if (now - process.oomKilledAt < PATIENCE) return true
      continue
    }
    const badness = oomBadness(kernel, process)
    if (badness === null || badness + process.lostToKiller <= most) continue
    most = badness + process.lostToKiller
    victim = process
  }
  if (victim === null) return false
  report(kernel, victim)
  if (victim.parent !== null) victim.parent.lostToKiller += Math.max(0, most) * PARENTS_PART
  kernel.phys.events.add('oom_kill')
  for (const process of kernel.processes.byPid.values()) if (process.space === victim.space) end(kernel, process)
  return true
}

function end(kernel: Kernel, process: Process): void {
  process.oomKilledAt = kernel.machine.clock.now
  // It must be able to end: it may use what is kept back from others, and waits for nothing.
  for (const thread of process.threads) thread.isOomVictim = true
  sendSignal(kernel, process, { signo: SIGKILL, code: SI_KERNEL, note: 'out of memory' })
}

function report(kernel: Kernel, process: Process): void {
  const space = process.space!
  const { anon, file, shmem } = residentPages(space)
  kernel.phys.log.print(
    `Out of memory: Killed process ${process.pid} (${process.name}) total-vm:${space.map.size / 1024}kB, ` +
      `anon-rss:${anon * 4}kB, file-rss:${file * 4}kB, shmem-rss:${shmem * 4}kB, UID:${process.who.uid} ` +
      `pgtables:${space.pmap.tablePages * 4}kB oom_score_adj:${process.oomScoreAdj}`,
  )
}

function residentPages(space: VmSpace): { anon: number; file: number; shmem: number } {
  const sum = { anon: 0, file: 0, shmem: 0 }
  const { frames } = space.vm.phys
  pmapForEach(space.pmap, 0, space.map.max, (_va, pfn) => {
    const f = frames.indexOf(pfn as Pfn)
    const flags = f < 0 ? PG_reserved : frames.flags[f]!
    if ((flags & PG_reserved) !== 0) return
    sum[(flags & PG_anon) !== 0 ? 'anon' : (flags & PG_swapbacked) !== 0 ? 'shmem' : 'file']++
  })
  return sum
}

import { verify as verifyPhys } from '../kernel/phys/index.ts'
import { verify as verifyPmaps } from '../kernel/pmap/index.ts'
import type { Booted } from './boot.ts'

/**
 * Recomputes the invariants of every room: frames, page tables and TLBs, every address space, the scheduler's lists.
 * Slow: for tests and after a program has ended.
 */
export function verifySystem({ kernel, scheduler }: Booted): void {
  verifyPhys(kernel.phys)
  verifyPmaps(kernel.pmaps)
  for (const process of kernel.processes.byPid.values()) process.space?.map.verify()
  scheduler.verify()
}

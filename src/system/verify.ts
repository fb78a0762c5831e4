import { kassert } from '../base/index.ts'
import { verifyVnode, Vnode } from '../kernel/file/index.ts'
import { verifyAmaps, type VmMap } from '../kernel/map/index.ts'
import { verifyPageCache } from '../kernel/pagecache/index.ts'
import type { Kernel } from '../kernel/process/index.ts'
import { verify as verifyPhys } from '../kernel/phys/index.ts'
import { verify as verifyPmaps } from '../kernel/pmap/index.ts'
import { verifyProc } from '../kernel/proc/index.ts'
import type { Booted } from './boot.ts'

/**
 * Recomputes the invariants of every room: frames, page tables and TLBs, address spaces and the anons behind them,
 * files, the scheduler's lists; and that /proc shows what is. Slow: for tests and after a program has ended.
 */
export function verifySystem({ kernel, scheduler, reclaimer }: Booted): void {
  verifyPhys(kernel.phys)
  verifyPmaps(kernel.pmaps)
  const maps = new Set<VmMap>()
  for (const { space } of kernel.processes.byPid.values()) if (space !== null) maps.add(space.map)
  if (kernel.vm.kernelMap !== null) maps.add(kernel.vm.kernelMap)
  for (const map of maps) map.verify()
  verifyAmaps(kernel.vm, maps)
  for (const { backing } of kernel.vm.objects.byId.values()) {
    // A file whose inode lock is held is in the middle of a change.
    if (backing instanceof Vnode && !backing.lock.isHeld) verifyVnode(kernel.files, backing)
  }
  verifyProcesses(kernel)
  verifyPageCache(kernel.files.cache)
  verifySwap(kernel)
  reclaimer.daemon?.policy.verify()
  scheduler.verify()
  verifyProc(kernel)
}

/** Every slot in use is an anon's, or a page's of a memory file; slots that gave an error stay in use for nobody. */
function verifySwap({ vm: { anons, objects } }: Kernel): void {
  const { swap } = anons
  if (swap === null) return
  swap.verify()
  let slots = swap.devices.reduce((sum, device) => sum + device.bad, 0)
  for (let anon = 1; anon < anons.capacity; anon++) if (anons.ref[anon]! > 0 && anons.slot[anon]! > 0) slots++
  for (const { backing } of objects.byId.values())
    if (backing instanceof Vnode) for (const slot of backing.object?.slots?.values() ?? []) if (slot > 0) slots++
  kassert(slots === swap.swpginuse, 'every swap slot in use has an owner', `${slots} of ${swap.swpginuse}`)
}

/** Parents and children, threads and their process agree. */
function verifyProcesses({ processes }: Kernel): void {
  for (const process of processes.byPid.values()) {
    const where = `process ${process.pid}`
    kassert(process.parent === null || process.parent.children.has(process), 'a parent knows its child', where)
    if (!processes.isBorn(process)) continue
    for (const thread of process.threads) {
      kassert(thread.process === process && processes.byTid.get(thread.tid) === thread, 'a thread is known', where)
    }
    if (process.state !== 'alive') kassert(process.threads.length === 0, 'the dead have no threads', where)
    if (process.threads.length > 0) kassert(process.space !== null, 'who runs has an address space', where)
  }
}

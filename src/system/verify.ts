import { kassert } from '../base/index.ts'
import { type Amap, amapForEach, anonPage } from '../kernel/anon/index.ts'
import { verifyVnode, Vnode } from '../kernel/file/index.ts'
import type { Kernel } from '../kernel/process/index.ts'
import { PG_anon, verify as verifyPhys } from '../kernel/phys/index.ts'
import { verify as verifyPmaps } from '../kernel/pmap/index.ts'
import type { Booted } from './boot.ts'

/**
 * Recomputes the invariants of every room: frames, page tables and TLBs, address spaces and the anons behind them,
 * files, the scheduler's lists. Slow: for tests and after a program has ended.
 */
export function verifySystem({ kernel, scheduler }: Booted): void {
  verifyPhys(kernel.phys)
  verifyPmaps(kernel.pmaps)
  for (const process of kernel.processes.byPid.values()) process.space?.map.verify()
  verifyAnons(kernel)
  for (const { backing } of kernel.vm.objects.byId.values()) {
    // A file whose inode lock is held is in the middle of a change.
    if (backing instanceof Vnode && !backing.lock.isHeld) verifyVnode(kernel.files, backing)
  }
  verifyProcesses(kernel)
  scheduler.verify()
}

/** Every anon is counted once for each amap slot that names it, and owns its frame; no anon is forgotten. */
function verifyAnons({ vm, processes }: Kernel): void {
  const amaps = new Set<Amap>()
  const entriesOf = new Map<Amap, number>()
  const spaces = new Set([...processes.byPid.values()].map(({ space }) => space))
  for (const space of spaces) {
    for (const { amap } of space?.map.entries() ?? []) {
      if (amap === null) continue
      amaps.add(amap)
      entriesOf.set(amap, (entriesOf.get(amap) ?? 0) + 1)
    }
  }
  const slots = new Map<number, number>()
  for (const amap of amaps) {
    kassert(amap.refs === entriesOf.get(amap), 'an amap counts the entries that name it', `${amap.refs}`)
    let used = 0
    // A stack that has grown down has slots below 0.
    amapForEach(vm.chunks, amap, -(2 ** 52), 2 ** 52, (_slot, anon) => {
      used++
      slots.set(anon, (slots.get(anon) ?? 0) + 1)
    })
    kassert(used === amap.used, 'an amap counts its occupied slots', `${used} ${amap.used}`)
  }
  const { anons, phys } = vm
  kassert(slots.size === anons.count, 'every anon is in an amap', `${slots.size} of ${anons.count}`)
  for (const [anon, count] of slots) {
    kassert(anons.ref[anon] === count, 'an anon counts the slots that name it', `anon ${anon}`)
    const pfn = anonPage(anons, anon)
    if (pfn < 0) continue
    const f = phys.frames.frameOf(pfn)
    const isOwner = phys.frames.owner[f] === anon && (phys.frames.flags[f]! & PG_anon) !== 0
    kassert(isOwner, 'a frame names the anon that owns it', `anon ${anon}, pfn ${pfn}`)
  }
}

/** Parents and children, threads and their process agree. */
function verifyProcesses({ processes }: Kernel): void {
  for (const process of processes.byPid.values()) {
    const where = `process ${process.pid}`
    kassert(process.parent === null || process.parent.children.has(process), 'a parent knows its child', where)
    for (const thread of process.threads) {
      kassert(thread.process === process && processes.byTid.get(thread.tid) === thread, 'a thread is known', where)
    }
    if (process.state !== 'alive') kassert(process.threads.length === 0, 'the dead have no threads', where)
    if (process.threads.length > 0) kassert(process.space !== null, 'who runs has an address space', where)
  }
}

// Telling the TLBs (specification, 2.23.2 and 2.26.3).
//
//   queueInvalidation: who is concerned?        drain: interrupt them, do it here, free what waited
//     on the processor, or lazy   ──► a bit in the mailbox's targets ──► an interrupt
//     an ASID, but not loaded     ──► the ASID is dropped now; no interrupt
//     no ASID                     ──► nothing
//
// Whoever begins to run the pmap after the queueing has a new ASID or sees the changed tables; that is why the targets
// can be collected then.

import { kassert } from '../../base/index.ts'
import { ALL_ASIDS, type Cpu } from '../../machine/index.ts'
import { putPage } from '../phys/index.ts'
import { dropAsid } from './asid.ts'
import { giveTable } from './tables.ts'
import type { Pmap, Pmaps } from './pmaps.ts'

// Reasons of Linux's tracepoint tlb_flush.
const TLB_REMOTE_SHOOTDOWN = 1
const TLB_LOCAL_MM_SHOOTDOWN = 3

/** The running CPU owes the TLBs an invalidation of `va`. */
export function queueInvalidation(pmap: Pmap, va: number): void {
  const { room } = pmap
  const targets = targetsOf(pmap)
  if (targets === 0) return
  room.counters.invalidations++
  const mailbox = room.cpus[room.machine.current.cpu.id].mailbox
  if (pmap.isRemovingAll) mailbox.addAll(pmap, targets)
  else mailbox.add(pmap, va, targets)
}

/** CPUs that must be told; those that only keep an ASID lose it. */
function targetsOf(pmap: Pmap): number {
  const { room } = pmap
  if (pmap.isKernel) return room.allCpus
  const targets = pmap.onProc | pmap.lazy
  const parked = pmap.active & ~targets
  if (parked !== 0) {
    for (let id = 0; id < room.cpus.length; id++) if ((parked & (1 << id)) !== 0) dropAsid(room, id, pmap)
  }
  return targets
}

/** Makes the running CPU forget what it cached for `va`: it has just faulted on it though the tables allow it. */
export function refillHere(pmap: Pmap, va: number): void {
  const cpu = pmap.room.machine.current.cpu
  if (pmap.isKernel) cpu.tlb.invalidatePage(va, ALL_ASIDS)
  else if (pmap.asid[cpu.id] !== 0) cpu.tlb.invalidatePage(va, pmap.asid[cpu.id])
}

/**
 * Makes what the CPU owes happen, everywhere, and frees what waited for it.
 *
 * @locks panics if interrupts are disabled and another CPU is concerned
 */
export function drain(room: Pmaps, cpu: Cpu): void {
  const mailbox = room.cpus[cpu.id].mailbox
  if (mailbox.targets !== 0) {
    if (mailbox.isFlush) room.counters.flushes++
    kassert(room.draining === null, 'a shootdown is not begun inside another one')
    room.draining = mailbox
    room.generation++
    const self = 1 << cpu.id
    interruptAll(room, cpu, mailbox.targets & ~self, room.shootdownHandler)
    if ((mailbox.targets & self) !== 0) invalidateHere(room, cpu)
    room.draining = null
    mailbox.clearRequests()
  }
  const { tables, frames } = mailbox
  while (tables.length > 0) giveTable(room, tables.pop()!)
  while (frames.length > 0) putPage(room.phys, frames.pop()!)
}

/** Runs `handler` on the CPUs of `remote`. It counts itself off in room.pendingCpus. */
export function interruptAll(room: Pmaps, sender: Cpu, remote: number, handler: () => void): void {
  if (remote === 0) return
  const { machine, counters } = room
  const { counts } = room.phys.events
  const { remoteFlush, remoteFlushReceived } = room.eventPositions
  counters.shootdowns++
  counts[remoteFlush]++
  for (const cpu of machine.cpus) if ((remote & (1 << cpu.id)) !== 0) room.pendingCpus++
  for (const cpu of machine.cpus) {
    if ((remote & (1 << cpu.id)) === 0) continue
    counters.ipis++
    counts[remoteFlushReceived]++
    machine.sendIpi(sender, cpu, handler)
  }
  kassert(room.pendingCpus === 0, 'every CPU has answered a shootdown', `${room.pendingCpus}`)
}

/**
 * Does what room.draining asks, on one CPU: the interrupt handler's body.
 *
 * A CPU that runs a kernel thread over a lazily loaded root gives its ASID up, so that it is not disturbed again.
 */
export function invalidateHere(room: Pmaps, cpu: Cpu): void {
  const mailbox = room.draining!
  const { trace } = room.machine
  if (trace.on) {
    const reason = cpu.interruptLevel > 0 ? TLB_REMOTE_SHOOTDOWN : TLB_LOCAL_MM_SHOOTDOWN
    trace.emit('tlb_flush', { cpu: cpu.id, pages: mailbox.isFlush ? -1 : mailbox.n, reason })
  }
  const { tlb } = cpu
  if (mailbox.isFlush) {
    if (mailbox.flushUser) tlb.invalidateAll(true)
    else if (mailbox.flushPmap !== null && mailbox.flushPmap.asid[cpu.id] !== 0)
      tlb.invalidateAsid(mailbox.flushPmap.asid[cpu.id])
    if (mailbox.flushKernel) tlb.invalidateRange(-(2 ** (room.format.vaBits - 1)), 0, ALL_ASIDS)
    room.phys.events.counts[room.eventPositions.localFlushAll]++
  } else {
    for (let i = 0; i < mailbox.n; i++) {
      const pmap = mailbox.owner[i]!
      if (pmap.isKernel) tlb.invalidatePage(mailbox.address[i], ALL_ASIDS)
      else if (pmap.asid[cpu.id] !== 0) tlb.invalidatePage(mailbox.address[i], pmap.asid[cpu.id])
    }
    room.phys.events.counts[room.eventPositions.localFlushOne] += mailbox.n
  }
  const { loaded } = room.cpus[cpu.id]
  const bit = 1 << cpu.id
  if (loaded === null || (loaded.lazy & bit) === 0 || !mailbox.concerns(loaded)) return
  loaded.lazy &= ~bit
  dropAsid(room, cpu.id, loaded)
  room.counters.lazyLeaves++
}

/**
 * Invalidates a range of kernel addresses on every CPU, now.
 *
 * For whoever removes kernel mappings with pmapKremoveNoFlush and flushes many at a time.
 */
export function pmapShootdownKernel(room: Pmaps, start: number, end: number): void {
  if (end <= start) return
  const { machine } = room
  const here = machine.current.cpu
  room.generation++
  interruptAll(room, here, room.allCpus & ~(1 << here.id), () => {
    machine.current.cpu.tlb.invalidateRange(start, end, ALL_ASIDS)
    room.pendingCpus--
  })
  here.tlb.invalidateRange(start, end, ALL_ASIDS)
}

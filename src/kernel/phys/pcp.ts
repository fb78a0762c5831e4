// Per-CPU lists of order-0 pages (physical specification, 1.10).

import { countFree, freeOneBlock, mergeBlock, takeBlock, takeMany } from './buddy.ts'
import { NR_PAGES_SCANNED } from './counters.ts'
import { MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_MOVABLE, MIGRATE_PCPTYPES } from './gfp.ts'
import { pageblockType } from './pageblock.ts'
import type { Phys } from './phys.ts'
import type { PerCpuPages, Zone } from './zone.ts'

/** Takes one page of `type`, refilling the list with a batch if it is empty. Hot. @returns a frame, -1 if none */
export function takeFromPcp(phys: Phys, zone: Zone, type: number, cold: boolean): number {
  const frames = phys.frames
  const pcp = zone.pcp[phys.machine.current.cpu.id]!
  const list = pcp.lists + (type < MIGRATE_PCPTYPES ? type : MIGRATE_MOVABLE)
  if (frames.lruNext[list] === list) refill(phys, zone, pcp, list, type, cold)
  const f = cold ? frames.lruPrev[list]! : frames.lruNext[list]!
  if (f === list) return -1
  frames.unlink(f)
  pcp.count--
  return f
}

function refill(phys: Phys, zone: Zone, pcp: PerCpuPages, list: number, type: number, cold: boolean): void {
  const frames = phys.frames
  zone.lock.acquire()
  let wanted = pcp.batch
  if (!cold && phys.guardpageMinorder === 0 && !phys.machine.trace.on)
    wanted -= takeMany(phys, zone, type, wanted, list)
  pcp.count += pcp.batch - wanted
  for (; wanted > 0; wanted--) {
    const f = takeBlock(phys, zone, 0, type)
    if (f < 0) break
    if (cold) frames.pushFront(list, f)
    else frames.pushBack(list, f)
    countFree(zone, frames.freeType[f]!, -1)
    pcp.count++
  }
  zone.lock.release()
}

/** Gives one page (count 0, checked) back; over `high`, a batch goes on to the buddy lists. Hot. */
export function freeToPcp(phys: Phys, zone: Zone, f: number, cold: boolean): void {
  const frames = phys.frames
  const type = pageblockType(phys, f)
  frames.freeType[f] = type
  let index = type
  if (type >= MIGRATE_PCPTYPES) {
    if (type === MIGRATE_ISOLATE) {
      zone.lock.acquire()
      freeOneBlock(phys, zone, f, 0, type)
      zone.lock.release()
      return
    }
    index = MIGRATE_MOVABLE
  }
  const pcp = zone.pcp[phys.machine.current.cpu.id]!
  if (cold) frames.pushBack(pcp.lists + index, f)
  else frames.pushFront(pcp.lists + index, f)
  if (++pcp.count >= pcp.high) freePcpBulk(phys, zone, pcp, Math.min(pcp.batch, pcp.count))
}

/**
 * Moves n pages to the buddy lists, the coldest first, round robin over the three lists starting with list 1.
 * Every list passed over adds one to the burst taken from the next.
 */
function freePcpBulk(phys: Phys, zone: Zone, pcp: PerCpuPages, n: number): void {
  const frames = phys.frames
  const trace = phys.machine.trace
  let owed = n
  let index = 0
  let burst = 0
  let counted = 0
  zone.lock.acquire()
  zone.stat[NR_PAGES_SCANNED] = 0
  while (owed > 0) {
    let list: number
    do {
      burst++
      index = index === MIGRATE_PCPTYPES - 1 ? 0 : index + 1
      list = pcp.lists + index
    } while (frames.lruNext[list] === list)
    if (burst === MIGRATE_PCPTYPES) burst = owed
    do {
      const f = frames.lruPrev[list]!
      frames.unlink(f)
      const type = zone.nrIsolatePageblock > 0 ? pageblockType(phys, f) : frames.freeType[f]!
      mergeBlock(phys, zone, f, 0, type)
      if (type === MIGRATE_CMA) countFree(zone, type, 1)
      else if (type !== MIGRATE_ISOLATE) counted++
      if (trace.on) trace.emit('mm_page_pcpu_drain', { pfn: frames.pfnAt(f), order: 0, migratetype: type })
      pcp.count--
      burst--
      owed--
    } while (owed > 0 && burst > 0 && frames.lruNext[list] !== list)
  }
  countFree(zone, MIGRATE_MOVABLE, counted)
  zone.lock.release()
}

function drain(phys: Phys, zone: Zone, cpu: number): void {
  const pcp = zone.pcp[cpu]
  if (pcp !== undefined && pcp.count > 0) freePcpBulk(phys, zone, pcp, pcp.count)
}

/** Empties the running CPU's lists, of one zone or of all. */
export function drainLocalPages(phys: Phys, zone: Zone | null): void {
  drainCpu(phys, phys.machine.current.cpu.id, zone)
}

/** Empties one CPU's lists; what is done for a CPU that goes offline. */
export function drainCpu(phys: Phys, cpu: number, zone: Zone | null = null): void {
  for (const z of zone === null ? phys.populatedZones : [zone]) drain(phys, z, cpu)
}

/** Empties every CPU's lists, of one zone or of all. */
export function drainAllPages(phys: Phys, zone: Zone | null = null): void {
  for (const cpu of phys.machine.cpus) drainCpu(phys, cpu.id, zone)
}

/** Size of a batch for a zone, from its managed pages: about a quarter of a thousandth, one less than a power of two. */
export function zoneBatchSize(managed: number): number {
  let batch = Math.floor(managed / 1024)
  if (batch * 4096 > 512 * 1024) batch = (512 * 1024) / 4096
  batch = Math.max(1, Math.floor(batch / 4))
  const target = batch + Math.floor(batch / 2)
  return 2 ** (31 - Math.clz32(target)) - 1
}

/** Sets the real limits of a zone's lists (boot step 8, percpu_pagelist_fraction). */
export function setupZonePageset(phys: Phys, zone: Zone): void {
  const fraction = phys.tunables.percpuPagelistFraction
  const size = zoneBatchSize(zone.managed)
  let high = 6 * size
  let batch = Math.max(1, size)
  if (fraction !== 0) {
    high = Math.floor(zone.managed / fraction)
    const quarter = Math.floor(high / 4)
    batch = quarter > 96 ? 96 : Math.max(1, quarter)
  }
  for (const pcp of zone.pcp) {
    pcp.batch = 1
    pcp.high = high
    pcp.batch = batch
  }
}

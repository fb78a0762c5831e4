// Watermarks and reserves (physical specification, 1.12 and 2.13).

import { sleepOn, EINVAL, type Err, type Sleep } from '../../base/index.ts'
import { moveFreepagesBlock } from './buddy.ts'
import { MAX_NR_ZONES } from './configuration.ts'
import { NR_ALLOC_BATCH, NR_FREE_CMA_PAGES, NR_FREE_PAGES } from './counters.ts'
import {
  ALLOC_CMA,
  ALLOC_HARDER,
  ALLOC_HIGH,
  MIGRATE_MOVABLE,
  MIGRATE_RESERVE,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
} from './gfp.ts'
import { forgetHotRequest } from './hotPage.ts'
import { nrFreeBufferPages } from './nrFree.ts'
import { pageblockType, setPageblockMigratetype } from './pageblock.ts'
import { PG_reserved } from './pageFlags.ts'
import type { Phys } from './phys.ts'
import type { Zone } from './zone.ts'

/** Most MIGRATE_RESERVE pageblocks a zone keeps. */
const MAX_RESERVE_BLOCKS = 2
export const MIN_FREE_KBYTES_FLOOR = 128
export const MIN_FREE_KBYTES_CEILING = 65536

/**
 * May a block of `order` leave the zone without going to or below `mark`? Hot.
 *
 * @param classzone  index of the preferred zone: its reserve against this zone is added to the mark
 */
export function zoneWatermarkOk(zone: Zone, order: number, mark: number, classzone: number, flags: number): boolean {
  return watermarkOk(zone, order, mark, classzone, flags, zone.stat[NR_FREE_PAGES]!)
}

/** The same with an exact snapshot of the free pages. Our counters are always exact. */
export const zoneWatermarkOkSafe = zoneWatermarkOk

function watermarkOk(
  zone: Zone,
  order: number,
  mark: number,
  classzone: number,
  flags: number,
  freePages: number,
): boolean {
  let free = freePages - ((1 << order) - 1)
  let min = mark
  if ((flags & ALLOC_HIGH) !== 0) min -= Math.floor(min / 2)
  if ((flags & ALLOC_HARDER) !== 0) min -= Math.floor(min / 4)
  const cma = (flags & ALLOC_CMA) !== 0 ? 0 : zone.stat[NR_FREE_CMA_PAGES]!
  if (free - cma <= min + zone.lowmemReserve[classzone]!) return false
  for (let o = 0; o < order; o++) {
    free -= zone.nrFree[o]! * (1 << o)
    min = Math.floor(min / 2)
    if (free <= min) return false
  }
  return true
}

/**
 * Recomputes every zone's watermarks from min_free_kbytes, its reserve blocks and the total reserve.
 *
 * @locks  sleeps on the zonelists mutex
 * @manual setup_per_zone_wmarks, Linux
 */
export function* setupPerZoneWmarks(phys: Phys): Sleep<void> {
  while (!phys.zonelistsMutex.tryWrite(phys)) yield* sleepOn(phys.zonelistsMutex.queue)
  setupPerZoneWmarksLocked(phys)
  phys.zonelistsMutex.unlockWrite()
}

/** The same for a caller that holds the zonelists mutex, or needs none (boot). */
export function setupPerZoneWmarksLocked(phys: Phys): void {
  forgetHotRequest(phys)
  const zones = phys.zones
  const pagesMin = Math.floor(phys.tunables.minFreeKbytes / 4)
  let lowmem = 0
  for (const zone of zones) if (!zone.isHighmem) lowmem += zone.managed
  for (const zone of zones) {
    const share = lowmem === 0 ? 0 : Number((BigInt(pagesMin) * BigInt(zone.managed)) / BigInt(lowmem))
    const min = zone.isHighmem ? Math.min(Math.max(Math.floor(zone.managed / 1024), 32), 128) : share
    zone.watermark[WMARK_MIN] = min
    zone.watermark[WMARK_LOW] = min + Math.floor(share / 4)
    zone.watermark[WMARK_HIGH] = min + Math.floor(share / 2)
    zone.stat[NR_ALLOC_BATCH] = zone.watermark[WMARK_HIGH]! - zone.watermark[WMARK_LOW]!
    setupZoneMigrateReserve(phys, zone)
  }
  calculateTotalreservePages(phys)
}

/** Keeps as many MIGRATE_RESERVE pageblocks as the min watermark is worth, at the zone's start if possible. */
function setupZoneMigrateReserve(phys: Phys, zone: Zone): void {
  const pages = phys.pageblockPages
  const old = zone.nrMigrateReserveBlock
  let wanted = Math.min(MAX_RESERVE_BLOCKS, Math.ceil(zone.watermark[WMARK_MIN]! / pages))
  if (wanted === old) return
  zone.nrMigrateReserveBlock = wanted
  zone.lock.acquire()
  for (let pfn = Math.ceil(zone.startPfn / pages) * pages; pfn < zone.endPfn; pfn += pages) {
    const f = phys.frames.indexOf(pfn)
    if (f < 0 || phys.zoneOf(f).node !== zone.node) continue
    const type = pageblockType(phys, f)
    if (wanted > 0) {
      if (hasReservedPage(phys, pfn, zone.endPfn)) continue
      if (type === MIGRATE_RESERVE) {
        wanted--
        continue
      }
      if (type === MIGRATE_MOVABLE) {
        setPageblockMigratetype(phys, pfn, MIGRATE_RESERVE)
        moveFreepagesBlock(phys, zone, f, MIGRATE_RESERVE)
        wanted--
        continue
      }
    } else if (old === 0) break
    if (type === MIGRATE_RESERVE) {
      setPageblockMigratetype(phys, pfn, MIGRATE_MOVABLE)
      moveFreepagesBlock(phys, zone, f, MIGRATE_MOVABLE)
    }
  }
  zone.lock.release()
}

function hasReservedPage(phys: Phys, pfn: number, zoneEnd: number): boolean {
  const end = Math.min(pfn + phys.pageblockPages, zoneEnd)
  for (let p = pfn; p < end; p++) {
    const f = phys.frames.indexOf(p)
    if (f < 0 || (phys.frames.flags[f]! & PG_reserved) !== 0) return true
  }
  return false
}

/** totalreserve_pages: what no user can ever get, summed over the zones. */
export function calculateTotalreservePages(phys: Phys): void {
  let total = 0
  for (const zone of phys.zones) {
    let most = 0
    for (let j = zone.index; j < MAX_NR_ZONES; j++) most = Math.max(most, zone.lowmemReserve[j]!)
    zone.dirtyBalanceReserve = Math.min(zone.managed, most + zone.watermark[WMARK_HIGH]!)
    total += zone.dirtyBalanceReserve
  }
  phys.totalreservePages = total
}

/** lowmem_reserve: what a zone keeps from requests that could have used a higher zone. */
export function setupPerZoneLowmemReserve(phys: Phys): void {
  forgetHotRequest(phys)
  const ratio = phys.tunables.lowmemReserveRatio
  for (const node of phys.onlineNodes) {
    for (let j = 0; j < MAX_NR_ZONES; j++) {
      let managed = node.zones[j]!.managed
      node.zones[j]!.lowmemReserve[j] = 0
      for (let i = j - 1; i >= 0; i--) {
        ratio[i] = Math.max(1, ratio[i]!)
        node.zones[i]!.lowmemReserve[j] = Math.floor(managed / ratio[i]!)
        managed += node.zones[i]!.managed
      }
    }
  }
  calculateTotalreservePages(phys)
}

/** floor of the exact square root of a non-negative integer below 2^53. */
export function intSqrt(n: number): number {
  let root = Math.floor(Math.sqrt(n))
  while (root * root > n) root--
  while ((root + 1) * (root + 1) <= n) root++
  return root
}

/** Boot step 10: min_free_kbytes from the size of memory, then everything that follows from it. */
export function initPerZoneWmarkMin(phys: Phys): void {
  const { tunables } = phys
  const value = intSqrt(nrFreeBufferPages(phys) * 4 * 16)
  if (value > tunables.userMinFreeKbytes)
    tunables.minFreeKbytes = Math.min(Math.max(value, MIN_FREE_KBYTES_FLOOR), MIN_FREE_KBYTES_CEILING)
  else
    phys.log.print(
      `min_free_kbytes is not updated to ${value} because user defined value ${tunables.userMinFreeKbytes} is preferred`,
    )
  setupPerZoneWmarksLocked(phys)
  refreshThresholds(phys)
  setupPerZoneLowmemReserve(phys)
  for (const zone of phys.zones) {
    const gb = Math.floor(zone.managed / 2 ** 18)
    zone.inactiveRatio = gb === 0 ? 1 : intSqrt(10 * gb)
  }
}

/** Writes vm.min_free_kbytes. lowmem_reserve stays as it is. @errors EINVAL below 0 or not an integer */
export function* writeMinFreeKbytes(phys: Phys, value: number): Sleep<0 | Err> {
  if (!Number.isInteger(value) || value < 0) return EINVAL
  phys.tunables.minFreeKbytes = value
  phys.tunables.userMinFreeKbytes = value
  yield* setupPerZoneWmarks(phys)
  return 0
}

/** Steps a per-CPU counter delta may take before it is folded (physical specification, 4.5). Ours are always exact. */
export function normalThreshold(cpus: number, managed: number): number {
  const fls = (n: number): number => 32 - Math.clz32(n)
  return Math.min(125, 2 * fls(cpus) * (1 + fls(Math.floor(managed / 2 ** 15))))
}

/** The threshold while kswapd runs. */
export function pressureThreshold(zone: Zone, cpus: number): number {
  const distance = zone.watermark[WMARK_LOW]! - zone.watermark[WMARK_MIN]!
  return Math.max(1, Math.min(125, Math.floor(distance / cpus)))
}

function refreshThresholds(phys: Phys): void {
  const cpus = phys.machine.cpus.length
  for (const zone of phys.populatedZones) {
    const drift = cpus * normalThreshold(cpus, zone.managed)
    const tolerated = zone.watermark[WMARK_LOW]! - zone.watermark[WMARK_MIN]!
    zone.percpuDriftMark = drift > tolerated ? zone.watermark[WMARK_HIGH]! + drift : 0
  }
}

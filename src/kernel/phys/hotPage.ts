// The common case in one piece: a single page from the running CPU's list of the preferred zone, and back to it.
//
// Nothing is decided here that allocPagesNode and freePages would decide otherwise: whenever something is not as usual (a
// trace, an injected failure, a zone at its watermark or out of its fair share, an empty list, a page that fails a
// check, …) nothing has changed, and they do it.

import {
  NR_ALLOC_BATCH,
  NR_FREE_CMA_PAGES,
  NR_FREE_PAGES,
  NUMA_HIT,
  NUMA_LOCAL,
  NUMA_OTHER,
  PGALLOC,
  PGFREE,
} from './counters.ts'
import {
  __GFP_COLD,
  __GFP_THISNODE,
  __GFP_WRITE,
  __GFP_ZERO,
  GFP_ZONEMASK,
  gfpMigrateType,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  WMARK_LOW,
} from './gfp.ts'
import { PAGE_FLAGS_CHECK_AT_FREE, PG_anon, PG_head, PG_queued, PG_tail } from './pageFlags.ts'
import { blockTypeAt } from './pageblock.ts'
import type { Phys } from './phys.ts'
import type { PerCpuPages, Zone } from './zone.ts'

/** Flags that are more than this file deals with. */
const UNUSUAL_REQUEST = __GFP_COLD | __GFP_WRITE | __GFP_ZERO
const UNUSUAL_PAGE = PAGE_FLAGS_CHECK_AT_FREE | PG_head | PG_tail | PG_queued

/** What one kind of request comes down to. Valid until zones, watermarks or reserves change: see forgetHotRequest. */
export class HotRequest {
  gfp = -1
  nid = -1
  cpu = -1
  /** The preferred zone; null: an unusual request. */
  zone: Zone | null = null
  /** Its list to take from, of this CPU. */
  pcp: PerCpuPages | null = null
  list = 0
  /** The zone has more free pages than this afterwards. */
  floor = 0
  /** CMA pages do not count as free. */
  leavesCma = false
  /** NUMA_LOCAL or NUMA_OTHER. */
  localItem = NUMA_LOCAL
  /** Pages left of the zone's fair share, and how many there were when the counters were right. */
  left = 0
  budget = 0
  /** Pages given back since then. */
  given = 0
}

/** Brings the counters up to date that the common case only notes: the zone's shares and NUMA counters, pgalloc, pgfree. */
export function foldHotCounters(phys: Phys): void {
  const { hotRequest: hot, events } = phys
  const taken = hot.budget - hot.left
  if (taken > 0) {
    const { stat, index } = hot.zone!
    stat[NR_ALLOC_BATCH]! -= taken
    stat[NUMA_HIT]! += taken
    stat[hot.localItem]! += taken
    events.counts[PGALLOC + index]! += taken
    hot.budget = hot.left
  }
  events.counts[PGFREE]! += hot.given
  hot.given = 0
}
/** Zonelists, watermarks, reserves or shares change. */
export function forgetHotRequest(phys: Phys): void {
  foldHotCounters(phys)
  phys.hotRequest.gfp = -1
}

function learn(phys: Phys, hot: HotRequest, nid: number, givenGfp: number, cpu: number): void {
  foldHotCounters(phys)
  const gfp = givenGfp & phys.gfpAllowedMask
  hot.gfp = givenGfp
  hot.nid = nid
  hot.cpu = cpu
  hot.zone = null
  hot.left = 0
  hot.budget = 0
  const type = phys.isMobilityGroupingDisabled ? 0 : gfpMigrateType(gfp)
  const highZone = phys.config.gfpZone[gfp & GFP_ZONEMASK]!
  if ((gfp & UNUSUAL_REQUEST) !== 0 || type >= MIGRATE_PCPTYPES || highZone < 0) return
  if (phys.mayLackBacking || phys.failAfter > 0 || phys.nodes[nid] === undefined) return
  const zonelist = phys.nodes[nid]!.zonelists[(gfp & __GFP_THISNODE) === 0 ? 0 : 1]
  const first = zonelist.first[highZone]!
  if (first < 0) return
  const zone = zonelist.zones[first]!
  hot.zone = zone
  hot.pcp = zone.pcp[cpu]!
  hot.list = hot.pcp.lists + type
  hot.floor = zone.watermark[WMARK_LOW]! + zone.lowmemReserve[zone.index]!
  hot.leavesCma = type !== MIGRATE_MOVABLE
  hot.localItem = zone.node === phys.cpuNode[cpu] ? NUMA_LOCAL : NUMA_OTHER
  hot.left = zone.isFairDepleted ? 0 : zone.stat[NR_ALLOC_BATCH]!
  hot.budget = hot.left
}

/** Takes one page near a node. Hot. @returns its frame, count 1; -1: nothing has changed */
export function takeHotPage(phys: Phys, nid: number, gfp: number): number {
  const { frames, machine, hotRequest: hot } = phys
  const cpu = machine.current.cpu.id
  if (hot.gfp !== gfp || hot.cpu !== cpu || hot.nid !== nid) learn(phys, hot, nid, gfp, cpu)
  const { zone, list } = hot
  if (hot.left <= 0 || zone === null || machine.trace.on) return -1
  const { stat } = zone
  const free = stat[NR_FREE_PAGES]!
  if (free <= hot.floor || (hot.leavesCma && free - stat[NR_FREE_CMA_PAGES]! <= hot.floor)) return -1

  const { lruNext, lruPrev, refcount } = frames
  const f = lruNext[list]!
  if (f === list) return -1
  if (frames.flags[f] !== 0 || frames.mapcount[f] !== -1 || refcount[f] !== 0 || frames.owner[f] !== 0) return -1

  const next = lruNext[f]!
  lruNext[list] = next
  lruPrev[next] = list
  lruNext[f] = -1
  lruPrev[f] = -1
  hot.pcp!.count--
  refcount[f] = 1
  frames.attrs[f] = 0
  if (--hot.left <= 0) zone.isFairDepleted = true
  return f
}

/** Drops the last reference of a single page. Hot. @returns false: nothing has changed */
export function giveHotPage(phys: Phys, f: number): boolean {
  const { frames, machine } = phys
  const { flags, refcount, owner } = frames
  const state = flags[f]!
  const ownedBy = owner[f]!
  if (
    refcount[f] !== 1 ||
    (state & UNUSUAL_PAGE) !== 0 ||
    frames.mapcount[f] !== -1 ||
    (ownedBy !== 0 && (state & PG_anon) === 0) ||
    frames.wireCount[f] !== 0 ||
    frames.loanCount[f] !== 0 ||
    frames.pvHead[f] !== 0 ||
    machine.trace.on
  )
    return false
  const zone = phys.zoneBySlot[frames.zone[f]!]!
  const type = blockTypeAt(phys, (f >>> phys.pageblockOrder) + zone.blockOffset)
  const pcp = zone.pcp[machine.current.cpu.id]!
  if (type >= MIGRATE_PCPTYPES || pcp.count + 1 >= pcp.high) return false

  refcount[f] = 0
  if (state !== 0) flags[f] = 0
  if (ownedBy !== 0) owner[f] = 0
  frames.private[f] = 0
  frames.freeType[f] = type
  frames.pushFront(pcp.lists + type, f)
  pcp.count++
  phys.hotRequest.given++
  return true
}

// Which zone a request tries first, second, … (physical specification, 1.11 and 2.4).

import { EINVAL, type Err } from '../../base/index.ts'
import { MAX_NR_ZONES } from './configuration.ts'
import { MIGRATE_TYPES } from './gfp.ts'
import { nrFreePagecachePages } from './nrFree.ts'
import { forgetHotRequest } from './hotPage.ts'
import type { Phys } from './phys.ts'
import { Zonelist, type Zone } from './zone.ts'

/** Makes a node with CPUs cost more than one without, at equal distance. */
const PENALTY_FOR_NODE_WITH_CPUS = 1

/**
 * One step of ordering the fallback nodes of `node`: the node itself first (even without memory), then the best
 * of those that have memory. The answer is added to `used`.
 *
 * @returns a node id, -1 when every node with memory is used
 * @manual find_next_best_node, Linux
 */
export function findNextBestNode(phys: Phys, node: number, used: Set<number>): number {
  if (!used.has(node)) {
    used.add(node)
    return node
  }
  let best = -1
  let bestValue = Infinity
  for (const candidate of phys.nodes) {
    if (!candidate.hasMemory || used.has(candidate.id)) continue
    let value = phys.distance(node, candidate.id)
    if (candidate.id < node) value++
    if (candidate.hasCpu) value += PENALTY_FOR_NODE_WITH_CPUS
    value = value * (phys.nrOnlineNodes * phys.config.maxNumNodes) + phys.nodeLoad[candidate.id]!
    if (value < bestValue) {
      bestValue = value
      best = candidate.id
    }
  }
  if (best >= 0) used.add(best)
  return best
}

/** The fallback order of one node. node_load persists from node to node: that rotates equal distances. */
export function nodeOrder(phys: Phys, local: number): number[] {
  const used = new Set<number>()
  const order: number[] = []
  let load = phys.nrOnlineNodes
  let previous = local
  for (;;) {
    const node = findNextBestNode(phys, local, used)
    if (node < 0) return order
    if (phys.distance(local, node) !== phys.distance(local, previous)) phys.nodeLoad[node] = load
    previous = node
    load--
    order.push(node)
  }
}

/** Builds every online node's zonelists and decides whether grouping by mobility pays (boot step 6, and later). */
export function buildAllZonelists(phys: Phys): void {
  phys.nodeLoad.fill(0)
  for (const node of phys.onlineNodes) {
    const order = nodeOrder(phys, node.id)
    const fallback = phys.tunables.zonelistOrder === 'node' ? byNode(phys, order) : byZone(phys, order)
    node.zonelists = [new Zonelist(fallback), new Zonelist(byNode(phys, [node.id]))]
  }
  phys.vmTotalPages = nrFreePagecachePages(phys)
  forgetHotRequest(phys)
  phys.isMobilityGroupingDisabled = phys.vmTotalPages < phys.pageblockPages * MIGRATE_TYPES
  phys.log.print(
    `Built ${phys.nrOnlineNodes} zonelists in ${phys.tunables.zonelistOrder === 'node' ? 'Node' : 'Zone'} order, ` +
      `mobility grouping ${phys.isMobilityGroupingDisabled ? 'off' : 'on'}.  Total pages: ${phys.vmTotalPages}`,
  )
  phys.log.print(`Policy zone: ${policyZone(phys)}`)
}

function byNode(phys: Phys, order: readonly number[]): Zone[] {
  return order.flatMap((id) => phys.nodes[id]!.zones.filter((zone) => zone.isPopulated).toReversed())
}
function byZone(phys: Phys, order: readonly number[]): Zone[] {
  const zones: Zone[] = []
  for (let index = MAX_NR_ZONES - 1; index >= 0; index--)
    for (const id of order) if (phys.nodes[id]!.zones[index]!.isPopulated) zones.push(phys.nodes[id]!.zones[index]!)
  return zones
}

/** The highest zone below the movable one that memory policies apply to. */
function policyZone(phys: Phys): string {
  const index = Math.max(0, ...phys.populatedZones.map((zone) => zone.index).filter((i) => i < MAX_NR_ZONES - 1))
  return phys.config.zoneNames[index]!
}

/** Writes vm.numa_zonelist_order: the first letter counts (default, node, zone). @errors EINVAL, order kept */
export function writeZonelistOrder(phys: Phys, text: string): 0 | Err {
  const letter = text.charAt(0).toLowerCase()
  if (letter === 'd') phys.tunables.zonelistOrder = phys.config.zonelistOrder
  else if (letter === 'n') phys.tunables.zonelistOrder = 'node'
  else if (letter === 'z') phys.tunables.zonelistOrder = 'zone'
  else return EINVAL
  buildAllZonelists(phys)
  return 0
}

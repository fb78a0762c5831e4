import type { Pools } from './pools.ts'

const HEAD =
  'slabinfo - version: 2.1\n' +
  '# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>' +
  ' : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n'

/**
 * The text of /proc/slabinfo, newest cache first. There are no per-CPU queues, so the tunables are 0.
 *
 * @manual  slabinfo(5), Linux
 */
export function slabinfo(pools: Pools): string {
  const column = (n: number, width: number): string => `${n}`.padStart(width)
  let text = HEAD
  for (const cache of pools.caches.toReversed()) {
    const slabs = cache.slabs.size
    const objects =
      `${column(cache.nrObjects, 6)} ${column(slabs * cache.objectsPerSlab, 6)} ${column(cache.stride, 6)}` +
      ` ${column(cache.objectsPerSlab, 4)} ${column(2 ** cache.order, 4)}`
    const tunables = ' : tunables    0    0    0'
    const slabdata = ` : slabdata ${column(slabs - cache.nrEmptySlabs, 6)} ${column(slabs, 6)} ${column(0, 6)}`
    text += `${cache.name.padEnd(17)} ${objects}${tunables}${slabdata}\n`
  }
  return text
}

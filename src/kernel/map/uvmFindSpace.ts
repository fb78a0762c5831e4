import { PAGE_SIZE } from '../../base/index.ts'
import { UVM_FLAG_COLORMATCH, UVM_FLAG_FIXED, UVM_UNKNOWN_OFFSET } from './uvmFlags.ts'
import type { VmMap } from './vmMap.ts'

/**
 * Finds room for `size` bytes (uvm specification 2.5). Bottom-up maps answer the lowest place at or above the hint,
 * top-down ones the highest at or below it; neither looks on the other side of the hint.
 *
 * @param hint    bytes, page aligned
 * @param align   bytes, a power of two, or 0; with COLORMATCH a page colour
 * @returns the address, or -1
 */
export function uvmFindSpace(
  map: VmMap,
  hint: number,
  size: number,
  offset: number,
  align: number,
  flags: number,
): number {
  const isFixed = (flags & UVM_FLAG_FIXED) !== 0
  if (hint < map.min) {
    if (isFixed) return -1
    hint = map.min
  }
  if (hint > map.max) return -1
  if (isFixed) return hint + size <= map.max && map.isFree(hint, hint + size) ? hint : -1
  const adjust = (at: number): number => adjusted(map, at, offset, align, (flags & UVM_FLAG_COLORMATCH) !== 0)
  return map.isTopdown ? searchDown(map, hint, size, adjust) : searchUp(map, hint, size, adjust)
}

function searchUp(map: VmMap, hint: number, size: number, adjust: (at: number) => number): number {
  for (let low = hint; ;) {
    const start = map.tree.lowestHole(size, low, map.max)
    if (start === -1) return -1
    const end = map.tree.holeEnd
    const at = adjust(start)
    if (at + size <= end) return at
    if (end >= map.max) return -1
    low = end
  }
}

function searchDown(map: VmMap, hint: number, size: number, adjust: (at: number) => number): number {
  const own = adjust(hint)
  if (own >= map.min && own + size <= map.max && map.isFree(own, own + size)) return own
  for (let high = Math.min(map.max, hint + size); ;) {
    const end = map.tree.highestHole(size, map.min, high)
    if (end === -1) return -1
    const start = map.tree.holeStart
    const at = adjust(end - size)
    if (at >= start) return at
    high = start
  }
}

/** The nearest address upward (downward in a top-down map) that has the wanted alignment, colour or alias. */
function adjusted(map: VmMap, at: number, offset: number, align: number, isColor: boolean): number {
  const { aliasBytes, colors } = map.vm.search
  if (offset !== UVM_UNKNOWN_OFFSET && aliasBytes > 0) at = congruent(map, at, offset, aliasBytes)
  if (isColor) return congruent(map, at, align * PAGE_SIZE, colors * PAGE_SIZE)
  return align === 0 ? at : congruent(map, at, 0, align)
}
function congruent(map: VmMap, at: number, to: number, modulus: number): number {
  const distance = (((to - at) % modulus) + modulus) % modulus
  return distance === 0 ? at : map.isTopdown ? at + distance - modulus : at + distance
}

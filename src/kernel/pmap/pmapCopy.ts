import type { Pmap } from './pmaps.ts'

/**
 * A hint that `dst` will need the mappings of `src`. Advisory; does nothing: see pmapCopyRange for fork.
 *
 * @manual pmap_copy, pmap(9), NetBSD
 */
export function pmapCopy(_dst: Pmap, _src: Pmap, _dstAddress: number, _bytes: number, _srcAddress: number): void {}

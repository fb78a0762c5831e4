import { EINVAL, PAGE_SIZE, type OrErr, type Pfn } from '../../base/index.ts'
import { VM_MAYGUARD, type VmSpace } from '../map/index.ts'
import { PG_anon } from '../phys/index.ts'
import { pmapForEach, pmapForEachSoft, SOFT_GUARD } from '../pmap/index.ts'

const ENTRY_BYTES = 8
/** Entries made in one call: the answer is cut short there, which a reader must expect anyway. */
const MOST_ENTRIES = 65536

/**
 * Bytes of /proc/PID/pagemap: one little-endian 64-bit word for each virtual page, at offset vpn * 8.
 *
 *   63       62       61                 58             56           54          0
 *   [present][swapped][file or shm][…][guard marker][…][exclusive][…][ pfn        ]
 *
 * @returns EINVAL if offset or length is not a multiple of 8
 * @manual proc_pid_pagemap(5); system-call specification 2.5
 */
export function pagemapBytes(space: VmSpace, offset: number, length: number): OrErr<Uint8Array> {
  if (offset % ENTRY_BYTES !== 0 || length % ENTRY_BYTES !== 0) return EINVAL
  const first = offset / ENTRY_BYTES
  const count = Math.min(length / ENTRY_BYTES, MOST_ENTRIES, space.map.max / PAGE_SIZE - first)
  if (count <= 0) return new Uint8Array(0)
  const words = new BigUint64Array(count)
  const start = first * PAGE_SIZE
  const end = start + count * PAGE_SIZE
  const { frames } = space.vm.phys
  pmapForEach(space.pmap, start, end, (va, pfn) => {
    const f = frames.indexOf(pfn as Pfn)
    let word = (1n << 63n) | BigInt(pfn)
    const isZero = pfn === space.vm.zeroPfn
    if (f >= 0 && !isZero) {
      if ((frames.flags[f]! & PG_anon) === 0) word |= 1n << 61n
      if (frames.mapcount[f] === 0) word |= 1n << 56n
    }
    words[(va - start) / PAGE_SIZE] = word
  })
  pmapForEachSoft(space.pmap, start, end, (va, kind) => {
    if (va < start || va >= end) return
    if (kind === SOFT_GUARD && ((space.map.lookup(va)?.vmFlags ?? 0) & VM_MAYGUARD) !== 0)
      words[(va - start) / PAGE_SIZE] = (1n << 62n) | (1n << 58n)
  })
  return new Uint8Array(words.buffer)
}

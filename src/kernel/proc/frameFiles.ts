// /proc/kpageflags and /proc/kpagecount: one 64-bit word for each frame of the machine, at offset pfn * 8.

import { EINVAL, type OrErr } from '../../base/index.ts'
import type { BytesNode } from '../file/index.ts'
import {
  PG_active,
  PG_anon,
  PG_dirty,
  PG_error,
  PG_head,
  PG_hwpoison,
  PG_locked,
  PG_lru,
  PG_pagetable,
  PG_queued,
  PG_reclaim,
  PG_referenced,
  PG_reserved,
  PG_slab,
  PG_swapbacked,
  PG_swapcache,
  PG_tail,
  PG_unevictable,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import type { Kernel } from '../process/index.ts'
import { MemoryIo } from './memoryIo.ts'

const WORD = 8
/** Words made in one call. */
const MOST_WORDS = 512

/** What stands for a flag in the word: the numbers of the kernel's interface, KPF_…. */
const FLAGS: readonly (readonly [flag: number, bit: number])[] = [
  [PG_locked, 0],
  [PG_error, 1],
  [PG_referenced, 2],
  [PG_uptodate, 3],
  [PG_dirty, 4],
  [PG_lru | PG_queued, 5],
  [PG_active, 6],
  [PG_slab, 7],
  [PG_writeback, 8],
  [PG_reclaim, 9],
  [PG_anon, 12],
  [PG_swapcache, 13],
  [PG_swapbacked, 14],
  [PG_head, 15],
  [PG_tail, 16],
  [PG_unevictable, 18],
  [PG_hwpoison, 19],
  [PG_pagetable, 26],
  [PG_reserved, 32],
]
const KPF_BUDDY = 10n
const KPF_MMAP = 11n
const KPF_NOPAGE = 20n
const KPF_ZERO_PAGE = 24n

/** Flags of a frame as /proc/kpageflags has them; of a pfn without one, NOPAGE. @manual proc_kpageflags(5) */
export function frameFlags({ phys, vm }: Kernel, pfn: number): bigint {
  const f = phys.frames.indexOf(pfn)
  if (f < 0) return 1n << KPF_NOPAGE
  const flags = phys.frames.flags[f]!
  const mapcount = phys.frames.mapcount[f]!
  let word = 0n
  for (const [flag, bit] of FLAGS) if ((flags & flag) !== 0) word |= 1n << BigInt(bit)
  if (mapcount >= 0) word |= 1n << KPF_MMAP
  // The head of a free block says so in its map count.
  if (mapcount < -1) word |= 1n << KPF_BUDDY
  if (pfn === vm.zeroPfn) word |= 1n << KPF_ZERO_PAGE
  return word
}
/** How often a frame is mapped. @manual proc_kpagecount(5) */
export function frameMappings({ phys }: Kernel, pfn: number): bigint {
  const f = phys.frames.indexOf(pfn)
  return f < 0 ? 0n : BigInt(Math.max(0, phys.frames.mapcount[f]! + 1))
}

/** A file of one word for each frame. */
export function frameFile(kernel: Kernel, word: (kernel: Kernel, pfn: number) => bigint): BytesNode {
  const read = (offset: number, length: number): OrErr<Uint8Array> => {
    if (offset % WORD !== 0 || length % WORD !== 0) return EINVAL
    const end = kernel.phys.populatedZones.reduce((most, zone) => Math.max(most, zone.startPfn + zone.spanned), 0)
    const first = offset / WORD
    const count = Math.min(length / WORD, MOST_WORDS, end - first)
    const words = new BigUint64Array(Math.max(0, count))
    for (let i = 0; i < words.length; i++) words[i] = word(kernel, first + i)
    return new Uint8Array(words.buffer)
  }
  return { kind: 'bytes', permissions: 0o400, open: () => new MemoryIo({ read, write: () => EINVAL }) }
}

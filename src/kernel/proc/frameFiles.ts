// /proc/kpageflags and /proc/kpagecount: one 64-bit word for each frame of the machine, at offset pfn * 8.

import { EINVAL, type OrErr } from '../../base/index.ts'
import type { BytesNode } from '../file/index.ts'
import {
  BUDDY_MAPCOUNT,
  type Frames,
  MAX_ORDER,
  PG_active,
  PG_anon,
  PG_dirty,
  PG_error,
  PG_head,
  PG_hwpoison,
  PG_locked,
  PG_pagetable,
  PG_reclaim,
  PG_referenced,
  PG_reserved,
  PG_slab,
  PG_swapbacked,
  PG_tail,
  PG_unevictable,
  PG_uptodate,
  PG_writeback,
} from '../phys/index.ts'
import type { Kernel } from '../process/index.ts'
import { MemoryIo } from './memoryIo.ts'
import { keptObjects, mlockedFrames } from './zoneCounters.ts'

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
  [PG_active, 6],
  [PG_slab, 7],
  [PG_writeback, 8],
  [PG_reclaim, 9],
  [PG_anon, 12],
  [PG_swapbacked, 14],
  [PG_head, 15],
  [PG_tail, 16],
  [PG_unevictable, 18],
  [PG_hwpoison, 19],
  [PG_pagetable, 26],
  [PG_reserved, 32],
]
const KPF_LRU = 2 ** 5
const KPF_BUDDY = 2 ** 10
const KPF_MMAP = 2 ** 11
const KPF_SWAPCACHE = 2 ** 13
const KPF_UNEVICTABLE = 2 ** 18
const KPF_NOPAGE = 2 ** 20
const KPF_ZERO_PAGE = 2 ** 24
const KPF_MLOCKED = 2 ** 33

/** The word of a frame, by its number. */
export type FrameWord = (pfn: number) => number

/** Flags of frames as /proc/kpageflags has them; of a pfn without one, NOPAGE. @manual proc_kpageflags(5) */
export function frameFlags(kernel: Kernel): FrameWord {
  const { phys, vm } = kernel
  const { frames } = phys
  const mlocked = mlockedFrames(kernel)
  const kept = keptObjects(kernel)
  return (pfn) => {
    const f = frames.indexOf(pfn)
    if (f < 0) return KPF_NOPAGE
    const flags = frames.flags[f]!
    if (flags === 0 && frames.refcount[f] === 0) return isInFreeBlock(frames, f) ? KPF_BUDDY : 0
    let word = 0
    for (const [flag, bit] of FLAGS) if ((flags & flag) !== 0) word += 2 ** bit
    // Pages of programs are on a list, if only on that of their flags.
    if (frames.owner[f] !== 0 && frames.refcount[f]! > 0 && (flags & (PG_slab | PG_pagetable)) === 0) word += KPF_LRU
    if ((flags & PG_anon) !== 0 && vm.anons.slot[frames.owner[f]!]! > 0) word += KPF_SWAPCACHE
    if (frames.mapcount[f]! >= 0) word += KPF_MMAP
    if (pfn === vm.zeroPfn) word += KPF_ZERO_PAGE
    if (mlocked.has(f)) word += KPF_MLOCKED
    const isKept = mlocked.has(f) || ((flags & PG_anon) === 0 && kept.has(frames.owner[f]!))
    if (isKept && (flags & PG_unevictable) === 0) word += KPF_UNEVICTABLE
    return word
  }
}
/** Only the head of a free block says so, in its map count. */
function isInFreeBlock(frames: Frames, f: number): boolean {
  for (let order = MAX_ORDER - 1; order >= 0; order--) {
    const head = f & -(1 << order)
    if (frames.mapcount[head] === BUDDY_MAPCOUNT && frames.private[head]! >= order) return true
  }
  return false
}
/** How often frames are mapped. @manual proc_kpagecount(5) */
export function frameMappings({ phys: { frames } }: Kernel): FrameWord {
  return (pfn) => {
    const f = frames.indexOf(pfn)
    return f < 0 ? 0 : Math.max(0, frames.mapcount[f]! + 1)
  }
}

/** A file of one word for each frame. */
export function frameFile(kernel: Kernel, wordOf: (kernel: Kernel) => FrameWord): BytesNode {
  const read = (offset: number, length: number): OrErr<Uint8Array> => {
    if (offset % WORD !== 0 || length % WORD !== 0) return EINVAL
    const end = kernel.phys.populatedZones.reduce((most, zone) => Math.max(most, zone.startPfn + zone.spanned), 0)
    const first = offset / WORD
    const count = Math.min(length / WORD, MOST_WORDS, end - first)
    return frameWords(wordOf(kernel), first, Math.max(0, count))
  }
  return { kind: 'bytes', permissions: 0o400, open: () => new MemoryIo({ read, write: () => EINVAL }) }
}
/** The bytes of such a file: little-endian words of 64 bits. */
export function frameWords(word: FrameWord, first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * WORD)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < count; i++) {
    const value = word(first + i)
    if (value === 0) continue
    view.setUint32(i * WORD, value >>> 0, true)
    if (value >= 2 ** 32) view.setUint32(i * WORD + 4, value / 2 ** 32, true)
  }
  return bytes
}

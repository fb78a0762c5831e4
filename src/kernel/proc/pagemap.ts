import { EINVAL, ESRCH, PAGE_SIZE, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import type { UserBytes } from '../file/index.ts'
import { forEachSwapped, VM_MAYGUARD, VM_MAYPOISON, VM_UFFD_WP, type VmSpace } from '../map/index.ts'
import { PG_anon } from '../phys/index.ts'
import { pmapForEach, pmapForEachSoft, SOFT_GUARD } from '../pmap/index.ts'
import type { Process } from '../process/index.ts'
import { MemoryIo } from './memoryIo.ts'
import { PAGEMAP_SCAN, pagemapScan } from './pagemapScan.ts'

const ENTRY_BYTES = 8
/** The swap type that stands for no device. */
const MARKER = 31n
/** Entries made in one call: the answer is cut short there, which a reader must expect anyway. */
const MOST_ENTRIES = 65536

/**
 * Bytes of /proc/PID/pagemap: one little-endian 64-bit word for each virtual page, at offset vpn * 8.
 *
 *   63       62       61                 58             56           54          0
 *   [present][swapped][file or shm][…][guard marker][…][exclusive][…][ pfn, or offset in swap: 54-5, type: 4-0 ]
 *
 * @param showsFrames  to user 0 only: for others the pfn is 0
 * @returns EINVAL if offset or length is not a multiple of 8
 * @manual proc_pid_pagemap(5); system-call specification 2.5
 */
export function pagemapBytes(space: VmSpace, offset: number, length: number, showsFrames = true): OrErr<Uint8Array> {
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
    let word = (1n << 63n) | (showsFrames ? BigInt(pfn) : 0n)
    const isZero = pfn === space.vm.zeroPfn
    if (f >= 0 && !isZero) {
      if ((frames.flags[f]! & PG_anon) === 0) word |= 1n << 61n
      if (frames.mapcount[f] === 0) word |= 1n << 56n
    }
    const listener = space.map.lookup(va)?.listener ?? null
    if (listener !== null && listener.isProtected(va)) word |= 1n << 57n
    words[(va - start) / PAGE_SIZE] = word
  })
  pmapForEachSoft(space.pmap, start, end, (va, kind, value) => {
    if (va < start || va >= end) return
    if (kind !== SOFT_GUARD) return
    const flags = space.map.lookup(va)?.vmFlags ?? 0
    // A marker shows as a swap entry of the type of markers; its offset says which: 2 poisoned, 4 guard.
    if (value !== 0 && (flags & VM_MAYPOISON) !== 0) words[(va - start) / PAGE_SIZE] = (1n << 62n) | MARKER | (2n << 5n)
    else if ((flags & VM_MAYGUARD) !== 0)
      words[(va - start) / PAGE_SIZE] = (1n << 62n) | (1n << 58n) | MARKER | (4n << 5n)
  })
  for (let e = space.map.firstEndingAbove(start); e !== null && e.start < end; e = e.next) {
    const { listener } = e
    forEachSwapped(e, Math.max(start, e.start), Math.min(end, e.end), (va, _anon, slot) => {
      const isProtected = listener !== null && listener.isProtected(va)
      words[(va - start) / PAGE_SIZE] = (1n << 62n) | (isProtected ? 1n << 57n : 0n) | swapWord(space, slot)
    })
  }
  // A page that is protected and not there: a marker of offset 1.
  for (let e = space.map.firstEndingAbove(start); e !== null && e.start < end; e = e.next) {
    if (e.listener === null || (e.vmFlags & VM_UFFD_WP) === 0) continue
    for (let va = Math.max(start, e.start); va < Math.min(end, e.end); va += PAGE_SIZE) {
      const i = (va - start) / PAGE_SIZE
      if (words[i] === 0n && e.listener.isProtected(va)) words[i] = (1n << 62n) | (1n << 57n) | MARKER | (1n << 5n)
    }
  }
  return new Uint8Array(words.buffer)
}

/** Type and offset of a slot: the number of its device, and its page there behind the header. */
function swapWord({ vm }: VmSpace, slot: number): bigint {
  if (slot < 0) return 0n
  const { swap } = vm.anons
  const device = swap!.deviceOf(slot)
  return BigInt(swap!.byNumber.indexOf(device)) | (BigInt(slot - device.first + 1) << 5n)
}

/** /proc/PID/pagemap: its words, and PAGEMAP_SCAN. */
export class PagemapIo extends MemoryIo {
  readonly #process: Process

  constructor(process: Process, showsFrames: boolean) {
    super({
      read: (offset, length) =>
        process.space === null ? ESRCH : pagemapBytes(process.space, offset, length, showsFrames),
      write: () => EINVAL,
    })
    this.#process = process
  }
  *control(request: number, argument: number, user: UserBytes): Sleep<number> {
    if (request !== PAGEMAP_SCAN) return EINVAL
    const { space } = this.#process
    return space === null ? ESRCH : yield* pagemapScan(space, argument, user)
  }
}

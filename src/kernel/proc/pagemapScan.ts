// PAGEMAP_SCAN: which pages of a range are of some kinds; and, where stores are noted by their protection alone
// (UFFD_FEATURE_WP_ASYNC), starts to note them anew.

import {
  EFAULT,
  EINVAL,
  EPERM,
  type Err,
  isErr,
  isPageAligned,
  MiB,
  PAGE_SIZE,
  type Pfn,
  roundPage,
} from '../../base/index.ts'
import type { Sleep } from '../../base/index.ts'
import { amapForEach } from '../anon/index.ts'
import type { UserBytes } from '../file/index.ts'
import { type FaultListener, VM_UFFD_WP, type VmMapEntry, type VmSpace } from '../map/index.ts'
import { PG_anon } from '../phys/index.ts'
import { pmapForEach, pmapForEachSoft, pmapUpdate, SOFT_GUARD } from '../pmap/index.ts'

export const PAGEMAP_SCAN = 0xc0606610

// Kinds of pages.
const WP_ALLOWED = 1 << 0
const WRITTEN = 1 << 1
const FILE = 1 << 2
const PRESENT = 1 << 3
const SWAPPED = 1 << 4
const ZERO = 1 << 5
const HUGE = 1 << 6
const GUARD = 1 << 8
const ALL = 0x1ff

/** What a superpage maps. */
const LARGE_BYTES = 2 * MiB

const WP_MATCHING = 1
const CHECK_WPASYNC = 2

// struct pm_scan_arg: 12 words.
const ARGUMENT_BYTES = 96
const WALK_END_AT = 32
const REGION_BYTES = 24

interface Scan {
  readonly flags: number
  readonly start: number
  readonly end: number
  /** Where regions go, and how many there may be; 0 for nowhere. */
  readonly vec: number
  readonly vecLength: number
  /** Infinity for all. */
  readonly maxPages: number
  readonly inverted: number
  readonly mask: number
  readonly anyOf: number
  readonly returned: number
}
interface Region {
  readonly start: number
  end: number
  readonly kinds: number
}

/**
 * ioctl(PAGEMAP_SCAN) of /proc/PID/pagemap.
 *
 * @param argument  user address of a struct pm_scan_arg; its walk_end is written
 * @returns regions found
 * @errors EINVAL a field; EFAULT the structure, the range or the vector; EPERM with PM_SCAN_CHECK_WPASYNC: memory whose
 *         stores are not noted
 * @locks  map for reading; sleeps
 * @manual ioctl_pagemap_scan(2)
 */
export function* pagemapScan(space: VmSpace, argument: number, user: UserBytes): Sleep<number> {
  const bytes = yield* user.read(argument, ARGUMENT_BYTES)
  if (isErr(bytes)) return bytes
  const scan = parse(bytes, space.map.max)
  if (isErr(scan)) return scan
  const { lock } = space.map
  yield* lock.read()
  const walk = new Walk(space, scan)
  const refused = walk.run()
  lock.unlockRead()
  const words = new BigUint64Array(walk.regions.length * 3)
  walk.regions.forEach(({ start, end, kinds }, i) => words.set([start, end, kinds].map(BigInt), i * 3))
  const written = yield* user.write(scan.vec, new Uint8Array(words.buffer))
  const at = new Uint8Array(BigUint64Array.of(BigInt(walk.end)).buffer)
  const told = yield* user.write(argument + WALK_END_AT, at)
  if (isErr(told)) return told
  if (isErr(written)) return written
  return refused === 0 ? walk.regions.length : refused
}

function parse(bytes: Uint8Array, max: number): Scan | Err {
  const words = new BigUint64Array(bytes.buffer)
  const [size, flags, start, end, , vec, vecLength, maxPages, inverted, mask, anyOf, returned] = Array.from(
    words,
    Number,
  )
  if (size !== ARGUMENT_BYTES || flags! > (WP_MATCHING | CHECK_WPASYNC)) return EINVAL
  if ([inverted, mask, anyOf, returned].some((kinds) => kinds! > ALL)) return EINVAL
  if (!isPageAligned(start!)) return EINVAL
  if (end! < start! || end! > max) return EFAULT
  if (vec === 0 && vecLength !== 0) return EINVAL
  if (vecLength! * REGION_BYTES > max || (vecLength !== 0 && vec! + vecLength! * REGION_BYTES > max)) return EFAULT
  return {
    flags: flags!,
    start: start!,
    end: roundPage(end!),
    vec: vec!,
    vecLength: vecLength!,
    // Without a vector nothing is counted.
    maxPages: maxPages === 0 || vecLength === 0 ? Infinity : maxPages!,
    inverted: inverted!,
    mask: mask!,
    anyOf: anyOf!,
    returned: returned!,
  }
}

/** Goes over the entries of a range, page by page or gap by gap. */
class Walk {
  readonly regions: Region[] = []
  /** Where it stopped. */
  end: number
  readonly #space: VmSpace
  readonly #scan: Scan
  #found = 0

  constructor(space: VmSpace, scan: Scan) {
    this.#space = space
    this.#scan = scan
    this.end = scan.end
  }
  run(): 0 | Err {
    const { start, end, flags } = this.#scan
    const { map, pmap } = this.#space
    let result: 0 | Err = 0
    let goesOn = true
    for (let e = map.firstEndingAbove(start); goesOn && e !== null && e.start < end; e = e.next) {
      const noter = noterOf(e)
      if (noter === null && (flags & CHECK_WPASYNC) !== 0) {
        result = EPERM
        break
      }
      if (noter === null && (flags & WP_MATCHING) !== 0) continue
      goesOn = this.#entry(e, noter, Math.max(start, e.start), Math.min(end, e.end))
    }
    pmapUpdate(pmap)
    return result
  }
  /** False: stop. */
  #entry(entry: VmMapEntry, noter: FaultListener | null, start: number, end: number): boolean {
    const allowed = noter === null ? 0 : WP_ALLOWED
    const { listener } = entry
    const marks = marksOf(this.#space, entry, start, end)
    let at = start
    for (const va of [...marks.keys(), end]) {
      // Pages without a record: where some may be protected each for itself, else all at once.
      const step = listener === null ? va - at : PAGE_SIZE
      for (; at < va; at += step) {
        const kinds = listener?.isProtected(at) === true ? SWAPPED : WRITTEN
        if (!this.#take(at, at + step, kinds | allowed, noter)) return false
      }
      if (va < end && !this.#take(va, va + PAGE_SIZE, marks.get(va)! | allowed, noter)) return false
      at = va + PAGE_SIZE
    }
    return true
  }
  #take(start: number, end: number, kinds: number, noter: FaultListener | null): boolean {
    const { inverted, mask, anyOf, returned, maxPages, vecLength, flags } = this.#scan
    const seen = kinds ^ inverted
    if ((seen & mask) !== mask || (anyOf !== 0 && (seen & anyOf) === 0)) return true
    const pages = Math.min((end - start) / PAGE_SIZE, maxPages - this.#found)
    const stop = start + pages * PAGE_SIZE
    const last = this.regions.at(-1)
    const isSame = last !== undefined && last.end === start && last.kinds === (kinds & returned)
    if (pages === 0 || (vecLength > 0 && !isSame && this.regions.length === vecLength)) {
      this.end = start
      return false
    }
    if (isSame) last.end = stop
    else if (vecLength > 0) this.regions.push({ start, end: stop, kinds: kinds & returned })
    if ((flags & WP_MATCHING) !== 0) for (let va = start; va < stop; va += PAGE_SIZE) noter!.setProtected(va, true)
    this.#found += pages
    if (stop < end) this.end = stop
    return stop === end
  }
}

/** Who notes stores to the entry by their protection alone. */
function noterOf({ listener, vmFlags }: VmMapEntry): FaultListener | null {
  return listener !== null && listener.isAsync && (vmFlags & VM_UFFD_WP) !== 0 ? listener : null
}

/** Kinds of the pages of a part of an entry of which anything is recorded, ascending. */
function marksOf({ vm, pmap }: VmSpace, entry: VmMapEntry, start: number, end: number): Map<number, number> {
  const { frames } = vm.phys
  const marks = new Map<number, number>()
  const written = (va: number): number => (entry.listener?.isProtected(va) === true ? 0 : WRITTEN)
  pmapForEach(pmap, start, end, (va, pfn) => {
    const f = frames.indexOf(pfn as Pfn)
    let kinds = PRESENT | written(va)
    if (pfn === vm.zeroPfn) kinds |= ZERO
    else if (f >= 0 && (frames.flags[f]! & PG_anon) === 0) kinds |= FILE
    if (pmap.large.has(Math.floor(va / LARGE_BYTES))) kinds |= HUGE
    marks.set(va, kinds)
  })
  pmapForEachSoft(pmap, start, end, (va, kind, value) => {
    if (va < start || va >= end || kind !== SOFT_GUARD) return
    marks.set(va, SWAPPED | WRITTEN | (value === 0 ? GUARD : 0))
  })
  if (entry.amap !== null)
    amapForEach(vm.chunks, entry.amap, entry.slotOf(start), entry.slotOf(end - 1) + 1, (slot) => {
      const va = entry.start + (slot - entry.amapSlot) * PAGE_SIZE
      if (!marks.has(va)) marks.set(va, SWAPPED | written(va))
    })
  return new Map([...marks].sort(([a], [b]) => a - b))
}

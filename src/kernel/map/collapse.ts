// MADV_COLLAPSE: pages of private memory that lie anywhere are moved together into one block and mapped by one superpage.

import { EAGAIN, EBUSY, EINVAL, ENOMEM, type Err, isErr, PAGE_SIZE, pfn as asPfn, type Pfn } from '../../base/index.ts'
import { MiB, type Sleep } from '../../base/index.ts'
import { amapAdd, amapLookup, anonPage, anonSetPage, anonUnref, isAnonBusy, isAnonReady } from '../anon/index.ts'
import { __GFP_COMP, allocPages, freePages, GFP_TRANSHUGE, splitPage } from '../phys/index.ts'
import {
  ATTR_EXCLUSIVE,
  ATTR_TOUCHED,
  pmapCopyPage,
  pmapEnterLarge,
  pmapLookup,
  pmapRemove,
  pmapUpdate,
  pmapZeroPage,
  SOFT_NONE,
  VM_PROT_EXECUTE,
  VM_PROT_READ,
  VM_PROT_WRITE,
} from '../pmap/index.ts'
import { VM_DROPPABLE, VM_HUGEPAGE, VM_NOHUGEPAGE, type VmMapEntry } from './entry.ts'
import { locked } from './locked.ts'
import type { VmSpace } from './vmSpace.ts'

const ORDER = 9
const PAGES = 1 << ORDER
const LARGE = 2 * MiB
/** Times that pages are read back from swap before it is given up. */
const ATTEMPTS = 3

/** What a look at 2 MiB may find, beside errors. */
type Finding = 'large' | 'swapped' | 'small' | Err

/**
 * Maps every aligned 2 MiB of `[start, end)` by one superpage, whatever the policy of faults is: pages that are not there
 * become zeros, pages that others share are copied. What fails does not stop what follows.
 *
 * @param start  bytes, page aligned, as is `end`
 * @errors EINVAL memory that never has large pages, or in one part no page, a record, or no 2 MiB in the range at all;
 *         EAGAIN a page in use; EBUSY a userfaultfd wants to make the pages that are missing; ENOMEM a hole, or no block
 * @locks  map write-locked for each part; sleeps for it, for memory and for pages from swap
 * @manual madvise(2), MADV_COLLAPSE, Linux
 */
export function* collapseRegion(space: VmSpace, start: number, end: number): Sleep<0 | Err> {
  let hasHole = false
  for (let at = start; at < end;) {
    const entry = space.map.firstEndingAbove(at)
    hasHole ||= entry === null || entry.start > at
    if (entry === null || entry.start >= end) break
    const stop = Math.min(entry.end, end)
    const error = yield* collapsePart(space, Math.max(at, entry.start), stop)
    if (error !== 0) return error
    at = stop
  }
  return hasHole ? ENOMEM : 0
}

function* collapsePart(space: VmSpace, start: number, end: number): Sleep<0 | Err> {
  if (!isAllowed(space, space.map.lookup(start)!)) return EINVAL
  const first = Math.ceil(start / LARGE) * LARGE
  const last = end - (end % LARGE)
  let result: 0 | Err = first > last ? EINVAL : 0
  for (let at = first; at < last; at += LARGE) {
    const error = yield* collapse(space, at)
    if (error !== 0) result = error
    if (error === EBUSY || error === ENOMEM) break
  }
  return result
}

function* collapse(space: VmSpace, start: number): Sleep<0 | Err> {
  const { phys, stats } = space.vm
  let found: Finding = EINVAL
  for (let i = 0; i < ATTEMPTS; i++) {
    found = yield* locked(space.map, () => look(space, start))
    if (found !== 'swapped') break
    yield* space.vm.populate(space, start, start + LARGE, VM_PROT_READ, true)
  }
  if (found === 'large') return 0
  if (found !== 'small') return found === 'swapped' ? EINVAL : found
  const block = yield* allocPages(phys, GFP_TRANSHUGE & ~__GFP_COMP, ORDER)
  if (isErr(block)) {
    stats.collapseFailures++
    return ENOMEM
  }
  return yield* locked(space.map, () => {
    // Somebody else may have run meanwhile.
    const now = look(space, start)
    if (now === 'small') return move(space, start, block)
    freePages(phys, block, ORDER)
    return now === 'large' ? 0 : now === 'swapped' ? EAGAIN : now
  })
}

/** May the entry have large pages at all, if it is asked for them? */
function isAllowed({ largePagesOff }: VmSpace, entry: VmMapEntry): boolean {
  const { vmFlags, object, amap, protection } = entry
  if (Math.ceil(entry.start / LARGE) * LARGE + LARGE > entry.end) return false
  if ((vmFlags & (VM_NOHUGEPAGE | VM_DROPPABLE)) !== 0) return false
  if (largePagesOff !== 0 && (largePagesOff === 1 || (vmFlags & VM_HUGEPAGE) === 0)) return false
  if (object !== null || !entry.isCow || entry.wiredCount > 0 || amap?.isShared === true) return false
  return (protection & VM_PROT_EXECUTE) === 0
}

/** Looks at every page, in order: the first that is in the way decides. */
function look(space: VmSpace, start: number): Finding {
  const { vm, map } = space
  const { anons, chunks, pmaps } = vm
  if (map.pmap.large.has(start / LARGE)) return 'large'
  const entry = map.lookup(start)
  if (entry === null || entry.end < start + LARGE || !isAllowed(space, entry)) return EINVAL
  let pages = 0
  let isSwapped = false
  for (let va = start; va < start + LARGE; va += PAGE_SIZE) {
    if (!pmapLookup(map.pmap, va) && pmaps.softKind !== SOFT_NONE) return EINVAL
    if (entry.listener?.isProtected(va) === true) return EINVAL
    const anon = entry.amap === null ? 0 : amapLookup(anons, chunks, entry.amap, entry.slotOf(va))
    if (anon === 0) {
      if (entry.listener !== null) return EBUSY
      continue
    }
    pages++
    if (isAnonBusy(anons, anon)) return EAGAIN
    if (!isAnonReady(anons, anon)) isSwapped = true
    else if (isInUse(vm.phys.frames, anonPage(anons, anon) as Pfn)) return EAGAIN
  }
  if (pages === 0) return EINVAL
  return isSwapped ? 'swapped' : 'small'
}
/** Lent, or wired by somebody. */
function isInUse(frames: VmSpace['vm']['phys']['frames'], pfn: Pfn): boolean {
  const f = frames.indexOf(pfn)
  return frames.loanCount[f]! > 0 || frames.wireCount[f]! > 0
}

/** Moves the pages into the block, which becomes 512 pages, and maps it. Does not sleep. */
function move(space: VmSpace, start: number, block: Pfn): 0 | Err {
  const { vm, map } = space
  const { anons, chunks, phys, pmaps, stats } = vm
  const entry = map.lookup(start)!
  const amap = map.ownAmap(entry)
  splitPage(phys, block, ORDER)
  // Nobody stores to the old pages while they are copied.
  pmapRemove(map.pmap, start, start + LARGE)
  pmapUpdate(map.pmap)
  for (let i = 0; i < PAGES; i++) {
    const slot = entry.slotOf(start) + i
    const old = amapLookup(anons, chunks, amap, slot)
    if (old === 0) pmapZeroPage(pmaps, block + i)
    else pmapCopyPage(pmaps, anonPage(anons, old) as Pfn, asPfn(block + i))
    const anon = anons.alloc()
    anonSetPage(anons, anon, asPfn(block + i))
    amapAdd(chunks, amap, slot, anon)
    if (old !== 0) anonUnref(anons, old)
    const f = phys.frames.indexOf(asPfn(block + i))
    phys.frames.attrs[f]! |= ATTR_EXCLUSIVE | ATTR_TOUCHED
    phys.queues?.activate(f)
  }
  const isWritable = (entry.protection & VM_PROT_WRITE) !== 0
  const prot = isWritable ? entry.protection | VM_PROT_READ : entry.protection
  // Without permission, or without memory for a page table, faults map the pages one by one.
  if (prot === 0) return 0
  if (pmapEnterLarge(map.pmap, start, block, prot, isWritable ? VM_PROT_WRITE : VM_PROT_READ) !== 0) return ENOMEM
  stats.collapses++
  return 0
}

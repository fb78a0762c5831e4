import {
  ADDRESS_END,
  EACCES,
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  EOPNOTSUPP,
  EPERM,
  type Err,
  isErr,
  isPageAligned,
  PAGE_SIZE,
  type Pfn,
  pageLength,
  type Sleep,
  truncPage,
  unsigned64,
} from '../../base/index.ts'
import { amapForEach, amapRemove, anonDropSwap, anonFreeLazily, anonUnref } from '../anon/index.ts'
import { PG_anon, PG_dirty, PG_locked, PG_reserved } from '../phys/index.ts'
import {
  ATTR_TOUCHED,
  pmapCleanRange,
  pmapClearModify,
  pmapEnterSoft,
  pmapForEach,
  pmapLookup,
  pmapRemove,
  pmapUpdate,
  SOFT_GUARD,
} from '../pmap/index.ts'
import { prepareAnonGroup } from './anonGroup.ts'
import { collapseRegion } from './collapse.ts'
import {
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_DROPPABLE,
  VM_HUGEPAGE,
  VM_IO,
  VM_LOCKED,
  VM_MAYGUARD,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_SEALED,
  VM_SEQ_READ,
  VM_SHARED,
  VM_MAYSHARE,
  VM_WIPEONFORK,
  type VmMapEntry,
} from './entry.ts'
import { modifyPart } from './modifyRange.ts'
import { forEachSwapped } from './swapUse.ts'
import type { VmSpace } from './vmSpace.ts'

/** Device memory, the vdso: what the kernel has made. */
const SPECIAL = VM_IO | VM_PFNMAP | VM_DONTEXPAND

const NORMAL = 0
const RANDOM = 1
const SEQUENTIAL = 2
const WILLNEED = 3
const DONTNEED = 4
const FREE = 8
const REMOVE = 9
const COLD = 20
const PAGEOUT = 21
const POPULATE_READ = 22
const POPULATE_WRITE = 23
const DONTNEED_LOCKED = 24
const COLLAPSE = 25
const GUARD_INSTALL = 102
const GUARD_REMOVE = 103

/** Advice that sets and clears entry flags: [set, clear]. */
const FLAG_ADVICE = new Map<number, readonly [number, number]>([
  [NORMAL, [0, VM_RAND_READ | VM_SEQ_READ]],
  [RANDOM, [VM_RAND_READ, VM_SEQ_READ]],
  [SEQUENTIAL, [VM_SEQ_READ, VM_RAND_READ]],
  [10, [VM_DONTCOPY, 0]],
  [11, [0, VM_DONTCOPY]],
  [12, [VM_MERGEABLE, 0]],
  [13, [0, VM_MERGEABLE]],
  [14, [VM_HUGEPAGE, VM_NOHUGEPAGE]],
  [15, [VM_NOHUGEPAGE, VM_HUGEPAGE]],
  [16, [VM_DONTDUMP, 0]],
  [17, [0, VM_DONTDUMP]],
  [18, [VM_WIPEONFORK, 0]],
  [19, [0, VM_WIPEONFORK]],
])
const OTHER_ADVICE = [
  WILLNEED,
  DONTNEED,
  FREE,
  REMOVE,
  COLD,
  PAGEOUT,
  POPULATE_READ,
  POPULATE_WRITE,
  DONTNEED_LOCKED,
  COLLAPSE,
  GUARD_INSTALL,
  GUARD_REMOVE,
]

/**
 * madvise(2). Entries are visited in ascending order; holes do not stop it but make the answer ENOMEM; an error stops it
 * and leaves what was done.
 *
 * @errors EINVAL, ENOMEM, EAGAIN a split at the limit, EPERM, EACCES, EFAULT; those of `collapseRegion`
 * @manual madvise(2), Linux
 */
export function* madviseRegion(space: VmSpace, addr: number, bytes: number, advice: number): Sleep<0 | Err> {
  if (!FLAG_ADVICE.has(advice) && !OTHER_ADVICE.includes(advice)) return EINVAL
  if (!isPageAligned(addr)) return EINVAL
  const length = pageLength(bytes)
  let at = unsigned64(addr)
  const end = at + length
  if ((bytes !== 0 && length === 0) || end >= ADDRESS_END) return EINVAL
  if (advice === COLLAPSE) return yield* collapseRegion(space, at, end)
  let hole = false
  while (at < end) {
    yield* space.map.lock.write({})
    let entry = space.map.firstEndingAbove(at)
    if (entry === null || entry.start >= end) {
      space.map.lock.unlockWrite()
      hole = true
      break
    }
    if (entry.start > at) {
      hole = true
      if (advice === POPULATE_READ || advice === POPULATE_WRITE) {
        space.map.lock.unlockWrite()
        break
      }
    }
    const s = Math.max(at, entry.start)
    let e = Math.min(end, entry.end)
    const news = entry.listener !== null && drops(entry, advice) ? entry.listener.removing(s, e) : null
    if (news !== null) {
      // It is told of before it happens, and what is there then may be something else.
      space.map.lock.unlockWrite()
      yield* news.tell()
      yield* space.map.lock.write({})
      entry = space.map.lookup(s)
      if (entry === null) {
        space.map.lock.unlockWrite()
        return ENOMEM
      }
      e = Math.min(e, entry.end)
    }
    const result = adviseEntry(space, entry, s, e, advice)
    pmapUpdate(space.pmap)
    const { object } = entry
    const first = entry.pgoffOf(s)
    const going = advice === PAGEOUT && result === 0 ? ownFrames(space, s, e) : []
    space.map.lock.unlockWrite()
    if (going.length > 0) yield* space.vm.pageOut(going)
    if (result !== 0) return result === ENOMEM ? EAGAIN : result
    if (advice === REMOVE && object !== null) {
      const punched = object.pager.punch?.(object, first, first + (e - s) / PAGE_SIZE) ?? EOPNOTSUPP
      if (isErr(punched)) return punched
    }
    if (advice === POPULATE_READ || advice === POPULATE_WRITE) {
      const done = yield* space.vm.populate(space, s, e, advice === POPULATE_READ ? 1 : 2)
      if (isErr(done)) return done === EACCES ? EINVAL : done === EINVAL ? EFAULT : done
    }
    at = e
  }
  return hole ? ENOMEM : 0
}

const DESTRUCTIVE = [DONTNEED, DONTNEED_LOCKED, FREE, REMOVE, 10, 18, GUARD_INSTALL]
function isSealedAgainst({ vmFlags, protection }: VmMapEntry, advice: number): boolean {
  if ((vmFlags & VM_SEALED) === 0 || !DESTRUCTIVE.includes(advice)) return false
  return (vmFlags & VM_MAYSHARE) === 0 && (protection & 2) === 0
}
/** Is this advice that drops pages, and one that the entry allows? */
function drops(entry: VmMapEntry, advice: number): boolean {
  const isDrop = advice === DONTNEED || advice === DONTNEED_LOCKED || advice === FREE || advice === REMOVE
  return isDrop && !isSealedAgainst(entry, advice) && refusesDrop(entry, advice) === 0
}
function refusesDrop({ vmFlags, object, isCow, maxProtection }: VmMapEntry, advice: number): 0 | Err {
  const isLocked = (vmFlags & VM_LOCKED) !== 0
  if (advice === FREE) return object !== null || !isCow || isLocked ? EINVAL : 0
  if (advice !== REMOVE) return (vmFlags & VM_PFNMAP) !== 0 || (isLocked && advice === DONTNEED) ? EINVAL : 0
  if (isLocked || object === null) return EINVAL
  return (vmFlags & VM_SHARED) === 0 || (maxProtection & 2) === 0 ? EACCES : 0
}

function adviseEntry(space: VmSpace, entry: VmMapEntry, s: number, e: number, advice: number): 0 | Err {
  const { vmFlags } = entry
  const isLocked = (vmFlags & VM_LOCKED) !== 0
  if (isSealedAgainst(entry, advice)) return EPERM
  const flags = FLAG_ADVICE.get(advice)
  if (flags !== undefined) return adviseFlags(space, entry, s, e, advice, flags)
  switch (advice) {
    case DONTNEED:
    case DONTNEED_LOCKED:
    case FREE:
    case REMOVE: {
      const refused = refusesDrop(entry, advice)
      if (refused === 0 && advice === FREE) freeLazily(space, entry, s, e)
      else if (refused === 0 && advice !== REMOVE) zapRange(space, entry, s, e)
      return refused
    }
    case COLD:
      if (isLocked || (vmFlags & VM_PFNMAP) !== 0) return EINVAL
      for (const f of ownFrames(space, s, e)) space.vm.cool(f)
      return 0
    case PAGEOUT:
      return isLocked || (vmFlags & VM_PFNMAP) !== 0 ? EINVAL : 0
    case GUARD_INSTALL:
      if (isLocked || (vmFlags & SPECIAL) !== 0) return EINVAL
      return installGuards(space, entry, s, e)
    case GUARD_REMOVE:
      if ((vmFlags & SPECIAL) !== 0) return EINVAL
      for (let va = s; va < e; va += PAGE_SIZE)
        if (!pmapLookup(space.pmap, va) && space.vm.pmaps.softKind === SOFT_GUARD)
          pmapRemove(space.pmap, va, va + PAGE_SIZE, true)
      return 0
    default:
      return 0
  }
}

function adviseFlags(
  space: VmSpace,
  entry: VmMapEntry,
  s: number,
  e: number,
  advice: number,
  [set, clear]: readonly [number, number],
): 0 | Err {
  const isShared = (entry.vmFlags & VM_MAYSHARE) !== 0
  if (advice === 11 && (entry.vmFlags & VM_IO) !== 0) return EINVAL
  if (advice === 17 && (entry.vmFlags & (VM_DROPPABLE | SPECIAL)) !== 0) return EINVAL
  if (advice === 18 && (entry.object !== null || isShared)) return EINVAL
  if (advice === 19 && (entry.vmFlags & VM_DROPPABLE) !== 0) return EINVAL
  if ((advice === 12 || advice === 13) && isShared) return 0
  const wanted = (entry.vmFlags & ~clear) | set
  if (wanted === entry.vmFlags) return 0
  const part = modifyPart(space, entry, s, e, (p) => {
    p.vmFlags = (p.vmFlags & ~clear) | set
    if (advice <= SEQUENTIAL) p.advice = advice
  })
  return isErr(part) ? part : 0
}

/** Drops translations and private pages of a range; guard markers stay. */
export function zapRange(space: VmSpace, entry: VmMapEntry, s: number, e: number): void {
  const { vm, map } = space
  pmapRemove(map.pmap, s, e, false, true)
  pmapUpdate(map.pmap)
  if (entry.object === null) entry.listener?.forget(s, e)
  if (entry.amap === null) return
  const slots: number[] = []
  amapForEach(vm.chunks, entry.amap, entry.slotOf(s), entry.slotOf(e - 1) + 1, (slot) => slots.push(slot))
  if (slots.length === 0) return
  // Another entry may name the same amap (fork): the slots dropped must be this entry's alone.
  const own = map.ownAmap(entry)
  for (const slot of slots) anonUnref(vm.anons, amapRemove(vm.chunks, own, slot))
}

/** Frames that `[s, e)` maps and no other mapping does: what one address space may say is not needed. */
function ownFrames(space: VmSpace, s: number, e: number): number[] {
  const { frames } = space.vm.phys
  const own: number[] = []
  pmapForEach(space.pmap, s, e, (_va, pfn) => {
    const f = frames.indexOf(pfn as Pfn)
    if (f >= 0 && frames.mapcount[f] === 0 && (frames.flags[f]! & PG_reserved) === 0) own.push(f)
  })
  return own
}

/**
 * MADV_FREE: pages lose their dirtiness; memory pressure may take them, a store keeps them. What is dirty without its
 * translation saying so, and seen by others, stays as it is.
 */
function freeLazily(space: VmSpace, entry: VmMapEntry, s: number, e: number): void {
  const { pmaps, phys, anons } = space.vm
  const { frames } = phys
  forgetSwapped(space, entry, s, e)
  const shared = sharedAnons(entry, s, e)
  pmapCleanRange(space.pmap, s, e, (pfn) => {
    const f = frames.indexOf(pfn as Pfn)
    if (f < 0 || (frames.flags[f]! & PG_anon) === 0) return false
    // A page that others see, mapped or not, keeps what makes it dirty for them.
    const anon = frames.owner[f]!
    const isShared = frames.mapcount[f]! > 0 || anons.ref[anon]! > 1 || shared.has(anon)
    if (isShared)
      return anons.slot[anon] === 0 && ((frames.attrs[f]! & ATTR_TOUCHED) | (frames.flags[f]! & PG_dirty)) === 0
    if ((frames.flags[f]! & PG_locked) === 0) {
      anonDropSwap(anons, anon)
      anonFreeLazily(anons, f)
      phys.events.add('pglazyfree')
    }
    pmapClearModify(pmaps, pfn as Pfn)
    frames.attrs[f]! &= ~ATTR_TOUCHED
    frames.flags[f]! &= ~PG_dirty
    return true
  })
}

/** Anons of a range that another entry sees through the same amap: that of a child, until one of them writes. */
function sharedAnons(entry: VmMapEntry, s: number, e: number): Set<number> {
  const { amap, map } = entry
  const shared = new Set<number>()
  if (amap === null || amap.refs === 1) return shared
  amapForEach(map.vm.chunks, amap, entry.slotOf(s), entry.slotOf(e - 1) + 1, (slot, anon) => {
    if ((amap.spans === null ? amap.refs : amap.spans.at(slot)) > 1) shared.add(anon)
  })
  return shared
}

/** What is in swap of a range that is given up need never be read. */
function forgetSwapped(space: VmSpace, entry: VmMapEntry, s: number, e: number): void {
  const { vm, map } = space
  const slots: number[] = []
  forEachSwapped(entry, s, e, (va, anon) => {
    if (vm.anons.page[anon] === 0) slots.push(entry.slotOf(va))
  })
  if (slots.length === 0) return
  const own = map.ownAmap(entry)
  for (const slot of slots) anonUnref(vm.anons, amapRemove(vm.chunks, own, slot))
}

function installGuards(space: VmSpace, entry: VmMapEntry, s: number, e: number): 0 | Err {
  zapRange(space, entry, s, e)
  if (entry.object === null) prepareAnonGroup(entry)
  entry.vmFlags |= VM_MAYGUARD
  for (let va = truncPage(s); va < e; va += PAGE_SIZE) {
    const error = pmapEnterSoft(space.pmap, va, SOFT_GUARD, 0)
    if (error !== 0) return error
  }
  return 0
}

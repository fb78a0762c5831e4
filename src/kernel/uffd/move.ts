import { EBUSY, EEXIST, EINVAL, ENOENT, type Err, PAGE_SIZE, type Pfn, type Sleep } from '../../base/index.ts'
import { amapAdd, amapLookup, amapRemove, anonPage, isAnonReady } from '../anon/index.ts'
import { pageProtection } from '../fault/index.ts'
import { locked, prepareAnonGroup, VM_LOCKED, VM_SHARED, type VmMapEntry } from '../map/index.ts'
import { PMAP_CANFAIL, pmapEnter, pmapLookup, pmapRemove, pmapUpdate, SOFT_NONE, VM_PROT_READ } from '../pmap/index.ts'
import type { UserFaults } from './userFaults.ts'

/**
 * Moves private pages without a copy: they are gone at their old place, and there at the new one.
 *
 * @param maySkip  a page that is not there is left out
 * @returns bytes gone over, if there are any
 * @errors EINVAL not private memory of one kind; ENOENT not registered, or no page; EEXIST a page at the new place;
 *         EBUSY shared with another process, or in use
 * @locks  map write-locked; sleeps for it
 * @manual ioctl_userfaultfd(2), UFFDIO_MOVE
 */
export function* moveRange(
  listener: UserFaults,
  to: number,
  from: number,
  length: number,
  maySkip: boolean,
): Sleep<number | Err> {
  const { map } = listener.space
  return yield* locked(map, () => {
    let done = 0
    let error: 0 | Err = 0
    for (; done < length && error === 0; done += error === 0 ? PAGE_SIZE : 0)
      error = movePage(listener, to, from, length, done, maySkip)
    pmapUpdate(map.pmap)
    return done > 0 ? done : error
  })
}

function movePage(
  { space }: UserFaults,
  to: number,
  from: number,
  length: number,
  offset: number,
  maySkip: boolean,
): 0 | Err {
  const { map, vm } = space
  const source = map.lookup(from)
  const target = map.lookup(to)
  if (source === null || target === null) return ENOENT
  if (source.end < from + length || target.end < to + length) return EINVAL
  if (!areAlike(source, target)) return EINVAL
  if (target.listener === null) return EINVAL
  const [s, t] = [from + offset, to + offset]
  if (pmapLookup(map.pmap, t) || vm.pmaps.softKind !== SOFT_NONE || anonAt(target, t) !== 0) return EEXIST
  const anon = anonAt(source, s)
  if (anon === 0) {
    if (!pmapLookup(map.pmap, s)) return maySkip ? 0 : ENOENT
    // The page of zeros is nobody's: it is there at the new place as well.
    if (pmapEnter(map.pmap, t, vm.zeroPfn, VM_PROT_READ, VM_PROT_READ | PMAP_CANFAIL) !== 0) return EBUSY
    pmapRemove(map.pmap, s, s + PAGE_SIZE)
    return 0
  }
  if (vm.anons.ref[anon]! > 1 || !isAnonReady(vm.anons, anon)) return EBUSY
  prepareAnonGroup(target)
  const fromAmap = map.ownAmap(source)
  const toAmap = map.ownAmap(target)
  pmapRemove(map.pmap, s, s + PAGE_SIZE)
  pmapUpdate(map.pmap)
  amapRemove(vm.chunks, fromAmap, source.slotOf(s))
  amapAdd(vm.chunks, toAmap, target.slotOf(t), anon)
  // No frame for a page table: the next access finds the page all the same.
  pmapEnter(map.pmap, t, anonPage(vm.anons, anon) as Pfn, pageProtection(target), VM_PROT_READ | PMAP_CANFAIL)
  return 0
}
function anonAt(entry: VmMapEntry, va: number): number {
  const { anons, chunks } = entry.map.vm
  return entry.amap === null ? 0 : amapLookup(anons, chunks, entry.amap, entry.slotOf(va))
}
/** Both private memory without a file, locked or not alike, and writable. */
function areAlike(a: VmMapEntry, b: VmMapEntry): boolean {
  const isPrivate = (e: VmMapEntry): boolean => e.object === null && e.isCow && (e.vmFlags & VM_SHARED) === 0
  return (
    isPrivate(a) &&
    isPrivate(b) &&
    ((a.vmFlags ^ b.vmFlags) & VM_LOCKED) === 0 &&
    (a.protection & 2) !== 0 &&
    (b.protection & 2) !== 0
  )
}

import { EBUSY, EFAULT, type Err, isErr, kassert, PAGE_SIZE, type Sleep } from '../../base/index.ts'
import { amapForEach, amapRemove, anonPage, anonUnref, isAnonReady } from '../anon/index.ts'
import type { VmMap, VmMapEntry } from '../map/index.ts'
import { PGO_CLEANIT, PGO_DEACTIVATE, PGO_FREE } from '../object/index.ts'
import { pmapUpdate } from '../pmap/index.ts'

/**
 * Cleans, deactivates or frees what is mapped in a range (msync, madvise). Object pages are always cleaned before they
 * are freed; anons are freed only if no other entry names their amap.
 *
 * @param flags  PGO_…; not FREE and DEACTIVATE together
 * @errors EFAULT a hole; EBUSY PGO_FREE of something wired; or the pager's
 * @locks  none held while the pager works; sleeps
 * @manual uvm_map_clean, uvm_map(9), NetBSD
 */
export function* uvmMapClean(map: VmMap, start: number, end: number, flags: number): Sleep<0 | Err> {
  kassert(
    (flags & (PGO_FREE | PGO_DEACTIVATE)) !== (PGO_FREE | PGO_DEACTIVATE),
    'pages are freed or deactivated, not both',
  )
  const entries: VmMapEntry[] = []
  for (let at = start; at < end;) {
    const entry = map.lookup(at)
    if (entry === null) return EFAULT
    if ((flags & PGO_FREE) !== 0 && entry.wiredCount > 0) return EBUSY
    entries.push(entry)
    at = entry.end
  }
  for (const entry of entries) {
    const s = Math.max(start, entry.start)
    const e = Math.min(end, entry.end)
    if (entry.amap !== null && (flags & (PGO_FREE | PGO_DEACTIVATE)) !== 0) {
      if ((flags & (PGO_FREE | PGO_CLEANIT)) === PGO_FREE && entry.amap.refs === 1) freeAnons(map, entry, s, e)
      else deactivateAnons(map, entry, s, e)
    }
    const { object } = entry
    if (object?.pager.put === undefined) continue
    object.pager.reference(object)
    const first = entry.pgoffOf(s)
    const error = yield* object.pager.put(object, first, first + (e - s) / PAGE_SIZE, flags | PGO_CLEANIT)
    object.pager.detach(object)
    if (isErr(error)) return error
  }
  return 0
}

function freeAnons(map: VmMap, entry: VmMapEntry, start: number, end: number): void {
  const { anons, chunks } = map.vm
  const slots: number[] = []
  amapForEach(chunks, entry.amap!, entry.slotOf(start), entry.slotOf(end - 1) + 1, (slot) => slots.push(slot))
  for (const slot of slots) anonUnref(anons, amapRemove(chunks, entry.amap!, slot))
  pmapUpdate(map.pmap)
}

/** Anons that others may still want only become the next ones to go. Loaned, wired and busy ones stay. */
function deactivateAnons(map: VmMap, entry: VmMapEntry, start: number, end: number): void {
  const { anons, chunks, phys } = map.vm
  const { frames, queues } = phys
  if (queues === null) return
  amapForEach(chunks, entry.amap!, entry.slotOf(start), entry.slotOf(end - 1) + 1, (_slot, anon) => {
    if (!isAnonReady(anons, anon)) return
    const f = frames.indexOf(anonPage(anons, anon))
    if (frames.loanCount[f] === 0 && frames.wireCount[f] === 0) queues.deactivate(f)
  })
}

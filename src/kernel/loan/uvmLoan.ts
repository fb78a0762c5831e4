import {
  EINVAL,
  ENOENT,
  type Err,
  isErr,
  kassert,
  PAGE_SIZE,
  type Pfn,
  type Sleep,
  sleepOn,
  sleepUntil,
} from '../../base/index.ts'
import {
  amapLookup,
  anonAllocWithPage,
  anonGet,
  anonLent,
  anonPage,
  anonRef,
  isAnonBusy,
  isAnonReady,
} from '../anon/index.ts'
import type { VmMap, VmMapEntry } from '../map/index.ts'
import { getPage, GFP_HIGHUSER_MOVABLE } from '../phys/index.ts'
import { pmapCopyPage, pmapPageProtect, pmapZeroPage, VM_PROT_EXECUTE, VM_PROT_READ } from '../pmap/index.ts'
import { uvmUnloan } from './uvmUnloan.ts'

/** The result is anons: private memory for another map. */
export const UVM_LOAN_TOANON = 1
/** The result is pages that the kernel may read. */
export const UVM_LOAN_TOPAGE = 2

const PAUSE = 10e6

/**
 * Lends what is mapped in `[start, start + len)`, page by page, without a copy. Until it is given back the borrower sees
 * the bytes of now: an owner who stores gets a copy, one who unmaps leaves the page to the borrower.
 *
 * A page of an object lent as an anon, and untouched memory lent as an anon, are copied: a frame has one owner.
 *
 * @param start   bytes, page aligned, as is `len`
 * @param result  takes one number a page: an anon or a pfn
 * @param flags   exactly one of UVM_LOAN_TOANON, UVM_LOAN_TOPAGE
 * @errors ENOENT nothing is mapped; EINVAL nothing is behind the mapping, or TOPAGE and the page is wired; EIO, or the
 *                pager's. What was lent before the error is given back
 * @locks  none on entry; sleeps
 * @manual uvm_loan, uvm(9), NetBSD
 */
export function* uvmLoan(map: VmMap, start: number, len: number, result: number[], flags: number): Sleep<0 | Err> {
  const toAnon = (flags & (UVM_LOAN_TOANON | UVM_LOAN_TOPAGE)) === UVM_LOAN_TOANON
  kassert(toAnon || (flags & (UVM_LOAN_TOANON | UVM_LOAN_TOPAGE)) === UVM_LOAN_TOPAGE, 'a loan is to an anon or a page')
  kassert(start % PAGE_SIZE === 0 && len % PAGE_SIZE === 0, 'whole pages are lent')
  const first = result.length
  for (let va = start; va < start + len; va += PAGE_SIZE) {
    const lent = yield* lend(map, va, toAnon)
    if (!isErr(lent)) {
      result.push(lent)
      continue
    }
    const undone = result.splice(first)
    uvmUnloan(map.vm, undone, undone.length, flags)
    return lent
  }
  return 0
}

/** One page. After every sleep everything is looked at again. */
function* lend(map: VmMap, va: number, toAnon: boolean): Sleep<number | Err> {
  const { vm } = map
  const { anons } = vm
  for (;;) {
    const entry = map.lookup(va)
    if (entry === null) return ENOENT
    const anon = entry.amap === null ? 0 : amapLookup(anons, vm.chunks, entry.amap, entry.slotOf(va))
    if (anon !== 0) {
      if (isAnonReady(anons, anon)) return lendAnon(map, anon, toAnon)
      if (isAnonBusy(anons, anon)) yield* sleepOn(anons.ioQueue)
      else {
        const error = yield* anonGet(anons, anon)
        if (error !== 0 && anons.slot[anon] === -1) return error
        if (error !== 0) yield* sleepUntil(vm.machine.clock.now + PAUSE)
      }
    } else if (entry.object !== null) {
      const page = yield* objectPage(entry, va)
      if (isErr(page)) return page
      // What came while somebody changed the map is somebody else's page.
      if (map.lookup(va) !== entry || entry.object.pageAt(entry.pgoffOf(va)) !== page) continue
      return toAnon ? anonWithCopy(map, page) : lendPage(map, page)
    } else if (!entry.isCow && entry.amap === null) return EINVAL
    else return toAnon ? anonWithCopy(map, -1) : lendPage(map, vm.zeroPfn)
  }
}

function* objectPage(entry: VmMapEntry, va: number): Sleep<Pfn | Err> {
  const object = entry.object!
  if (object.pager.fault !== undefined) return EINVAL
  object.pager.reference(object)
  const page = yield* object.pager.get(object, entry.pgoffOf(va), VM_PROT_READ)
  object.pager.detach(object)
  return page
}

function lendAnon(map: VmMap, anon: number, toAnon: boolean): number | Err {
  const { anons, pmaps, phys } = map.vm
  const pfn = anonPage(anons, anon) as Pfn
  if (!toAnon) return lendPage(map, pfn)
  // It is copy-on-write from now on: whoever may store to it must fault.
  if (phys.frames.mapcount[phys.frames.indexOf(pfn)]! >= 0) pmapPageProtect(pmaps, pfn, VM_PROT_READ | VM_PROT_EXECUTE)
  anonRef(anons, anon)
  anonLent(anons, anon, 1)
  return anon
}

function lendPage(map: VmMap, pfn: Pfn): number | Err {
  const { pmaps, phys } = map.vm
  const { frames } = phys
  const f = frames.indexOf(pfn)
  if (frames.wireCount[f]! > 0) return EINVAL
  if (frames.loanCount[f] === 0 && frames.mapcount[f]! >= 0) pmapPageProtect(pmaps, pfn, VM_PROT_READ | VM_PROT_EXECUTE)
  frames.loanCount[f] = frames.loanCount[f]! + 1
  getPage(phys, pfn)
  return pfn
}

/** @param from  the page that is copied; -1: zeros */
function anonWithCopy(map: VmMap, from: number): number | Err {
  const { anons, pmaps } = map.vm
  const anon = anonAllocWithPage(anons, GFP_HIGHUSER_MOVABLE)
  if (isErr(anon)) return anon
  const page = anonPage(anons, anon) as Pfn
  if (from < 0) pmapZeroPage(pmaps, page)
  else pmapCopyPage(pmaps, from, page)
  anonLent(anons, anon, 1)
  return anon
}

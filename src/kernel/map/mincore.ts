import { EFAULT, EINVAL, ENOMEM, type Err, isPageAligned, PAGE_SIZE, roundPage } from '../../base/index.ts'
import { amapLookup } from '../anon/index.ts'
import { pmapLookup } from '../pmap/index.ts'
import type { MappedFile, VmMapEntry } from './entry.ts'
import type { VmSpace } from './vmSpace.ts'

/**
 * mincore(2): which pages are in memory. Private anonymous memory: a translation is present. Anything with an object: the
 * page is in the page cache, if the caller may know it, else it is said to be there.
 *
 * @param report  called with chunks of one byte a page, bit 0, in order; a hole ends it after what came before
 * @param mayKnow does the caller own the file, or may it write it?
 * @param vec     where the caller will put the bytes, an address of the program
 * @errors EINVAL unaligned; ENOMEM a hole, or beyond the address space; EFAULT vec reaches beyond it
 * @locks  map read; never sleeps
 * @manual mincore(2), Linux
 */
export function mincoreRegion(
  space: VmSpace,
  addr: number,
  bytes: number,
  report: (pages: Uint8Array) => void,
  mayKnow: (file: MappedFile) => boolean = (file) => file.isWritable,
  vec = 0,
): 0 | Err {
  const { map } = space
  if (!isPageAligned(addr)) return EINVAL
  if (addr < 0 || bytes < 0 || addr + bytes > map.max) return ENOMEM
  const length = roundPage(bytes)
  if (vec < 0 || vec + length / PAGE_SIZE > map.max) return EFAULT
  for (let at = addr; at < addr + length;) {
    const entry = map.lookup(at)
    if (entry === null) return ENOMEM
    const end = Math.min(entry.end, addr + length, at + 4096 * PAGE_SIZE)
    const pages = new Uint8Array((end - at) / PAGE_SIZE)
    if (entry.file !== null && entry.object !== null && !mayKnow(entry.file)) pages.fill(1)
    else for (let i = 0; i < pages.length; i++) pages[i] = isInCore(entry, at + i * PAGE_SIZE) ? 1 : 0
    report(pages)
    at = end
  }
  return 0
}

function isInCore(entry: VmMapEntry, va: number): boolean {
  const { map, object } = entry
  if (pmapLookup(map.pmap, va)) return true
  const { anons, chunks } = map.vm
  const anon = entry.amap === null ? 0 : amapLookup(anons, chunks, entry.amap, entry.slotOf(va))
  if (anon !== 0) return anons.page[anon] !== 0
  if (object === null) return false
  return object.pageAt(entry.pgoffOf(va)) >= 0
}

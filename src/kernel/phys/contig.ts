// Contiguous ranges out of memory in use (physical specification, 2.15).

import { EBUSY, EINTR, isErr, kassert, sleepOn, type Err, type OrErr, type Pfn, type Sleep } from '../../base/index.ts'
import { allocPages } from './alloc.ts'
import { MAX_ORDER, MAX_ORDER_NR_PAGES, SWAP_CLUSTER_MAX } from './configuration.ts'
import { BUDDY_MAPCOUNT } from './frames.ts'
import { freePages } from './free.ts'
import { __GFP_HIGHMEM, __GFP_MOVABLE, GFP_USER } from './gfp.ts'
import { isolateFreepagesRange, startIsolatePageRange, testPagesIsolated, undoIsolatePageRange } from './isolate.ts'
import {
  isolateMigratepagesRange,
  migratePages,
  putBackMovablePages,
  reclaimCleanPagesFromList,
  type MigrationTarget,
} from './migrate.ts'
import { drainAllPages } from './pcp.ts'
import type { Phys } from './phys.ts'

/** Rounds of migration a batch of pages gets. */
const MAX_TRIES = 5

// allocContigRange
//   1. isolate the blocks around the range   2. move its pages away   3. drain every list
//   4. the free block that holds the start   5. all of it free?   6. take it, give back what lies outside
//   7. end the isolation
/**
 * Makes [start, end) the caller's: every page of it free before or moved away, each with count 1, contents undefined.
 *
 * @param start, end     pfns, in one zone, all valid; callers of overlapping ranges must exclude each other
 * @param migratetype    MIGRATE_MOVABLE or MIGRATE_CMA: the type the blocks have, and will have
 * @errors EBUSY a page stays, EINTR fatal signal, ENOMEM nowhere to move pages to
 * @locks  sleeps
 * @manual alloc_contig_range, Linux
 */
export function* allocContigRange(phys: Phys, start: number, end: number, migratetype: number): Sleep<0 | Err> {
  kassert(start < end, 'a contiguous range has a page', `[${start}, ${end})`)
  const align = Math.max(MAX_ORDER_NR_PAGES, phys.pageblockPages)
  const first = Math.floor(start / align) * align
  const last = Math.ceil(end / align) * align
  const isolated = startIsolatePageRange(phys, first, last, migratetype)
  if (isolated !== 0) return isolated
  let result = yield* migrateRange(phys, start, end)
  if (result === 0) result = takeRange(phys, start, end)
  undoIsolatePageRange(phys, first, last, migratetype)
  return result
}

function* migrateRange(phys: Phys, start: number, end: number): Sleep<0 | Err> {
  phys.reclaimer?.drainLru()
  const target = anywhere(phys)
  const list: Pfn[] = []
  let pfn = start
  let tries = 0
  let result: number | Err = 0
  while (pfn < end || list.length > 0) {
    if (phys.task?.hasFatalSignal === true) {
      result = EINTR
      break
    }
    if (list.length === 0) {
      pfn = isolateMigratepagesRange(phys, pfn, end, SWAP_CLUSTER_MAX, list)
      if (pfn === 0) {
        result = EINTR
        break
      }
      tries = 0
    } else if (++tries === MAX_TRIES) {
      if (!isErr(result)) result = EBUSY
      break
    }
    yield* reclaimCleanPagesFromList(phys, list)
    result = yield* migratePages(phys, list, target, 'MIGRATE_SYNC', 'cma')
  }
  // Pages that could not be moved do not make it fail here: the range will be found not to be free.
  if (!isErr(result)) return 0
  putBackMovablePages(phys, list)
  return result
}

function anywhere(phys: Phys): MigrationTarget {
  return {
    *get(from: Pfn): Sleep<OrErr<Pfn>> {
      const isHighmem = phys.zoneOfPfn(from).isHighmem
      return yield* allocPages(phys, GFP_USER | __GFP_MOVABLE | (isHighmem ? __GFP_HIGHMEM : 0), 0)
    },
    put: (page) => freePages(phys, page, 0),
  }
}

function takeRange(phys: Phys, start: number, end: number): 0 | Err {
  const { frames } = phys
  phys.reclaimer?.drainLru()
  drainAllPages(phys, phys.zoneOfPfn(start))
  let order = 0
  let outerStart = start
  while (frames.mapcount[frames.frameOf(outerStart)] !== BUDDY_MAPCOUNT) {
    if (++order >= MAX_ORDER) return EBUSY
    outerStart = start - (start % 2 ** order)
  }
  if (testPagesIsolated(phys, outerStart, end, false) !== 0) {
    phys.log.print(`alloc_contig_range: [${outerStart.toString(16)}, ${end.toString(16)}) PFNs busy`)
    return EBUSY
  }
  const outerEnd = isolateFreepagesRange(phys, outerStart, end)
  if (outerEnd === 0) return EBUSY
  for (let pfn = outerStart; pfn < start; pfn++) freePages(phys, pfn, 0)
  for (let pfn = end; pfn < outerEnd; pfn++) freePages(phys, pfn, 0)
  return 0
}

/**
 * Gives a contiguous range back, page by page. Pages somebody else still refers to are only warned about.
 *
 * @manual free_contig_range, Linux
 */
export function freeContigRange(phys: Phys, pfn: number, pages: number): void {
  let inUse = 0
  for (let p = pfn; p < pfn + pages; p++) {
    if (phys.frames.refcount[phys.frames.frameOf(p)] !== 1) inUse++
    freePages(phys, p, 0)
  }
  if (inUse > 0) phys.log.warn(`${inUse} pages are still in use!`)
}

/** allocContigRange for callers that cannot know of each other: one at a time. */
export function* allocContigRangeLocked(phys: Phys, start: number, end: number, type: number): Sleep<0 | Err> {
  while (!phys.contigMutex.tryWrite(phys)) yield* sleepOn(phys.contigMutex.queue)
  const result = yield* allocContigRange(phys, start, end, type)
  phys.contigMutex.unlockWrite()
  return result
}
